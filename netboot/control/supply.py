"""Images that are fetched when they are needed first: what nobody asked for when we started."""

import logging
import threading
import time
from collections.abc import Callable

from netboot.config import Settings
from netboot.errors import NetbootError
from netboot.media.library import CURRENT
from netboot.media.patience import Patience

WAIT = 60.0
"""Seconds somebody waits for an image, which is fetched all the same; a springboard takes five."""
SILENCE = 10.0
"""Seconds in which a mirror must send something."""
LONGEST = 600.0
"""Seconds a fetch may take."""
AGAIN = 60.0
"""Seconds from one try to the next."""

log = logging.getLogger(__name__)

Fetch = Callable[[str], None]
"""Fetches the image of that name, and blocks until it is there; raises NetbootError."""


class Supply:
    """Knows whether images are there, and has one that is not fetched. Safe from many threads.

    Args:
        settings: where images are.
        fetch: None: nobody fetches.
        clock: seconds that are never put back or forward.
    """

    def __init__(
        self,
        settings: Settings,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._images_dir = settings.images_dir
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: dict[str, tuple[float, threading.Thread]] = {}

    def has(self, image: str) -> bool:
        """Whether it is there; waits ``WAIT`` seconds at most for one that is being fetched."""
        current = self._images_dir / image / CURRENT
        if self._fetch is not None and not current.exists():
            self._try(image, self._fetch).join(WAIT)
        return current.exists()

    def _try(self, image: str, fetch: Fetch) -> threading.Thread:
        """The thread that fetches it, or did so lately."""
        with self._lock:
            begun, thread = self._tries.get(image, (0.0, None))
            now = self._clock()
            if thread is None or (not thread.is_alive() and now - begun >= AGAIN):
                thread = threading.Thread(target=_told, args=(image, fetch), daemon=True)
                self._tries[image] = now, thread
                thread.start()
            return thread


def _told(image: str, fetch: Fetch) -> None:
    try:
        fetch(image)
    except NetbootError as problem:
        log.warning("image %s is not fetched: %s", image, problem)
    else:
        log.warning("image %s is fetched", image)


def from_mirror(settings: Settings) -> Fetch:
    """Fetch images from the site's mirror."""

    def fetch_one(image: str) -> None:
        from netboot.media.fetch import fetch  # noqa: PLC0415 -- start-up stays short

        patience = Patience(SILENCE, LONGEST)
        fetch([image], settings, lambda stage, done, _total: patience.see((stage, done)))

    return fetch_one
