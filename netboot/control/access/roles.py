"""What a route needs of its asker, said where the route is declared.

::

    @app.get("/api/v1/tokens")
    @needs(Role.ADMIN)
    async def list_tokens() -> Response: ...

Without a word GET and HEAD need *read* and every other method *operate*, and what is no GET or HEAD
is in the audit log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from netboot.store.access_shapes import Role, target_of

T = TypeVar("T", bound=Callable[..., Any])

SAFE_METHODS = frozenset({"GET", "HEAD"})
_NEED = "__netboot_need__"


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who asks. ``origin``: from where, an address or ``control.sock``."""

    name: str
    role: Role
    origin: str


@dataclass(frozen=True, slots=True)
class Need:
    """What a request needs. ``role``: None where anybody may, known or not."""

    role: Role | None
    audited: bool


def needs(role: Role | None, *, audited: bool | None = None) -> Callable[[T], T]:
    """Mark an endpoint with what it needs; stands below the route's own decorator.

    Args:
        role: the least of its asker; None for anybody.
        audited: whether it is in the audit log; None for what its method says.
    """

    def marked(endpoint: T) -> T:
        setattr(endpoint, _NEED, (role, audited))
        return endpoint

    return marked


def need_of(route: BaseRoute, method: str) -> Need:
    """What a request of ``method`` for ``route`` needs.

    Raises:
        TypeError: the route is of a kind whose endpoint cannot be seen, so nobody could say.
    """
    if not isinstance(route, Route):
        raise TypeError(f"{route!r} is no plain route: add it to the app itself")
    safe = method in SAFE_METHODS
    default = Role.READ if safe else Role.OPERATE
    role, audited = getattr(route.endpoint, _NEED, (default, None))
    return Need(role, audited=not safe if audited is None else audited)


def asker(request: Request) -> Who:
    """Who asks; only where the route needs a role."""
    who: Who = request.state.who
    return who


def about(request: Request, given: object) -> None:
    """Say what a write is about, for the audit log, where its path does not (``target_of``)."""
    request.state.target = target_of(given)
