"""The power of a virtual BMC's machine: what each ResetType of DSP0268 does to it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from netboot.lab.bmc.machine import Refused, VirtualMachine
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import Json, Outcome

RESTARTS = frozenset({"ForceRestart", "GracefulRestart", "PowerCycle", "FullPowerCycle"})
_FOR_ONE_ON = RESTARTS | {"ForceOff", "GracefulShutdown", "Nmi"}


class Power:
    """Switches one machine, and knows when it last started.

    Args:
        machine: it.
        same_power_refused: On when it is on, and off or restart when it is off, is 409.
    """

    def __init__(self, machine: VirtualMachine, *, same_power_refused: bool) -> None:
        self._machine = machine
        self._same_power_refused = same_power_refused
        self._starts = machine.starts
        self._last_reset = datetime.now(UTC)
        self._acts: dict[str, Callable[[], None]] = {
            "On": machine.power_on,
            "ForceOn": machine.power_on,
            "ForceOff": machine.power_off,
            "GracefulShutdown": machine.shutdown,
            "GracefulRestart": self._restart,
            "ForceRestart": self._restart,
            "PowerCycle": self._cycle,
            "FullPowerCycle": self._cycle,
            "PushPowerButton": self._push,
            "Nmi": lambda: None,
        }

    @property
    def state(self) -> str:
        """PowerState of DSP0268."""
        return "On" if self._machine.is_on else "Off"

    @property
    def last_reset(self) -> str:
        """LastResetTime of DSP0268; a start of its own counts from when it is first seen."""
        if self._machine.starts != self._starts:
            self._starts = self._machine.starts
            self._last_reset = datetime.now(UTC)
        return self._last_reset.isoformat(timespec="milliseconds")

    def reset(self, action: str, allowed: Sequence[str], body: Json) -> Outcome:
        """The Reset action of a system or chassis.

        Args:
            action: its name, for the refusal.
            allowed: values of ResetType that this BMC takes; the first is the one meant by none.
            body: its parameters.

        Raises:
            Problem: 400, the parameters are wrong; 409, the machine is in that state already.
        """
        for name in body:
            if name != "ResetType":
                raise bad("ActionParameterNotSupported", name, action)
        kind = body.get("ResetType", allowed[0])
        if kind not in allowed:
            raise bad("ActionParameterValueNotInList", str(kind), "ResetType")
        self.act(kind)
        return Outcome()

    def act(self, kind: str) -> None:
        """Do what one ResetType means.

        Raises:
            Problem: 409, the machine is in that state already; 500, it does not obey.
        """
        is_on = self._machine.is_on
        same = (kind in ("On", "ForceOn") and is_on) or (kind in _FOR_ONE_ON and not is_on)
        if same and self._same_power_refused:
            raise Problem(HTTPStatus.CONFLICT, "ResourceInUse", f"power is {self.state}")
        try:
            self._acts[kind]()
        except Refused as refusal:
            raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", str(refusal)) from None

    def _restart(self) -> None:
        if self._machine.is_on:
            self._machine.reset()
        else:
            self._machine.power_on()

    def _cycle(self) -> None:
        self._machine.power_off()
        self._machine.power_on()

    def _push(self) -> None:
        if self._machine.is_on:
            self._machine.shutdown()
        else:
            self._machine.power_on()
