"""What a machine shows, from BMCs that see it: Redfish has no way to ask, each has its own."""

from http import HTTPStatus

import requests

from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_http import Connection
from netboot.errors import BmcError

LARGEST_SCREENSHOT = 8 * 1024 * 1024
"""Bytes; a PNG of a large screen has two or three million."""

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def screenshot(connection: Connection, quirk: Quirk) -> bytes | None:
    """A PNG or JPEG of what the machine shows; None where this BMC has none.

    Raises:
        BmcError: there is none now, or it is no image of a size we take.
    """
    if not (path := quirk.screenshot):
        return None
    status, body = _downloaded(connection, path)
    if status != HTTPStatus.OK:
        busy = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise BmcError(f"GET {path}: {status}: it has no screenshot now", retryable=busy)
    if len(body) > LARGEST_SCREENSHOT or not body.startswith(_IMAGES):
        raise BmcError(f"GET {path}: the reply is no PNG or JPEG of up to {LARGEST_SCREENSHOT} B")
    return body


def _downloaded(connection: Connection, path: str) -> tuple[int, bytes]:
    session, base = connection.opened()
    timeout = (connection.timing.connect, connection.timing.read)
    try:
        response = session.request("GET", base + path, timeout=timeout)
    except requests.RequestException as error:
        raise connection.lost("GET", path, error) from None
    return response.status_code, response.content
