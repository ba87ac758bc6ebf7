"""What every command has in common: names people try, Ctrl-C, rights that are missing."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from netboot.events import Event, Kind
from netboot.guide import to_install, why
from netboot.model import Mac, Node
from netboot.store.store import Store
from tests.cli_here import Cli

M1, M2 = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    file = tmp_path / "netboot.toml"
    file.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
    return Cli(file, monkeypatch, capsys)


def heard(tmp_path: Path, *events: Event) -> None:
    with Store(f"sqlite:///{tmp_path}/data/netboot.db") as store:
        store.add(Node("n1", (M1,), "local"))
        store.append_events(events)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["nodes"], "node"),
        (["status"], "doctor"),
        (["node", "rm", "n1"], "remove"),
        (["node", "create", "n1"], "add"),
        (["group", "create", "g"], "set"),
        (["image", "pull", "debian-12"], "fetch"),
        (["node", "instal", "n1"], "install"),
    ],
)
def test_a_command_by_another_name_is_told_ours(cli: Cli, words: list[str], meant: str) -> None:
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].endswith(f" Did you mean '{meant}'?")


def test_a_command_like_none_is_only_refused(cli: Cli) -> None:
    code, _, err = cli("node", "xyzzy")
    assert (code, err.splitlines()[-1]) == (2, "Error: No such command 'xyzzy'.")


def test_ctrl_c_ends_a_command_as_shells_have_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(_settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("netboot.cli.node.open_inventory", pressed)
    assert cli("node", "list") == (130, "", "\nnetboot: interrupted\n")


def test_missing_rights_are_told_with_the_cure() -> None:
    assert why(PermissionError(errno.EACCES, "Permission denied")) == "Permission denied; use sudo"
    assert why(OSError(errno.EROFS, "Read-only file system")) == "Read-only file system"


class TestTimeline:
    def test_of_a_machine_nobody_heard_says_so(self, cli: Cli) -> None:
        code, out, err = cli("timeline", M2)
        assert (code, out) == (0, "")
        assert err == (f"nothing was heard of {M2}; see docs/troubleshooting.md#it-never-asks\n")


class TestExplain:
    def test_by_name_is_as_by_its_mac(self, cli: Cli, tmp_path: Path) -> None:
        heard(tmp_path)
        assert cli("explain", "n1") == cli("explain", M1)
        assert cli("explain", "n2") == (2, "", 'netboot: command line: no node is called "n2"\n')

    def test_takes_a_machine_for_what_it_last_said_it_is(self, cli: Cli, tmp_path: Path) -> None:
        said = [
            Event(Kind.DISCOVER, M1, "n1", "", {"arch": 0, "firmware": "bios"}, 1.0),
            Event(Kind.DISCOVER, M1, "n1", "", {"arch": 7, "firmware": "ipxe"}, 2.0),
        ]
        heard(tmp_path, *said)
        assert f"{M1} as bios, BIOS\n" in cli("explain", "n1")[1]
        assert f"{M1} as bios, BIOS\n" in cli("explain", M1)[1]
        assert f"{M1} as uefi, UEFI arm64\n" in cli("explain", "n1", "--arch", "11")[1]

    @pytest.mark.parametrize(
        ("firmware", "kind"),
        [("bios", "BIOS"), ("http", "UEFI x64 HTTP Boot"), ("uefi", "UEFI x64")],
    )
    def test_a_firmware_means_what_it_runs_on(self, cli: Cli, firmware: str, kind: str) -> None:
        said = cli("explain", M2, "--firmware", firmware)[1]
        assert said.splitlines()[0] == f"{M2} as {firmware}, {kind}"

    def test_an_unknown_machine_gets_the_command_that_would_install_it(self, cli: Cli) -> None:
        _, out, err = cli("explain", M2, "--arch", "11")
        assert out.endswith("→ no answer\n")
        assert err == f"  to install it: {to_install(M2, 11)}\n"


@pytest.mark.parametrize(
    ("arch", "profile"), [(7, "debian-12"), (None, "debian-12"), (11, "debian-13-arm64")]
)
def test_an_unknown_machine_is_offered_an_installer_it_can_run(
    arch: int | None, profile: str
) -> None:
    assert to_install(M1, arch) == f"netboot node add NAME --mac {M1} --profile {profile}"


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "netboot.toml"
    file.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
    line = f"{sys.executable} -m netboot --config {file} image list | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
