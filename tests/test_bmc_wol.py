"""Wake-on-LAN: the packet, where it goes, and what it cannot do."""

import errno
import socket
from functools import partial

import pytest

from netboot.bmc.model import BootOverride, BootTarget, PowerAction, PowerState, Rung
from netboot.bmc.wol import COPIES, PORT, WolDriver, broadcasting, magic_packet
from netboot.errors import BmcError
from netboot.lab.namespaces import Lan
from netboot.model import parse_mac

MAC = parse_mac("52:54:00:00:00:01")


class Wire:
    """Interfaces, of which some are down; keeps what was sent."""

    def __init__(self, *down: str) -> None:
        self.down = down
        self.sent: list[tuple[str, bytes]] = []

    def __call__(self, interface: str, packet: bytes) -> None:
        if interface in self.down:
            raise OSError(errno.ENETDOWN, "Network is down")
        self.sent.append((interface, packet))


def test_the_magic_packet() -> None:
    packet = magic_packet(MAC)
    assert packet[:6] == b"\xff" * 6
    assert packet[6:] == bytes.fromhex("525400000001") * 16


def test_each_interface_is_sent_a_few_copies() -> None:
    wire = Wire()
    WolDriver(MAC, ["eth1", "eth2"], send=wire).power(PowerAction.ON)
    packet = magic_packet(MAC)
    assert wire.sent == [("eth1", packet)] * COPIES + [("eth2", packet)] * COPIES


def test_one_interface_that_can_send_is_enough() -> None:
    wire = Wire("eth1")
    WolDriver(MAC, ["eth1", "eth2"], send=wire).power(PowerAction.ON)
    assert {interface for interface, _ in wire.sent} == {"eth2"}


@pytest.mark.parametrize(
    ("interfaces", "problem"),
    [(["eth1"], "eth1: Network is down"), ([], "no interface is up")],
)
def test_no_interface_that_can_is_an_error(interfaces: list[str], problem: str) -> None:
    with pytest.raises(BmcError, match=problem) as failed:
        WolDriver(MAC, interfaces, send=Wire("eth1")).power(PowerAction.ON)
    assert failed.value.retryable


@pytest.mark.parametrize("action", [each for each in PowerAction if each is not PowerAction.ON])
def test_nothing_but_switching_on(action: PowerAction) -> None:
    wire = Wire()
    with pytest.raises(BmcError, match=f"only switch on; {action}"):
        WolDriver(MAC, ["eth1"], send=wire).power(action)
    assert wire.sent == []


def test_it_knows_nothing_of_the_machine() -> None:
    driver = WolDriver(MAC, ["eth1"], send=Wire())
    observed = driver.observe()
    assert (observed.power, observed.boot) == (PowerState.UNKNOWN, None)
    assert [nic.mac for nic in driver.inspect().nics] == [MAC]
    driver.close()


def test_where_to_boot_from_is_left_to_the_boot_server() -> None:
    driver = WolDriver(MAC, ["eth1"], send=Wire())
    wanted = BootOverride(BootTarget.PXE)
    assert driver.rungs(wanted) == (Rung.CYCLE_ONLY,)
    assert driver.rungs(BootOverride(BootTarget.CD)) == ()
    driver.set_boot(wanted, Rung.CYCLE_ONLY)
    with pytest.raises(BmcError, match="cannot set a boot source"):
        driver.set_boot(wanted, Rung.FULL_BODY)
    with pytest.raises(BmcError, match="no virtual media"):
        driver.insert("http://server/x.iso")
    with pytest.raises(BmcError, match="no virtual media"):
        driver.eject()


def test_loopback_is_no_place_to_look_for_machines() -> None:
    assert "lo" not in broadcasting()


@pytest.mark.root
def test_every_host_of_the_network_hears_it(lan: Lan) -> None:
    sleeper = lan.host("sleeper")

    def listening() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("", PORT))
        made.settimeout(5)
        return made

    with sleeper.inside(listening) as heard:
        lan.server.inside(partial(WolDriver(MAC).power, PowerAction.ON))
        packet, sender = heard.recvfrom(2048)
    assert packet == magic_packet(MAC)
    assert sender[0] == lan.server.address
