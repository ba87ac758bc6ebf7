"""A machine without a BMC and somebody beside it: says what to do, and waits until it is done."""

import select
import sys
from collections.abc import Callable
from typing import TextIO

from netboot.bmc.model import (
    BootOverride,
    BootTarget,
    Hardware,
    Observed,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.errors import BmcError

PATIENCE = 600.0
"""Seconds a person is given."""
LOOK_EVERY = 0.5
"""Seconds between looks at whether the machine has been heard."""

_POWER = {
    PowerAction.ON: "switch it on",
    PowerAction.OFF: "hold its power button until it is off",
    PowerAction.SHUTDOWN: "shut it down",
    PowerAction.CYCLE: "switch it off, wait 10 seconds, and switch it on",
    PowerAction.RESET: "press its reset button",
}
_BOOT = {
    BootTarget.PXE: "boot from the network",
    BootTarget.HTTP: "boot by HTTP from the network",
    BootTarget.DISK: "boot from its disk",
    BootTarget.CD: "boot from the CD",
    BootTarget.ISCSI: "boot from its iSCSI volume",
    BootTarget.BIOS: "enter its firmware's set-up",
    BootTarget.NONE: "boot in its own order",
}

Ask = Callable[[str], None]
"""Shows a person the sentence; returns when it is done, raises BmcError when it is not."""


class ManualDriver:
    """Hands to a person what a BMC would do.

    Args:
        machine: what the person knows it by.
        ask: shows the sentence and waits.
    """

    name = "manual"

    def __init__(self, machine: str, ask: Ask | None = None) -> None:
        self._machine = machine
        self._ask = ask or at_the_terminal()
        self._wanted: BootOverride | None = None

    def observe(self) -> Observed:
        """Nothing can be read."""
        return Observed(power=PowerState.UNKNOWN, boot=None)

    def power(self, action: PowerAction) -> None:
        """Ask for it, together with where to boot from.

        Raises:
            BmcError: nobody did it.
        """
        sentence = f"{self._machine}: {_POWER[action]}"
        starts = action not in {PowerAction.OFF, PowerAction.SHUTDOWN}
        if starts and self._wanted is not None:
            how = "for this once" if self._wanted.once else "from now on"
            mode = f" in {self._wanted.mode.upper()} mode" if self._wanted.mode else ""
            url = f" ({self._wanted.url})" if self._wanted.url else ""
            sentence += f" and have it {_BOOT[self._wanted.target]}{mode}{url}, {how}"
        self._ask(sentence)

    def rungs(self, wanted: BootOverride) -> tuple[Rung, ...]:  # noqa: ARG002 -- the protocol's signature
        """A person chooses in the firmware's menu, when the machine is started."""
        return (Rung.CYCLE_ONLY,)

    def set_boot(self, wanted: BootOverride, rung: Rung) -> None:
        """Remember it for the next power action.

        Raises:
            BmcError: any other rung than the last.
        """
        if rung is not Rung.CYCLE_ONLY:
            raise BmcError(f"a person cannot set a boot source by {rung}")
        self._wanted = wanted

    def insert(self, url: str, slot: str | None = None) -> None:
        """Ask for it.

        Raises:
            BmcError: nobody did it.
        """
        where = f" into {slot}" if slot else ""
        self._ask(f"{self._machine}: insert a CD or stick with {url}{where}")

    def eject(self, slot: str | None = None) -> None:
        """Ask for it.

        Raises:
            BmcError: nobody did it.
        """
        self._ask(f"{self._machine}: take the medium out of {slot or 'its drive'}")

    def inspect(self) -> Hardware:
        """Nothing can be read."""
        return Hardware()

    def close(self) -> None:
        """Nothing is open."""


def at_the_terminal(
    happened: Callable[[], bool] = lambda: False,
    *,
    typed: TextIO | None = None,
    shown: TextIO | None = None,
    patience: float = PATIENCE,
) -> Ask:
    """Print the sentence and wait for Enter, or until ``happened()`` says that it shows already.

    Args:
        happened: looked at every ``LOOK_EVERY`` seconds; for instance, whether the machine was
            heard on the network.
        typed: standard input by default; it must have a file descriptor.
        shown: standard error by default.
        patience: seconds.
    """

    def ask(sentence: str) -> None:
        source, sink = typed or sys.stdin, shown or sys.stderr
        sink.write(f"{sentence}; then press Enter\n")
        sink.flush()
        for _ in range(max(1, round(patience / LOOK_EVERY))):
            if happened():
                return
            if select.select([source], [], [], LOOK_EVERY)[0]:
                if source.readline():
                    return
                raise BmcError(f"nobody is at the terminal to do it ({sentence})")
        raise BmcError(f"nobody did it within {patience:.0f} s ({sentence})", retryable=True)

    return ask
