"""What a ProxyDHCP server says: (message, client, decision) → ``Reply`` (PXE 2.1 section 2.2).

A ProxyDHCP server hands out no addresses; another server does. It only adds where to boot from.
One table says which shape each dialect needs, because firmware differs more than the standard:

* UEFI wants no option 43 and no boot file in the OFFER: it then asks port 4011 ("BINL"). Old EDK2
  never keeps an offer with 43 in it.
* BIOS wants the boot file in the OFFER and option 43 with discovery control 8, "use this file".
* HTTP Boot wants option 60 to be exactly ``HTTPClient`` and a URL by address, and nothing on 4011.
* iPXE wants siaddr and a boot file in the OFFER, else it asks 4011.
"""

from dataclasses import dataclass
from enum import Enum

from netboot.model import Client, Decision, Firmware, Mac, Server, Verdict
from netboot.wire import iana
from netboot.wire.dhcp4 import NO_ADDRESS, Message
from netboot.wire.pxe import HTTP_CLIENT, PXE_CLIENT


class Shape(Enum):
    """How a reply is laid out; everything that does not change from machine to machine."""

    BINL_OFFER = "binl-offer"
    BINL_ACK = "binl-ack"
    BIOS_OFFER = "bios-offer"
    BIOS_ACK = "bios-ack"
    HTTP_OFFER = "http-offer"
    IPXE_OFFER = "ipxe-offer"
    IPXE_ACK = "ipxe-ack"


@dataclass(frozen=True, slots=True)
class Layout:
    """The constant part of a shape.

    Attributes:
        message_type: option 53.
        vendor_class: option 60, exactly.
        vendor_specific: option 43, None for none.
        names_bootfile: whether header ``file``, options 66 and 67 are filled.
    """

    message_type: int
    vendor_class: bytes
    vendor_specific: bytes | None
    names_bootfile: bool


USE_THIS_FILE = bytes([iana.PXE_DISCOVERY_CONTROL, 1, iana.PXE_SKIP_DISCOVERY, iana.END])

LAYOUTS = {
    Shape.BINL_OFFER: Layout(iana.OFFER, PXE_CLIENT, None, names_bootfile=False),
    Shape.BINL_ACK: Layout(iana.ACK, PXE_CLIENT, None, names_bootfile=True),
    Shape.BIOS_OFFER: Layout(iana.OFFER, PXE_CLIENT, USE_THIS_FILE, names_bootfile=True),
    Shape.BIOS_ACK: Layout(iana.ACK, PXE_CLIENT, USE_THIS_FILE, names_bootfile=True),
    Shape.HTTP_OFFER: Layout(iana.OFFER, HTTP_CLIENT, None, names_bootfile=True),
    Shape.IPXE_OFFER: Layout(iana.OFFER, PXE_CLIENT, None, names_bootfile=True),
    Shape.IPXE_ACK: Layout(iana.ACK, PXE_CLIENT, None, names_bootfile=True),
}

_OFFERS = {
    Firmware.BIOS: Shape.BIOS_OFFER,
    Firmware.UEFI: Shape.BINL_OFFER,
    Firmware.HTTP: Shape.HTTP_OFFER,
    Firmware.IPXE: Shape.IPXE_OFFER,
}
_ACKS = {
    Firmware.BIOS: Shape.BIOS_ACK,
    Firmware.UEFI: Shape.BINL_ACK,
    Firmware.IPXE: Shape.IPXE_ACK,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its shape and what is spliced into it.

    Attributes:
        bootfile: a TFTP name or a URL; "" where the shape names none.
        uuid: option 97 exactly as asked, None where the client sent none.
    """

    shape: Shape
    xid: int
    flags: int
    ciaddr: str
    giaddr: str
    chaddr: Mac
    bootfile: str
    uuid: bytes | None


def offer(message: Message, client: Client, decision: Decision, server: Server) -> Reply | None:
    """The answer to a DISCOVER on port 67, None for silence."""
    if message.type != iana.DISCOVER or decision.verdict is Verdict.IGNORE:
        return None
    return _reply(_OFFERS.get(client.firmware), message, decision, server)


def acknowledge(
    message: Message, client: Client, decision: Decision, server: Server
) -> Reply | None:
    """The answer to a REQUEST on port 4011, None for silence.

    Only requests meant for us are answered: option 54, where sent, must name our address, so that
    two boot servers on one LAN do not answer for each other.
    """
    if message.type != iana.REQUEST or decision.verdict is Verdict.IGNORE:
        return None
    asked = message.options.get(iana.OPT_SERVER_ID)
    if asked is not None and ".".join(map(str, asked)) != server.address:
        return None
    return _reply(_ACKS.get(client.firmware), message, decision, server)


def destination(message: Message, *, on_pxe_port: bool) -> tuple[str, int] | None:
    """Where a reply goes (RFC 2131 section 4.1): relay, addressed client, or None: everybody."""
    if message.giaddr != NO_ADDRESS:
        return message.giaddr, iana.DHCP_SERVER_PORT
    if on_pxe_port and message.ciaddr != NO_ADDRESS:
        return message.ciaddr, iana.PXE_PORT
    return None


def _reply(
    shape: Shape | None, message: Message, decision: Decision, server: Server
) -> Reply | None:
    if shape is None:
        return None
    return Reply(
        shape=shape,
        xid=message.xid,
        flags=message.flags,
        ciaddr=message.ciaddr,
        giaddr=message.giaddr,
        chaddr=message.chaddr,
        bootfile=_bootfile(shape, message.chaddr, decision, server),
        uuid=message.options.get(iana.OPT_CLIENT_UUID),
    )


def _bootfile(shape: Shape, mac: Mac, decision: Decision, server: Server) -> str:
    if not LAYOUTS[shape].names_bootfile:
        return ""
    if decision.verdict is Verdict.SCRIPT:
        return f"{server.url}/ipxe/{mac}"
    name = decision.loader or ""
    return f"{server.url}/{name}" if shape is Shape.HTTP_OFFER else name
