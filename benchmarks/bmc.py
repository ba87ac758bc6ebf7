"""A room of BMCs told to boot from the network and power-cycled; the peer is one of them alone."""

import contextlib
import io
import multiprocessing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import netboot.bmc.redfish  # noqa: F401 -- loaded beforehand, as by a control program that has run
from benchmarks import ours
from benchmarks.work import Figure, Server, Sides, Size, Work
from netboot.bmc.credentials import Safe
from netboot.bmc.model import BootTarget, PowerAction
from netboot.cli import bmc_run
from netboot.control.bmc_actions import Actions
from netboot.control.bmc_shapes import Answer, BootAsked, PowerAsked
from netboot.control.entries import add
from netboot.lab.bmc.http import Server as BmcServer
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.model import Profile
from netboot.store.store import Store

MACHINES = 256
LATENCY = 0.2
"""Seconds that a BMC takes for each request."""
END_WITHIN = 10.0
"""Seconds for the BMCs' process to end."""

_ONE = "one alone"
_PROFILES = {"local": Profile("local", "local.ipxe")}


@dataclass(frozen=True, slots=True)
class Room(Server):
    """Machines whose BMCs answer on loopback; ``count`` of them are told at once.

    Attributes:
        count: how many.
        actions: what the control program does to them.
        bmcs: their process, which says how often the machines have booted from the network.
    """

    count: int = 0
    actions: Actions | None = None
    bmcs: Connection | None = None


@contextmanager
def _sides(size: Size) -> Iterator[Sides]:
    count = size.of(MACHINES)
    with ExitStack() as stack:
        bmcs = stack.enter_context(_running(count))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        store = Store(f"sqlite:///{folder / 'netboot.db'}")
        stack.callback(store.close)
        safe = Safe(bytes(32))
        for number, port in enumerate(bmcs.recv()):
            add(store, _node(number, port), "benchmark", _PROFILES, lambda: safe)
        actions = Actions(store, lambda: safe)
        room = partial(Room, host=None, neighbour=None, address="127.0.0.1", port=0)
        yield Sides(
            room(f"{count} at once", count=count, actions=actions, bmcs=bmcs),
            room(_ONE, count=1, actions=actions, bmcs=bmcs),
        )


@contextmanager
def _running(count: int) -> Iterator[Connection]:
    """BMCs in a process of their own, as real ones share no processor with netboot.

    They share this machine's cores with it all the same: what they cost slows a full room down.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, count, LATENCY), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join(END_WITHIN)
        if process.is_alive():
            process.kill()


def _serve(asked: Connection, count: int, latency: float) -> None:
    """Say the BMCs' ports, then, as often as it is asked, how many boots were from the network."""
    machines = [FakeMachine((ours.mac(number),)) for number in range(count)]
    with BmcServer() as server, ExitStack() as stack:
        bmcs = [VirtualBmc(machine, server=server) for machine in machines]
        for bmc in bmcs:
            bmc.latency = latency
            bmc.machine.power_on()
            stack.enter_context(bmc)
        asked.send([bmc.port for bmc in bmcs])
        with contextlib.suppress(EOFError):
            while asked.recv():
                asked.send(sum(machine.boots.count("network") for machine in machines))


def _measure(server: Server, _size: Size) -> Figure:
    """Seconds for ``netboot node boot … pxe`` and ``netboot node power … cycle``."""
    if not isinstance(server, Room) or server.actions is None or server.bmcs is None:
        raise TypeError("this is measured on a room of BMCs")
    names = [_name(number) for number in range(server.count)]
    before = _booted(server.bmcs)
    began = monotonic()
    for work in (partial(_flip, server.actions), partial(_cycle, server.actions)):
        with contextlib.redirect_stdout(io.StringIO()):
            bmc_run.run(names, work, dict, as_json=True)
    seconds = monotonic() - began
    return Figure(seconds, failed=server.count - (_booted(server.bmcs) - before))


def _flip(actions: Actions, name: str) -> Answer:
    return actions.boot(name, BootAsked(target=BootTarget.PXE), "benchmark", "benchmark")


def _cycle(actions: Actions, name: str) -> Answer:
    return actions.power(name, PowerAsked(action=PowerAction.CYCLE), "benchmark", "benchmark")


def _booted(bmcs: Connection) -> int:
    bmcs.send(True)  # noqa: FBT003 -- any object is a question
    count: int = bmcs.recv()
    return count


def _name(number: int) -> str:
    return f"n{number}"


def _node(number: int, port: int) -> dict[str, object]:
    bmc = {
        "address": f"redfish+http://127.0.0.1:{port}",
        "user": "admin",
        "password": "plain:password",
    }
    return {
        "name": _name(number),
        "macs": [ours.mac(number)],
        "profile": "local",
        "bmc": bmc,
    }


WORKS = (
    Work(
        "bmc",
        f"{MACHINES} BMCs of {1000 * LATENCY:.0f} ms a request: told to boot by PXE, power-cycled",
        "s",
        "≥ 0.50x: at most twice the time of one",
        _sides,
        _measure,
        less_is_better=True,
    ),
)
