"""``netboot node import`` of other programs' files: shown first, and written when told to."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from netboot.cli.node_import import import_
from netboot.config import load
from netboot.control.inventory import open_inventory
from netboot.errors import ConfigError
from netboot.model import Node, State

SAMPLES = Path(__file__).parent / "golden" / "migrate"
SHOWN = """\
read as matchbox

NAME        PROFILE  KNOWN BY                                  LABELS  VARIABLES    BOOTS THERE  FROM
node1  add  local    52:54:00:00:06:01                                 domain_name  worker       node1.json:1
node2  add  menu     4c4c4544-004d-3510-8052-b4c04f4a3133,CZ2                       controller   node2.json:1

not understood, or not carried over:
  default.json:1: group default: selects no single machine by MAC, UUID or serial number
  node1.json:5: selector.os: netboot knows machines by MAC, UUID and serial number only
  node1.json:8: metadata.ip: would give the machine a static address; set it by hand if it should have one
  node1.json:9: metadata.ssh_authorized_keys: is not one line of text, as a variable is

New machines get profile local, which starts their own disk, where --map names no other. They count \
as installed: none is erased before `netboot node install --reinstall` asks for it.
2 to add, 0 to change, 0 unchanged
nothing was written; --apply writes
"""  # noqa: E501 -- a table as it is printed
OWN = "- {name: n1, macs: [52:54:00:00:00:01], profile: debian-12}\n"


class Import:
    """The command with a data folder of its own, in a folder of samples."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "netboot.toml"
        self.config.write_text(f'[server]\ndata_dir = "{folder / "data"}"\n')

    def __call__(self, *words: str | Path) -> str:
        """What it prints; raises what it raises."""
        runner = CliRunner(env={"NETBOOT_CONFIG": str(self.config)})
        done = runner.invoke(import_, [*map(str, words)])
        if isinstance(done.exception, ConfigError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    def nodes(self) -> list[Node]:
        with open_inventory(load(self.config, {})) as inventory:
            return list(inventory.list())


@pytest.fixture
def run(tmp_path: Path) -> Import:
    return Import(tmp_path)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """matchbox's groups, in the folder the command runs in."""
    copy = tmp_path / "groups"
    shutil.copytree(SAMPLES / "matchbox", copy)
    monkeypatch.chdir(copy)
    return Path()


def test_everything_is_shown_and_nothing_written(run: Import, groups: Path) -> None:
    assert run(groups, "--map", "controller=menu") == SHOWN
    assert run.nodes() == []


def test_apply_writes_and_the_same_again_changes_nothing(run: Import, groups: Path) -> None:
    said = run(groups, "--apply")
    assert said.endswith("\n2 added, 0 changed, 0 unchanged\n")
    assert "nothing was written" not in said
    first = run.nodes()
    assert [(node.name, node.profile, node.state) for node in first] == [
        ("node1", "local", State.INSTALLED),
        ("node2", "local", State.INSTALLED),
    ]
    assert run(groups, "--apply").endswith("\n0 added, 0 changed, 2 unchanged\n")
    assert run.nodes() == first


def test_json_says_the_same(run: Import, groups: Path) -> None:
    said = json.loads(run(groups, "--json"))
    assert (said["format"], said["applied"]) == ("matchbox", False)
    assert [(one["action"], one["from"], one["node"]["name"]) for one in said["nodes"]] == [
        ("add", "node1.json:1", "node1"),
        ("add", "node2.json:1", "node2"),
    ]
    assert said["not_understood"][0] == {
        "file": "default.json",
        "line": 1,
        "what": "group default",
        "why": "selects no single machine by MAC, UUID or serial number",
    }
    assert json.loads(run(groups, "--json", "--apply"))["applied"] is True


@pytest.mark.parametrize("folder", ["dnsmasq", "isc", "kea", "pxelinux.cfg", "metal3"])
def test_every_sample_is_written_whole_and_stays_as_it_is(run: Import, folder: str) -> None:
    shown = json.loads(run(SAMPLES / folder, "--json", "--apply"))
    assert len(run.nodes()) == len(shown["nodes"]) > 0
    again = json.loads(run(SAMPLES / folder, "--json"))
    assert {one["action"] for one in again["nodes"]} == {"same"}


def test_a_broken_file_among_good_ones_and_nothing_is_written(run: Import, groups: Path) -> None:
    (groups / "z.json").write_text('{"profile": ')
    with pytest.raises(ConfigError, match=r"^z\.json:1: ends too early"):
        run(groups, "--apply")
    assert run.nodes() == []


def test_values_of_variables_are_not_shown(run: Import, tmp_path: Path) -> None:
    file = tmp_path / "group.json"
    metadata = {"root_password_crypted": "hunter2", "list": ["hunter2"]}
    group = {"profile": "x", "selector": {"mac": "52:54:00:00:00:01"}, "metadata": metadata}
    file.write_text(json.dumps(group))
    said = run(file)
    assert "root_password_crypted" in said
    assert "hunter2" not in said


def test_what_does_not_print_is_written_as_escapes(run: Import, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("52:54:00:00:00:01,a,set:\x1b]0;x\x07\n52:54:00:00:00:02,\x1b[31m?\n")
    said = run(file)
    assert "\x1b" not in said
    assert "\\x1b[31m?" in said


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--map", "worker"), '--map = "worker": must be OLD=NEW'),
        (("--map", "=local"), '--map = "=local": must be OLD=NEW'),
        (("--map", "worker=nope"), '--map = "nope": must be a known profile'),
        (("--map", "none=local"), '--map = "none": no machine boots that'),
        (("--profile", "nope"), '--profile = "nope": must be a known profile'),
    ],
)
def test_a_wrong_word_is_one_line_and_nothing_is_written(
    run: Import, groups: Path, words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        run(groups, *words, "--apply")
    assert run.nodes() == []


def test_another_format_that_was_named_is_believed(run: Import, groups: Path) -> None:
    said = run(groups, "--format", "metal3")
    assert "no machine was found" in said
    assert "node1.json:1: a document: is no BareMetalHost" in said


class TestOwnFormat:
    @pytest.mark.parametrize("words", [(), ("--format", "netboot"), ("--apply",)])
    def test_it_is_written_at_once(self, run: Import, tmp_path: Path, words: tuple[str]) -> None:
        file = tmp_path / "nodes.yaml"
        file.write_text(OWN)
        assert run(file, *words) == "1 added, 0 changed, 0 unchanged\n"
        assert run.nodes()[0].profile == "debian-12"

    def test_its_profiles_are_its_own(self, run: Import, tmp_path: Path) -> None:
        file = tmp_path / "nodes.yaml"
        file.write_text(OWN)
        with pytest.raises(ConfigError, match="a nodes file says each machine's profile itself"):
            run(file, "--profile", "local")
        assert run.nodes() == []

    def test_a_file_that_is_not_there(self, run: Import, tmp_path: Path) -> None:
        for words in ((), ("--format", "netboot")):
            with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
                run(tmp_path / "none.yaml", *words)
