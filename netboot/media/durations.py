"""How far long work is, by the seconds that each of its stages took the last time here.

They are kept in a small file; where there is none yet, or it is broken, the usual ones count. What
is still to come is thought to be as much slower, or faster, as what is over was.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from netboot.stages.pace import Pace

LARGEST = 4096
"""Bytes that are read of the file."""
TRUST = 20.0
"""Seconds that have to be over until how fast they went counts as much as the guess before."""

_Seconds = dict[str, float]
_DECODER = msgspec.json.Decoder(_Seconds)


class Durations:
    """The stages of one piece of work, which begins now.

    Args:
        path: where those of the last one are kept.
        usual: seconds of each stage, in their order, where none are.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        path: Path,
        usual: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._clock = clock
        self._pace = Pace(_read(path) or usual)
        self._took: _Seconds = {}
        self._stage = ""
        self._begun = self._since = clock()

    def at(self, stage: str) -> tuple[int, int]:
        """Say that ``stage`` runs; gives the seconds so far, and those in all as it is guessed."""
        now = self._clock()
        if stage != self._stage:
            self._ends(now)
            self._stage, self._since = stage, now
        gone, here = int(now - self._begun), now - self._since
        slower = self._slower(stage, here)
        return gone, gone + round(self._pace.left(stage, here / slower) * slower)

    def keep(self) -> None:
        """The work is done, so the next one is guessed by it.

        Raises:
            OSError: the disk does not take the file.
        """
        self._ends(self._clock())
        self._path.write_bytes(msgspec.json.encode(self._took))

    def _slower(self, stage: str, here: float) -> float:
        """How many times as long everything takes as it was guessed."""
        guessed = self._pace.seconds
        over = [name for name in self._took if name in guessed]
        took = TRUST + sum(self._took[name] for name in over)
        thought = TRUST + sum(guessed[name] for name in over)
        if stage in guessed and here > guessed[stage] * took / thought:
            took, thought = took + here, thought + guessed[stage]
        return took / thought

    def _ends(self, now: float) -> None:
        if self._stage:
            self._took[self._stage] = round(now - self._since, 1)


def _read(path: Path) -> _Seconds:
    try:
        with path.open("rb") as file:
            found = _DECODER.decode(file.read(LARGEST))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return found if all(seconds >= 0 for seconds in found.values()) else {}
