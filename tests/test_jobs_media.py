"""An install whose machine is brought to the network by a virtual CD of its BMC."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.bmc.model import Rung
from netboot.errors import BmcError
from netboot.events import Kind
from netboot.job import JobState
from netboot.jobs.runner import TROUBLE_PAUSE
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
