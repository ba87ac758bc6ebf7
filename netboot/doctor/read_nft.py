"""``nft --json list ruleset`` → chains (libnftables-json(5)).

What is not understood is a test that says "unknown", never one that says yes or no.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Network
from typing import Any

import msgspec

from netboot.doctor.packet_filter import (
    Chain,
    Fate,
    Packet,
    Rule,
    Test,
    any_of,
    inside,
    unknown,
)
from netboot.errors import OperationError

FAMILIES = frozenset({"ip", "inet", "netdev"})
"""Families an IPv4 packet meets on its way in."""

_VERDICTS = {
    "accept": frozenset({Fate.ACCEPTED}),
    "drop": frozenset({Fate.DROPPED}),
    "reject": frozenset({Fate.DROPPED}),
    "return": frozenset({Fate.RETURNED}),
    "queue": frozenset({Fate.ACCEPTED, Fate.DROPPED}),
}
_NO_TEST = frozenset({"counter", "log", "comment", "mangle", "notrack", "ct helper"})
_XT_TARGETS = {"REJECT": frozenset({Fate.DROPPED}), "DROP": frozenset({Fate.DROPPED})}
_Sets = Mapping[tuple[str, str, str], list[Any]]
_Json = Any


def read(text: bytes) -> tuple[tuple[Chain, ...], frozenset[str]]:
    """Read a ruleset.

    Returns:
        Its chains; and the tables that iptables made, such as ``ip filter``, in which nft does
        not show every test.

    Raises:
        OperationError: it is no ruleset.
    """
    try:
        items = msgspec.json.decode(text, type=dict[str, list[dict[str, _Json]]])["nftables"]
        return _read(items)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperationError(f"nft gave no ruleset that is understood: {error!r}") from None


def _read(items: list[dict[str, _Json]]) -> tuple[tuple[Chain, ...], frozenset[str]]:
    sets = {
        (made["family"], made["table"], made["name"]): made.get("elem", [])
        for item in items
        for made in (item.get("set") or item.get("map"),)
        if made
    }
    rules: dict[str, list[Rule]] = defaultdict(list)
    foreign: set[str] = set()
    for item in items:
        if (rule := item.get("rule")) is None:
            continue
        rules[_name(rule, rule["chain"])] += _rules(rule, sets)
        if rule["family"] == "ip" and any("xt" in part for part in rule["expr"]):
            foreign.add(f"ip {rule['table']}")
    made = (item["chain"] for item in items if "chain" in item)
    chains = tuple(_chain(one, rules) for one in made if one["family"] in FAMILIES)
    return chains, frozenset(foreign)


def _chain(made: _Json, rules: Mapping[str, list[Rule]]) -> Chain:
    name = _name(made, made["name"])
    return Chain(
        name,
        "nft",
        tuple(rules.get(name, ())),
        hook="" if made.get("type") == "nat" else made.get("hook", ""),
        device=made.get("dev", ""),
        policy=Fate.DROPPED if made.get("policy") == "drop" else Fate.ACCEPTED,
    )


def _name(thing: _Json, chain: str) -> str:
    return f"{thing['family']} {thing['table']} {chain}"


def _rules(rule: _Json, sets: _Sets) -> Iterator[Rule]:
    """A rule's expressions, in order; a verdict map is a rule for each of its elements."""
    tests: list[Test] = []
    named = partial(_set, sets, (rule["family"], rule["table"]))
    for part in rule["expr"]:
        (kind, value), *_ = part.items()
        if kind == "match":
            tests.append(_match(value, named))
        elif kind == "vmap":
            for pair in named(value["data"]):
                key, verdict = pair or (None, {"queue": None})
                chosen = partial(_compare, value["key"], "==", [key], named)
                yield _verdict(rule, (*tests, chosen), verdict)
        elif kind in _VERDICTS or kind in {"jump", "goto"}:
            yield _verdict(rule, tuple(tests), part)
        elif kind == "xt" and (value or {}).get("type") == "target":
            yield Rule(tuple(tests), _XT_TARGETS.get(value["name"], frozenset()))
        elif kind not in _NO_TEST:
            tests.append(unknown)


def _verdict(rule: _Json, tests: tuple[Test, ...], part: _Json) -> Rule:
    (kind, value), *_ = part.items()
    if kind in {"jump", "goto"}:
        return Rule(tests, target=_name(rule, value["target"]), comes_back=kind == "jump")
    return Rule(tests, _VERDICTS.get(kind, frozenset()))


def _match(match: _Json, named: Callable[[_Json], list[_Json]]) -> Test:
    return partial(_compare, match["left"], match["op"], match["right"], named)


def _compare(
    left: _Json, op: str, right: _Json, named: Callable[[_Json], list[_Json]], packet: Packet
) -> bool | None:
    value = _value(left, packet)
    if value is None or op not in {"==", "!=", "in"}:
        return None
    if value is _OTHER:
        return False
    found = any_of([_is(value, wanted) for wanted in named(right)])
    return found if op != "!=" or found is None else not found


_OTHER_HEADERS = frozenset(
    {"tcp", "udp", "udplite", "dccp", "sctp", "icmp", "igmp", "ip6", "icmpv6"}
)
_OTHER = object()
"""The value of a field this packet does not have: the rule is for another kind of packet."""


def _value(left: _Json, packet: Packet) -> object:
    """What the packet has there; None where we do not know."""
    (kind, field), *_ = left.items() if isinstance(left, dict) else [("", None)]
    if not isinstance(field, dict):
        return None
    known: dict[str, object] = {}
    if kind == "meta":
        known = {
            "iifname": packet.interface,
            "iif": packet.interface,
            "nfproto": "ipv4",
            "l4proto": packet.protocol,
            "protocol": "ip",
        }
    elif kind == "ct":
        # what is new has no status yet: not confirmed, not translated
        known = {"state": packet.state, "status": "" if packet.state == "new" else None}
    elif kind == "fib":  # what kind of address the packet is for: one of this host's
        known = {"type": "local"} if field.get("flags") == ["daddr"] else {}
        return known.get(str(field.get("result")))
    elif kind == "payload":
        return _header(str(field.get("protocol")), str(field.get("field")), packet)
    return known.get(str(field.get("key")))


def _header(protocol: str, field: str, packet: Packet) -> object:
    """A field of one of the packet's headers, as ``_value``."""
    if protocol in {packet.protocol, "th"}:
        return packet.port if field == "dport" else None
    if protocol == "ip":
        known = {
            "protocol": packet.protocol,
            "saddr": packet.source,
            "daddr": packet.destination,
        }
        return known.get(field)
    return _OTHER if protocol in _OTHER_HEADERS else None


def _is(value: object, wanted: _Json) -> bool | None:
    """Whether a packet's value is one of a right side's elements."""
    if isinstance(wanted, dict) and "elem" in wanted:
        return _is(value, wanted["elem"]["val"])
    if isinstance(wanted, dict) and "range" in wanted:
        low, high = wanted["range"]
        return low <= value <= high if isinstance(value, int) and isinstance(low, int) else None
    if isinstance(value, IPv4Network):
        prefix = wanted["prefix"] if isinstance(wanted, dict) and "prefix" in wanted else None
        try:
            return inside(
                value, IPv4Network(f"{prefix['addr']}/{prefix['len']}" if prefix else wanted)
            )
        except (TypeError, ValueError):
            return None
    if isinstance(wanted, str) and wanted.endswith("*"):
        return str(value).startswith(wanted[:-1])
    return value == wanted if isinstance(wanted, str | int) else None


def _set(sets: _Sets, table: tuple[str, str], right: _Json) -> list[_Json]:
    """The elements a right side stands for."""
    if isinstance(right, str) and right.startswith("@"):
        return sets.get((*table, right[1:]), [None])
    if isinstance(right, dict) and "set" in right:
        found = right["set"]
        return found if isinstance(found, list) else _set(sets, table, found)
    return right if isinstance(right, list) else [right]
