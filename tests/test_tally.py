"""What the boot program counts of DHCP: every request once, and by words of fixed sets only."""

import pytest

from netboot.boot import tally
from netboot.boot.tally import Tally
from netboot.model import Arch
from netboot.wire import dhcp4, iana
from tests.test_dhcp_offers import DECISIONS, IGNORED, Responder, discover

MACHINE = ("192.0.2.77", 68)
OURS = b"\xc0\x00\x02\x01"


def request(server: bytes = b"\xc0\x00\x02\x09", arch: int = 7) -> dhcp4.Message:
    asked = discover(arch=arch)
    more = {iana.OPT_MESSAGE_TYPE: bytes([iana.REQUEST]), iana.OPT_SERVER_ID: server}
    return asked._replace(options={**asked.options, **more})


def test_what_came_of_each_request() -> None:
    responder = Responder()
    for xid in range(3):
        responder.hears(discover(xid=xid))  # the second and third get the kept offer
    responder.hears(discover(arch=0))
    responder.decision = IGNORED
    responder.hears(discover())
    assert responder.proxy.tally.requests() == {
        "x64 offered": 3,
        "bios offered": 1,
        "x64 ignored": 1,
    }


@pytest.mark.parametrize(
    ("decision", "result"), [(DECISIONS[1], "acknowledged"), (IGNORED, "not-for-us")]
)
def test_what_came_of_port_4011(decision: object, result: str) -> None:
    responder = Responder(decision)  # type: ignore[arg-type]
    responder.proxy._pxe = responder  # type: ignore[assignment]
    responder.send = lambda *_: None  # type: ignore[method-assign]
    asked = request(OURS)._replace(ciaddr=MACHINE[0])
    responder.proxy._on_pxe_port(dhcp4.build(asked), MACHINE, "192.0.2.1")
    assert responder.proxy.tally.requests() == {f"x64 {result}": 1}


def test_whose_offers_machines_took_is_known_from_their_requests() -> None:
    responder = Responder()
    responder.proxy.tally = Tally(iter([5.0, 6.0, 7.0]).__next__)
    for server in (b"\xc0\x00\x02\x09", b"\xc0\x00\x02\x09", b"\xc0\x00\x02\x0a", b"bad"):
        responder.hears(request(server))
    assert responder.proxy.tally.servers() == {"192.0.2.9": (2, 6.0), "192.0.2.10": (1, 7.0)}
    assert responder.proxy.tally.requests() == {}, "a REQUEST to another server asks us nothing"


def test_no_packet_makes_a_new_word() -> None:
    counted = Tally()
    for arch in range(0x10000):
        counted.count(arch, tally.OFFERED)
    assert len(counted.requests()) == len(Arch) + 1
    assert counted.requests()["other offered"] == 0x10000 - len(Arch)


def test_servers_are_bounded() -> None:
    counted = Tally()
    for number in range(2 * tally.MAX_SERVERS):
        counted.chosen(request(bytes([192, 0, 2, number])))
    assert len(counted.servers()) == tally.MAX_SERVERS
