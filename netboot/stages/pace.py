"""How long an installation takes, and how far one is: from its node's earlier ones, else as usual.

What is guessed here is shown to people; no deadline depends on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netboot.events import Event, Kind
from netboot.stages.boot import Boot, follow
from netboot.stages.stage import Stage

BEFORE = {"flip": 10.0, "power-queue": 5.0, "power-on": 60.0}
"""Seconds of what comes before a machine is heard, by the stages of its job."""
USUAL: Mapping[Stage, float] = {
    Stage.OFFER: 1.0,
    Stage.REQUEST_4011: 4.0,
    Stage.ACK_4011: 1.0,
    Stage.TRANSFER: 1.0,
    Stage.LOADER: 2.0,
    Stage.IPXE: 5.0,
    Stage.SCRIPT: 10.0,
    Stage.KERNEL: 5.0,
    Stage.INITRD: 15.0,
    Stage.PRESEED: 45.0,
    Stage.INSTALLER: 5.0,
    Stage.PARTITIONING: 60.0,
    Stage.BASE_SYSTEM: 40.0,
    Stage.PACKAGES: 150.0,
    Stage.BOOT_LOADER: 240.0,
    Stage.WRITING: 0.0,
    Stage.VERIFYING: 60.0,
    Stage.GROWING: 5.0,
    Stage.LATE: 30.0,
    Stage.CALL_HOME: 20.0,
}
"""Seconds each stage is awaited on a healthy machine with a mirror near by."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each stage of one node's installation lasts.

    Attributes:
        seconds: by a stage's name, in the order they are gone through.
        known: whether it is this node's own, from an earlier installation.
    """

    seconds: Mapping[str, float]
    known: bool = False

    def left(self, stage: str, elapsed: float) -> float:
        """Seconds until the end.

        Args:
            stage: the one it is in; one that is not known counts as the first.
            elapsed: seconds since it began.
        """
        names = list(self.seconds)
        at = names.index(stage) if stage in self.seconds else 0
        here = max(self.seconds[names[at]] - elapsed, 0.0)
        return here + sum(self.seconds[name] for name in names[at + 1 :])

    def share(self, stage: str, elapsed: float) -> float:
        """How much of the whole is over, from 0 to 1."""
        whole = sum(self.seconds.values())
        return 1.0 - self.left(stage, elapsed) / whole if whole else 0.0


def pace(events: Iterable[Event]) -> Pace:
    """The pace of a node.

    Args:
        events: its timeline, oldest first.
    """
    seconds = BEFORE | {stage.slug: usual for stage, usual in USUAL.items()}
    if not (took := _last(events)):
        return Pace(seconds)
    own = {stage.slug: took.get(stage, 0.0) for stage in USUAL}  # what was passed over took nothing
    return Pace(seconds | own, known=True)


@dataclass(slots=True)
class _Run:
    """A boot that is followed: how long each stage was awaited."""

    boot: Boot | None = None
    since: float = 0.0
    took: dict[Stage, float] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        before, self.boot = self.boot, follow(self.boot, event)
        if before is None or before.begun != self.boot.begun:
            self.took, self.since = {}, event.time
        elif before.stage is not self.boot.stage:
            self.took[before.stage] = max(event.time - self.since, 0.0)
            self.since = event.time


def _last(events: Iterable[Event]) -> Mapping[Stage, float]:
    """The stages of the last boot that installed the machine, in seconds."""
    run, last = _Run(), dict[Stage, float]()
    for event in events:
        run.see(event)
        if event.kind is Kind.INSTALLED and Stage.KERNEL in run.took:
            last = dict(run.took)
    return last
