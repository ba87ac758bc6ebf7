"""What was decided lately: a machine that asks again is not thought about again.

``netboot.policy.decide`` is pure. While the client says the same, has taught us the same, and
nothing changed that decisions are made from, it would say the same.
"""

from collections import OrderedDict
from collections.abc import Callable

from netboot.boot.tables import remember
from netboot.decision import Decision, Learned, Verdict
from netboot.model import Client, Mac

MAX_DECISIONS = 16_384
"""Machines whose last decision is remembered, some 500 bytes each."""


class Decisions:
    """The last decision of each machine that is answered.

    Args:
        decide: asked where none is remembered.
    """

    def __init__(self, decide: Callable[[Client, Learned], Decision]) -> None:
        self._decide = decide
        self._made: OrderedDict[Mac, tuple[tuple[Client, Learned], Decision]] = OrderedDict()
        self._basis: tuple[object, ...] = ()

    def of(self, client: Client, learned: Learned, *basis: object) -> Decision:
        """What ``client`` gets; ``basis`` is whatever else decisions are made from, by value."""
        if basis != self._basis:
            self._made.clear()
            self._basis = basis
        asked = client, learned  # a tuple's comparison begins with whether they are the very same
        made = self._made.get(client.mac)
        if made is not None and made[0] == asked:
            return made[1]
        decision = self._decide(client, learned)
        if decision.verdict is not Verdict.IGNORE:  # strangers can be invented without end
            remember(self._made, client.mac, (asked, decision), at_most=MAX_DECISIONS)
        return decision
