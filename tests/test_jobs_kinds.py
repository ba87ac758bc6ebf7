"""Power, inspect, rescue and wipe as jobs: what each does, and how it ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.bmc.model import PowerState
from netboot.errors import BmcError
from netboot.events import Kind
from netboot.job import JobKind, JobState
from netboot.model import State
from tests.fake_bmc import MACHINE
from tests.job_site import BOOT, JobSite, job_site

BUSY = BmcError("busy", retryable=True)
LOST = BmcError("the connection broke off", effect_unknown=True)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSite]:
    with job_site(tmp_path, monkeypatch) as made:
        yield made


class TestPower:
    @pytest.mark.parametrize(
        ("state", "action", "asked", "outcome"),
        [
            (PowerState.OFF, "on", ["power on"], "switched on"),
            (PowerState.ON, "on", [], "is on already"),
            (PowerState.ON, "cycle", ["power cycle"], "power-cycled"),
            (PowerState.OFF, "cycle", ["power on"], "switched on"),
            (PowerState.ON, "reset", ["power reset"], "reset"),
            (PowerState.ON, "off", ["power off"], "switched off"),
            (PowerState.OFF, "off", [], "is off already"),
            (PowerState.ON, "shutdown", ["power shutdown"], "shut down"),
        ],
    )
    def test_what_is_asked_for_is_done_and_read_back(
        self, site: JobSite, state: PowerState, action: str, asked: list[str], outcome: str
    ) -> None:
        bmc = site.add("n1")
        bmc.power_state = state
        site.submit(kind=JobKind.POWER, action=action)
        site.pass_(30)
        assert (site.job().state, site.job().outcome) == (JobState.DONE, outcome)
        assert bmc.asked == asked

    def test_a_bmc_that_is_busy_is_asked_again(self, site: JobSite) -> None:
        bmc = site.add("n1")
        bmc.refuses = {"power": [BUSY, BUSY]}
        site.submit(kind=JobKind.POWER, action="off")
        site.pass_(120)
        assert site.job().outcome == "switched off"
        assert bmc.asked == ["power off"] * 3

    def test_a_lost_reply_to_off_is_settled_by_reading(self, site: JobSite) -> None:
        bmc = site.add("n1")
        bmc.refuses = {"power": [LOST]}
        site.submit(kind=JobKind.POWER, action="off")
        site.pass_(120)
        assert site.job().outcome == "switched off"

    def test_one_that_stays_on_is_a_failure(self, site: JobSite) -> None:
        bmc = site.add("n1")
        bmc.on_power = lambda _action: setattr(bmc, "power_state", PowerState.ON)
        site.submit(kind=JobKind.POWER, action="off")
        site.pass_(120)
        assert site.job().outcome == "accepted, but it is not off after 60 s"
        assert bmc.asked == ["power off"]

    def test_a_bmc_that_refuses_says_why(self, site: JobSite) -> None:
        site.add("n1").refuses = {"power": BmcError("no licence")}
        site.submit(kind=JobKind.POWER, action="off")
        site.pass_(30)
        assert (site.job().state, site.job().outcome) == (JobState.FAILED, "no licence")

    def test_without_a_bmc_it_says_what_is_missing(self, site: JobSite) -> None:
        site.add("n1", None)
        site.submit(kind=JobKind.POWER, action="on")
        site.turns()
        assert "has no BMC; `netboot node set n1 --bmc URL`" in site.job().outcome

    def test_a_person_is_told(self, site: JobSite) -> None:
        site.add("n1", "manual:")
        site.submit(kind=JobKind.POWER, action="cycle")
        site.turns()
        assert site.job().outcome == "switch it off, wait 10 seconds, and switch it on"

    def test_beside_an_install_it_takes_the_machine_in_hand(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit()
        site.turns()
        site.submit(kind=JobKind.POWER, action="off")
        site.pass_(600)
        assert bmc.power_state is PowerState.OFF
        assert site.job(2).state is JobState.DONE
        assert "alice asked for power off" in site.job(1).outcome


class TestInspect:
    def test_the_machine_is_kept_and_the_node_available(self, site: JobSite) -> None:
        site.add("n1")
        site.submit(kind=JobKind.INSPECT)
        assert site.store.get("n1").state is State.INSPECTING
        site.turns()
        assert site.job().outcome == "it is Contoso 3500, serial 437XR1138R2"
        found = site.store.inspected("n1")
        assert found is not None
        assert found.hardware == MACHINE
        assert site.store.get("n1").state is State.AVAILABLE

    def test_a_busy_bmc_is_asked_again_until_the_deadline(self, site: JobSite) -> None:
        site.add("n1").refuses = {"inspect": BUSY}
        site.submit(kind=JobKind.INSPECT)
        site.pass_(60)
        assert (site.job().stage, site.job().waits_for) == ("inspect", "busy")
        site.pass_(600)
        assert "did not say what the machine is in 600 s: busy" in site.job().outcome
        assert site.store.get("n1").state is State.ENROLLED

    @pytest.mark.parametrize("bmc", [None, "manual:"])
    def test_without_a_bmc_there_is_nobody_to_ask(self, site: JobSite, bmc: str | None) -> None:
        site.add("n1", bmc)
        site.submit(kind=JobKind.INSPECT)
        site.turns()
        assert site.job().outcome == "node n1 has no BMC that could be asked"
        assert site.store.get("n1").state is State.ENROLLED


class TestRescue:
    def test_it_is_done_when_the_rescue_system_is_up(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit(kind=JobKind.RESCUE)
        site.turns()
        assert bmc.asked == ["boot pxe by full-body", "power cycle"]
        site.boots()
        assert (site.job().state, site.job().outcome) == (
            JobState.DONE,
            "it runs the rescue system",
        )
        assert site.store.get("n1").state is State.RESCUE

    def test_a_machine_that_booted_before_the_reset_does_not_count(self, site: JobSite) -> None:
        bmc = site.add("n1")
        bmc.refuses = {"observe": BUSY}
        site.submit(kind=JobKind.RESCUE)
        site.turns()
        for kind, data in BOOT:
            site.says(kind, **data)
        bmc.refuses = {}
        site.pass_(10)
        assert bmc.asked[-1] == "power cycle"
        assert site.job().state is JobState.ACTIVE

    def test_one_that_does_not_come_leaves_the_node_as_it_was(self, site: JobSite) -> None:
        site.add("n1")
        site.submit(kind=JobKind.RESCUE)
        site.pass_(3600)
        assert site.job().state is JobState.FAILED
        assert site.store.get("n1").state is State.ENROLLED


class TestWipe:
    def test_it_is_done_by_the_call_home(self, site: JobSite) -> None:
        bmc = site.add("n1")
        site.submit(kind=JobKind.WIPE)
        assert site.store.get("n1").state is State.WIPING
        site.turns()
        assert bmc.asked == ["boot pxe by full-body", "power cycle"]
        site.boots()
        site.calls_home()
        assert site.job().outcome == "its disks are erased: it called home"
        assert site.store.get("n1").state is State.AVAILABLE

    def test_one_that_never_calls_home_has_failed(self, site: JobSite) -> None:
        site.add("n1")
        site.submit(kind=JobKind.WIPE)
        site.turns()
        site.boots()
        site.pass_(20_000)
        assert site.job().state is JobState.FAILED
        assert "never called home; seen last: preseed" in site.job().outcome
        assert site.store.get("n1").state is State.FAILED
        assert not site.told(Kind.ALARM)
