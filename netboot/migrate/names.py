"""Other programs' names → names of nodes and labels: the same name always becomes the same."""

import re

from netboot.migrate.found import Machine
from netboot.model import parse_mac

MAX_NAME = 63
"""Characters of a host label (RFC 1123) and of a label's key or value."""

_NO_HOST = re.compile(r"[^a-z0-9]+")
_NO_KEY = re.compile(r"[^A-Za-z0-9._/-]+")
_NO_VALUE = re.compile(r"[^A-Za-z0-9._-]+")
_OUTER = "._/-"


def host_label(text: str) -> str:
    """The first label of a host name, as a node may be called; "" where nothing is left.

    What reads as a MAC is no name; it gets ``node-`` before it.
    """
    label = _NO_HOST.sub("-", text.strip().lower().partition(".")[0]).strip("-")
    label = label[:MAX_NAME].rstrip("-")
    try:
        return f"node-{parse_mac(label).replace(':', '')}"
    except ValueError:
        return label


def from_identity(machine: Machine) -> str:
    """What a machine without a name is called: ``node-`` and what it is known by."""
    known = machine.macs[0].replace(":", "") if machine.macs else machine.uuid or machine.serial
    return host_label(f"node-{(known or '').replace('.', '-')}")


def numbered(name: str, number: int) -> str:
    """The ``number``-th machine of a name."""
    end = f"-{number}"
    return name[: MAX_NAME - len(end)].rstrip("-") + end


def labels(written: dict[str, str]) -> dict[str, str]:
    """Labels as nodes have them; what has no letter left is left out."""
    found: dict[str, str] = {}
    for key, value in written.items():
        name = _NO_KEY.sub("-", key)[:MAX_NAME].strip(_OUTER)
        if name:
            found[name] = _NO_VALUE.sub("-", value)[:MAX_NAME]
    return found
