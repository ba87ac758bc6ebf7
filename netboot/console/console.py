"""The console of ``netboot serve``: what a person, or a log, sees of the boots going on.

It never stops the server: a stream that is gone or full is written to no more.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO

from netboot.console.budget import MAX_MACHINES, Budget
from netboot.console.terminal import Terminal
from netboot.event_text import clock, event_line, harmless, json_line, json_object, marks_for
from netboot.events import Event, Kind
from netboot.guide import to_install
from netboot.stages import Boot, follow, machine

QUIET_AFTER = 60.0
"""Seconds without a packet, from the start on, after which the usual causes are named."""
MAX_SUGGESTED = 4096
"""Unknown machines whose command was printed and is not printed again."""

QUIET = (
    f"no machine asked to boot from the network for {QUIET_AFTER:.0f} s. Usual causes: another "
    "VLAN, the switch port not forwarding yet (STP without portfast), PXE disabled in the "
    "firmware, a cable or interface down, netboot on the wrong interface (server.interfaces), or "
    "the machine boots from disk first"
)

_DECIDED = frozenset({Kind.IGNORED, Kind.OFFER, Kind.SCRIPT})
_FALLBACK_SIZE = os.terminal_size((80, 24))


class Console:
    """Prints events as they come.

    Args:
        stream: where to.
        json: one JSON object a line instead of text.
        tty: redraw each machine's line in place; ignored with ``json``.
        now: seconds since the epoch, for lines that are no events.
    """

    def __init__(
        self, stream: TextIO, *, json: bool, tty: bool, now: Callable[[], float] = time.time
    ) -> None:
        self._stream: TextIO | None = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._json = json
        self._now = now
        self._signs = marks_for(self._encoding)
        self._terminal = Terminal(self._write, self._size, self._signs) if tty else None
        self._budget = Budget()
        self._boots: OrderedDict[str, Boot] = OrderedDict()
        self._suggested: OrderedDict[str, None] = OrderedDict()
        self._heard = False
        self._listening_since: float | None = None

    def event(self, event: Event) -> None:
        """Show one event, unless too many came; never raises."""
        self._heard = self._heard or event.kind is not Kind.LOST
        boot = self._followed(event) if self._terminal else None
        if event.kind is Kind.SYSLOG and "stage" not in event.data:
            return  # the timeline has it; the screen is for boots
        self._sum_up(event.time)
        if not self._budget.allows(event):
            return
        if self._json:
            self._write(json_line(event) + "\n")
        elif self._terminal:
            self._terminal.event(event, boot)
        else:
            self._write(event_line(event, self._signs) + "\n")
        self._suggest(event)

    def line(self, text: str) -> None:
        """Show one line of our own."""
        self._say(text, "message", self._now())

    def quiet(self, now: float) -> None:
        """Look at the clock, about once a second: is it suspiciously quiet, was much left out?

        Args:
            now: seconds since the epoch, as ``Event.time``; the first call starts the wait.
        """
        self._sum_up(now)
        if self._listening_since is None:
            self._listening_since = now
        if not self._heard and now - self._listening_since >= QUIET_AFTER:
            self._heard = True  # said; and what comes later is no news
            self._say(QUIET, "quiet", now)

    def _followed(self, event: Event) -> Boot | None:
        key = machine(event)
        if key is None:
            return None
        boot = self._boots[key] = follow(self._boots.get(key), event)
        self._boots.move_to_end(key)
        if len(self._boots) > MAX_MACHINES:
            self._boots.popitem(last=False)
        return boot

    def _suggest(self, event: Event) -> None:
        """For an unknown machine, once: the command that would install it."""
        mac = event.mac
        if mac is None or event.node is not None or event.kind not in _DECIDED:
            return
        if mac in self._suggested:
            return
        self._suggested[mac] = None
        if len(self._suggested) > MAX_SUGGESTED:
            self._suggested.popitem(last=False)
        command = to_install(mac, event.data.get("arch"))
        text = f"{mac} is unknown; to install it: {command}"
        self._say(text, "unknown", event.time, {"command": command}, mac)

    def _sum_up(self, now: float) -> None:
        if (summary := self._budget.summary(now)) is not None:
            self._say(summary, "suppressed", now)

    def _say(
        self,
        text: str,
        kind: str,
        seconds: float,
        data: dict[str, str | int] | None = None,
        mac: str | None = None,
    ) -> None:
        if self._json:
            self._write(json_object(seconds, kind, text, data or {}, mac=mac) + "\n")
        elif self._terminal:
            self._terminal.text(f"{clock(seconds)} {harmless(text)}")
        else:
            self._write(f"{clock(seconds)} {harmless(text)}\n")

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(
                text.encode(self._encoding, "backslashreplace").decode(self._encoding)
            )
            self._stream.flush()
        except OSError:
            self._stream = None  # its reader is gone or its disk full; machines still want to boot

    def _size(self) -> os.terminal_size:
        if self._stream is None:
            return _FALLBACK_SIZE
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:  # io.UnsupportedOperation is one too
            return _FALLBACK_SIZE
        return size if size.columns and size.lines else _FALLBACK_SIZE
