"""A machine's serial output as lines worth keeping: readable, bounded in length, rate and number.

Firmware paints its menus with cursor movements instead of line ends, installers draw the same bar
a hundred times, a kernel says a thousand lines in a second. What is typed is not kept.
"""

import codecs
import re

LONGEST_LINE = 240
"""Characters of one line; what is longer goes on in the next."""
MOST_LINES = 1000
"""Lines kept of one session; a machine's timeline has 5,000 events."""
BURST = 100
"""Lines kept at once: fewer than are looked through for a sign of the machine."""
PER_SECOND = 5.0
"""Lines kept for each second that passes."""

_LINE_END = re.compile(r"\r\n|[\n\r\v\f]|\x1b\[[0-9;?]*[HfJABEFd]|\x1bc")
"""Also where the cursor goes to another line, or the screen is cleared."""
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+][0-9A-B]|[ -/]*[0-~])"
)
_PARTIAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,200}|[()*+])?\Z|\r\Z")


class Lines:
    """The lines of one session; ``now`` is seconds of any clock that rises."""

    def __init__(self, now: float) -> None:
        self.kept = 0
        self.dropped = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._last = ""
        self._tokens, self._counted = float(BURST), now

    def take(self, output: bytes, now: float) -> list[str]:
        """Take output; the lines that are whole by it and are to be kept."""
        self._text += self._decoder.decode(output)
        partial = _PARTIAL.search(self._text)
        whole, rest = self._text, ""
        if partial:
            whole, rest = self._text[: partial.start()], self._text[partial.start() :]
        *lines, last = _LINE_END.split(whole)
        while len(last) > LONGEST_LINE:
            lines.append(last[:LONGEST_LINE])
            last = last[LONGEST_LINE:]
        self._text = last + rest
        return self._worth_keeping(lines, now)

    def finish(self, now: float) -> list[str]:
        """The line that never ended."""
        text, self._text = self._text, ""
        return self._worth_keeping([text], now)

    def _worth_keeping(self, lines: list[str], now: float) -> list[str]:
        self._tokens = min(BURST, self._tokens + (now - self._counted) * PER_SECOND)
        self._counted = now
        found = []
        for line in lines:
            for piece in _pieces(_readable(line)):
                if piece == self._last:
                    continue
                self._last = piece
                if self._tokens < 1 or self.kept >= MOST_LINES:
                    self.dropped += 1
                    continue
                self._tokens -= 1
                self.kept += 1
                found.append(piece)
        return found


def _readable(line: str) -> str:
    """The line without escapes and control characters, and without blanks at its ends."""
    text = _ESCAPE.sub("", line).expandtabs(4)
    return "".join(char for char in text if char.isprintable()).strip()


def _pieces(line: str) -> list[str]:
    return [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)]
