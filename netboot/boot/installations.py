"""Which machines called home: an installation is done once, whoever is away meanwhile.

A node's state is kept by the control program and comes with the snapshot. Between the call home
and the snapshot that knows of it (the control program may be away for hours) the machine starts
again, and must not be installed a second time. So it is remembered here and on disk, and told
again until the snapshot says it. What nobody registered has no state but this.

Pure: time is handed in.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

from netboot.boot.tables import remember
from netboot.lifecycle import PAUSES
from netboot.model import Mac, Node, State

MAX_DONE = 32_768
"""Machines whose call home is remembered."""
SAY_AGAIN = 60.0
"""Seconds until the control program is told once more of what its snapshots do not show."""


class Installations:
    """The installations that are done.

    Args:
        done: what an earlier run kept: ``kept()``.

    Attributes:
        version: counts up whenever ``is_done`` may say something else.
        changed: set when ``kept()`` is another; whoever writes it to disk clears it.
    """

    def __init__(self, done: Mapping[Mac, int] | None = None) -> None:
        self._done: OrderedDict[Mac, int] = OrderedDict(done or {})
        self._said: dict[Mac, float] = {}
        self._homes: OrderedDict[Mac, int] = OrderedDict(self._done)
        self.version = 0
        self.changed = False

    def called_home(self, mac: Mac, node: Node | None, now: float) -> None:
        """The installer of ``mac`` is at its end."""
        remember(self._done, mac, _wanted(node), at_most=MAX_DONE)
        remember(self._homes, mac, _wanted(node), at_most=MAX_DONE)
        self._said[mac] = now
        self.version += 1
        self.changed = True

    def is_done(self, mac: Mac, node: Node | None) -> bool:
        """Whether the installation that is wanted now has called home, by any of its addresses."""
        if not self._done:
            return False
        macs = {mac, *(() if node is None else node.macs)}
        return any(self._done.get(one, -1) >= _wanted(node) for one in macs)

    def has_called(self, mac: Mac, number: int) -> bool:
        """Whether the newest that called home of ``mac`` was its installation, or wipe, ``number``.

        Also after its node shows that, and, of a wipe, has another number.
        """
        return self._homes.get(mac) == number

    def kept(self) -> Mapping[Mac, int]:
        """For the disk: the number of the installation that is done, by address."""
        return self._done

    def follow(
        self, node_of: Callable[[Mac], Node | None], now: float
    ) -> Iterator[tuple[Mac, int]]:
        """Forget what the nodes say themselves by now, and what was asked for anew since.

        Args:
            node_of: the machine's node as the newest snapshot has it.
            now: seconds since the epoch.

        Yields:
            machines, and which of their installations, the control program must be told of again.
        """
        for mac, number in list(self._done.items()):
            node = node_of(mac)
            if node is None:
                continue
            if node.state in PAUSES:
                continue  # it shows when the node comes back to the state it was in
            if node.state in _SHOWN or node.installation > number:
                del self._done[mac]
                self._said.pop(mac, None)
                self.version += 1
                self.changed = True
            elif now - self._said.get(mac, 0.0) >= SAY_AGAIN:
                self._said[mac] = now
                yield mac, number


_SHOWN = (State.INSTALLED, State.RETIRED)
"""States from which no installer starts again under the same number."""


def _wanted(node: Node | None) -> int:
    return 0 if node is None else node.installation
