"""Images of nodes that were added or changed while we serve: they are fetched by themselves."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from netboot.control.news import Signal
from netboot.control.supply import AGAIN, Supply
from netboot.errors import NetbootError
from netboot.media.definition import fetched
from netboot.media.needed import needed
from netboot.model import Profile
from netboot.snapshot import Snapshot

PAUSE = 2.0
"""Seconds from one look at what is needed to the next, at least."""

log = logging.getLogger(__name__)


class Stock:
    """Has fetched what a boot could ask for now.

    Args:
        supply: fetches.
        snapshot: reads the nodes there are now; blocks, and may raise NetbootError.
        profiles: reads the profiles, likewise.
        unknown: the profile of machines nobody registered, or ``ignore``.
    """

    def __init__(
        self,
        supply: Supply,
        snapshot: Callable[[], Snapshot],
        profiles: Callable[[], Mapping[str, Profile]],
        unknown: str,
    ) -> None:
        self._supply = supply
        self._snapshot = snapshot
        self._profiles = profiles
        self._unknown = unknown

    async def run(self, fresh: Signal) -> None:
        """Look whenever ``fresh`` fires, and now and then, until cancelled.

        What was needed when we started was tried by whoever started us, and is tried again later.
        """
        ticket = fresh.ticket()
        self._supply.was_tried(await asyncio.to_thread(self._needed))
        while True:
            await asyncio.sleep(PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ticket.wait(), AGAIN)
            ticket = fresh.ticket()
            self._supply.want(await asyncio.to_thread(self._needed))

    def _needed(self) -> list[str]:
        """The images that can be fetched; those of a person's own are that person's to add."""
        try:
            wanted = needed(self._snapshot(), self._profiles(), self._unknown)
            known = fetched()
        except NetbootError as problem:
            log.info("not looked for missing images: %s", problem)
            return []
        return [image for image in wanted if image in known]
