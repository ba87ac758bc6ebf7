"""``netboot group``: one way to make and change a group, and what its nodes show of it."""

import json
from pathlib import Path

import pytest

from tests.cli_here import Cli

M1, M2 = (f"52:54:00:00:00:0{n}" for n in (1, 2))


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    file = tmp_path / "netboot.toml"
    own = tmp_path / "own"
    (own / "profiles").mkdir(parents=True)
    (own / "profiles" / "lab.toml").write_text('script = "lab.ipxe"\n[vars]\nkeymap = "de"\n')
    file.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\ntemplates = ["{own}"]\n')
    return Cli(file, monkeypatch, capsys)


def test_a_group_from_birth_to_end(cli: Cli) -> None:
    assert cli(
        *("group", "set", "db", "-l", "rack=3", "-l", "role=db", "--profile", "lab"),
        *("--set", "disk=/dev/sda", "--set", "x=a=b", "--priority", "5"),
    ) == (0, "group db set; 0 nodes in it\n", "")
    cli("node", "add", "n1", "--mac", M1, "-l", "rack=3", "-l", "role=db")
    cli("node", "add", "n2", "--mac", M2, "-l", "rack=3", "--profile", "local")
    assert cli("group", "show", "db")[1] == (
        "name      db\nlabel     rack=3\nlabel     role=db\nprofile   lab\npriority  5\n"
        "var       disk=/dev/sda\nvar       x=a=b\nnode      n1\n"
    )
    assert cli("group", "set", "db", "--unset", "x", "--set", "k=") == (
        0,
        "group db set; 1 node in it\n",
        "",
    )
    cli("group", "set", "rack", "-l", "rack=3")
    assert cli("group", "list")[1] == (
        "NAME  LABELS          PROFILE  PRIORITY\n"
        "db    rack=3,role=db  lab      5\n"
        "rack  rack=3                   0\n"
    )
    assert json.loads(cli("group", "list", "--json")[1])[0]["vars"] == {"disk": "/dev/sda", "k": ""}
    assert json.loads(cli("group", "show", "rack", "--json")[1]) == {
        "name": "rack",
        "labels": {"rack": "3"},
        "vars": {},
        "priority": 0,
        "nodes": ["n1", "n2"],
    }
    assert cli("group", "remove", "rack") == (0, "group rack removed\n", "")


def test_a_node_shows_what_it_has_in_effect_and_who_gives_it(cli: Cli) -> None:
    cli("group", "set", "rack", "-l", "rack=3", "--profile", "lab", "--set", "a=1", "--set", "b=1")
    cli("group", "set", "db", "-l", "rack=3", "-l", "role=db", "--set", "b=2")
    labels = ("-l", "rack=3", "-l", "role=db")
    assert cli("node", "add", "n1", "--mac", M1, *labels, "--set", "c=3")[0] == 0
    assert cli("node", "show", "n1")[1] == (
        "name       n1\nstate      enrolled\nprofile    lab  (group rack)\n"
        "group      db\ngroup      rack\n"
        f"mac        {M1}\nlabel      rack=3\nlabel      role=db\n"
        "var        a=1  (group rack)\nvar        b=2  (group db)\nvar        c=3\n"
        "var        keymap=de  (profile lab)\n"
    )
    shown = json.loads(cli("node", "show", "n1", "--json")[1])
    assert "profile" not in shown
    assert shown["effective"]["profile"] == {"value": "lab", "from": "group rack"}
    assert shown["effective"]["vars"]["c"] == {"value": "3", "from": "node"}
    assert cli("node", "list")[1].splitlines()[1].split()[:2] == ["n1", "lab"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("set", "g"), "nothing to set; `netboot group set --help` says what"),
        (("set", "g", "--priority", "1"), "labels: group g needs a label that chooses its nodes"),
        (("set", "g", "-l", "x"), '--label = "x": must be KEY=VALUE'),
        (("set", "G", "-l", "x=y"), 'name = "G": must be a host name without dots'),
        (
            ("set", "g", "-l", "x=y", "--profile", "z"),
            'profile = "z": must be a known profile: chain, debian-12, debian-13, ',
        ),
        (("set", "rack", "--profile", ""), "node n1 would be left without a profile"),
        (("remove", "rack"), "node n1 would be left without a profile"),
        (("remove", "g9"), 'no group is called "g9"'),
        (("show", "\x1b"), 'no group is called "\\x1b"'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    cli: Cli, words: tuple[str, ...], problem: str
) -> None:
    cli("group", "set", "rack", "-l", "rack=3", "--profile", "local")
    cli("node", "add", "n1", "--mac", M1, "-l", "rack=3")
    before = cli("group", "list", "--json")
    code, out, err = cli("group", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"netboot: command line: {problem}")
    assert err.count("\n") == 1
    assert cli("group", "list", "--json") == before


def test_a_broken_profile_is_told_and_the_command_goes_on(
    cli: Cli, caplog: pytest.LogCaptureFixture
) -> None:
    (cli.file.parent / "own" / "profiles" / "broken.toml").write_text("script = 1")
    assert cli("node", "add", "n1", "--mac", M1, "--profile", "lab")[0] == 0
    assert "profile broken is left out: " in caplog.text
    line = 'profile = "broken": must be a known profile: chain, debian-12, debian-13, '
    assert line in cli("node", "add", "n2", "--mac", M2, "--profile", "broken")[2]
