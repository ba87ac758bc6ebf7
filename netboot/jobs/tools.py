"""What turns of jobs are taken with."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from netboot.bmc.credentials import Safe
from netboot.bmc.driver import Driver
from netboot.jobs.bmc_locks import BmcLocks
from netboot.jobs.bmc_turn import Opener
from netboot.jobs.deploy import Deploy
from netboot.jobs.power_cap import PowerCap
from netboot.jobs.screens import Screens
from netboot.model import Node
from netboot.store.bmc_shapes import Bmc
from netboot.store.store import Store

SpringboardUrl = Callable[[Node, Bmc, Driver], str | None]
"""Where a node's BMC reads its springboard; None where nobody serves it."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What turns are taken with.

    Attributes:
        store: jobs, nodes, BMCs, timelines.
        safe: opens kept passwords.
        opener: opens a driver.
        locks: who speaks to which BMC.
        cap: how many machines may start.
        lease: seconds a job stays ours from its claim, and from each intent.
        arrived: called when events were kept.
        screens: keeps screenshots.
        springboard: where it is.
        deploy: the deploy template that a node is installed by, None for none; it raises
            ``ConfigError`` where that cannot be said.
        leaving: set when the program ends.
        clock: epoch seconds.
    """

    store: Store
    safe: Callable[[], Safe]
    opener: Opener
    locks: BmcLocks
    cap: PowerCap
    lease: float
    arrived: Callable[[], None]
    screens: Screens | None = None
    springboard: SpringboardUrl = lambda _node, _bmc, _hands: None
    deploy: Callable[[str], Deploy | None] = lambda _name: None
    leaving: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time
