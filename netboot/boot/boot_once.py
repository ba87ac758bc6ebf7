"""Boot overrides for one boot: one boot obeys each, whoever is away meanwhile.

An override is kept by the control program and comes with the snapshot. Firmware asks several times
in one boot, and a script that failed is asked for again: all of that is the same boot, which goes
on with the override it began with, also when the snapshot shows by then that it is over. The next
boot begins with a DISCOVER. Until the snapshot shows that the override was obeyed (the control
program may be away for hours) it is remembered here and on disk, and told again.

Pure: time is handed in.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import msgspec

from netboot.boot.tables import remember
from netboot.model import BootSource, Mac, Node, Override

MAX_BOOTS = 32_768
"""Nodes whose running boot, and as many whose last override, is remembered."""
SAY_AGAIN = 60.0
"""Seconds until the control program is told once more of what its snapshots do not show."""


@dataclass(frozen=True, slots=True)
class Obeyed:
    """An override that a boot obeyed; ``mac``: the address that boot asked by."""

    mac: Mac
    override: Override


@dataclass(frozen=True, slots=True)
class Kept:
    """What a restart must not forget, by nodes' names.

    Attributes:
        running: boots that still go on with it.
        over: overrides that are over, until the snapshot shows it.
    """

    running: OrderedDict[str, Obeyed] = field(default_factory=OrderedDict)
    over: OrderedDict[str, Obeyed] = field(default_factory=OrderedDict)


def decode(raw: bytes) -> Kept:
    """What an earlier run kept.

    Raises:
        ValueError: it is something else.
    """
    kept = msgspec.json.decode(raw, type=_Written)
    return Kept(OrderedDict(kept.running), OrderedDict(kept.over))


class _Written(msgspec.Struct, frozen=True):
    running: dict[str, Obeyed]
    over: dict[str, Obeyed]


class BootOnce:
    """The overrides for one boot that boots obeyed.

    Args:
        kept: from an earlier run.

    Attributes:
        kept: for the disk.
        version: counts up whenever ``now`` may say something else.
        changed: set when ``kept`` is another; whoever writes it to disk clears it.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        self.kept = kept or Kept()
        self._said: dict[str, float] = {}
        self.version = 0
        self.changed = False

    def now(self, node: Node) -> Node:
        """``node`` with the override its present boot obeys."""
        running = self.kept.running.get(node.name)
        if running is not None:
            return replace(node, override=running.override)
        if self._is_over(node):
            return replace(node, override=_nothing(node.override))
        return node

    def begins(self, node: Node) -> None:
        """A DISCOVER of ``node``: the boot before is over."""
        if self.kept.running.pop(node.name, None) is not None:
            self._changes()

    def obeys(self, mac: Mac, node: Node, override: Override, now: float) -> bool:
        """The present boot of ``node`` got its script by ``override``; whether that is news."""
        if not override.once or node.name in self.kept.running:
            return False
        obeyed = Obeyed(mac, override)
        remember(self.kept.running, node.name, obeyed, at_most=MAX_BOOTS)
        remember(self.kept.over, node.name, obeyed, at_most=MAX_BOOTS)
        self._said[node.name] = now
        self._changes()
        return True

    def follow(self, node_of: Callable[[Mac], Node | None], now: float) -> Iterator[Obeyed]:
        """Forget what the nodes say themselves by now.

        Args:
            node_of: the machine's node as the newest snapshot has it.
            now: seconds since the epoch.

        Yields:
            what the control program must be told of again.
        """
        for name, obeyed in list(self.kept.over.items()):
            node = node_of(obeyed.mac)
            if node is None or node.name != name or not self._is_over(node):
                del self.kept.over[name]
                self._said.pop(name, None)
                self._changes()
            elif now - self._said.get(name, 0.0) >= SAY_AGAIN:
                self._said[name] = now
                yield obeyed

    def _is_over(self, node: Node) -> bool:
        """Whether the snapshot shows an override that a boot obeyed."""
        over = self.kept.over.get(node.name)
        return (
            over is not None
            and node.override is not None
            and node.override.once
            and node.override.number == over.override.number
        )

    def _changes(self) -> None:
        self.version += 1
        self.changed = True


def _nothing(override: Override | None) -> Override:
    image = None if override is None else override.image
    return Override(BootSource.NONE, once=False, image=image)
