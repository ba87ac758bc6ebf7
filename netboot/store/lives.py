"""The store's lives: what becomes of nodes where no job is asked for."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from netboot.lifecycle import ASKED, BEGINS, TRANSITIONS, Cause
from netboot.model import Node, State
from netboot.store import job_rows, nodes, transitions
from netboot.store.database import transaction
from netboot.store.installations import next_installation, nodes_in_effect, refuse_no_installer
from netboot.store.job_begin import refuse_another
from netboot.store.opened import COMMAND_LINE, Opened
from netboot.store.transitions import Why

BY_WORD = ASKED - set(BEGINS.values()) - {Cause.REGISTERED, Cause.REINSTALL, Cause.REMOVED}
"""The causes that are nothing but somebody's word."""


class Lives(Opened):
    """The states of nodes."""

    def states(self) -> Mapping[State, int]:
        """How many nodes are in each state."""
        with transaction(self._quick) as connection:
            return nodes.states(connection)

    def install(
        self,
        names: Sequence[str],
        installing: Collection[str],
        source: str = COMMAND_LINE,
        *,
        reinstall: bool = False,
    ) -> Sequence[Node]:
        """Have nodes installed when they boot from the network next: all of them or none.

        Args:
            names: whose.
            installing: the profiles that install something.
            source: where that was asked, for errors.
            reinstall: also those that are installed.

        Returns:
            the nodes in effect as they are now.

        Raises:
            ConfigError: one is unknown (``Unknown``), installed already (``Conflict``), or has a
                profile that installs nothing.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            found = nodes_in_effect(connection, names, source)
            return [
                self._install(connection, node, installing, source, reinstall=reinstall)
                for node in found
            ]

    def _install(
        self,
        connection: sa.Connection,
        node: Node,
        installing: Collection[str],
        source: str,
        *,
        reinstall: bool,
    ) -> Node:
        refuse_no_installer(node, installing, source)
        before = transitions.standing(connection, node.name, source)
        number = next_installation(before, source, reinstall=reinstall)
        cause = Cause.REINSTALL if before.state is State.INSTALLED else Cause.INSTALL
        now = transitions.move(
            connection, before, cause, self._retention, source, installation=number
        )
        return replace(node, state=now.state, installation=now.installation, because="")

    def change_state(
        self,
        names: Sequence[str],
        cause: Cause,
        by: str,
        source: str = COMMAND_LINE,
        *,
        now: float | None = None,
    ) -> Sequence[Node]:
        """Take nodes on by what people say: all of them or none.

        Args:
            names: whose.
            cause: one of ``BY_WORD``.
            by: who says so.
            source: where that was said, for errors.
            now: epoch seconds.

        Returns:
            the nodes as they are now.

        Raises:
            Unknown: there is no such node.
            Conflict: its state does not allow it, or a job for it has not ended.
        """
        if cause not in BY_WORD:
            raise ValueError(f"{cause} is nothing that somebody says")
        when = time.time() if now is None else now
        with self._writing, transaction(self._sure, writes=True) as connection:
            unique = list(dict.fromkeys(names))
            for name in unique:
                before = transitions.standing(connection, name, source)
                if cause is not Cause.ADOPTED:
                    refuse_another(job_rows.live(connection, [name]), source)
                why = Why(by, time=when)
                transitions.move(connection, before, cause, self._retention, source, why)
            job_rows.wake(connection, unique, when)
            return [nodes.known(connection, name, source) for name in unique]

    def _adopts(self, connection: sa.Connection, before: Node | None, source: str) -> bool:
        """Take on a node that has its system, as a file says; whether that is news."""
        if before is None or before.state is State.INSTALLED:
            return False
        if (before.state, Cause.ADOPTED) not in TRANSITIONS:
            return False
        self._adopt(connection, before, source)
        return True

    def _adopt(self, connection: sa.Connection, node: Node, source: str) -> None:
        before = transitions.standing(connection, node.name, source)
        transitions.move(connection, before, Cause.ADOPTED, self._retention, source)
        job_rows.wake(connection, [node.name], time.time())
