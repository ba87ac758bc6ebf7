"""What a machine marked secure_boot can never be given is said when it is asked for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.answer.profiles import load_profiles
from netboot.store.shapes import NodeChange
from tests.api_site import N1, Api, api_in
from tests.cli_here import Cli
from tests.test_cli_node import configured

MAC = "52:54:00:00:00:01"
MARKED = N1 | {"secure_boot": True}
WHY = (
    "node n1 is marked secure_boot, and profile {0} is for iPXE alone, which is not signed: "
    "there is no template grub/{0}.cfg"
)
FOR_IPXE = ("chain", "memtest", "sanboot")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        yield found


@pytest.fixture
def netboot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Cli:
    return Cli(configured(tmp_path), monkeypatch, capsys)


@pytest.mark.parametrize("profile", FOR_IPXE)
def test_a_profile_for_ipxe_alone_is_refused_with_the_reason(api: Api, profile: str) -> None:
    why = WHY.format(profile)
    added = api.ask("POST", "nodes", json=MARKED | {"profile": profile})
    assert (added.status_code, added.json()["detail"]) == (422, why)
    assert api.ask("POST", "nodes", json=MARKED).status_code == 201
    changed = api.ask("PATCH", "nodes/n1", json={"profile": profile})
    assert (changed.status_code, changed.json()["detail"]) == (422, why)
    imported = api.ask("POST", "nodes:import", json=[MARKED | {"profile": profile}])
    assert (imported.status_code, imported.json()["detail"]) == (422, why)
    assert api.store.get("n1").profile == "debian-12"


def test_so_is_a_group_s_that_it_comes_into_and_the_mark_itself(api: Api) -> None:
    api.ask("PATCH", "groups/tested", json={"labels": {"test": "yes"}, "profile": "memtest"})
    api.ask("POST", "nodes", json={"name": "n1", "macs": [MAC], "labels": {"test": "yes"}})
    marked = api.ask("PATCH", "nodes/n1", json={"secure_boot": True})
    assert (marked.status_code, marked.json()["detail"]) == (422, WHY.format("memtest"))
    api.ask("PATCH", "nodes/n1", json={"secure_boot": True, "profile": "debian-12"})
    bare = api.ask("PATCH", "nodes/n1", json={"profile": ""})
    assert (bare.status_code, bare.json()["detail"]) == (422, WHY.format("memtest"))


def test_so_is_a_group_that_would_give_it_one(api: Api) -> None:
    bare = {"name": "n1", "macs": [MAC], "labels": {"test": "yes"}, "secure_boot": True}
    mine = {"labels": {"test": "yes"}, "profile": "debian-12", "priority": 2}
    api.ask("PATCH", "groups/mine", json=mine)
    api.ask("PATCH", "groups/tested", json={"labels": {"test": "yes"}, "profile": "memtest"})
    assert api.ask("POST", "nodes", json=bare).status_code == 201
    for refused in (
        api.ask("PATCH", "groups/mine", json={"profile": "memtest"}),
        api.ask("PATCH", "groups/tested", json={"priority": 3}),
        api.ask("DELETE", "groups/mine"),
    ):
        assert (refused.status_code, refused.json()["detail"]) == (422, WHY.format("memtest"))
    assert api.ask("PATCH", "groups/mine", json={"profile": "debian-13"}).status_code == 200


def test_a_shim_of_its_own_may_start_an_ipxe_that_is_signed(api: Api) -> None:
    own = MARKED | {"profile": "memtest", "loader": "ipxe-shim.efi"}
    assert api.ask("POST", "nodes", json=own).status_code == 201


def test_a_node_that_came_to_it_can_be_changed_and_is_not_installed(api: Api) -> None:
    """It was marked before, or a template was taken away."""
    api.ask("POST", "nodes", json=MARKED)
    api.store.update("n1", NodeChange(profile="memtest"))
    assert api.ask("PATCH", "nodes/n1", json={"labels": {"rack": "3"}}).status_code == 200
    job = {"kind": "install", "nodes": ["n1"]}
    for asked in (
        api.ask("POST", "nodes:install", json={"names": ["n1"]}),
        api.ask("POST", "jobs", json=job),
    ):
        assert (asked.status_code, asked.json()["detail"]) == (422, WHY.format("memtest"))
    assert api.ask("PATCH", "nodes/n1", json={"secure_boot": False}).status_code == 200


def test_the_command_line_says_it_in_one_line_and_explain_beforehand(netboot: Cli) -> None:
    netboot("node", "add", "n1", "--mac", MAC, "--profile", "memtest")
    code, out, err = netboot("node", "set", "n1", "--secure-boot")
    assert (code, out) == (2, "")
    assert WHY.format("memtest") in err
    assert err.count("\n") == 1
    code, out, _ = netboot("explain", MAC, "--firmware", "grub", "--json")
    told = json.loads(out)["problem"]
    assert told.startswith("profile memtest is for iPXE alone")


def test_the_template_of_one_s_own_makes_it_startable(tmp_path: Path) -> None:
    """It stands for the script that ships, under the name the refusal said."""
    own = tmp_path / "own"
    (own / "grub").mkdir(parents=True)
    (own / "grub" / "memtest.cfg").write_text("echo memory is tested\nreboot\n")
    assert load_profiles()["memtest"].needs_ipxe
    assert not load_profiles([own])["memtest"].needs_ipxe
