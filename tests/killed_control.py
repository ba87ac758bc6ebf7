"""The control program, killed at a chosen commit: it runs in a process forked from one that has
imported everything, and its patience with BMCs is shortened. For the kill test alone.
"""

import logging
import os
import signal
import sqlite3
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import sushy  # type: ignore[import-untyped]  # noqa: F401 -- slow to import, so it is here before the fork
from sqlalchemy.engine.default import DefaultDialect

from netboot import config
from netboot.bmc import plan, redfish  # noqa: F401 -- likewise
from netboot.control import main
from netboot.jobs import bios


@dataclass(frozen=True)
class AtCommit:
    """Where it dies: at commit ``number``, before it or right after it."""

    number: int
    after: bool


def run(folder: Path, commits: "Synchronized[int]", at: AtCommit | None) -> None:
    """Serve what ``folder`` holds until somebody, or ``at``, kills us."""
    sink = os.open(folder / "control.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    logging.basicConfig(level=logging.INFO, force=True)
    plan.RESET_SHOWS_WITHIN = 1.0
    plan.LISTEN_SLICE = 0.3
    plan.READ_PAUSE = 0.1
    bios.READ_AGAIN = 0.1
    _count_commits(commits, at)
    main.run(config.load(folder / "netboot.toml", {}))


def _count_commits(commits: "Synchronized[int]", at: AtCommit | None) -> None:
    """Count what is written, by whatever part of the program, and die where that is wanted."""
    commit = DefaultDialect.do_commit
    seen: dict[int, int] = {}

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        inner: sqlite3.Connection = connection.driver_connection
        changes, before = inner.total_changes, seen.get(id(inner), 0)
        seen[id(inner)] = changes
        if changes == before:  # it has only read
            commit(dialect, connection)
            return
        with commits.get_lock():
            commits.value += 1
            here = at is not None and commits.value == at.number
        if here and at and not at.after:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(dialect, connection)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
