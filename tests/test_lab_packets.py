"""What the lab's witness reads from packets; scapy is the oracle."""

import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet as ScapyPacket
from scapy.packet import Raw

from netboot.lab import packets
from netboot.lab.capture import attach_port_filter
from netboot.lab.packets import dissect
from netboot.lab.witness import INSTALLER_BOOT, Servers

GOLDEN = Path(__file__).parent / "golden" / "packets"
SERVERS = Servers("10.77.0.2", "10.77.0.3")
ETHER = Ether(src="52:54:00:00:00:01", dst="52:54:00:00:00:02")
MACHINE_TO_SERVER = ETHER / IP(src="10.77.0.100", dst="10.77.0.2")
SERVER_TO_MACHINE = ETHER / IP(src="10.77.0.2", dst="10.77.0.100")


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.bin").read_bytes()


def udp(ip: ScapyPacket, source: int, destination: int, payload: bytes) -> bytes:
    return bytes(ip / UDP(sport=source, dport=destination) / Raw(payload))


def http(ip: ScapyPacket, port: int, payload: bytes) -> bytes:
    return bytes(ip / TCP(sport=40000, dport=port, flags="PA") / Raw(payload))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*-discover.bin")), ids=lambda path: path.stem)
def test_options_read_as_scapy_reads_them(path: Path) -> None:
    payload = path.read_bytes()
    assert packets.dhcp_type(payload) == packets.DISCOVER
    options = dict(o[:2] for o in BOOTP(payload)[DHCP].options if isinstance(o, tuple))
    assert packets.dhcp_option(payload, 60) == options["vendor_class_id"]
    assert packets.dhcp_option(payload, 57) == struct.pack("!H", options["max_dhcp_size"])


@pytest.mark.parametrize("name", ["ovmf-pxe-discover", "ipxe-rom-efi-discover"])
def test_option_175_tells_ipxe(name: str) -> None:
    has = packets.dhcp_option(golden(name), 175) is not None
    assert has is name.startswith("ipxe")


def test_a_frame_is_taken_apart() -> None:
    packet = dissect(udp(MACHINE_TO_SERVER, 68, 67, b"hello"), 12.5)
    assert packet is not None
    assert packet.protocol == socket.IPPROTO_UDP
    assert (packet.source, packet.destination) == (("10.77.0.100", 68), ("10.77.0.2", 67))
    assert (packet.time, packet.payload) == (12.5, b"hello")


def test_ethernet_padding_is_no_payload() -> None:
    packet = dissect(udp(MACHINE_TO_SERVER, 1000, 69, b"x") + bytes(30))
    assert packet is not None
    assert packet.payload == b"x"


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(ETHER) + bytes(40), id="not IPv4"),
        pytest.param(bytes(ETHER / IP(proto=1) / Raw(bytes(8))), id="ICMP"),
        pytest.param(bytes(ETHER / IP(flags="MF") / UDP() / Raw(b"x")), id="first fragment"),
        pytest.param(bytes(ETHER / IP(frag=1) / UDP() / Raw(b"x")), id="later fragment"),
        pytest.param(udp(MACHINE_TO_SERVER, 1, 2, b"")[:-4], id="cut within UDP"),
    ],
)
def test_what_is_no_whole_udp_or_tcp_is_none(frame: bytes) -> None:
    assert dissect(frame) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_witness_stumble(noise: bytes) -> None:
    dissect(noise)
    dissect(bytes(ETHER) + noise)
    packets.dhcp_option(golden("ovmf-pxe-discover")[:240] + noise, 97)


@pytest.mark.parametrize(
    ("stage", "frame"),
    [
        ("DISCOVER", udp(MACHINE_TO_SERVER, 68, 67, golden("ovmf-pxe-discover"))),
        ("REQUEST 4011", udp(MACHINE_TO_SERVER, 68, 4011, golden("ovmf-pxe-request-4011"))),
        ("loader", udp(MACHINE_TO_SERVER, 1000, 69, golden("ovmf-pxe-tftp-read-snponly.efi"))),
        ("script", http(MACHINE_TO_SERVER, 8080, b"GET /ipxe/525400000001 HTTP/1.1\r\n")),
        ("kernel", http(MACHINE_TO_SERVER, 8080, b"GET /images/debian-12/linux HTTP/1.1\r\n")),
        ("initrd", http(MACHINE_TO_SERVER, 8080, b"GET /images/debian-12/initrd.gz HTTP/1.1\r\n")),
        ("preseed", http(MACHINE_TO_SERVER, 8080, b"GET /node/token/preseed.cfg HTTP/1.1\r\n")),
        (
            "mirror",
            http(ETHER / IP(dst="10.77.0.3"), 80, b"GET /debian/dists/stable/Release HTTP/1.1\r\n"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_packet_shows_its_stage_and_no_other(stage: str, frame: bytes) -> None:
    packet = dissect(frame)
    assert packet is not None
    assert [each.name for each in INSTALLER_BOOT if each.shown_by(packet, SERVERS)] == [stage]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(
            udp(MACHINE_TO_SERVER, 1, 69, golden("ipxe-snponly-tftp-read-autoexec.ipxe-tsize")),
            id="iPXE's own script is no loader",
        ),
        pytest.param(
            udp(ETHER / IP(src="10.77.0.1"), 67, 68, golden("ovmf-pxe-discover")),
            id="another DHCP server's packet is no OFFER of netboot's",
        ),
        pytest.param(http(MACHINE_TO_SERVER, 8080, b"\r\n"), id="a later segment"),
    ],
)
def test_what_shows_no_stage(frame: bytes) -> None:
    packet = dissect(frame)
    assert packet is not None
    assert not [each.name for each in INSTALLER_BOOT if each.shown_by(packet, SERVERS)]


def test_stages_stand_in_the_order_of_a_boot_and_each_has_a_cause() -> None:
    assert [stage.name for stage in INSTALLER_BOOT] == [
        *("DISCOVER", "OFFER", "REQUEST 4011", "ACK 4011", "loader"),
        *("script", "kernel", "initrd", "preseed", "mirror"),
    ]
    assert all(stage.cause and stage.deadline > 0 for stage in INSTALLER_BOOT)


@pytest.mark.parametrize(
    ("kept", "frame"),
    [
        (True, udp(MACHINE_TO_SERVER, 68, 67, b"to")),
        (True, udp(SERVER_TO_MACHINE, 67, 68, b"from")),
        (True, udp(ETHER / IP(options=[b"\x01"] * 4), 68, 4011, b"longer IP header")),
        (False, udp(MACHINE_TO_SERVER, 5353, 5353, b"another port")),
        (True, http(MACHINE_TO_SERVER, 8080, b"GET / HTTP/1.1")),
        (False, bytes(SERVER_TO_MACHINE / TCP(sport=8080, dport=40000) / Raw(b"megabytes"))),
        (False, bytes(ETHER / IP(frag=1) / UDP(dport=67) / Raw(b"fragment"))),
        (False, bytes(ETHER / IP(proto=1) / Raw(struct.pack("!HH", 67, 67)))),
        (False, bytes(Ether(type=0x0806) / Raw(bytes(28)))),
    ],
)
def test_the_kernel_filter_keeps_its_ports_only(*, kept: bool, frame: bytes) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:  # the kernel runs the same filter on any datagram
        attach_port_filter(far, [67, 4011, 8080])
        near.send(frame)
        far.settimeout(0)
        try:
            assert (far.recv(1 << 16) == frame) is kept
        except BlockingIOError:
            assert not kept
