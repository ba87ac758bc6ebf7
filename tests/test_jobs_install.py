"""An install from its request to its end, by turns: the BMC is a fake, the test is the machine."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.bmc.model import PowerAction, PowerState
from netboot.control.bmc_shapes import PowerAsked
from netboot.errors import BmcError, OperationError
from netboot.events import Event, Kind
from netboot.job import JobKind, JobState
from netboot.jobs import bmc_turn, runner
from netboot.jobs.worker import SETTLES
from netboot.model import State
from netboot.store.job_shapes import Fenced
from tests.fake_bmc import FakeBmc
from tests.job_site import BOOT, SECRET, SOURCE, JobSite, job_site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSite]:
    with job_site(tmp_path, monkeypatch) as made:
        yield made


class TestInstall:
    def test_it_goes_from_flip_to_the_call_home(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        assert site.store.get("n1").state is State.INSTALLING
        site.turns()
        assert bmc.asked == ["boot pxe by full-body", "power cycle"]
        job = site.job()
        assert (job.state, job.stage) == (JobState.ACTIVE, "power-on")
        assert job.waits_for == "a sign of the machine"
        site.boots()
        assert site.job().stage == "installer"
        site.calls_home()
        job = site.job()
        assert (job.state, job.outcome) == (JobState.DONE, "it called home")
        assert site.store.get("n1").state is State.INSTALLED
        assert bmc.asked.count("power cycle") == 1

    def test_each_stage_is_in_the_job_as_the_machine_comes_to_it(self, site: JobSite) -> None:
        site.add("n1")
        site.submit()
        site.turns()
        stages = []
        for kind, data in BOOT:
            site.says(kind, **data)
            stages.append(site.job().stage)
        assert list(dict.fromkeys(stages)) == [
            *("offer", "request-4011", "ack-4011", "transfer", "ipxe", "script"),
            *("kernel", "initrd", "preseed", "installer"),
        ]

    def test_a_machine_that_is_not_heard_fails_with_what_was_tried(self, site: JobSite) -> None:
        site.add("n1")
        site.submit()
        site.pass_(3600)
        job = site.job()
        assert job.state is JobState.FAILED
        assert (
            "no DISCOVER from 52:54:00:00:00:01 within 300 s; usually network boot" in job.outcome
        )
        assert site.store.get("n1").state is State.FAILED

    @pytest.mark.parametrize(
        ("seen", "missing", "cause"),
        [
            (2, "OFFER sent but no request came to port 4011", "another PXE server"),
            (8, "script fetched but no kernel", "the image was never fetched"),
            (10, "initrd fetched but the installer never asked for its preseed", "own DHCP failed"),
            (11, "the installer never called home", "a question on its screen"),
        ],
    )
    def test_a_stage_that_expires_says_what_was_awaited_and_its_usual_cause(
        self, site: JobSite, seen: int, missing: str, cause: str
    ) -> None:
        site.add("n1")
        site.submit()
        site.turns()
        for kind, data in BOOT[:seen]:
            site.says(kind, **data)
        stage = site.job().stage
        assert site.job().deadline is not None
        site.pass_(20_000)
        job = site.job()
        assert (job.state, job.stage) == (JobState.FAILED, stage)
        assert missing in job.outcome
        assert f"seen last: {BOOT[seen - 1][0]}" in job.outcome
        assert cause in job.outcome
        assert site.store.get("n1").because == job.outcome

    def test_a_bmc_that_refuses_fails_in_its_own_words_without_the_password(
        self, site: JobSite
    ) -> None:
        bmc = site.add("n1")
        bmc.refuses = {way: BmcError(f"no, {SECRET} may not") for way in ("full-body", "if-match")}
        site.submit()
        site.pass_(60)
        assert site.job().state is JobState.FAILED
        assert "no, … may not" in site.job().outcome
        kept = site.store.memory(1).decode() + " ".join(site.told(Kind.BMC) + site.told(Kind.JOB))
        assert SECRET not in kept

    def test_what_the_machine_showed_when_it_stopped_is_kept(
        self, site: JobSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.add("n1")
        monkeypatch.setattr(FakeBmc, "screenshot", lambda _bmc: b"\x89PNG", raising=False)
        site.submit()
        site.turns()
        site.boots()
        site.pass_(20_000)
        assert site.job().state is JobState.FAILED
        (said,) = [line for line in site.told(Kind.BMC) if line.startswith("its screen is in ")]
        assert Path(said.removeprefix("its screen is in ")).read_bytes() == b"\x89PNG"

    def test_a_machine_that_starts_over_in_its_boot_is_followed(self, site: JobSite) -> None:
        site.add("n1")
        site.submit()
        site.turns()
        site.boots()
        site.boots()
        assert site.job().stage == "installer"
        site.calls_home()
        assert site.job().state is JobState.DONE

    def test_a_machine_that_starts_over_for_ever_is_given_up(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        site.turns()
        while not site.job().state.ended:
            for kind, data in BOOT[:9]:
                site.says(kind, **data)
            site.pass_(500)
            assert site.now < 1_000_000 + 86_400
        assert "the link broke off" in site.job().outcome
        assert bmc.asked.count("power cycle") == 1

    def test_once_that_a_machine_used_up_is_not_left_behind(self, site: JobSite) -> None:
        bmc = site.add("n1")
        bmc.on_power = lambda _action: None
        site.submit()
        site.turns()
        site.says(*BOOT[0][:1], **BOOT[0][1])
        site.pass_(200)  # its BMC goes on to report it
        assert bmc.asked[-1] == "boot none by full-body"


class TestByHand:
    @pytest.mark.parametrize("bmc", [None, "manual:"])
    def test_without_a_bmc_a_person_is_told_what_to_do(
        self, site: JobSite, bmc: str | None
    ) -> None:
        site.add("n1", bmc)
        site.submit()
        site.turns()
        job = site.job()
        assert job.stage == "power-on"
        assert job.waits_for == (
            "somebody to switch n1 on, or restart it, and have it boot from the network"
        )
        assert job.deadline == site.now + 86_400
        site.boots()
        site.calls_home()
        assert site.job().state is JobState.DONE

    def test_where_that_is_asked_for_its_power_is_left_alone(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit(power=False)
        site.pass_(600)
        assert "somebody to switch n1 on" in site.job().waits_for
        site.boots()
        site.calls_home()
        assert site.job().state is JobState.DONE
        assert bmc.asked == []

    def test_wake_on_lan_wakes_it_once_and_waits(self, site: JobSite) -> None:
        bmc = site.add("n1", "wol:52:54:00:00:00:01")
        bmc.ways = ()
        site.submit()
        site.pass_(7200)
        assert bmc.asked == ["power on"]
        assert "if it was on, restart it" in site.job().waits_for
        site.boots()
        site.calls_home()
        assert site.job().state is JobState.DONE

    def test_nobody_comes(self, site: JobSite) -> None:
        site.add("n1", None)
        site.submit()
        site.pass_(86_401)
        assert site.job().outcome.startswith("the machine was never heard. Usual cause: nobody")


class TestOperator:
    def power(self, site: JobSite, action: str) -> None:
        asked = PowerAsked(action=PowerAction(action))
        site.actions.power("n1", asked, "bob", SOURCE)

    def test_power_off_works_in_the_middle_and_is_not_undone(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        site.turns()
        for kind, data in BOOT[:5]:
            site.says(kind, **data)
        self.power(site, "off")
        site.pass_(5_000)
        assert bmc.power_state is PowerState.OFF
        job = site.job()
        assert job.state is JobState.FAILED
        assert job.outcome.startswith("bob asked for power off at ")
        assert bmc.asked.count("power cycle") == 1
        assert "power on" not in bmc.asked

    def test_the_job_says_meanwhile_who_has_it_in_hand(self, site: JobSite) -> None:
        site.add("n1")
        site.submit()
        site.turns()
        self.power(site, "off")
        site.pass_(61)
        assert site.job().waits_for == "a sign of the machine (bob asked for power off)"

    def test_switched_on_by_hand_it_goes_on(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        site.turns()
        self.power(site, "off")
        self.power(site, "on")
        site.boots()
        site.calls_home()
        assert site.job().state is JobState.DONE
        assert bmc.asked[-1] == "power on"

    def test_before_the_job_touched_it_a_machine_switched_on_is_the_jobs_again(
        self, site: JobSite
    ) -> None:
        bmc = site.add("n1")
        bmc.refuses = {"observe": [BmcError("busy", retryable=True)]}
        site.submit()
        site.turns()
        self.power(site, "off")
        site.pass_(30)
        assert bmc.power_state is PowerState.OFF
        self.power(site, "on")
        site.pass_(70)
        assert bmc.asked[-2:] == ["boot pxe by full-body", "power cycle"]

    def test_an_operators_action_waits_for_a_jobs_turn(self, site: JobSite) -> None:
        site.add("n1")
        node, bmc = site.store.get("n1"), site.store.bmc("n1")
        assert bmc is not None
        where = (site.store, lambda: None, site.tools.leaving)
        turn = bmc_turn.Turn(node, "install", "alice", *where, job=1)
        mine = bmc_turn.Turn(node, "install", "alice", *where, job=2)
        began, ended = threading.Event(), threading.Event()

        def operator() -> None:
            began.set()
            self.power(site, "off")
            ended.set()

        with site.locks.hold(bmc, turn):
            thread = threading.Thread(target=operator)
            thread.start()
            assert began.wait(30)
            assert not ended.is_set()
            with pytest.raises(OperationError, match="busy: alice asked for install"):
                site.locks.hold(bmc, mine).__enter__()
        assert ended.wait(30)
        thread.join()


class TestCap:
    def test_no_more_start_at_once_than_allowed(self, site: JobSite) -> None:
        site.starts(at_once=2)
        bmcs = [site.add(f"n{number}") for number in range(1, 5)]
        for number in range(1, 5):
            site.submit(f"n{number}")
        site.pass_(30)
        assert [bmc.asked.count("power cycle") for bmc in bmcs] == [1, 1, 0, 0]
        waiting = site.job(3)
        assert waiting.stage == "power-queue"
        assert waiting.waits_for == (
            "2 machines that start now to be heard (jobs.power_on_at_once)"
        )
        site.says(Kind.DISCOVER, "n1", firmware="uefi")
        site.pass_(30)
        assert [bmc.asked.count("power cycle") for bmc in bmcs] == [1, 1, 1, 0]

    def test_no_more_start_in_a_minute_than_allowed(self, site: JobSite) -> None:
        site.starts(per_minute=1)
        bmcs = [site.add(f"n{number}") for number in range(1, 3)]
        site.submit("n1")
        site.submit("n2")
        site.pass_(50)
        assert [bmc.asked.count("power cycle") for bmc in bmcs] == [1, 0]
        assert "jobs.power_on_per_minute" in site.job(2).waits_for
        site.pass_(30)
        assert [bmc.asked.count("power cycle") for bmc in bmcs] == [1, 1]

    def test_who_waits_leaves_its_bmc_alone(self, site: JobSite) -> None:
        site.starts(at_once=1)
        site.add("n1")
        second = site.add("n2")
        site.submit("n1")
        site.submit("n2")
        site.pass_(5)
        second.refuses = {"observe": BmcError("not now")}
        site.pass_(100)
        assert site.job(2).stage == "power-queue"


class TestEnds:
    def test_cancelled_before_the_disk_was_touched_the_node_is_as_before(
        self, site: JobSite
    ) -> None:
        site.add("n1")
        site.submit()
        site.turns()
        site.store.cancel(1, "bob", now=site.now)
        site.pass_(60)
        assert site.job().state is JobState.CANCELLED
        assert site.store.get("n1").state is State.AVAILABLE

    def test_a_cancel_waits_for_the_turn_that_runs(self, site: JobSite) -> None:
        bmc = site.add("n1")
        bmc.on_power = lambda _action: site.store.cancel(1, "bob", now=site.now)
        site.submit()
        site.turns()
        assert site.job().state is JobState.CANCELLED
        assert bmc.asked[-1] == "power cycle"

    def test_a_retry_starts_a_silent_machine_again(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        site.pass_(3600)
        before = len(bmc.asked)
        site.store.retry(1, "bob", now=site.now)
        site.turns()
        assert bmc.asked[before:] == ["boot pxe by full-body", "power cycle"]
        site.boots()
        site.calls_home()
        assert (site.job().state, site.job().attempt) == (JobState.DONE, 2)

    def test_a_retry_goes_on_watching_a_machine_that_is_at_work(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        site.turns()
        site.boots()
        while not site.job().state.ended:
            site.pass_(3600)
        site.says(Kind.PROGRESS, stage="partition")
        before = len(bmc.asked)
        site.store.retry(1, "bob", now=site.now)
        site.turns()
        assert len(bmc.asked) == before
        assert site.job().stage == "base-system"
        site.calls_home()
        assert site.job().state is JobState.DONE

    def test_a_node_that_is_removed_takes_its_job_along(self, site: JobSite) -> None:
        site.add("n1")
        site.submit()
        site.turns()
        site.store.remove("n1")
        site.pass_(600)
        assert site.job().state.ended

    def test_a_fault_of_ours_ends_the_job_and_not_the_worker(
        self, site: JobSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(_view: object, _now: float) -> None:
            raise ZeroDivisionError

        monkeypatch.setitem(runner.PLANS, JobKind.INSTALL, broken)  # type: ignore[arg-type]
        site.add("n1")
        site.submit()
        site.turns()
        assert site.job().outcome == "netboot itself is at fault: ZeroDivisionError"


class TestAway:
    def test_a_machine_that_went_far_while_nobody_looked_is_not_restarted(
        self, site: JobSite
    ) -> None:
        """Control is away, and comes back to more than is looked through for a first sign."""
        bmc = site.add("n1")
        site.submit()
        site.turns()
        mac = site.store.get("n1").macs[0]
        boot = [
            Event(kind, mac, "n1", "said", data, site.now + at)
            for at, (kind, data) in enumerate(BOOT, start=60)
        ]
        log = [Event(Kind.PROGRESS, mac, "n1", "", {}, site.now + 100 + at) for at in range(500)]
        site.store.append_events(boot + log)
        site.now += 1_000
        site.turns()
        assert site.job().stage == "installer"
        assert bmc.asked.count("power cycle") == 1

    def test_what_happened_while_we_were_away_is_waited_for_before_a_deadline_counts(
        self, site: JobSite
    ) -> None:
        """The boot program has it, and brings it some moments after our start."""
        bmc = site.add("n1")
        site.submit()
        site.turns()
        reset = site.now
        site.now += 4_000
        site.worker._settled = site.now + SETTLES
        site.turns()
        assert (site.job().stage, site.job().due) == ("power-on", site.now + SETTLES)
        mac = site.store.get("n1").macs[0]
        boot = [
            Event(kind, mac, "n1", "said", data, reset + at)
            for at, (kind, data) in enumerate(BOOT, start=60)
        ]
        site.store.append_events(boot[:3])
        site.turns()
        assert site.job().state is JobState.ACTIVE
        site.store.append_events(boot[3:])
        site.pass_(SETTLES)
        assert site.job().stage == "installer"
        assert bmc.asked.count("power cycle") == 1


class TestKilled:
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_turn_that_dies_at_its_reset_is_taken_over(self, site: JobSite, when: str) -> None:
        """The process dies; another, without its lease, goes on from the intent alone."""
        bmc = site.add("n1")
        bmc.tells_resets = True
        power = bmc.power

        class KilledError(BaseException):
            pass

        def dies(action: PowerAction) -> str | None:
            if when == "after":
                power(action)
            raise KilledError

        bmc.power = dies  # type: ignore[method-assign]
        site.submit()
        with pytest.raises(KilledError):
            site.turns()
        bmc.power = power  # type: ignore[method-assign]
        site.store.forsake("here")
        site.pass_(90)
        assert bmc.asked.count("power cycle") == 1
        site.boots()
        site.calls_home()
        assert site.job().state is JobState.DONE

    def test_a_turn_whose_lease_went_to_another_does_not_reset(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        claimed = site.store.claim("slow", 10.0, site.now)
        assert claimed is not None
        site.now += 11.0
        taken = site.store.claim("here", 120.0, site.now)
        assert taken is not None
        with pytest.raises(Fenced):
            site.worker._take(claimed)
        assert "power cycle" not in bmc.asked
        site.worker._take(taken)
        assert bmc.asked.count("power cycle") == 1
