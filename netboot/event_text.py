"""An event as one harmless line: for a person, or as JSON for a program.

The same words in ``netboot serve`` and in ``netboot timeline``.

Whatever came from the network is shown, never obeyed: a character that is not printable (control
characters, terminal escapes, direction overrides, line separators) is written as its code.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from netboot.events import Event, Kind

LONGEST_TEXT = 600
"""Characters of one detail or value that are shown."""
MAX_VALUES = 16
"""Values of one event's data that are shown."""

_LABELS = {
    Kind.DISCOVER: "DISCOVER",
    Kind.OFFER: "OFFER",
    Kind.REQUEST_4011: "4011 request",
    Kind.ACK_4011: "4011",
    Kind.MEDIA: "virtual media",
    Kind.BMC: "BMC",
    Kind.SYSLOG: "log",
    Kind.OVERRIDE: "boot override",
}
_BAD = frozenset({Kind.FAILED, Kind.STALLED, Kind.ALARM, Kind.LOST})
_NEUTRAL = frozenset(
    {
        *(Kind.IGNORED, Kind.PROBE, Kind.NOT_SERVED, Kind.REQUEST_4011),
        *(Kind.CONSOLE, Kind.SYSLOG),
    }
)
_BMC_BAD = frozenset({"failed", "refused"})
_BMC_CAME = frozenset({"done", "ok"})
"""What came of something asked of a BMC; the rest is under way."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The signs behind a stage's name."""

    came: str = "✓"
    missing: str = "✗"
    neutral: str = "·"
    arrow: str = "→"


ASCII_MARKS = Marks(came="+", missing="!", neutral="-", arrow="->")
"""For a stream whose encoding has no others."""


def marks_for(encoding: str | None) -> Marks:
    """The signs a stream of ``encoding`` can show."""
    marks = Marks()
    try:
        f"{marks.came}{marks.missing}{marks.neutral}{marks.arrow}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII_MARKS
    return marks


def harmless(text: str, limit: int = LONGEST_TEXT) -> str:
    """``text`` with every unprintable character escaped, and no longer than ``limit``."""
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(
            ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in shown
        )
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def clock(seconds: float, *, dated: bool = False) -> str:
    """Local time of day, after its date where that is wanted."""
    try:
        local = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return "at no known time"
    return time.strftime("%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S", local)


def who(event: Event) -> str:
    """The machine: name and MAC as far as they are known."""
    return harmless(" ".join(filter(None, [event.node, event.mac])) or "-")


def event_line(event: Event, marks: Marks, *, dated: bool = False) -> str:
    """One event, such as ``08:15:02 n1 52:54:00:00:00:01  OFFER ✓ boot file snponly.efi``."""
    label = _LABELS.get(event.kind, event.kind.value)
    mark = _mark(event, marks)
    head = f"{clock(event.time, dated=dated)} {who(event)}  {label} {mark}"
    return f"{head} {harmless(event.detail)}" if event.detail else head


def _mark(event: Event, marks: Marks) -> str:
    came = event.data.get("came")
    if event.kind in _BAD or (event.kind is Kind.BMC and came in _BMC_BAD):
        return marks.missing
    if event.kind in _NEUTRAL or (event.kind is Kind.BMC and came not in _BMC_CAME):
        return marks.neutral
    return marks.came


def json_line(event: Event) -> str:
    """One event as a JSON object: time (ISO 8601, UTC), node, mac, kind, detail, data."""
    return json_object(
        event.time, event.kind.value, event.detail, event.data, node=event.node, mac=event.mac
    )


def json_object(
    seconds: float,
    kind: str,
    detail: str,
    data: Mapping[str, str | int],
    *,
    node: str | None = None,
    mac: str | None = None,
) -> str:
    """The same object for what is no event; ASCII, so nothing in it can steer a terminal."""
    stamp = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    values = {
        harmless(key): harmless(value) if isinstance(value, str) else value
        for key, value in list(data.items())[:MAX_VALUES]
    }
    shown = {
        "time": stamp.replace("+00:00", "Z"),
        "node": node,
        "mac": mac,
        "kind": kind,
        "detail": harmless(detail),
        "data": values,
    }
    return json.dumps(shown)
