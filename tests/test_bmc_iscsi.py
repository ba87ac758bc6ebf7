"""Firmware's iSCSI by the BMC: the standard's way and HPE's, against virtual BMCs."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from msgspec import structs

from netboot.bmc import quirks
from netboot.bmc.address import Address
from netboot.bmc.iscsi import BootPlace, HasIscsi, IscsiTarget
from netboot.bmc.model import Login, PowerAction, Secret, Tls
from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish import RedfishDriver
from netboot.bmc.redfish_http import Timing
from netboot.errors import BmcError
from netboot.lab.bmc.faults import Fault
from netboot.lab.bmc.firmware import LOCKED_WRITES
from netboot.lab.bmc.hpe_sources import BootSource
from netboot.lab.bmc.machine import FakeMachine, IscsiDrive
from netboot.lab.bmc.virtual import VirtualBmc
from tests.fakes import Clock

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
SECRET = "four-teen-char"  # noqa: S105 -- of no one, looked for where it must not be
TARGET = IscsiTarget(
    name="iqn.2026-01.com.example:disk1",
    address="192.0.2.9",
    port=3261,
    lun=18,
    initiator="iqn.2026-01.internal.netboot:n1",
)
WITH_CHAP = replace(TARGET, chap_user="n1")
DRIVE = IscsiDrive(TARGET.name, TARGET.address, TARGET.port, TARGET.lun, TARGET.initiator)
HPE = structs.replace(quirks.known()["hpe-ilo6"], locked_during_post=False)
BOOT_ORDER = "/redfish/v1/Systems/1/Bios/oem/hpe/boot/settings"
SETS_IT = [name for name, quirk in quirks.known().items() if quirk.iscsi != "none"]


@contextmanager
def driven(personality: str | Quirk) -> Iterator[tuple[RedfishDriver, VirtualBmc, FakeMachine]]:
    """Our driver on a virtual BMC before a machine in memory with two NICs."""
    machine, clock = FakeMachine(MACS), Clock()
    with VirtualBmc(machine, personality) as bmc:
        address = Address("redfish", "127.0.0.1", bmc.port, tls=False)
        login = Login("admin", Secret("password"))
        timing = Timing(sleep=clock.sleep, clock=clock)
        driver = RedfishDriver(address, login, Tls(), timing=timing)
        try:
            yield driver, bmc, machine
        finally:
            driver.close()


@pytest.mark.parametrize("name", SETS_IT)
def test_what_is_set_is_read_back_and_what_is_cleared_is_gone(name: str) -> None:
    with driven(name) as (driver, _, machine):
        assert isinstance(driver, HasIscsi)
        assert driver.inspect().iscsi_boot is True
        assert "iscsi_boot" in driver.inspect().capabilities
        assert driver.iscsi_target(MACS) is None
        request = driver.set_iscsi_boot_target(WITH_CHAP, Secret(SECRET), MACS)
        assert driver.iscsi_target(MACS) == WITH_CHAP
        assert machine.iscsi == replace(DRIVE, user="n1", secret=SECRET)
        assert request is not None
        assert TARGET.name in request
        assert SECRET not in request
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        assert (driver.iscsi_target(MACS), machine.iscsi) == (TARGET, DRIVE)
        driver.clear_iscsi_boot_target(MACS)
        assert (driver.iscsi_target(MACS), machine.iscsi) == (None, None)


@pytest.mark.parametrize("name", ["placemat", "pikvm"])
def test_a_bmc_that_cannot_says_so(name: str) -> None:
    with driven(name) as (driver, _, _machine):
        assert driver.inspect().iscsi_boot is False
        with pytest.raises(BmcError, match="cannot set the firmware's iSCSI up"):
            driver.set_iscsi_boot_target(TARGET, None, MACS)


def test_without_its_quirk_entry_hpe_cannot() -> None:
    plain = structs.replace(quirks.known()["hpe-ilo6"], match=(), identity=quirks.Identity())
    with driven(plain) as (driver, _, _machine):
        assert driver.inspect().iscsi_boot is False


@pytest.mark.parametrize("name", ["dell-idrac9", "hpe-ilo6"])
def test_what_waits_for_the_next_start_is_what_counts(name: str) -> None:
    with driven(name) as (driver, _, _machine):
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        driver.power(PowerAction.ON)
        assert driver.iscsi_target(MACS) == TARGET
        for _ in range(LOCKED_WRITES):
            with contextlib.suppress(BmcError):  # HPE's is locked in POST
                driver.clear_iscsi_boot_target(MACS)
        driver.clear_iscsi_boot_target(MACS)
        assert driver.iscsi_target(MACS) is None


def test_the_function_of_the_machines_first_nic_is_taken() -> None:
    with driven("generic") as (driver, _, _machine):
        driver.set_iscsi_boot_target(TARGET, None, MACS[1:])
        assert driver.iscsi_target(MACS) is None
        assert driver.iscsi_target(MACS[1:]) == TARGET


def test_a_machine_whose_nics_the_bmc_does_not_have_is_refused() -> None:
    with driven("generic") as (driver, _, machine):
        with pytest.raises(BmcError, match=rf"\({', '.join(MACS)}\) is of a NIC .*: 52:54:00:00:0"):
            driver.set_iscsi_boot_target(TARGET, None, ["52:54:00:00:00:09"])
        assert machine.iscsi is None


@pytest.mark.parametrize("name", ["generic", "hpe-ilo6"])
def test_a_task_is_waited_for(name: str) -> None:
    with driven(name) as (driver, bmc, machine):
        bmc.faults.add(Fault("task", "PATCH"))
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        assert machine.iscsi == DRIVE


def test_a_bmc_that_repeats_the_secret_is_not_quoted() -> None:
    odd = f'{SECRET}"\\'
    with driven("generic") as (driver, _, _machine):
        driver.set_iscsi_boot_target(replace(WITH_CHAP, chap_user=odd), Secret(odd), MACS)
        read = driver.iscsi_target(MACS)
    assert read is not None
    assert read.chap_user == "…"


def test_another_source_of_hpes_firmware_stays() -> None:
    with driven("hpe-ilo6") as (driver, bmc, _machine):
        driver.inspect()
        path = f"/redfish/v1/Systems/{bmc.quirk.identity.system}/Bios/oem/hpe/iscsi/settings"
        theirs = {
            "iSCSIAttemptInstance": 1,
            "iSCSIAttemptName": "theirs",
            "iSCSINicSource": "NicBoot1",
            "iSCSIConnection": "Enabled",
            "iSCSITargetName": "iqn.2026-01.com.example:theirs",
        }
        driver._connection.send("PATCH", path, {"iSCSISources": [{}, theirs]})
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        assert driver.iscsi_target(MACS) == TARGET
        driver.clear_iscsi_boot_target(MACS)
        left = driver.iscsi_target(MACS)
    assert left is not None
    assert left.name == theirs["iSCSITargetName"]


def test_hpes_boot_order_begins_with_the_lun_until_it_is_put_back() -> None:
    with driven(HPE) as (driver, _, machine):
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        assert driver.iscsi_place(TARGET) is BootPlace.ELSEWHERE
        driver.put_iscsi_first(TARGET, MACS)
        assert driver.iscsi_place(TARGET) is BootPlace.AWAITED
        driver.power(PowerAction.ON)
        assert driver.iscsi_place(TARGET) is BootPlace.FIRST
        assert driver.iscsi_place(replace(TARGET, lun=19)) is BootPlace.ELSEWHERE
        driver.put_iscsi_back()
        assert driver.iscsi_place(TARGET) is BootPlace.ELSEWHERE
        driver.power(PowerAction.RESET)
        assert list(machine.boots) == [f"iscsi {TARGET.name}/18", "disk"]
        driver.clear_iscsi_boot_target(MACS)
        driver.power(PowerAction.RESET)
        assert driver.iscsi_place(TARGET) is BootPlace.ELSEWHERE


def test_where_firmware_heeds_no_desired_device_what_it_found_is_put_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BootSource, "is_desired", lambda *_: False)
    with driven(HPE) as (driver, _, machine):
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        driver.put_iscsi_first(TARGET, MACS)
        driver.power(PowerAction.ON)
        assert driver.iscsi_place(TARGET) is BootPlace.ELSEWHERE
        driver.put_iscsi_first(TARGET, MACS)
        assert driver.iscsi_place(TARGET) is BootPlace.FIRST
        driver.power(PowerAction.RESET)
        assert list(machine.boots) == ["disk", f"iscsi {TARGET.name}/18"]


def test_a_source_of_another_that_is_first_is_seen_to_be() -> None:
    theirs = {
        "iSCSIAttemptInstance": 1,
        "iSCSINicSource": "NicBoot1",
        "iSCSIConnection": "Enabled",
        "iSCSITargetName": TARGET.name,
        "iSCSILUN": "12",
    }
    with driven(HPE) as (driver, _, _machine):
        driver.inspect()
        iscsi = BOOT_ORDER.replace("boot", "iscsi")
        driver._connection.send("PATCH", iscsi, {"iSCSISources": [theirs]})
        driver.power(PowerAction.ON)
        assert driver.iscsi_place(TARGET) is BootPlace.ELSEWHERE
        order = {"PersistentBootConfigOrder": ["NIC.LOM.1.1.iSCSI"]}
        driver._connection.send("PATCH", BOOT_ORDER, order)
        assert driver.iscsi_place(TARGET) is BootPlace.FIRST


def test_hpe_is_told_the_nic_and_another_desired_device_stays() -> None:
    theirs = {"Wwn": "0x0001020304050607", "Lun": "0x01"}
    with driven(HPE) as (driver, _, _machine):
        driver.inspect()
        driver._connection.send("PATCH", BOOT_ORDER, {"DesiredBootDevices": [theirs]})
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        driver.put_iscsi_first(TARGET, MACS[1:])
        ours, other = driver._connection.get(BOOT_ORDER).said["DesiredBootDevices"]
        assert ours == {
            "CorrelatableID": "PciRoot(0x0)/Pci(0x1C,0x4)/Pci(0x0,0x1)",
            "Lun": "0x12",
            "Wwn": "",
            "iScsiTargetName": TARGET.name,
        }
        assert other.items() >= theirs.items()
        driver.put_iscsi_back()
        left, none = driver._connection.get(BOOT_ORDER).said["DesiredBootDevices"]
        assert left == other
        assert not any(none.values())


def test_a_bmc_without_a_boot_order_of_its_own_has_no_place_in_it() -> None:
    with driven("generic") as (driver, _, _machine):
        driver.set_iscsi_boot_target(TARGET, None, MACS)
        assert driver.iscsi_place(TARGET) is None


def test_a_function_that_is_listed_and_not_there_is_passed_over() -> None:
    with driven("generic") as (driver, bmc, _machine):
        functions = "/redfish/v1/Chassis/1/NetworkAdapters/NIC/NetworkDeviceFunctions"
        del bmc._service._tree[f"{functions}/1"]
        assert driver.inspect().iscsi_boot is True
        with pytest.raises(BmcError, match=r"\(52:54:00:00:00:02\) is of a NIC"):
            driver.iscsi_target(MACS[:1])
        assert driver.iscsi_target(MACS) is None
