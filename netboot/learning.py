"""What machines teach us: which offer a firmware takes, and which loader gets on with its NIC.

Firmware says nothing when it drops an offer; it only asks again. So asking again is the lesson:

* ``PATIENCE`` times the same machine sent DISCOVER and went no further: its next DISCOVER is
  answered in the next shape of its row (``netboot.clients``).
* It fetched its loader and never a script, and firmware asks anew: the next loader is tried.
* It fetched its script: the shape and the loader of this time are kept for its next boot.

Pure: time and events are handed in. The table is bounded; the machine longest silent is forgotten,
and then simply learns again.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from netboot.decision import Learned
from netboot.model import Mac

PATIENCE = 3
"""DISCOVERs without progress before the next shape. Firmware repeats its DISCOVER while no DHCP
server has given it an address: EDK2 at 0, 4, 12 and 28 s, and a dnsmasq that pings an address
before it offers it answers only the second."""
MAX_MACHINES = 32_768
"""Machines remembered, some 300 bytes each."""

NOTHING = Learned()
FILE = "learned.json"
"""Where the boot program keeps its lessons, in the run folder."""

_DECODER = msgspec.json.Decoder(dict[Mac, Learned])


@dataclass(slots=True)
class _Lesson:
    """One machine's state.

    Attributes:
        now: what it is being offered.
        asked: DISCOVERs since it last got further.
        loaded: it fetched a loader since its last DISCOVER as firmware, and no script after it.
        scripted: it fetched its script since then.
        worked: what led to a script last.
    """

    now: Learned = NOTHING
    asked: int = 0
    loaded: bool = False
    scripted: bool = False
    worked: Learned | None = None


def encode(lessons: Mapping[Mac, Learned]) -> bytes:
    """``Learning.lessons`` as JSON, for the file that outlives a restart."""
    return msgspec.json.encode(lessons)


def decode(raw: bytes) -> dict[Mac, Learned]:
    """Read what ``encode`` wrote.

    Raises:
        ValueError: it is something else, or was cut off.
    """
    return _DECODER.decode(raw)


class Learning:
    """The lessons of every machine.

    Args:
        worked: what is known from before, by MAC (``lessons`` of an earlier run).
    """

    def __init__(self, worked: Mapping[Mac, Learned] | None = None) -> None:
        self._lessons: OrderedDict[Mac, _Lesson] = OrderedDict()
        for mac, learned in (worked or {}).items():
            self._keep(mac, _Lesson(now=learned, worked=learned))

    def now(self, mac: Mac) -> Learned:
        """What to offer ``mac`` now."""
        lesson = self._lessons.get(mac)
        return NOTHING if lesson is None else lesson.now

    def discovered(self, mac: Mac) -> Learned:
        """Firmware of ``mac`` sent a DISCOVER; what to offer it."""
        lesson = self._kept(mac)
        if lesson.loaded:
            why = "it fetched its loader last time but never a script, so the other one is tried"
            lesson.now = Learned(lesson.now.shape, lesson.now.loader + 1, why)
            lesson.loaded, lesson.asked = False, 0
        elif lesson.asked >= PATIENCE:
            why = f"it asked {lesson.asked} times and took no such offer, so another is tried"
            lesson.now = Learned(lesson.now.shape + 1, lesson.now.loader, why)
            lesson.asked = 0
        lesson.scripted = False
        lesson.asked += 1
        return lesson.now

    def progressed(self, mac: Mac) -> None:
        """``mac`` took our offer: it asked port 4011, or for its loader."""
        if mac in self._lessons:
            self._kept(mac).asked = 0

    def loaded(self, mac: Mac) -> None:
        """``mac`` has its whole loader.

        That is known late where the last acknowledgement was lost: its script may have come before.
        """
        lesson = self._kept(mac)
        lesson.asked, lesson.loaded = 0, not lesson.scripted

    def scripted(self, mac: Mac) -> bool:
        """``mac`` fetched its script; whether that is news worth keeping beyond this run."""
        lesson = self._kept(mac)
        before = lesson.worked or NOTHING
        worked = NOTHING if lesson.now == NOTHING else replace(lesson.now, why=_KEPT)
        lesson.now = lesson.worked = worked
        lesson.asked, lesson.loaded, lesson.scripted = 0, False, True
        return worked != before

    def lessons(self) -> dict[Mac, Learned]:
        """What worked for the machines that did not take the first of everything."""
        return {
            mac: lesson.worked
            for mac, lesson in self._lessons.items()
            if lesson.worked is not None and lesson.worked != NOTHING
        }

    def _kept(self, mac: Mac) -> _Lesson:
        """The lesson of ``mac``, which is now the newest."""
        lesson = self._lessons.get(mac)
        if lesson is None:
            self._keep(mac, lesson := _Lesson())
        else:
            self._lessons.move_to_end(mac)
        return lesson

    def _keep(self, mac: Mac, lesson: _Lesson) -> None:
        self._lessons[mac] = lesson
        self._lessons.move_to_end(mac)
        if len(self._lessons) > MAX_MACHINES:
            self._lessons.popitem(last=False)


_KEPT = "that is what worked at its last boot"
