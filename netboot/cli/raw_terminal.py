"""A terminal whose keys all go to somebody else, and how its user gets out again."""

import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from types import FrameType

ESCAPES = "~. at the beginning of a line, or Ctrl-]"

_GROUP_SEPARATOR = 0x1D  # Ctrl-]
_SANE = b"\x1b[0m\x1b[?25h\x1b[?7h\r\n"
"""No colours, a cursor, lines that wrap: whatever the machine left."""
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Escape:
    """Looks through what is typed for ``ESCAPES``; ``~~`` at the beginning of a line is a tilde."""

    def __init__(self) -> None:
        self._begins = True
        self._tilde = False

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """What of it is for the machine, and whether its user wants to leave."""
        through = bytearray()
        for key in typed:
            if key == _GROUP_SEPARATOR or (self._tilde and key == ord(".")):
                return bytes(through), True
            if self._tilde:
                self._tilde = False
                through += b"~" if key == ord("~") else bytes([ord("~"), key])
            elif self._begins and key == ord("~"):
                self._tilde = True
                continue
            else:
                through.append(key)
            self._begins = key in b"\r\n"
        return bytes(through), False


@contextlib.contextmanager
def raw(keyboard: int, screen: int) -> Iterator[None]:
    """Raw mode; the terminal is as before when the block ends, by SIGTERM or SIGHUP too."""
    before = termios.tcgetattr(keyboard)
    handlers = {number: signal.signal(number, _leave) for number in _ENDING}
    try:
        tty.setraw(keyboard, termios.TCSADRAIN)
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        with contextlib.suppress(OSError):  # likewise
            os.write(screen, _SANE)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signals() -> Iterator[int]:
    """A descriptor that can be read once a signal has come.

    ``select`` looks at it too: a signal that comes just before ``select`` begins does not end it.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield heard
    finally:
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(told)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
