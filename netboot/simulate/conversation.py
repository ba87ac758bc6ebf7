"""A machine's whole boot without a socket and without a clock.

Whoever drives it hands in what came and what time it is, carries out what it returns, and calls
``tick`` at ``timer``. Whatever comes, it raises nothing: it ends with an ``Outcome``.
"""

from netboot.simulate import dhcp
from netboot.simulate.boot import Boot
from netboot.simulate.effects import Get, Got, HttpGet, Listen, Send, Sleep, TftpGet
from netboot.simulate.machine import Machine, Outcome, Stage, Stop
from netboot.simulate.network import Clock, Stopped

Command = Send | TftpGet | HttpGet
"""What the driver is to do; a ``Get`` is to be followed by ``got``."""


class Reached(Exception):  # noqa: N818 -- the aim, not an error
    """The machine has come as far as it was asked to."""


class Conversation:
    """One machine's boot.

    Args:
        machine: who boots.
        until: the stage that is enough.

    Attributes:
        timer: when ``tick`` is to be called, None for never.
        outcome: how it ended, None while it has not.
    """

    def __init__(self, machine: Machine, until: Stage) -> None:
        self.machine = machine
        self._until = until
        self._clock = Clock()
        self._times: dict[Stage, float] = {}
        self._boot = Boot(machine, self._clock, self._reach)
        self._steps = self._boot.steps()
        self._waiting: Listen | Sleep | TftpGet | HttpGet | None = None
        self._started = 0.0
        self.timer: float | None = None
        self.outcome: Outcome | None = None

    @property
    def stage(self) -> Stage | None:
        """The last stage reached."""
        return next(reversed(self._times), None)

    def start(self, now: float) -> list[Command]:
        """Switch the machine on."""
        self._started = self._clock.now = now
        return self._go_on(None)

    def receive(
        self, payload: bytes, source: tuple[str, int], port: int, now: float
    ) -> list[Command]:
        """Take a datagram that came from ``source`` to ``port``."""
        if self.outcome is not None or not isinstance(self._waiting, Listen):
            return []
        reply = dhcp.read(payload, source)
        if reply is None or port != self._waiting.port or not self._boot.network.answers(reply):
            return []
        self._clock.now = now
        return self._go_on(reply)

    def got(self, result: Got, now: float) -> list[Command]:
        """Take the end of a read."""
        if self.outcome is not None or not isinstance(self._waiting, Get):
            return []
        self._clock.now = now
        return self._go_on(result)

    def tick(self, now: float) -> list[Command]:
        """The time is ``timer`` or later."""
        if self.outcome is not None or self.timer is None or now < self.timer:
            return []
        self._clock.now = now
        return self._go_on(None)

    def give_up(self, now: float, why: str) -> list[Command]:
        """End it here, with what the machine is just waiting for."""
        if self.outcome is not None:
            return []
        self._clock.now = now
        expected = self._boot.expected
        why = f"{expected.why}; {why}" if expected.why else why
        return self._end(Stop(expected.words, why))

    def _go_on(self, answer: object) -> list[Command]:
        commands: list[Command] = []
        self._waiting = self.timer = None
        try:
            while True:
                effect = self._steps.send(answer)
                answer = None
                if isinstance(effect, Send):
                    commands.append(effect)
                    continue
                self._waiting = effect
                if isinstance(effect, Listen | Sleep):
                    self.timer = effect.until
                else:
                    commands.append(effect)
                return commands
        except StopIteration:
            stop: Stop | None = Stop("The boot ended", f"before {self._until}")
        except Stopped as stopped:
            stop = stopped.stop
        except Reached:
            stop = None
        return commands + self._end(stop)

    def _end(self, stop: Stop | None) -> list[Command]:
        self._steps.close()
        self._waiting = self.timer = None
        seconds = self._clock.now - self._started
        self.outcome = Outcome(self.machine, self._times, seconds, self._boot.bytes, stop)
        release = self._boot.network.release()
        return [release] if release is not None else []

    def _reach(self, stage: Stage) -> None:
        self._times.setdefault(stage, self._clock.now - self._started)
        if stage is self._until:
            raise Reached
