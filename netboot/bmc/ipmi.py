"""IPMI 2.0: power, and where to boot from by the boot flags. No virtual media, no HTTP boot."""

import time
from collections.abc import Callable
from typing import Protocol

from netboot.bmc import ipmi_fru
from netboot.bmc.ipmi_console import SolLine
from netboot.bmc.ipmi_session import Session
from netboot.bmc.model import (
    BootMode,
    BootOverride,
    BootTarget,
    Hardware,
    Login,
    Observed,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.errors import BmcError

POWER_TIMEOUT = 30.0
"""Seconds until the BMC must say "on" or "off" after it was told so."""
_LOOK_EVERY = 0.5

CHASSIS = 0x00
_GET_STATUS, _CONTROL, _SET_BOOT, _GET_BOOT = 0x01, 0x02, 0x08, 0x09
_CONTROLS = {
    # section 28.3
    PowerAction.OFF: 0,
    PowerAction.ON: 1,
    PowerAction.CYCLE: 2,
    PowerAction.RESET: 3,
    PowerAction.SHUTDOWN: 5,
}
_SETTLED = {PowerAction.ON: PowerState.ON, PowerAction.OFF: PowerState.OFF}
_STARTS = frozenset({PowerAction.ON, PowerAction.CYCLE, PowerAction.RESET})

# boot options, table 28-14
_KEPT_VALID, _BOOT_FLAGS = 3, 5
_NOT_BY_TIMEOUT = 1 << 3
_VALID, _PERSISTENT, _EFI = 1 << 7, 1 << 6, 1 << 5
_DEVICES = {
    BootTarget.NONE: 0,
    BootTarget.PXE: 1,
    BootTarget.DISK: 2,
    BootTarget.CD: 5,
    BootTarget.BIOS: 6,
}
_TARGETS = {code: target for target, code in _DEVICES.items()} | {
    3: BootTarget.DISK,  # safe mode
    8: BootTarget.CD,  # a remote one
    11: BootTarget.DISK,  # likewise
}


class Requests(Protocol):
    """What the driver needs of a session."""

    def request(
        self, netfn: int, command: int, data: tuple[int, ...] = (), *, repeat: bool = True
    ) -> bytes:
        """As ``Session.request``."""

    def close(self) -> None:
        """Log out."""


class IpmiDriver:
    """A conversation with one BMC by IPMI over LAN. It logs in at its first request.

    Args:
        host: name or address. ``port``: UDP.
        login: who we are.
        connect: opens the session. ``pause``, ``clock``: for tests.
    """

    name = "ipmi"

    def __init__(
        self,
        host: str,
        port: int,
        login: Login,
        *,
        connect: Callable[[str, int, Login], Requests] = Session,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect: Callable[[], Requests] = lambda: connect(host, port, login)
        self._connect_lasting: Callable[[], Session] = lambda: Session(host, port, login)
        self._pause = pause
        self._clock = clock
        self._wanted: BootOverride | None = None
        self._opened: Requests | None = None

    @property
    def _session(self) -> Requests:
        if self._opened is None:
            self._opened = self._connect()
        return self._opened

    def observe(self) -> Observed:
        """Read power and boot flags."""
        return Observed(power=self._power_state(), boot=self._boot())

    def power(self, action: PowerAction) -> None:
        """Send one Chassis Control (section 28.3) and read back that the machine is on or off.

        An override set by ``set_boot`` is sent again just before, as boot flags expire after 60
        seconds. A machine that is off is switched on by a cycle, which IPMI itself would ignore.

        Raises:
            BmcError: refused; not answered (the effect is unknown); or accepted, but the state
                did not come within ``POWER_TIMEOUT``.
        """
        before = self._power_state()
        if _SETTLED.get(action) is before:
            return
        if action is PowerAction.CYCLE and before is PowerState.OFF:
            action = PowerAction.ON
        if action in _STARTS and self._wanted is not None:
            self._send_flags(self._wanted)
        self._session.request(CHASSIS, _CONTROL, (_CONTROLS[action],), repeat=False)
        if (settled := _SETTLED.get(action)) is not None:
            self._await(settled)

    def rungs(self, wanted: BootOverride) -> tuple[Rung, ...]:
        """The boot flags, where they have a word for it; then the boot server alone."""
        flags = (Rung.IPMI,) if wanted.target in _DEVICES and wanted.url is None else ()
        alone = wanted.target in {BootTarget.PXE, BootTarget.HTTP, BootTarget.DISK}
        return (*flags, *((Rung.CYCLE_ONLY,) if alone else ()))

    def set_boot(self, wanted: BootOverride, rung: Rung) -> None:
        """Set the boot flags (section 28.12); ``power`` sends them again.

        Raises:
            BmcError: refused, or not answered.
        """
        if rung is Rung.CYCLE_ONLY:
            self._wanted = None
            return
        if rung is not Rung.IPMI or wanted.target not in _DEVICES:
            raise BmcError(f"IPMI cannot boot from {wanted.target} by {rung}")
        self._send_flags(wanted)
        self._wanted = wanted

    def insert(self, url: str, slot: str | None = None) -> None:  # noqa: ARG002 -- the protocol's signature
        """IPMI has no virtual media.

        Raises:
            BmcError: always.
        """
        raise BmcError("IPMI has no virtual media")

    def eject(self, slot: str | None = None) -> None:  # noqa: ARG002 -- likewise
        """IPMI has no virtual media.

        Raises:
            BmcError: always.
        """
        raise BmcError("IPMI has no virtual media")

    def inspect(self) -> Hardware:
        """What the BMC's own identity and its FRU inventory say."""
        return ipmi_fru.hardware(self._session.request)

    def console(self, *, force: bool = False) -> SolLine:
        """The serial line, by SOL in a session of its own.

        Raises:
            BmcError: somebody else has it and keeps it, or it is not to be had.
        """
        return SolLine(self._connect_lasting(), force=force)

    def close(self) -> None:
        """Log out."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _power_state(self) -> PowerState:
        status = self._session.request(CHASSIS, _GET_STATUS)
        if not status:
            return PowerState.UNKNOWN
        return PowerState.ON if status[0] & 1 else PowerState.OFF

    def _await(self, wanted: PowerState) -> None:
        deadline = self._clock() + POWER_TIMEOUT
        while self._power_state() is not wanted:
            if self._clock() >= deadline:
                raise BmcError(
                    f"the BMC accepted, but is not {wanted} after {POWER_TIMEOUT:.0f} s",
                    retryable=True,
                    effect_unknown=True,
                )
            self._pause(_LOOK_EVERY)

    def _boot(self) -> BootOverride | None:
        flags = self._flags()
        if flags is None:
            return None
        options, device = flags
        target = _TARGETS.get(device >> 2 & 0xF)
        if not options & _VALID or target is BootTarget.NONE:
            return BootOverride(BootTarget.NONE)
        if target is None:
            return None
        mode = BootMode.UEFI if options & _EFI else BootMode.BIOS
        return BootOverride(target, once=not options & _PERSISTENT, mode=mode)

    def _flags(self) -> tuple[int, int] | None:
        """Data 1 and 2 of the boot flags; None where the BMC has none or locks them."""
        try:
            said = self._session.request(CHASSIS, _GET_BOOT, (_BOOT_FLAGS, 0, 0))
        except BmcError as error:
            if error.retryable:
                raise
            return None
        # version, parameter (its high bit: locked), data 1, data 2
        return (said[2], said[3]) if len(said) > 3 and not said[1] & 0x80 else None  # noqa: PLR2004 -- the layout above

    def _send_flags(self, wanted: BootOverride) -> None:
        try:
            self._session.request(CHASSIS, _SET_BOOT, (_KEPT_VALID, _NOT_BY_TIMEOUT))
        except BmcError as error:  # optional in the standard: then they expire
            if error.retryable:
                raise
        self._session.request(CHASSIS, _SET_BOOT, (_BOOT_FLAGS, *self._encoded(wanted), 0, 0, 0))

    def _encoded(self, wanted: BootOverride) -> tuple[int, int]:
        if wanted.target is BootTarget.NONE:
            return 0, 0
        if wanted.mode is None:  # stays as it is
            efi = (self._flags() or (0, 0))[0] & _EFI
        else:
            efi = _EFI if wanted.mode is BootMode.UEFI else 0
        return _VALID | (0 if wanted.once else _PERSISTENT) | efi, _DEVICES[wanted.target] << 2
