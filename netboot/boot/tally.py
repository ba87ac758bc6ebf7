"""What is counted of DHCP beside what is dropped, by words of fixed sets only.

Counting costs a fraction of a microsecond: it is done for every packet.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from socket import inet_ntoa

from netboot.boot.tables import remember
from netboot.model import Arch
from netboot.wire import iana
from netboot.wire.dhcp4 import Message

MAX_SERVERS = 32
"""DHCP servers that are told apart, as machines name them."""
OFFERED, ACKNOWLEDGED = "offered", "acknowledged"
IGNORED, NOT_FOR_US = "ignored", "not-for-us"
_OTHER = "other"
_ARCHS: Mapping[int, str] = {arch.value: arch.name.lower().replace("_", "-") for arch in Arch}
_ADDRESS_SIZE = 4


class Tally:
    """Counts of one run. ``clock``: epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._requests: Counter[tuple[str, str]] = Counter()
        self._servers: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def count(self, arch: int, result: str) -> None:
        """A network boot request of this architecture got this."""
        self._requests[_ARCHS.get(arch, _OTHER), result] += 1

    def chosen(self, request: Message) -> None:
        """A REQUEST for an address names the server whose offer was taken (RFC 2131 section 4.3.2).

        So every DHCP server that machines use is known without a packet of ours.
        """
        address = request.options.get(iana.OPT_SERVER_ID, b"")
        if len(address) == _ADDRESS_SIZE:
            server = inet_ntoa(address)
            times, _ = self._servers.get(server, (0, 0.0))
            remember(self._servers, server, (times + 1, self._clock()), at_most=MAX_SERVERS)

    def requests(self) -> dict[str, int]:
        """``"x64 offered"`` → how often."""
        return {f"{arch} {result}": count for (arch, result), count in self._requests.items()}

    def servers(self) -> dict[str, tuple[int, float]]:
        """Address → how often machines took its offers, and when last."""
        return dict(self._servers)
