"""What a packet filter does with a packet, as far as can be told from its rules alone.

Rules are read by ``read_nft`` and ``read_iptables`` into ``Chain``. Each test of a rule says yes,
no, or None: it depends on something we do not know (a mark, a rate, who asks). A chain therefore
gives a *set* of fates: one means that it is certain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network

MAX_DEPTH = 16
"""Jumps followed; the kernel allows as many (NFT_JUMP_STACK_SIZE)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A kind of packet that comes in.

    Attributes:
        what: for a person.
        interface: the one it comes in by.
        protocol: ``udp`` or ``tcp``.
        port: its destination.
        source: the network it comes from.
        destination: our address.
        state: conntrack's: ``new`` or ``established``.
    """

    what: str
    interface: str
    protocol: str
    port: int
    source: IPv4Network
    destination: IPv4Network
    state: str = "new"


Test = Callable[[Packet], bool | None]


class Fate(Enum):
    """What becomes of a packet in one chain."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    RETURNED = "returned"
    """The chain has nothing to say: its caller, or its policy, decides."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        tests: all of them must say yes.
        fates: what it does then; empty where it does nothing that ends the way (count, log), two
            where it cannot be told.
        target: the chain it leads to, "" for none.
        comes_back: whether the way goes on here when that chain returns (jump, not goto).
    """

    tests: tuple[Test, ...]
    fates: frozenset[Fate] = frozenset()
    target: str = ""
    comes_back: bool = True


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain.

    Attributes:
        name: unique, with its table: ``inet filter input``.
        program: ``nft`` or ``iptables``: who can change it.
        hook: where packets enter it, "" where only rules lead to it.
        device: the one interface it is for, "" for all.
        policy: what becomes of a packet at its end.
    """

    name: str
    program: str
    rules: tuple[Rule, ...] = ()
    hook: str = ""
    device: str = ""
    policy: Fate = Fate.ACCEPTED


def fates(chain: Chain, packet: Packet, chains: Mapping[str, Chain]) -> frozenset[Fate]:
    """What may become of ``packet`` in a chain with a hook: ACCEPTED, DROPPED, or either."""
    found = _walk(chain, packet, chains, MAX_DEPTH)
    policy = {chain.policy} if Fate.RETURNED in found else set()
    return frozenset((found - {Fate.RETURNED}) | policy)


def all_of(answers: Sequence[bool | None]) -> bool | None:
    """Yes where all say yes, no where one says no, else None."""
    if False in answers:
        return False
    return None if None in answers else True


def any_of(answers: Sequence[bool | None]) -> bool | None:
    """Yes where one says yes, no where all say no, else None."""
    if True in answers:
        return True
    return None if None in answers else False


def inside(value: IPv4Network, wanted: IPv4Network) -> bool | None:
    """Whether every address of ``value`` is in ``wanted``; None where only some are."""
    if value.subnet_of(wanted):
        return True
    return None if value.overlaps(wanted) else False


def unknown(_packet: Packet) -> None:
    """A test of something we do not know."""


def _walk(chain: Chain, packet: Packet, chains: Mapping[str, Chain], depth: int) -> frozenset[Fate]:
    possible: set[Fate] = set()
    for rule in chain.rules:
        applies = all_of([test(packet) for test in rule.tests])
        if applies is False:
            continue
        outcome = rule.fates
        if rule.target:
            inner = chains.get(rule.target)
            outcome = frozenset(Fate) if inner is None or depth == 0 else frozenset()
            if inner is not None and depth:
                outcome = _walk(inner, packet, chains, depth - 1)
        goes_on = not outcome or (
            bool(rule.target) and rule.comes_back and Fate.RETURNED in outcome
        )
        possible |= outcome - {Fate.RETURNED} if goes_on else outcome
        if applies and not goes_on:
            return frozenset(possible)
    return frozenset(possible | {Fate.RETURNED})
