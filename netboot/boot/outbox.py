"""Events on their way to the control program: numbered, bounded, kept until they are confirmed.

Numbers are consecutive, and what does not fit is always taken from the old end. So what is lost
is always the one range between the highest number control confirmed and the lowest one still
here, and one LOST event (numbered as the last of that range) tells it exactly, however often
connections break in between.
"""

from collections import deque
from dataclasses import replace

import msgspec

from netboot.events import Event, Kind

MAX_BUFFERED_EVENTS = 10_000
"""Events kept while control is away: a storm of 1,000 machines, ten events each."""
LOG_SHARE = 0.2
"""Of that room, how full it may be for a line of an installer's log still to be taken."""
MAX_BATCH_EVENTS = 200
"""Events in one frame, so in one transaction."""
MAX_EVENT_BYTES = 8 * 1024
"""One event as JSON; a longer one loses its data and the end of its detail."""

_MAX_DETAIL = 1000


class Outbox:
    """The events control has not confirmed yet, oldest first."""

    def __init__(self, limit: int = MAX_BUFFERED_EVENTS) -> None:
        self._limit = limit
        self._kept: deque[bytes] = deque()
        self._confirmed = 0
        self._newest = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def lost(self) -> int:
        """Events dropped because the buffer was full, and not yet confirmed as lost."""
        return self._newest - len(self._kept) - self._confirmed

    @property
    def pending(self) -> bool:
        """Whether control has not confirmed everything."""
        return self._newest > self._confirmed

    def put(self, event: Event) -> bool:
        """Number an event and keep it; the oldest one goes where there is no room.

        Returns:
            False for a line of a log that is not kept: it takes no event's place.
        """
        if event.kind is Kind.SYSLOG and len(self._kept) >= self._limit * LOG_SHARE:
            return False
        if len(self._kept) >= self._limit:
            self._kept.popleft()
        self._kept.append(_encoded(event))
        self._newest += 1
        return True

    def confirm(self, seq: int) -> None:
        """Forget everything up to number ``seq``, which control has; an old number does nothing."""
        seq = min(seq, self._newest)
        first_kept = self._newest - len(self._kept) + 1
        for _ in range(seq - first_kept + 1):
            self._kept.popleft()
        self._confirmed = max(self._confirmed, seq)

    def batch(self) -> list[tuple[int, msgspec.Raw]]:
        """The next events to send, with their numbers; a LOST event first where some were lost."""
        first_kept = self._newest - len(self._kept) + 1
        lost = [(first_kept - 1, _lost(self.lost))] if self.lost else []
        room = MAX_BATCH_EVENTS - len(lost)
        kept = [self._kept[index] for index in range(min(room, len(self._kept)))]
        numbered = [*lost, *((first_kept + index, raw) for index, raw in enumerate(kept))]
        return [(seq, msgspec.Raw(raw)) for seq, raw in numbered]


def _lost(count: int) -> bytes:
    detail = f"{count} events were dropped: the control program was away and the buffer was full"
    return _encoded(Event(Kind.LOST, None, None, detail, {"count": count}))


def _encoded(event: Event) -> bytes:
    """JSON that always fits and always decodes: events may hold text a machine sent."""
    try:
        raw = msgspec.json.encode(event)
    except (UnicodeEncodeError, OverflowError):
        raw = b""
    if raw and len(raw) <= MAX_EVENT_BYTES:
        return raw
    detail = event.detail[:_MAX_DETAIL].encode("utf-8", "backslashreplace").decode("utf-8")
    return msgspec.json.encode(replace(event, detail=detail, data={}))
