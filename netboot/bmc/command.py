"""A machine whose power an operator's own programs switch: a power strip, a relay, a hypervisor.

The programs stand in the configuration, as only who may write there may name one to be run. No
shell is between: ``{node}`` and ``{mac}`` are filled in within the words of the line.
"""

import shlex
import time
from collections.abc import Callable, Mapping

from netboot.bmc.model import Observed, PowerAction, PowerState
from netboot.bmc.no_bmc import NoBmc
from netboot.bmc.run import Ran, run
from netboot.config import PowerCommands
from netboot.errors import BmcError

TIMEOUT = 60.0
"""Seconds a program gets; a hypervisor's client may be slow."""
MAX_OUTPUT = 1 << 14
"""Bytes it may print."""
MAX_WORDS = 200
"""Characters of its last line that an error repeats."""
OFF_FOR = 5.0
"""Seconds a machine stays off where its cycle is made of off and on."""

_SPOKEN = {
    "on": PowerState.ON,
    "off": PowerState.OFF,
}

Run = Callable[[list[str]], Ran]


class CommandDriver(NoBmc):
    """One machine.

    Args:
        called: the commands' name in the configuration.
        commands: what is run.
        whose: what ``{node}`` and ``{mac}`` stand for.
        start: runs a program. ``sleep``: seconds. Both are for tests.
    """

    name = "command"

    def __init__(
        self,
        called: str,
        commands: PowerCommands,
        whose: Mapping[str, str],
        *,
        start: Run = lambda words: run(
            words, seconds=TIMEOUT, most_output=MAX_OUTPUT, with_errors=True
        ),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(f"power_commands.{called}")
        self._commands = commands
        self._whose = whose
        self._start = start
        self._sleep = sleep

    def observe(self) -> Observed:
        """Read the power from the first word of what ``status`` prints.

        Raises:
            BmcError: it failed, or said neither on nor off.
        """
        if self._commands.status is None:
            return Observed(power=PowerState.UNKNOWN, boot=None)
        said = self._run("status", self._commands.status)
        power = _SPOKEN.get(said.strip().partition("\n")[0].strip().lower())
        if power is None:
            raise BmcError(f"{self._called}.status printed neither on nor off: {_last(said)!r}")
        return Observed(power=power, boot=None)

    def power(self, action: PowerAction) -> None:
        """Run what switches; where there is no ``cycle``, ``off``, a wait, and ``on``.

        Raises:
            BmcError: there is no command for it, or it failed; ``effect_unknown`` where it was
                killed because it did not end.
        """
        commands = self._commands
        match action:
            case PowerAction.ON:
                self._run("on", commands.on)
            case PowerAction.OFF:
                self._run("off", commands.off)
            case PowerAction.CYCLE | PowerAction.RESET if commands.cycle is not None:
                self._run("cycle", commands.cycle)
            case PowerAction.CYCLE | PowerAction.RESET:
                self._run("off", commands.off)
                self._sleep(OFF_FOR)
                self._run("on", commands.on)
            case PowerAction.SHUTDOWN:
                raise BmcError(f"{self._called} cannot ask the system to shut down; off can be had")

    def _run(self, which: str, line: str) -> str:
        """What it printed."""
        called = f"{self._called}.{which}"
        words = [_filled(word, self._whose) for word in shlex.split(line)]
        try:
            ran = self._start(words)
        except OSError as error:
            raise BmcError(f"{called}: {words[0]} cannot be run: {error.strerror}") from None
        said = ran.output.decode("utf-8", "backslashreplace")
        if ran.late:
            problem = f"{called} did not end within {TIMEOUT:g} s"
            raise BmcError(problem, retryable=True, effect_unknown=True)
        if ran.status or ran.too_long:
            ended = "printed too much" if ran.too_long else f"ended with exit status {ran.status}"
            raise BmcError(f"{called} {ended}: {_last(said) or 'it said nothing'}")
        return said


def _filled(word: str, whose: Mapping[str, str]) -> str:
    for key, value in whose.items():
        word = word.replace(f"{{{key}}}", value)
    return word


def _last(said: str) -> str:
    """The last line, as far as it may stand in a log."""
    lines = [line for line in said.splitlines() if line.strip()]
    shown = lines[-1].strip()[:MAX_WORDS] if lines else ""
    return "".join(c if c.isprintable() else "?" for c in shown)
