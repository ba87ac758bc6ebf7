"""One boot's secrets, given once: who may have a token, and what it still opens.

A token itself is stateless (``netboot.answer.tokens``): unforgeable and short-lived, it outlives a
restart of ours. What is remembered here narrows it further:

* A token is made only for a machine whose DISCOVER we heard lately. Asking our HTTP with somebody
  else's MAC from another network gives no secret.
* A boot begins with a DISCOVER. Its tokens, however many scripts were asked for, belong to the
  first address that shows one.
* Its log is taken from the addresses its tokens went to and were shown by, until it begins anew.
* Each file behind them is given once a boot; the second time is an alarm, for then somebody read
  the machine's secrets beside it, or is trying to.

Pure: time is handed in. After a restart the DISCOVERs are known (they are kept on disk), the rest
begins anew, so that a machine in mid-installation still gets its file.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from netboot.answer.tokens import TOKEN_LIFETIME
from netboot.boot.tables import remember
from netboot.errors import AlreadyGiven, NotServed
from netboot.model import Mac

HEARD_SECONDS = 3600.0
"""How long after its DISCOVER a machine may be given a token: memory tests and slow set-ups."""
MAX_MACHINES = 32_768
"""Machines whose last DISCOVER is remembered."""
MAX_BOOTS = 16_384
"""Boots whose files are remembered; the oldest is forgotten, and then refused no second time."""


@dataclass(slots=True)
class _Use:
    address: str
    given: set[str] = field(default_factory=set)


class Attempts:
    """What each running boot may still have.

    Args:
        heard: MAC → time of its last DISCOVER, from an earlier run.

    Attributes:
        changed: set at each DISCOVER; whoever keeps ``heard`` on disk clears it.
    """

    def __init__(self, heard: Mapping[Mac, float] | None = None) -> None:
        self._heard: OrderedDict[Mac, float] = OrderedDict(heard or {})
        self.changed = False
        self._uses: OrderedDict[Mac, _Use] = OrderedDict()
        self._speakers: OrderedDict[str, tuple[Mac, float]] = OrderedDict()

    def discovered(self, mac: Mac, now: float) -> None:
        """A DISCOVER of ``mac`` came in at ``now``, in seconds since the epoch: a boot begins."""
        self._uses.pop(mac, None)
        self._heard[mac] = now
        self._heard.move_to_end(mac)
        self.changed = True
        if len(self._heard) > MAX_MACHINES:
            self._heard.popitem(last=False)

    def may_have_token(self, mac: Mac, now: float) -> bool:
        """Whether ``mac`` sent a DISCOVER lately."""
        return 0 <= now - self._heard.get(mac, float("-inf")) <= HEARD_SECONDS

    def heard(self, now: float) -> dict[Mac, float]:
        """The DISCOVERs that still count, for the disk."""
        return {mac: at for mac, at in self._heard.items() if now - at <= HEARD_SECONDS}

    def speaks(self, mac: Mac, address: str, now: float) -> None:
        """``address`` was given a token of ``mac`` at ``now``, or showed one."""
        remember(self._speakers, address, (mac, now), at_most=MAX_BOOTS)

    def speaker(self, address: str, now: float) -> Mac | None:
        """Whose boot under way ``address`` belongs to."""
        mac, since = self._speakers.get(address, (None, 0.0))
        if mac is None or now - since > TOKEN_LIFETIME or since < self._heard.get(mac, since):
            return None
        return mac

    def show(self, mac: Mac, address: str) -> None:
        """``address`` showed a token of ``mac``: from now on this boot's tokens are its own.

        Raises:
            NotServed: another address showed a token in this boot before.
        """
        use = self._uses.setdefault(mac, _Use(address))
        if len(self._uses) > MAX_BOOTS:
            self._uses.popitem(last=False)
        if use.address != address:
            raise NotServed(f"its token belongs to {use.address}, and {address} showed it")

    def give(self, mac: Mac, name: str) -> None:
        """Note that ``name`` is given to the address whose this boot's tokens are.

        Raises:
            AlreadyGiven: this file was given in this boot before.
        """
        use = self._uses[mac]
        if name in use.given:
            raise AlreadyGiven(f"{name} was given before; a boot gets it once")
        use.given.add(name)
