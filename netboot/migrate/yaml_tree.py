"""YAML of one or more documents as trees: what ``netboot.plain_yaml`` takes, with its lines."""

from typing import Any

import yaml

from netboot.errors import ConfigError
from netboot.migrate.files import Source
from netboot.migrate.tree import Builder, Tree

MAX_DOCUMENTS = 100_000
"""Documents of one file: a machine each, and no more than a store holds."""

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml where it is there
_EXTRAS = "anchors, aliases and tags are not taken; write the values out"


def documents(source: Source) -> list[Tree]:
    """Read every document; empty ones are left out.

    Raises:
        ConfigError: it is not YAML, has more of YAML than is taken, or is nested too deep.
    """
    found: list[Tree] = []
    builder = Builder(source.name)
    try:
        for event in yaml.parse(source.text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = Builder(source.name)
            elif isinstance(event, yaml.DocumentEndEvent):
                if builder.root is not None and builder.root.value:
                    found.append(builder.root)
                if len(found) > MAX_DOCUMENTS:
                    raise ConfigError(source.name, "", f"has more than {MAX_DOCUMENTS} documents")
            else:
                _take(builder, event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, [error.context, error.problem]))
        raise builder.error(f"is not YAML: {problem}", mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        flat = " ".join(str(error).split())
        raise ConfigError(source.name, "", f"is not YAML: {flat}") from None
    return found


def _take(builder: Builder, event: yaml.Event) -> None:
    if isinstance(event, yaml.CollectionEndEvent):
        builder.close()
    if not isinstance(event, yaml.NodeEvent):
        return
    line = (event.start_mark.line if event.start_mark else 0) + 1
    if event.anchor is not None or getattr(event, "tag", None) not in (None, "!"):
        raise builder.error(_EXTRAS, line)
    if isinstance(event, yaml.ScalarEvent):
        if builder.wants_key:
            builder.key(event.value, line)
        else:
            builder.put(event.value, line)
    elif builder.wants_key:
        raise builder.error("a key must be text", line)
    else:
        builder.put({} if isinstance(event, yaml.MappingStartEvent) else [], line)
