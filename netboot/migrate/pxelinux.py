"""A ``pxelinux.cfg`` folder: one file for each machine (Syslinux wiki, PXELINUX and Config).

PXELINUX asks for its UUID, then ``01-aa-bb-cc-dd-ee-ff`` (hardware type and address), then its IPv4
address in upper-case hexadecimal, cut shorter and shorter, and last ``default``. Only the first two
name a machine.
"""

import ipaddress
import re
from dataclasses import dataclass, field

from netboot.matching import parse_uuid
from netboot.migrate.files import Files, Source
from netboot.migrate.found import Machine, Place, Reading
from netboot.migrate.hardware import ETHERNET, read_mac
from netboot.model import Mac

ADDRESSED = re.compile(
    r"(?P<type>[0-9a-f]{2})-(?P<address>[0-9a-f]{2}(?:-[0-9a-f]{2}){5})", re.IGNORECASE
)
"""A file's name that is a hardware type and address."""

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX_ADDRESS = re.compile(r"[0-9A-F]{1,8}")
_HOSTNAME = re.compile(r"(?:^|\s)hostname=(\S+)")
_BOOTED = {"kernel", "linux", "boot", "bss", "pxe", "com32", "config", "localboot"}
_WITH_IT = {"append", "initrd", "fdt", "ipappend", "sysappend"}


def read(sources: list[Source], files: Files) -> Reading:  # noqa: ARG001 -- the readers' common shape
    """Read the folder's files, which are told apart by their names.

    Raises:
        ConfigError: there is too much of it.
    """
    reading = Reading()
    for source in sources:
        _file(source, reading)
    return reading


@dataclass(slots=True)
class _Boot:
    """What one file boots: its default label, and each label's kernel and command line."""

    default: str = ""
    kernels: dict[str, str] = field(default_factory=dict)
    append: dict[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> str:
        """The label booted without anybody at the keyboard; "" for a file without labels."""
        return self.default if self.default in self.kernels else next(iter(self.kernels), "")


def _file(source: Source, reading: Reading) -> None:
    place = Place(source.name, 1)
    name = source.basename
    macs: tuple[Mac, ...] = ()
    uuid = None
    addressed = ADDRESSED.fullmatch(name)
    try:
        if addressed and addressed["type"] == ETHERNET:
            macs = (read_mac(addressed["address"]),)
        elif _UUID.fullmatch(name):
            uuid = parse_uuid(name)
        else:
            reading.note(place, name, _of_no_machine(name, addressed))
            return
    except ValueError as error:
        reading.note(place, name, str(error))
        return
    boot = _read_boot(source, reading)
    label = boot.chosen
    hostname = _HOSTNAME.search(boot.append.get(label, ""))
    boots = dict.fromkeys(filter(None, [label, boot.kernels.get(label)]))
    reading.add(
        Machine(
            place=place,
            hostname=hostname[1] if hostname else "",
            macs=macs,
            uuid=uuid,
            boots=tuple(boots),
        )
    )


def _of_no_machine(name: str, addressed: re.Match[str] | None) -> str:
    if addressed:
        return "is not the address of an Ethernet card"
    if name == "default":
        return "is for every machine without a file of its own; see dhcp.unknown"
    if _HEX_ADDRESS.fullmatch(name):
        first = ipaddress.IPv4Address(int(name.ljust(8, "0"), 16))
        which = str(first) if len(name) == 8 else f"{first}/{len(name) * 4}"  # noqa: PLR2004 -- digits of an IPv4 address
        return f"names the IPv4 address{'' if len(name) == 8 else 'es'} {which}, not a machine"  # noqa: PLR2004 -- likewise
    return "is no machine's file: neither 01-<MAC> nor a UUID"


def _read_boot(source: Source, reading: Reading) -> _Boot:
    boot, label = _Boot(), ""
    for number, line in enumerate(source.text.split("\n"), 1):
        keyword, _, value = line.strip().partition(" ")
        keyword, value = keyword.lower(), value.strip()
        if not keyword or keyword.startswith("#"):
            continue
        if keyword in {"default", "ontimeout"}:
            boot.default = value.split(" ")[0]
        elif keyword == "label":
            label = value
            boot.kernels.setdefault(label, "")
        elif keyword in _BOOTED:
            boot.kernels[label] = "localboot" if keyword == "localboot" else value
        elif keyword == "append":
            boot.append[label] = value
        if keyword in _BOOTED | _WITH_IT:
            why = "a node's profile says what it boots"
            reading.note(Place(source.name, number), f"{label} {keyword}".strip(), why, label)
        elif keyword not in {"default", "ontimeout", "label"}:
            reading.note(Place(source.name, number), keyword, "netboot's menu has no such setting")
    return boot
