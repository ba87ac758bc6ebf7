"""BIOS attributes over Redfish, against the lab's BMC: they wait until the machine starts."""

from collections.abc import Iterator

import pytest

from netboot.bmc.address import parse_address
from netboot.bmc.driver import HasBios
from netboot.bmc.model import Login, PowerAction, Secret, Tls
from netboot.bmc.open import open_driver
from netboot.errors import BmcError
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.model import Mac
from tests.fakes import FakeBmc, driving

LOGIN = Login("admin", Secret("password"))


@pytest.fixture(params=["generic", "dell-idrac10", "hpe-ilo6", "supermicro-x11+", "dgx"])
def bmc(request: pytest.FixtureRequest) -> Iterator[VirtualBmc]:
    made = VirtualBmc(FakeMachine([Mac("52:54:00:00:00:01")]), request.param)
    made.start()
    yield made
    made.stop()


def test_what_is_written_is_in_force_after_the_next_start(bmc: VirtualBmc) -> None:
    driver = open_driver(parse_address(bmc.url.replace("http://", "redfish+http://")), LOGIN, Tls())
    try:
        assert isinstance(driver, HasBios)
        before = driver.bios()
        assert (before["ProcVirtualization"], before["NumLock"]) == ("Enabled", True)
        request = driver.set_bios({"ProcVirtualization": "Disabled", "NumLock": False})
        assert "PATCH" in (request or "")
        assert driver.bios() == before
        driver.power(PowerAction.CYCLE)
        changed = {"ProcVirtualization": "Disabled", "NumLock": False}
        assert driver.bios() == {**before, **changed}
    finally:
        driver.close()


def test_a_value_that_the_bmc_refuses_is_its_own_words(bmc: VirtualBmc) -> None:
    driver = open_driver(parse_address(bmc.url.replace("http://", "redfish+http://")), LOGIN, Tls())
    try:
        assert isinstance(driver, HasBios)
        with pytest.raises(BmcError, match="NumLock"):
            driver.set_bios({"NumLock": "Enabled"})
    finally:
        driver.close()


def test_a_bmc_that_shows_none_says_so() -> None:
    with driving(FakeBmc()) as driver, pytest.raises(BmcError, match="shows no BIOS attributes"):
        driver.bios()
