"""``netboot node``: the same words and exit codes whether the control program runs or not."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot import config
from netboot.control import inventory
from netboot.control.lock import lock_for_command, lock_to_serve
from netboot.errors import ConfigError
from tests.cli_here import Cli
from tests.waiting import await_

UUID = "4c4c4544-004d-3510-8052-b4c04f4a3132"
M1, M2, M3 = (f"52:54:00:00:00:0{n}" for n in (1, 2, 3))


class Nodes(Cli):
    """What it says of nodes."""

    def nodes(self) -> list[dict[str, object]]:
        code, out, err = self("node", "list", "--json")
        assert (code, err) == (0, "")
        found: list[dict[str, object]] = json.loads(out)
        return found


def configured(folder: Path) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "netboot.toml"
    file.write_text(f'[server]\ndata_dir = "{folder}/data"\n[api]\nlisten = "127.0.0.1:{port}"\n')
    return file


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration whose control program runs."""
    file = configured(tmp_path_factory.mktemp("served"))
    command = [sys.executable, "-m", "netboot.control", "--config", file]
    with subprocess.Popen(command) as process:
        listener = config.load(file, {}).run_dir / "control.sock"
        await_(lambda: inventory._listening(listener), "the control program")
        yield file
        process.terminate()


@pytest.fixture(params=["served", "alone"])
def cli(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Nodes:
    if request.param == "alone":
        return Nodes(configured(tmp_path), monkeypatch, capsys)
    found = Nodes(request.getfixturevalue("served"), monkeypatch, capsys)
    for node in found.nodes():
        found("node", "remove", str(node["name"]))
    return found


def test_a_node_from_birth_to_end(cli: Nodes) -> None:
    assert cli(
        *("node", "add", "n1", "--mac", "52-54-00-00-00-01", "--mac", M2),
        *("--profile", "debian-12", "--label", "rack=a", "--set", "hostname=n1", "--set", "x=a=b"),
    ) == (0, "node n1 added\n", "")
    assert cli.nodes() == [
        {
            "name": "n1",
            "macs": [M1, M2],
            "profile": "debian-12",
            "labels": {"rack": "a"},
            "vars": {"hostname": "n1", "x": "a=b"},
            "state": "enrolled",
        }
    ]
    assert cli(
        *("node", "set", "n1", "--remove-mac", M1, "--add-mac", M3, "--profile", "local"),
        *("--unlabel", "rack", "--label", "row=1", "--unset", "x", "--set", "k="),
    ) == (0, "node n1 changed\n", "")
    code, out, _ = cli("node", "show", "n1")
    assert code == 0
    assert out == (
        f"name       n1\nstate      enrolled\nprofile    local\nmac        {M2}\nmac        {M3}\n"
        "label      row=1\nvar        hostname=n1\nvar        k=\n"
    )
    assert json.loads(cli("node", "show", "n1", "--json")[1])["profile"] == "local"
    assert cli("node", "remove", "n1") == (0, "node n1 removed\n", "")
    assert cli.nodes() == []


def test_a_machine_may_be_known_without_an_address(cli: Nodes) -> None:
    known = ("--uuid", UUID.upper(), "--serial", "cz1", "--asset-tag", "row 7")
    assert cli("node", "add", "n1", *known, "--profile", "local", "--loader", "ipxe.efi") == (
        0,
        "node n1 added\n",
        "",
    )
    assert cli("node", "show", "n1")[1] == (
        f"name       n1\nstate      enrolled\nprofile    local\nuuid       {UUID}\nserial     CZ1\n"
        "asset tag  ROW 7\nloader     ipxe.efi\n"
    )
    code, out, err = cli("node", "set", "n1", "--uuid", "", "--loader", "")
    assert (code, out) == (0, "node n1 changed\n")
    assert err == (
        "warning: node n1 is known by what only iPXE says, and it is never given iPXE "
        'while dhcp.unknown = "ignore"; add its MAC or UUID\n'
    )
    assert cli.nodes() == [
        {
            "name": "n1",
            "macs": [],
            "profile": "local",
            "labels": {},
            "vars": {},
            "serial": "CZ1",
            "asset_tag": "ROW 7",
            "state": "enrolled",
        }
    ]


def test_a_machine_with_secure_boot_is_marked_so(cli: Nodes, tmp_path: Path) -> None:
    assert cli("node", "add", "n1", "--mac", M1, "--profile", "local", "--secure-boot")[0] == 0
    assert "firmware   Secure Boot\n" in cli("node", "show", "n1")[1]
    file = tmp_path / "nodes.yaml"
    file.write_text(cli("node", "list", "--json")[1])
    assert cli("node", "set", "n1", "--no-secure-boot")[0] == 0
    assert "secure_boot" not in cli.nodes()[0]
    assert cli("node", "import", file) == (0, "0 added, 1 changed, 0 unchanged\n", "")
    assert cli.nodes()[0]["secure_boot"] is True


def test_what_is_listed_can_be_imported(cli: Nodes, tmp_path: Path) -> None:
    cli("node", "add", "n1", "--mac", M1, "--serial", "a1", "--profile", "local", "--set", "a=b")
    file = tmp_path / "nodes.yaml"
    file.write_text(cli("node", "list", "--json")[1])
    assert cli("node", "import", file) == (0, "0 added, 0 changed, 1 unchanged\n", "")


def test_a_list_is_a_table_and_labels_choose(cli: Nodes) -> None:
    cli("node", "add", "n1", "--mac", M1, "--profile", "debian-12", "--label", "rack=a")
    cli("node", "add", "node-2", "--mac", M2, "--profile", "local")
    assert cli("node", "list")[1] == (
        "NAME    PROFILE    STATE     MACS               LABELS\n"
        "n1      debian-12  enrolled  52:54:00:00:00:01  rack=a\n"
        "node-2  local      enrolled  52:54:00:00:00:02\n"
    )
    assert [n["name"] for n in json.loads(cli("node", "list", "--json", "-l", "rack=a")[1])] == [
        "n1"
    ]


def test_an_installed_machine_is_installed_again_only_when_that_is_said(cli: Nodes) -> None:
    rack = ("--profile", "debian-12", "--label", "rack=a")
    cli("node", "add", "n1", "--mac", M1, *rack, "--installed")
    cli("node", "add", "n2", "--mac", M2, *rack)
    assert [one["state"] for one in cli.nodes()] == ["installed", "enrolled"]
    refused = "netboot: command line: node n1 is installed; --reinstall erases it and installs it"
    for whom in (("n1",), ("n2", "n1"), ("-l", "rack=a")):
        code, out, err = cli("node", "install", *whom)
        assert (code, out) == (2, "")
        assert err.startswith(refused)
    assert cli("node", "install", "-l", "rack=a", "--reinstall")[0] == 0
    assert [one["state"] for one in cli.nodes()] == ["reinstalling", "installing"]
    assert cli("node", "set", "n1", "--installed")[0] == 0
    assert "state      installed" in cli("node", "show", "n1")[1]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "say either which nodes, by name, or -l KEY=VALUE"),
        (("n1", "-l", "rack=a"), "say either which nodes, by name, or -l KEY=VALUE"),
        (("-l", "rack=b"), "--label: no node is labelled rack=b"),
        (("n9",), 'no node is called "n9"'),
        (("n1",), "node n1: its profile local installs nothing; these do: debian-12, "),
    ],
)
def test_what_cannot_be_installed_is_said(cli: Nodes, words: tuple[str, ...], problem: str) -> None:
    cli("node", "add", "n1", "--mac", M1, "--profile", "local")
    code, out, err = cli("node", "install", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"netboot: command line: {problem}")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ("add", "n2", "--mac", M1, "--profile", "local"),
            f"{M1} belongs to node n1; node n2 cannot claim it too",
        ),
        (("add", "n1", "--mac", M2, "--profile", "local"), "node n1 is there already"),
        (
            ("add", "n2", "--mac", "x", "--profile", "local"),
            'macs[0] = "x": must be a MAC address such as 52:54:00:12:34:56',
        ),
        (
            ("add", "n2", "--mac", M2, "--profile", "windows"),
            'profile = "windows": must be a known profile: ',
        ),
        (
            ("add", "N2", "--mac", M2, "--profile", "local"),
            'name = "N2": must be a host name without dots: 1 to 63 lower-case letters, digits',
        ),
        (("add", "n2", "--mac", M2), "profile: node n2 has no profile, and no group gives its"),
        (("add", "n2", "--profile", "local"), "macs: node n2 needs a MAC, a UUID, a serial number"),
        (("add", "n2", "--uuid", "0", "--profile", "local"), 'uuid = "0": must be a UUID such as'),
        (("set", "n1", "--profile", ""), "profile: node n1 has no profile, and no group gives its"),
        (("set", "n1", "--set", "hostname"), '--set = "hostname": must be KEY=VALUE'),
        (("set", "n1"), "nothing to set; `netboot node set --help` says what"),
        (("set", "n1", "--remove-mac", M2), f"remove_macs: {M2} is not one of n1's MACs"),
        (("set", "n9", "--profile", "local"), 'no node is called "n9"'),
        (("show", "a/../b?c#d\x1b"), 'no node is called "a/../b?c#d\\x1b"'),
        (("show", "\udc80"), 'no node is called "'),
        (("remove", "n9"), 'no node is called "n9"'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    cli: Nodes, words: tuple[str, ...], problem: str
) -> None:
    cli("node", "add", "n1", "--mac", M1, "--profile", "local")
    before = cli.nodes()
    code, out, err = cli("node", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"netboot: command line: {problem}")
    assert err.count("\n") == 1
    assert cli.nodes() == before


GOOD_FILE = f"""
- name: n1
  macs: [{M1}]
  profile: debian-12
  labels: {{rack: a}}
  vars: {{hostname: n1, port: 0123, answer: no}}
- {{name: n2, macs: [{M2}, {M3}], profile: local}}
"""


class TestImport:
    def test_a_file_is_taken_as_it_was_typed_and_again_changes_nothing(
        self, cli: Nodes, tmp_path: Path
    ) -> None:
        file = tmp_path / "nodes.yaml"
        file.write_text(GOOD_FILE)
        assert cli("node", "import", file) == (0, "2 added, 0 changed, 0 unchanged\n", "")
        assert cli("node", "import", file) == (0, "0 added, 0 changed, 2 unchanged\n", "")
        first, second = cli.nodes()
        assert first["vars"] == {"hostname": "n1", "port": "0123", "answer": "no"}
        assert second["macs"] == [M2, M3]

    @pytest.mark.parametrize(
        ("addition", "problem"),
        [
            (
                "- {name: n3, macs: [zz], profile: local}",
                '[2].macs[0] = "zz": must be a MAC address such as 52:54:00:12:34:56',
            ),
            (
                "- {name: n3, mac: zz, profile: local}",
                "[2].mac: is no known key; allowed here: name, macs, profile, labels, vars",
            ),
            (
                "- {name: n3, macs: [52:54:00:00:00:09]}",
                "[2].profile: node n3 has no profile, and no group gives its labels one",
            ),
            (
                (
                    f"- {{name: n3, uuid: {UUID}, profile: local}}"
                    f"\n- {{name: n4, uuid: {UUID}, profile: local}}"
                ),
                f"[3].uuid: UUID {UUID} belongs to node n3; node n4 cannot claim it too",
            ),
            (
                "- {name: n3, serial: a1, profile: local}",
                "[2].serial: serial number A1 belongs to node n0; node n3 cannot claim it too",
            ),
            (
                f"- {{name: n3, macs: [{M3}], profile: local}}",
                f"[2].macs[0]: {M3} belongs to node n2; node n3 cannot claim it too",
            ),
            (
                "- {name: n3, macs: [52:54:00:00:00:0a], profile: local}",
                "[2].macs[0]: 52:54:00:00:00:0a belongs to node n0; node n3 cannot claim it too",
            ),
            (
                "- {name: n1, macs: [52:54:00:00:00:09], profile: local}",
                '[2].name = "n1": is there already, as [0]',
            ),
            ("- {", "is not YAML: while parsing a flow"),
            ("x: 1", "is not YAML: "),
        ],
    )
    def test_one_mistake_and_nothing_changes(
        self, cli: Nodes, tmp_path: Path, addition: str, problem: str
    ) -> None:
        known = ("--mac", "52:54:00:00:00:0a", "--serial", "A1", "--profile", "local")
        cli("node", "add", "n0", *known)
        before = cli.nodes()
        file = tmp_path / "nodes.yaml"
        file.write_text(GOOD_FILE + addition)
        code, out, err = cli("node", "import", file)
        assert (code, out) == (2, "")
        assert err.startswith(f"netboot: {file}: {problem}")
        assert err.count("\n") == 1
        assert cli.nodes() == before

    def test_a_file_that_is_not_there(self, cli: Nodes, tmp_path: Path) -> None:
        code, _, err = cli("node", "import", tmp_path / "none.yaml")
        assert code == 2
        assert err == (
            f"netboot: {tmp_path}/none.yaml: cannot be read: No such file or directory\n"
        )


class TestWayIn:
    def test_a_command_waits_for_another_command(self, tmp_path: Path) -> None:
        settings = config.load(configured(tmp_path), {})
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with lock_for_command(settings.run_dir):
                held.set()
                done.wait(0.2)

        with_lock = threading.Thread(target=hold)
        with_lock.start()
        held.wait(60)
        with inventory.open_inventory(settings) as opened:
            assert isinstance(opened, inventory.Direct)
        with_lock.join()

    def test_a_holder_that_never_listens_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inventory, "PATIENCE", 0.1)
        settings = config.load(configured(tmp_path), {})
        with (
            lock_to_serve(settings.run_dir),
            pytest.raises(ConfigError, match=r"is in use by process \d+"),
            inventory.open_inventory(settings),
        ):
            pass

    def test_a_socket_left_by_a_killed_control_program_is_no_obstacle(self, tmp_path: Path) -> None:
        settings = config.load(configured(tmp_path), {})
        settings.run_dir.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(settings.run_dir / "control.sock"))
        with inventory.open_inventory(settings) as opened:
            assert opened.list() == []
