"""A request that is refused before any route sees it."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from netboot.control.problems import MEDIA_TYPE, problem, problem_of
from netboot.errors import NetbootError
from netboot.store.access_shapes import Role

REALM = 'Bearer realm="netboot"'
"""The challenge of RFC 6750 section 3."""


class Refused(Exception):  # noqa: N818 -- what happened, as its reader would say it
    """An answer instead of what was asked; never says what the request showed."""

    def __init__(
        self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.response = Response(
            msgspec.json.encode(problem(status, title, detail)), status, headers, MEDIA_TYPE
        )


def unauthorized(detail: str, *, error: str = "") -> Refused:
    """401; ``error``: why what was shown does not count (RFC 6750 section 3.1)."""
    challenge = f'{REALM}, error="{error}"' if error else REALM
    return Refused(HTTPStatus.UNAUTHORIZED, "Unauthorized", detail, {"WWW-Authenticate": challenge})


def forbidden(role: Role, needed: Role) -> Refused:
    """403: the asker is known and may not."""
    challenge = f'{REALM}, error="insufficient_scope", scope="{needed}"'
    detail = f"needs the role {needed}; yours is {role}"
    return Refused(403, "Forbidden", detail, {"WWW-Authenticate": challenge})


def failed(error: NetbootError) -> Refused:
    """What went wrong while we looked who asks."""
    found = problem_of(error)
    return Refused(found["status"], found["title"], found["detail"])
