"""The part of YAML that people mean: lists, mappings and text. Nothing is guessed or built.

Rules:

- Every scalar is the text that was typed: ``no``, ``1.10`` and ``52:54:00:00:00:01`` (a base-60
  integer to YAML 1.1) stay what they look like.
- A key that is there twice is an error, and so are tags, anchors and aliases: an alias of an alias
  of an alias makes a kilobyte of file into a gigabyte of data.
- Values are built from the parser's events, one after the other, to a bounded depth. PyYAML's own
  composer recurses in C and takes the process down on a file full of brackets.
"""

from typing import Any

import yaml

MAX_DEPTH = 50

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml where it is there


class YamlError(ValueError):
    """The text is not the YAML we take; the message is one sentence with line and column."""


def loads(text: str) -> object:
    """Read one document.

    Returns:
        dicts with text keys, lists and texts; None for a text without a document.

    Raises:
        YamlError: it is not YAML, or more of YAML than we take.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        problem = " ".join(filter(None, [error.context, error.problem]))
        raise _at(problem, error.problem_mark or error.context_mark) from None
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from None
    return builder.document


class _Builder:
    """Takes events; the innermost open list or mapping is on top of the stack."""

    def __init__(self) -> None:
        self.document: object = None
        self._documents = 0
        self._open: list[dict[str, object] | list[object]] = []
        self._keys: list[str | None] = []

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _at("a second document begins", event.start_mark)
        elif isinstance(event, yaml.NodeEvent):
            self._refuse_extras(event)
            self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()

    def _node(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._put(event.value, event)
            return
        value: dict[str, object] | list[object]
        value = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(value, event)
        if len(self._open) == MAX_DEPTH:
            raise _at(f"more than {MAX_DEPTH} levels are nested", event.start_mark)
        self._open.append(value)
        self._keys.append(None)

    def _put(self, value: object, event: yaml.NodeEvent) -> None:
        if not self._open:
            self.document = value
        elif isinstance(parent := self._open[-1], list):
            parent.append(value)
        elif (key := self._keys[-1]) is not None:
            parent[key] = value
            self._keys[-1] = None
        elif not isinstance(value, str):
            raise _at("a key must be text", event.start_mark)
        elif value in parent:
            raise _at("a key is there twice", event.start_mark)
        else:
            self._keys[-1] = value

    @staticmethod
    def _refuse_extras(event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            raise _at("anchors and aliases are not taken", event.start_mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise _at("tags are not taken", event.start_mark)


def _at(problem: str, mark: Any) -> YamlError:  # noqa: ANN401 -- of libyaml or of PyYAML
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return YamlError(f"{' '.join(problem.split())}{place}")
