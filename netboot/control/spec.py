"""What each route takes and gives, as ``/openapi.json`` says it.

Bodies are checked and written by msgspec, so their schemas are drawn from those very shapes: the
document cannot say anything else than what is done. FastAPI and pydantic do the same for paths,
queries and headers.

A route's shapes travel in its own part of the document, as ``x-components``, until ``openapi``
gathers them.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from netboot.control.access.roles import need_of
from netboot.control.exchange import JSON
from netboot.control.problems import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{name}"
_COMPONENTS = "x-components"
_EVERYWHERE = (400, 401, 403, 421, 422, 429, 503)
"""Any request may lack a token or a role or show one in a wrong place, be wrong, or meet a database
that is away."""
_SCHEME = "token"
_NOT_MODIFIED = 304
_SAID = {
    200: "Done",
    201: "Made",
    202: "Taken on",
    204: "Done; there is nothing to say",
    304: "As you know it",
    400: "The request is not to be had: such as a token in its URL",
    401: "No token, or none that counts",
    403: "The role does not allow it",
    404: "There is no such thing",
    409: "It cannot be beside what is there already, or what is under way",
    412: "Somebody changed it since you read it; the problem has it as it is now",
    413: "The request is too large",
    421: "The request is for another host",
    422: "The request is wrong; the problem names the key",
    429: "Too many wrong tokens",
    502: "The BMC failed",
    503: "It cannot be done now",
}

ETAG = {"ETag": {"description": "Its version.", "schema": {"type": "string"}, "required": True}}
"""The header that answers bear which have a version."""
LINK = {"Link": {"description": 'The next page: rel="next".', "schema": {"type": "string"}}}
"""The header of an answer that may go on."""
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Asked again with the same key, an action is answered again and not repeated.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
}
"""The header that makes it safe to ask again."""


def spec(
    *,
    gives: Any = None,  # noqa: ANN401 -- any type that msgspec knows
    takes: Any = None,  # noqa: ANN401 -- likewise
    status: int = 200,
    fails: Iterable[int] = (),
    headers: dict[str, Any] | None = None,
    media: str = JSON,
    once: bool = False,
) -> dict[str, Any]:
    """What a route's decorator says about it.

    Args:
        gives: the shape of the answer, None for none; ``str`` where it is no JSON.
        takes: the shape of the request's body, None for none, ``bytes`` where it is no JSON.
        status: of the answer.
        fails: the problems it has beside those that all have.
        headers: of the answer.
        media: the answer's media type.
        once: it obeys an ``Idempotency-Key``.
    """
    shapes: dict[str, Any] = {}
    beside = {413} if takes is not None or once else set()
    beside |= {409} if once else set()
    answers = {
        number: _response(number, _schema(Problem, shapes), MEDIA_TYPE)
        for number in sorted({*_EVERYWHERE, *fails} | beside)
    }
    if _NOT_MODIFIED in answers:
        answers[_NOT_MODIFIED] = _response(_NOT_MODIFIED) | {"headers": headers or {}}
    answers[status] = _response(status, None if gives is None else _schema(gives, shapes), media)
    if headers:
        answers[status]["headers"] = headers
    extra: dict[str, Any] = {_COMPONENTS: shapes}
    if takes is bytes:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        extra["requestBody"] = {"required": True, "content": content}
    elif takes is not None:
        content = {JSON: {"schema": _schema(takes, shapes)}}
        extra["requestBody"] = {"required": True, "content": content}
    if once:
        extra["parameters"] = [KEY]
    return {"status_code": status, "responses": answers, "openapi_extra": extra}


def describe(app: FastAPI) -> None:
    """Have ``app`` say what it takes and gives; every operation is called as its handler."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes
            )
            _say_who_may(document, app.routes)
            app.openapi_schema = _gathered(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's manual has it


def operation(route: APIRoute) -> str:
    """An operation's id: what its handler is called."""
    return route.name


def _response(
    status: int, schema: dict[str, Any] | None = None, media: str = JSON
) -> dict[str, Any]:
    content = {} if schema is None else {"content": {media: {"schema": schema}}}
    return {"description": _SAID[status], **content}


def _schema(shape: Any, shapes: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 -- any type that msgspec knows
    schema, found = _drawn(shape)
    shapes |= found
    return schema


@cache  # routes share their shapes; drawn anew for each they were most of the start of a server
def _drawn(shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401 -- any type that msgspec knows
    """A shape's schema, and those it refers to by their names."""
    [schema], found = msgspec.json.schema_components((shape,), ref_template=_REF)
    return schema, found


def _say_who_may(document: dict[str, Any], routes: Iterable[BaseRoute]) -> None:
    """Each operation's least role; over the UNIX socket nobody shows a token."""
    document["security"] = [{_SCHEME: []}]
    for route in routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        for method in route.methods or ():
            found = document["paths"][route.path_format][method.lower()]
            if (role := need_of(route, method).role) is None:
                found["security"] = []
            else:
                found["x-role"] = role.value


def _gathered(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the shapes of its routes where they belong."""
    schemas: dict[str, Any] = {}
    for path in document["paths"].values():
        for found in path.values():
            for name, schema in found.pop(_COMPONENTS, {}).items():
                if schemas.setdefault(name, schema) != schema:
                    raise ValueError(f"two shapes are called {name}")
    document["components"] = {
        "schemas": {name: _ecma(schema) for name, schema in sorted(schemas.items())},
        "securitySchemes": {_SCHEME: {"type": "http", "scheme": "bearer"}},
    }
    return document


def _ecma(value: Any) -> Any:  # noqa: ANN401 -- JSON
    r"""A schema with patterns as ECMA 262 writes them: Python's ``\Z`` is its ``$``.

    Of a docstring the first paragraph describes; the rest is for who reads the code.
    """
    if isinstance(value, dict):
        found = {key: _ecma(inner) for key, inner in value.items()}
        if isinstance(said := found.get("description"), str):
            found["description"] = " ".join(said.partition("\n\n")[0].split())
        if isinstance(pattern := found.get("pattern"), str):
            found["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
        return found
    return [_ecma(inner) for inner in value] if isinstance(value, list) else value
