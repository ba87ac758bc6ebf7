"""matchbox's groups: one JSON file each (matchbox documentation, "Groups").

A group is for one machine where its selector has that machine's MAC, UUID or serial number.
Metadata are variables of the templates there, and so they are here.
"""

from collections.abc import Callable, Mapping

from netboot.checked import convert
from netboot.errors import ConfigError
from netboot.matching import parse_text, parse_uuid
from netboot.migrate import json_tree
from netboot.migrate.files import Files, Source
from netboot.migrate.found import Machine, Place, Reading
from netboot.migrate.hardware import read_mac
from netboot.migrate.tree import Tree
from netboot.store.words import VarName, VarValue

_PARSERS: Mapping[str, Callable[[str], str]] = {
    "mac": read_mac,
    "uuid": parse_uuid,
    "serial": parse_text,
}
_STATIC = {"ip", "netmask", "gateway", "nameservers"}


def read(sources: list[Source], files: Files) -> Reading:  # noqa: ARG001 -- the readers' common shape
    """Read group files.

    Raises:
        ConfigError: one is no JSON, or there is too much of it.
    """
    reading = Reading()
    for source in sources:
        _group(source, json_tree.parse(source), reading)
    return reading


def _group(source: Source, group: Tree, reading: Reading) -> None:
    place = Place(source.name, group.line)
    known = _selected(source, group.get("selector"), reading)
    for key, value in group.items():
        if key not in {"id", "name", "profile", "selector", "metadata"}:
            why = "is no key of a matchbox group"
            reading.note(Place(source.name, value.line), key, why)
    name = group.get("id").text or source.basename.removesuffix(".json")
    if not known:
        why = "selects no single machine by MAC, UUID or serial number"
        reading.note(place, f"group {name}", why)
        return
    profile, metadata = group.get("profile").text, group.get("metadata")
    hostname = metadata.get("hostname").text
    mac = known.get("mac")
    machine = Machine(
        place=place,
        name=name,
        hostname=hostname,
        macs=(read_mac(mac),) if mac else (),
        uuid=known.get("uuid"),
        serial=known.get("serial"),
        boots=(profile,) if profile else (),
        vars=_variables(source, metadata, reading),
    )
    reading.add(machine)


def _selected(source: Source, selector: Tree, reading: Reading) -> dict[str, str]:
    known: dict[str, str] = {}
    for key, value in selector.items():
        where = Place(source.name, value.line)
        if key not in _PARSERS:
            why = "netboot knows machines by MAC, UUID and serial number only"
            reading.note(where, f"selector.{key}", why)
            continue
        try:
            known[key] = _PARSERS[key](value.text)
        except ValueError as error:
            reading.note(where, f"selector.{key}", str(error))
    return known


def _variables(source: Source, metadata: Tree, reading: Reading) -> dict[str, str]:
    """Metadata that can be variables; no value is ever shown, since it may be a secret."""
    found: dict[str, str] = {}
    for key, value in metadata.items():
        where = Place(source.name, value.line)
        if key == "hostname":
            continue
        if key in _STATIC:
            why = "would give the machine a static address; set it by hand if it should have one"
            reading.note(where, f"metadata.{key}", why)
        elif not _fits(value.value, VarValue):
            reading.note(where, f"metadata.{key}", "is not one line of text, as a variable is")
        elif not _fits(key, VarName):
            reading.note(where, f"metadata.{key}", "is no name of a variable")
        else:
            found[key] = value.text
    return found


def _fits(value: object, shape: type[str]) -> bool:
    try:
        convert(value, shape, "")
    except ConfigError:
        return False
    return True
