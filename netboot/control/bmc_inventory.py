"""How commands reach BMCs: through the control program while it runs, else alone.

The two answer alike, errors included; ``Inventory.bmcs`` is one of them.
"""

from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, Protocol

from netboot.control.access.audited import Ledger, audited
from netboot.control.asking import Ask, quoted
from netboot.control.bmc_shapes import (
    Answer,
    BootAsked,
    IscsiAsked,
    Known,
    MediaAsked,
    Overview,
    PowerAsked,
)
from netboot.control.console_remote import Console

if TYPE_CHECKING:
    from netboot.control.bmc_actions import Actions

LONGEST_ACTION = 2.0 * 3600
"""Seconds one action may take: every way of booting is tried, and a machine is waited for."""


class Bmcs(Protocol):
    """BMCs. Safe from many threads; every method raises as ``Inventory``'s do, and BmcError."""

    def overview(self) -> Overview:
        """Every BMC, and what is being done right now."""

    def known(self, name: str) -> Known:
        """What is kept of one; asks nobody."""

    def status(self, name: str) -> Answer:
        """Read power, boot override and virtual media."""

    def power(self, name: str, asked: PowerAsked) -> Answer:
        """Change the power."""

    def boot(self, name: str, asked: BootAsked) -> Answer:
        """Set where it boots from."""

    def media(self, name: str, asked: MediaAsked) -> Answer:
        """Insert or eject an image."""

    def iscsi_status(self, name: str) -> Answer:
        """Read which volume its firmware boots from."""

    def iscsi(self, name: str, asked: IscsiAsked) -> Answer:
        """Have its firmware boot from its volume, or from none."""

    def inspect(self, name: str) -> Answer:
        """Read what the machine is, and keep it."""

    def console(self, name: str, *, keep: bool, force: bool) -> AbstractContextManager[Console]:
        """Its serial line, until the ``with`` block ends; what it says is kept if ``keep``.

        ``force`` takes it from whoever has it.
        """


class DirectBmcs:
    """BMCs spoken to by this process."""

    def __init__(self, actions: "Actions", asker: str, source: str, ledger: Ledger) -> None:
        self._actions = actions
        self._asker = asker
        self._source = source
        self.ledger = ledger

    def overview(self) -> Overview:
        """As ``Bmcs``."""
        return self._actions.overview()

    def known(self, name: str) -> Known:
        """As ``Bmcs``."""
        return self._actions.known(name, self._source)

    def status(self, name: str) -> Answer:
        """As ``Bmcs``."""
        return self._actions.status(name, self._asker, self._source)

    @audited("POST", "/api/v1/nodes/{name}/power")
    def power(self, name: str, asked: PowerAsked) -> Answer:
        """As ``Bmcs``."""
        return self._actions.power(name, asked, self._asker, self._source)

    @audited("POST", "/api/v1/nodes/{name}/boot")
    def boot(self, name: str, asked: BootAsked) -> Answer:
        """As ``Bmcs``."""
        return self._actions.boot(name, asked, self._asker, self._source)

    @audited("POST", "/api/v1/nodes/{name}/media")
    def media(self, name: str, asked: MediaAsked) -> Answer:
        """As ``Bmcs``."""
        return self._actions.media(name, asked, self._asker, self._source)

    def iscsi_status(self, name: str) -> Answer:
        """As ``Bmcs``."""
        return self._actions.iscsi_status(name, self._asker, self._source)

    @audited("POST", "/api/v1/nodes/{name}/iscsi")
    def iscsi(self, name: str, asked: IscsiAsked) -> Answer:
        """As ``Bmcs``."""
        return self._actions.iscsi(name, asked, self._asker, self._source)

    @audited("POST", "/api/v1/nodes/{name}/inspect")
    def inspect(self, name: str) -> Answer:
        """As ``Bmcs``."""
        return self._actions.inspect(name, self._asker, self._source)

    @audited("GET", "/api/v1/nodes/{name}/console")
    def console(self, name: str, *, keep: bool, force: bool) -> AbstractContextManager[Console]:
        """As ``Bmcs``."""
        consoles = self._actions.consoles
        return closing(consoles.open(name, self._asker, self._source, keep=keep, force=force))


class OpenConsole(Protocol):
    """Opens a console that the control program holds."""

    def __call__(self, name: str, *, keep: bool, force: bool) -> AbstractContextManager[Console]:
        """The console of a node."""


class RemoteBmcs:
    """BMCs spoken to by the control program."""

    def __init__(self, ask: Ask, open_console: OpenConsole) -> None:
        self._ask = ask
        self._open_console = open_console

    def overview(self) -> Overview:
        """As ``Bmcs``."""
        return self._ask("GET", "bmcs", Overview)

    def known(self, name: str) -> Known:
        """As ``Bmcs``."""
        return self._ask("GET", f"nodes/{quoted(name)}/bmc", Known)

    def status(self, name: str) -> Answer:
        """As ``Bmcs``."""
        return self._act("GET", name, "power")

    def power(self, name: str, asked: PowerAsked) -> Answer:
        """As ``Bmcs``."""
        return self._act("POST", name, "power", asked)

    def boot(self, name: str, asked: BootAsked) -> Answer:
        """As ``Bmcs``."""
        return self._act("POST", name, "boot", asked)

    def media(self, name: str, asked: MediaAsked) -> Answer:
        """As ``Bmcs``."""
        return self._act("POST", name, "media", asked)

    def iscsi_status(self, name: str) -> Answer:
        """As ``Bmcs``."""
        return self._act("GET", name, "iscsi")

    def iscsi(self, name: str, asked: IscsiAsked) -> Answer:
        """As ``Bmcs``."""
        return self._act("POST", name, "iscsi", asked)

    def inspect(self, name: str) -> Answer:
        """As ``Bmcs``."""
        return self._act("POST", name, "inspect")

    def console(self, name: str, *, keep: bool, force: bool) -> AbstractContextManager[Console]:
        """As ``Bmcs``."""
        return self._open_console(name, keep=keep, force=force)

    def _act(self, method: str, name: str, what: str, asked: object = None) -> Answer:
        path = f"nodes/{quoted(name)}/{what}"
        return self._ask(method, path, Answer, asked, timeout=LONGEST_ACTION)
