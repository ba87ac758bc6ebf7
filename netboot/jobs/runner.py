"""One turn of one job: take in the news, plan, speak to its BMC where the plan says so, plan again.

What a turn does to a machine stands in the job's memory before it is done, so the next turn, of
this process or another, needs nothing else.
"""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from msgspec.structs import replace as with_

from netboot.bmc.closed_loop import Pause
from netboot.bmc.driver import Driver
from netboot.errors import BmcError, ConfigError, OperationError
from netboot.job import Job, JobKind, JobState
from netboot.jobs import deploying, inspect, install, power, rescue, wipe
from netboot.jobs.bmc_locks import Busy
from netboot.jobs.bmc_turn import Turn, keep_screen, opened
from netboot.jobs.driving import Driving
from netboot.jobs.ending import held_back
from netboot.jobs.ending import plan as plan_end
from netboot.jobs.memory import Memory, decoded, next_step
from netboot.jobs.step import (
    Bios,
    Drive,
    Ends,
    Hands,
    Inspect,
    Next,
    OnBmc,
    Plan,
    PutBack,
    Step,
    View,
    Waits,
)
from netboot.jobs.tools import Tools
from netboot.jobs.watching import ASKED, watch
from netboot.lifecycle import Cause
from netboot.store.bmc_shapes import Bmc
from netboot.store.job_shapes import Claimed, Fenced

PLANS: Mapping[JobKind, Plan] = {
    JobKind.INSTALL: install.plan,
    JobKind.INSPECT: inspect.plan,
    JobKind.RESCUE: rescue.plan,
    JobKind.WIPE: wipe.plan,
    JobKind.POWER: power.plan,
}
ALIVE = 300.0
"""Seconds since a machine's last sign within which a retried job goes on watching its boot."""
BUSY_PAUSE = 2.0
"""Seconds until a BMC that somebody else speaks to is tried again."""
TROUBLE_PAUSE = 15.0
"""Seconds until what our own side could not do is tried again: a vault, a full disk."""
READ_AT_ONCE = 1000
"""Events of a machine that are looked at in one go."""


class JobTurn:
    """One turn.

    Args:
        tools: with which.
        claimed: the job.
        settled: until then, epoch seconds, a machine's events may still be on their way to us.

    Attributes:
        memory: what the next turn must know.

    Raises:
        Unknown: its node is gone.
        ValueError: its memory cannot be read.
    """

    def __init__(self, tools: Tools, claimed: Claimed, settled: float = 0.0) -> None:
        self._tools = tools
        self._settled = settled
        self._claimed = claimed
        self._job = claimed.job
        self._node = tools.store.get(claimed.job.node)
        self._bmc = tools.store.bmc(claimed.job.node)
        self._note = ""
        self.memory = decoded(claimed.memory)

    def take(self) -> Waits | Ends:
        """Take it.

        Raises:
            Fenced: the turn is another's by now; nothing more may be done for the job.
            OperationError: the store could not do it.
        """
        if self.memory.attempt != self._job.attempt:
            if self.memory.attempt:
                self._look()  # its machine may still be at work
            self.memory = begun(self._job, self.memory, self._tools.clock())
            if problem := self._choose():
                return problem
        self._look()
        if self._too_late_to_say():
            return self._hold_on()
        step = self._taken()
        if isinstance(step, Ends) and self.memory.has_cd and self.memory.ending is None:
            self.memory = held_back(self.memory, step, self._tools.clock())
            step = self._taken()
        if isinstance(step, Next):
            return self._next(step)
        if isinstance(step, Ends) and step.state is JobState.FAILED and self.memory.watched.last:
            self._keep_screen()
        return replace(step, note=self._note) if isinstance(step, Waits) else step

    def _taken(self) -> Waits | Ends | Next:
        """What is planned, and done where it is for the BMC."""
        step = self._plan()
        if isinstance(step, OnBmc):
            pause = self._with_bmc()
            self._look()
            step = self._plan(driven=True, pause=pause)
        if isinstance(step, OnBmc):
            raise RuntimeError(f"{self._job.kind} asks for the BMC twice in a turn")  # noqa: TRY004 -- a plan of ours is wrong
        return step

    def _choose(self) -> Ends | None:
        """Choose the deploy template of an installation that begins; its end where none can be."""
        if self._job.kind is not JobKind.INSTALL or self.memory.template is not None:
            return None
        try:
            deploy = self._tools.deploy(self._job.node)
        except ConfigError as problem:
            return Ends(JobState.FAILED, str(problem), Cause.FAIL)
        if deploy is None:
            self.memory = with_(self.memory, template="")
        else:
            self.memory = with_(self.memory, template=deploy.template, steps=deploy.steps)
            self._note = f"by deploy template {deploy}"
        return None

    def _next(self, step: Next) -> Waits:
        """The step is done; the next one begins with a turn of its own."""
        now = self._tools.clock()
        self.memory = next_step(self.memory, now)
        note = "; ".join(filter(None, (self._note, step.said)))
        return Waits(deploying.stage(self.memory), "", now, None, now, note)

    def _too_late_to_say(self) -> bool:
        """Whether a deadline passed while we were away, and its machine may yet be heard."""
        deadline, now = self._job.deadline, self._tools.clock()
        return deadline is not None and deadline <= now < self._settled

    def _hold_on(self) -> Waits | Ends:
        """Wait until what the machine did meanwhile is here; only its success counts before."""
        step = self._plan(driven=True)
        if isinstance(step, Ends) and step.state is JobState.DONE:
            return step
        job = self._job
        return Waits(job.stage, job.waits_for, job.since, job.deadline, self._settled)

    def _plan(self, *, driven: bool = False, pause: Pause | None = None) -> Step:
        hands = hands_of(self._bmc, self._job)
        view = View(self._job, self._node, hands, self.memory, driven, pause)
        if (ending := self.memory.ending) is not None:
            return plan_end(view, ending, self._tools.clock())
        return PLANS[self._job.kind](view, self._tools.clock())

    def _look(self) -> None:
        """Take in what became of the node and its machine since the last look."""
        store, name = self._tools.store, self._job.node
        self._node = store.get(name)
        while True:
            after = self.memory.watched.after
            records = store.timeline(name, after, READ_AT_ONCE)
            self.memory = watch(self.memory, records, self._job.id)
            if after is None or len(records) < READ_AT_ONCE:
                return

    def _with_bmc(self) -> Pause | None:
        """Do what is planned on the BMC; a pause where it waits, or cannot be done now."""
        tools, bmc = self._tools, self._bmc
        if bmc is None:
            raise RuntimeError(f"{self._job.node} has no BMC, yet the plan asks for it")
        if self.memory.queued and (shut := tools.cap.shut(self._job.id)):
            return shut
        turn = self._turn()
        try:
            with tools.locks.hold(bmc, turn):
                self._look()  # until now an operator may have had the BMC
                return self._on_bmc(turn, bmc, self._plan())
        except Fenced:
            raise
        except Busy as error:
            return Pause(tools.clock() + BUSY_PAUSE, str(error))
        except OperationError as error:
            return Pause(tools.clock() + TROUBLE_PAUSE, turn.clean(str(error)))
        except (BmcError, ConfigError) as error:
            self.memory = with_(self.memory, loop="failed", words=turn.clean(str(error)))
            return None

    def _on_bmc(self, turn: Turn, bmc: Bmc, step: Step) -> Pause | None:
        if not isinstance(step, OnBmc):
            return None
        if self._job.kind is JobKind.POWER and not self.memory.history:
            turn.tell(f"{turn.asker} asked: {turn.asked}", ASKED)  # as an operator's own action is
        with _opened(turn, bmc, self._tools):
            driving = Driving(self._tools, self._claimed, turn, self.memory)
            try:
                match step:
                    case Inspect():
                        return driving.inspect()
                    case Bios():
                        return driving.bios(step)
                    case Drive():
                        return driving.drive(step)
                    case PutBack():
                        return driving.put_back(step.goal)
            finally:
                self.memory = driving.memory

    def _keep_screen(self) -> None:
        """The machine stopped on its way: keep what it shows, where its BMC sees that."""
        if self._bmc is None or self._tools.screens is None:
            return
        turn, tools = self._turn(), self._tools
        with (
            contextlib.suppress(BmcError, ConfigError, OperationError),
            tools.locks.hold(self._bmc, turn),
            _opened(turn, self._bmc, tools),
        ):
            keep_screen(turn)

    def _turn(self) -> Turn:
        tools, job = self._tools, self._job
        action = f" {job.asked.get('action', '')}" if job.kind is JobKind.POWER else ""
        where = (tools.store, tools.arrived, tools.leaving, tools.screens)
        return Turn(self._node, f"{job.kind}{action}", job.by, *where, job=job.id)


def _opened(turn: Turn, bmc: Bmc, tools: Tools) -> AbstractContextManager[Driver]:
    return opened(turn, bmc, tools.safe, tools.opener)


def begun(job: Job, before: Memory, now: float) -> Memory:
    """The memory with which an attempt begins.

    A retried job whose machine is still at work goes on watching it, with new deadlines. Any other
    machine is brought to the network anew. Steps of a deploy template that were done are not
    done again.
    """
    watched = before.watched
    chosen = Memory(template=before.template, steps=before.steps, at=before.at)
    alive = watched.boot is not None and now - watched.last <= ALIVE
    if job.attempt > 1 and before.installs and alive:
        return with_(
            chosen,
            attempt=job.attempt,
            begun=before.begun,
            history=before.history,
            loop="done",
            watched=with_(watched, since=now, first=now),
        )
    return with_(chosen, attempt=job.attempt, begun=job.since)


def hands_of(bmc: Bmc | None, job: Job) -> Hands:
    """Who is to switch the machine: its BMC, unless the job is to leave that to a person."""
    if bmc is None:
        return Hands.NOBODY
    if job.asked.get("power") is False:
        return Hands.PERSON
    return {"manual": Hands.PERSON, "wol": Hands.WAKE}.get(bmc.address.scheme, Hands.BMC)
