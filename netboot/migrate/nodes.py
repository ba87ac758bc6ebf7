"""What was found → nodes: which are new, which are registered already, and what changes.

- Two descriptions with an identity in common are one machine.
- A registered machine keeps its name, its profile, its variables and its labels; it is only given
  what it has not. So the same import again changes nothing, and never what a machine boots.
- A machine that is new exists and runs: it gets profile ``local`` unless the person says another,
  and counts as installed, so that no profile erases it before somebody asks for that.
- A name is made a host name, the same one at each import; two machines never become one because
  they share a name.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from netboot.errors import ConfigError
from netboot.migrate import names
from netboot.migrate.found import Machine, Note, Place, Reading
from netboot.model import Node, State
from netboot.store.identities import identities
from netboot.store.shapes import NodeEntry, check_profile, nodes_of
from netboot.store.words import MAX_LABELS, MAX_MACS, MAX_VARS

LOCAL = "local"
"""The profile of a machine nobody chose one for."""
LONGEST_LIST = 20
"""Things booted that an error names."""

_HERE = "command line"


class Action(StrEnum):
    """What becomes of a machine."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which profile new machines get.

    Attributes:
        profile: for those no mapping names one for; None for ``LOCAL``.
        mapping: what a machine boots there → its profile here.
    """

    profile: str | None
    mapping: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One machine.

    Attributes:
        machine: as it was found.
        node: as it is to be.
    """

    action: Action
    machine: Machine
    node: Node


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import comes to.

    Attributes:
        renamed: where, what it is called there, and why it is called otherwise here.
    """

    rows: tuple[Row, ...]
    renamed: tuple[Note, ...]
    notes: tuple[Note, ...]

    def count(self, action: Action) -> int:
        """How many machines this becomes of."""
        return sum(row.action is action for row in self.rows)


def make_plan(
    reading: Reading, existing: Sequence[Node], wish: Wish, profiles: Collection[str], source: str
) -> Plan:
    """Decide about every machine.

    Args:
        reading: what was found; notes about machines that contradict each other are added to it.
        existing: every registered node.
        wish: the person's.
        profiles: the names a profile may have.
        source: where the machines stand, for errors.

    Raises:
        ConfigError: the wish names a profile that is not there or something nothing boots.
    """
    _check(wish, reading.machines, profiles)
    machines = _merged(reading)
    planned = _Planner(reading, existing, wish).rows(machines)
    nodes = nodes_of([entry for _, entry in planned], source, profiles)
    before = {node.name: node for node in existing}
    rows = tuple(
        Row(_action(before.get(node.name), node), machine, node)
        for (machine, _), node in zip(planned, nodes, strict=True)
    )
    notes = [note for note in reading.notes if note.boots not in wish.mapping]
    notes.sort(key=lambda note: (note.place.file, note.place.line))
    return Plan(rows, tuple(_renamed(rows, before)), tuple(notes))


def _check(wish: Wish, machines: Iterable[Machine], profiles: Collection[str]) -> None:
    if wish.profile is not None:
        check_profile(wish.profile, profiles, _HERE, "--profile")
    booted = dict.fromkeys(name for machine in machines for name in machine.boots)
    for old, new in wish.mapping.items():
        check_profile(new, profiles, _HERE, "--map")
        if old not in booted:
            some = ", ".join(list(booted)[:LONGEST_LIST]) or "nothing"
            raise ConfigError(_HERE, "--map", f'= "{old}": no machine boots that; booted: {some}')


class _Merger:
    """Finds who has an identity already."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], str] = {}

    def claim(self, node: Node, owner: str) -> None:
        for one in identities(node):
            self._owners.setdefault((one.kind, one.value), owner)

    def owners(self, node: Node) -> list[str]:
        found = (self._owners.get((one.kind, one.value)) for one in identities(node))
        return list(dict.fromkeys(owner for owner in found if owner is not None))


def _merged(reading: Reading) -> list[Machine]:
    """One for each machine, in the order they were first named."""
    merger = _Merger()
    found: dict[str, Machine] = {}
    for machine in reading.machines:
        known = merger.owners(_known_by(machine))
        if len(known) > 1:
            both = " and ".join(str(found[key].place) for key in known)
            reading.note(machine.place, _called(machine), f"is more than one machine: {both}")
            continue
        key = known[0] if known else str(len(found))
        found[key] = _joined(found[key], machine, reading) if known else machine
        merger.claim(_known_by(machine), key)
    return list(found.values())


def _joined(first: Machine, more: Machine, reading: Reading) -> Machine:
    """Two descriptions of a machine; where they disagree the first one counts."""
    for what, ours, theirs in (
        ("name", first.name, more.name),
        ("UUID", first.uuid, more.uuid),
        ("serial number", first.serial, more.serial),
    ):
        if ours and theirs and ours != theirs:
            why = f"{first.place} says another {what} of the same machine, and counts"
            reading.note(more.place, f"{what} {theirs}", why)
    macs = tuple(dict.fromkeys((*first.macs, *more.macs)))
    return replace(
        first,
        name=first.name or more.name,
        hostname=first.hostname or more.hostname,
        macs=macs,
        uuid=first.uuid or more.uuid,
        serial=first.serial or more.serial,
        boots=tuple(dict.fromkeys((*first.boots, *more.boots))),
        labels={**more.labels, **first.labels},
        vars={**more.vars, **first.vars},
    )


class _Planner:
    """Gives each machine its name and its profile."""

    def __init__(self, reading: Reading, existing: Sequence[Node], wish: Wish) -> None:
        self._reading = reading
        self._wish = wish
        self._registered = {node.name: node for node in existing}
        self._taken = set(self._registered)
        self._numbers: dict[str, int] = {}
        self._merger = _Merger()
        for node in existing:
            self._merger.claim(node, node.name)

    def rows(self, machines: Iterable[Machine]) -> list[tuple[Machine, dict[str, object]]]:
        """Each machine and its node as a nodes file would have it."""
        found: list[tuple[Machine, dict[str, object]]] = []
        once: dict[str, Machine] = {}
        for machine in machines:
            owners = self._merger.owners(_known_by(machine))
            if len(owners) > 1:
                why = f"has addresses of several nodes: {', '.join(owners)}"
                self._reading.note(machine.place, _called(machine), why)
            elif owners and owners[0] in once:
                why = f"is node {owners[0]}, as {once[owners[0]].place} is"
                self._reading.note(machine.place, _called(machine), why)
            elif owners:
                once[owners[0]] = machine
                found.append((machine, self._entry(machine, self._registered[owners[0]])))
            else:
                found.append((machine, self._entry(machine, self._new(machine))))
        return found

    def _new(self, machine: Machine) -> Node:
        name = self._free(
            names.host_label(machine.name)
            or names.host_label(machine.hostname)
            or names.from_identity(machine)
        )
        mapped = (self._wish.mapping.get(one) for one in machine.boots)
        profile = next(filter(None, mapped), self._wish.profile or LOCAL)
        hostname = names.host_label(machine.hostname)
        differs = hostname and hostname != name
        own = {"hostname": hostname} if differs else {}
        return Node(name, profile=profile, vars=own, state=State.INSTALLED)

    def _free(self, wanted: str) -> str:
        """The name, or the name and a number where it is taken."""
        name = wanted
        while name in self._taken:
            self._numbers[wanted] = self._numbers.get(wanted, 1) + 1
            name = names.numbered(wanted, self._numbers[wanted])
        self._taken.add(name)
        return name

    def _entry(self, machine: Machine, node: Node) -> dict[str, object]:
        macs: list[str] = list(dict.fromkeys((*node.macs, *machine.macs)))
        entry = entry_of(node) | {
            "macs": self._bounded(macs, MAX_MACS, "MACs", machine.place),
            "labels": self._table(
                names.labels(dict(machine.labels)), node.labels, MAX_LABELS, "labels", machine.place
            ),
            "vars": self._table(machine.vars, node.vars, MAX_VARS, "variables", machine.place),
            "uuid": node.uuid or machine.uuid,
            "serial": node.serial or machine.serial,
        }
        return {key: value for key, value in entry.items() if value is not None}

    def _table(
        self,
        new: Mapping[str, str],
        own: Mapping[str, str],
        limit: int,
        what: str,
        place: Place,
    ) -> dict[str, str]:
        keys = self._bounded(list({**own, **new}), limit, what, place)
        return {key: own.get(key, new.get(key, "")) for key in keys}

    def _bounded(self, found: list[str], limit: int, what: str, place: Place) -> list[str]:
        if len(found) > limit:
            why = f"a node has at most {limit}; the rest is left out"
            self._reading.note(place, f"{len(found)} {what}", why)
        return found[:limit]


def entry_of(node: Node) -> dict[str, object]:
    """The node as a nodes file has it."""
    found = {key: getattr(node, key) for key in NodeEntry.__struct_fields__}
    return {key: value for key, value in found.items() if value is not None}


def _known_by(machine: Machine) -> Node:
    return Node("", machine.macs, uuid=machine.uuid, serial=machine.serial)


def _called(machine: Machine) -> str:
    return machine.name or machine.hostname or names.from_identity(machine)


def _action(before: Node | None, after: Node) -> Action:
    if before is None:
        return Action.ADD
    return Action.SAME if entry_of(before) == entry_of(after) else Action.CHANGE


def _renamed(rows: Iterable[Row], before: Mapping[str, Node]) -> Iterable[Note]:
    """Those that are not called here what they are called there."""
    for row in rows:
        there, here = row.machine.name or row.machine.hostname, row.node.name
        if there in (here, ""):
            continue
        if here in before:
            why = f"is registered as node {here}"
        elif (wanted := names.host_label(there)) in (here, ""):
            why = f"is node {here}: names here are host names, in lower case and without a domain"
        else:
            why = f"is node {here}: {wanted} is the name of another one"
        yield Note(row.machine.place, there, why)
