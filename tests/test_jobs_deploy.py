"""Installs by a deploy template: every step is done in order, verified, and none is done twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netboot.bmc.model import PowerAction, PowerState
from netboot.control.bmc_shapes import PowerAsked
from netboot.errors import BmcError, ConfigError
from netboot.events import Kind
from netboot.job import JobKind, JobState
from netboot.jobs.bios import TAKEN_WITHIN
from netboot.jobs.deploy import Deploy, Do, Step
from netboot.jobs.worker import Worker
from netboot.model import State
from tests.job_site import SOURCE, JobSite, job_site

BIOS = Step(Do.BIOS, {"LogicalProc": "Disabled"})
INSPECT, INSTALL = Step(Do.INSPECT), Step(Do.INSTALL)
OFF = Step(Do.POWER, action=PowerAction.OFF)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSite]:
    with job_site(tmp_path, monkeypatch) as made:
        made.add("n1").attributes |= {"LogicalProc": "Enabled"}
        yield made


def deploys(site: JobSite, *steps: Step) -> None:
    """Have every node installed by these steps from now on."""
    found = Deploy("compute", {"role": "compute"}, steps)
    site.tools = replace(site.tools, deploy=lambda _name: found)
    site.worker = Worker(site.tools, "here", 1)


def test_each_step_follows_the_one_before_and_the_install_is_one_of_them(site: JobSite) -> None:
    deploys(site, INSPECT, BIOS, INSTALL, OFF)
    bmc = site.bmcs["n1"]
    site.submit()
    site.pass_(60)
    assert bmc.attributes == {"LogicalProc": "Disabled"}
    assert [one for one in bmc.asked if not one.startswith("boot none")] == [
        "bios {'LogicalProc': 'Disabled'}",
        "power cycle",
        "boot pxe by full-body",
        "power cycle",
    ]
    site.boots()
    site.calls_home()
    site.pass_(60)
    assert (site.job().state, site.job().outcome) == (
        JobState.DONE,
        "it called home, and all 4 steps of compute are done",
    )
    assert site.store.get("n1").state is State.INSTALLED
    assert bmc.power_state is PowerState.OFF
    told = " | ".join(site.told(Kind.JOB))
    for line in (
        "by deploy template compute (for role=compute): inspect, then bios LogicalProc=Disabled",
        "step 1 of 4 (inspect) is done: it is Contoso 3500",
        "install: step-2-bios",
        "step 2 of 4 (bios LogicalProc=Disabled) is done: its BIOS has LogicalProc=Disabled",
        "install: power-on",
        "step 3 of 4 (install) is done: it called home",
        "install: step-4-power",
    ):
        assert line in told


def test_a_bios_that_is_as_wanted_costs_no_restart(site: JobSite) -> None:
    deploys(site, BIOS, INSTALL)
    bmc = site.bmcs["n1"]
    bmc.attributes |= BIOS.attributes
    site.submit()
    site.pass_(60)
    assert bmc.asked.count("power cycle") == 1
    assert not [one for one in bmc.asked if one.startswith("bios")]


def test_a_template_of_one_step_ends_as_a_plain_install_does(site: JobSite) -> None:
    deploys(site, INSTALL)
    site.submit()
    site.pass_(60)
    site.boots()
    site.calls_home()
    assert site.job().outcome == "it called home"


def test_a_bios_that_does_not_take_it_fails_before_the_disk_is_touched(site: JobSite) -> None:
    deploys(site, BIOS, INSTALL)
    bmc = site.bmcs["n1"]
    bmc.takes_attributes = False
    site.submit()
    site.pass_(TAKEN_WITHIN + 60)
    job = site.job()
    assert job.state is JobState.FAILED
    assert job.outcome == (
        "step 1 of 2 (bios LogicalProc=Disabled): it was restarted, and in 1800 s its BIOS did not "
        "come to have LogicalProc=Disabled"
    )
    assert site.store.get("n1").state is State.FAILED
    assert bmc.asked.count("power cycle") == 1


def test_it_is_retried_from_the_step_that_failed(site: JobSite) -> None:
    deploys(site, INSPECT, BIOS, INSTALL)
    bmc = site.bmcs["n1"]
    bmc.refuses = {"set_bios": BmcError("LogicalProc is read-only")}
    site.submit()
    site.pass_(60)
    assert "step 2 of 3" in site.job().outcome
    assert "LogicalProc is read-only" in site.job().outcome
    bmc.refuses = {"inspect": BmcError("must not be asked again")}
    site.store.retry(1, "bob", now=site.now)
    site.pass_(60)
    assert bmc.attributes == {"LogicalProc": "Disabled"}
    assert site.job().stage == "power-on"


def test_a_busy_bmc_is_asked_again(site: JobSite) -> None:
    deploys(site, BIOS, INSTALL)
    busy = BmcError("503", retryable=True)
    lost = BmcError("no reply", effect_unknown=True)
    site.bmcs["n1"].refuses = {"bios": [busy, busy], "set_bios": [lost]}
    site.submit()
    site.turns()
    assert (site.job().stage, site.job().waits_for) == ("step-1-bios", "503")
    site.pass_(120)
    assert site.job().stage == "power-on"


def test_an_attribute_that_is_not_there_is_named(site: JobSite) -> None:
    deploys(site, Step(Do.BIOS, {"Turbo": "On"}), INSTALL)
    site.submit()
    site.pass_(60)
    assert "its BIOS has no attribute Turbo" in site.job().outcome
    assert site.bmcs["n1"].asked == []


@pytest.mark.parametrize("step", [INSPECT, BIOS, OFF])
def test_without_a_bmc_a_step_that_needs_one_says_so(site: JobSite, step: Step) -> None:
    site.add("n2", bmc=None)
    deploys(site, step, INSTALL)
    site.submit("n2")
    site.pass_(60)
    assert "has no BMC" in site.job().outcome
    assert site.store.get("n2").state is State.FAILED


@pytest.mark.parametrize("step", [INSPECT, BIOS, OFF])
def test_nothing_is_switched_where_power_is_left_to_a_person(site: JobSite, step: Step) -> None:
    deploys(site, step, INSTALL)
    site.submit(power=False)
    site.pass_(60)
    assert site.job().state is JobState.FAILED
    assert not [one for one in site.bmcs["n1"].asked if one.startswith("power")]


def test_a_template_that_is_changed_meanwhile_changes_no_job(site: JobSite) -> None:
    deploys(site, INSPECT, BIOS, INSTALL)
    site.submit()
    site.turns()
    deploys(site, INSTALL)
    site.pass_(60)
    assert site.bmcs["n1"].attributes == {"LogicalProc": "Disabled"}


def test_one_that_is_broken_by_then_fails_the_job_and_is_read_anew_when_it_is_retried(
    site: JobSite,
) -> None:
    def broken(_name: str) -> Deploy:
        raise ConfigError("compute.toml", "steps", "is missing")

    site.tools = replace(site.tools, deploy=broken)
    site.worker = Worker(site.tools, "here", 1)
    site.submit()
    site.turns()
    assert site.job().outcome == "compute.toml: steps: is missing"
    assert site.bmcs["n1"].asked == []
    deploys(site, BIOS, INSTALL)
    site.store.retry(1, "bob", now=site.now)
    site.pass_(60)
    assert site.bmcs["n1"].attributes == {"LogicalProc": "Disabled"}


def test_a_machine_that_installs_itself_before_its_steps_are_done_is_not_said_to_be_done(
    site: JobSite,
) -> None:
    deploys(site, BIOS, INSTALL)
    site.bmcs["n1"].takes_attributes = False
    site.submit()
    site.pass_(30)
    site.calls_home()
    site.pass_(30)
    told = "it called home before step 1 of 2 (bios LogicalProc=Disabled) was done"
    assert told in site.job().outcome
    assert site.store.get("n1").state is State.INSTALLED


def test_cancelled_after_the_install_it_stays_installed(site: JobSite) -> None:
    deploys(site, INSTALL, OFF)
    site.submit()
    site.pass_(60)
    site.boots()
    site.bmcs["n1"].refuses = {"observe": BmcError("away", retryable=True)}
    site.calls_home()
    site.pass_(10)
    assert site.job().stage == "step-2-power"
    site.store.cancel(1, "bob", now=site.now)
    site.pass_(30)
    assert site.job().outcome == "it called home; step 2 of 2 (power off) was cancelled"
    assert site.store.get("n1").state is State.INSTALLED


def test_no_step_is_taken_while_an_operator_has_the_machine_in_hand(site: JobSite) -> None:
    deploys(site, BIOS, INSTALL)
    bmc = site.bmcs["n1"]
    bmc.refuses = {"bios": BmcError("503", retryable=True)}
    site.submit()
    site.turns()
    for action in (PowerAction.OFF, PowerAction.ON):
        bmc.refuses = {}
        site.actions.power("n1", PowerAsked(action=action), "bob", SOURCE)
        site.pass_(120)
        if action is PowerAction.OFF:
            assert site.job().waits_for == "bob, who asked for power off"
            assert not [one for one in bmc.asked if one.startswith("bios")]
    assert bmc.attributes == {"LogicalProc": "Disabled"}
    assert site.job().stage == "power-on"


def test_only_installations_have_steps(site: JobSite) -> None:
    deploys(site, BIOS, INSTALL)
    site.submit(kind=JobKind.RESCUE)
    site.pass_(60)
    assert site.bmcs["n1"].attributes == {"LogicalProc": "Enabled"}
