"""Whatever is asked of jobs in whatever order, by however many runners, dead ones among them."""

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from netboot.errors import ConfigError
from netboot.events import Event, Kind
from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import UNDER_WAY, Cause
from netboot.model import Mac, Node, State
from netboot.store.job_rows import holds
from netboot.store.job_shapes import Claimed, Fenced, Progress
from netboot.store.lives import BY_WORD
from netboot.store.shapes import Conflict
from netboot.store.store import Store

NODES = {name: Node(name, (Mac(f"52:54:00:00:00:0{name[-1]}"),), "linux") for name in ("n1", "n2")}
OWNERS = ("a", "b")
LEASE = 30.0
MEMORY = Path("/dev/shm")  # noqa: S108 -- nothing of a test has to survive a power cut

names = st.sampled_from(sorted(NODES))


@dataclass
class Lease:
    """What a job's newest lease should be."""

    fence: int = 0
    until: float = 0.0
    turn: Claimed | None = None


class Runners(RuleBasedStateMachine):
    """Runners that take turns, die and come back late; people who ask, cancel and retry."""

    template: Path
    turns = Bundle("turns")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        shutil.copy(self.template, self.folder / "netboot.db")
        self.store = Store(self.url)
        self.now = 1_000_000.0
        self.leases: dict[int, Lease] = {}
        self.over: dict[int, Job] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/netboot.db"

    def live(self) -> list[Job]:
        return [job for job in self.store.jobs() if not job.state.ended]

    # People.

    @rule(name=names, kind=st.sampled_from(JobKind), reinstall=st.booleans())
    def submit(self, name: str, kind: JobKind, reinstall: bool) -> None:
        with contextlib.suppress(ConfigError):
            job = self.store.submit(name, kind, "alice", {"reinstall": reinstall}, now=self.now)
            self.leases[job.id] = Lease()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        for job in self.live()[:1] if data.draw(st.booleans()) else self.live()[-1:]:
            lease = self.leases[job.id]
            after = self.store.cancel(job.id, "alice", now=self.now)
            if lease.until > self.now:
                assert after.cancelling
                assert not after.state.ended
            self.settle(after)

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if self.over:
            number = data.draw(st.sampled_from(sorted(self.over)))
            with contextlib.suppress(ConfigError):
                job = self.store.retry(number, "alice", now=self.now)
                assert job.attempt == self.over.pop(number).attempt + 1

    @rule(name=names, cause=st.sampled_from(sorted(BY_WORD)))
    def say(self, name: str, cause: Cause) -> None:
        with contextlib.suppress(ConfigError):
            self.store.change_state([name], cause, "alice", now=self.now)

    @rule(name=names)
    def remove_and_add(self, name: str) -> None:
        gone = [job.id for job in self.live() if job.node == name]
        self.store.remove(name)
        for number in gone:
            self.settle(self.store.job(number))
        self.store.add(NODES[name])

    # Machines.

    @rule(name=names, kind=st.sampled_from([Kind.DISCOVER, Kind.SCRIPT, Kind.INSTALLED]))
    def event(self, name: str, kind: Kind) -> None:
        number = self.store.get(name).installation
        data = {} if kind is Kind.DISCOVER else {"installation": number}
        self.store.append_events([Event(kind, None, name, "", data, self.now)])

    # Runners.

    @rule(target=turns, owner=st.sampled_from(OWNERS))
    def claim(self, owner: str) -> Claimed | None:
        claimed = self.store.claim(owner, LEASE, self.now)
        if claimed is not None:
            job, lease = claimed.job, self.leases[claimed.job.id]
            assert job.id not in self.over
            assert lease.until <= self.now
            assert job.fence > lease.fence
            self.leases[job.id] = Lease(job.fence, self.now + LEASE, claimed)
        return claimed

    @rule(turn=turns)
    def keep(self, turn: Claimed | None) -> None:
        if turn is not None and self.may_write(turn):
            self.store.keep(turn, b"intent", seconds=LEASE, now=self.now)
            self.leases[turn.job.id].until = self.now + LEASE
        elif turn is not None:
            self.refused(lambda: self.store.keep(turn, b"late", seconds=LEASE, now=self.now))

    @rule(turn=turns, wait=st.sampled_from([0.0, 10.0, 1000.0]))
    def release(self, turn: Claimed | None, wait: float) -> None:
        if turn is None:
            return
        progress = Progress("stage", "", self.now, None, self.now + wait, b"memory")
        if self.may_write(turn):
            self.store.release(turn, progress, self.now)
            self.leases[turn.job.id] = Lease(turn.job.fence)
        else:
            self.refused(lambda: self.store.release(turn, progress, self.now))

    @rule(turn=consumes(turns), state=st.sampled_from([s for s in JobState if s.ended]))
    def end(self, turn: Claimed | None, state: JobState) -> None:
        if turn is None:
            return
        cause = Cause.FAIL if state is JobState.FAILED else None
        if not self.may_write(turn):
            self.refused(lambda: self.store.end(turn, state, "late", cause, self.now))
            return
        with contextlib.suppress(Conflict):  # its node went another way: the turn goes on
            self.settle(self.store.end(turn, state, "over", cause, self.now))

    @rule(seconds=st.sampled_from([1.0, 40.0, 2000.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds

    @rule(owner=st.sampled_from(OWNERS))
    def restart(self, owner: str) -> None:
        """Everything in memory is gone; who had this name is dead."""
        self.store.close()
        self.store = Store(self.url)
        self.store.forsake(owner)
        for lease in self.leases.values():
            if lease.turn is not None and lease.turn.job.owner == owner:
                lease.until, lease.turn = 0.0, None

    # What always holds.

    def may_write(self, turn: Claimed) -> bool:
        return turn.job.id not in self.over and self.leases[turn.job.id].turn is turn

    def refused(self, write: object) -> None:
        before = self.everything()
        with pytest.raises(Fenced):
            write()  # type: ignore[operator]
        assert self.everything() == before

    def everything(self) -> object:
        jobs = self.store.jobs()
        timelines = [len(self.store.timeline(name)) for name in NODES]
        return jobs, [self.store.memory(job.id) for job in jobs], self.store.list(), timelines

    def settle(self, job: Job) -> None:
        if job.state.ended:
            self.over[job.id] = job
            self.leases[job.id] = Lease(job.fence)

    @invariant()
    def what_ended_stays_as_it_is(self) -> None:
        for job in self.store.jobs():
            assert job.state.ended == (job.id in self.over)
            assert self.over.get(job.id, job) == job

    @invariant()
    def of_each_node_one_job_of_a_kind_has_not_ended(self) -> None:
        held = [holds(job.node, job.kind) for job in self.live()]
        assert len(held) == len(set(held))

    @invariant()
    def a_timeline_is_one_unbroken_life(self) -> None:
        for node in self.store.list():
            told = [one.event.data for one in self.store.timeline(node.name)]
            changes = [(one["from"], one["to"]) for one in told if "from" in one]
            assert [old for old, _ in changes[1:]] == [new for _, new in changes[:-1]]
            assert changes[-1][1] == node.state

    @invariant()
    def a_state_that_a_job_brought_ends_with_the_job(self) -> None:
        kinds = {(job.node, job.kind) for job in self.live()}
        for node in self.store.list():
            for kind in (JobKind.WIPE, JobKind.INSPECT):
                assert node.state not in UNDER_WAY[kind] or (node.name, kind) in kinds
            assert bool(node.because) == (node.state is State.FAILED)


def test_no_two_runners_have_a_job_and_what_ended_stays_ended(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    template = tmp_path_factory.mktemp("made") / "data" / "netboot.db"
    with Store(f"sqlite:///{template}") as store:
        store.import_nodes(list(NODES.values()))
    Runners.template = template
    as_it_is = (Phase.explicit, Phase.reuse, Phase.generate)  # to shrink it takes minutes
    limits = settings(max_examples=20, stateful_step_count=30, deadline=None, phases=as_it_is)
    run_state_machine_as_test(Runners, settings=limits)
