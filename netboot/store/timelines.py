"""The store's timelines: what machines asked and got, and what was done to them."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

import sqlalchemy as sa

from netboot.events import Event, Kind
from netboot.store import boot_once, installations, job_rows, nodes, timeline
from netboot.store.database import transaction
from netboot.store.opened import COMMAND_LINE, Opened, bump
from netboot.store.shapes import Record, mac_of, refuse_strange_name, unknown_node

Watcher = Callable[[Sequence[Event]], None]
"""Told of events when they are safe; it must not wait."""


class Timelines(Opened):
    """Events in the order they came."""

    _watchers: tuple[Watcher, ...] = ()

    def watch(self, watcher: Watcher) -> None:
        """Have a watcher told of every event that is kept through this store from now on."""
        self._watchers = (*self._watchers, watcher)

    def append_events(self, events: Sequence[Event]) -> None:
        """Keep events, in this order, in one transaction.

        Raises:
            OperationError: the database could not do it; none is kept.
        """
        with self._writing, transaction(self._quick, writes=True) as connection:
            self._keep(connection, events)
        self._tell(events)

    def append_numbered(self, instance: str, events: Sequence[tuple[int, Event]]) -> int:
        """Keep those events of one boot program's run that are not kept yet.

        Args:
            instance: which run.
            events: with their numbers, rising.

        Returns:
            the highest number kept of that run.
        """
        with self._writing, transaction(self._quick, writes=True) as connection:
            last = timeline.last_seq(connection, instance)
            new = [(seq, event) for seq, event in events if seq > last]
            if new:
                last = new[-1][0]
                self._keep(connection, [event for _, event in new])
                timeline.note_seq(connection, instance, last)
        self._tell([event for _, event in new])
        return last

    def _tell(self, events: Sequence[Event]) -> None:
        for watcher in self._watchers:
            watcher(events)

    def _keep(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        timeline.append(connection, events, self._retention)
        installations.follow(connection, events, self._retention)
        if boot_once.follow(connection, events):
            bump(connection)
        job_rows.follow(connection, events, time.time())

    def last_seq(self, instance: str) -> int:
        """The highest number kept of one boot program's run; 0 for none."""
        with transaction(self._quick) as connection:
            return timeline.last_seq(connection, instance)

    def timeline(
        self,
        name_or_mac: str,
        after_id: int | None = None,
        limit: int = 1000,
        source: str = COMMAND_LINE,
        *,
        log: bool = False,
    ) -> Sequence[Record]:
        """What a machine asked and got, in the order it was recorded.

        Args:
            name_or_mac: a name stands for what bears it and for the node's present MACs.
            after_id: only what came after it, oldest first; None for the newest ``limit``.
            limit: at most so many.
            source: where the name stands, for errors.
            log: every line of its installers' logs, not only those that warn or tell of a stage.

        Raises:
            Unknown: no node and no event has this name.
        """
        mac = mac_of(name_or_mac)
        with transaction(self._quick) as connection:
            if mac is not None:
                return timeline.read(connection, None, [mac], after_id, limit, log=log)
            refuse_strange_name(name_or_mac, source)
            macs = nodes.macs_of(connection, name_or_mac)
            if not macs and not timeline.bears_name(connection, name_or_mac):
                raise unknown_node(name_or_mac, source)
            return timeline.read(connection, name_or_mac, macs, after_id, limit, log=log)

    def timelines(
        self, after: str, limit: int, since: int, each: int
    ) -> tuple[Mapping[str, Sequence[Record]], int]:
        """The newest events of each of the next nodes by name, as of one moment.

        Args:
            after: those behind this name; "" for the first.
            limit: at most so many nodes.
            since: only events with a higher id.
            each: of each node at most so many, in the order they came; without the LOST events.

        Returns:
            The events by node, and the id of the newest of all events at that moment.
        """
        with transaction(self._quick) as connection:
            found = nodes.page(connection, after, limit, (), ())
            read = {
                node.name: timeline.read_newest(connection, node.name, node.macs, since, each)
                for node in found
            }
            return read, timeline.newest(connection)

    def events(self, after: int, limit: int) -> Sequence[Record]:
        """Everybody's events behind an id, in the order they were recorded, at most ``limit``."""
        with transaction(self._quick) as connection:
            return timeline.read_all(connection, after, limit)

    def newest_event(self) -> int:
        """The id of the event that was recorded last; 0 where there is none."""
        with transaction(self._quick) as connection:
            return timeline.newest(connection)

    def heard(self, name: str, kinds: Collection[Kind], since: float) -> Event | None:
        """The first event of these kinds that a node has made since then, by its time.

        Args:
            name: the node's.
            kinds: any of them.
            since: epoch seconds.
        """
        with transaction(self._quick) as connection:
            return timeline.first_since(connection, name, kinds, since)
