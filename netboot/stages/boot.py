"""One machine's boot, folded from its events: ``follow`` for every event, ``marks`` for a person.

The rules:

- A boot only moves **forward**. Firmware asks several times (one DISCOVER a NIC, a size query
  before the transfer, DHCP again as iPXE): what comes again moves nothing, and above all moves no
  deadline, or a machine that asks for ever would never be called stalled.
- A machine is its registered name, so that a boot over two NICs is one boot; without one it is
  its MAC.
- A **new boot** starts at a DISCOVER, and only there, when one of these holds:

  1. firmware asks (``data["firmware"]`` is there and not ``ipxe``) after the loader was sent:
     firmware runs before the loader, never after it;
  2. iPXE asks, or we cannot tell who, after the kernel was sent or after a script that nothing
     follows: iPXE is over by then;
  3. ``QUIET_BETWEEN_BOOTS`` passed without any event from the machine.

- Each boot is called stalled at most once, even where it goes on later.
- After ``IGNORED`` and ``FAILED`` nothing is awaited: the event itself says why. A machine that
  gets further afterwards is watched again. A ``FAILED`` that names a ``file`` is a transfer that
  broke off: the machine may ask again, so the wait goes on.
- After the preseed nothing is awaited until the installer tells something of itself, which not
  every one does; from then on its stages are (``netboot.stages.installer``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from netboot.events import Event, Kind
from netboot.model import Firmware
from netboot.stages import installer
from netboot.stages.stage import Stage, Wait
from netboot.stages.table import ASKS_AGAIN, NOT_STARTED, WAITS

QUIET_BETWEEN_BOOTS = 300.0
"""Seconds without any event after which a DISCOVER is a new boot whatever came before."""
MANY_DISCOVERS = 3
"""A machine that takes an offer asks once or twice before it goes on to port 4011."""

_LEADS_TO = {
    Kind.DISCOVER: Stage.OFFER,
    Kind.OFFER: Stage.REQUEST_4011,
    Kind.REQUEST_4011: Stage.ACK_4011,
    Kind.ACK_4011: Stage.TRANSFER,
    Kind.PROBE: Stage.LOADER,
    Kind.LOADER: Stage.IPXE,
    Kind.SCRIPT: Stage.KERNEL,
    Kind.KERNEL: Stage.INITRD,
    Kind.INITRD: Stage.PRESEED,
    Kind.PRESEED: Stage.INSTALLER,
}
_LEADS_IPXE_TO = _LEADS_TO | {
    # iPXE needs no 4011, but asks there when an offer named no boot file
    Kind.DISCOVER: Stage.SCRIPT,
    Kind.OFFER: Stage.SCRIPT,
    Kind.REQUEST_4011: Stage.SCRIPT,
    Kind.ACK_4011: Stage.SCRIPT,
    # autoexec.ipxe, which only iPXE asks for
    Kind.FILE: Stage.SCRIPT,
    Kind.NOT_SERVED: Stage.SCRIPT,
}
_TROUBLES = frozenset({Kind.IGNORED, Kind.FAILED, Kind.STALLED})
_NOT_FROM_THE_MACHINE = frozenset({Kind.STALLED, Kind.LOST})

_LABELS = {
    # the mark of each kind, in the order a line shows them
    Kind.DISCOVER: "DISCOVER",
    Kind.OFFER: "OFFER",
    Kind.ACK_4011: "4011",
    Kind.LOADER: "loader",
    Kind.SCRIPT: "script",
    Kind.KERNEL: "kernel",
    Kind.INITRD: "initrd",
    Kind.PRESEED: "preseed",
    Kind.INSTALLED: "installed",
}
_LABEL_MISSING = {
    Stage.OFFER: "OFFER",
    Stage.REQUEST_4011: "4011",
    Stage.ACK_4011: "4011",
    Stage.TRANSFER: "loader",
    Stage.LOADER: "loader",
    Stage.IPXE: "iPXE",
    Stage.SCRIPT: "script",
    Stage.KERNEL: "kernel",
    Stage.INITRD: "initrd",
    Stage.PRESEED: "preseed",
    **{stage: stage.title for stage in installer.WAITS},
}


@dataclass(frozen=True, slots=True)
class Boot:
    """How far one boot of one machine has come.

    Attributes:
        stage: what it waits for.
        waiting: whether that is still expected; False once told, ignored, failed or done.
        told: whether this boot was called stalled.
        seen: the kinds that came, in order of first appearance.
        profile: what it boots, "" until somebody said.
        ipxe: whether iPXE is speaking by now.
        discovers: DISCOVERs before the loader.
        begun: time of its first event, seconds since the epoch.
        last: time of the machine's latest event, seconds since the epoch.
        trouble: kind of what went wrong last, None while all is well.
        retried: whether iPXE, which had kernel and initrd, asked for its script again.
        gave_up: the boot before this one where it ended unfinished and untold; only set by the
            very event that started this one.
    """

    stage: Stage = Stage.NOTHING
    waiting: bool = False
    told: bool = False
    seen: tuple[Kind, ...] = ()
    profile: str = ""
    ipxe: bool = False
    discovers: int = 0
    begun: float = 0.0
    last: float = 0.0
    trouble: Kind | None = None
    gave_up: "Boot | None" = None
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """A boot's marks: ``(label, came)`` in order, and the profile it boots ("" if unknown)."""

    marks: tuple[tuple[str, bool], ...]
    profile: str = ""

    def text(self, came: str = "✓", missing: str = "✗", arrow: str = "→") -> str:
        """One line, such as ``DISCOVER ✓ OFFER ✓ 4011 ✗ → debian-12``."""
        marks = [f"{label} {came if ok else missing}" for label, ok in self.marks]
        return " ".join([*marks, *([f"{arrow} {self.profile}"] if self.profile else [])])


def machine(event: Event) -> str | None:
    """The key a machine's events share: its name, else its MAC; None where neither is known."""
    return event.node or event.mac


def follow(boot: Boot | None, event: Event) -> Boot:
    """``boot`` after ``event``; a new one where the module's rules say so."""
    if boot is None:
        boot = Boot()
    elif _starts_over(boot, event):
        boot = Boot(gave_up=boot if boot.waiting else None)
    boot = _noted(boot, event)
    if event.kind is Kind.IGNORED and Stage.OFFER < boot.stage < Stage.IPXE:
        return boot  # another dialect of the same firmware was ignored; the boot goes on
    if event.kind in _TROUBLES and not _broke_off(event):
        told = boot.told or event.kind is Kind.STALLED
        return replace(boot, waiting=False, told=told, trouble=event.kind)
    stage = _stage_after(boot, event)
    if stage <= boot.stage:
        return boot
    return replace(boot, stage=stage, waiting=stage in WAITS and not boot.told, trouble=None)


def wait_of(boot: Boot) -> Wait:
    """What to say when ``boot``, which must be waiting, does not go on."""
    if boot.stage is Stage.REQUEST_4011 and boot.discovers >= MANY_DISCOVERS:
        return ASKS_AGAIN
    if boot.stage is Stage.PRESEED and boot.retried:
        return NOT_STARTED
    return WAITS[boot.stage]


def marks(boot: Boot) -> Progress:
    """What ``boot`` has reached, and what went wrong after it."""
    reached = [(label, True) for kind, label in _LABELS.items() if kind in boot.seen]
    inside = [step.stage for step in installer.STEPS[1:] if step.stage < boot.stage < Stage.DONE]
    reached += [(stage.title, True) for stage in inside[-1:]]
    if boot.trouble is Kind.IGNORED:
        reached.append(("ignored", False))
    elif boot.trouble is not None and boot.stage in _LABEL_MISSING:
        reached.append((_LABEL_MISSING[boot.stage], False))
    return Progress(tuple(reached), boot.profile)


def progress(events: Iterable[Event]) -> Progress:
    """The marks of the latest boot in one machine's ``events``, oldest first."""
    boot: Boot | None = None
    for event in events:
        boot = follow(boot, event)
    return Progress(()) if boot is None else marks(boot)


def _noted(boot: Boot, event: Event) -> Boot:
    """``boot`` with what ``event`` says whatever its stage."""
    seen = boot.seen
    speaks_ipxe = event.kind is Kind.LOADER or event.data.get("firmware") == Firmware.IPXE
    counted = event.kind is Kind.DISCOVER and Kind.LOADER not in seen
    return Boot(  # not replace(), which takes four times as long: this is done for every event
        boot.stage,
        boot.waiting,
        boot.told,
        seen if event.kind in seen else (*seen, event.kind),
        str(event.data.get("profile") or boot.profile),
        boot.ipxe or speaks_ipxe,
        boot.discovers + counted,
        boot.begun if seen else event.time,
        boot.last if event.kind in _NOT_FROM_THE_MACHINE else event.time,
        boot.trouble,
        None if seen else boot.gave_up,
        boot.retried or (event.kind is Kind.SCRIPT and Kind.INITRD in seen),
    )


def _broke_off(event: Event) -> bool:
    return event.kind is Kind.FAILED and "file" in event.data


def _stage_after(boot: Boot, event: Event) -> Stage:
    if _broke_off(event):
        return Stage.LOADER  # so a transfer did begin; past the loader this moves nothing
    if event.kind is Kind.SCRIPT and event.data.get("image") == "":
        return Stage.DONE  # its profile starts no kernel: the local disk, or a person chooses
    if (begun := installer.begun(event)) is not None:
        return installer.AWAITED_AFTER.get(begun, Stage.DONE)
    return (_LEADS_IPXE_TO if boot.ipxe else _LEADS_TO).get(event.kind, Stage.NOTHING)


def _starts_over(boot: Boot, event: Event) -> bool:
    if event.kind is not Kind.DISCOVER:
        return False
    if event.time - boot.last > QUIET_BETWEEN_BOOTS:
        return True
    speaks_ipxe = event.data.get("firmware", Firmware.IPXE) == Firmware.IPXE
    return boot.stage > (Stage.KERNEL if speaks_ipxe else Stage.LOADER)
