"""Others' Redfish clients, as they come, against a virtual BMC: sushy and DMTF's redfishtool."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sushy
from sushy.taskmonitor import TaskMonitor

from netboot.lab.bmc.faults import Fault
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.tasks import REQUESTS
from netboot.lab.bmc.virtual import VirtualBmc

ISO = "http://192.0.2.1/x.iso"
TIMEOUT = 60


@pytest.fixture
def bmc() -> Iterator[VirtualBmc]:
    with VirtualBmc(FakeMachine()) as running:
        yield running


@pytest.fixture
def root(bmc: VirtualBmc) -> Iterator[sushy.Sushy]:
    client = sushy.Sushy(bmc.url, "admin", "password", server_side_retries=1)
    yield client
    client._auth.close()


def test_sushy_flips_a_machine_to_pxe_once(bmc: VirtualBmc, root: sushy.Sushy) -> None:
    assert isinstance(bmc.machine, FakeMachine)
    (system,) = root.get_system_collection().get_members()
    system.set_system_boot_options(
        sushy.BOOT_SOURCE_TARGET_PXE,
        enabled=sushy.BOOT_SOURCE_ENABLED_ONCE,
        mode=sushy.BOOT_SOURCE_MODE_UEFI,
    )
    system.refresh()
    assert system.boot["target"] is sushy.BOOT_SOURCE_TARGET_PXE
    system.reset_system(sushy.RESET_ON)
    system.refresh()
    assert system.power_state is sushy.POWER_STATE_ON
    assert system.boot["enabled"] is sushy.BOOT_SOURCE_ENABLED_DISABLED
    assert list(bmc.machine.boots) == ["network"]


def test_sushy_reads_the_inventory(bmc: VirtualBmc, root: sushy.Sushy) -> None:
    (system,) = root.get_system_collection().get_members()
    assert system.uuid == str(bmc.machine.uuid)
    assert system.memory_summary.size_gib == 4
    assert list(system.ethernet_interfaces.summary) == ["52:54:00:00:00:01"]
    (chassis,) = root.get_chassis_collection().get_members()
    (adapter,) = chassis.network_adapters.get_members()
    (function,) = adapter.network_device_functions.get_members()
    assert function.iscsi_boot.primary_target_tcp_port == 3260


def test_sushy_inserts_and_ejects_a_medium(bmc: VirtualBmc, root: sushy.Sushy) -> None:
    assert isinstance(bmc.machine, FakeMachine)
    (manager,) = root.get_manager_collection().get_members()
    (slot,) = manager.virtual_media.get_members()
    slot.insert_media(ISO)
    slot.refresh()
    assert (slot.image, slot.inserted) == (ISO, True)
    assert bmc.machine.media == {"Cd": ISO}
    slot.eject_media()
    assert bmc.machine.media == {}


def test_sushy_changes_firmware_settings(root: sushy.Sushy) -> None:
    (system,) = root.get_system_collection().get_members()
    system.bios.set_attribute("NumLock", value=False, apply_time=sushy.APPLY_TIME_ON_RESET)
    system.bios.refresh()
    assert system.bios.pending_attributes["NumLock"] is False
    assert system.bios.attributes["NumLock"] is True
    system.secure_boot.set_enabled(enabled=True)
    system.reset_system(sushy.RESET_ON)
    system.refresh(force=True)
    assert system.bios.attributes["NumLock"] is False
    assert system.secure_boot.current_boot is sushy.SECURE_BOOT_ENABLED


def test_sushy_logs_out(bmc: VirtualBmc, root: sushy.Sushy) -> None:
    root.get_system_collection()
    assert bmc.sessions == 1
    root._auth.close()
    assert bmc.sessions == 0


def test_sushy_follows_a_task(bmc: VirtualBmc, root: sushy.Sushy) -> None:
    (system,) = root.get_system_collection().get_members()
    bmc.faults.add(Fault("task", "POST"))
    action = f"{system.path}/Actions/ComputerSystem.Reset"
    reply = system._conn.post(action, data={"ResetType": "On"})
    monitor = TaskMonitor(system._conn, reply.headers["Location"], response=reply)
    assert monitor.task.task_state is sushy.TASK_STATE_RUNNING
    assert [monitor.check_is_processing for _ in range(REQUESTS)] == [True, True, False]
    assert bmc.machine.starts == 1


@pytest.fixture
def redfishtool(bmc: VirtualBmc, tmp_path: Path) -> Iterator[list[str]]:
    config = tmp_path / "redfishtool.json"
    config.write_text(json.dumps({"user": "admin", "password": "password"}))
    tool = Path(sys.executable).with_name("redfishtool")
    host = bmc.url.removeprefix("http://")
    yield [str(tool), "-S", "Never", "-r", host, "-c", str(config)]
    assert bmc.sessions == 0


def run(redfishtool: list[str], *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [*redfishtool, *words], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    said: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    return said


def test_redfishtool_sets_the_override_and_resets(bmc: VirtualBmc, redfishtool: list[str]) -> None:
    assert isinstance(bmc.machine, FakeMachine)
    run(redfishtool, "Systems", "setBootOverride", "Once", "Pxe")
    assert run(redfishtool, "Systems", "-I", "1")["Boot"]["BootSourceOverrideTarget"] == "Pxe"
    run(redfishtool, "Systems", "reset", "On")
    assert list(bmc.machine.boots) == ["network"]
