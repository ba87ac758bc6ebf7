"""The virtual IPMI BMC, under ipmitool's hands, pyghmi's and our own driver's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.bmc.ipmi import IpmiDriver
from netboot.bmc.model import (
    BootMode,
    BootOverride,
    BootTarget,
    Login,
    PowerAction,
    PowerState,
    Rung,
    Secret,
)
from netboot.errors import BmcError, OperationError
from netboot.lab import ipmi_bmc
from netboot.lab.bmc.machine import BootDevice, FakeMachine
from netboot.lab.ipmi_bmc import IpmiBmc
from netboot.lab.ipmi_options import FLAGS_LAST, INVALID_DATA, NO_OVERRIDE, OK, BootOptions

USER, PASSWORD = "admin", "lab-password"
ALL = frozenset(BootDevice)


class Machine(FakeMachine):
    """A fake machine without set-up menus that can be told to break."""

    boot_devices = ALL - {BootDevice.SETUP}
    broken = False

    def power_on(self) -> None:
        if self.broken:
            raise OperationError("QEMU has hung up")
        super().power_on()


@pytest.fixture
def machine() -> Machine:
    return Machine(name="n1")


@pytest.fixture
def bmc(machine: Machine, tmp_path: Path) -> Iterator[IpmiBmc]:
    made = IpmiBmc(machine, tmp_path, user=USER, password=PASSWORD, address="127.0.0.1", port=0)
    yield made
    made.close()


@pytest.fixture
def driver(bmc: IpmiBmc) -> Iterator[IpmiDriver]:
    made = IpmiDriver("127.0.0.1", bmc.port, Login(USER, Secret(PASSWORD)))
    yield made
    made.close()


def ipmitool(
    bmc: IpmiBmc, *words: str, check: bool = True, password: str = PASSWORD
) -> subprocess.CompletedProcess[str]:
    where = ["-I", "lanplus", "-H", "127.0.0.1", "-p", str(bmc.port), "-U", USER, "-E"]
    done = subprocess.run(
        ["ipmitool", *where, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "IPMI_PASSWORD": password},
    )
    assert not check or done.returncode == 0, done.stderr
    return done


class TestIpmitool:
    @pytest.mark.parametrize("suite", [(), ("-C", "3")], ids=["default", "suite 3"])
    def test_power(self, bmc: IpmiBmc, machine: Machine, suite: tuple[str, ...]) -> None:
        def power(word: str) -> str:
            return ipmitool(bmc, *suite, "chassis", "power", word).stdout.strip()

        assert power("status") == "Chassis Power is off"
        power("on")
        assert power("status") == "Chassis Power is on"
        power("reset")
        assert machine.starts == 2
        power("cycle")
        assert machine.starts == 3
        assert machine.is_on
        power("off")
        assert not machine.is_on

    def test_what_is_off_cannot_be_reset_or_cycled(self, bmc: IpmiBmc, machine: Machine) -> None:
        for word in ("reset", "cycle"):
            refused = ipmitool(bmc, "chassis", "power", word, check=False)
            assert "not supported in present state" in refused.stderr
        assert machine.starts == 0

    @pytest.mark.parametrize(
        ("options", "efi", "persistent"),
        [
            ((), False, False),
            (("options=efiboot",), True, False),
            (("options=persistent",), False, True),
            (("options=efiboot,persistent",), True, True),
        ],
    )
    def test_efiboot_and_persistent_are_kept(
        self, bmc: IpmiBmc, machine: Machine, options: tuple[str, ...], efi: bool, persistent: bool
    ) -> None:
        ipmitool(bmc, "chassis", "bootdev", "pxe", *options)
        said = ipmitool(bmc, "chassis", "bootparam", "get", "5").stdout
        assert "Boot Flag Valid" in said
        assert "Force PXE" in said
        assert ("BIOS EFI boot" in said) is efi
        assert ("Options apply to all future boots" in said) is persistent
        ipmitool(bmc, "chassis", "power", "on")
        ipmitool(bmc, "chassis", "power", "cycle")
        second = BootDevice.NETWORK if persistent else BootDevice.DISK
        assert list(machine.boots) == [BootDevice.NETWORK, second]
        after = ipmitool(bmc, "chassis", "bootparam", "get", "5").stdout
        assert ("Boot Flag Valid" in after) is persistent

    @pytest.mark.parametrize(
        ("device", "booted"),
        [("pxe", "network"), ("disk", "disk"), ("safe", "disk"), ("cdrom", "cd"), ("none", "disk")],
    )
    def test_what_it_boots_from(
        self, bmc: IpmiBmc, machine: Machine, device: str, booted: str
    ) -> None:
        ipmitool(bmc, "chassis", "bootdev", device)
        ipmitool(bmc, "chassis", "power", "on")
        assert list(machine.boots) == [booted]

    @pytest.mark.parametrize("device", ["bios", "diag"])
    def test_what_the_machine_cannot_boot_from_is_refused(
        self, bmc: IpmiBmc, machine: Machine, device: str
    ) -> None:
        refused = ipmitool(bmc, "chassis", "bootdev", device)  # which tells it by words alone
        assert "Invalid data field in request" in refused.stderr
        ipmitool(bmc, "chassis", "power", "on")
        assert list(machine.boots) == [BootDevice.DISK]

    def test_what_the_machine_refuses_is_an_error_and_not_the_end(
        self, bmc: IpmiBmc, machine: Machine
    ) -> None:
        machine.broken = True
        assert ipmitool(bmc, "chassis", "power", "on", check=False).returncode != 0
        machine.broken = False
        ipmitool(bmc, "chassis", "power", "on")
        assert machine.is_on

    def test_a_wrong_password_is_let_in_nowhere(self, bmc: IpmiBmc, machine: Machine) -> None:
        # pyghmi's BMC is silent where the standard has an error
        words = ("-R", "1", "-N", "1", "power", "on")
        refused = ipmitool(bmc, *words, check=False, password=PASSWORD + "x")
        assert refused.returncode != 0
        assert not machine.is_on

    def test_another_cipher_suite_is_refused_at_once(self, bmc: IpmiBmc) -> None:
        refused = ipmitool(bmc, "-C", "17", "power", "status", check=False)
        assert "no matching cipher suite" in refused.stderr

    def test_the_inventory(self, bmc: IpmiBmc) -> None:
        said = ipmitool(bmc, "fru", "print", "0").stdout
        assert "Product Serial        : n1" in said

    def test_a_reboot_by_the_machine_itself_uses_up_once(
        self, bmc: IpmiBmc, machine: Machine
    ) -> None:
        machine.power_on()
        ipmitool(bmc, "chassis", "bootdev", "pxe")
        machine.reset()
        assert list(machine.boots) == [BootDevice.DISK, BootDevice.NETWORK]
        assert "Boot Flag Invalid" in ipmitool(bmc, "chassis", "bootparam", "get", "5").stdout


PYGHMI = """
import sys
from pyghmi.ipmi.command import Command

bmc = Command("127.0.0.1", {user!r}, sys.stdin.readline(), port={port})
print(bmc.set_bootdev("network", persist=True, uefiboot=True))
print(bmc.set_power("on", wait=5)["powerstate"])
said = bmc.get_bootdev()
print(said["bootdev"], said["persistent"], said["uefimode"])
"""


def test_pyghmis_own_client(bmc: IpmiBmc, machine: Machine) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PYGHMI.format(user=USER, port=bmc.port)],
        check=True,
        capture_output=True,
        input=PASSWORD,
        text=True,
        timeout=30,
    )
    assert done.stdout.splitlines()[1:] == ["on", "network True True"]
    assert list(machine.boots) == [BootDevice.NETWORK]


class TestDriver:
    def test_once_by_the_flags(self, driver: IpmiDriver, machine: Machine) -> None:
        wanted = BootOverride(BootTarget.PXE, once=True, mode=BootMode.UEFI)
        assert driver.rungs(wanted)[0] is Rung.IPMI
        driver.set_boot(wanted, Rung.IPMI)
        assert driver.observe().boot == wanted
        driver.power(PowerAction.CYCLE)  # of one that is off
        assert driver.observe().power is PowerState.ON
        assert driver.observe().boot == BootOverride(BootTarget.NONE)
        assert list(machine.boots) == [BootDevice.NETWORK]

    def test_always_until_it_is_taken_back(self, driver: IpmiDriver, machine: Machine) -> None:
        always = BootOverride(BootTarget.CD, once=False, mode=BootMode.BIOS)
        driver.set_boot(always, Rung.IPMI)
        driver.power(PowerAction.ON)
        driver.power(PowerAction.RESET)
        assert driver.observe().boot == always
        driver.set_boot(BootOverride(BootTarget.NONE), Rung.IPMI)
        driver.power(PowerAction.RESET)
        assert list(machine.boots) == [BootDevice.CD, BootDevice.CD, BootDevice.DISK]

    def test_hardware(self, driver: IpmiDriver, machine: Machine) -> None:
        found = driver.inspect()
        assert (found.manufacturer, found.model) == ("netboot", "virtual machine")
        assert (found.serial, found.uuid) == ("n1", str(machine.uuid))

    def test_a_refusal_has_the_bmcs_words(self, driver: IpmiDriver) -> None:
        with pytest.raises(BmcError, match=r"refused .*\(0xcc\)") as refused:
            driver.set_boot(BootOverride(BootTarget.BIOS), Rung.IPMI)
        assert not refused.value.retryable

    def test_drivers_come_and_go_and_share_no_session(
        self, driver: IpmiDriver, bmc: IpmiBmc
    ) -> None:
        driver.observe()
        for _ in range(3):  # one after the other, beside the first
            other = IpmiDriver("127.0.0.1", bmc.port, Login(USER, Secret(PASSWORD)))
            assert other.observe().power is PowerState.OFF
            other.close()
        assert driver.observe().power is PowerState.OFF

    def test_a_bmc_that_is_gone_is_retryable(self, bmc: IpmiBmc) -> None:
        bmc.close()
        driver = IpmiDriver("127.0.0.1", bmc.port, Login(USER, Secret(PASSWORD)))
        with pytest.raises(BmcError, match="does not answer IPMI") as refused:
            driver.observe()
        assert refused.value.retryable
        assert PASSWORD not in str(refused.value)


class TestBootOptions:
    """The life of the valid bit (IPMI 2.0, table 28-14)."""

    PXE = (5, 0x80, 1 << 2, 0, 0, 0)

    def test_flags_are_gone_after_a_minute_without_chassis_control(self) -> None:
        options = BootOptions(ALL)
        assert options.set(self.PXE, now=0) == OK
        assert not options.expire(FLAGS_LAST - 1)
        assert options.expire(FLAGS_LAST)
        assert options.override == NO_OVERRIDE

    def test_chassis_control_keeps_them_for_the_start_to_come(self) -> None:
        options = BootOptions(ALL)
        options.set(self.PXE, now=0)
        options.controlled()
        assert not options.expire(1e9)
        assert options.override.device is BootDevice.NETWORK

    def test_parameter_3_keeps_them(self) -> None:
        options = BootOptions(ALL)
        options.set((3, 1 << 3), now=0)
        options.set(self.PXE, now=0)
        assert not options.expire(1e9)

    def test_all_bytes_read_back(self) -> None:
        options = BootOptions(ALL)
        sent = (5, 0xE0, 0x04, 0x42, 0x01, 0x07)
        assert options.set(sent, now=0) == OK
        assert options.get((5, 0, 0)) == (OK, bytes([1, *sent]))

    @pytest.mark.parametrize(
        ("data", "code"),
        [((), 0xC7), ((5, 0x80), 0xC7), ((7, 0), 0x80), ((5, 0x80, 4 << 2, 0, 0, 0), INVALID_DATA)],
    )
    def test_what_is_wrong_is_refused(self, data: tuple[int, ...], code: int) -> None:
        assert BootOptions(ALL).set(data, now=0) == code


def test_a_bmc_that_cannot_start_says_why(tmp_path: Path, bmc: IpmiBmc) -> None:
    with pytest.raises(OperationError, match="in use"):
        IpmiBmc(
            FakeMachine(name="n2"),
            tmp_path,
            user=USER,
            password=PASSWORD,
            address="127.0.0.1",
            port=bmc.port,
        )


def test_it_ends_with_the_process_it_stands_for(bmc: IpmiBmc) -> None:
    ipmi_bmc.IpmiBmc.close(bmc)
    bmc.close()
    assert bmc._program.process.poll() is not None
