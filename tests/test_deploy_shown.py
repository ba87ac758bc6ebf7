"""Which deploy template a node is installed by is shown, and a wrong one refuses the request."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.model import Mac, Node
from netboot.store.group_shapes import GroupChange
from tests.api_site import Api, api_in
from tests.cli_here import Cli

TEMPLATE = """
[match]
labels = { role = "compute" }
[[steps]]
do = "bios"
attributes = { Turbo = "{{ vars.turbo }}" }
[[steps]]
do = "install"
"""
SAID = "compute (for role=compute): bios Turbo=On, then install"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "templates"
    (found / "deploy").mkdir(parents=True)
    (found / "deploy/compute.toml").write_text(TEMPLATE)
    return found


@pytest.fixture
def api(tmp_path: Path, folder: Path) -> Iterator[Api]:
    with api_in(tmp_path, [str(folder)]) as found:
        for number, labels in enumerate(({"role": "compute"}, {"role": "web"}), start=1):
            mac = Mac(f"52:54:00:00:00:0{number}")
            found.store.add(Node(f"n{number}", (mac,), "debian-12", labels))
        found.store.set_group("fast", GroupChange(labels={"role": "compute"}, vars={"turbo": "On"}))
        yield found


def install(api: Api, *names: str) -> tuple[int, str]:
    answer = api.ask("POST", "jobs", json={"kind": "install", "nodes": names})
    return answer.status_code, answer.text


def test_explain_says_which_why_and_with_what_its_groups_give(api: Api) -> None:
    assert api.ask("GET", "nodes/n1/explain").json()["deploy"] == SAID
    assert api.ask("GET", "nodes/n2/explain").json()["deploy"] == ""


@pytest.mark.usefixtures("api")
def test_the_commands_say_it_too(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "netboot.toml"
    config.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\ntemplates = ["{folder}"]\n')
    run = Cli(config, monkeypatch, capsys)
    assert f"deploy     {SAID}\n" in run("node", "show", "n1")[1]
    assert f"netboot node install n1 by {SAID}\n" in run("explain", "52:54:00:00:00:01")[1]


def test_one_that_is_wrong_is_shown_and_refuses_every_installation(api: Api, folder: Path) -> None:
    path = folder / "deploy/compute.toml"
    path.write_text(TEMPLATE.replace('"bios"', '"raid"'))
    status, text = install(api, "n2")
    assert status == 422
    told = f"{path}: steps[0].do = "
    assert told in text
    assert api.store.jobs() == []
    assert told in api.ask("GET", "nodes/n1/explain").json()["deploy"]
    path.write_text(TEMPLATE)
    assert install(api, "n1", "n2")[0] == 202


def test_a_variable_that_is_not_set_refuses_those_nodes_alone(api: Api) -> None:
    api.store.set_group("fast", GroupChange(labels={"role": "compute"}, vars={"turbo": ""}))
    api.store.remove_group("fast")
    status, text = install(api, "n1", "n2")
    assert (status, "variable turbo is not set" in text) == (422, True)
    assert install(api, "n2")[0] == 202
