"""Runs both sides in turn and says how they compare.

The sides take turns, and the one that went first goes second next time, so that whatever else the
machine does at that moment hits both. The ratio is the median of the turns' own ratios, its spread
their least and greatest; above 1 we are better, whatever the unit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.work import Figure, Missing, Server, Sides, Size, Work

HEADER = ("work", "peer", "netboot", "ratio (spread)", "CPU netboot / peer", "goal")
_LARGE, _MEDIUM = 1000, 20


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of each side; ``peer`` is None where there is none."""

    ours: Figure
    peer: Figure | None = None


def take_turns(work: Work, sides: Sides, size: Size) -> list[Turn]:
    """Measure both sides ``size.runs`` times, interleaved."""
    peer = sides.peer if isinstance(sides.peer, Server) else None
    turns = []
    for number in range(size.runs):
        if peer is None:
            turns.append(Turn(work.measure(sides.ours, size)))
        elif number % 2:
            ours = work.measure(sides.ours, size)
            turns.append(Turn(ours, work.measure(peer, size)))
        else:
            theirs = work.measure(peer, size)
            turns.append(Turn(work.measure(sides.ours, size), theirs))
    return turns


def row(work: Work, sides: Sides, turns: Sequence[Turn]) -> tuple[str, ...]:
    """The table's row for ``work``, a cell for each of ``HEADER``."""
    ours = _told(work, [turn.ours for turn in turns])
    theirs = [turn.peer for turn in turns if turn.peer is not None]
    peer = "-"
    if isinstance(sides.peer, Missing):
        peer = f"{sides.peer.name} is missing: {sides.peer.reason}"
    elif sides.peer is not None:
        peer = f"{sides.peer.name} {_told(work, theirs)}"
    return (work.title, peer, ours, _ratio(work, turns), _cpu(work, turns), work.goal)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows as Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _told(work: Work, figures: Sequence[Figure]) -> str:
    """The median of some runs: ``1,234 OFFERs/s, p99 1.2 ms, 3 FAILED``."""
    told = f"{_number(_middle(figures, lambda each: each.value))} {work.unit}"
    if figures[0].p99 is not None:
        told += f", p99 {_number(1000 * _middle(figures, lambda each: each.p99 or 0.0))} ms"
    failed = sum(figure.failed for figure in figures)
    return f"{told}, {failed} FAILED" if failed else told


def _ratio(work: Work, turns: Sequence[Turn]) -> str:
    ratios = sorted(
        turn.peer.value / turn.ours.value
        if work.less_is_better
        else turn.ours.value / turn.peer.value
        for turn in turns
        if turn.peer is not None and turn.peer.value and turn.ours.value
    )
    if ratios:
        return f"{median(ratios):.2f}x ({ratios[0]:.2f}-{ratios[-1]:.2f})"
    values = sorted(turn.ours.value for turn in turns)
    return f"({_number(values[0])}-{_number(values[-1])})"


def _cpu(work: Work, turns: Sequence[Turn]) -> str:
    if not work.cpu_unit:
        return "-"
    ours = median(turn.ours.cpu or 0.0 for turn in turns)
    theirs = median([turn.peer.cpu or 0.0 for turn in turns if turn.peer is not None] or [0.0])
    if not theirs:  # no peer, or one whose children nobody waits for
        return f"{_seconds(ours)} / - a {work.cpu_unit}"
    ratio = ours / theirs
    return f"{_seconds(ours)} / {_seconds(theirs)} a {work.cpu_unit} = {ratio:.2f}x"


def _middle(figures: Sequence[Figure], value: Callable[[Figure], float]) -> float:
    return median(map(value, figures))


def _number(value: float) -> str:
    if value >= _LARGE:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= _MEDIUM else f"{value:.2f}"


def _seconds(value: float) -> str:
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if value >= length:
            return f"{value / length:.2f} {unit}"
    return f"{value * 1e6:.1f} µs"
