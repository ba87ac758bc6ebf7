"""The control plane over TLS, as a process, with a certificate of the operator's own."""

import ssl
import subprocess
import sys
from pathlib import Path

import httpx

from tests.self_signed import self_signed
from tests.test_control_process import Site


def test_over_tls_from_the_first_token_to_the_audit_log(tmp_path: Path) -> None:
    site = Site(tmp_path)
    _, certificate, _ = self_signed(tmp_path)
    with site.config.open("a") as file:
        file.write(f'certificate = "{certificate}"\nkey = "{tmp_path / "bmc.key"}"\n')
    trust = ssl.create_default_context(cafile=str(certificate))
    shown: list[str] = []
    with site.serving() as process:
        token = (site.data / "admin.token").read_text().strip()
        with httpx.Client(base_url=f"https://127.0.0.1:{site.port}", verify=trust) as browser:
            assert browser.get("/api/v1/nodes").status_code == 401
            answer = browser.post("/api/v1/session", json={"token": token})
            assert answer.headers["set-cookie"].startswith("__Host-netboot=")
            shown += [token, browser.cookies["__Host-netboot"]]
            same = {"Sec-Fetch-Site": "same-origin"}
            body = {"name": "ci", "role": "read"}
            made = browser.post("/api/v1/tokens", json=body, headers=same)
            shown.append(made.json()["secret"])
            node = {"name": "n1", "macs": ["52:54:00:00:00:01"], "profile": "local"}
            assert browser.post("/api/v1/nodes", json=node).status_code == 403
            assert browser.post("/api/v1/nodes", json=node, headers=same).status_code == 201
            assert browser.delete("/api/v1/session", headers=same).status_code == 204
            assert browser.get("/api/v1/nodes").status_code == 401
        with site.client() as command:
            audit = command.get("/api/v1/audit").json()["audit"]
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert [(one["who"], one["origin"], one["route"], one["status"]) for one in audit] == [
        ("admin", "127.0.0.1", "/api/v1/session", 204),
        ("admin", "127.0.0.1", "/api/v1/nodes", 201),
        ("admin", "127.0.0.1", "/api/v1/tokens", 201),
        ("admin", "127.0.0.1", "/api/v1/session", 201),
    ]
    assert not any(secret in output + str(audit) for secret in shown)


def test_a_network_is_not_served_in_clear_unless_that_is_said(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.config.write_text(site.config.read_text().replace("127.0.0.1", "0.0.0.0"))  # noqa: S104 -- it is refused
    ended = subprocess.run(
        [sys.executable, "-m", "netboot.control", "--config", site.config],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert 'tls = "self"' in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
