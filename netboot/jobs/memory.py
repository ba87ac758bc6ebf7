"""What a job remembers from turn to turn: JSON in its row, so any process can go on from it.

The closed loop's history is in it, intents before they are acted on. A memory is read by the next
version too: what it does not know is left out, and a stage is kept by its name.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from netboot.bmc.history import Came, Did
from netboot.bmc.history import Event as BmcStep
from netboot.bmc.model import Rung
from netboot.job import JobState
from netboot.jobs.deploy import INSTALL, Step
from netboot.lifecycle import Cause
from netboot.stages import Boot, Stage

Loop = Literal["", "done", "failed"]


class Watched(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was seen of the machine.

    Attributes:
        after: the id of the last event that was looked at; None before the first look.
        boot: ``Boot`` as plain data, its stage by name; None until something came.
        since: when its stage was reached, epoch seconds.
        said: what came last, for a person.
        last: when it came; 0 for nothing.
        first: when the first sign of it came since it was restarted.
    """

    after: int | None = None
    boot: dict[str, object] | None = None
    since: float = 0.0
    said: str = ""
    last: float = 0.0
    first: float = 0.0


class Meddled(msgspec.Struct, frozen=True):
    """An operator changed the machine's power; ``asked`` says how, in words."""

    by: str
    asked: str
    at: float


class Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """An end that was come to at ``since``, as ``Ends``; what the job left is put back first."""

    state: JobState
    outcome: str
    since: float
    cause: Cause | None = None


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one job remembers.

    Attributes:
        attempt: which attempt of the job all this is of.
        begun: when that began.
        history: of the closed loop.
        rungs: the ways it goes, once the BMC was asked for them.
        iso_url: where the machine's springboard is, once that was known.
        loop: how the closed loop ended, "" while it has not.
        words: what there is to say of that end.
        queued: it waits until fewer machines start.
        told: what a person was told to do.
        meddled: set once an operator took the machine's power in hand.
        watched: what was seen of the machine.
        template: the deploy template that was chosen, "" for none; None before that.
        steps: its steps.
        at: which of them is under way.
        bios: what is known of the attributes that the step sets.
        ending: how it is to end, once its virtual CD is out.
    """

    attempt: int = 0
    begun: float = 0.0
    history: tuple[BmcStep, ...] = ()
    rungs: tuple[Rung, ...] | None = None
    iso_url: str = ""
    loop: Loop = ""
    words: str = ""
    queued: bool = False
    told: str = ""
    meddled: Meddled | None = None
    watched: Watched = Watched()
    template: str | None = None
    steps: tuple[Step, ...] = ()
    at: int = 0
    bios: Literal["", "written", "as-wanted"] = ""
    ending: Ending | None = None

    @property
    def has_cd(self) -> bool:
        """Whether the springboard that the job inserted was not seen to be out again."""
        for step in reversed(self.history):
            if step.did is Did.EJECT and (step.came is Came.OK or self.loop):
                return False  # or the loop has said that it stays
            if step.did is Did.SET and step.rung is Rung.VIRTUAL_MEDIA:
                return True
        return False

    @property
    def installs(self) -> bool:
        """Whether the machine is being installed: no step before or after that is under way."""
        return not self.steps or self.steps[self.at] == INSTALL

    @property
    def intent(self) -> BmcStep | None:
        """The newest change of power that was to be made."""
        found = [one for one in self.history if (one.did, one.came) == (Did.RESET, Came.INTENT)]
        return found[-1] if found else None

    @property
    def heard(self) -> BmcStep | None:
        """The machine's sign of life after it."""
        found = [one for one in self.history if (one.did, one.came) == (Did.LISTEN, Came.OK)]
        return found[0] if found else None


def next_step(memory: Memory, now: float) -> Memory:
    """The memory as the next step begins: of the one before, only who has the machine in hand."""
    return Memory(
        attempt=memory.attempt,
        begun=now,
        meddled=memory.meddled,
        watched=Watched(after=memory.watched.after),
        template=memory.template,
        steps=memory.steps,
        at=memory.at + 1,
    )


def has_cd(raw: bytes) -> bool:
    """Whether a job with this memory inserted a springboard that was not seen to be out again."""
    return understood(raw).has_cd


def encoded(memory: Memory) -> bytes:
    """The memory as JSON."""
    slim = msgspec.structs.replace(memory, history=tuple(_without_repeats(memory.history)))
    return msgspec.json.encode(slim)


def decoded(raw: bytes) -> Memory:
    """The memory that ``encoded`` made; an empty one for b"".

    Raises:
        ValueError: it is of a version that we cannot read.
    """
    return _DECODER.decode(raw) if raw else Memory()


def understood(raw: bytes) -> Memory:
    """As ``decoded``; an empty one where it is of a version that we cannot read."""
    try:
        return decoded(raw)
    except ValueError:
        return Memory()


def boot_of(watched: Watched) -> Boot | None:
    """The boot that was kept; one that this version cannot read begins anew."""
    if watched.boot is None:
        return None
    name = str(watched.boot.get("stage", "")).upper().replace("-", "_")
    try:
        return msgspec.convert({**watched.boot, "stage": Stage[name].value}, Boot)
    except (KeyError, ValueError):
        return None


def kept_boot(boot: Boot) -> dict[str, object]:
    """A boot as it is kept; the one before it is over."""
    kept: dict[str, object] = msgspec.to_builtins(boot)
    return {**kept, "stage": boot.stage.slug, "gave_up": None}


def _without_repeats(history: Sequence[BmcStep]) -> list[BmcStep]:
    """Leave out good readings that show nothing that the one before did not."""
    found: list[BmcStep] = []
    reading: BmcStep | None = None
    for step in history:
        if step.did is Did.READ:
            if reading is not None and _alike(reading, step):
                continue
            reading = step
        found.append(step)
    return found


def _alike(one: BmcStep, other: BmcStep) -> bool:
    both_good = one.came is Came.OK and other.came is Came.OK
    return both_good and (one.power, one.last_reset) == (other.power, other.last_reset)


_DECODER = msgspec.json.Decoder(Memory)
