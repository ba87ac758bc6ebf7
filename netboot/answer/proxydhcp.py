"""What a ProxyDHCP server says: (message, client, decision) → ``Reply`` (PXE 2.1 section 2.2).

A ProxyDHCP server hands out no addresses; another server does. It only adds where to boot from.
Which shape a machine gets is decided elsewhere (``netboot.clients``, ``netboot.learning``); here
each shape is laid out, once as an OFFER on port 67 and once as an ACK on port 4011.
"""

from dataclasses import dataclass
from typing import NamedTuple

from netboot.decision import Decision, Shape, Verdict
from netboot.model import Client, Firmware, Mac, Server
from netboot.wire import iana
from netboot.wire.dhcp4 import NO_ADDRESS, Message
from netboot.wire.pxe import HTTP_CLIENT, PXE_CLIENT


@dataclass(frozen=True, slots=True)
class Layout:
    """The constant part of a reply.

    Attributes:
        vendor_class: option 60, exactly.
        vendor_specific: option 43, None for none.
        names_bootfile: whether header ``file``, options 66 and 67 are filled.
    """

    vendor_class: bytes
    vendor_specific: bytes | None
    names_bootfile: bool


USE_THIS_FILE = bytes([iana.PXE_DISCOVERY_CONTROL, 1, iana.PXE_SKIP_DISCOVERY, iana.END])
RASPBERRY_PI_MENU = (
    bytes([iana.PXE_DISCOVERY_CONTROL, 1, 3])  # no broadcast, no multicast: ask this very server
    + bytes([iana.PXE_MENU_PROMPT, 4, 0])
    + b"PXE"
    + bytes([iana.PXE_BOOT_MENU, 20, 0, 0, 17])
    + b"Raspberry Pi Boot"
    + bytes([iana.END])
)

Form = tuple[Shape, int]
"""A shape and the message type (option 53) it is sent as."""

LAYOUTS: dict[Form, Layout] = {
    (Shape.BINL, iana.OFFER): Layout(PXE_CLIENT, None, names_bootfile=False),
    (Shape.BINL, iana.ACK): Layout(PXE_CLIENT, None, names_bootfile=True),
    (Shape.DISCOVERY_CONTROL, iana.OFFER): Layout(PXE_CLIENT, USE_THIS_FILE, names_bootfile=True),
    (Shape.DISCOVERY_CONTROL, iana.ACK): Layout(PXE_CLIENT, USE_THIS_FILE, names_bootfile=True),
    (Shape.BOOTFILE, iana.OFFER): Layout(PXE_CLIENT, None, names_bootfile=True),
    (Shape.HTTP, iana.OFFER): Layout(HTTP_CLIENT, None, names_bootfile=True),
    (Shape.RASPBERRY_PI, iana.OFFER): Layout(PXE_CLIENT, RASPBERRY_PI_MENU, names_bootfile=False),
}

_ACKS = {
    # who asks on port 4011 has taken an offer; BIOS wants its discovery control there too
    Firmware.BIOS: Shape.DISCOVERY_CONTROL,
    Firmware.UEFI: Shape.BINL,
    Firmware.IPXE: Shape.BINL,
}


class Reply(NamedTuple):
    """One reply: its form and what is spliced into it.

    Attributes:
        bootfile: a TFTP name or a URL; "" where the shape names none.
        uuid: option 97 exactly as asked, None where the client sent none.
    """

    form: Form
    xid: int
    flags: int
    ciaddr: str
    giaddr: str
    chaddr: Mac
    bootfile: str
    uuid: bytes | None


def offer(message: Message, decision: Decision, server: Server) -> Reply | None:
    """The answer to a DISCOVER on port 67, None for silence."""
    if message.type != iana.DISCOVER or decision.shape is None:
        return None
    return _reply((decision.shape, iana.OFFER), message, decision, server)


def acknowledge(
    message: Message, client: Client, decision: Decision, server: Server
) -> Reply | None:
    """The answer to a REQUEST on port 4011, None for silence.

    Only requests meant for us are answered: option 54, where sent, must name our address, so that
    two boot servers on one LAN do not answer for each other.
    """
    shape = _ACKS.get(client.firmware)
    if message.type != iana.REQUEST or decision.verdict is Verdict.IGNORE or shape is None:
        return None
    asked = message.options.get(iana.OPT_SERVER_ID)
    if asked is not None and ".".join(map(str, asked)) != server.address:
        return None
    return _reply((shape, iana.ACK), message, decision, server)


def offer_destination(message: Message) -> tuple[str, int] | None:
    """Where an OFFER goes (RFC 2131 section 4.1): to the relay, or None: to everybody."""
    return None if message.giaddr == NO_ADDRESS else (message.giaddr, iana.DHCP_SERVER_PORT)


def ack_destination(message: Message, peer: tuple[str, int]) -> tuple[str, int]:
    """Where an ACK from port 4011 goes: to the relay, else to the port the request came from.

    EDK2 asks from port 4011, iPXE and BIOS ROMs from 68, and each listens only there.
    """
    if message.giaddr != NO_ADDRESS:
        return message.giaddr, iana.DHCP_SERVER_PORT
    return (peer[0] if message.ciaddr == NO_ADDRESS else message.ciaddr), peer[1]


def _reply(form: Form, message: Message, decision: Decision, server: Server) -> Reply:
    # yiaddr is 0, so a relay agent has no address to unicast to; dnsmasq's would send to 0.0.0.0
    nowhere = iana.BROADCAST_FLAG if message.ciaddr == NO_ADDRESS else 0
    return Reply(
        form=form,
        xid=message.xid,
        flags=message.flags | nowhere,
        ciaddr=message.ciaddr,
        giaddr=message.giaddr,
        chaddr=message.chaddr,
        bootfile=_bootfile(form, message.chaddr, decision, server),
        uuid=message.options.get(iana.OPT_CLIENT_UUID),
    )


def _bootfile(form: Form, mac: Mac, decision: Decision, server: Server) -> str:
    if not LAYOUTS[form].names_bootfile:
        return ""
    if decision.verdict is Verdict.SCRIPT:
        return f"{server.url}/ipxe/{mac}"
    name = decision.loader or ""
    return f"{server.url}/{name}" if decision.shape is Shape.HTTP else name
