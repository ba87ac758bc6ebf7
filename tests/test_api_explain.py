"""What a machine would be told, over REST: the decision, the script and the answers, no secret."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from netboot.answer.withheld import without_secrets
from netboot.events import Event, Kind
from netboot.job import JobKind, JobState
from netboot.model import Mac, Node
from tests.api_site import N1, Api, api_in
from tests.uefi_program import headers

MAC = Mac("52:54:00:00:00:01")
HASH = "$6$salt1234$" + "abcDEF./01" * 5
SECRETS = {
    "root_password_crypted": HASH,
    "user": "ben",
    "user_password_crypted": HASH.replace("salt", "other"),
    "partition_method": "crypto",
    "luks_passphrase": "correct 'horse battery",
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        yield found


def explained(api: Api, path: str) -> dict[str, Any]:
    answer = api.ask("GET", path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fetched(api: Api, image: str, *names: str, content: bytes = b"") -> None:
    """An image of files with this content; with none it is enough to be booted from."""
    folder = api.settings.images_dir / image / "1"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(content)
    entry = {"sha256": sha256(content).hexdigest(), "size": len(content), "member": "x"}
    manifest = {
        "image": image,
        "version": "1",
        "fetched_at": "2026-01-01T00:00:00Z",
        "files": dict.fromkeys(names, entry),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder.parent / "current").symlink_to("1")


def test_a_node_is_told_its_loader_then_its_script_and_its_preseed(api: Api) -> None:
    fetched(api, "debian-12")
    api.ask("POST", "nodes", json=N1)
    found = explained(api, "nodes/n1/explain")
    assert (found["verdict"], found["node"], found["problem"]) == ("loader", "n1", "")
    assert found["reasons"][-1] == "it is UEFI x64, whose loader is snponly.efi"
    assert found["script"].startswith("#!ipxe")
    assert [one["name"] for one in found["answers"]] == ["preseed.cfg", "authorized_keys"]
    assert "mirror/http/hostname string mirror.test" in found["answers"][0]["text"]


def test_a_loader_that_is_not_there_is_passed_over_and_said(api: Api) -> None:
    fetched(api, "ipxe", "ipxe.efi")
    api.ask("POST", "nodes", json=N1)
    found = explained(api, "nodes/n1/explain")
    assert found["loader"] == "ipxe.efi"
    assert "snponly.efi, whose turn it is, is not there" in found["reasons"]


def test_how_the_machine_speaks_may_be_said(api: Api) -> None:
    api.ask("POST", "nodes", json=N1 | {"profile": "local"})
    assert explained(api, "nodes/n1/explain?firmware=ipxe")["verdict"] == "script"
    assert explained(api, "nodes/n1/explain?arch=0")["loader"] == "undionly.kpxe"
    assert explained(api, "explain?mac=525400000001&arch=0x0b")["loader"].startswith("arm64/")


def test_a_machine_is_taken_for_the_kind_that_it_last_was(api: Api) -> None:
    api.ask("POST", "nodes", json=N1 | {"profile": "local"})
    bios: dict[str, str | int] = {"arch": 0, "firmware": "bios"}
    by_ipxe = bios | {"firmware": "ipxe"}
    heard = [Event(Kind.DISCOVER, MAC, "n1", "", said, 1.0) for said in (bios, by_ipxe)]
    api.store.append_events(heard)
    for path in ("nodes/n1/explain", f"explain?mac={MAC}", f"nodes/n1/explain?mac={MAC}"):
        assert explained(api, path)["loader"] == "undionly.kpxe"
    assert explained(api, "nodes/n1/explain?arch=7")["loader"] == "snponly.efi"


def test_a_kernel_for_another_processor_is_said_where_the_kind_is_known(api: Api) -> None:
    fetched(api, "debian-12", "linux", "initrd.gz", content=headers(0xAA64))
    api.ask("POST", "nodes", json=N1)
    assert "is for arm64" not in explained(api, "nodes/n1/explain")["problem"]
    known = explained(api, "nodes/n1/explain?arch=7")["problem"]
    assert known == "image debian-12 is for arm64, and cannot start on UEFI x64"


def test_a_machine_nobody_registered(api: Api) -> None:
    found = explained(api, "explain?mac=52-54-00-00-00-09")
    assert (found["verdict"], found["node"], found["script"]) == ("ignore", None, None)


def test_a_node_without_an_address_is_told_by_what_it_is_known_by(api: Api) -> None:
    api.ask("POST", "nodes", json={"name": "n1", "serial": "A1", "profile": "local"})
    assert explained(api, "nodes/n1/explain")["node"] == "n1"


def test_what_cannot_be_made_is_said(api: Api) -> None:
    api.ask("POST", "nodes", json=N1)
    found = explained(api, "nodes/n1/explain")
    assert "netboot image fetch debian-12" in found["problem"]
    assert found["script"] is None


def test_no_secret_is_in_it(api: Api) -> None:
    fetched(api, "debian-12")
    api.ask("POST", "nodes", json=N1 | {"vars": SECRETS})
    answer = api.ask("GET", "nodes/n1/explain")
    found = answer.json()
    assert found["problem"] == ""
    preseed = found["answers"][0]["text"]
    assert "passwd/username string ben" in preseed
    assert "passwd/root-password-crypted password $6$withheld$" in preseed
    assert "partman-crypto/passphrase password withheld" in preseed
    for secret in (HASH, HASH.replace("salt", "other"), "correct", "horse battery"):
        assert secret not in answer.text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"d-i passwd/root-password-crypted password {HASH}", "…-crypted password withheld"),
        ("d-i passwd/root-password password hunter2", "d-i passwd/root-password password withheld"),
        ("rootpw --plaintext hunter2", "rootpw --plaintext withheld"),
        ("rootpw --lock", "rootpw --lock"),
        ("user --name=ben --password=hunter2 --groups=wheel", "--password=withheld --groups=wheel"),
        ("  password: hunter2", "  password: withheld"),
        ('    "passwordHash": "hunter2"', '    "passwordHash": withheld'),
        (f"echo 'root:{HASH}' | chpasswd -e", "echo 'root:$6$withheld$"),
        ("d-i passwd/username string ben", "d-i passwd/username string ben"),
        ("ben ALL=(ALL) NOPASSWD: ALL", "ben ALL=(ALL) NOPASSWD: ALL"),
        ("d-i mirror/http/hostname string mirror.test", "string mirror.test"),
    ],
)
def test_what_a_template_has_in_its_own_text_is_found_by_its_look(line: str, shown: str) -> None:
    found = without_secrets(line)
    assert shown.lstrip("…") in found
    assert "hunter2" not in found
    assert HASH not in found


@pytest.mark.parametrize(
    ("path", "status", "key"),
    [
        ("nodes/n9/explain", 404, ""),
        ("explain", 422, "mac"),
        ("explain?mac=n1", 422, "mac"),
        ("explain?mac=01:00:5e:00:00:01", 422, "mac"),
        ("explain?mac=525400000001&arch=x", 422, "arch"),
        ("explain?mac=525400000001&arch=65536", 422, "arch"),
        ("explain?mac=525400000001&firmware=efi", 422, "firmware"),
    ],
)
def test_a_wrong_question_is_told_so(api: Api, path: str, status: int, key: str) -> None:
    answer = api.ask("GET", path)
    assert (answer.status_code, answer.json()["key"]) == (status, key)


def test_a_failed_machine_is_shown_why_and_what_tries_again(api: Api) -> None:
    api.store.add(Node("n1", (Mac("52:54:00:00:00:01"),), "debian-12"))
    job = api.store.submit("n1", JobKind.INSTALL, "tester")
    claimed = api.store.claim("here", 60, job.created)
    assert claimed
    api.store.end(claimed, JobState.FAILED, "no DISCOVER came", None, job.created)
    script = explained(api, "nodes/n1/explain")["script"]
    assert "no DISCOVER came" in script
    assert "netboot node install n1" in script
