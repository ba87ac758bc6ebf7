"""Logins that fail: so many of one address, then it waits.

A token cannot be guessed; this keeps strangers from making us look for one all day. A browser that
is logged in is not asked to wait, so nobody is locked out by another on the same address.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_FAILURES = 10
"""Logins of one address that may fail within ``FAILURE_SECONDS``; then even a right one waits."""
FAILURE_SECONDS = 60.0
MAX_ADDRESSES = 4_096
"""Addresses whose failures are counted; the one that failed longest ago is forgotten."""
_OF_ONE_SITE = 64
"""Bits of an IPv6 address that are one site's: it has the other 64 for itself."""


class Attempts:
    """Failures by address.

    Args:
        clock: seconds that are never put back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Seconds until this address may try again; 0 for now."""
        count, began = self._failures.get(_site(address), (0, 0.0))
        left = began + FAILURE_SECONDS - self._clock()
        return math.ceil(left) if count >= MAX_FAILURES and left > 0 else 0

    def failed(self, address: str) -> None:
        """Count a failure."""
        site, now = _site(address), self._clock()
        count, began = self._failures.pop(site, (0, now))
        if now - began >= FAILURE_SECONDS:
            count, began = 0, now
        self._failures[site] = (count + 1, began)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)


def _site(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a user of this host
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _OF_ONE_SITE), strict=False))
