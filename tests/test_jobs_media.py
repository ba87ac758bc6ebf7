"""An install whose machine is brought to the network by a virtual CD of its BMC."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netboot.bmc.goal import BOOT_WITHIN
from netboot.bmc.model import BootOverride, BootTarget, Rung
from netboot.errors import BmcError, NotBootable
from netboot.events import Kind
from netboot.job import JobState
from netboot.jobs.ending import PUTS_BACK_WITHIN
from netboot.jobs.memory import has_cd
from netboot.jobs.runner import TROUBLE_PAUSE
from netboot.model import State
from netboot.store.bmc_shapes import BmcChange
from netboot.store.shapes import Conflict, NodeChange
from tests.job_site import BOOT, ISO, JobSite, job_site

LADDER = (Rung.FULL_BODY, Rung.VIRTUAL_MEDIA, Rung.CYCLE_ONLY)
FROM_IPXE = BOOT[5:]
"""What comes of a machine whose iPXE is on the CD."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSite]:
    with job_site(tmp_path, monkeypatch) as made:
        made.add("n1").ways = LADDER
        yield made


def comes(site: JobSite) -> None:
    for kind, data in FROM_IPXE:
        site.says(kind, **data)


def test_via_media_begins_with_the_cd_and_takes_it_out_when_the_machine_came(
    site: JobSite,
) -> None:
    bmc = site.bmcs["n1"]
    site.submit(via="media")
    site.turns()
    assert bmc.asked == ["boot cd by virtual-media", "power cycle"]
    assert bmc.medium.image == ISO
    site.says(Kind.MEDIA)
    assert site.job().stage == "power-on"
    assert bmc.medium.inserted  # its iPXE is still being read
    comes(site)
    assert not bmc.medium.inserted
    told = site.told(Kind.BMC)
    assert "its springboard ISO was read after 1 s" in told
    assert "ejection of the springboard taken" in told
    site.calls_home()
    assert site.job().state is JobState.DONE


def test_the_job_ends_when_a_busy_bmc_has_let_go_of_the_cd(site: JobSite) -> None:
    bmc = site.bmcs["n1"]
    bmc.refuses = {"eject": [BmcError("the slot is locked", retryable=True)] * 2}
    site.submit(via="media")
    site.turns()
    comes(site)
    site.calls_home()
    job = site.job()
    assert (job.state, job.stage) == (JobState.ACTIVE, "eject")
    assert job.waits_for == "its BMC to let go of the virtual CD: the slot is locked"
    site.pass_(60)
    assert site.job().state is JobState.DONE
    assert not bmc.medium.inserted
    assert bmc.asked.count("power cycle") == 1


def test_where_the_network_boot_fails_the_cd_is_next(site: JobSite) -> None:
    bmc = site.bmcs["n1"]
    bmc.refuses = {"full-body": BmcError("not supported")}
    site.submit()
    site.turns()
    assert bmc.asked == ["boot pxe by full-body", "boot cd by virtual-media", "power cycle"]


def test_without_a_boot_program_pxe_goes_on_and_media_waits_for_one(site: JobSite) -> None:
    bmc, site.iso = site.bmcs["n1"], None
    site.submit(via="media")
    site.turns()
    assert bmc.asked == []
    assert site.job().waits_for == (
        "a boot program to serve its virtual CD, and for the CD's image; "
        "netboot image fetch springboard"
    )
    site.iso = ISO
    site.pass_(TROUBLE_PAUSE + 1)
    assert bmc.asked == ["boot cd by virtual-media", "power cycle"]


def test_a_bmc_that_cannot_say_what_it_is_yet_is_asked_again(site: JobSite) -> None:
    bmc, site.iso = site.bmcs["n1"], BmcError("no reply", retryable=True)
    site.submit(via="media")
    site.turns()
    assert site.job().waits_for == "its BMC: no reply"
    site.iso = ISO
    site.pass_(TROUBLE_PAUSE + 1)
    assert bmc.asked == ["boot cd by virtual-media", "power cycle"]


@pytest.mark.parametrize("via", ["media", "pxe"])
def test_a_cd_that_the_machine_would_not_start_from_is_not_inserted(
    site: JobSite, via: str
) -> None:
    bmc, site.iso = site.bmcs["n1"], NotBootable("a CD starts x64 alone")
    site.submit(via=via)
    site.turns()
    if via == "media":
        assert (site.job().state, bmc.asked) == (JobState.FAILED, [])
        assert "a CD starts x64 alone" in site.job().outcome
    else:
        assert bmc.asked == ["boot pxe by full-body", "power cycle"]


def test_the_url_stays_the_same_though_the_boot_program_went_away(site: JobSite) -> None:
    bmc = site.bmcs["n1"]
    site.submit(via="media")
    site.turns()
    site.iso = None
    site.pass_(60)
    comes(site)
    assert bmc.asked.count("power cycle") == 1
    assert not bmc.medium.inserted


def test_a_machine_that_never_comes_leaves_no_cd_behind(site: JobSite) -> None:
    site.submit(via="media")
    site.pass_(3600)
    job = site.job()
    assert job.state is JobState.FAILED
    assert "virtual-media: no DISCOVER" in job.outcome
    assert not site.bmcs["n1"].medium.inserted


def test_a_bmc_without_virtual_media_says_so(site: JobSite) -> None:
    site.bmcs["n1"].ways = (Rung.FULL_BODY,)
    site.submit(via="media")
    site.turns()
    assert site.job().outcome == "this BMC has no way to do it by virtual-media"


class TestGivenUp:
    """What the job inserted is out before it ends, and nothing else is touched."""

    @pytest.fixture
    def started(self, site: JobSite) -> JobSite:
        site.submit(via="media")
        site.turns()
        assert site.bmcs["n1"].medium.inserted
        return site

    @staticmethod
    def cancels(site: JobSite) -> None:
        site.store.cancel(1, "bob", now=site.now, has_cd=has_cd)

    def test_a_cancelled_job_takes_its_cd_out_and_disarms_the_machine(
        self, started: JobSite
    ) -> None:
        bmc = started.bmcs["n1"]
        bmc.boot = BootOverride(BootTarget.CD)  # no boot has used it yet
        self.cancels(started)
        assert (started.job().state, started.job().cancelling) == (JobState.ACTIVE, True)
        started.pass_(60)  # by a server that was started again, for all that it knows
        job = started.job()
        assert (job.state, job.outcome) == (JobState.CANCELLED, "cancelled by bob")
        assert bmc.asked[-2:] == ["boot none by virtual-media", "eject"]
        assert not bmc.medium.inserted
        assert "ejection of the springboard taken" in started.told(Kind.BMC)
        assert started.store.get("n1").state is State.AVAILABLE

    def test_so_it_does_when_a_turn_was_running(self, site: JobSite) -> None:
        bmc = site.bmcs["n1"]
        bmc.on_power = lambda _action: self.cancels(site)
        site.submit(via="media")
        site.pass_(60)
        assert site.job().state is JobState.CANCELLED
        assert not bmc.medium.inserted

    def test_the_node_is_let_go_at_once_though_the_bmc_is_busy(self, started: JobSite) -> None:
        bmc = started.bmcs["n1"]
        bmc.refuses = {"eject": [BmcError("the slot is locked", retryable=True)] * 2}
        self.cancels(started)
        started.turns()
        assert started.store.get("n1").state is State.AVAILABLE
        job = started.job()
        assert (job.state, job.stage) == (JobState.ACTIVE, "eject")
        assert job.waits_for == "its BMC to let go of the virtual CD: the slot is locked"
        started.pass_(60)
        assert started.job().state is JobState.CANCELLED
        assert not bmc.medium.inserted

    @pytest.mark.parametrize(
        ("call", "error", "said"),
        [
            ("eject", BmcError("not licensed"), "not licensed"),
            ("observe", BmcError("no reply", retryable=True), "the BMC does not answer"),
            ("observe", BmcError("401"), "401"),
        ],
    )
    def test_it_ends_in_bounded_time_and_says_what_stays(
        self, started: JobSite, call: str, error: BmcError, said: str
    ) -> None:
        started.bmcs["n1"].refuses = {call: error, "eject": error}
        self.cancels(started)
        started.pass_(PUTS_BACK_WITHIN + 60)
        job = started.job()
        assert job.state is JobState.CANCELLED
        assert "cancelled by bob; its virtual CD may stay in: " in job.outcome
        assert said in job.outcome
        assert job.outcome in "".join(started.told(Kind.JOB))

    def test_another_s_cd_in_its_place_stays(self, started: JobSite) -> None:
        bmc = started.bmcs["n1"]
        bmc.medium = replace(bmc.medium, image="http://192.0.2.7/rescue.iso")
        self.cancels(started)
        started.pass_(60)
        assert started.job().state is JobState.CANCELLED
        assert "eject" not in bmc.asked

    def test_a_job_that_fails_takes_it_out_too(self, started: JobSite) -> None:
        started.says(Kind.FAILED, installation=started.store.get("n1").installation)
        assert (started.job().state, started.job().outcome) == (JobState.FAILED, "said")
        assert not started.bmcs["n1"].medium.inserted

    def test_so_does_one_whose_machine_an_operator_has_in_hand(self, started: JobSite) -> None:
        data = {"by": "bob", "asked": "power off", "came": "asked"}
        started.says(Kind.BMC, **data)
        started.pass_(BOOT_WITHIN + 60)
        assert started.job().state is JobState.FAILED
        assert not started.bmcs["n1"].medium.inserted

    def test_who_cancels_a_job_that_fails_leaves_no_cd_behind(self, started: JobSite) -> None:
        bmc = started.bmcs["n1"]
        bmc.refuses = {"eject": BmcError("the slot is locked", retryable=True)}
        started.says(Kind.BMC, by="bob", asked="power off", came="asked")
        while started.job().stage != "eject":
            started.pass_(10)
        bmc.refuses = {}
        self.cancels(started)
        started.pass_(60)
        assert started.job().state is JobState.FAILED
        assert not bmc.medium.inserted

    def test_without_a_cd_a_cancelled_job_ends_at_once(self, site: JobSite) -> None:
        site.submit()
        site.turns()
        self.cancels(site)
        assert site.job().state is JobState.CANCELLED


class TestRemoved:
    """Nobody forgets a node in whose BMC a job has a virtual CD: nobody could take it out then."""

    @staticmethod
    def removes(site: JobSite) -> None:
        site.store.remove("n1", has_cd=has_cd)

    def test_it_is_refused_until_the_cancelled_job_has_taken_it_out(self, site: JobSite) -> None:
        site.submit(via="media")
        site.turns()
        with pytest.raises(Conflict, match="its virtual CD in its BMC, which `netboot job cancel"):
            self.removes(site)
        assert site.job().state is JobState.ACTIVE
        site.store.cancel(1, "bob", now=site.now, has_cd=has_cd)
        with pytest.raises(Conflict, match="is being cancelled: wait until it has ended"):
            self.removes(site)
        site.pass_(60)
        assert not site.bmcs["n1"].medium.inserted
        self.removes(site)
        assert site.store.list() == []

    def test_it_is_refused_while_a_turn_may_insert_it(self, site: JobSite) -> None:
        refused: list[str] = []

        def removes(_action: object) -> None:
            with pytest.raises(Conflict) as problem:
                self.removes(site)
            refused.append(str(problem.value))

        site.bmcs["n1"].on_power = removes
        site.submit()  # its first way is no CD
        site.turns()
        assert ["job 1 speaks to its BMC just now" in said for said in refused] == [True]

    def test_a_node_whose_bmc_was_taken_off_is_removed_with_its_job(self, site: JobSite) -> None:
        site.submit(via="media")
        site.turns()
        site.store.update("n1", NodeChange(), bmc=BmcChange(address=False))
        self.removes(site)
        assert site.job().outcome == "node n1 was removed"

    def test_a_job_without_a_cd_goes_with_its_node(self, site: JobSite) -> None:
        site.submit()
        site.turns()
        self.removes(site)
        assert site.job().outcome == "node n1 was removed"
