"""What was dropped, by reason: told to control, and in one line a minute for people.

Never at a rate that an attacker chooses.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

REPORT_SECONDS = 60.0
"""Between two lines."""
MAX_REASONS = 8
"""Reasons in one line, the most frequent first."""


class DropReport:
    """Sums up counters that others count in.

    Args:
        counters: reason → how often since the start; one of each protocol.
    """

    def __init__(self, counters: Sequence[Counter[str]]) -> None:
        self._counters = counters
        self._before: Counter[str] = Counter()
        self._due: float | None = None

    def totals(self) -> Mapping[str, int]:
        """What was dropped since the start."""
        return sum(self._counters, Counter())

    def line(self, now: float) -> str | None:
        """What was dropped since the last line, None for nothing or not yet; ``now`` in seconds."""
        if self._due is None:
            self._due = now + REPORT_SECONDS
        if now < self._due:
            return None
        self._due = now + REPORT_SECONDS
        total = sum(self._counters, Counter())
        fresh, self._before = total - self._before, total
        if not fresh:
            return None
        shown = [f"{count} x {reason}" for reason, count in fresh.most_common(MAX_REASONS)]
        rest = len(fresh) - len(shown)
        more = [f"and {rest} more reasons"] if rest > 0 else []
        return f"dropped in the last minute: {', '.join([*shown, *more])}"
