"""Replies by scapy: the templates that the packet path splices into, and their slow twin.

scapy describes what a packet is and is in no packet's path (it needs 150 µs for one reply and its
parser was not made for hostile bytes). This is the only module of the boot program that loads it.
"""

from collections.abc import Mapping

from scapy.config import conf

from netboot.answer.proxydhcp import LAYOUTS, Form, Reply
from netboot.answer.splice import Template
from netboot.wire import iana
from netboot.wire.dhcp4 import MINIMUM_SIZE

# only its descriptions are wanted: it need not find out this host's routes, nor know of IPv6
conf.route_autoload = conf.route6_autoload = conf.ipv6_enabled = False

from scapy.layers.dhcp import BOOTP, DHCP  # noqa: E402 -- it looks at the above when imported

_END = b"\xff"
_HEADER_FILE = 128


def templates(server: str) -> Mapping[Form, Template]:
    """The constant part of every form as sent from address ``server``."""
    return {form: Template(_leading(form, server)) for form in LAYOUTS}


def compose(reply: Reply, server: str) -> bytes:
    """The whole UDP payload of ``reply`` from ``server``, built by scapy field by field."""
    bootfile = reply.bootfile.encode("ascii")
    options: list[tuple[str | int, bytes | str | int]] = [*_constant_options(reply.form, server)]
    options += [(iana.OPT_BOOTFILE, bootfile)] if bootfile else []
    options += [(iana.OPT_CLIENT_UUID, reply.uuid)] if reply.uuid is not None else []
    header = BOOTP(
        op=iana.BOOTREPLY,
        xid=reply.xid,
        flags=reply.flags,
        ciaddr=reply.ciaddr,
        siaddr=server,
        giaddr=reply.giaddr,
        chaddr=bytes.fromhex(reply.chaddr.replace(":", "")),
        file=bootfile if len(bootfile) < _HEADER_FILE else b"",
    )
    return bytes(header / DHCP(options=[*options, "end"])).ljust(MINIMUM_SIZE, b"\0")


def _leading(form: Form, server: str) -> bytes:
    header = BOOTP(op=iana.BOOTREPLY, siaddr=server)
    return bytes(header / DHCP(options=[*_constant_options(form, server), "end"])).removesuffix(
        _END
    )


def _constant_options(form: Form, server: str) -> list[tuple[str | int, bytes | str | int]]:
    layout = LAYOUTS[form]
    _shape, message_type = form
    options: list[tuple[str | int, bytes | str | int]] = [
        ("message-type", message_type),
        ("server_id", server),
        (iana.OPT_VENDOR_CLASS, layout.vendor_class),
    ]
    if layout.vendor_specific is not None:
        options.append((iana.OPT_VENDOR_SPECIFIC, layout.vendor_specific))
    if layout.names_bootfile:
        options.append((iana.OPT_TFTP_SERVER_NAME, server.encode("ascii")))
    return options
