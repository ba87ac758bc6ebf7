"""Whether the fetched installers still fit their mirror, asked in the background and remembered.

Only the mirror can tell (``netboot.media.drift``), which may take seconds: whoever looks at the
images is told what was found last, and his look is what has the mirror asked again.
"""

import threading
import time
from collections.abc import Mapping

import msgspec

from netboot.config import Settings
from netboot.media import drift
from netboot.media.drift import Fit

FRESH_FOR = 3600.0
"""Seconds what a mirror said is taken for true."""


class Judged(msgspec.Struct, frozen=True):
    """What a mirror said of an installer.

    Attributes:
        what: one sentence.
        cure: what to do, "" where there is nothing to do.
        at: when it was asked, epoch seconds.
    """

    fit: Fit
    what: str
    cure: str
    at: float


class Freshness:
    """What mirrors said last. Safe from many threads; nobody waits for a mirror."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._judged: Mapping[str, Judged] = {}

    def known(self) -> Mapping[str, Judged]:
        """By image; has the mirror asked where that was long ago."""
        with self._lock:
            if self._asked is None or time.monotonic() - self._asked > FRESH_FOR:
                self._asked = time.monotonic()
                threading.Thread(target=self._ask, daemon=True).start()
            return self._judged

    def _ask(self) -> None:
        fetched = drift.installers(self._settings.images_dir)
        found = {
            one.image: Judged(one.fit, one.what, one.cure, time.time())
            for one in drift.judge(fetched, self._settings)
        }
        with self._lock:
            self._judged = found
