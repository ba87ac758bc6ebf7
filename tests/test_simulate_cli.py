"""``netboot simulate``: what its options mean, which are refused, and what it reports."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from netboot.cli import simulate
from netboot.cli.simulate import Options, make_plan
from netboot.errors import ConfigError
from netboot.model import Mac
from netboot.simulate.machine import Kind, Machine, Outcome, Stage, Stop
from netboot.simulate.report import MAX_LISTED, document, lines, percentile
from netboot.simulate.run import Plan, Run
from netboot.survey.network import Interface
from netboot.survey.sockets import Holder

INTERFACES = [
    Interface("eth0", "10.0.0.50", 24, "52:54:00:00:00:99", 1500),
    Interface("eth1", "", 0, "52:54:00:00:00:98", 1500),
    Interface("lo", "127.0.0.1", 8, "", 65536, never="is no Ethernet interface"),
]


def options(firmware: str, **changed: Any) -> Options:
    usual = Options(
        firmware=firmware,
        count=1,
        interface="eth0",
        mac=None,
        start_mac=None,
        arch=None,
        addresses=None,
        giaddr=None,
        until=None,
        loss=0.0,
        seed=0,
        concurrency=None,
        timeout=120.0,
        tries=1,
        eager=False,
        own_ethernet=False,
        as_json=False,
    )
    return {**usual, **changed}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("firmware", "arch", "until"),
    [
        ("bios", 0x00, Stage.PRESEED),
        ("edk2-old", 0x07, Stage.PRESEED),
        ("edk2", 0x07, Stage.PRESEED),
        ("http", 0x10, Stage.PRESEED),
        ("ipxe", 0x07, Stage.PRESEED),
    ],
)
def test_a_firmware_alone_is_enough(firmware: str, arch: int, until: Stage) -> None:
    plan = make_plan(options(firmware), INTERFACES)
    [machine] = plan.machines
    assert (machine.kind, machine.arch, plan.until) == (Kind(firmware), arch, until)
    assert (machine.address, machine.has_address) == ("10.0.0.50", False)
    assert (plan.interface, plan.hardware, plan.loss) == ("eth0", None, 0.0)


def test_a_raspberry_pi_has_an_address_of_its_maker_and_one_to_be_known_by() -> None:
    plan = make_plan(options("rpi", addresses="10.0.0.60"), INTERFACES)
    [machine] = plan.machines
    assert machine.mac.startswith("dc:a6:32:")
    assert (machine.arch, machine.address, machine.has_address) == (0x00, "10.0.0.60", True)
    assert plan.until is Stage.KERNEL


@pytest.mark.parametrize("until", [None, "loader", "kernel"])
def test_a_raspberry_pi_that_could_not_be_known_is_refused(until: str | None) -> None:
    with pytest.raises(ConfigError, match=r"^command line: --addresses: must be given for rpi: "):
        make_plan(options("rpi", until=until), INTERFACES)


def test_a_raspberry_pi_that_asks_for_no_file_needs_no_address_of_its_own() -> None:
    assert make_plan(options("rpi", until="offer"), INTERFACES).until is Stage.OFFER


def test_machines_differ_in_all_that_tells_them_apart() -> None:
    asked = options(
        "edk2", count=300, start_mac="52-54-00-00-00-FE", addresses="10.1.0.1-10.1.1.44"
    )
    machines = make_plan(asked, INTERFACES).machines
    assert machines[2].mac == "52:54:00:00:01:00"
    assert (machines[0].address, machines[-1].address) == ("10.1.0.1", "10.1.1.44")
    assert all(machine.has_address for machine in machines)
    for name in ("mac", "address", "uuid", "xid"):
        assert len({getattr(machine, name) for machine in machines}) == 300


def test_a_switch_that_guards_addresses_can_be_satisfied() -> None:
    plan = make_plan(options("edk2", own_ethernet=True), INTERFACES)
    assert plan.hardware == bytes.fromhex("525400000099")
    assert plan.machines[0].broadcast


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no interface": ({"interface": None}, "--interface", "eth0 (10.0.0.50/24)"),
    "unknown interface": ({"interface": "eth9"}, "--interface", "eth0"),
    "interface without address": ({"interface": "eth1"}, "--interface", "IPv4 address"),
    "loopback": ({"interface": "lo"}, "--interface", "eth0"),
    "arch": ({"arch": "0x10"}, "--arch", "0x07 (X64)"),
    "arch that is none": ({"arch": "x64"}, "--arch", "0x07 (X64)"),
    "mac": ({"mac": "52:54"}, "--mac", "is not a MAC address"),
    "multicast": ({"start_mac": "01:00:00:00:00:00"}, "--start-mac", "multicast"),
    "one mac for many": ({"mac": "52:54:00:00:00:01", "count": 2}, "--mac", "--start-mac"),
    "macs that run out": ({"start_mac": "fe:ff:ff:ff:ff:ff", "count": 2}, "--start-mac", "after"),
    "too few addresses": ({"addresses": "10.1.0.1-10.1.0.2", "count": 3}, "--addresses", "3"),
    "addresses": ({"addresses": "10.1.0.1-x"}, "--addresses", "must be an IPv4 address"),
    "giaddr": ({"giaddr": "relay"}, "--giaddr", "must be an IPv4 address"),
}


@pytest.mark.parametrize("there", [None, Holder(812, "netboot", "0.0.0.0")], ids=["none", "one"])  # noqa: S104 -- a value
def test_a_boot_server_on_the_same_host_is_said_to_hear_nothing(there: Holder | None) -> None:
    said = "\n".join(simulate._unheard(there))
    assert ("netboot (pid 812) on this host" in said) is (there is not None)
    assert ("  run this on another host" in said) is (there is not None)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_by_name(name: str) -> None:
    changed, key, said = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        make_plan(options("edk2", **changed), INTERFACES)
    assert (caught.value.source, caught.value.key) == ("command line", key)
    assert said in caught.value.problem


@pytest.mark.parametrize(("firmware", "until"), [("ipxe", "loader"), ("rpi", "script")])
def test_a_stage_a_firmware_has_not_is_refused(firmware: str, until: str) -> None:
    with pytest.raises(ConfigError, match="goes through"):
        make_plan(options(firmware, until=until), INTERFACES)


def outcome(at: int, stop: Stop | None = None, **times: float) -> Outcome:
    machine = Machine(Mac(f"52:54:00:00:00:{at:02x}"), Kind.EDK2, 7, "10.0.0.50")
    return Outcome(machine, {Stage(name): time for name, time in times.items()}, 1.5, 10, stop)


E16 = Stop("PXE-E16: No valid offer received.", "nobody answered")


def plan(outcomes: list[Outcome]) -> Plan:
    return Plan([each.machine for each in outcomes], "eth0", Stage.LOADER)


def test_a_few_machines_are_told_one_by_one() -> None:
    outcomes = [outcome(2, E16), outcome(1, offer=0.25, loader=1.5)]
    assert list(lines(plan(outcomes), outcomes, 2.0)) == [
        "52:54:00:00:00:01 reached loader in 1.50 s",
        f"52:54:00:00:00:02 reached nothing in 1.50 s: {E16}",
        "1 of 2 reached loader in 2.0 s",
        "stage    machines       p50       p99",
        "offer           1    0.25 s    0.25 s",
        "loader          1    1.50 s    1.50 s",
    ]


def test_many_machines_are_told_by_reason() -> None:
    outcomes = [outcome(at, E16) for at in range(MAX_LISTED)] + [outcome(99, offer=1, loader=2)]
    told = list(lines(plan(outcomes), outcomes, 2.0))
    assert told[0] == (
        "20 reached nothing: PXE-E16: No valid offer received. (nobody answered), "
        "such as 52:54:00:00:00:00"
    )
    assert told[1] == "1 of 21 reached loader in 2.0 s"


def test_a_machine_that_began_again_is_told_with_all_its_time() -> None:
    second = outcome(1, offer=0.25, loader=1.5).after(3.0, boots=2)
    told = list(lines(plan([second]), [second], 5.0))
    assert told[:2] == [
        "52:54:00:00:00:01 reached loader in 4.50 s in boot 2",
        "1 of 1 reached loader in 5.0 s, 1 of them not in their first boot",
    ]
    found = msgspec.json.decode(msgspec.json.encode(document(plan([second]), [second], 5.0)))
    assert found["outcomes"][0]["times"] == {"offer": 3.25, "loader": 4.5}
    assert found["outcomes"][0]["boots"] == 2


def test_it_boots_until_it_gets_through_and_not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    xids: list[int] = []

    async def boot(_run: Run, machine: Machine, _link: object) -> Outcome:
        xids.append(machine.xid)
        return outcome(1, E16 if len(xids) < 3 else None, offer=0.25)

    monkeypatch.setattr(Run, "_boot_once", boot)
    run = Run(replace(plan([outcome(1)]), tries=5))
    asyncio.run(run._boot(outcome(1).machine, None))  # type: ignore[arg-type]
    assert [(one.stop, one.boots) for one in run.outcomes] == [(None, 3)]
    assert len(set(xids)) == 3


def test_a_program_gets_every_machine_and_the_percentiles() -> None:
    outcomes = [outcome(1, offer=0.25, loader=1.5), outcome(2, E16, offer=0.5)]
    told = msgspec.json.decode(msgspec.json.encode(document(plan(outcomes), outcomes, 2.0)))
    assert (told["machines"], told["reached"], told["until"]) == (2, 1, "loader")
    assert told["stages"]["offer"] == {"machines": 2, "p50": 0.25, "p99": 0.5}
    assert told["outcomes"][1]["stopped"] == {"words": E16.words, "why": "nobody answered"}
    assert told["outcomes"][0]["times"] == {"offer": 0.25, "loader": 1.5}


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value
