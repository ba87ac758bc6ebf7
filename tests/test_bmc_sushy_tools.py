"""Our Redfish client against a service of other people's: the emulator of sushy-tools."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.bmc.address import parse_address
from netboot.bmc.driver import Driver
from netboot.bmc.model import BootMode, BootOverride, BootTarget, PowerAction, PowerState, Rung, Tls
from netboot.bmc.open import open_driver

START_WITHIN = 30.0
EMULATOR = Path(sys.executable).with_name("sushy-emulator")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [EMULATOR, "--fake", "--interface", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"TMPDIR": str(tmp_path_factory.mktemp("emulator"))},  # where it keeps its machines
    ) as emulator:
        try:
            _await_port(port)
            opened = open_driver(parse_address(f"redfish+http://127.0.0.1:{port}"), None, Tls())
            yield opened
            opened.close()
        finally:
            emulator.terminate()


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"sushy-emulator does not listen after {START_WITHIN:.0f} s")


def test_its_inventory_is_read(driver: Driver) -> None:
    found = driver.inspect()
    assert found.manufacturer == "Sushy Emulator"
    assert len(found.nics) == 1
    assert "virtual-media" in found.capabilities


@pytest.mark.parametrize("target", [BootTarget.CD, BootTarget.DISK, BootTarget.PXE])
def test_an_override_is_set_and_read_back(driver: Driver, target: BootTarget) -> None:
    driver.set_boot(BootOverride(target, once=False, mode=BootMode.UEFI), Rung.FULL_BODY)
    assert driver.observe().boot == BootOverride(target, once=False, mode=BootMode.UEFI)


def test_it_is_switched_on(driver: Driver) -> None:
    assert driver.observe().power is PowerState.OFF
    driver.power(PowerAction.ON)
    deadline = time.monotonic() + START_WITHIN
    while driver.observe().power is not PowerState.ON:  # it takes some seconds, as real ones do
        assert time.monotonic() < deadline
        time.sleep(0.2)
