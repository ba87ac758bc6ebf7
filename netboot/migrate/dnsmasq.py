"""dnsmasq's configuration: ``dhcp-host``, ``dhcp-mac`` and the tags they set (dnsmasq(8)).

A configuration file has ``option=value`` lines; a hosts file (``dhcp-hostsfile``) has the values of
``dhcp-host`` alone, one a line. Both may be given, also mixed in a folder.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from netboot.errors import ConfigError
from netboot.migrate.files import Files, Source
from netboot.migrate.found import SERVER_SETTING, Machine, Place, Reading
from netboot.migrate.hardware import ETHERNET, mac_of_client_id, read_mac
from netboot.model import Mac

_OPTION = re.compile(r"(?:--)?([a-z][a-z0-9-]*)\s*(?:=\s*(.*))?")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_HARDWARE = re.compile(
    r"(?:(?P<type>[0-9a-f]{1,2})-)?(?P<address>[0-9a-f*]{1,2}(?:[:-][0-9a-f*]{1,2}){5})",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_LEASE = re.compile(r"(?:\d+[smhdw]?|infinite)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_INCLUDES = {"conf-file", "conf-dir", "dhcp-hostsfile", "dhcp-hostsdir"}
_HOST_LINES = {"dhcp-hostsfile", "dhcp-hostsdir"}


def read(sources: list[Source], files: Files) -> Reading:
    """Read configuration and hosts files with what they include.

    Raises:
        ConfigError: there is too much of it.
    """
    return _Reader(files).read(sources)


@dataclass(slots=True)
class _Host:
    """The fields of one line as they are read."""

    macs: list[Mac] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    name: str = ""
    ignored: bool = False


class _Reader:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._reading = Reading()
        self._boots: dict[str, str] = {}
        self._waiting: deque[tuple[Source, bool]] = deque()
        self._options: Mapping[str, Callable[[str, Place], None]] = {
            "dhcp-host": self._host,
            "dhcp-mac": self._mac,
            "dhcp-boot": self._boot,
        }

    def read(self, sources: list[Source]) -> Reading:
        self._waiting.extend((source, False) for source in sources)
        while self._waiting:
            source, host_lines = self._waiting.popleft()
            for number, line in enumerate(source.text.split("\n"), 1):
                text = _COMMENT.sub("", line).strip()
                if text:
                    self._line(text, Place(source.name, number), source, host_lines=host_lines)
        self._reading.machines = [self._booted(one) for one in self._reading.machines]
        return self._reading

    def _line(self, text: str, place: Place, source: Source, *, host_lines: bool) -> None:
        option = None if host_lines else _OPTION.fullmatch(text)
        if option is None and (host_lines or "," in text):
            self._host(text, place)
        elif option is None:
            self._reading.note(place, "the line", "is no option=value")
        elif (name := option[1]) in _INCLUDES and option[2]:
            self._include(name, option[2], place, source)
        elif name in self._options and option[2]:
            self._options[name](option[2], place)
        else:
            self._reading.note(place, name, SERVER_SETTING)

    def _include(self, name: str, value: str, place: Place, source: Source) -> None:
        """``conf-dir`` may have suffixes behind commas: ``.bak`` is left out, ``*.conf`` wanted."""
        path, *suffixes = value.split(",")
        wanted = tuple(one.strip().removeprefix("*") for one in suffixes if one.strip()[:1] == "*")
        unwanted = tuple(one.strip() for one in suffixes if one.strip()[:1] not in ("", "*"))
        try:
            found = self._files.included(path.strip(), source)
        except ConfigError as error:
            self._reading.note(place, f"{name}={path.strip()}", error.problem)
            return
        for one in found:
            if one.name.endswith(wanted or "") and not (unwanted and one.name.endswith(unwanted)):
                self._waiting.append((one, name in _HOST_LINES))

    def _host(self, value: str, place: Place) -> None:
        host = _Host()
        for part in value.split(","):
            if text := part.strip().strip('"'):
                self._field(text, host, place)
        if host.ignored:
            self._reading.note(place, value, "dnsmasq answers it never; it is left out")
        elif not host.macs:
            self._reading.note(place, value, "names no whole hardware address")
        else:
            labels = {f"tag/{tag}": "yes" for tag in host.tags}
            machine = Machine(
                place=place,
                name=host.name,
                hostname=host.name,
                macs=tuple(dict.fromkeys(host.macs)),
                boots=tuple(host.tags),
                labels=labels,
            )
            self._reading.add(machine)

    def _field(self, text: str, host: _Host, place: Place) -> None:
        kind, _, rest = text.partition(":")
        if kind in ("set", "net") and rest:
            host.tags.append(rest)
        elif kind == "tag":
            self._reading.note(place, text, "only where this tag is set; netboot has no such rule")
        elif text == "ignore":
            host.ignored = True
        elif kind == "id":
            self._client_id(text, rest, host, place)
        elif hardware := _HARDWARE.fullmatch(text):
            self._hardware(text, hardware, host, place)
        elif text.startswith("[") or _IPV4.fullmatch(text):
            self._reading.stays["reserved addresses"] += 1
        elif _LEASE.fullmatch(text):
            self._reading.stays["lease times"] += 1
        elif _NAME.fullmatch(text) and not host.name:
            host.name = text
        else:
            self._reading.note(place, text, "is no field of dhcp-host that is known")

    def _client_id(self, text: str, identifier: str, host: _Host, place: Place) -> None:
        mac = mac_of_client_id(identifier)
        if mac is not None:
            host.macs.append(mac)
        elif identifier != "*":  # "*": the client's own identifier does not count
            self._reading.note(place, text, "netboot knows no machine by its client identifier")

    def _hardware(self, text: str, found: re.Match[str], host: _Host, place: Place) -> None:
        if "*" in text:
            self._reading.note(place, text, "a pattern; netboot knows whole addresses")
        elif (found["type"] or ETHERNET).zfill(2) != ETHERNET:
            self._reading.note(place, text, "is not the address of an Ethernet card")
        else:
            try:
                host.macs.append(read_mac(found["address"]))
            except ValueError as error:
                self._reading.note(place, text, str(error))

    def _mac(self, value: str, place: Place) -> None:
        """``dhcp-mac=set:<tag>,<address>``: the address, which may be a pattern, gets the tag."""
        tags, _, address = value.partition(",")
        kind, _, tag = tags.strip().partition(":")
        if kind in ("set", "net") and _HARDWARE.fullmatch(address.strip()):
            self._host(f"set:{tag},{address}", place)
        else:
            self._reading.note(place, "dhcp-mac", "is not set:<tag>,<hardware address>")

    def _boot(self, value: str, place: Place) -> None:
        """``dhcp-boot=[tag:<tag>,…]<file>…``: what a machine with that tag boots."""
        parts = [part.strip() for part in value.split(",")]
        tags = [part.partition(":")[2] for part in parts if part.startswith(("tag:", "net:"))]
        file = next((part for part in parts if not part.startswith(("tag:", "net:"))), "")
        if len(tags) == 1 and file:
            self._boots.setdefault(tags[0], file)
        why = "a node's profile says what it boots"
        self._reading.note(place, f"dhcp-boot={value}", why, file)

    def _booted(self, machine: Machine) -> Machine:
        named = [self._boots[tag] for tag in machine.boots if tag in self._boots]
        return replace(machine, boots=tuple(dict.fromkeys((*named, *machine.boots))))
