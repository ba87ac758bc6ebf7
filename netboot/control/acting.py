"""What every action on a BMC has: it is told in the timeline, and nobody else acts meanwhile."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from netboot.bmc.credentials import Safe
from netboot.bmc.driver import Driver
from netboot.control.bmc_shapes import Answer
from netboot.control.consoles import Consoles
from netboot.errors import NetbootError
from netboot.groups import Groups, in_effect
from netboot.jobs.bmc_locks import BmcLocks
from netboot.jobs.bmc_turn import Opener, Turn, no_bmc, open_for, opened
from netboot.jobs.screens import Screens
from netboot.jobs.tools import SpringboardUrl
from netboot.model import Node, Profile
from netboot.store.bmc_shapes import Bmc
from netboot.store.store import Store

T = TypeVar("T")


class Acting:
    """Acts on the BMCs a store knows.

    Args:
        store: nodes, BMCs and timelines.
        safe: opens kept passwords; asked for when one is needed.
        arrived: called when events were kept.
        hears: whether machines' packets reach this store, so that one can be waited for.
        screens: keeps what machines showed when they missed a deadline; None: nobody does.
        opener: opens a driver.
        locks: who speaks to which BMC; with jobs in the same process, theirs.

    Attributes:
        consoles: the machines' serial lines.
        profiles: reads the profiles there are now; none, until it is set.
        springboard: where BMCs read a machine's springboard; nowhere, until it is set.
        loader: what HTTP Boot of a machine loads; None: what DHCP says.
        readable: an image's URL as a BMC reads it; the same, until it is set.
    """

    def __init__(
        self,
        store: Store,
        safe: Callable[[], Safe],
        *,
        arrived: Callable[[], None] = lambda: None,
        hears: bool = False,
        screens: Screens | None = None,
        opener: Opener = open_for,
        locks: BmcLocks | None = None,
    ) -> None:
        self._store = store
        self._safe = safe
        self._arrived = arrived
        self._hears = hears
        self._opener = opener
        self._leaving = threading.Event()
        self._locks = locks or BmcLocks(store, f"command {os.getpid()}")
        self._screens = screens
        self.springboard: SpringboardUrl = lambda _node, _bmc, _hands: None
        self.loader: Callable[[Node], str | None] = lambda _node: None
        self.readable: Callable[[str, Driver], str] = lambda url, _hands: url
        self.profiles: Callable[[], Mapping[str, Profile]] = dict
        self.consoles = Consoles(store, safe, opener, arrived, self._leaving)

    def leave(self) -> None:
        """End all waiting; what was asked of a BMC is in the timelines."""
        self._leaving.set()

    def under_way(self) -> Mapping[str, str]:
        """What happened last in each action that runs, by node."""
        return self._locks.under_way()

    def _in_effect(self, node: Node) -> Node:
        return in_effect(node, Groups(self._store.groups()).of(node))

    def _turn(self, name: str, asked: str, asker: str, source: str) -> tuple[Turn, Bmc]:
        node, bmc = self._store.get(name, source), self._store.bmc(name, source)
        if bmc is None:
            raise no_bmc(name, source)
        where = (self._store, self._arrived, self._leaving, self._screens)
        return Turn(node, asked, asker, *where), bmc

    def _act(
        self, name: str, asked: str, asker: str, source: str, work: Callable[[Turn], Answer]
    ) -> Answer:
        """Do ``work``, alone with the BMC, its beginning and its end in the timeline."""
        turn, bmc = self._turn(name, asked, asker, source)
        with self._locks.hold(bmc, turn):
            turn.tell(f"{asker} asked: {asked}", "asked")
            try:
                done = self._with_driver(turn, bmc, work)
            except NetbootError as error:
                turn.tell(f"{asked} failed: {error}", "failed")
                raise
            turn.tell(f"{asked}: {done.words}", "done")
            return done

    def _with_driver(self, turn: Turn, bmc: Bmc, work: Callable[[Turn], T]) -> T:
        """Do ``work`` while a driver is open."""
        with opened(turn, bmc, self._safe, self._opener):
            return work(turn)
