"""iSCSI volumes: what a machine without a disk of its own boots from, and who logs in to it.

A name is checked as RFC 7143 section 4.2.7 has it, in the normalised form that is sent: an ``iqn.``
in lower case (RFC 3722), an ``eui.`` of 16 hexadecimal digits, or a ``naa.`` of 16 or 32.

A CHAP secret has at least ``MIN_SECRET`` bytes. RFC 7143 section 9.2.1 wants 96 random bits, for
who overhears one login can try all shorter ones at leisure; EDK2 and most adapters take none. They
take no more than ``FIRMWARE_SECRET`` either, while iPXE and targets do, so a longer one is no
mistake here.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PORT = 3260
"""RFC 7143 section 13.1."""
MAX_LUN = 16_383
"""Fourteen bits: flat space addressing, SAM-5 section 4.7.7.3."""
MAX_ISCSI_NAME = 223
"""Bytes of a name (RFC 7143 section 4.2.7.1)."""
MIN_SECRET = 12
FIRMWARE_SECRET = 16
"""Bytes that EDK2 and Microsoft's initiator take at most."""
MAX_SECRET = 255
MAX_CHAP_USER = 255
"""Bytes of a text value in a login (RFC 7143 section 6.1)."""
MAX_HOST = 253
"""Characters of a host name (RFC 1035 section 2.3.4)."""

INITIATOR_VAR = "initiator_iqn"
"""The variable that names a node's initiator where the default does not do."""

_AUTHORITY = "iqn.2026-01.internal.netboot"  # .internal is nobody's: ICANN keeps it for private use
_FLAT = 0x4000
_LARGEST_PERIPHERAL = 255
_IQN = re.compile(r"iqn\.\d{4}-(0[1-9]|1[0-2])\.[a-z0-9][a-z0-9.-]*(:[a-z0-9.:-]*)?")
_EUI = re.compile(r"eui\.[0-9A-Fa-f]{16}")
_NAA = re.compile(r"naa\.([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_PORTAL = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*):(?P<port>\d{1,5})")
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Volume:
    """A LUN of an iSCSI target.

    Attributes:
        name: ours for it.
        target: the target's iSCSI name.
        portal: its host name or address, without brackets.
        port: its TCP port.
        lun: 0 to ``MAX_LUN``.
        chap_user: the CHAP name we log in with, "" where the target asks for none.
        chap_secret: the CHAP secret; "" also where it is not known to who has this.
    """

    name: str
    target: str
    portal: str
    port: int = PORT
    lun: int = 1
    chap_user: str = ""
    chap_secret: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The portal's host as a URI has it: an IPv6 address in brackets."""
        return f"[{self.portal}]" if ":" in self.portal else self.portal

    @property
    def uri(self) -> str:
        """``iscsi:<host>:<protocol>:<port>:<LUN>:<target>`` (RFC 4173 section 5).

        The LUN is hexadecimal: the first two bytes of its eight (SAM-5 section 4.7).
        """
        lun = self.lun if self.lun <= _LARGEST_PERIPHERAL else _FLAT | self.lun
        return f"iscsi:{self.host}::{self.port}:{lun:x}:{self.target}"


def initiator(node: str, variables: Mapping[str, str] | None = None) -> str:
    """The iSCSI name that ``node`` logs in with.

    Args:
        node: its name.
        variables: its variables in effect; ``INITIATOR_VAR`` wins over the default.

    Raises:
        ValueError: the variable is no iSCSI name.
    """
    if variables and (own := variables.get(INITIATOR_VAR)):
        return parse_iscsi_name(own)
    return f"{_AUTHORITY}:{node}"


def parse_iscsi_name(text: str) -> str:
    """Check the name of a target or an initiator.

    Raises:
        ValueError: it is none; the message is a sentence.
    """
    if len(text) > MAX_ISCSI_NAME:
        raise ValueError(f"an iSCSI name has at most {MAX_ISCSI_NAME} bytes")
    if not any(form.fullmatch(text) for form in (_IQN, _EUI, _NAA)):
        raise ValueError(
            "must be an iSCSI name: iqn.2026-01.com.example:disk in lower case, "
            "eui. and 16 hexadecimal digits, or naa. and 16 or 32"
        )
    return text


def parse_host(text: str) -> str:
    """Check a portal's host: a name or an address, IPv6 with brackets or without.

    Returns:
        it, without brackets.

    Raises:
        ValueError: it is none; the message is a sentence.
    """
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    if ":" in bare and "%" in bare:
        raise ValueError("must have no zone (%): what it means is another thing on each machine")
    if ":" in bare or bare is not text or re.fullmatch(r"[0-9.]+", bare):
        try:
            return str(ipaddress.IPv6Address(bare) if ":" in bare else ipaddress.IPv4Address(text))
        except ValueError:
            raise ValueError("is no address of a host") from None
    if len(text) > MAX_HOST or not _HOST.fullmatch(text):
        raise ValueError("must be a host name or an address; an IPv6 address stands in brackets")
    return text


def parse_portal(text: str) -> tuple[str, int]:
    """Read ``HOST``, ``HOST:PORT``, ``[IPV6]`` or ``[IPV6]:PORT``.

    Raises:
        ValueError: it is something else; the message is a sentence.
    """
    if not (found := _PORTAL.fullmatch(text)):
        return parse_host(text), PORT
    port = int(found["port"])
    if not 1 <= port <= _MAX_PORT:
        raise ValueError(f"must have a port from 1 to {_MAX_PORT}")
    return parse_host(found["host"]), port


def check_secret(text: str) -> None:
    """See that a CHAP secret is one.

    Raises:
        ValueError: it is not; the message never says it.
    """
    if not MIN_SECRET <= len(text) <= MAX_SECRET:
        raise ValueError(f"must have {MIN_SECRET} to {MAX_SECRET} characters")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII")
