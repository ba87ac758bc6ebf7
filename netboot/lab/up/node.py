"""A virtual machine with real firmware, under the hands of virtual BMCs.

One QEMU process lives from ``QemuMachine()`` to ``close()``; power goes on and off inside it:

    off      ``stop`` + ``system_reset``: the CPU stands at its reset vector
    on       ``system_reset`` and ``cont``
    reset    ``system_reset``

QEMU tells the firmware its boot order at each reset, whoever causes it. So an override for one
start is this: the order is changed at once, and changed back when the next start has got under way:
SeaBIOS resets a machine once or twice more as soon as it finds memory that was used before, and
only then does it look for what to boot. Such resets belong to the start that they follow.

A LUN that its firmware logs in to is plugged in and out at resets too (``lun``). After a reset of
the machine's own there is another one for that, at once.
A second monitor only wakes us up for that; what happened is read from the first one, where events
stand in order with the replies to our commands.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from netboot.errors import OperationError
from netboot.lab.bmc.machine import BootDevice, IscsiDrive, Refused
from netboot.lab.program import Program
from netboot.lab.qmp import Qmp
from netboot.lab.up.lun import Lun
from netboot.lab.up.order import BootOrder
from netboot.lab.up.qemu import SERIAL, Hardware, command
from netboot.model import Mac

START_TIMEOUT = 20.0
RESET_TIMEOUT = 20.0
"""Seconds a reset may take under TCG on a busy machine."""
FIRMWARE_RESETS = 0.08
"""CPU seconds of QEMU in which another reset is the firmware's own: it takes 0.04, a POST 0.12."""
SLOT = "Cd"
SCHEMES = frozenset({"http", "https", "nfs"})
"""Where QEMU's block drivers can read a medium."""

_LOOK_EVERY = 0.1
_QUIET = 3600.0
"""Seconds after which a machine that says nothing is listened to anew."""

Start = Callable[[list[str], Path], Program]


class QemuMachine:
    """One machine, made switched off.

    Args:
        hardware: what it is made of.
        directory: for its files; it is there.
        order: its own boot order.
        start: starts a command where its taps and its BMC's address are.

    Attributes:
        hardware: as given.
        serial_log: all it said on its serial line.
        serial: the UNIX socket that is the line's other end, for one at a time.
        lun: what its firmware logs in to.

    Raises:
        OperationError: QEMU or its firmware is not installed, or did not start.
    """

    cpus = 1

    def __init__(
        self, hardware: Hardware, directory: Path, order: Sequence[BootDevice], start: Start
    ) -> None:
        self.hardware = hardware
        self.serial_log = directory / "serial.log"
        self.serial = directory / SERIAL
        self._once = False
        self._used = False
        self._starts = 0
        self._reset_at = 0.0
        self._lock = threading.RLock()
        monitors = directory / "qmp", directory / "events"
        self.program = start(command(hardware, directory, monitors), self.serial_log)
        self._qmp, self._events = map(self._connected, monitors)
        self.lun = Lun(self._qmp)
        self._order = BootOrder(self._qmp, hardware, order, self.lun)
        self._plug_due = False
        self._arrange(None)
        self._listener = threading.Thread(
            target=self._listen, name=f"events of {hardware.name}", daemon=True
        )
        self._listener.start()

    @property
    def name(self) -> str:
        """Its serial number."""
        return self.hardware.name

    @property
    def uuid(self) -> Any:  # noqa: ANN401 -- UUID
        """Its SMBIOS UUID."""
        return self.hardware.uuid

    @property
    def macs(self) -> Sequence[Mac]:
        """Of its NICs."""
        return [nic.mac for nic in self.hardware.nics]

    @property
    def memory_mib(self) -> int:
        """Its memory."""
        return self.hardware.memory

    @property
    def modes(self) -> Sequence[str]:
        """Its firmware's."""
        return ("Legacy",) if self.hardware.firmware == "bios" else ("UEFI",)

    @property
    def boot_devices(self) -> frozenset[BootDevice]:
        """What is plugged in."""
        there = {BootDevice.CD, *((BootDevice.ISCSI,) if self.hardware.has_iscsi else ())}
        if self.hardware.nics:
            http = self.hardware.firmware == "uefi-http"
            there.add(BootDevice.HTTP if http else BootDevice.NETWORK)
        if self.hardware.disks:
            there.add(BootDevice.DISK)
        return frozenset(there)

    @property
    def boot_order(self) -> Sequence[BootDevice]:
        """Its own."""
        return self._order.own

    @property
    def is_on(self) -> bool:
        """Whether its CPU runs."""
        with self._lock:
            return bool(self._qmp.command("query-status")["running"])

    @property
    def starts(self) -> int:
        """How often it has started, by whatever."""
        with self._lock:
            self._take_resets()
            return self._starts

    def power_on(self) -> None:
        """Start it; does nothing to one that is on."""
        with self._lock:
            if not self.is_on:
                self._reset()
                self._started()
                self._qmp.command("cont")

    def power_off(self) -> None:
        """Pull the plug; does nothing to one that is off."""
        with self._lock:
            if self.is_on:
                self._qmp.command("stop")
                self._reset()

    def reset(self) -> None:
        """Press the reset button of one that is on."""
        with self._lock:
            if self.is_on:
                self._reset()
                self._started()

    def shutdown(self) -> None:
        """Press the power button, which its system may ignore."""
        with self._lock:
            self._qmp.command("system_powerdown")

    def set_boot(self, device: BootDevice | None, *, once: bool, url: str = "") -> None:
        """Put a device in front of the boot order, for the next start or for good.

        Raises:
            Refused: it has no such device, or its firmware takes the URL from DHCP alone.
        """
        if device is not None and device not in self.boot_devices:
            raise Refused(f"{self.name} cannot boot from {device}")
        if url:
            raise Refused("the firmware takes the URL of an HTTP boot from DHCP alone")
        with self._lock, self._under_way(), self._standing_still():
            self._arrange(device, once=once)
            if self._take_resets():  # it was about to reboot, and saw half of the order
                self._arrange(device, once=once)
                self._reset()
                self._started()

    def set_boot_order(self, order: Sequence[BootDevice]) -> None:
        """Have another order of its own."""
        with self._lock, self._standing_still():
            self._order.own = tuple(order)
            self._order.renew()

    def set_iscsi(self, drive: IscsiDrive | None) -> None:
        """Have QEMU itself log in to ``drive`` at the next reset."""
        with self._lock:
            self.lun.wanted = drive

    def insert(self, slot: str, image: str) -> None:
        """Have QEMU itself read the image at a URL.

        Raises:
            Refused: there is no such slot, or the image cannot be read.
        """
        if slot != SLOT or urlsplit(image).scheme.lower() not in SCHEMES:
            raise Refused(f"only {', '.join(sorted(SCHEMES))} can be read, into {SLOT}")
        medium = {"id": "cd0", "filename": image, "format": "raw", "read-only-mode": "read-only"}
        with self._lock:
            try:
                self._qmp.command("blockdev-change-medium", medium)
            except OperationError as error:
                raise Refused(str(error)) from None

    def eject(self, slot: str) -> None:
        """Empty the slot, whatever the system says to it."""
        if slot == SLOT:
            with self._lock:
                self._qmp.command("eject", {"id": "cd0", "force": True})

    def screendump(self, path: Path) -> Path:
        """Write what its screen shows as PNG; with ``bios`` there is none, only a serial line."""
        with self._lock:
            shot = {"filename": str(path.absolute()), "format": "png"}
            self._qmp.command("screendump", shot)
        return path

    def close(self) -> None:
        """End QEMU. Calling it twice is fine."""
        self.program.end()
        self._listener.join()
        self._qmp.close()
        self._events.close()

    def _reset(self) -> None:
        """Reset, and wait until it has happened: then the firmware's boot order is made."""
        self._take_resets()
        self._restore()
        self._plug()
        self._qmp.command("system_reset")
        while self._qmp.wait_for_event("RESET", RESET_TIMEOUT)["guest"]:
            self._reset_itself()
        self._reset_at = self._work

    def _take_resets(self) -> int:
        """Take note of the resets that the machine itself has caused by now; how many were new."""
        self._qmp.command("query-status")  # every event until its reply has come with it
        taken = 0
        with contextlib.suppress(OperationError):  # no more
            while True:
                if self._qmp.wait_for_event("RESET", 0)["guest"]:
                    self._reset_itself()
                    taken += 1
        return taken

    def _reset_itself(self) -> None:
        """The machine has; it is a start unless its firmware did it at the beginning of one."""
        if self._is_under_way:
            self._started()
        self._reset_at = self._work
        self._plug_due = self.lun.is_stale

    def _plug(self) -> None:
        """Have the LUN that the firmware is told, in its place of the order."""
        self._plug_due = False
        if self.lun.is_stale:
            self.lun.settle()
            self._order.renew()

    def _start_anew(self) -> None:
        """Have the start that has just begun see the LUN."""
        self._used = False
        self._reset()
        self._used = self._once

    @contextlib.contextmanager
    def _under_way(self) -> Iterator[None]:
        """Wait until its firmware will not reset it any more, and have its own order next."""
        deadline = time.monotonic() + RESET_TIMEOUT
        while self.is_on and not self._is_under_way and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
            self._take_resets()
        self._restore()
        yield

    @contextlib.contextmanager
    def _standing_still(self) -> Iterator[None]:
        """Halt the CPU, so that no reboot comes in between."""
        if not self.is_on:
            yield
            return
        self._qmp.command("stop")
        self._take_resets()
        try:
            yield
        finally:
            self._qmp.command("cont")

    @property
    def _is_under_way(self) -> bool:
        """Whether it has worked longer since its last reset than the firmware does before its own.

        In CPU time, as the machine may be one of many on a busy host.
        """
        return self._work >= self._reset_at + FIRMWARE_RESETS

    @property
    def _work(self) -> float:
        """CPU seconds that QEMU has used."""
        return self.program.cpu_seconds

    def _started(self) -> None:
        self._starts += 1
        self._used = self._once

    def _restore(self) -> None:
        """Have the machine's own order again, if an override for one start was used."""
        if self._used:
            self._arrange(None)

    def _arrange(self, override: BootDevice | None, *, once: bool = False) -> None:
        """Have this order from the next start on, or for that one."""
        self._once, self._used = once, False
        self._order.put_first(override)

    def _listen(self) -> None:
        """Be awake for every reset, and when a start has got under way, until QEMU ends."""
        while self.program.process.poll() is None:
            with contextlib.suppress(OperationError):  # silence
                self._events.wait_for_event("RESET", _LOOK_EVERY if self._used else _QUIET)
            with contextlib.suppress(OperationError), self._lock:  # its end
                self._take_resets()
                if self._plug_due:
                    self._start_anew()
                if self._is_under_way:
                    self._restore()

    def _connected(self, path: Path) -> Qmp:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.program.process.poll() is None:
            try:
                return Qmp(path)
            except (OSError, OperationError):  # not there yet, or ending: its output says why
                time.sleep(0.02)  # QEMU has no other way to say that its monitor is there
        self.program.end()
        raise OperationError(f"QEMU did not start: {self.program.tail()}")
