"""Where a BMC is and what it speaks, from one line of text.

::

    redfish://HOST[:PORT][/redfish/v1/Systems/ID]     HTTPS; redfish+http:// for plain HTTP
    ipmi://HOST[:PORT]
    wol:[MAC]                                         no MAC: the first of the node's own
    command:NAME                                      programs of the configuration
    manual:                                           a person

The names Metal3 has for Redfish (``redfish-virtualmedia+https://…``, ``idrac-virtualmedia://…``,
``ilo5-virtualmedia://…``) are taken as they are; ``flavour`` keeps which it was. A user or password
in an address is refused, and no error repeats one.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from netboot.model import Mac, parse_mac

Scheme = Literal["redfish", "ipmi", "wol", "command", "manual"]

MAX_ADDRESS = 512
"""Characters: a host name of 253 and a long path."""
HTTPS_PORT = 443
HTTP_PORT = 80
IPMI_PORT = 623
"""RMCP (IPMI 2.0 section 13.1.1)."""
WOL_PORT = 9
"""Discard; a NIC that is woken looks at no port."""

FORMS = "redfish://HOST, redfish+http://HOST, ipmi://HOST, wol:, wol:MAC, command:NAME or manual:"

_FLAVOURS = frozenset(
    {
        "redfish-virtualmedia",
        "redfish-uefihttp",
        "idrac",
        "idrac-redfish",
        "idrac-virtualmedia",
        "ilo4",
        "ilo4-virtualmedia",
        "ilo5",
        "ilo5-redfish",
        "ilo5-virtualmedia",
    }
)
_PLACE = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(:(?P<port>[0-9]{1,5}))?")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_COMMANDS = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_PATH = re.compile(r"/redfish/v1(?P<system>/Systems/[A-Za-z0-9._~!$&'()*+,;=:%-]+)?|/redfish|")


@dataclass(frozen=True, slots=True)
class Address:
    """One BMC.

    Attributes:
        scheme: which driver speaks to it.
        host: name or IP address, IPv6 without brackets; the commands' name for command; "" for wol
            and manual.
        port: 0 for command and manual.
        tls: HTTPS.
        system: path of its ComputerSystem (DSP0268), None for the only one it has.
        mac: whom to wake; None for the node's first.
        flavour: Metal3's name of this kind of BMC, None where it is not one of those.
    """

    scheme: Scheme
    host: str = ""
    port: int = 0
    tls: bool = False
    system: str | None = None
    mac: Mac | None = None
    flavour: str | None = None

    @property
    def takes_login(self) -> bool:
        """Whether somebody logs in there."""
        return self.scheme in ("redfish", "ipmi")

    @property
    def place(self) -> str:
        """``HOST``, or ``HOST:PORT`` where the port is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == _usual_port(self.scheme, tls=self.tls) else f"{host}:{self.port}"
        )

    def __str__(self) -> str:
        """The address as ``parse_address`` takes it."""
        if self.scheme == "wol":
            return f"wol:{self.mac or ''}"
        if self.scheme == "manual":
            return "manual:"
        if self.scheme == "command":
            return f"command:{self.host}"
        plain = "+http" if self.scheme == "redfish" and not self.tls else ""
        return f"{self.flavour or self.scheme}{plain}://{self.place}{self.system or ''}"


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        ValueError: it is none; the message is one sentence that repeats no user and no password.
    """
    scheme, colon, rest = text.strip().partition(":")
    scheme = scheme.lower()
    if not colon or len(text) > MAX_ADDRESS or not text.isprintable():
        raise ValueError(f"must be {FORMS}")
    if scheme == "manual" and not rest:
        return Address("manual")
    if scheme == "command":
        return _command(rest)
    if scheme == "wol":
        return Address("wol", port=WOL_PORT, mac=_mac(rest))
    if not rest.startswith("//"):
        raise ValueError(f"must be {FORMS}")
    place, path = _split(rest.removeprefix("//"))
    if scheme == "ipmi":
        if path:
            raise ValueError("must end after the host and port: IPMI has no paths")
        host, port = _host_and_port(place)
        return Address("ipmi", host, port or IPMI_PORT)
    return _redfish(scheme, place, path)


def _split(rest: str) -> tuple[str, str]:
    """Host with port, and the path without a slash at its end."""
    if "@" in rest:
        raise ValueError("must not have a user or password in it; they are said beside the address")
    if re.search(r"[?#\s\\]", rest):
        raise ValueError("must end after the host, port and path: no ?, # or space")
    place, slash, path = rest.partition("/")
    return place, f"{slash}{path}".rstrip("/")


def _redfish(scheme: str, place: str, path: str) -> Address:
    name, _, transport = scheme.partition("+")
    if (name != "redfish" and name not in _FLAVOURS) or transport not in ("", "http", "https"):
        raise ValueError(f"must be {FORMS}")
    tls = transport != "http"
    found = _PATH.fullmatch(path)
    if not found:
        raise ValueError("must have a path such as /redfish/v1/Systems/1, or none")
    host, port = _host_and_port(place)
    return Address(
        "redfish",
        host,
        port or _usual_port("redfish", tls=tls),
        tls=tls,
        system=path if found["system"] else None,
        flavour=None if name == "redfish" else name,
    )


def _command(name: str) -> Address:
    if not _COMMANDS.fullmatch(name):
        raise ValueError("must have the name of commands in [power_commands.NAME] after command:")
    return Address("command", name)


def _host_and_port(place: str) -> tuple[str, int | None]:
    found = _PLACE.fullmatch(place)
    if not found:
        raise ValueError("must have a host, or a host and a port, after the //")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= 65535:  # noqa: PLR2004 -- the range of a port
        raise ValueError(f"must have a port from 1 to 65535, not {port}")
    return _host(found["host"].lower()), port


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError("must have an IPv6 address between [ and ]") from None
    if re.fullmatch(r"[0-9.]+", text):
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise ValueError(f"must have an IPv4 address or a host name, not {text}") from None
    if not _HOST_NAME.fullmatch(text):
        raise ValueError("must have a host name, an IPv4 address or an [IPv6] address")
    return text


def _mac(text: str) -> Mac | None:
    return parse_mac(text) if text else None


def _usual_port(scheme: Scheme, *, tls: bool) -> int:
    if scheme == "redfish":
        return HTTPS_PORT if tls else HTTP_PORT
    return {"ipmi": IPMI_PORT, "wol": WOL_PORT, "command": 0, "manual": 0}[scheme]
