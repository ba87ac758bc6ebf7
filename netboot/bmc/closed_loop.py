"""The closed loop: read, ask ``plan``, write the intent, do it, write what came of it, again.

``turn`` works until there is something to wait for, and says for what: between two turns the
history is all there is, so the next one may be taken by another process. ``run`` waits itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from netboot.bmc.driver import Driver
from netboot.bmc.goal import (
    Action,
    Climb,
    Done,
    Eject,
    Failed,
    Goal,
    Listen,
    Power,
    SetBoot,
    Sign,
    Wait,
)
from netboot.bmc.history import Came, Did, Event, History, Memory, where, worked_first
from netboot.bmc.model import Observed, PowerAction, Rung
from netboot.bmc.plan import plan
from netboot.errors import BmcError

Expect = Callable[[str, float, float], str | None]
"""``expect(mac, since, timeout)``: what was heard of ``mac`` at or after ``since`` (epoch seconds)
within ``timeout`` seconds from now, in words; None for nothing. At 0 it looks at what is known."""
Record = Callable[[Event], None]
"""Takes each event as it happens; an intent must be safe on disk when this returns."""

TURN = 30.0
"""Seconds after which a turn begins nothing new: the BMC may be wanted for something else."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be done now.

    Attributes:
        until: when the next turn is due, epoch seconds.
        why: what is waited for, one clause.
        listen: a sign of the machine ends it early.
    """

    until: float
    why: str
    listen: Listen | None = None


Planner = Callable[[Goal, Observed | None, History, float], Action | Done | Failed]
"""Says what to do next; see ``netboot.bmc.plan``."""
Gate = Callable[[PowerAction], Pause | None]
"""Asked before each change of power, with its intent not written yet; a pause puts it off."""


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended, and all that was done."""

    end: Done | Failed
    history: History


@dataclass(slots=True)
class ClosedLoop:
    """One goal, one machine.

    Attributes:
        driver: its BMC.
        goal: what is wanted; without rungs, by those of the driver.
        expect: hears the machine.
        record: is told every event.
        planner: says what to do next.
        reads: hears the machine's springboard being read, as ``expect`` hears the machine.
        gate: may put changes of power off.
        memory: which rung worked before on this model; None remembers nothing.
        model: by ``history.model_of``; "" for unknown.
        clock: epoch seconds; it and ``sleep`` are for tests.
        sleep: seconds.
        history: what was done before, when an interrupted loop goes on.
    """

    driver: Driver
    goal: Goal
    expect: Expect
    record: Record = lambda _event: None
    planner: Planner = plan
    reads: Expect = lambda _mac, _since, _timeout: None
    gate: Gate = lambda _action: None
    memory: Memory | None = None
    model: str = ""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    history: list[Event] = field(default_factory=list)

    def run(self) -> Result:
        """Take turns until the goal is reached or cannot be; then log out of the BMC."""
        try:
            while isinstance(step := self.turn(), Pause):
                self._wait(step)
            return step
        finally:
            self.driver.close()

    def turn(self) -> Result | Pause:
        """Work until the goal is reached or cannot be, or there is something to wait for.

        The driver stays open.
        """
        enough = self.clock() + TURN
        self._hear_first()
        while True:
            observed = self._read()  # which may tell the goal its rungs
            step = self.planner(self.goal, observed, tuple(self.history), self.clock())
            if isinstance(step, Done | Failed):
                self._remember(step)
                return Result(step, tuple(self.history))
            if pause := self._do(step):
                return pause
            if self.clock() >= enough:
                return Pause(self.clock(), "goes on at once")

    def _choose_rungs(self) -> None:
        """Have the driver's own ladder where the goal has none, and what worked before first."""
        rungs = self.driver.rungs(self.goal.wanted)
        if self.memory is not None and self.model:
            rungs = worked_first(rungs, self.memory.rungs(self.model).get(self.goal.wanted.target))
        self.goal = replace(self.goal, rungs=rungs)

    def _remember(self, end: Done | Failed) -> None:
        chosen = self.goal.begins is not None  # by a person, which says nothing of the model
        if self.memory is not None and self.model and isinstance(end, Done) and not chosen:
            self.memory.remember_rung(self.model, self.goal.wanted.target, end.rung)

    def _do(self, step: Action) -> Pause | None:
        """Do one thing; what is to be waited for is given back."""
        match step:
            case SetBoot(rung, override, clears):
                did = Did.CLEAR if clears else Did.SET
                self._attempt(did, rung, lambda: self.driver.set_boot(override, rung))
            case Eject(rung):
                self._attempt(Did.EJECT, rung, self.driver.eject)
            case Power(rung, action):
                if pause := self.gate(action):
                    return pause
                self._append(Event(self.clock(), rung, Did.RESET, Came.INTENT, action=action))
                self._attempt(Did.RESET, rung, lambda: self.driver.power(action), action)
            case Listen(rung, since, until):
                if self._hear(rung, since):
                    return None
                if until > self.clock():
                    return Pause(until, "a sign of the machine", step)
                self._append(Event(self.clock(), rung, Did.LISTEN, Came.SILENT))
            case Wait(until, why):
                return Pause(until, why)
            case Climb(rung, why):
                self._append(Event(self.clock(), rung, Did.CLIMB, Came.REFUSED, why))
        return None

    def _hear_first(self) -> None:
        """A machine that was heard since the last turn counts, whatever its BMC says of it now."""
        intents = where(self.history, Did.RESET, Came.INTENT)
        listens = self.goal.sign is Sign.DISCOVER
        if listens and intents and not where(self.history, Did.LISTEN, Came.OK):
            self._hear(intents[-1].rung or Rung.CYCLE_ONLY, intents[-1].at)

    def _hear(self, rung: Rung, since: float, timeout: float = 0.0) -> bool:
        """Write down a sign of the machine, if there is one."""
        words = self.expect(self.goal.mac, since, timeout)
        if words is None:
            if rung is Rung.VIRTUAL_MEDIA and not where(self.history, Did.FETCH, since=since):
                self._see_reading(since)
            return False
        self._append(Event(self.clock(), rung, Did.LISTEN, Came.OK, words))
        return True

    def _see_reading(self, since: float) -> None:
        words = self.reads(self.goal.mac, since, 0.0)
        if words is not None:
            self._append(Event(self.clock(), Rung.VIRTUAL_MEDIA, Did.FETCH, Came.OK, words))

    def _wait(self, pause: Pause) -> None:
        left = max(0.0, pause.until - self.clock())
        if pause.listen is None:
            self.sleep(left)
            return
        rung, since = pause.listen.rung, pause.listen.since
        if self._hear(rung, since, left):
            return
        if (left := pause.until - self.clock()) > 0:
            self.sleep(left)
        last = self.history[-1]
        if (last.did, last.came, last.rung) != (Did.LISTEN, Came.SILENT, rung):
            self._append(Event(self.clock(), rung, Did.LISTEN, Came.SILENT))

    def _read(self) -> Observed | None:
        """Read the BMC; only news is written down."""
        try:
            observed = self.driver.observe()
            if self.goal.rungs is None:
                self._choose_rungs()
        except BmcError as error:
            came = Came.BUSY if error.retryable or error.effect_unknown else Came.REFUSED
            if not self._last_reading(came):
                self._append(Event(self.clock(), None, Did.READ, came, str(error)))
            return None
        news = Event(
            self.clock(),
            None,
            Did.READ,
            Came.OK,
            observed.words,
            power=observed.power,
            last_reset=observed.last_reset,
        )
        last = self._last_reading(Came.OK)
        if last is None or replace(last, at=news.at) != news:
            self._append(news)
        return observed

    def _last_reading(self, came: Came) -> Event | None:
        """The last reading, if it came so."""
        last = where(self.history, Did.READ)[-1:]
        return last[0] if last and last[0].came is came else None

    def _attempt(
        self,
        did: Did,
        rung: Rung,
        act: Callable[[], str | None],
        action: PowerAction | None = None,
    ) -> None:
        try:
            request = act() or ""
        except BmcError as error:
            came = Came.BUSY if error.retryable else Came.REFUSED
            came = Came.UNKNOWN if error.effect_unknown else came
            words, request = str(error), error.request
        else:
            came, words = Came.OK, ""
        self._append(Event(self.clock(), rung, did, came, words, request, action))

    def _append(self, event: Event) -> None:
        self.record(event)
        self.history.append(event)
