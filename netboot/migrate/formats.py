"""Which formats there are, and which one a text is in."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from netboot.errors import ConfigError
from netboot.migrate import agent_config, dnsmasq, isc, kea, matchbox, metal3, pxelinux
from netboot.migrate.files import Files, Source
from netboot.migrate.found import Place, Reading


class Format(StrEnum):
    """A format of another program, or our own."""

    NETBOOT = "netboot"
    DNSMASQ = "dnsmasq"
    ISC = "isc"
    KEA = "kea"
    PXELINUX = "pxelinux"
    MATCHBOX = "matchbox"
    METAL3 = "metal3"
    AGENT_CONFIG = "agent-config"


Read = Callable[[list[Source], Files], Reading]

READERS: Mapping[Format, Read] = {
    Format.DNSMASQ: dnsmasq.read,
    Format.ISC: isc.read,
    Format.KEA: kea.read,
    Format.PXELINUX: pxelinux.read,
    Format.MATCHBOX: matchbox.read,
    Format.METAL3: metal3.read,
    Format.AGENT_CONFIG: agent_config.read,
}


@dataclass(frozen=True, slots=True)
class _Sign:
    """What tells a format: the pattern in a text, and the same in words."""

    format: Format
    pattern: re.Pattern[str]
    words: str


_JSON = r"\A(?:\s|//[^\n]*\n|#[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*\{"
_SIGNS = (
    # the first that fits counts: those that begin like others, but go on more particularly, first
    _Sign(
        Format.NETBOOT,
        re.compile(r"\A(?:[ \t]*(?:#[^\n]*|---[ \t]*)?\n)*[ \t]*(?:-[ \n]|\[)"),
        "a YAML list",
    ),
    _Sign(
        Format.KEA,
        re.compile(_JSON + r'(?=[\s\S]*"(?:Dhcp4|reservations)"\s*:)'),
        '"Dhcp4" or "reservations" in JSON',
    ),
    _Sign(
        Format.MATCHBOX,
        re.compile(_JSON + r'(?=[\s\S]*"profile"\s*:)'),
        '"profile" in JSON',
    ),
    _Sign(
        Format.METAL3,
        re.compile(r"^[ \t]*(?:- )?kind:\s*[\"']?BareMetalHost\b", re.MULTILINE),
        "kind: BareMetalHost",
    ),
    _Sign(
        Format.AGENT_CONFIG,
        re.compile(r"^kind:\s*[\"']?AgentConfig\b|^hosts:\s*$", re.MULTILINE),
        "kind: AgentConfig",
    ),
    _Sign(
        Format.ISC,
        re.compile(r"^[ \t]*(?:host|group|subnet|shared-network|class)\b[^;{\n]*\{", re.MULTILINE),
        "host … { or subnet … {",
    ),
    _Sign(
        Format.DNSMASQ,
        re.compile(
            r"^[ \t]*dhcp-(?:host|mac|range|boot|hostsfile|hostsdir)\s*="
            r"|^[ \t]*(?:id:|set:\w+,|[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5},)",
            re.MULTILINE | re.IGNORECASE,
        ),
        "dhcp-host= or lines that begin with a hardware address",
    ),
    _Sign(
        Format.PXELINUX,
        re.compile(r"^[ \t]*(?:label|kernel|localboot|linux)\s+\S", re.MULTILINE | re.IGNORECASE),
        "LABEL and KERNEL",
    ),
)


def detect(sources: Sequence[Source], where: str) -> Format:
    """The format the sources are in.

    Args:
        sources: what was given.
        where: the file or folder, for errors.

    Raises:
        ConfigError: they look like none, or like several.
    """
    seen: dict[Format, str] = {}
    for source in sources:
        if (kind := _format_of(source)) is not None:
            seen.setdefault(kind, source.name)
    if len(seen) == 1:
        return next(iter(seen))
    if not seen:
        signs = "; ".join(f"{sign.words} ({sign.format})" for sign in _SIGNS)
        problem = f"is in no format that is known; looked for: {signs}; --format says which it is"
        raise ConfigError(where, "", problem)
    both = ", ".join(f"{kind} ({name})" for kind, name in seen.items())
    raise ConfigError(where, "", f"looks like several formats: {both}; --format says which it is")


def read(kind: Format, sources: list[Source], files: Files) -> Reading:
    """Read the sources with ``kind``'s reader.

    Raises:
        ConfigError: they are not in that format, or there is too much of them.
    """
    reading = READERS[kind](sources, files)
    for path, why in files.skipped:
        reading.note(Place(path, 1), "the file", why)
    return reading


def _format_of(source: Source) -> Format | None:
    if pxelinux.ADDRESSED.fullmatch(source.basename):
        return Format.PXELINUX
    return next((sign.format for sign in _SIGNS if sign.pattern.search(source.text)), None)
