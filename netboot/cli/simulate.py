"""``netboot simulate``: fake machines boot from the network, to try a config or to load it."""

import asyncio
import sys
import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import TypedDict, Unpack

import click
import msgspec

from netboot.errors import ConfigError
from netboot.model import Arch, Mac, parse_mac
from netboot.simulate.firmware import FIRMWARE
from netboot.simulate.machine import STAGES, Kind, Machine, Outcome, Stage
from netboot.simulate.report import document, lines
from netboot.simulate.run import MAX_MACHINES, MAX_TIMEOUT, MAX_TRIES, Plan, Run
from netboot.survey.network import Interface, all_interfaces
from netboot.survey.sockets import Holder, holder
from netboot.wire import iana

FIRST_MAC = "52:54:00:5e:00:00"
FIRST_PI_MAC = "dc:a6:32:5e:00:00"
"""A Raspberry Pi is known by its maker's addresses."""
LIVE_INTERVAL = 0.2
"""Seconds between two counts on a terminal."""
EXIT_FAILED = 1

_HERE = "command line"
_XID_STEP = 1 << 8
"""Each machine has this many DHCP transactions of its own."""
_LAST_MAC = (1 << 48) - 1


class Options(TypedDict):
    """The command line, as click hands it over."""

    firmware: str
    count: int
    interface: str | None
    mac: str | None
    start_mac: str | None
    arch: str | None
    addresses: str | None
    giaddr: str | None
    until: str | None
    loss: float
    seed: int
    concurrency: int | None
    timeout: float
    tries: int
    eager: bool
    own_ethernet: bool
    as_json: bool


@click.command()
@click.option("--firmware", required=True, type=click.Choice([kind.value for kind in Kind]))
@click.option(
    "--count", type=click.IntRange(1, MAX_MACHINES), default=1, show_default=True, help="Machines."
)
@click.option("--interface", metavar="IF", help="Where; nothing is sent anywhere else.")
@click.option("--mac", help="The hardware address of a single machine.")
@click.option("--start-mac", metavar="MAC", help="The first of as many as there are machines.")
@click.option("--arch", help="DHCP option 93, such as 7 or 0x0b.  [default: the firmware's]")
@click.option(
    "--addresses",
    metavar="A-B",
    help="Addresses this interface has, one for each machine: with them it can do without a lease,"
    " and a Raspberry Pi is known by its own.",
)
@click.option("--giaddr", metavar="ADDRESS", help="Be behind a relay that has this address.")
@click.option(
    "--until",
    type=click.Choice([stage.value for stage in Stage]),
    help="The stage that is enough.  [default: the firmware's last]",
)
@click.option(
    "--loss",
    type=click.FloatRange(0, 90),
    default=0.0,
    show_default=True,
    help="Percent of DHCP and TFTP datagrams lost, each way.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which ones are lost.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, MAX_MACHINES),
    help="Machines that are on at once.  [default: all]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, MAX_TIMEOUT),
    default=120.0,
    show_default=True,
    help="Seconds one boot may take.",
)
@click.option(
    "--tries",
    type=click.IntRange(1, MAX_TRIES),
    default=1,
    show_default=True,
    help="Boots of a machine that does not get through.",
)
@click.option("--eager", is_flag=True, help="Go on as soon as there is an offer that is enough.")
@click.option("--own-ethernet", is_flag=True, help="Send frames from the interface's own address.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def simulate(**options: Unpack[Options]) -> None:
    """Boot fake machines from the network, as their firmware would.

    They ask for leases and give them back at the end. TFTP and HTTP come from this host's own
    address on the interface, so run it on another host than the server's.
    """
    plan = make_plan(options, all_interfaces())
    for line in (*_announced(plan), *_unheard(holder("udp", iana.PXE_PORT))):
        click.echo(line, err=True)
    began = time.monotonic()
    outcomes = asyncio.run(_run(plan))
    seconds = time.monotonic() - began
    if options["as_json"]:
        click.echo(msgspec.json.encode(document(plan, outcomes, seconds)))
    else:
        for line in lines(plan, outcomes, seconds):
            click.echo(line)
    if any(outcome.stop is not None for outcome in outcomes):
        sys.exit(EXIT_FAILED)


def make_plan(options: Options, interfaces: Sequence[Interface]) -> Plan:
    """What the options ask for, on a host with these interfaces.

    Raises:
        ConfigError: they do not fit each other or the host.
    """
    kind, count = Kind(options["firmware"]), options["count"]
    interface = _interface(options["interface"], interfaces)
    until = STAGES[kind][-1] if options["until"] is None else Stage(options["until"])
    if until not in STAGES[kind]:
        allowed = ", ".join(STAGES[kind])
        raise _wrong("--until", until, f"{kind} goes through {allowed}")
    if kind is Kind.RPI and until is not Stage.OFFER and options["addresses"] is None:
        problem = (
            "must be given for rpi: TFTP knows a Raspberry Pi by its address; or add --until offer"
        )
        raise ConfigError(_HERE, "--addresses", problem)
    own = bytes.fromhex(interface.mac.replace(":", "")) if options["own_ethernet"] else None
    return Plan(
        machines=_machines(options, kind, interface),
        interface=interface.name,
        until=until,
        hardware=own,
        loss=options["loss"] / 100,
        seed=options["seed"],
        concurrency=options["concurrency"] or count,
        timeout=options["timeout"],
        tries=options["tries"],
    )


def _machines(options: Options, kind: Kind, interface: Interface) -> list[Machine]:
    arch = _arch(options["arch"], kind)
    giaddr = _address("--giaddr", options["giaddr"]) if options["giaddr"] else ""
    addresses = _addresses(options["addresses"], options["count"])
    return [
        Machine(
            mac=mac,
            kind=kind,
            arch=arch,
            address=addresses[at] if addresses else interface.address,
            has_address=bool(addresses),
            xid=(at + 1) * _XID_STEP,
            giaddr=giaddr,
            eager=options["eager"],
            broadcast=options["own_ethernet"],
        )
        for at, mac in enumerate(_macs(options, kind))
    ]


def _interface(name: str | None, interfaces: Sequence[Interface]) -> Interface:
    """The one that was named: fake machines are let loose nowhere by default."""
    usable = {one.name: one for one in interfaces if one.up and one.address and not one.never}
    there = ", ".join(str(one) for one in usable.values()) or "none"
    if name is None:
        raise ConfigError(_HERE, "--interface", f"must be given; there are: {there}")
    if name not in usable:
        raise _wrong("--interface", name, f"must be up and have an IPv4 address: {there}")
    return usable[name]


def _arch(text: str | None, kind: Kind) -> int:
    known = FIRMWARE[kind].archs
    if text is None:
        return known[0]
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if number not in known:
        allowed = ", ".join(f"{arch:#04x} ({Arch(arch).name})" for arch in known)
        raise _wrong("--arch", text, f"{kind} is one of {allowed}")
    return number


def _macs(options: Options, kind: Kind) -> list[Mac]:
    count = options["count"]
    if options["mac"] is not None and (count != 1 or options["start_mac"] is not None):
        raise _wrong("--mac", options["mac"], "is for a single machine; use --start-mac for more")
    key = "--mac" if options["mac"] is not None else "--start-mac"
    usual = FIRST_PI_MAC if kind is Kind.RPI else FIRST_MAC
    text = options["mac"] or options["start_mac"] or usual
    try:
        first = int(parse_mac(text).replace(":", ""), 16)
    except ValueError as problem:
        raise ConfigError(_HERE, key, str(problem)) from None
    if first + count - 1 > _LAST_MAC or (first >> 40) != (first + count - 1) >> 40:
        raise _wrong(key, text, f"has no {count} addresses after it")
    return [Mac((first + at).to_bytes(6).hex(":")) for at in range(count)]


def _addresses(text: str | None, count: int) -> list[str]:
    if text is None:
        return []
    first, _, last = text.partition("-")
    start = IPv4Address(_address("--addresses", first))
    end = IPv4Address(_address("--addresses", last or first))
    if int(end) - int(start) + 1 < count:
        raise _wrong("--addresses", text, f"must have an address for each of {count} machines")
    return [str(start + at) for at in range(count)]


def _address(key: str, text: str) -> str:
    try:
        return str(IPv4Address(text.strip()))
    except ValueError:
        raise _wrong(key, text, "must be an IPv4 address such as 192.0.2.7") from None


def _wrong(key: str, value: str, problem: str) -> ConfigError:
    return ConfigError(_HERE, key, f'= "{value}": {problem}')


def _announced(plan: Plan) -> list[str]:
    first, last = plan.machines[0], plan.machines[-1]
    many = f"{len(plan.machines)} machines {first.mac} to {last.mac}"
    who = f"a machine {first.mac}" if len(plan.machines) == 1 else many
    addresses = (
        first.address if first.address == last.address else f"{first.address}-{last.address}"
    )
    return [
        f"On {plan.interface}: {who} as {first.kind}, architecture {first.arch:#04x}",
        f"  up to {plan.concurrency} at once, {plan.timeout:g} s each boot at most",
        "  DHCP broadcasts under their own hardware addresses; leases are given back",
        f"  port 4011, TFTP and HTTP from {addresses}",
    ]


def _unheard(server: Holder | None) -> list[str]:
    """What to know where a boot server is on this very host."""
    if server is None:
        return []
    held = f"{server} on this host holds UDP {iana.PXE_PORT}"
    return [
        f"{held}: a boot server does not hear what its own host broadcasts",
        "  run this on another host, or in a network namespace",
    ]


async def _run(plan: Plan) -> Sequence[Outcome]:
    run = Run(plan)
    if not sys.stderr.isatty():
        return await run.go()
    counting = asyncio.create_task(_count(run, len(plan.machines)))
    try:
        return await run.go()
    finally:
        counting.cancel()
        click.echo("\r\x1b[K", err=True, nl=False)


async def _count(run: Run, total: int) -> None:
    """How many machines are where, on one line that is written over."""
    while True:
        reached = [outcome.stage for outcome in run.outcomes] + run.stages
        order = list(Stage)
        marks = [
            f"{stage} {sum(one is not None and order.index(one) >= at for one in reached)}"
            for at, stage in enumerate(order)
        ]
        stopped = sum(outcome.stop is not None for outcome in run.outcomes)
        line = f"{len(run.outcomes)} of {total} done, {stopped} stopped   {'  '.join(marks)}"
        click.echo(f"\r\x1b[K{line}", err=True, nl=False)
        await asyncio.sleep(LIVE_INTERVAL)
