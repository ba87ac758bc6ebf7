"""What came of a run: for a person, and for a program."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import ceil

from netboot.simulate.machine import Outcome, Stage
from netboot.simulate.run import Plan

MAX_LISTED = 20
"""Machines told one by one; of more, those that stopped are told by reason."""
MAX_REASONS = 20
"""Reasons told."""


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of values that are not empty; ``share`` from 0 to 1."""
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def lines(plan: Plan, outcomes: Sequence[Outcome], seconds: float) -> Iterator[str]:
    """The report for a person."""
    if len(outcomes) <= MAX_LISTED:
        for outcome in sorted(outcomes, key=lambda each: each.machine.mac):
            stage = outcome.stage or "nothing"
            end = f" in boot {outcome.boots}" if outcome.boots > 1 else ""
            end += "" if outcome.stop is None else f": {outcome.stop}"
            yield f"{outcome.machine.mac} reached {stage} in {outcome.seconds:.2f} s{end}"
    else:
        yield from _reasons(outcomes)
    reached = sum(outcome.stop is None for outcome in outcomes)
    again = sum(outcome.boots > 1 for outcome in outcomes)
    more = f", {again} of them not in their first boot" if again else ""
    yield f"{reached} of {len(outcomes)} reached {plan.until} in {seconds:.1f} s{more}"
    if times := _times(outcomes):
        yield f"{'stage':<8} {'machines':>8} {'p50':>9} {'p99':>9}"
    for stage, values in times.items():
        p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
        yield f"{stage:<8} {len(values):>8} {p50:>7.2f} s {p99:>7.2f} s"


def document(plan: Plan, outcomes: Sequence[Outcome], seconds: float) -> dict[str, object]:
    """The report for a program; times are seconds from each machine's first DISCOVER."""
    return {
        "firmware": plan.machines[0].kind.value if plan.machines else None,
        "until": plan.until.value,
        "machines": len(outcomes),
        "reached": sum(outcome.stop is None for outcome in outcomes),
        "seconds": seconds,
        "bytes": sum(outcome.bytes for outcome in outcomes),
        "stages": {
            stage.value: {
                "machines": len(values),
                "p50": percentile(values, 0.5),
                "p99": percentile(values, 0.99),
            }
            for stage, values in _times(outcomes).items()
        },
        "outcomes": [_one(outcome) for outcome in outcomes],
    }


def _one(outcome: Outcome) -> dict[str, object]:
    stop = outcome.stop
    return {
        "mac": outcome.machine.mac,
        "address": outcome.machine.address,
        "stage": outcome.stage.value if outcome.stage is not None else None,
        "seconds": outcome.seconds,
        "bytes": outcome.bytes,
        "boots": outcome.boots,
        "times": {stage.value: at for stage, at in outcome.times.items()},
        "stopped": None if stop is None else {"words": stop.words, "why": stop.why},
    }


def _reasons(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Machines that stopped at one stage with the same words, the most first, with one of them."""
    kinds: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        if outcome.stop is not None:
            kind = outcome.stage or "nothing", outcome.stop.words
            kinds[kind] += 1
            examples.setdefault(kind, outcome)
    for kind, count in kinds.most_common(MAX_REASONS):
        example = examples[kind]
        yield f"{count} reached {kind[0]}: {example.stop}, such as {example.machine.mac}"


def _times(outcomes: Sequence[Outcome]) -> Mapping[Stage, list[float]]:
    found = {stage: [o.times[stage] for o in outcomes if stage in o.times] for stage in Stage}
    return {stage: values for stage, values in found.items() if values}
