"""Writes of commands that open the store themselves: in the audit log as the requests they are."""

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar, cast

from netboot.control.problems import problem_of
from netboot.errors import NetbootError
from netboot.store.access_shapes import Written, target_of

F = TypeVar("F", bound=Callable[..., Any])

ORIGIN = "command line"


class Ledger(Protocol):
    """The audit log; the store's."""

    def audit_begun(self, written: Written) -> int:
        """Keep what is about to be written; its number."""

    def audit_ended(self, number: int, status: int, target: str) -> None:
        """Keep how it went."""


class Writer(Protocol):
    """Whose methods write to a store of their own."""

    @property
    def ledger(self) -> Ledger:
        """Where that is written down."""


def audited(method: str, route: str, status: int = 200) -> Callable[[F], F]:
    """Have a ``Writer``'s method written down, as the request that it is without a server.

    Args:
        method: of that request.
        route: of that request.
        status: of its answer when all goes well.
    """

    def marked(write: F) -> F:
        @functools.wraps(write)
        def done(self: Writer, *given: object, **more: object) -> object:
            target = target_of(next(iter(given), ""))
            with _noted(self.ledger, method, route, target, status):
                return write(self, *given, **more)

        return cast("F", done)

    return marked


@contextlib.contextmanager
def _noted(ledger: Ledger, method: str, route: str, target: str, status: int) -> Iterator[None]:
    from netboot.control.peers import user_name  # noqa: PLC0415 -- loads a server; few commands write

    written = Written(user_name(), ORIGIN, method, route, target, secrets.token_hex(8))
    number = ledger.audit_begun(written)
    try:
        yield
    except NetbootError as error:
        with contextlib.suppress(NetbootError):  # the first error is the one to tell
            ledger.audit_ended(number, problem_of(error)["status"], target)
        raise
    ledger.audit_ended(number, status, target)
