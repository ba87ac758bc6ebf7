"""The dashboard's files over HTTP: whole in memory, revalidated by ETag, under a strict policy.

A browser asks each time whether a file is still the same (RFC 9111 section 5.2.2.4) and is told so
in a few bytes, so that no two files of different versions ever meet. The policy lets a page load
nothing but these files and our own API, run no inline script, and parse no text as markup.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from netboot.control.access.roles import needs

STATIC = Path(__file__).parent / "static"
PREFIX = "/ui/"
PAGE = "index.html"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every file."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; ``etag`` is a strong one (RFC 9110 section 8.8.3)."""

    body: bytes
    media_type: str
    etag: str


def assets(folder: Path = STATIC) -> Mapping[str, Asset]:
    """Every file of a kind that browsers are given, by its name."""
    return {path.name: _asset(path) for path in folder.iterdir() if path.suffix in _TYPES}


def add_dashboard(app: FastAPI) -> None:
    """Add ``GET /`` and what the page there loads, for anybody: it is the page that asks who."""
    found = assets()

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    @needs(None)
    async def page(request: Request) -> Response:
        return _answer(found[PAGE], request)

    @app.api_route(PREFIX + "{name}", methods=["GET", "HEAD"], include_in_schema=False)
    @needs(None)
    async def file(name: str, request: Request) -> Response:
        if (asset := found.get(name)) is None:
            raise HTTPException(404)
        return _answer(asset, request)


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, _TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _answer(asset: Asset, request: Request) -> Response:
    headers = {**HEADERS, "ETag": asset.etag}
    known = request.headers.get("if-none-match", "")
    if asset.etag in known or known == "*":
        return Response(status_code=304, headers=headers)
    return Response(asset.body, headers=headers, media_type=asset.media_type)
