"""What has changed, for whoever waits for it: the newest snapshot, and that events came.

The store is asked for its version twice a second, so a change made by another process is seen; a
change made here is announced with ``changed`` and seen at once. Snapshots that follow each other
quickly are merged: readers get the newest, and at most ten a second.
"""

import asyncio
import contextlib
import logging

import msgspec

from netboot.errors import ConfigError, OperationError
from netboot.frames import Feed, pack
from netboot.snapshot import encode
from netboot.store.bmc_shapes import Sealing
from netboot.store.store import Store
from netboot.store.volume_shapes import Kept
from netboot.volume import Volume

POLL = 0.5
"""Seconds between two looks at the store's version."""
PAUSE = 0.1
"""Seconds from one snapshot to the next, at least."""

log = logging.getLogger(__name__)


class Signal:
    """Wakes everybody who waits. Take a ticket, look at the state, then wait on the ticket."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ticket(self) -> asyncio.Event:
        """What will be set when the signal fires next."""
        return self._event

    def fire(self) -> None:
        """Wake all who hold a ticket."""
        self._event.set()
        self._event = asyncio.Event()


class News:
    """The newest snapshot, ready to send. Belongs to one event loop.

    Args:
        store: what it is of.
        safe: opens the secrets of attached volumes, which machines log in with.

    Attributes:
        frame: the newest snapshot as a frame, b"" before the first.
        serial: counts the frames there were.
        fresh: fires with each new frame.
    """

    def __init__(self, store: Store, safe: Sealing) -> None:
        self._store = store
        self._safe = safe
        self._version: int | None = None
        self._wake = asyncio.Event()
        self._failing = False
        self.frame = b""
        self.serial = 0
        self.fresh = Signal()

    def changed(self) -> None:
        """A node was changed here: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Watch the store until cancelled; a store that fails is asked again."""
        while True:
            self._wake.clear()
            await self._look()
            await asyncio.sleep(PAUSE)
            with contextlib.suppress(TimeoutError):  # perhaps another process changed something
                await asyncio.wait_for(self._wake.wait(), POLL - PAUSE)

    async def _look(self) -> None:
        try:
            if await asyncio.to_thread(self._store.version) != self._version:
                self._version, self.frame = await asyncio.to_thread(self._build)
                self.serial += 1
                self.fresh.fire()
            if self._failing:
                log.warning("the nodes can be read again")
            self._failing = False
        except OperationError as error:
            if not self._failing:
                log.error("the nodes cannot be read, so the last snapshot stays: %s", error)  # noqa: TRY400 -- the text says all
            self._failing = True

    def _build(self) -> tuple[int, bytes]:
        snapshot = self._store.snapshot(self._opened)
        return snapshot.version, pack(Feed(msgspec.Raw(encode(snapshot))))

    def _opened(self, kept: Kept) -> Volume:
        """A volume with its secret; one that cannot be opened keeps no other machine waiting."""
        if kept.sealed is None:
            return kept.volume
        try:
            return kept.opened(self._safe())
        except (ConfigError, OperationError) as error:
            log.error("machines are not told a CHAP secret: %s", error)  # noqa: TRY400 -- the text says all
            return kept.volume
