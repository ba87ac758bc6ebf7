"""The language of ISC's dhcpd.conf: text → statements (dhcpd.conf(5), dhcp-eval(5)).

A statement is words up to a semicolon, or words and a block in braces. ``#`` begins a comment;
braces also stand in types of options (``{ integer 8, text }``), which read as blocks too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from netboot.errors import ConfigError
from netboot.migrate.files import Source
from netboot.migrate.tree import MAX_DEPTH

_TOKEN = re.compile(
    r"""
      (?P<space> (?: \s | \#[^\n]* )+ )
    | (?P<text>  "(?:[^"\\]|\\.)*" )
    | (?P<mark>  [{};] )
    | (?P<word>  [^\s{};"\#]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(slots=True)
class Statement:
    """One statement.

    Attributes:
        words: what stands before the semicolon or the brace, without quotes, never empty.
        block: the statements between its braces, None where it has none.
    """

    line: int
    words: list[str]
    block: list["Statement"] | None = None

    @property
    def keyword(self) -> str:
        """Its first word in lower case."""
        return self.words[0].lower()

    @property
    def rest(self) -> list[str]:
        """What follows the keyword; a list's commas are taken off."""
        found = (part for word in self.words[1:] for part in word.split(","))
        return [part for part in found if part]

    @property
    def value(self) -> str:
        """The one word that follows the keyword, "" where there is none."""
        return self.words[1] if len(self.words) > 1 else ""


@dataclass(slots=True)
class _Open:
    """A block that is being read, and the words of its statement under way."""

    statements: list[Statement]
    words: list[str] = field(default_factory=list)
    line: int = 0

    def end(self, block: list[Statement] | None = None) -> None:
        if self.words:
            self.statements.append(Statement(self.line, self.words, block))
        self.words = []


def parse(source: Source) -> list[Statement]:
    """Read a file.

    Raises:
        ConfigError: a brace or a quote is left open, or blocks are nested too deep.
    """
    stack = [_Open([])]
    line = 1
    for kind, text, line in _tokens(source):
        if text == "{" and kind == "mark":
            if len(stack) == MAX_DEPTH:
                raise _error(source, line, f"more than {MAX_DEPTH} levels are nested")
            stack[-1].words = stack[-1].words or ["{"]
            stack[-1].line = stack[-1].line or line
            stack.append(_Open([]))
        elif text == "}" and kind == "mark":
            if len(stack) == 1:
                raise _error(source, line, "is not dhcpd.conf: a } that closes nothing")
            closed = stack.pop()
            closed.end()
            stack[-1].end(closed.statements)
        elif kind == "mark":
            stack[-1].end()
        else:
            if not stack[-1].words:
                stack[-1].line = line
            stack[-1].words.append(text)
    if len(stack) > 1:
        raise _error(source, stack[-2].line, "is not dhcpd.conf: its { is never closed")
    stack[0].end()
    return stack[0].statements


def _tokens(source: Source) -> Iterator[tuple[str, str, int]]:
    at, line = 0, 1
    while at < len(source.text):
        matched = _TOKEN.match(source.text, at)
        if matched is None:
            raise _error(source, line, "is not dhcpd.conf: a quote is never closed")
        kind, text = matched.lastgroup or "", matched[0]
        if kind == "text":
            yield kind, _ESCAPED.sub(r"\1", text[1:-1]), line
        elif kind != "space":
            yield kind, text, line
        line += text.count("\n")
        at = matched.end()


def _error(source: Source, line: int, problem: str) -> ConfigError:
    return ConfigError(f"{source.name}:{line}", "", problem)
