"""A Redfish BMC that takes every override and does nothing: by IPMI of the same BMC it obeys."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import structs

from netboot.bmc import plan, quirks
from netboot.bmc.address import Address
from netboot.bmc.closed_loop import ClosedLoop
from netboot.bmc.goal import Done, Goal
from netboot.bmc.history import Did, where
from netboot.bmc.model import BootOverride, BootTarget, Login, Rung, Secret, Tls
from netboot.bmc.open import open_driver
from netboot.bmc.redfish import RedfishDriver
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.lab.ipmi_bmc import IpmiBmc
from tests.cli_here import Cli
from tests.fakes import Clock
from tests.test_cli_node import configured

LOCALHOST, USER, PASSWORD = "127.0.0.1", "admin", "lab-password"
PXE = BootOverride(BootTarget.PXE)
GIVEN_UP = [Rung.FULL_BODY, Rung.IF_MATCH, Rung.UEFI_HTTP]


@dataclass(frozen=True)
class Site:
    """A machine that is on, and a BMC of it with both protocols on one address."""

    machine: FakeMachine
    redfish: VirtualBmc

    def boots(self) -> list[str]:
        """What it has started from since it was first switched on."""
        return list(self.machine.boots)[1:]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    machine = FakeMachine(name="n1")
    machine.power_on()
    deaf = structs.replace(quirks.known()[quirks.GENERIC], boot_patch="noop")
    login = {"user": USER, "password": PASSWORD}
    ipmi = IpmiBmc(machine, tmp_path, address=LOCALHOST, port=0, **login)
    with VirtualBmc(machine, deaf, ipmi_port=ipmi.port, **login) as redfish:
        yield Site(machine, redfish)
    ipmi.close()


def test_the_ladder_is_climbed_to_ipmi_and_the_machine_does_it(site: Site) -> None:
    address = Address("redfish", LOCALHOST, site.redfish.port)
    driver = open_driver(address, Login(USER, Secret(PASSWORD)), Tls())
    clock = Clock()

    def expect(_mac: str, _since: float, timeout: float) -> str | None:
        clock.now += timeout
        return "DHCP DISCOVER" if "network" in site.boots() else None

    loop = ClosedLoop(driver, Goal("n1", PXE), expect, clock=clock, sleep=clock.sleep)
    result = loop.run()
    climbed = where(result.history, Did.CLIMB)
    assert result.end == Done(Rung.IPMI)
    assert [event.rung for event in climbed] == GIVEN_UP
    assert {event.words for event in climbed} == {"accepted, but the BMC reports no override"}
    site.machine.reset()
    assert site.boots() == ["network", "disk"]
    assert site.redfish.sessions == 0


def test_a_bmc_that_does_not_say_that_it_speaks_ipmi_is_not_asked_by_it() -> None:
    with VirtualBmc(FakeMachine()) as bmc:
        address = Address("redfish", LOCALHOST, bmc.port)
        driver = open_driver(address, Login(USER, Secret("password")), Tls())
        assert isinstance(driver, RedfishDriver)
        assert Rung.IPMI not in driver.rungs(PXE)
        assert driver.console() is None
        driver.close()


def test_by_commands(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(plan, "READ_BACK_WITHIN", 0.0)
    cli = Cli(configured(tmp_path), monkeypatch, capsys)
    (tmp_path / "password").write_text(PASSWORD)
    bmc = ("--bmc", f"redfish+http://{LOCALHOST}:{site.redfish.port}", "--bmc-user", USER)
    secret = ("--bmc-password-file", tmp_path / "password")
    mac = ("--mac", site.machine.macs[0], "--profile", "local")
    assert cli("node", "add", "n1", *mac, *bmc, *secret)[0] == 0
    said = "n1: boots pxe once, set by ipmi\n"
    assert cli("node", "boot", "n1", "pxe", "--once") == (0, said, "")
    assert cli("node", "power", "n1", "cycle") == (0, "n1: power-cycled\n", "")
    assert cli("node", "power", "n1", "cycle") == (0, "n1: power-cycled\n", "")
    assert site.boots() == ["network", "disk"]
    timeline = cli("timeline", "n1")[1]
    for rung in GIVEN_UP:
        assert f"{rung}: given up: accepted, but the BMC reports no override" in timeline
    assert "ipmi: boot override taken (IPMI Set System Boot Options: pxe)" in timeline
    assert PASSWORD not in timeline
