"""``netboot node iscsi NAME set|clear|status``: the node's volume in its firmware, by its BMC."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.bmc import quirks
from netboot.control import bmc_steps, iscsi_steps
from netboot.lab.bmc import adapter, hpe_boot
from netboot.lab.bmc.faults import Fault
from netboot.lab.bmc.machine import FakeMachine, IscsiDrive
from netboot.lab.bmc.virtual import VirtualBmc
from tests.test_cli_node import Nodes, configured

MAC = "52:54:00:00:00:01"
IQN = "iqn.2026-01.com.example:disk1"
SECRET, PASSWORD = "four-teen-char", "pass-of-the-bmc"
N1 = "iqn.2026-01.internal.netboot:n1"
SAID = f"{IQN} LUN 1 at 192.0.2.9:3260 as {N1}, CHAP user n1"


class Machine(FakeMachine):
    """One that may be in BIOS mode alone."""

    def __init__(self, *modes: str) -> None:
        super().__init__((MAC,))
        self.modes = modes


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Nodes:
    cli = Nodes(configured(tmp_path), monkeypatch, capsys)
    secret = tmp_path / "secret"
    secret.write_text(SECRET, "ascii")
    added = cli("node", "add", "n1", "--mac", MAC, "--profile", "volume")
    assert added == (0, "node n1 added\n", "")
    chap = ("--chap-user", "n1", "--chap-secret-file", str(secret))
    assert cli("volume", "add", "disk1", "--target", IQN, "--portal", "192.0.2.9", *chap)[0] == 0
    return cli


@pytest.fixture
def machine() -> Machine:
    return Machine("UEFI", "Legacy")


@pytest.fixture
def personality() -> str:
    return quirks.GENERIC


@pytest.fixture
def bmc(cli: Nodes, machine: Machine, tmp_path: Path, personality: str) -> Iterator[VirtualBmc]:
    with VirtualBmc(machine, personality, password=PASSWORD) as bmc:
        (tmp_path / "password").write_text(PASSWORD, "ascii")
        login = ("--bmc-user", "admin", "--bmc-password-file", str(tmp_path / "password"))
        address = f"redfish+http://127.0.0.1:{bmc.port}"
        assert cli("node", "set", "n1", "--bmc", address, *login)[0] == 0
        yield bmc


def attached(cli: Nodes) -> None:
    assert cli("volume", "attach", "disk1", "n1")[0] == 0


def test_what_is_set_is_in_force_until_it_is_cleared(
    cli: Nodes, bmc: VirtualBmc, machine: Machine
) -> None:
    attached(cli)
    assert bmc.machine is machine
    assert cli("node", "iscsi", "n1", "set") == (
        0,
        f"n1: its firmware boots from {SAID}; boots iscsi always in uefi mode, set by full-body\n",
        "",
    )
    assert machine.iscsi == IscsiDrive(IQN, "192.0.2.9", 3260, 1, N1, "n1", SECRET)
    cli("node", "power", "n1", "on")
    cli("node", "power", "n1", "reset")
    assert list(machine.boots) == [f"iscsi {IQN}/1"] * 2
    status = f"n1: its firmware boots from {SAID}, iscsi always in uefi mode\n"
    assert cli("node", "iscsi", "n1", "status") == (0, status, "")
    cleared = "n1: its firmware boots from no volume any more\n"
    assert cli("node", "iscsi", "n1", "clear") == (0, cleared, "")
    assert machine.iscsi is None
    cli("node", "power", "n1", "reset")
    assert machine.boots[-1] == "disk"
    assert cli("node", "iscsi", "n1", "clear")[1] == "n1: its firmware boots from no volume\n"


def test_as_json_and_without_a_secret_in_anything_that_is_shown(
    cli: Nodes, bmc: VirtualBmc
) -> None:
    attached(cli)
    bmc.faults.add(Fault("drop", "PATCH"))
    code, out, err = cli("node", "iscsi", "n1", "set", "--json")
    assert (code, err) == (0, "")
    (said,) = json.loads(out)
    assert said["iscsi"]["name"] == IQN
    assert said["boot"]["target"] == "iscsi"
    timeline = cli("timeline", "n1", "--json")[1]
    assert "no reply, so it is read back" in timeline
    assert IQN in timeline
    for secret in (SECRET, PASSWORD):
        assert secret not in out + timeline + cli("node", "show", "n1", "--json")[1]


def test_inspect_says_whether_it_can(cli: Nodes, bmc: VirtualBmc) -> None:
    assert bmc.port
    assert "iscsi_boot" not in cli("node", "show", "n1")[1]
    cli("node", "inspect", "n1")
    assert "iscsi_boot  yes" in cli("node", "show", "n1")[1]
    found = json.loads(cli("node", "show", "n1", "--json")[1])
    assert found["hardware"]["iscsi_boot"] is True
    assert "iscsi_boot" in found["hardware"]["capabilities"]


def test_a_node_without_a_volume_is_refused(cli: Nodes, bmc: VirtualBmc) -> None:
    code, out, err = cli("node", "iscsi", "n1", "set")
    assert (code, out) == (2, "")
    assert err.count("node n1 has no volume; netboot volume attach VOLUME n1") == 1
    assert bmc.log.count("PATCH") == 0


@pytest.mark.parametrize("longer", [False, True])
def test_where_firmware_cannot_the_machine_is_sent_to_ipxe(
    cli: Nodes, bmc: VirtualBmc, tmp_path: Path, longer: bool
) -> None:
    why = "in BIOS mode the firmware has no iSCSI"
    if longer:
        why = "firmware takes no CHAP secret of that length"
        (tmp_path / "long").write_text("x" * 17, "ascii")
        chap = ("--chap-user", "n1", "--chap-secret-file", str(tmp_path / "long"))
        cli("volume", "add", "disk2", "--target", IQN, "--portal", "192.0.2.9", *chap)
        cli("volume", "attach", "disk2", "n1")
    else:
        attached(cli)
        assert cli("node", "boot", "n1", "pxe", "--always", "--mode", "bios")[0] == 0
    code, out, err = cli("node", "iscsi", "n1", "set")
    assert (code, err) == (0, "")
    assert out.startswith(f"n1: {why}: iPXE logs in, where its profile says so; boots pxe always")
    assert bmc.log.count("PATCH", "NetworkDeviceFunctions") == 0


def test_a_volume_that_is_detached_is_taken_from_the_firmware_first(
    cli: Nodes, bmc: VirtualBmc, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bmc_steps, "BUSY_PAUSES", ())
    attached(cli)
    cli("node", "iscsi", "n1", "set")
    assert machine.iscsi is not None
    bmc.faults.add(Fault("busy", "PATCH", "NetworkDeviceFunctions", times=99))
    code, _, err = cli("volume", "detach", "disk1")
    assert (code, "its firmware keeps its volume" in err) == (1, True)
    bmc.faults.waiting.clear()
    assert cli("volume", "detach", "disk1")[0] == 0
    assert machine.iscsi is None
    assert cli("node", "iscsi", "n1", "status")[1] == (
        "n1: its firmware boots from no volume, no override\n"
    )


def test_a_bmc_that_takes_it_and_does_nothing_is_not_believed(
    cli: Nodes, bmc: VirtualBmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached(cli)
    monkeypatch.setattr(iscsi_steps, "SHOWS_WITHIN", 0.0)
    monkeypatch.setattr(adapter.Pending, "change", lambda *_: None)
    code, _, err = cli("node", "iscsi", "n1", "set")
    assert (code, "accepted, but after 0 s the BMC shows" in err) == (1, True)
    assert bmc.log.count("PATCH", "Systems") == 0  # its boot device is left alone


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A BMC that is busy is asked again at once."""
    monkeypatch.setattr(bmc_steps, "BUSY_PAUSES", (0.0,) * 9)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("personality", ["hpe-ilo6"])
class TestHpe:
    """Its boot device is a place in the firmware's own boot order."""

    AWAITED = "first in its boot order as soon as a start has found it"

    def test_its_boot_order_begins_with_the_volume_until_it_is_cleared(
        self, cli: Nodes, bmc: VirtualBmc, machine: Machine
    ) -> None:
        attached(cli)
        bmc.faults.add(Fault("drop", "PATCH", "boot/settings"))
        set_words = f"n1: its firmware boots from {SAID}, {self.AWAITED}\n"
        assert cli("node", "iscsi", "n1", "set") == (0, set_words, "")
        assert cli("node", "iscsi", "n1", "set") == (0, set_words, "")
        assert bmc.log.count("PATCH", "boot/settings") == 1
        cli("node", "power", "n1", "on")
        status = f"n1: its firmware boots from {SAID}, first in its boot order, no override\n"
        assert cli("node", "iscsi", "n1", "status") == (0, status, "")
        assert cli("node", "iscsi", "n1", "clear")[0] == 0
        cli("node", "power", "n1", "reset")
        assert list(machine.boots) == [f"iscsi {IQN}/1", "disk"]

    def test_an_override_gives_way(self, cli: Nodes, bmc: VirtualBmc, machine: Machine) -> None:
        assert bmc.machine is machine
        attached(cli)
        cli("node", "boot", "n1", "pxe", "--always")
        assert cli("node", "iscsi", "n1", "set")[0] == 0
        cli("node", "power", "n1", "on")
        assert list(machine.boots) == [f"iscsi {IQN}/1"]

    def test_a_bmc_that_takes_the_order_and_does_nothing_is_not_believed(
        self, cli: Nodes, bmc: VirtualBmc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert bmc.port
        attached(cli)
        monkeypatch.setattr(iscsi_steps, "SHOWS_WITHIN", 0.0)
        monkeypatch.setattr(hpe_boot.HpeBoot, "_change", lambda *_: None)
        code, _, err = cli("node", "iscsi", "n1", "set")
        assert code == 1
        assert "accepted, but after 0 s the BMC shows it not first in its boot order" in err
