"""Parsed JSON or YAML whose every value knows its line; every scalar is the text that was typed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from netboot.errors import ConfigError

MAX_DEPTH = 50
"""Levels of nesting."""

Value: TypeAlias = "str | list[Tree] | dict[str, Tree] | None"


@dataclass(frozen=True, slots=True)
class Tree:
    """A value: text, a list or a mapping; None for nothing.

    Asking it for what it is not gives the empty thing of that kind, so a reader says what it wants
    and a file of another shape has none of it.
    """

    line: int
    value: Value

    @property
    def text(self) -> str:
        """The scalar, "" where it is none."""
        return self.value if isinstance(self.value, str) else ""

    def each(self) -> Sequence["Tree"]:
        """The list's items."""
        return self.value if isinstance(self.value, list) else ()

    def items(self) -> Iterable[tuple[str, "Tree"]]:
        """The mapping's keys and values, in the file's order."""
        return self.value.items() if isinstance(self.value, dict) else ()

    def get(self, *keys: str) -> "Tree":
        """What is under ``keys``, one inside the other; nothing where one is not there."""
        found = self
        for key in keys:
            found = found.value.get(key, NOTHING) if isinstance(found.value, dict) else NOTHING
        return found


NOTHING = Tree(0, None)


class Builder:
    """Makes a tree from what a parser comes by, one thing after the other; it never recurses.

    Args:
        source: the file's name, for errors.

    Attributes:
        root: the finished tree, once something was put.
    """

    def __init__(self, source: str) -> None:
        self.root: Tree | None = None
        self._source = source
        self._open: list[tuple[list[Tree] | dict[str, Tree], str | None]] = []

    @property
    def depth(self) -> int:
        """Containers that are open."""
        return len(self._open)

    @property
    def in_mapping(self) -> bool:
        """Whether the innermost open container is a mapping."""
        return bool(self._open) and isinstance(self._open[-1][0], dict)

    @property
    def wants_key(self) -> bool:
        """Whether what comes next is a key."""
        return self.in_mapping and self._open[-1][1] is None

    def key(self, text: str, line: int) -> None:
        """The key of what is put next.

        Raises:
            ConfigError: the mapping has it already.
        """
        inside, _ = self._open[-1]
        if text in inside:
            raise self.error("a key is there twice", line)
        self._open[-1] = (inside, text)

    def put(self, value: Value, line: int) -> None:
        """A value; a list or a mapping stays open until ``close``.

        Raises:
            ConfigError: too many are open.
        """
        tree = Tree(line, value)
        if not self._open:
            self.root = tree
        else:
            inside, key = self._open[-1]
            if isinstance(inside, list):
                inside.append(tree)
            elif key is not None:
                inside[key] = tree
                self._open[-1] = (inside, None)
        if isinstance(value, list | dict):
            if len(self._open) == MAX_DEPTH:
                raise self.error(f"more than {MAX_DEPTH} levels are nested", line)
            self._open.append((value, None))

    def close(self) -> None:
        """The innermost open container is complete."""
        self._open.pop()

    def error(self, problem: str, line: int) -> ConfigError:
        """``problem`` at a line of the file."""
        return ConfigError(f"{self._source}:{line}", "", problem)
