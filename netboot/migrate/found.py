"""What a reader found in another program's files: machines, and what it did not understand.

Everything that is not carried over is said, in one of two ways: a ``Note`` names a place and why;
what every machine has and what simply stays the DHCP server's business (its address, its lease
time) is counted instead, since a line for each would hide the rest.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from netboot.errors import ConfigError
from netboot.model import Mac
from netboot.store.words import MAX_NODES

MAX_NOTES = 10_000
"""Lines about what was not understood; more are only counted."""

SERVER_SETTING = "a setting of the server, not of one machine"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; lines count from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as another program's files have it.

    Attributes:
        name: what it is called there, as written; "" for nothing.
        hostname: the host name it is given there, likewise; may have a domain.
        uuid: as ``netboot.matching.parse_uuid`` gives it.
        serial: as ``netboot.matching.parse_text`` gives it.
        boots: what it boots there, in that program's words, the most particular first.
        labels: keys and values as written.
        vars: likewise.
    """

    place: Place
    name: str = ""
    hostname: str = ""
    macs: tuple[Mac, ...] = ()
    uuid: str | None = None
    serial: str | None = None
    boots: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was not carried over.

    Attributes:
        what: the keyword or the part of the line; never a value that could be a secret.
        boots: says how this is booted there; settled where a profile is named for it.
    """

    place: Place
    what: str
    why: str
    boots: str = ""


@dataclass(slots=True)
class Reading:
    """What came of reading.

    Attributes:
        stays: what stays with the DHCP server, and how often it was there.
        unsaid: notes beyond ``MAX_NOTES``.
    """

    machines: list[Machine] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    stays: Counter[str] = field(default_factory=Counter)
    unsaid: int = 0

    def add(self, machine: Machine) -> None:
        """Keep a machine.

        Raises:
            ConfigError: there are more than a store holds.
        """
        if len(self.machines) == MAX_NODES:
            raise ConfigError(machine.place.file, "", f"has more than {MAX_NODES} machines")
        self.machines.append(machine)

    def note(self, place: Place, what: str, why: str, boots: str = "") -> None:
        """Say that ``what`` at ``place`` is not carried over, and why."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(Note(place, what, why, boots))
        else:
            self.unsaid += 1
