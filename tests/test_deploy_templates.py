"""Deploy templates as people write them: what each node gets, and what is wrong with one."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from netboot.bmc.model import PowerAction
from netboot.errors import ConfigError
from netboot.jobs.deploy import Deploy, Do, Step, Template, deploy_of, differences
from netboot.jobs.deploy_files import MAX_STEPS, MAX_TEMPLATES, load_templates
from netboot.model import Node

MATCH = '[match]\nlabels = { role = "compute" }\n'
INSTALL = '[[steps]]\ndo = "install"\n'
WHOLE = f"""
description = "Compute nodes"
{MATCH}
[vars]
threads = "Disabled"
[[steps]]
do = "inspect"
[[steps]]
do = "bios"
attributes = {{ LogicalProc = "{{{{ vars.threads }}}}", NumLock = true, Cores = 4 }}
{INSTALL}
[[steps]]
do = "power"
action = "off"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder of templates."""
    (tmp_path / "deploy").mkdir()
    return tmp_path


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / "deploy" / f"{name}.toml"
    path.write_text(text)
    return path


def node(vars_: Mapping[str, str] | None = None, **labels: str) -> Node:
    return Node("n1", (), "debian-13", labels, vars_ or {})


def template(name: str, **labels: str) -> Template:
    return Template(name, f"{name}.toml", labels, (Step(Do.INSTALL),))


def test_every_key_there_is(folder: Path) -> None:
    path = written(folder, "compute", WHOLE)
    attributes = {"LogicalProc": "{{ vars.threads }}", "NumLock": True, "Cores": 4}
    steps = (
        Step(Do.INSPECT),
        Step(Do.BIOS, attributes),
        Step(Do.INSTALL),
        Step(Do.POWER, action=PowerAction.OFF),
    )
    assert load_templates([folder]) == (
        Template(
            *("compute", str(path), {"role": "compute"}, steps),
            vars={"threads": "Disabled"},
            description="Compute nodes",
        ),
    )


def test_without_a_folder_there_is_none(tmp_path: Path) -> None:
    assert load_templates([tmp_path, tmp_path / "missing"]) == ()


def test_of_two_of_one_name_the_first_folder_s_is_meant(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for one in folders:
        (one / "deploy").mkdir(parents=True)
        written(one, "compute", MATCH + INSTALL)
    (found,) = load_templates(folders)
    assert found.source.startswith(str(folders[0]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (INSTALL, "match: is missing"),
        ("[match]\nlabels = {}\n" + INSTALL, "match.labels = "),
        (MATCH, "steps: is missing"),
        (MATCH + '[[steps]]\ndo = "inspect"\n', 'steps: one step must be do = "install"'),
        (MATCH + INSTALL * 2, "steps: one step must be"),
        (MATCH + INSTALL * (MAX_STEPS + 1), "steps = a list of"),
        (MATCH + '[[steps]]\ndo = "raid"\n', 'steps[0].do = "raid": must be "inspect" or "bios"'),
        (MATCH + INSTALL + 'action = "off"\n', "steps[0].action: is no key of a step that does"),
        (MATCH + '[[steps]]\ndo = "power"\n', "steps[0].action: is missing"),
        (MATCH + '[[steps]]\ndo = "power"\naction = "up"\n', 'steps[0].action = "up": must be'),
        (MATCH + '[[steps]]\ndo = "bios"\n', "steps[0].attributes: is missing"),
        (MATCH + '[[steps]]\ndo = "bios"\nattributes = { A = 1.5 }\n', "steps[0].attributes.A = "),
        (
            MATCH + '[[steps]]\ndo = "bios"\nattributes = { A = "{{ node.name }}" }\n',
            'steps[0].attributes.A = "{{ node.name }}": only {{ vars.NAME }} is filled in',
        ),
        (
            MATCH + '[[steps]]\ndo = "bios"\nattributes = { SetupPassword = "x" }\n',
            "steps[0].attributes.SetupPassword: is a password",
        ),
        (MATCH + INSTALL + 'colour = "red"\n', "steps[0].colour: is no known key"),
        ("match", "is not TOML: "),
    ],
)
def test_what_is_wrong_is_told_by_file_key_and_value(folder: Path, text: str, told: str) -> None:
    path = written(folder, "lab", text)
    with pytest.raises(ConfigError) as caught:
        load_templates([folder])
    assert str(caught.value).startswith(f"{path}: {told}")


def test_a_name_no_timeline_should_show(folder: Path) -> None:
    written(folder, "Lab 1", MATCH + INSTALL)
    with pytest.raises(ConfigError, match=r"Lab 1.toml: a deploy template's file is named by"):
        load_templates([folder])


def test_a_folder_with_too_many_is_none(folder: Path) -> None:
    for number in range(MAX_TEMPLATES + 1):
        written(folder, f"t{number}", MATCH + INSTALL)
    with pytest.raises(ConfigError, match="has more than 100 deploy templates"):
        load_templates([folder])


class TestChosen:
    def test_a_node_whose_labels_no_template_names_is_just_installed(self) -> None:
        assert deploy_of(node(role="web"), [template("compute", role="compute")]) is None
        assert deploy_of(node(), []) is None

    def test_the_one_that_names_most_of_its_labels(self) -> None:
        both = [template("compute", role="compute"), template("gpu", role="compute", gpu="yes")]
        assert str(deploy_of(node(role="compute", gpu="yes", rack="3"), both)) == (
            "gpu (for role=compute, gpu=yes): install"
        )
        assert str(deploy_of(node(role="compute"), both)).startswith("compute (")

    def test_two_that_name_as_many_are_a_mistake(self) -> None:
        both = [template("compute", role="compute"), template("rack3", rack="3")]
        with pytest.raises(ConfigError, match=r"rack3.toml: match.labels: node n1 bears the lab"):
            deploy_of(node(role="compute", rack="3"), both)


class TestVariables:
    def deployed(self, folder: Path, vars_: Mapping[str, str] | None = None) -> Deploy:
        written(folder, "compute", WHOLE)
        found = deploy_of(node(vars_, role="compute"), load_templates([folder]))
        assert found is not None
        return found

    def test_a_node_s_own_win_over_the_template_s(self, folder: Path) -> None:
        told = "inspect, then bios LogicalProc={}, NumLock=True, Cores=4, then install, then power"
        assert told.format("Disabled") in str(self.deployed(folder))
        assert told.format("Enabled") in str(self.deployed(folder, {"threads": "Enabled"}))

    def test_one_that_is_not_set_is_told_with_its_place(self, folder: Path) -> None:
        written(folder, "compute", WHOLE.replace("threads =", "others ="))
        with pytest.raises(ConfigError) as caught:
            deploy_of(node(role="compute"), load_templates([folder]))
        told = 'compute.toml: steps[1].attributes.LogicalProc = "{{ vars.threads }}": node n1: var'
        assert told in str(caught.value)

    def test_a_secret_one_is_refused_without_its_value(self, folder: Path) -> None:
        written(folder, "compute", WHOLE.replace("vars.threads", "vars.root_password"))
        with pytest.raises(ConfigError, match="variable root_password is secret") as caught:
            deploy_of(node({"root_password": "hush"}, role="compute"), load_templates([folder]))
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "found", "left"),
    [
        ({"A": "On"}, {"A": "On", "B": 1}, {}),
        ({"A": "On"}, {"A": "Off"}, {"A": "On"}),
        ({"A": "4"}, {"A": 4}, {}),
        ({"A": "8"}, {"A": 4}, {"A": 8}),
        ({"A": "True"}, {"A": True}, {}),
        ({"A": "false"}, {"A": True}, {"A": False}),
        ({"A": "4"}, {"A": "4"}, {}),
        ({"A": True}, {"A": 1}, {}),
    ],
)
def test_what_is_left_to_be_written(
    wanted: dict[str, str | int | bool], found: dict[str, object], left: dict[str, object]
) -> None:
    assert differences(wanted, found) == left
    assert [type(value) for value in differences(wanted, found).values()] == [
        type(value) for value in left.values()
    ]


def test_an_attribute_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="Turbo"):
        differences({"Turbo": "On"}, {"A": "On"})
