"""System Boot Options as a BMC keeps them (IPMI 2.0, section 28.12, 28.13, table 28-14).

Pure: requests in, completion codes and bytes out, and what the machine is to start from next. All
bytes of a parameter are kept as they were sent, so that efiboot, persistent and the rest read back.

The life of the boot flags' valid bit: set by the request; cleared after 60 seconds without a
Chassis Control, unless parameter 3 says otherwise; and cleared by the next start, unless
persistent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from netboot.lab.bmc.machine import BootDevice

VERSION = 1
FLAGS_LAST = 60.0
"""Seconds the boot flags stay valid without a Chassis Control (table 28-14, parameter 3)."""

OK = 0x00
NOT_SUPPORTED, ALREADY_IN_PROGRESS = 0x80, 0x81
WRONG_LENGTH, INVALID_DATA = 0xC7, 0xCC

_INVALID = 1 << 7  # of the parameter's number: locked
_VALID, _PERSISTENT = 1 << 7, 1 << 6
_NOT_BY_TIMEOUT = 1 << 3


class Parameter(IntEnum):
    """The boot option parameters kept here."""

    SET_IN_PROGRESS = 0
    SERVICE_PARTITION = 1
    SERVICE_SCAN = 2
    VALID_BIT_CLEARING = 3
    INFO_ACKNOWLEDGE = 4
    BOOT_FLAGS = 5


_LENGTHS = {
    Parameter.SET_IN_PROGRESS: 1,
    Parameter.SERVICE_PARTITION: 1,
    Parameter.SERVICE_SCAN: 1,
    Parameter.VALID_BIT_CLEARING: 1,
    Parameter.INFO_ACKNOWLEDGE: 2,
    Parameter.BOOT_FLAGS: 5,
}
_DEVICES = {
    0: None,
    1: BootDevice.NETWORK,
    2: BootDevice.DISK,
    3: BootDevice.DISK,  # safe mode
    5: BootDevice.CD,
    6: BootDevice.SETUP,
    8: BootDevice.CD,  # a remote one
    11: BootDevice.DISK,  # likewise
    15: BootDevice.USB,
}


@dataclass(frozen=True, slots=True)
class Override:
    """What the machine is to start from; None is its own order."""

    device: BootDevice | None
    once: bool


NO_OVERRIDE = Override(None, once=False)


class BootOptions:
    """The parameters of one BMC.

    Args:
        devices: what its machine can start from.
    """

    def __init__(self, devices: frozenset[BootDevice]) -> None:
        self._devices = devices
        self._data = {parameter: bytes(length) for parameter, length in _LENGTHS.items()}
        self._locked: set[Parameter] = set()
        self._expires = math.inf

    @property
    def expires(self) -> float:
        """When ``expire`` will clear the valid bit; infinite where nothing is waiting."""
        return self._expires

    @property
    def override(self) -> Override:
        """What the flags say."""
        flags = self._data[Parameter.BOOT_FLAGS]
        device = _DEVICES.get(flags[1] >> 2 & 0xF)
        if not flags[0] & _VALID or device is None:
            return NO_OVERRIDE
        return Override(device, once=not flags[0] & _PERSISTENT)

    def set(self, data: Sequence[int], now: float) -> int:
        """Set System Boot Options; the completion code.

        Args:
            data: the parameter's number and its bytes; the number alone only locks or unlocks it.
            now: seconds.
        """
        if not data:
            return WRONG_LENGTH
        try:
            parameter = Parameter(data[0] & ~_INVALID)
        except ValueError:
            return NOT_SUPPORTED
        value = bytes(data[1:])
        if value and (refused := self._refusal(parameter, value)):
            return refused
        (self._locked.add if data[0] & _INVALID else self._locked.discard)(parameter)
        if value:
            self._keep(parameter, value, now)
        return OK

    def get(self, data: Sequence[int]) -> tuple[int, bytes]:
        """Get System Boot Options; the completion code and the data of the response."""
        if not data:
            return WRONG_LENGTH, b""
        try:
            parameter = Parameter(data[0] & ~_INVALID)
        except ValueError:
            return NOT_SUPPORTED, b""
        lock = _INVALID if parameter in self._locked else 0
        return OK, bytes([VERSION, lock | parameter]) + self._data[parameter]

    def controlled(self) -> None:
        """A Chassis Control came: the flags wait for the start it causes, however long."""
        self._expires = math.inf

    def expire(self, now: float) -> bool:
        """Clear the valid bit if its time is over; whether it was."""
        if now < self._expires:
            return False
        self._invalidate()
        return True

    def started(self) -> None:
        """The machine has started: flags for one start are used up."""
        self._expires = math.inf
        if not self._data[Parameter.BOOT_FLAGS][0] & _PERSISTENT:
            self._invalidate()

    def _refusal(self, parameter: Parameter, value: bytes) -> int:
        if len(value) != _LENGTHS[parameter]:
            return WRONG_LENGTH
        if parameter is Parameter.SET_IN_PROGRESS and value[0] == 1 and self._data[parameter][0]:
            return ALREADY_IN_PROGRESS
        if parameter is Parameter.BOOT_FLAGS and value[0] & _VALID:
            code = value[1] >> 2 & 0xF
            if code not in _DEVICES or (code and _DEVICES[code] not in self._devices):
                return INVALID_DATA
        return OK

    def _keep(self, parameter: Parameter, value: bytes, now: float) -> None:
        if parameter is Parameter.INFO_ACKNOWLEDGE:  # a write mask and what to write
            mask, kept = value[0], self._data[parameter][1]
            value = bytes([0, (kept & ~mask) | (value[1] & mask)])
        if parameter is Parameter.SET_IN_PROGRESS and value[0] != 1:
            value = bytes(1)  # "commit" is over at once: nothing is held back here
        self._data[parameter] = value
        if parameter in {Parameter.BOOT_FLAGS, Parameter.VALID_BIT_CLEARING}:
            waits = self._data[Parameter.BOOT_FLAGS][0] & _VALID
            kept_on = self._data[Parameter.VALID_BIT_CLEARING][0] & _NOT_BY_TIMEOUT
            self._expires = now + FLAGS_LAST if waits and not kept_on else math.inf

    def _invalidate(self) -> None:
        flags = self._data[Parameter.BOOT_FLAGS]
        self._data[Parameter.BOOT_FLAGS] = bytes([flags[0] & ~_VALID]) + flags[1:]
        self._expires = math.inf
