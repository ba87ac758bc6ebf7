"""How commands reach tokens and the audit log: through the control program, else alone."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from netboot.checked import convert
from netboot.control.access.audited import Ledger, audited
from netboot.control.access.shapes import AuditPage, TokenList
from netboot.control.asking import Ask, quoted
from netboot.store.access_shapes import AuditEntry, NewToken, Token, TokenEntry

if TYPE_CHECKING:
    from netboot.store.store import Store


class Access(Protocol):
    """Tokens and the audit log. Every method raises as ``Inventory``'s do."""

    def tokens(self) -> Sequence[Token]:
        """Every token, by name."""

    def add_token(self, raw: dict[str, object]) -> NewToken:
        """Make a token in the shape of ``TokenEntry``."""

    def remove_token(self, name: str) -> None:
        """Forget a token."""

    def audit(self, limit: int) -> Sequence[AuditEntry]:
        """The newest writes, the newest first."""


class DirectAccess:
    """The store, opened by this process."""

    def __init__(self, store: "Store", source: str) -> None:
        self._store = store
        self._source = source

    @property
    def ledger(self) -> Ledger:
        """The store's audit log."""
        return self._store

    def tokens(self) -> Sequence[Token]:
        """As ``Access``."""
        return self._store.tokens()

    @audited("POST", "/api/v1/tokens", 201)
    def add_token(self, raw: dict[str, object]) -> NewToken:
        """As ``Access``."""
        entry = convert(raw, TokenEntry, self._source)
        return self._store.add_token(entry, time.time(), self._source)

    @audited("DELETE", "/api/v1/tokens/{name}", 204)
    def remove_token(self, name: str) -> None:
        """As ``Access``."""
        self._store.remove_token(name, self._source)

    def audit(self, limit: int) -> Sequence[AuditEntry]:
        """As ``Access``."""
        return self._store.audit(limit)


class RemoteAccess:
    """The control program.

    Args:
        ask: asks it for a shape.
        do: asks it to do what has no answer: a method and a path.
    """

    def __init__(self, ask: Ask, do: Callable[[str, str], object]) -> None:
        self._ask = ask
        self._do = do

    def tokens(self) -> Sequence[Token]:
        """As ``Access``."""
        return self._ask("GET", "tokens", TokenList).tokens

    def add_token(self, raw: dict[str, object]) -> NewToken:
        """As ``Access``."""
        return self._ask("POST", "tokens", NewToken, raw)

    def remove_token(self, name: str) -> None:
        """As ``Access``."""
        self._do("DELETE", f"tokens/{quoted(name)}")

    def audit(self, limit: int) -> Sequence[AuditEntry]:
        """As ``Access``."""
        return self._ask("GET", f"audit?limit={limit}", AuditPage).audit
