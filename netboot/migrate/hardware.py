"""Hardware addresses and client identifiers as DHCP servers' files write them."""

import re

from netboot.model import Mac, parse_mac

ETHERNET = "01"
"""The hardware type before an address, in hexadecimal (RFC 1700; RFC 2132 section 9.14)."""

_GROUPS = re.compile(r"[0-9A-Fa-f]{1,2}([:-])[0-9A-Fa-f]{1,2}(?:\1[0-9A-Fa-f]{1,2}){4}")
_SEPARATOR = re.compile("[:-]")


def read_mac(text: str) -> Mac:
    """Read an Ethernet address; a group may lack its leading zero, as in ``0:20:e0:3b:13:af``.

    Raises:
        ValueError: it is none; the message is a sentence.
    """
    if _GROUPS.fullmatch(text):
        return parse_mac(":".join(group.zfill(2) for group in _SEPARATOR.split(text)))
    return parse_mac(text)


def mac_of_client_id(text: str) -> Mac | None:
    """The Ethernet address a client identifier (option 61) is made of, None where it is not."""
    kind, separated, rest = text.partition(":")
    if not separated:
        kind, rest = text[:2], text[2:]
    if kind.zfill(2) != ETHERNET:
        return None
    try:
        return read_mac(rest)
    except ValueError:
        return None
