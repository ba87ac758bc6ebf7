"""JSON as Kea takes it: with ``//``, ``#`` and ``/* */`` comments and commas before a bracket.

Kea Administrator Reference Manual, "JSON Syntax". What Kea adds by ``<?include "file"?>`` stands
in for a value, which is kept as the text ``<?include file?>``.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from netboot.errors import ConfigError
from netboot.migrate.files import Source
from netboot.migrate.tree import Builder, Tree

INCLUDE = re.compile(r'<\?\s*include\s+"(?P<file>[^"\n]*)"\s*\?>')

_TOKEN = re.compile(
    r"""
      (?P<space>   \s+ | //[^\n]* | \#[^\n]* | /\*.*?\*/ )
    | (?P<text>    "(?:[^"\\\n]|\\.)*" )
    | (?P<include> <\?.*?\?> )
    | (?P<mark>    [][{},:] )
    | (?P<word>    [-+.\w]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING = {"{": dict, "[": list}


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse(source: Source) -> Tree:
    """Read one document.

    Raises:
        ConfigError: it is not JSON, or nested too deep.
    """
    builder = Builder(source.name)
    wanted = "value"
    token = _Token("", "", 1)
    for token in _tokens(source.text, builder):
        if builder.root is not None and not builder.depth:
            raise builder.error(f"more stands after the end: {token.text[:20]!r}", token.line)
        wanted = _take(builder, token, wanted)
    if builder.root is None or builder.depth:
        raise builder.error("ends too early: a bracket is open", token.line)
    return builder.root


def _tokens(text: str, builder: Builder) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        matched = _TOKEN.match(text, at)
        if matched is None:
            raise builder.error(f"is not JSON: {text[at : at + 20]!r}", line)
        if matched.lastgroup != "space":
            yield _Token(matched.lastgroup or "", matched[0], line)
        line += matched[0].count("\n")
        at = matched.end()


def _take(builder: Builder, token: _Token, wanted: str) -> str:
    """Put one token where it belongs; gives what must come next: value, colon or comma."""
    mark = token.text if token.kind == "mark" else ""
    if wanted == "colon" and mark == ":":
        return "value"
    if wanted == "comma" and mark == ",":
        return "value"
    if mark in ("}", "]"):
        complete = wanted == "comma" or builder.wants_key or not builder.in_mapping
        if builder.depth and builder.in_mapping == (mark == "}") and complete:
            builder.close()
            return "comma"
    elif wanted == "value" and builder.wants_key:
        if token.kind == "text":
            builder.key(_decoded(builder, token), token.line)
            return "colon"
    elif wanted == "value" and mark in _OPENING:
        builder.put(_OPENING[mark](), token.line)
        return "value"
    elif wanted == "value" and not mark:
        builder.put(_scalar(builder, token), token.line)
        return "comma"
    raise builder.error(f"is not JSON: {token.text[:20]!r} where a {wanted} must be", token.line)


def _scalar(builder: Builder, token: _Token) -> str | None:
    if token.kind == "text":
        return _decoded(builder, token)
    if token.kind == "include" and (named := INCLUDE.fullmatch(token.text)):
        return f"<?include {named['file']}?>"
    return None if token.text == "null" else token.text


def _decoded(builder: Builder, token: _Token) -> str:
    try:
        decoded: str = json.loads(token.text, strict=False)
    except ValueError as error:
        raise _bad_text(builder, token, error) from None
    return decoded


def _bad_text(builder: Builder, token: _Token, error: ValueError) -> ConfigError:
    problem = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return builder.error(f"is not JSON: {problem}", token.line)
