"""Installs by two control programs on one PostgreSQL, through deaths in the middle of a reset.

The machines are in memory behind virtual BMCs that count their starts; the tests speak for their
firmware. A lease is a minute at least, so the tests end it in the database.
"""

import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from netboot.bmc.credentials import KEY_FILE
from netboot.job import Job, JobKind, JobState
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.model import State
from netboot.store.store import Store
from tests.postgres import cluster_running
from tests.replica_site import Boot, Replica
from tests.waiting import await_

NEXT_VERSION = Path(__file__).parent / "next_version.py"
BOOT: tuple[tuple[str, dict[str, object]], ...] = (
    ("discover", {"firmware": "uefi"}),
    ("offer", {}),
    ("request-4011", {}),
    ("ack-4011", {}),
    ("loader", {}),
    ("discover", {"firmware": "ipxe"}),
    ("offer", {}),
    ("script", {"image": "debian-12", "installation": 1}),
    ("kernel", {}),
    ("initrd", {}),
    ("preseed", {}),
    ("installed", {"installation": 1}),
)
"""What a boot program says of an install."""


class Machine(FakeMachine):
    """One whose start can take as long as a test likes, while its BMC answers nothing."""

    def __init__(self, number: int) -> None:
        super().__init__([f"52:54:00:00:00:{number:02x}"], f"fake{number}")
        self.node = f"n{number}"
        self.is_on = True
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def _start(self) -> None:
        super()._start()
        self.started.set()
        assert self.go_on.wait(120)


class Lab:
    """Two replicas, one database, and as many machines as a test asks for."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.a = Replica(folder / "a", url)
        self.b = Replica(folder / "b", url)
        self.machines: list[Machine] = []
        self.bmcs: list[VirtualBmc] = []
        self.store = Store(url)
        self._seq = 0

    def add(self, count: int) -> None:
        with self.a.client() as client:
            for number in range(1, count + 1):
                machine = Machine(number)
                bmc = VirtualBmc(machine)
                bmc.start()
                self.machines.append(machine)
                self.bmcs.append(bmc)
                address = f"redfish+{bmc.url}"
                login = {"address": address, "user": "admin", "password": "plain:password"}
                node = {"name": machine.node, "macs": machine.macs, "profile": "debian-12"}
                answer = client.post("nodes", json=node | {"bmc": login})
                assert answer.status_code == 201, answer.text
        shutil.copy(self.a.data / KEY_FILE, self.b.data / KEY_FILE)

    def install(self) -> list[Job]:
        names = [machine.node for machine in self.machines]
        return list(self.store.submit_all(names, JobKind.INSTALL, "me"))

    def job(self, number: int) -> Job:
        return self.store.job(number)

    def boot(self, replica: Replica, *machines: Machine) -> None:
        """Each machine boots into its installer and calls home; a replica is told of it."""
        with Boot(replica, "run") as boot:
            for machine in machines:
                for kind, data in BOOT:
                    self._seq += 1
                    event = {"kind": kind, "mac": machine.macs[0], "node": machine.node}
                    boot.send(self._seq, event | {"data": data})
            boot.await_ack(self._seq)

    def await_end(self, jobs: list[Job]) -> None:
        for job in jobs:
            await_(lambda job=job: self.job(job.id).state.ended, f"the end of {job}")
            ended = self.job(job.id)
            assert (ended.state, ended.outcome) == (JobState.DONE, "it called home")
            assert self.store.get(job.node).state is State.INSTALLED

    def end_leases(self) -> None:
        """As if their time were over."""
        with psycopg.connect(self.url) as connection:
            connection.execute("UPDATE job SET lease = 0, due = 0 WHERE ended IS NULL")
            connection.execute("UPDATE bmc_lock SET lease = 0")

    def await_wait(self, job: Job) -> None:
        """Until a later turn than the first was taken, and is over."""
        await_(lambda: self.job(job.id).fence > 1 and self.job(job.id).owner is None, "a turn")

    def holder(self, job: Job) -> tuple[Replica, Replica]:
        """Who has its turn now, and the other one."""
        owner = self.job(job.id).owner
        mine = [one for one in (self.a, self.b) if one.owner == owner]
        assert len(mine) == 1, f"{owner} is neither replica"
        return mine[0], self.b if mine[0] is self.a else self.a

    def close(self) -> None:
        for machine in self.machines:
            machine.go_on.set()
        for bmc in self.bmcs:
            bmc.stop()
        self.store.close()


@pytest.fixture
def lab(tmp_path: Path, postgresql_url: str) -> Iterator[Lab]:
    found = Lab(tmp_path, postgresql_url)
    with found.a, found.b:
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def held(lab: Lab) -> tuple[Machine, Job]:
    """A machine that was just started by a job, whose turn still waits for its BMC's answer."""
    lab.add(1)
    [machine] = lab.machines
    machine.go_on.clear()
    [job] = lab.install()
    assert machine.started.wait(60)
    return machine, job


def test_each_of_many_installs_is_run_by_exactly_one_replica(lab: Lab) -> None:
    lab.add(6)
    jobs = lab.install()
    for machine in lab.machines:
        assert machine.started.wait(60)
    lab.boot(lab.b, *lab.machines[:3])
    lab.boot(lab.a, *lab.machines[3:])
    lab.await_end(jobs)
    assert [machine.starts for machine in lab.machines] == [1] * 6
    assert {tuple(machine.boots) for machine in lab.machines} == {("network",)}


def test_a_replica_killed_in_mid_reset_is_taken_over_and_nothing_is_reset_twice(
    lab: Lab, held: tuple[Machine, Job]
) -> None:
    machine, job = held
    dead, other = lab.holder(job)
    dead.kill()
    machine.go_on.set()
    lab.end_leases()
    lab.await_wait(job)
    lab.boot(other, machine)
    lab.await_end([job])
    assert machine.starts == 1


def test_a_replica_that_stood_still_past_its_lease_is_fenced(
    lab: Lab, held: tuple[Machine, Job]
) -> None:
    machine, job = held
    still, other = lab.holder(job)
    still.signal(signal.SIGSTOP)
    machine.go_on.set()
    lab.end_leases()
    lab.await_wait(job)
    lab.boot(other, machine)
    lab.await_end([job])
    still.signal(signal.SIGCONT)
    await_(lambda: f"job {job.id}: its turn is another's by now" in still.log.read_text(), "fence")
    lab.await_end([job])
    assert machine.starts == 1


def test_a_replica_that_comes_back_under_another_name_goes_on_when_the_lease_is_over(
    lab: Lab, held: tuple[Machine, Job]
) -> None:
    machine, job = held
    dead, other = lab.holder(job)
    other.kill()
    dead.kill()
    machine.go_on.set()
    dead.forget_name()
    dead.start()
    assert lab.job(job.id).owner != dead.owner
    lab.end_leases()
    lab.await_wait(job)
    lab.boot(dead, machine)
    lab.await_end([job])
    assert machine.starts == 1


def test_a_replica_that_comes_back_under_its_name_goes_on_at_once(
    lab: Lab, held: tuple[Machine, Job]
) -> None:
    machine, job = held
    dead, other = lab.holder(job)
    other.kill()
    dead.kill()
    machine.go_on.set()
    dead.start()
    lab.await_wait(job)
    lab.boot(dead, machine)
    lab.await_end([job])
    assert machine.starts == 1


def test_postgresql_restarted_in_mid_reset(tmp_path: Path) -> None:
    with cluster_running() as cluster:
        lab = Lab(tmp_path, cluster.create("restarted", "template0"))
        with lab.a, lab.b:
            try:
                lab.add(1)
                [machine] = lab.machines
                machine.go_on.clear()
                [job] = lab.install()
                assert machine.started.wait(60)
                cluster.stop(signal.SIGQUIT)
                machine.go_on.set()
                cluster.start()
                lab.end_leases()
                lab.await_wait(job)
                lab.boot(lab.b, machine)
                lab.await_end([job])
                assert machine.starts == 1
            finally:
                lab.close()


def test_an_upgrade_in_mid_job(lab: Lab, held: tuple[Machine, Job], tmp_path: Path) -> None:
    machine, job = held
    old, other = lab.holder(job)
    other.kill()
    newer = Replica(tmp_path / "newer", lab.url, program=NEXT_VERSION)
    shutil.copy(old.data / KEY_FILE, newer.data / KEY_FILE)
    with newer:
        machine.go_on.set()
        await_(lambda: lab.job(job.id).owner is None, "the old one's turn on the new tables")
        assert "its turn is lost" not in old.log.read_text()
        old.kill()
        lab.boot(newer, machine)
        lab.await_end([job])
        assert lab.job(job.id).fence > 1
        old.begin()
        assert old.ended() == 2
        assert "was written by a newer netboot" in old.log.read_text()
    assert machine.starts == 1
