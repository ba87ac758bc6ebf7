"""An OFFER made ready: what a machine asked, and the packet it gets when it asks that again.

Firmware repeats itself: one DISCOVER differs from the next in ``xid`` and ``secs`` alone, and
``secs`` decides nothing. So a machine that asks the same and is decided alike gets the same packet
with another ``xid``. A property test holds it equal to one made from scratch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct

from netboot.answer import proxydhcp
from netboot.answer.proxydhcp import Form, Reply
from netboot.answer.splice import Template, splice
from netboot.boot.journal import Note
from netboot.clients import kind_of
from netboot.decision import Decision, Shape
from netboot.events import Kind
from netboot.model import Client, Firmware, Server
from netboot.wire import iana, udp4
from netboot.wire.dhcp4 import NO_ADDRESS, Message
from netboot.wire.udp4 import Datagram

MAX_NOTES = 1024
"""Notes kept to be shared: machines of one kind are told the same."""

_XID_AT, _FLAGS_AT = 4, 10  # RFC 2131 section 2; secs stands between
_XID = Struct("!I")
_CHADDR = slice(28, 34)
_EVERYBODY = ("255.255.255.255", iana.DHCP_CLIENT_PORT)
_WITHOUT_BOOTFILE = {
    Shape.BINL: "boot file follows on port 4011",
    Shape.RASPBERRY_PI: "its ROM asks TFTP for its own files",
}


@dataclass(slots=True)
class Offer:
    """The answer to a DISCOVER, as it was decided.

    Attributes:
        made_of: the decision, and our address that it is sent from.
        notes: what the timeline is told.
    """

    made_of: tuple[Decision, str]
    notes: tuple[Note, ...]
    _packet: bytearray

    def packet(self, discover: bytes) -> bytearray:
        """The IPv4 packet that answers ``discover``; good until the next call."""
        [xid] = _XID.unpack_from(discover, _XID_AT)
        udp4.rewrite(self._packet, _XID_AT, xid)
        return self._packet


@dataclass(slots=True)
class Asked:
    """A DISCOVER and its answers.

    Attributes:
        question: the DISCOVER, as ``question`` gives it.
        message: the same, parsed; its ``xid`` and ``secs`` are those of the first time.
        client: who asked.
        offers: those that were made; a machine that takes none is tried with one shape after
            the other, and with the first again.
    """

    question: bytes
    message: Message
    client: Client
    offers: dict[Shape | None, Offer] = field(default_factory=dict)


def chaddr(payload: bytes) -> bytes:
    """The hardware address in a DHCP message that nobody looked at yet."""
    return payload[_CHADDR]


def question(payload: bytes) -> bytes:
    """All of a DISCOVER that can change its answer."""
    return payload[:_XID_AT] + payload[_FLAGS_AT:]


def prepare(
    asked: Asked, decision: Decision, server: Server, templates: Mapping[Form, Template]
) -> Offer | None:
    """What ``asked`` is answered with, None for silence."""
    reply = proxydhcp.offer(asked.message, decision, server)
    if reply is None:
        return None
    target = proxydhcp.offer_destination(asked.message) or _EVERYBODY
    payload = splice(templates[reply.form], reply)
    packet = udp4.build(Datagram(server.address, iana.DHCP_SERVER_PORT, *target, payload))
    notes = (asks(asked), _offers(asked.client, decision, reply))
    return Offer((decision, server.address), notes, bytearray(packet))


def asks(asked: Asked) -> Note:
    """What the timeline is told of a DISCOVER."""
    client = asked.client
    kind = kind_of(client).name
    return _discover_note(client.firmware, client.arch, kind, asked.message.giaddr)


def sentence(client: Client) -> str:
    """``client`` asks, for a person."""
    return _sentence(client.firmware, client.arch, kind_of(client).name)


def _sentence(firmware: Firmware, arch: int, kind: str) -> str:
    if firmware is Firmware.IPXE:
        return "iPXE asks"
    return f"{kind} firmware asks (architecture {arch:#04x})"


def _offers(client: Client, decision: Decision, reply: Reply) -> Note:
    shape, profile, why = reply.form[0], decision.profile or "", decision.reasons[-1]
    said = shape, reply.bootfile, decision.lesson, profile, why
    return _offer_note(client.firmware, client.arch, *said)


@lru_cache(MAX_NOTES)
def _discover_note(firmware: Firmware, arch: int, kind: str, giaddr: str) -> Note:
    relay = {} if giaddr == NO_ADDRESS else {"relay": giaddr}
    data = {"arch": arch, "firmware": firmware.value, **relay}
    return Note(Kind.DISCOVER, _sentence(firmware, arch, kind), data)


@lru_cache(MAX_NOTES)
def _offer_note(
    firmware: Firmware, arch: int, shape: Shape, bootfile: str, lesson: str, profile: str, why: str
) -> Note:
    said = f"boot file {bootfile}" if bootfile else _WITHOUT_BOOTFILE[shape]
    chosen = {"profile": profile, "shape": shape.value, "why": why}
    data = {**chosen, "arch": arch, "firmware": firmware.value}
    return Note(Kind.OFFER, f"{said} ({lesson})" if lesson else said, data)
