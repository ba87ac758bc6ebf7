"""What more than one check needs to know, looked at once, before the checks begin."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from netboot.answer.profiles import load_profiles
from netboot.config import Settings
from netboot.doctor import records, running
from netboot.doctor.records import Records
from netboot.doctor.running import Running
from netboot.errors import ConfigError, NetbootError, OperationError
from netboot.model import Profile
from netboot.survey import (
    DhcpServer,
    Interface,
    Route,
    all_interfaces,
    choose,
    dhcp_servers,
    route_table,
)

LISTEN = 4.5
"""Seconds to listen for DHCP servers: dnsmasq pings an address for 3.0 s before it offers it."""
PING = 3.0
"""Seconds it pings; one server of several networks pings for one after the other."""
DAY = 86_400.0
"""How far back the timeline is read, in seconds."""
MAX_INTERFACES = 16
"""Interfaces asked for DHCP servers, all at the same time."""
LOOPBACK = "127.0.0.1"

NOT_RUNNING = Running()
NOTHING = Records()
"""A store that was never made."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unseen:
    """Stands for a fact that could not be looked at."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The facts.

    Attributes:
        settings: the configuration.
        interfaces: those to serve.
        unfit: why none can be served as configured, "" where they can.
        existing: every interface there is.
        servers: interface name → the DHCP and PXE servers that answered there.
        routes: the main routing table.
        records: nodes, and the timeline's last day.
        profiles: those that can be used, by name.
        broken_profiles: a line for each that cannot.
        running: which of our programs run.
        now: seconds since the epoch.
        full: whether there is time to hash every file.
    """

    settings: Settings
    interfaces: tuple[Interface, ...] = ()
    unfit: str = ""
    existing: tuple[Interface, ...] = ()
    servers: Mapping[str, tuple[DhcpServer, ...] | Unseen] = field(default_factory=dict)
    routes: tuple[Route, ...] | Unseen = ()
    records: Records | Unseen = NOTHING
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    broken_profiles: tuple[str, ...] = ()
    running: Running = NOT_RUNNING
    now: float = field(default_factory=time.time)
    full: bool = False

    @property
    def addresses(self) -> frozenset[str]:
        """Every IPv4 address of this host."""
        return frozenset(one.address for one in self.existing if one.address)


def seen(fact: T | Unseen) -> T:
    """The fact.

    Raises:
        OperationError: it could not be looked at; says why.
    """
    if isinstance(fact, Unseen):
        raise OperationError(fact.reason)
    return fact


def look(settings: Settings, *, full: bool = False) -> Context:
    """Look at everything the checks share; blocks for some ``LISTEN`` seconds.

    Where a server keeps us waiting for an address, ``PING`` seconds more for each interface.
    """
    now = time.time()
    chosen, unfit = _chosen(settings)
    broken: list[str] = []
    profiles = load_profiles(settings.templates, broken.append)
    asked = chosen[:MAX_INTERFACES]
    address = chosen[0].address if chosen else LOOPBACK
    patience = LISTEN + PING * (len(asked) - 1)
    with ThreadPoolExecutor(MAX_INTERFACES) as pool:
        servers = {
            one.name: pool.submit(
                _attempt, lambda one=one: dhcp_servers(one, LISTEN, LISTEN, patience)
            )
            for one in asked
        }
        return Context(
            settings=settings,
            interfaces=chosen,
            unfit=unfit,
            existing=all_interfaces(),
            routes=_attempt(route_table),
            records=_attempt(
                lambda: records.read(settings.database, now - DAY, settings.database_password_file)
            ),
            profiles=profiles,
            broken_profiles=tuple(broken),
            running=running.look(settings, address),
            servers={name: answer.result() for name, answer in servers.items()},
            now=now,
            full=full,
        )


def _chosen(settings: Settings) -> tuple[tuple[Interface, ...], str]:
    try:
        return choose(settings), ""
    except ConfigError as problem:
        return (), f"{problem.key} {problem.problem}"


def _attempt(work: Callable[[], T]) -> T | Unseen:
    try:
        return work()
    except NetbootError as problem:
        return Unseen(str(problem))
    except OSError as problem:
        return Unseen(f"{problem.filename or ''}: {problem.strerror}".removeprefix(": "))
