"""Images that are fetched when they are needed first: what nobody asked for when we started.

Each is tried again every ``AGAIN`` seconds as long as it is needed, one image after the other.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable

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
        self._tries: dict[str, tuple[float, threading.Thread | None]] = {}
        self._turn = threading.Lock()
        """Two cannot fetch into one folder at once."""
        self._said: dict[str, str] = {}
        """What was wrong with each last, which is not said again."""

    def has(self, image: str) -> bool:
        """Whether it is there; waits ``WAIT`` seconds at most for one that is being fetched."""
        if self._is_missing(image) and (trying := self._try(image)) is not None:
            trying.join(WAIT)
        return not self._is_missing(image)

    def want(self, images: Iterable[str]) -> None:
        """Have those that are missing fetched, in their order, and wait for none."""
        for image in images:
            if self._is_missing(image):
                self._try(image)

    def was_tried(self, images: Iterable[str]) -> None:
        """Somebody tried to fetch these just now: those that are missing wait for ``AGAIN``."""
        with self._lock:
            self._tries.update(dict.fromkeys(images, (self._clock(), None)))

    def _is_missing(self, image: str) -> bool:
        return not (self._images_dir / image / CURRENT).exists()

    def _try(self, image: str) -> threading.Thread | None:
        """The thread that fetches it, or did so lately; None where there is none."""
        if (fetch := self._fetch) is None:
            return None
        with self._lock:
            begun, thread = self._tries.get(image, (-math.inf, None))
            now = self._clock()
            under_way = thread is not None and thread.is_alive()
            if not under_way and now - begun >= AGAIN:
                thread = threading.Thread(target=self._told, args=(image, fetch), daemon=True)
                self._tries[image] = now, thread
                thread.start()
            return thread

    def _told(self, image: str, fetch: Fetch) -> None:
        with self._turn:
            try:
                fetch(image)
            except NetbootError as error:
                problem = str(error)
                if self._said.get(image) != problem:
                    log.warning("image %s is not fetched: %s", image, problem)
                self._said[image] = problem
            else:
                self._said.pop(image, None)
                log.warning("image %s is fetched", image)


def from_mirror(settings: Settings) -> Fetch:
    """Fetch images from the site's mirror."""

    def fetch_one(image: str) -> None:
        from netboot.media.fetch import fetch  # noqa: PLC0415 -- start-up stays short

        patience = Patience(SILENCE, LONGEST)
        fetch([image], settings, lambda stage, done, _total: patience.see((stage, done)))

    return fetch_one
