"""A job's turn on its BMC: the closed loop, whose intents are in the job's row before it acts."""

from dataclasses import replace

from msgspec.structs import replace as with_

from netboot.answer.discs import image_of
from netboot.bmc.closed_loop import ClosedLoop, Pause
from netboot.bmc.driver import HasBios
from netboot.bmc.goal import Done, Failed, Goal, Sign
from netboot.bmc.history import Came, Did, model_of
from netboot.bmc.history import Event as BmcStep
from netboot.bmc.leaving import put_back
from netboot.bmc.model import Hardware, PowerAction, Rung
from netboot.errors import BmcError, NotBootable, OperationError
from netboot.events import Kind
from netboot.groups import Groups, in_effect
from netboot.job import JobKind
from netboot.jobs.bmc_turn import Turn, keep_screen
from netboot.jobs.deploy import differences, pairs
from netboot.jobs.inspect import ASK_AGAIN
from netboot.jobs.memory import Memory, boot_of, encoded
from netboot.jobs.step import Bios, Drive
from netboot.jobs.tools import Tools
from netboot.jobs.volumes import leave_volume
from netboot.jobs.watching import forget_boot
from netboot.store.job_shapes import Claimed

_SIGNS = frozenset({Kind.DISCOVER, Kind.REQUEST_4011, Kind.LOADER, Kind.SCRIPT})
"""What shows that a machine came to us."""
_NO_CD = "a boot program to serve its virtual CD, and for the CD's image"
_READS = frozenset({Kind.MEDIA})
"""What shows that its springboard is read."""
_STOPS = (PowerAction.OFF, PowerAction.SHUTDOWN)


class Driving:
    """One turn on one BMC, whose driver is open.

    Attributes:
        memory: the job's, as it is after the turn.
    """

    def __init__(self, tools: Tools, claimed: Claimed, turn: Turn, memory: Memory) -> None:
        self._tools = tools
        self._claimed = claimed
        self._turn = turn
        self.memory = memory

    def drive(self, drive: Drive) -> Pause | None:
        """Take a turn of the closed loop; a pause where it waits, None where it is over.

        Raises:
            Fenced: the turn is another's by now; an intent was not acted on then.
            OperationError: nobody serves the springboard that it must start from.
        """
        if pause := self._leave_volume():
            return pause
        loop = self._loop(drive)
        self.memory = with_(self.memory, queued=False, told="")
        came = loop.turn()
        self._remember(loop)
        if isinstance(came, Pause):
            return came
        end = came.end
        done = isinstance(end, Done)
        words = end.note if isinstance(end, Done) else self._turn.clean(end.why)
        self.memory = with_(
            self.memory, loop="done" if done else "failed", words=words, told=self._turn.said
        )
        if not done and self.memory.intent:
            keep_screen(self._turn)
        return None

    def put_back(self, goal: Goal) -> Pause | None:
        """Put back what was done for ``goal``; a pause where that waits.

        What stays is in the memory's ``words``, "" for nothing.
        """
        loop = self._loop(Drive(replace(goal, sign=Sign.NONE), put_back))
        came = loop.turn()
        self._remember(loop)
        if isinstance(came, Pause):
            return came
        words = self._turn.clean(came.end.why) if isinstance(came.end, Failed) else ""
        self.memory = with_(self.memory, words=words)
        return None

    def inspect(self) -> Pause | None:
        """Ask what the machine is, and keep it; a pause where its BMC has no time."""
        try:
            hardware = self._turn.hands.inspect()
        except BmcError as error:
            if not error.retryable:
                raise
            return Pause(self._tools.clock() + ASK_AGAIN, self._turn.clean(str(error)))
        self._tools.store.keep_hardware(self._turn.node.name, hardware)
        self.memory = with_(self.memory, loop="done", words=_said(hardware))
        return None

    def bios(self, step: Bios) -> Pause | None:
        """Compare and write BIOS attributes; a pause where the BMC has no time."""
        hands = self._turn.hands
        if not isinstance(hands, HasBios):
            raise BmcError(f"BIOS attributes are not to be had by {hands.name}")
        try:
            left = differences(step.attributes, hands.bios())
            if left and step.writes:
                request = hands.set_bios(left)
                line = f"BIOS from its next start on: {pairs(left)}"
                self._turn.tell(line, Came.OK.value, request=request or "")
        except KeyError as missing:
            raise BmcError(f"its BIOS has no attribute {missing.args[0]}") from None
        except BmcError as error:
            if not (error.retryable or error.effect_unknown):
                raise
            return Pause(self._tools.clock() + ASK_AGAIN, self._turn.clean(str(error)))
        if left:
            self.memory = with_(self.memory, bios="written", words=pairs(left))
        else:
            words = f"its BIOS has {pairs(step.attributes)}"
            self.memory = with_(self.memory, bios="as-wanted", words=words)
        return None

    def _leave_volume(self) -> Pause | None:
        """Before an installation's first step; a pause where its BMC has no time."""
        if self._claimed.job.kind is not JobKind.INSTALL or self.memory.history:
            return None
        try:
            leave_volume(self._turn)
        except BmcError as error:
            if not (error.retryable or error.effect_unknown):
                raise
            return Pause(self._tools.clock() + ASK_AGAIN, self._turn.clean(str(error)))
        return None

    def _loop(self, drive: Drive) -> ClosedLoop:
        found = self._tools.store.inspected(self._turn.node.name)
        listens = drive.goal.sign is Sign.DISCOVER
        loop = ClosedLoop(
            self._turn.hands,
            self._with_springboard(drive.goal) if listens else drive.goal,
            self._heard if listens else _nothing,
            reads=self._reads,
            record=lambda step: self._record(loop, step),
            planner=drive.planner,
            gate=self._gate,
            memory=self._tools.store,
            model=model_of(found.hardware) if found else "",
            clock=self._tools.clock,
            history=list(self.memory.history),
        )
        return loop

    def _with_springboard(self, goal: Goal) -> Goal:
        """The goal with its springboard, whose URL stays the same from the first turn on.

        Raises:
            BmcError: the machine would not start from it, and is to.
            OperationError: nobody serves it, and without it nothing can be done.
        """
        if goal.iso_url is None and (bmc := self._tools.store.bmc(self._turn.node.name)):
            node = self._turn.node
            missing, url = f"{_NO_CD}; netboot image fetch {image_of(node)}", None
            try:
                node = in_effect(node, Groups(self._tools.store.groups()).of(node))
                url = self._tools.springboard(node, bmc, self._turn.hands)
            except NotBootable as problem:
                if goal.begins is Rung.VIRTUAL_MEDIA:
                    raise BmcError(str(problem)) from None
            except BmcError as error:
                if not error.retryable:
                    raise
                missing = f"its BMC: {error}"
            if url is None and goal.begins is Rung.VIRTUAL_MEDIA:
                raise OperationError(missing)
            self.memory = with_(self.memory, iso_url=url or "")
            goal = replace(goal, iso_url=url)
        return goal

    def _gate(self, action: PowerAction) -> Pause | None:
        if action in _STOPS:
            return None
        pause = self._tools.cap.take(self._claimed)
        self.memory = with_(self.memory, queued=pause is not None)
        return pause

    def _record(self, loop: ClosedLoop, step: BmcStep) -> None:
        """Write a step down: a change of power first where the next turn looks, and for good."""
        if step.did is Did.RESET:
            self._remember(loop, step)
            if step.came is Came.INTENT:
                self.memory = forget_boot(self.memory)
            self._keep()
        self._turn.record(step)

    def _keep(self) -> None:
        tools, memory = self._tools, encoded(self.memory)
        tools.store.keep(self._claimed, memory, seconds=tools.lease, now=tools.clock())

    def _remember(self, loop: ClosedLoop, *more: BmcStep) -> None:
        """Take over what the loop did; no password that a BMC repeated is kept."""
        clean = self._turn.clean
        history = tuple(
            replace(step, words=clean(step.words), request=clean(step.request))
            for step in (*loop.history, *more)
        )
        self.memory = with_(self.memory, history=history, rungs=loop.goal.rungs)

    def _reads(self, _mac: str, since: float, _timeout: float) -> str | None:
        """That the machine's springboard was read, by its timeline."""
        event = self._turn.store.heard(self._turn.node.name, _READS, since)
        return f"its springboard ISO was read after {event.time - since:.0f} s" if event else None

    def _heard(self, _mac: str, since: float, _timeout: float) -> str | None:
        """What the machine sent, by its timeline; nobody waits in a turn."""
        turn = self._turn
        event = turn.store.heard(turn.node.name, _SIGNS, since)
        if event is not None:
            when = event.time - since
            return f"{event.kind.value} from {event.mac or turn.mac} after {when:.0f} s"
        boot = boot_of(self.memory.watched)  # much may have come since, as after a long absence
        if boot is None or boot.begun < since or not _SIGNS.intersection(boot.seen):
            return None
        return f"its boot began after {boot.begun - since:.0f} s"


def _nothing(_mac: str, _since: float, _timeout: float) -> str | None:
    return None


def _said(hardware: Hardware) -> str:
    """A machine in one clause."""
    name = " ".join(filter(None, (hardware.manufacturer, hardware.model)))
    serial = f", serial {hardware.serial}" if hardware.serial else ""
    return f"it is {name or 'a machine whose BMC does not name it'}{serial}"
