"""Virtual machines with real firmware: they have power, a screen, and ask the network to boot."""

from pathlib import Path

import pytest

from netboot.errors import OperationError
from netboot.lab import packets
from netboot.lab.capture import Capture
from netboot.lab.machine import FirmwareKind, Machine
from netboot.lab.namespaces import Lan
from netboot.lab.packets import Packet

pytestmark = pytest.mark.firmware

FIRMWARE_TIMEOUT = 200
"""Seconds to a firmware's DISCOVER, two machines and other tests at once on two cores."""


def is_discover(packet: Packet) -> bool:
    return packets.dhcp_type(packet.payload) == packets.DISCOVER


def architecture(packet: Packet) -> int:
    return int.from_bytes(packets.dhcp_option(packet.payload, 93) or b"\xff")


def hardware_address(packet: Packet) -> str:
    return packet.payload[28:34].hex(":")


def test_a_bios_and_a_uefi_machine_ask_to_boot_at_once(lan: Lan) -> None:
    kinds: dict[FirmwareKind, int] = {"bios": 0x00, "uefi": 0x07}
    machines = [
        Machine(lan, kind, [f"52:54:00:00:00:0{number}"], kind)
        for number, kind in enumerate(kinds, start=1)
    ]
    captures = [Capture(lan.switch, machine.taps[0]) for machine in machines]
    for machine in machines:
        machine.power_on()
    for machine, capture in zip(machines, captures, strict=True):
        asked = capture.wait_for(
            lambda packet, mac=machine.macs[0]: (
                is_discover(packet) and hardware_address(packet) == mac
            ),
            FIRMWARE_TIMEOUT,
        )
        assert architecture(asked) == kinds[machine.firmware]
        identity = packets.dhcp_option(asked.payload, 97) or b""
        assert identity[1:] == machine.uuid.bytes_le


def test_the_boot_order_decides_which_nic_asks_first(lan: Lan) -> None:
    machine = Machine(lan, "two", ["52:54:00:00:00:01", "52:54:00:00:00:02"])
    captures = [Capture(lan.switch, tap) for tap in machine.taps]
    with pytest.raises(OperationError, match="bootindex"):
        machine.set_bootindex("nic1", 0)  # nic0 has it
    machine.set_bootindex("nic0", -1)
    machine.set_bootindex("nic1", 0)
    machine.power_on()
    asked = captures[1].wait_for(is_discover, FIRMWARE_TIMEOUT)
    assert hardware_address(asked) == "52:54:00:00:00:02"
    own = [p for p in captures[0].packets if hardware_address(p) == "52:54:00:00:00:01"]
    assert own == []


def test_power_reset_and_screen(lan: Lan, tmp_path: Path) -> None:
    machine = Machine(lan, "power", ["52:54:00:00:00:01"])
    assert not machine.is_on
    assert machine.powered_at is None

    machine.power_on()
    machine.wait_for_serial("Start PXE over IPv4", FIRMWARE_TIMEOUT)
    assert machine.is_on
    assert machine.screendump(tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")

    machine.power_off()
    machine.power_off()
    assert not machine.is_on
    assert "Start PXE over IPv4" in machine.serial_text

    machine.power_on()
    assert "Start PXE over IPv4" not in machine.serial_text, (
        "what was said before the last power-on is over"
    )
    machine.wait_for_serial("Start PXE over IPv4", FIRMWARE_TIMEOUT)
    machine.reset()
    machine.wait_for_serial("Start PXE over IPv4", FIRMWARE_TIMEOUT)


def test_a_machine_that_cannot_be_made_says_why(lan: Lan) -> None:
    with pytest.raises(OperationError, match=r"QEMU did not start: (?s:.*)absent\.img"):
        Machine(lan, "broken", ["52:54:00:00:00:01"], disk=Path("/absent.img"))


def test_what_is_no_mac_is_refused_before_anything_is_made(lan: Lan) -> None:
    with pytest.raises(ValueError, match="multicast"):
        Machine(lan, "broken", ["01:00:5e:00:00:01"])
