"""Who is asking: a DHCPv4 request → ``Client`` (PXE 2.1, RFC 4578, UEFI 2.10 section 24.7).

A client is told by what this very packet says, never by a lease or an earlier packet: the same
machine is firmware first and iPXE seconds later, and firmware again at its next boot.
"""

import re

from netboot.model import Arch, Client, Firmware
from netboot.wire import iana
from netboot.wire.dhcp4 import Message

PXE_CLIENT = b"PXEClient"
HTTP_CLIENT = b"HTTPClient"

RASPBERRY_PI_OUIS = frozenset(
    # IEEE MA-L assignments of the Raspberry Pi Foundation and Raspberry Pi (Trading) Ltd
    {"28:cd:c1", "2c:cf:67", "b8:27:eb", "d8:3a:dd", "dc:a6:32", "e4:5f:01", "88:a2:9e"}
)

_ARCH_IN_CLASS = re.compile(rb":Arch:(\d{5})")
_UUID_OPTION_SIZE = 17  # a type byte, always 0, and 16 bytes


def identify(message: Message) -> Client | None:
    """The boot client behind ``message``, or None for a plain DHCP client or a reply."""
    vendor_class = message.options.get(iana.OPT_VENDOR_CLASS, b"")
    if message.op != iana.BOOTREQUEST or not vendor_class.startswith((PXE_CLIENT, HTTP_CLIENT)):
        return None
    arch = _arch(message, vendor_class)
    return Client(
        mac=message.chaddr,
        firmware=_firmware(message, vendor_class, arch),
        arch=arch,
        uuid=_uuid(message.options.get(iana.OPT_CLIENT_UUID, b"")),
    )


def is_grub(message: Message) -> bool:
    """Whether GRUB, started from a CD or a disk, asks for an address by its ``net_bootp``.

    It is the one client whose DISCOVER says nothing but that it is one (GRUB 2.12, net/bootp.c).
    """
    is_discover = message.op == iana.BOOTREQUEST and message.type == iana.DISCOVER
    return is_discover and message.options.keys() == {iana.OPT_MESSAGE_TYPE}


def _arch(message: Message, vendor_class: bytes) -> int:
    """Option 93's first entry, else what the vendor class says, else BIOS (RFC 4578 2.1)."""
    value = message.options.get(iana.OPT_CLIENT_ARCH, b"")
    if len(value) >= 2:  # noqa: PLR2004 -- one 16-bit number
        return int.from_bytes(value[:2])
    matched = _ARCH_IN_CLASS.search(vendor_class)
    return int(matched[1]) if matched else Arch.BIOS


def _firmware(message: Message, vendor_class: bytes, arch: int) -> Firmware:
    if iana.OPT_IPXE in message.options or b"iPXE" in message.options.get(iana.OPT_USER_CLASS, b""):
        return Firmware.IPXE
    if vendor_class.startswith(HTTP_CLIENT):
        return Firmware.HTTP
    if arch != Arch.BIOS:
        return Firmware.UEFI
    return Firmware.RPI if message.chaddr[:8] in RASPBERRY_PI_OUIS else Firmware.BIOS


def _uuid(value: bytes) -> str | None:
    """Option 97 as text; UUIDs in SMBIOS and PXE are little-endian (SMBIOS 7.2.1)."""
    if len(value) != _UUID_OPTION_SIZE or value[0] != 0:
        return None
    first, second, third = value[4:0:-1].hex(), value[6:4:-1].hex(), value[8:6:-1].hex()
    return f"{first}-{second}-{third}-{value[9:11].hex()}-{value[11:].hex()}"
