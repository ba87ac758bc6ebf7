"""How commands reach what the store keeps: through the control program while it runs, else alone.

``open_inventory`` gives one of two things that answer alike, errors included:

- ``Remote`` asks the control program on ``control.sock``.
- ``Direct`` opens the store itself, under the lock the control program would hold, for as long as
  the command needs it.
"""

import contextlib
import functools
import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from netboot.answer.profiles import load_profiles
from netboot.config import PowerCommands, Settings
from netboot.control.access.audited import Ledger, audited
from netboot.control.access.inventory import Access, DirectAccess
from netboot.control.bmc_inventory import Bmcs, DirectBmcs
from netboot.control.entries import (
    add,
    import_all,
    refuse_unstartable,
    remove_group,
    safe_in,
    set_group,
    update,
)
from netboot.control.job_inventory import DirectJobs, Jobs
from netboot.control.lock import Held, lock_for_command
from netboot.control.remote import Remote, client_at
from netboot.control.volume_inventory import DirectVolumes, Volumes
from netboot.errors import OperationError
from netboot.guide import why
from netboot.jobs.screens import Screens, screens_in
from netboot.model import Group, Node, Profile
from netboot.policy import installing
from netboot.store.bmc_shapes import Sealing
from netboot.store.shapes import Imported, Record

if TYPE_CHECKING:
    from netboot.control.bmc_actions import Actions
    from netboot.store.store import Store

T = TypeVar("T")

log = logging.getLogger(__name__)

COMMAND_LINE = "command line"
PATIENCE = 15.0
"""Seconds to find a way in while a netboot that starts, or another command, has the data folder."""
_PAUSE = 0.05


class Inventory(Protocol):
    """What the store keeps. Every method raises ConfigError for bad input, else OperationError.

    Attributes:
        serving: whether a control program runs, so that what is asked for is done.
    """

    serving: bool

    @property
    def bmcs(self) -> Bmcs:
        """The nodes' BMCs."""

    @property
    def access(self) -> Access:
        """Tokens and the audit log."""

    @property
    def jobs(self) -> Jobs:
        """What is being done with nodes."""

    @property
    def volumes(self) -> Volumes:
        """The iSCSI volumes."""

    def list(self) -> "list[Node]":
        """Every node, by name."""

    def get(self, name: str) -> Node:
        """One node."""

    def add(self, raw: Mapping[str, object]) -> Node:
        """Keep a new node in the shape of ``NodeEntry``, ``bmc`` (``BmcEntry``) beside it."""

    def update(self, name: str, raw: Mapping[str, object]) -> Node:
        """Change a node in the shape of ``NodeChange``, ``bmc`` beside it; gives it as it is."""

    def remove(self, name: str) -> None:
        """Forget a node."""

    def import_nodes(self, raw: object) -> Imported:
        """Add or replace a list of ``NodeEntry``, all or none."""

    def install(self, names: Sequence[str], *, reinstall: bool) -> Sequence[Node]:
        """Have nodes installed at their next network boot, all or none; gives them in effect."""

    def groups(self) -> Sequence[Group]:
        """Every group, by name."""

    def set_group(self, name: str, raw: Mapping[str, object]) -> Group:
        """Make or change a group in the shape of ``GroupChange``; gives it as it is now."""

    def remove_group(self, name: str) -> None:
        """Forget a group."""

    def timeline(
        self, who: str, after: int | None, limit: int, wait: float = 0, *, log: bool = False
    ) -> Sequence[Record]:
        """A machine's events; may wait ``wait`` seconds for one with an id above ``after``.

        ``log``: every line of its installers' logs, not only those that warn or tell of a stage.
        """


@contextlib.contextmanager
def open_inventory(settings: Settings, source: str = COMMAND_LINE) -> Iterator[Inventory]:
    """The way in that is there.

    Args:
        settings: where the data are.
        source: where the caller's input stands, for errors.

    Raises:
        ConfigError: the configuration or the database is not usable, or the lock is ``Held``.
        OperationError: the system does not let us.
    """
    deadline = time.monotonic() + PATIENCE
    path = settings.run_dir / "control.sock"
    with contextlib.ExitStack() as stack:
        while not _listening(path):
            try:
                stack.enter_context(lock_for_command(settings.run_dir, patience=0))
            except Held:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                log.info("directly: %s", settings.data_dir)
                yield stack.enter_context(_direct(settings, source))
                return
        log.info("through the server: %s", path)
        yield Remote(stack.enter_context(client_at(path)), source)


class Direct:
    """The store, opened by this process."""

    serving = False

    def __init__(
        self,
        store: "Store",
        source: str,
        profiles: Mapping[str, Profile],
        safe: Sealing,
        screens: Screens,
        commands: Mapping[str, PowerCommands],
    ) -> None:
        self._store = store
        self._commands = commands
        self._screens = screens
        self._source = source
        self._profiles = profiles
        self._safe = safe

    @property
    def ledger(self) -> Ledger:
        """Where what is written is written down."""
        return self._store

    @functools.cached_property
    def access(self) -> Access:
        """As ``Inventory``."""
        return DirectAccess(self._store, self._source)

    @functools.cached_property
    def jobs(self) -> Jobs:
        """As ``Inventory``."""
        return DirectJobs(self._store, self._source, self._retire_volumes)

    @functools.cached_property
    def volumes(self) -> Volumes:
        """As ``Inventory``."""
        return DirectVolumes(self._store, self._safe, self._source, self._leave_volume)

    @functools.cached_property
    def bmcs(self) -> Bmcs:
        """As ``Inventory``."""
        from netboot.control.peers import user_name  # noqa: PLC0415 -- most commands need none

        return DirectBmcs(self._actions, user_name(), self._source, self._store)

    @functools.cached_property
    def _actions(self) -> "Actions":
        from netboot.control.bmc_actions import Actions  # noqa: PLC0415 -- most commands need none
        from netboot.jobs.bmc_turn import open_for  # noqa: PLC0415 -- likewise

        opener = functools.partial(open_for, commands=self._commands)
        return Actions(self._store, self._safe, screens=self._screens, opener=opener)

    def _leave_volume(self, node: str) -> None:
        from netboot.control.peers import user_name  # noqa: PLC0415 -- most commands need none

        self._actions.leave_volume(node, user_name(), self._source)

    def _retire_volumes(self, names: Sequence[str]) -> None:
        from netboot.control.peers import user_name  # noqa: PLC0415 -- most commands need none

        self._actions.retire_volumes(names, user_name(), self._source)

    def list(self) -> "list[Node]":
        """As ``Inventory``."""
        return self._store.list()

    def get(self, name: str) -> Node:
        """As ``Inventory``."""
        return self._store.get(name, self._source)

    @audited("POST", "/api/v1/nodes", 201)
    def add(self, raw: Mapping[str, object]) -> Node:
        """As ``Inventory``."""
        return add(self._store, raw, self._source, self._profiles, self._safe)

    @audited("PATCH", "/api/v1/nodes/{name}")
    def update(self, name: str, raw: Mapping[str, object]) -> Node:
        """As ``Inventory``."""
        return update(self._store, name, raw, self._source, self._profiles, self._safe)

    @audited("DELETE", "/api/v1/nodes/{name}", 204)
    def remove(self, name: str) -> None:
        """As ``Inventory``."""
        from netboot.jobs.memory import has_cd  # noqa: PLC0415 -- most commands need none

        if self._store.volume_of(name, self._source) is not None:
            self._leave_volume(name)
        self._store.remove(name, self._source, has_cd=has_cd)

    @audited("POST", "/api/v1/nodes:import")
    def import_nodes(self, raw: object) -> Imported:
        """As ``Inventory``."""
        return import_all(self._store, raw, self._source, self._profiles, self._safe)

    @audited("POST", "/api/v1/nodes:install")
    def install(self, names: Sequence[str], *, reinstall: bool) -> Sequence[Node]:
        """As ``Inventory``."""
        named = self._store.get_all(names, self._source)
        refuse_unstartable(self._store, named, self._profiles, self._source)
        known = installing(self._profiles)
        return self._store.install(names, known, self._source, reinstall=reinstall)

    def groups(self) -> Sequence[Group]:
        """As ``Inventory``."""
        return self._store.groups()

    @audited("PATCH", "/api/v1/groups/{name}")
    def set_group(self, name: str, raw: Mapping[str, object]) -> Group:
        """As ``Inventory``."""
        return set_group(self._store, name, raw, self._source, self._profiles)

    @audited("DELETE", "/api/v1/groups/{name}", 204)
    def remove_group(self, name: str) -> None:
        """As ``Inventory``."""
        remove_group(self._store, name, self._source, self._profiles)

    def timeline(
        self,
        who: str,
        after: int | None,
        limit: int,
        wait: float = 0,  # noqa: ARG002 -- nothing can come while we hold the lock
        *,
        log: bool = False,
    ) -> Sequence[Record]:
        """As ``Inventory``; it never waits."""
        return self._store.timeline(who, after, limit, self._source, log=log)


def _listening(path: Path) -> bool:
    """Whether somebody accepts connections there; a socket nobody owns refuses them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PATIENCE)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError as error:
            raise OperationError(f"{path}: {why(error)}") from None
    return True


@contextlib.contextmanager
def _direct(settings: Settings, source: str) -> Iterator[Direct]:
    from netboot.store.store import Store  # noqa: PLC0415 -- costs 0.3 s, spared while control runs

    password = settings.database_password_file
    with Store(settings.database, password_file=password) as store:
        profiles = load_profiles(settings.templates)
        safe, screens = safe_in(settings.data_dir), screens_in(settings.data_dir)
        yield Direct(store, source, profiles, safe, screens, settings.power_commands)
