"""Errors → ``application/problem+json`` (RFC 9457) and back, so both ways in say the same words."""

from typing import Any

from netboot.errors import BmcError, ConfigError, NetbootError, OperationError
from netboot.store.shapes import Conflict, Unknown

MEDIA_TYPE = "application/problem+json"

_STATUS: tuple[tuple[type[NetbootError], int, str], ...] = (
    (Unknown, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (ConfigError, 422, "Bad input"),
    (OperationError, 503, "Could not be done"),
    (BmcError, 502, "The BMC failed"),
)


def problem(status: int, title: str, detail: str, key: str = "") -> dict[str, Any]:
    """A problem as JSON data; ``key`` names the offending key where there is one."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "key": key}


def problem_of(error: NetbootError) -> dict[str, Any]:
    """The problem an error of ours is."""
    for kind, status, title in _STATUS:
        if isinstance(error, ConfigError) and isinstance(error, kind):
            return problem(status, title, error.problem, error.key)
        if isinstance(error, BmcError) and isinstance(error, kind):
            doubt = {"retryable": error.retryable, "effect_unknown": error.effect_unknown}
            return problem(status, title, str(error)) | doubt
        if isinstance(error, kind):
            return problem(status, title, str(error))
    return problem(500, "Failed", str(error))


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
