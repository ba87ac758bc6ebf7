"""Who may use the control plane, and what is kept of what they did: the values, free of I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Annotated

from msgspec import Meta

from netboot.checked import Checked

MAX_WHO = 64
"""Characters kept of who wrote, and of from where."""
MAX_ROUTE = 128
"""Characters kept of a path's template."""
MAX_TARGET = 200
"""Characters kept of what a write was about."""
MAX_NAMED = 32
"""Things of one write that are named; their number says how many more there are."""

TokenName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}\Z",
        description="a name of 1 to 63 letters, digits and . _ @ -",
    ),
]
Days = Annotated[int, Meta(ge=1, le=36_500, description="a number of days from 1 to 36500")]


class Role(StrEnum):
    """What somebody may do; each role may do what those before it may."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether who has this role may do what needs that one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class TokenEntry(Checked, frozen=True):
    """A new token as people ask for it; without ``expires_days`` it never expires."""

    name: TokenName
    role: Role
    expires_days: Days | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token without its secret; times are epoch seconds."""

    name: str
    role: Role
    created: float
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token and its secret, which nobody is told a second time."""

    token: Token
    secret: str


@dataclass(frozen=True, slots=True)
class Written:
    """Something written through the control plane: no body, no secret.

    Attributes:
        who: a token's name, or the user's on this host.
        origin: where from: an address, ``control.sock`` or ``command line``.
        method: of the request; a command that opens the store itself has that of its request.
        route: the path's template, such as ``/api/v1/nodes/{name}``.
        target: the node, job or whatever it was about, "" where that is not known.
        request: the request's id, as in ``X-Request-Id``.
    """

    who: str
    origin: str
    method: str
    route: str
    target: str
    request: str


@dataclass(frozen=True, slots=True)
class AuditEntry(Written):
    """A kept ``Written``; ``status``: of its answer, None where it never got one."""

    id: int
    time: float
    status: int | None


def target_of(given: object) -> str:
    """What a write is about: a name or number, those of a list, or what a body names."""
    if isinstance(given, Mapping):
        if isinstance(labels := given.get("label"), Mapping):
            given = [f"{key}={value}" for key, value in islice(labels.items(), MAX_NAMED)]
        else:
            given = next((given[key] for key in _NAMING if key in given), "")
    if not isinstance(given, list | tuple):
        return _name(given)
    more = f" and {len(given) - MAX_NAMED} more" if len(given) > MAX_NAMED else ""
    return ", ".join(filter(None, map(_name, given[:MAX_NAMED]))) + more


_NAMING = ("name", "names", "nodes")
"""Keys of bodies that say what they are about."""


def _name(given: object) -> str:
    named = given.get("name") if isinstance(given, Mapping) else given
    return str(named)[:MAX_TARGET] if isinstance(named, str | int) else ""
