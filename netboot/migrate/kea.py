"""Kea's DHCPv4 configuration: ``reservations`` (Kea Administrator Reference Manual, "DHCPv4").

They stand at the top (global), in a subnet, and in a shared network's subnets. A file that holds
nothing but a list of reservations is taken too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netboot.errors import ConfigError
from netboot.migrate import json_tree
from netboot.migrate.files import Files, Source
from netboot.migrate.found import SERVER_SETTING, Machine, Place, Reading
from netboot.migrate.hardware import mac_of_client_id, read_mac
from netboot.migrate.tree import Tree
from netboot.model import Mac

_STAYS = {
    "ip-address": "reserved addresses",
    "ip-addresses": "reserved addresses",
    "next-server": "boot servers' addresses",
    "server-hostname": "boot servers' addresses",
    "option-data": "DHCP options",
}
_OTHER_IDENTIFIERS = {"duid", "circuit-id", "flex-id"}
_SCOPES = {"subnet4", "shared-networks"}
_SILENT = {"id", "subnet", "name", "comment", "user-context"}
"""What names or explains a subnet, a network or a machine."""


def read(sources: list[Source], files: Files) -> Reading:
    """Read configuration files with what they include.

    Raises:
        ConfigError: one is no JSON, or there is too much of it.
    """
    reader = _Reader(files)
    for source in sources:
        reader.source(source)
    return reader.reading


@dataclass(slots=True)
class _Host:
    """What a reservation says, as it is read."""

    macs: list[Mac] = field(default_factory=list)
    hostname: str = ""
    classes: list[str] = field(default_factory=list)
    bootfile: str = ""


class _Reader:
    def __init__(self, files: Files) -> None:
        self.reading = Reading()
        self._files = files
        self._boots: dict[str, str] = {}
        self._keys: Mapping[str, Callable[[Tree, _Host, Place], None]] = {
            "hw-address": self._hardware,
            "client-id": self._client_id,
            "hostname": self._hostname,
            "boot-file-name": self._bootfile,
            "client-classes": self._classes,
        }

    def source(self, source: Source) -> None:
        root = json_tree.parse(source)
        for key, value in root.items():
            if key not in {"Dhcp4", "reservations", *_SCOPES}:
                self._unread(source, key, value)
        main = root.get("Dhcp4")
        self._learn_classes(main)
        for tree in (root, main):
            self._scope(source, tree, quiet=tree is root)
        for item in root.each():
            self._reservation(source, item)

    def _scope(self, source: Source, scope: Tree, *, quiet: bool = False) -> None:
        """One place that may hold reservations; a subnet's and a network's other keys are named."""
        for key, value in scope.items():
            if key in _SCOPES:
                for where, item in self._listed(source, value):
                    self._scope(where, item)
            elif key == "reservations":
                for where, item in self._listed(source, value):
                    self._reservation(where, item)
            elif not quiet and key not in _SILENT:
                self._unread(source, key, value)

    def _listed(self, source: Source, value: Tree) -> list[tuple[Source, Tree]]:
        """A list's items with the file they stand in; an include stands for a list."""
        if not value.text.startswith("<?include "):
            return [(source, item) for item in value.each()]
        name = value.text.removeprefix("<?include ").removesuffix("?>")
        try:
            found = self._files.included(name, source)
        except ConfigError as error:
            self.reading.note(Place(source.name, value.line), f"include {name}", error.problem)
            return []
        return [pair for one in found for pair in self._listed(one, json_tree.parse(one))]

    def _unread(self, source: Source, key: str, value: Tree) -> None:
        self.reading.note(Place(source.name, value.line), key, SERVER_SETTING)

    def _learn_classes(self, main: Tree) -> None:
        for one in main.get("client-classes").each():
            if (name := one.get("name").text) and (file := one.get("boot-file-name").text):
                self._boots[name] = file

    def _reservation(self, source: Source, reserved: Tree) -> None:
        host = _Host()
        place = Place(source.name, reserved.line)
        for key, value in reserved.items():
            where = Place(source.name, value.line)
            if key in self._keys:
                self._keys[key](value, host, where)
            elif key in _STAYS:
                self.reading.stays[_STAYS[key]] += 1
            elif key in _OTHER_IDENTIFIERS:
                self.reading.note(where, key, "netboot knows no machine by this")
            elif key not in _SILENT:
                self.reading.note(where, key, "netboot has nothing like it for a machine")
        if not host.macs:
            what = f"reservation {host.hostname}".rstrip()
            self.reading.note(place, what, "has no Ethernet address, so nothing would know it")
            return
        of_classes = [self._boots[name] for name in host.classes if name in self._boots]
        boots = [host.bootfile, *of_classes, *host.classes]
        machine = Machine(
            place=place,
            name=host.hostname,
            hostname=host.hostname,
            macs=tuple(dict.fromkeys(host.macs)),
            boots=tuple(dict.fromkeys(filter(None, boots))),
            labels={f"class/{name}": "yes" for name in host.classes},
        )
        self.reading.add(machine)

    def _hardware(self, value: Tree, host: _Host, place: Place) -> None:
        try:
            host.macs.append(read_mac(value.text))
        except ValueError as error:
            self.reading.note(place, "hw-address", str(error))

    def _client_id(self, value: Tree, host: _Host, place: Place) -> None:
        mac = mac_of_client_id(value.text)
        if mac is not None:
            host.macs.append(mac)
        else:
            why = "netboot knows no machine by its client identifier"
            self.reading.note(place, "client-id", why)

    def _hostname(self, value: Tree, host: _Host, _place: Place) -> None:
        host.hostname = value.text

    def _bootfile(self, value: Tree, host: _Host, _place: Place) -> None:
        host.bootfile = value.text

    def _classes(self, value: Tree, host: _Host, _place: Place) -> None:
        host.classes += [item.text for item in value.each() if item.text]
