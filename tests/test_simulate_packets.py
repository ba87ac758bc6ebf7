"""Fake machines send what real firmware was seen to send, and read replies as scapy does."""

import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from netboot.model import Arch, Mac
from netboot.simulate import dhcp, link
from netboot.simulate.dhcp import Reply, Request
from netboot.simulate.machine import Kind, Machine
from netboot.simulate.packets import Packets

GOLDEN = Path(__file__).parent / "golden" / "packets"
MAC = Mac("52:54:00:00:00:01")
UUID = uuid.UUID("12345678-9abc-4def-8123-525400000001")
LEASED, SERVER, BOOT_SERVER = "10.77.0.135", "10.77.0.1", "10.77.0.2"


def packets(kind: Kind, arch: Arch, *, as_ipxe: bool = False, chained: bool = True) -> Packets:
    return Packets(Machine(MAC, kind, arch, LEASED, uuid=UUID), as_ipxe, chained)


SENDERS = {
    "ovmf-pxe": packets(Kind.EDK2, Arch.X64),
    "ovmf-http": packets(Kind.HTTP, Arch.X64_HTTP),
    "ipxe-snponly": packets(Kind.EDK2, Arch.X64, as_ipxe=True),
    "ipxe-undionly": packets(Kind.BIOS, Arch.BIOS, as_ipxe=True),
    "ipxe-rom-efi": packets(Kind.IPXE, Arch.X64, as_ipxe=True, chained=False),
    "ipxe-rom-bios": packets(Kind.IPXE, Arch.BIOS, as_ipxe=True, chained=False),
}


def as_captured(request: Request, captured: bytes) -> bytes:
    """``request`` with what chance and time gave the captured packet: xid, secs and flags."""
    seen = BOOTP(captured)
    said = request.options, request.ciaddr, request.giaddr
    return dhcp.build(Request(seen.xid, MAC, said[0], seen.secs, int(seen.flags), *said[1:]))


CAPTURED = [
    (sender, what)
    for sender in SENDERS
    for what in ("discover", "request-67", "request-4011")
    if (GOLDEN / f"{sender}-{what}.bin").exists()
]


def test_every_sender_was_captured() -> None:
    assert {(sender, "discover") for sender in SENDERS} <= set(CAPTURED)
    assert ("ovmf-pxe", "request-4011") in CAPTURED


@pytest.mark.parametrize(("sender", "what"), CAPTURED)
def test_each_packet_is_the_captured_one(sender: str, what: str) -> None:
    captured = (GOLDEN / f"{sender}-{what}.bin").read_bytes()
    made = {
        "discover": SENDERS[sender].discover(1, 0),
        "request-67": SENDERS[sender].request(1, 0, SERVER, LEASED),
        "request-4011": SENDERS[sender].binl(1, 0, BOOT_SERVER, LEASED),
    }[what]
    assert as_captured(made, captured) == captured


@pytest.mark.parametrize("sender", SENDERS)
def test_a_machine_asks_for_the_replies_its_firmware_asks_for(sender: str) -> None:
    captured = BOOTP((GOLDEN / f"{sender}-discover.bin").read_bytes())
    assert SENDERS[sender].discover(1, 0).flags == int(captured.flags)


def test_behind_a_relay_its_address_stands_in_giaddr() -> None:
    machine = Machine(MAC, Kind.EDK2, Arch.X64, LEASED, giaddr="10.9.0.1")
    seen = BOOTP(dhcp.build(Packets(machine, as_ipxe=False, chained=True).discover(7, 3)))
    assert (seen.giaddr, seen.hops, seen.xid, seen.secs) == ("10.9.0.1", 1, 7, 3)


def test_a_lease_is_given_back_by_name() -> None:
    seen = BOOTP(dhcp.build(SENDERS["ipxe-snponly"].release(9, SERVER, LEASED)))
    options = dict(option for option in seen[DHCP].options if isinstance(option, tuple))
    assert (seen.ciaddr, options["message-type"], options["server_id"]) == (LEASED, 7, SERVER)
    assert options["client_id"] == bytes.fromhex("01525400000001")


def offer(options: list[tuple[str | int, object]], **header: object) -> Reply:
    made = BOOTP(op=2, chaddr=bytes.fromhex(MAC.replace(":", "")), xid=5, **header)
    read = dhcp.read(bytes(made / DHCP(options=[*options, "end"])), (BOOT_SERVER, 67))
    assert read is not None
    return read


def test_a_reply_is_read_as_scapy_wrote_it() -> None:
    reply = offer(
        [
            ("message-type", 2),
            ("server_id", BOOT_SERVER),
            (60, b"PXEClient"),
            (43, bytes.fromhex("060108ff")),
            (66, b"10.77.0.2"),
            (67, b"snponly.efi\0"),
            ("name_server", SERVER),
        ],
        yiaddr=LEASED,
        siaddr=BOOT_SERVER,
    )
    assert (reply.type, reply.xid, reply.mac, reply.source) == (2, 5, MAC, (BOOT_SERVER, 67))
    assert (reply.yiaddr, reply.siaddr, reply.server_id) == (LEASED, BOOT_SERVER, BOOT_SERVER)
    assert (reply.bootfile, reply.tftp_server) == ("snponly.efi", "10.77.0.2")
    assert (reply.is_pxe, reply.discovers, reply.uses_bootfile) == (True, True, True)


def test_a_boot_file_may_stand_in_the_header_or_hold_options_itself() -> None:
    assert offer([("message-type", 2)], file=b"undionly.kpxe").bootfile == "undionly.kpxe"
    overloaded = offer([("message-type", 2), (52, b"\x01")], file=b"\x43\x03a.b\xff")
    assert overloaded.bootfile == "a.b"


def test_an_option_split_in_two_is_whole_again() -> None:
    assert offer([(67, b"http://10.77"), (67, b".0.2/x")]).bootfile == "http://10.77.0.2/x"


@given(st.binary(max_size=700))
def test_whatever_comes_is_a_reply_or_none(payload: bytes) -> None:
    dhcp.read(payload, ("", 0))


@given(st.binary(max_size=200))
def test_any_options_after_a_header_are_read_or_passed_over(options: bytes) -> None:
    header = bytes(BOOTP(op=2, chaddr=b"\x52\x54\0\0\0\1", file=options[:128]))[:236]
    dhcp.read(header + b"\x63\x82\x53\x63" + options, ("", 0))


@pytest.mark.parametrize("payload", [b"", b"x", b"even", b"odd!!"])
def test_a_packet_has_the_headers_and_checksums_scapy_gives_it(payload: bytes) -> None:
    seen = IP(link.packet(("10.0.0.1", 68), ("10.0.0.2", 4011), payload))
    checksums = seen.chksum, seen[UDP].chksum
    del seen.chksum, seen[UDP].chksum
    again = IP(bytes(seen))
    assert checksums == (again.chksum, again[UDP].chksum)
    assert (seen.src, seen.dst, seen[UDP].sport, seen[UDP].dport) == (
        *("10.0.0.1", "10.0.0.2"),
        *(68, 4011),
    )
    assert bytes(seen[UDP].payload) == payload


def test_a_frame_gives_its_datagram_and_padding_is_left_out() -> None:
    frame = Ether() / IP(src="10.0.0.1") / UDP(sport=67, dport=68) / Raw(b"hello")
    assert link.datagram(bytes(frame) + bytes(20)) == (b"hello", ("10.0.0.1", 67), 68)


@given(st.binary(max_size=80))
def test_whatever_frame_comes_is_a_datagram_or_none(frame: bytes) -> None:
    link.datagram(frame)
    link.datagram(bytes(12) + b"\x08\x00\x45" + frame)
