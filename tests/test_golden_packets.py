"""Packets captured from real firmware: each parses, is understood, and is answered as scapy would.

The folder's README says what sent each of them.
"""

from pathlib import Path

import pytest

from netboot.answer import proxydhcp
from netboot.answer.splice import splice
from netboot.boot.compose import compose, templates
from netboot.decision import Verdict
from netboot.matching import Match
from netboot.model import Firmware, Node, Profile, Server
from netboot.policy import Rules, decide
from netboot.wire import dhcp4, iana, pxe, tftp

PACKETS = Path(__file__).parent / "golden" / "packets"
DHCP = sorted(PACKETS.glob("*-discover.bin")) + sorted(PACKETS.glob("*-request-*.bin"))
TFTP = sorted(PACKETS.glob("*-tftp-read-*.bin"))
SERVER = Server("10.77.0.2", "10.77.0.2", 8080)
RULES = Rules({"debian-12": Profile("debian-12", "ipxe/debian.ipxe", image="debian-12")})

SENDERS = {
    # prefix of the file -> dialect and option 93
    "ipxe-rom-bios": (Firmware.IPXE, 0x00),
    "ipxe-rom-efi": (Firmware.IPXE, 0x07),
    "ipxe-snponly": (Firmware.IPXE, 0x07),
    "ipxe-undionly": (Firmware.IPXE, 0x00),
    "ovmf-http": (Firmware.HTTP, 0x10),
    "ovmf-pxe": (Firmware.UEFI, 0x07),
}


def sender(path: Path) -> tuple[Firmware, int]:
    return next(known for prefix, known in SENDERS.items() if path.name.startswith(prefix))


def test_every_sender_was_captured() -> None:
    captured = {prefix for prefix in SENDERS for path in DHCP if path.name.startswith(prefix)}
    assert captured == set(SENDERS)
    assert TFTP


@pytest.mark.parametrize("path", DHCP, ids=lambda path: path.stem)
def test_build_after_parse_keeps_its_meaning(path: Path) -> None:
    message = dhcp4.parse(path.read_bytes())
    assert dhcp4.parse(dhcp4.build(message)) == message


@pytest.mark.parametrize("path", DHCP, ids=lambda path: path.stem)
def test_the_sender_is_recognised(path: Path) -> None:
    client = pxe.identify(dhcp4.parse(path.read_bytes()))
    assert client is not None
    assert (client.firmware, client.arch) == sender(path)
    assert client.uuid is not None


@pytest.mark.parametrize("path", DHCP, ids=lambda path: path.stem)
def test_the_answer_spliced_is_the_answer_scapy_builds(path: Path) -> None:
    message = dhcp4.parse(path.read_bytes())
    client = pxe.identify(message)
    assert client is not None
    decision = decide(client, Match(Node("n1", (client.mac,), "debian-12"), "why"), RULES)
    assert decision.verdict is not Verdict.IGNORE
    if "request-67" in path.stem:
        assert message.type == iana.REQUEST  # to the DHCP server; not ours to answer
        assert proxydhcp.offer(message, decision, SERVER) is None
        return
    if "4011" in path.stem:
        reply = proxydhcp.acknowledge(message, client, decision, SERVER)
    else:
        reply = proxydhcp.offer(message, decision, SERVER)
    assert reply is not None
    spliced = splice(templates(SERVER.address)[reply.form], reply)
    assert spliced == compose(reply, SERVER.address)
    parsed = dhcp4.parse(spliced)
    assert (parsed.xid, parsed.chaddr) == (message.xid, message.chaddr)
    assert parsed.options[iana.OPT_CLIENT_UUID] == message.options[iana.OPT_CLIENT_UUID]


@pytest.mark.parametrize("path", TFTP, ids=lambda path: path.stem)
def test_tftp_requests_parse(path: Path) -> None:
    request = tftp.parse(path.read_bytes())
    assert isinstance(request, tftp.ReadRequest)
    assert request.filename in path.stem
