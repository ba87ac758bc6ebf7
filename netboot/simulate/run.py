"""Many machines at once: conversations on sockets, within bounds."""

import asyncio
import contextlib
import random
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from netboot.simulate.conversation import Command, Conversation
from netboot.simulate.dhcp import NO_ADDRESS
from netboot.simulate.effects import Got, Send
from netboot.simulate.fetch import Fetcher
from netboot.simulate.link import Link
from netboot.simulate.machine import Machine, Outcome, Stage

MAX_MACHINES = 5000
"""Machines of one run."""
MAX_TIMEOUT = 3600.0
"""Seconds one boot of a machine may take."""
MAX_TRIES = 8
"""Boots of a machine that never gets through."""

_XIDS_A_BOOT = 32
"""DHCP transactions one boot has numbers for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        interface: the only one anything is sent by.
        hardware: the Ethernet address of all frames; None: each machine's own.
        until: the stage that is enough.
        loss: the share of datagrams that are lost each way, 0 to 1.
        seed: which ones; the same seed loses the same share in the same order.
        concurrency: machines that are on at once.
        timeout: seconds one boot may take.
        tries: boots of a machine that does not get through, as firmware has it that goes through
            its boot order again.
    """

    machines: Sequence[Machine]
    interface: str
    until: Stage
    hardware: bytes | None = None
    loss: float = 0.0
    seed: int = 0
    concurrency: int = MAX_MACHINES
    timeout: float = 120.0
    tries: int = 1


class Run:
    """One run of a plan.

    Attributes:
        outcomes: of the machines that have ended.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 -- which datagrams are lost
        self._fetcher = Fetcher(plan.interface, self._lost)
        self._on: dict[str, _Driver] = {}
        self.outcomes: list[Outcome] = []

    @property
    def stages(self) -> list[Stage | None]:
        """The stage each machine that is on has reached."""
        return [driver.conversation.stage for driver in self._on.values()]

    async def go(self) -> Sequence[Outcome]:
        """Boot them all; the outcomes in the order they ended.

        Raises:
            OperationError: the interface cannot be used.
        """
        _raise_descriptor_limit()
        with contextlib.closing(Link(self._plan.interface, self._plan.hardware)) as link:
            loop = asyncio.get_running_loop()
            loop.add_reader(link.fileno(), link.drain, self._receive)
            try:
                turn = asyncio.Semaphore(self._plan.concurrency)
                async with asyncio.TaskGroup() as group:
                    for machine in self._plan.machines:
                        await turn.acquire()
                        task = group.create_task(self._boot(machine, link))
                        task.add_done_callback(lambda _task: turn.release())
            finally:
                loop.remove_reader(link.fileno())
        return self.outcomes

    async def _boot(self, machine: Machine, link: Link) -> None:
        """Boot it until it gets through, ``tries`` times at most."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        for boots in range(1, self._plan.tries + 1):
            before = loop.time() - started
            xid = machine.xid + (boots - 1) * _XIDS_A_BOOT
            outcome = await self._boot_once(replace(machine, xid=xid), link)
            if outcome.stop is None or boots == self._plan.tries:
                self.outcomes.append(outcome.after(before, boots))
                return

    async def _boot_once(self, machine: Machine, link: Link) -> Outcome:
        conversation = Conversation(machine, self._plan.until)
        driver = _Driver(conversation, partial(self._send, link, machine), self._fetcher)
        self._on[machine.mac] = driver
        try:
            return await driver.boot(self._plan.timeout)
        finally:
            del self._on[machine.mac]

    def _receive(self, payload: bytes, source: tuple[str, int], port: int) -> None:
        driver = self._on.get(payload[28:34].hex(":"))  # chaddr
        if driver is not None and not self._lost():
            driver.receive(payload, source, port)

    def _send(self, link: Link, machine: Machine, send: Send) -> None:
        if self._lost():
            return
        with contextlib.suppress(OSError):  # the link is down or full: lost, as on a real wire
            if send.server:
                link.unicast(machine.address, send.server, send.ports, send.payload)
            else:
                mac = bytes.fromhex(machine.mac.replace(":", ""))
                link.broadcast(mac, machine.giaddr or NO_ADDRESS, send.ports, send.payload)

    def _lost(self) -> bool:
        return self._plan.loss > 0 and self._random.random() < self._plan.loss


class _Driver:
    """One conversation on sockets and the loop's clock."""

    def __init__(
        self, conversation: Conversation, send: Callable[[Send], None], fetcher: Fetcher
    ) -> None:
        self.conversation = conversation
        self._send = send
        self._fetcher = fetcher
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Outcome] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._read: asyncio.Task[Got] | None = None

    async def boot(self, timeout: float) -> Outcome:  # noqa: ASYNC109 -- its end has an outcome too
        late = self._loop.call_later(timeout, self._late, timeout)
        try:
            self._do(self.conversation.start(self._loop.time()))
            return await self._ended
        finally:
            # interrupted, it still gives its lease back
            self._do(self.conversation.give_up(self._loop.time(), "interrupted"))
            late.cancel()
            if self._timer is not None:
                self._timer.cancel()
            if self._read is not None:
                self._read.cancel()

    def receive(self, payload: bytes, source: tuple[str, int], port: int) -> None:
        self._do(self.conversation.receive(payload, source, port, self._loop.time()))

    def _late(self, timeout: float) -> None:
        why = f"given up after {timeout:g} s"
        self._do(self.conversation.give_up(self._loop.time(), why))

    def _tick(self) -> None:
        self._timer = None
        self._do(self.conversation.tick(self._loop.time()))

    def _got(self, read: "asyncio.Task[Got]") -> None:
        if not read.cancelled():
            self._do(self.conversation.got(read.result(), self._loop.time()))

    def _do(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Send):
                self._send(command)
            else:
                address = self.conversation.machine.address
                self._read = self._loop.create_task(self._fetcher.get(command, address))
                self._read.add_done_callback(self._got)
        if self.conversation.outcome is not None and not self._ended.done():
            self._ended.set_result(self.conversation.outcome)
        wanted = self.conversation.timer
        if self._timer is not None and (wanted is None or self._timer.when() != wanted):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and wanted is not None:
            self._timer = self._loop.call_at(wanted, self._tick)


def _raise_descriptor_limit() -> None:
    """Each machine holds a descriptor or two; the usual soft limit is 1,024."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
