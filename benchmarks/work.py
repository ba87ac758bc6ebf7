"""What is measured, and by whom: the nouns of a benchmark."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from netboot.lab.namespaces import Host
from netboot.lab.site import Site


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done.

    Attributes:
        runs: how often each side is measured.
        scale: the part of the full work that one run does.
    """

    runs: int
    scale: float

    def of(self, full: int, least: int = 1) -> int:
        """``full`` scaled down, but at least ``least``."""
        return max(round(full * self.scale), least)


SIZES = {"full": Size(runs=5, scale=1.0), "small": Size(runs=3, scale=0.2)}


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run came to.

    Attributes:
        value: in the work's unit.
        cpu: seconds of processor time of the server and its children per ``Work.cpu_unit``.
        p99: seconds that 99 of 100 answers took at most.
        failed: how many of the things to be done were not.
    """

    value: float
    cpu: float | None = None
    p99: float | None = None
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two that are compared, running.

    Attributes:
        name: who it is.
        host: where it runs; asked from here, it answers over loopback. None has no LAN of its own.
        neighbour: another host of its LAN; asked from there, it answers over veth.
        address: where it answers.
        port: where its HTTP is.
        pid: its process, whose children count as well; 0 while it is not running.
        site: its installation where it is netboot.
    """

    name: str
    host: Host | None
    neighbour: Host | None
    address: str
    port: int
    pid: int = 0
    site: Site | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """The peer is not here."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sides:
    """Both, ready; ``peer`` is None where there is nobody to compare with."""

    ours: Server
    peer: Server | Missing | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One benchmark.

    Attributes:
        name: what it is asked for by.
        title: what is done, in a line.
        unit: of ``Figure.value``.
        goal: what we want to reach, in words.
        sides: starts both sides; they end with the context.
        measure: does the work once.
        cpu_unit: what ``Figure.cpu`` is for, "" where it does not matter.
        less_is_better: the value is a cost.
    """

    name: str
    title: str
    unit: str
    goal: str
    sides: Callable[[Size], AbstractContextManager[Sides]]
    measure: Callable[[Server, Size], Figure]
    cpu_unit: str = ""
    less_is_better: bool = False
