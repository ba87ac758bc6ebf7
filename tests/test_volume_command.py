"""``netboot volume``, alone and through the control program; and volumes over REST."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot import config
from netboot.control import inventory
from tests.api_site import N1, Api, api_in
from tests.cli_here import Cli
from tests.test_cli_node import configured
from tests.waiting import await_

TARGET = "iqn.2026-01.com.example:disk1"
SECRET = "chap-5ecret-of-v1"  # noqa: S105 -- looked for where it must not be
V1 = {"name": "v1", "target": TARGET, "portal": "192.0.2.5"}
SHOWN = V1 | {"port": 3260, "lun": 1, "chap_user": "", "node": None}
CHAP = {"chap_user": "n1", "chap_secret": SECRET}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = configured(tmp_path_factory.mktemp("served"))
    with subprocess.Popen([sys.executable, "-m", "netboot.control", "--config", file]) as process:
        way = config.load(file, {}).run_dir / "control.sock"
        await_(lambda: inventory._listening(way), "the control program")
        yield file
        process.terminate()


@pytest.fixture(params=["alone", "served"])
def netboot(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    alone = request.param == "alone"
    file = configured(tmp_path) if alone else request.getfixturevalue("served")
    return Cli(file, monkeypatch, capsys)


def test_a_volume_comes_is_attached_and_goes(netboot: Cli, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    netboot("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", "volume")
    words = ("--target", TARGET, "--portal", "san:3261", "--lun", "2")
    login = ("--chap-user", "n1", "--chap-secret-file", secret)
    assert netboot("volume", "add", "v1", *words, *login) == (0, "volume v1 added\n", "")
    assert netboot("volume", "attach", "v1", "n1") == (0, "volume v1 attached to n1\n", "")
    code, out, _ = netboot("volume", "show", "v1", "--json")
    own = {"portal": "san", "port": 3261, "lun": 2, "chap_user": "n1", "node": "n1"}
    assert (code, json.loads(out)) == (0, SHOWN | own)
    code, out, _ = netboot("volume", "list")
    assert out.splitlines()[1].split() == ["v1", "n1", "san:3261", "2", TARGET]
    code, _, err = netboot("volume", "remove", "v1")
    assert (code, "attached to node n1; netboot volume detach v1" in err) == (2, True)
    assert netboot("volume", "detach", "v1") == (0, "volume v1 detached\n", "")
    assert netboot("volume", "remove", "v1") == (0, "volume v1 removed\n", "")
    assert json.loads(netboot("volume", "list", "--json")[1]) == []
    netboot("node", "remove", "n1")
    _, written, _ = netboot("audit", "--json")
    routes = [(one["method"], one["target"]) for one in json.loads(written)]
    assert {("POST", "v1"), ("PATCH", "v1"), ("DELETE", "v1")} <= set(routes)
    assert SECRET not in written


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("add", "v1", "--target", "x", "--portal", "san"), 'target = "x": must be an iSCSI'),
        (("add", "v1", "--target", TARGET, "--portal", "san:0"), '--portal = "san:0": must have'),
        (("add", "v1", "--target", TARGET, "--portal", "san", "--chap-user", "u"), "chap_secret:"),
        (("show", "v9"), 'no volume is called "v9"'),
        (("attach", "v9", "n1"), 'no volume is called "v9"'),
    ],
)
def test_what_is_wrong_is_one_line(netboot: Cli, words: tuple[str, ...], line: str) -> None:
    code, out, err = netboot("volume", *words)
    assert (code, out) == (2, "")
    assert err.startswith("netboot: ")
    assert line in err


def test_explain_says_which_volume_and_that_there_is_none(netboot: Cli) -> None:
    mac = "52:54:00:00:00:01"
    netboot("node", "add", "n1", "--mac", mac, "--profile", "volume")
    said = ("explain", mac, "--firmware", "ipxe", "--json")
    assert "no volume is attached to it: netboot volume attach" in netboot(*said)[1]
    netboot("volume", "add", "v1", "--target", TARGET, "--portal", "192.0.2.5")
    netboot("volume", "attach", "v1", "n1")
    assert f"sanhook --drive 0x80 iscsi:192.0.2.5::3260:1:{TARGET}" in netboot(*said)[1]
    because = f"because volume v1 is attached to it: iscsi:192.0.2.5::3260:1:{TARGET}, where it is "
    assert f"{because}iqn.2026-01.internal.netboot:n1\n" in netboot("explain", "n1")[1]
    netboot("volume", "detach", "v1")
    netboot("volume", "remove", "v1")
    netboot("node", "remove", "n1")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        found.ask("POST", "nodes", json=N1)
        yield found


def test_over_rest_nothing_that_is_answered_has_the_secret(api: Api) -> None:
    made = api.ask("POST", "volumes", json=V1 | CHAP)
    assert (made.status_code, made.json()) == (201, SHOWN | {"chap_user": "n1"})
    again = api.ask("POST", "volumes", json=V1 | CHAP)
    assert again.status_code == 409
    page = api.ask("GET", "volumes")
    assert page.json() == {"volumes": [made.json()]}
    assert api.ask("GET", "volumes?node=n1").json() == {"volumes": []}
    wrong = api.ask("POST", "volumes", json=V1 | CHAP | {"name": "v2", "lun": -1})
    assert (wrong.status_code, wrong.json()["key"]) == (422, "lun")
    assert all(SECRET not in one.text for one in (made, again, page, wrong))


def test_over_rest_nobody_writes_over_what_he_has_not_seen(api: Api) -> None:
    version = api.ask("POST", "volumes", json=V1).headers["etag"]
    attached = api.ask("PATCH", "volumes/v1", json={"node": "n1"}, headers={"If-Match": version})
    assert attached.json()["node"] == "n1"
    late = api.ask("PATCH", "volumes/v1", json={"node": ""}, headers={"If-Match": version})
    assert late.status_code == 412
    assert api.ask("DELETE", "volumes/v1").status_code == 409
    version = attached.headers["etag"]
    same = api.ask("GET", "volumes/v1", headers={"If-None-Match": version})
    assert same.status_code == 304
    assert api.ask("PATCH", "volumes/v1", json={"node": ""}).json()["node"] is None
    assert api.ask("DELETE", "volumes/v1").status_code == 204
    assert api.ask("GET", "volumes/v1").status_code == 404


def test_who_detaches_takes_it_from_nobody_else_than_he_meant(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a BMC is asked, another person detaches the volume and gives it to another node."""
    api.ask("POST", "nodes", json=N1 | {"name": "n2", "macs": ["52:54:00:00:00:02"]})
    api.ask("POST", "volumes", json=V1)
    api.ask("PATCH", "volumes/v1", json={"node": "n1"})

    def slow(_node: str, _asker: str, _source: str) -> None:
        api.store.attach_volume("v1", None)
        api.store.attach_volume("v1", "n2")

    monkeypatch.setattr(api.desk.actions, "leave_volume", slow)
    late = api.ask("PATCH", "volumes/v1", json={"node": ""})
    assert (late.status_code, api.store.volume("v1").node) == (409, "n2")
    assert "volume v1 is attached to node n2 by now" in late.json()["detail"]


@pytest.mark.parametrize("secret", [123456789012, True, [SECRET], {SECRET: 1}])
def test_a_secret_that_is_no_text_is_not_repeated_either(api: Api, secret: object) -> None:
    wrong = api.ask("POST", "volumes", json=V1 | {"chap_user": "n1", "chap_secret": secret})
    assert (wrong.status_code, wrong.json()["key"]) == (422, "chap_secret")
    assert "must be text" in wrong.json()["detail"]
    assert str(123456789012) not in wrong.text
    assert SECRET not in wrong.text
