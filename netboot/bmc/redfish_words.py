"""A BMC's own words out of its replies, and what a refusal means."""

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

LONGEST_REQUEST = 400
"""Characters of a request that are kept for people."""
LONGEST_WORDS = 400
"""Characters of a BMC's words that are kept."""

Json = Mapping[str, Any]

_BUSY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.LOCKED,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
_BUSY_MESSAGES = (
    "ResourceInStandby",
    "ResourceInUse",
    "ResourceNotReady",
    "ServiceTemporarilyUnavailable",
    "InvalidOperationForSystemState",  # HPE, during POST
    "UnableToModifyDuringSystemPOST",  # likewise
    "SYS518",  # Dell, not yet ready after what went before
)
_QUERY = re.compile(
    r'(https?://[^\s"?]*\?)[^\s"]+|(https?%3A%2F%2F[^\s"&]*?%3F)[^\s"&]+', re.IGNORECASE
)


def parsed(body: bytes) -> Json | None:
    """A JSON object; None for anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def words(said: Json | None) -> str:
    """What the messages of a reply say (DSP0266, "Error responses"), "" for nothing."""
    texts = [message.get("Message") for message in _messages(said)]
    error = said.get("error") if said else None
    if not any(texts) and isinstance(error, dict):
        texts = [error.get("message")]
    told = dict.fromkeys(" ".join(str(text).split()) for text in texts if text)
    return unsigned(" ".join(told))[:LONGEST_WORDS]


def unsigned(text: str) -> str:
    """``text`` without the queries of the URLs in it, quoted ones too: they may be signatures."""
    return _QUERY.sub(lambda found: f"{found[1] or found[2]}…", text)


def shown(method: str, path: str, body: Json | None = None, etag: str | None = None) -> str:
    """A request in one line, for people: without secrets, and what a URL may be signed by."""
    match = f" If-Match: {etag}" if etag else ""
    text = "" if body is None else f" {json.dumps(_unsecret(body), ensure_ascii=False)}"
    return unsigned(f"{method} {path}{match}{text}")[:LONGEST_REQUEST]


def is_busy(status: int, said: Json | None) -> bool:
    """Whether what was refused may be taken later."""
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return status != HTTPStatus.NOT_IMPLEMENTED
    ids = " ".join(str(message.get("MessageId")) for message in _messages(said))
    return any(name in ids for name in _BUSY_MESSAGES)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After (RFC 9110 section 10.2.3), a number or a date; None without one.

    A date is counted from the reply's own Date where it has one: a BMC's clock may be wrong.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    until = _seconds(text)
    if until is None:
        return None
    now = _seconds(headers.get("Date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def _seconds(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _unsecret(value: object) -> object:
    """JSON data without what its properties called ``…Secret`` hold, at any depth."""
    if isinstance(value, Mapping):
        return {
            name: "…" if name.endswith("Secret") and inner else _unsecret(inner)
            for name, inner in value.items()
        }
    return [_unsecret(each) for each in value] if isinstance(value, list) else value


def _messages(said: Json | None) -> Iterator[Json]:
    for place in (said, (said or {}).get("error")):
        listed = place.get("@Message.ExtendedInfo") if isinstance(place, dict) else None
        if isinstance(listed, dict):  # seen in place of a list of one
            listed = [listed]
        if isinstance(listed, list):
            yield from (message for message in listed if isinstance(message, dict))
