"""Errors → ``application/problem+json`` (RFC 9457) and back, so both ways in say the same words."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from netboot.errors import BmcError, ConfigError, NetbootError, OperationError
from netboot.store.shapes import Conflict, Unknown

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """What went wrong.

    Attributes:
        title: the same for every problem of its kind.
        detail: a sentence with the values that matter.
        key: the key or parameter that is wrong, "" where it is none.
        retryable: the BMC may do it later.
        effect_unknown: the BMC may have done it all the same.
        etag: the version that is there now.
        now: what is there now.
        by: who wrote it last, where that is known; ``at``: when, epoch seconds.
    """

    type: str
    title: str
    status: int
    detail: str
    key: str = ""
    retryable: bool | UnsetType = UNSET
    effect_unknown: bool | UnsetType = UNSET
    etag: str | UnsetType = UNSET
    now: dict[str, Any] | UnsetType = UNSET
    by: str | UnsetType = UNSET
    at: float | UnsetType = UNSET


class Stale(NetbootError):  # noqa: N818 -- its name says what is wrong
    """Somebody changed a thing since it was read; ``now`` has it as it is, and its ``etag``."""

    def __init__(self, detail: str, now: Mapping[str, Any] | None = None) -> None:
        self.now = now or {}
        super().__init__(detail)

    def written_by(self, who: str, at: float) -> "Stale":
        """The same, and who wrote it last."""
        return Stale(f"{self}; {who} wrote it last", {**self.now, "by": who, "at": at})


_STATUS: tuple[tuple[type[NetbootError], int, str], ...] = (
    (Unknown, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (Stale, 412, "Changed meanwhile"),
    (ConfigError, 422, "Bad input"),
    (OperationError, 503, "Could not be done"),
    (BmcError, 502, "The BMC failed"),
)


def problem(status: int, title: str, detail: str, key: str = "") -> dict[str, Any]:
    """A problem as JSON data; ``key`` names the offending key where there is one."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "key": key}


def problem_of(error: NetbootError) -> dict[str, Any]:
    """The problem an error of ours is."""
    status, title = next(
        ((status, title) for kind, status, title in _STATUS if isinstance(error, kind)),
        (500, "Failed"),
    )
    if isinstance(error, ConfigError):
        return problem(status, title, error.problem, error.key)
    more: Mapping[str, Any] = {}
    if isinstance(error, BmcError):
        more = {"retryable": error.retryable, "effect_unknown": error.effect_unknown}
    elif isinstance(error, Stale):
        more = error.now
    return {**problem(status, title, str(error)), **more}


def error_of(status: int, body: dict[str, Any], source: str) -> NetbootError:
    """The error a problem was made of, for a person whose input stands in ``source``."""
    detail, key = str(body.get("detail", "")), str(body.get("key", ""))
    for kind, number, _ in _STATUS:
        if number == status and issubclass(kind, ConfigError):
            return kind(source, key, detail)
        if number == status and kind is BmcError:
            retryable, unknown = bool(body.get("retryable")), bool(body.get("effect_unknown"))
            return BmcError(detail, retryable=retryable, effect_unknown=unknown)
    return OperationError(detail or f"the control program answered with status {status}")
