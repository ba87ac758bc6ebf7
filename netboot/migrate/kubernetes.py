"""What the YAML of Metal3 and of OpenShift's installer have in common."""

import re

from netboot.migrate.found import Place, Reading
from netboot.migrate.hardware import read_mac
from netboot.migrate.tree import Tree
from netboot.model import Mac

_DEVICE = re.compile(r"/dev/[!-~]{1,250}")


def macs(file: str, key: str, written: list[Tree], reading: Reading) -> tuple[Mac, ...]:
    """The addresses that are some; the others are noted as ``key``."""
    found: dict[Mac, None] = {}
    for one in written:
        try:
            found[read_mac(one.text)] = None
        except ValueError as error:
            reading.note(Place(file, one.line), key, str(error))
    return tuple(found)


def disk(file: str, hints: Tree, reading: Reading) -> dict[str, str]:
    """``rootDeviceHints`` → variables: a device's name is the disk to install on."""
    found: dict[str, str] = {}
    for key, value in hints.items():
        if key == "deviceName" and _DEVICE.fullmatch(value.text):
            found["disk"] = value.text
        else:
            why = "only deviceName, a path such as /dev/sda, is understood of a root device"
            reading.note(Place(file, value.line), f"rootDeviceHints.{key}", why)
    return found


def unread(file: str, tree: Tree, known: frozenset[str], prefix: str, reading: Reading) -> None:
    """Note every key of a mapping that is not among ``known``."""
    for key, value in tree.items():
        if key not in known:
            why = "netboot has nothing like it for a machine"
            reading.note(Place(file, value.line), f"{prefix}{key}", why)
