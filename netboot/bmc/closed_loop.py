"""The closed loop: read, ask ``plan``, write the intent, do it, write what came of it, again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from netboot.bmc.driver import Driver
from netboot.bmc.goal import Action, Climb, Done, Failed, Goal, Listen, Power, SetBoot, Wait
from netboot.bmc.history import Came, Did, Event, History, Memory, where, worked_first
from netboot.bmc.model import Observed, PowerAction, Rung
from netboot.bmc.plan import plan
from netboot.errors import BmcError

Expect = Callable[[str, float, float], str | None]
"""``expect(mac, since, timeout)``: what was heard of ``mac`` at or after ``since`` (epoch seconds)
within ``timeout`` seconds from now, in words; None for nothing. At 0 it looks at what is known."""
Record = Callable[[Event], None]
"""Takes each event as it happens; an intent must be safe on disk when this returns."""


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
    memory: Memory | None = None
    model: str = ""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    history: list[Event] = field(default_factory=list)

    def run(self) -> Result:
        """Work until the goal is reached or cannot be; the BMC is logged out of afterwards."""
        try:
            while True:
                step = plan(self.goal, self._read(), tuple(self.history), self.clock())
                if isinstance(step, Done | Failed):
                    self._remember(step)
                    return Result(step, tuple(self.history))
                self._do(step)
        finally:
            self.driver.close()

    def _choose_rungs(self) -> None:
        """Have the driver's own ladder where the goal has none, and what worked before first."""
        rungs = self.driver.rungs(self.goal.wanted)
        if self.memory is not None and self.model:
            rungs = worked_first(rungs, self.memory.rungs(self.model).get(self.goal.wanted.target))
        self.goal = replace(self.goal, rungs=rungs)

    def _remember(self, end: Done | Failed) -> None:
        if self.memory is not None and self.model and isinstance(end, Done):
            self.memory.remember_rung(self.model, self.goal.wanted.target, end.rung)

    def _do(self, step: Action) -> None:
        match step:
            case SetBoot(rung, override, clears):
                did = Did.CLEAR if clears else Did.SET
                self._attempt(did, rung, lambda: self.driver.set_boot(override, rung))
            case Power(rung, action):
                self._append(Event(self.clock(), rung, Did.RESET, Came.INTENT, action=action))
                self._attempt(Did.RESET, rung, lambda: self.driver.power(action), action)
            case Listen(rung, since, until):
                self._listen(rung, since, until)
            case Wait(until, _):
                self._sleep_until(until)
            case Climb(rung, why):
                why += self._eject() if rung is Rung.VIRTUAL_MEDIA else ""
                self._append(Event(self.clock(), rung, Did.CLIMB, Came.REFUSED, why))

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

    def _listen(self, rung: Rung, since: float, until: float) -> None:
        words = self.expect(self.goal.mac, since, max(0.0, until - self.clock()))
        if words is not None:
            self._append(Event(self.clock(), rung, Did.LISTEN, Came.OK, words))
            return
        self._sleep_until(until)
        last = self.history[-1]
        if (last.did, last.came, last.rung) != (Did.LISTEN, Came.SILENT, rung):
            self._append(Event(self.clock(), rung, Did.LISTEN, Came.SILENT))

    def _eject(self) -> str:
        """Take the springboard out again; what the BMC said if that failed."""
        try:
            self.driver.eject()
        except BmcError as error:
            return f" (its ISO may stay inserted: {error})"
        return ""

    def _sleep_until(self, until: float) -> None:
        if (left := until - self.clock()) > 0:
            self.sleep(left)

    def _append(self, event: Event) -> None:
        self.record(event)
        self.history.append(event)
