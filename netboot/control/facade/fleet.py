"""The nodes of the facade: what is read of them and done to them. Every method may block."""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from http import HTTPStatus
from typing import NamedTuple

from netboot.bmc.address import Address
from netboot.bmc.model import PowerAction, PowerState
from netboot.control.bmc_actions import Actions
from netboot.control.bmc_shapes import LONGEST_URL, PowerAsked, check_url, said_url
from netboot.control.facade.resources import RESETS
from netboot.errors import BmcError, ConfigError, NetbootError, OperationError
from netboot.events import Event, Kind
from netboot.model import BootSource, Node, Override
from netboot.redfish.messages import Problem, bad
from netboot.store.shapes import Unknown
from netboot.store.store import Store

REPLY_WITHIN = 10.0
"""Seconds a reset may take until it is answered: what lasts longer was taken and goes on."""
RETRY_AFTER = 5
"""Seconds after which a client shall ask a busy BMC again."""
SOURCE = "request"

log = logging.getLogger(__name__)

_ONLY_ON = ("On",)
_IMAGE = re.compile(r"https?://[!#%&(-\[\]^_a-~]+")
"""What stands in an iPXE script as it is."""


class Seen(NamedTuple):
    """A reading of a node; ``heard``: its power could be read."""

    node: Node
    override: Override
    power: PowerState
    resets: Sequence[str]
    heard: bool


class Fleet:
    """The nodes that bear one label.

    Args:
        store: nodes and what is said of them.
        actions: acts on their BMCs.
        label: the label and its value.
        arrived: called when events were kept.
    """

    def __init__(
        self,
        store: Store,
        actions: Actions,
        label: tuple[str, str],
        arrived: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._actions = actions
        self._label = label
        self._arrived = arrived

    def names(self) -> Iterable[str]:
        """Their names."""
        return [node.name for node in self._store.list() if self._has(node)]

    def node(self, name: str) -> Node:
        """One of them.

        Raises:
            Problem: 404, there is none of that name.
        """
        try:
            node = self._store.get(name, SOURCE)
        except Unknown:
            node = None
        if node is None or not self._has(node):
            raise Problem(HTTPStatus.NOT_FOUND, "ResourceMissingAtURI", name)
        return node

    def override(self, name: str) -> Override:
        """What was said that a node starts from."""
        return self.node(name).override or Override()

    def see(self, name: str, user: str) -> Seen:
        """Read a node. Where nothing tells its power, it is what that was changed to last."""
        node, bmc = self.node(name), self._store.bmc(name, SOURCE)
        override, power = self._store.override(name, SOURCE)
        if bmc is None:
            return Seen(node, override, PowerState.UNKNOWN, (), heard=False)
        resets, heard = _resets(bmc.address), True
        try:
            read = self._actions.status(name, _asker(user), SOURCE).power
        except NetbootError:  # a client is told by Health; why is told to whoever acts
            power, heard = PowerState.UNKNOWN, False
        else:
            power = power if read in (None, PowerState.UNKNOWN) else read
        return Seen(node, override, power, resets, heard)

    def set_boot(self, name: str, source: BootSource, user: str, *, once: bool) -> None:
        """Say what a node starts from, from its next boot on."""
        node = self.node(name)
        self._store.arm(name, source, SOURCE, once=once)
        times = "" if source is BootSource.NONE else " once" if once else " always"
        self._tell(node, user, f"boot {source.value}{times}")

    def insert(self, name: str, image: str, user: str) -> None:
        """Put an image into a node's virtual CD drive; nobody looks whether it is there.

        Raises:
            Problem: 400, iPXE could not start it.
        """
        node = self.node(name)
        try:
            check_url(image, SOURCE)
        except ConfigError as error:
            raise bad("GeneralError", f"Image {error.problem}") from None
        if not _IMAGE.fullmatch(image):
            problem = f"Image must be an http or https URL of {LONGEST_URL} plain characters"
            raise bad("GeneralError", problem)
        self._store.load(name, image, SOURCE)
        self._tell(node, user, f"insert {said_url(image)}")

    def eject(self, name: str, user: str) -> None:
        """Empty a node's virtual CD drive."""
        node = self.node(name)
        self._store.load(name, None, SOURCE)
        self._tell(node, user, "eject")

    def reset(self, name: str, kind: object, user: str) -> None:
        """Change a node's power by a ResetType; returns when that is taken.

        Raises:
            Problem: 400, it cannot be done to this node; 503, its BMC is busy; 409, its BMC failed.
        """
        node, bmc = self.node(name), self._store.bmc(name, SOURCE)
        if bmc is None:
            raise bad("GeneralError", f"node {node.name} has no BMC that could change its power")
        if kind not in _resets(bmc.address):
            raise bad("ActionParameterValueNotInList", str(kind), "ResetType")
        action = RESETS[str(kind)]
        try:
            asked = PowerAsked(action=action)
            _taken(lambda: self._actions.power(name, asked, _asker(user), SOURCE))
            if action is not PowerAction.SHUTDOWN:
                off = action is PowerAction.OFF
                self._store.keep_power(name, PowerState.OFF if off else PowerState.ON, SOURCE)
        except BmcError as error:
            raise _failed(error, again=error.retryable and not error.effect_unknown) from None
        except NetbootError as error:
            raise _failed(error, again=isinstance(error, OperationError)) from None

    def _has(self, node: Node) -> bool:
        return self._label in node.labels.items()

    def _tell(self, node: Node, user: str, asked: str) -> None:
        """Write it into the node's timeline."""
        data = {"by": _asker(user), "asked": asked, "came": "done"}
        mac = node.macs[0] if node.macs else None
        line = f"{_asker(user)} asked: {asked}"
        self._store.append_events([Event(Kind.BMC, mac, node.name, line, data)])
        self._arrived()


def _asker(user: str) -> str:
    return f"{user} over Redfish"


def _resets(address: Address) -> Sequence[str]:
    """What can be done to the power by way of a BMC at ``address``."""
    return _ONLY_ON if address.scheme == "wol" else tuple(RESETS)


def _taken(work: Callable[[], object]) -> None:
    """Begin ``work`` and see how it goes for ``REPLY_WITHIN``; its end is in the timeline."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except NetbootError as error:
            future.set_exception(error)
        except Exception:
            log.exception("a reset broke")
            broke = BmcError("netboot's own fault, which its log tells", effect_unknown=True)
            future.set_exception(broke)
        else:
            future.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    if wait([future], REPLY_WITHIN).done:
        future.result()


def _failed(error: NetbootError, *, again: bool) -> Problem:
    """Clients repeat what failed with 5xx, and a reset must not be repeated blindly."""
    text = error.problem if isinstance(error, ConfigError) else str(error)
    if again:
        headers = {"Retry-After": str(RETRY_AFTER)}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "GeneralError", text, headers=headers)
    return Problem(HTTPStatus.CONFLICT, "GeneralError", text)
