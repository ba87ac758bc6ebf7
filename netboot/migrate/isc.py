"""ISC dhcpd's configuration: ``host`` declarations and members of classes (dhcpd.conf(5)).

A host stands anywhere: at the top, in a group, a subnet, a shared network, a pool or an included
file. A ``filename`` further out counts for every host inside that has none of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netboot.errors import ConfigError
from netboot.migrate import isc_statements
from netboot.migrate.files import Files, Source
from netboot.migrate.found import SERVER_SETTING, Machine, Place, Reading
from netboot.migrate.hardware import mac_of_client_id, read_mac
from netboot.migrate.isc_statements import Statement
from netboot.model import Mac

_SCOPES = {"group", "subnet", "shared-network", "pool"}
_LEASE_TIMES = {"default-lease-time", "max-lease-time", "min-lease-time"}
_STAYS = {
    "fixed-address": "reserved addresses",
    "fixed-address6": "reserved addresses",
    "next-server": "boot servers' addresses",
    "server-name": "boot servers' addresses",
    **dict.fromkeys(_LEASE_TIMES, "lease times"),
}
_REFUSING = {"deny", "ignore"}


def read(sources: list[Source], files: Files) -> Reading:
    """Read configuration files with what they include.

    Raises:
        ConfigError: one is no dhcpd.conf, or there is too much of it.
    """
    reader = _Reader(files)
    for source in sources:
        reader.statements(source, isc_statements.parse(source), "")
    return reader.reading


@dataclass(slots=True)
class _Host:
    """What a host declaration says, as it is read."""

    macs: list[Mac] = field(default_factory=list)
    hostname: str = ""
    filename: str = ""


class _Reader:
    def __init__(self, files: Files) -> None:
        self.reading = Reading()
        self._files = files
        self._in_host: Mapping[str, Callable[[Statement, _Host, Place], None]] = {
            "hardware": self._hardware,
            "filename": self._filename,
            "ddns-hostname": self._ddns_hostname,
            "option": self._option,
            "uid": self._client_id,
            "dynamic": lambda *_: None,
        }

    def statements(self, source: Source, statements: list[Statement], filename: str) -> None:
        """Everything in one scope, where ``filename`` is what is booted further out."""
        named = [one.value for one in statements if one.keyword == "filename" and one.block is None]
        filename = named[-1] if named else filename
        for one in statements:
            place = Place(source.name, one.line)
            if one.keyword == "host" and one.block is not None:
                self._host(one, place, filename)
            elif one.keyword in _SCOPES and one.block is not None:
                self.statements(source, one.block, filename)
            elif one.keyword == "subclass":
                self._subclass(one, place)
            elif one.keyword == "include":
                self._include(one, source, filename)
            elif one.keyword == "filename":
                why = "a node's profile says what it boots"
                self.reading.note(place, f"filename {one.value}", why, one.value)
            else:
                self.reading.note(place, _shown(one), SERVER_SETTING)

    def _include(self, one: Statement, source: Source, filename: str) -> None:
        place = Place(source.name, one.line)
        try:
            found = self._files.included(one.value, source)
        except ConfigError as error:
            self.reading.note(place, f"include {one.value}", error.problem)
            return
        for inner in found:
            self.statements(inner, isc_statements.parse(inner), filename)

    def _host(self, declared: Statement, place: Place, filename: str) -> None:
        host = _Host(filename=filename)
        if any(one.keyword == "deleted" for one in declared.block or ()):
            self.reading.note(place, _named(declared), "is deleted there")
            return
        for one in declared.block or ():
            where = Place(place.file, one.line)
            if one.keyword in _STAYS:
                self.reading.stays[_STAYS[one.keyword]] += 1
            elif one.keyword in self._in_host and one.block is None:
                self._in_host[one.keyword](one, host, where)
            elif one.keyword in _REFUSING and one.value == "booting":
                why = "netboot has no such word; profile local starts its own disk"
                self.reading.note(where, f"{one.keyword} booting", why)
            else:
                self.reading.note(where, _shown(one), "netboot has nothing like it for a machine")
        if not host.macs:
            why = "has no Ethernet address, so nothing would know it"
            self.reading.note(place, _named(declared), why)
            return
        machine = Machine(
            place=place,
            name=declared.value,
            hostname=host.hostname,
            macs=tuple(dict.fromkeys(host.macs)),
            boots=(host.filename,) if host.filename else (),
        )
        self.reading.add(machine)

    def _hardware(self, one: Statement, host: _Host, place: Place) -> None:
        kind, *address = one.rest or [""]
        if kind.lower() != "ethernet" or len(address) != 1:
            self.reading.note(place, _shown(one), "is no Ethernet address")
            return
        try:
            host.macs.append(read_mac(address[0]))
        except ValueError as error:
            self.reading.note(place, _shown(one), str(error))

    def _filename(self, one: Statement, host: _Host, _place: Place) -> None:
        host.filename = one.value

    def _ddns_hostname(self, one: Statement, host: _Host, _place: Place) -> None:
        host.hostname = host.hostname or one.value

    def _option(self, one: Statement, host: _Host, place: Place) -> None:
        """``option host-name`` is the machine's; others are what its lease comes with."""
        name = one.value.lower()
        if name == "host-name":
            host.hostname = "".join(one.words[2:3])
        elif name == "dhcp-client-identifier":
            inner = Statement(one.line, one.words[1:])
            self._client_id(inner, host, place)
        else:
            self.reading.stays["DHCP options"] += 1

    def _client_id(self, one: Statement, host: _Host, place: Place) -> None:
        mac = mac_of_client_id(one.value)
        if mac is not None:
            host.macs.append(mac)
        else:
            why = "netboot knows no machine by its client identifier"
            self.reading.note(place, one.keyword, why)

    def _subclass(self, one: Statement, place: Place) -> None:
        """``subclass "name" 1:<address>;``: that machine is in the class."""
        name, *value = one.rest or [""]
        mac = mac_of_client_id(value[0]) if len(value) == 1 else None
        if mac is None:
            self.reading.note(place, f"subclass {name}", "its members are no Ethernet addresses")
            return
        labels = {f"class/{name}": "yes"}
        self.reading.add(Machine(place, macs=(mac,), boots=(name,), labels=labels))


def _named(one: Statement) -> str:
    return " ".join(one.words[:2])


def _shown(one: Statement) -> str:
    """The keyword, and which option; no value, since it may be a secret."""
    return _named(one) if one.keyword in {"option", "hardware"} else one.words[0]
