"""``iptables-save`` → chains (iptables(8), iptables-extensions(8)).

What is not understood is a test that says "unknown", never one that says yes or no.
"""

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network

from netboot.doctor.packet_filter import Chain, Fate, Packet, Rule, Test, any_of, inside

_HOOKS = {"INPUT": "input", "PREROUTING": "prerouting"}
_NOT_A_FILTER = frozenset({"nat"})
_VERDICTS = {
    "ACCEPT": frozenset({Fate.ACCEPTED}),
    "DROP": frozenset({Fate.DROPPED}),
    "REJECT": frozenset({Fate.DROPPED}),
    "RETURN": frozenset({Fate.RETURNED}),
    "NFQUEUE": frozenset({Fate.ACCEPTED, Fate.DROPPED}),
}
_NO_TEST = frozenset({"-m", "--comment", "--log-prefix", "--reject-with", "-c"})
_PORTS = frozenset({"--dport", "--dports", "--destination-port", "--destination-ports"})


def read(text: str, tables: Collection[str] | None = None) -> tuple[Chain, ...]:
    """Read a dump.

    Args:
        text: what ``iptables-save`` printed.
        tables: the tables wanted, None for all.
    """
    made: dict[str, Chain] = {}
    rules: dict[str, list[Rule]] = defaultdict(list)
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        if table in _NOT_A_FILTER or (tables is not None and table not in tables):
            continue
        if line.startswith(":"):
            name, policy = line[1:].split()[:2]
            made[f"{table} {name}"] = Chain(
                f"{table} {name}",
                "iptables",
                hook=_HOOKS.get(name, ""),
                policy=Fate.DROPPED if policy == "DROP" else Fate.ACCEPTED,
            )
        elif line.startswith("-A "):
            words = shlex.split(line)
            rules[f"{table} {words[1]}"].append(_rule(table, words[2:]))
    return tuple(replace(chain, rules=tuple(rules[name])) for name, chain in made.items())


def _rule(table: str, words: Sequence[str]) -> Rule:
    tests: list[Test] = []
    for negated, option, values in _options(words):
        if option in {"-j", "-g"} and values:
            if values[0] in _VERDICTS:
                return Rule(tuple(tests), _VERDICTS[values[0]])
            return Rule(tuple(tests), target=_chain(table, values[0]), comes_back=option == "-j")
        if option not in _NO_TEST:
            tests.append(partial(_test, option, tuple(values), negated))
    return Rule(tuple(tests))


def _chain(table: str, target: str) -> str:
    """The chain a target names; built-in ones (LOG, MARK, CONNMARK …) end no packet's way."""
    return "" if target.isupper() and target in _HARMLESS else f"{table} {target}"


_HARMLESS = frozenset(
    {"LOG", "NFLOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "SET", "TCPMSS"}
)


def _options(words: Sequence[str]) -> Iterator[tuple[bool, str, list[str]]]:
    """Each option with its values, and whether ``!`` stands before it."""
    negated, at = False, 0
    while at < len(words):
        if words[at] == "!":
            negated, at = True, at + 1
            continue
        option, at = words[at], at + 1
        values = []
        while at < len(words) and not words[at].startswith("-") and words[at] != "!":
            values.append(words[at])
            at += 1
        yield negated, option, values
        negated = False


def _test(option: str, values: tuple[str, ...], negated: bool, packet: Packet) -> bool | None:  # noqa: FBT001 -- bound by partial
    answer = _plain(option, values[0], packet) if values else None
    return answer if answer is None or not negated else not answer


def _plain(option: str, value: str, packet: Packet) -> bool | None:
    words = {
        "-p": {packet.protocol, "all"},
        "--ctstate": {packet.state.upper()},
        "--state": {packet.state.upper()},
        "--dst-type": {"LOCAL"},
    }
    if option in words:
        return not words[option].isdisjoint(value.split(","))
    if option == "-i":
        stem = value.removesuffix("+")
        return packet.interface == value or (stem != value and packet.interface.startswith(stem))
    if option in {"-s", "-d"}:
        return _in_network(packet.source if option == "-s" else packet.destination, value)
    if option in _PORTS:
        return any_of([_in_range(packet.port, part) for part in value.split(",")])
    return None


def _in_network(value: IPv4Network, text: str) -> bool | None:
    try:
        return inside(value, IPv4Network(text, strict=False))
    except ValueError:
        return None


def _in_range(port: int, text: str) -> bool | None:
    low, colon, high = text.partition(":")
    try:
        return int(low or 0) <= port <= int((high or 65535) if colon else low)
    except ValueError:
        return None
