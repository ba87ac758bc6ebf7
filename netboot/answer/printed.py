"""Whether a template only prints whose boot it is: read off its syntax tree.

``node.name``, ``node.mac``, ``boot.mac`` and ``boot.url`` differ from machine to machine; most
templates only print them. Then a rendering with other words in their place, put in afterwards, is
what Jinja would have rendered. That holds where the words

- consist of letters, digits and ``._:/-`` alone: no guard and no filter named here treats those
  specially, and none of them can end a word, a line or a pair of quotes;
- go from their name to the output through nothing but ``~`` and those filters, and the block they
  stand in through no other filter, macro or assignment, which could look at them;
- decide nothing: no condition, comparison, loop or look-up reads them.

Whatever is not known to be harmless counts as harmful. ``tests/test_pattern.py`` holds both ways
of rendering equal.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jinja2
from jinja2 import nodes

MAX_SOURCES = 256
"""Templates and texts whose use of an identity is remembered."""

_IDENTITY = {"node": frozenset({"name", "mac"}), "boot": frozenset({"mac", "url"})}
_COMMON = {"node": frozenset({"known", "labels", "vars"}), "boot": frozenset[str]()}
"""What else these names have that can be the same for many machines."""
_KEEPING = frozenset({"sh", "tojson", "words"})
"""Filters that change nothing in a word of an identity and look at nothing in it."""
_DEFAULT = frozenset({"d", "default"})
_DEFINED = frozenset({"defined", "undefined"})
_OPAQUE = nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block
_REGIONS = nodes.Template, nodes.If, nodes.For, nodes.FilterBlock
_NEVER_SAME = "random"
"""A filter whose results are not to be kept."""

Path = tuple[nodes.Node, ...]
"""The nodes above a node, the outermost first."""


class Use(NamedTuple):
    """What a template does with an identity.

    Attributes:
        silent: it says no name that has one, and includes nothing that could.
        only_printed: it prints it at most, and lets through what it includes.
        silenced: templates it includes where more than printing is done; they must be silent.
    """

    silent: bool
    only_printed: bool
    silenced: frozenset[str]


@functools.lru_cache(MAX_SOURCES)
def use_of(environment: jinja2.Environment, source: str) -> Use:
    """Read a template's source.

    Raises:
        jinja2.TemplateSyntaxError: it is none.
    """
    silent = harmless = True
    silenced = set[str]()
    for node, above in _with_path(environment.parse(source)):
        if isinstance(node, nodes.Name) and node.name in _IDENTITY:
            silent = False
            harmless = harmless and _is_printed(node, above)
        elif isinstance(node, nodes.Include):
            silent = False
            if not _passes_on(above):
                name = node.template
                harmless = harmless and isinstance(name, nodes.Const)
                silenced.add(str(getattr(name, "value", "")))
        elif isinstance(node, _OPAQUE) or _is_random(node):
            silent = harmless = False
    return Use(silent, harmless, frozenset(silenced))


def _with_path(node: nodes.Node, above: Path = ()) -> Iterator[tuple[nodes.Node, Path]]:
    yield node, above
    for child in node.iter_child_nodes():
        yield from _with_path(child, (*above, node))


def _is_random(node: nodes.Node) -> bool:
    """Whether it is that filter, or its name for ``map`` and its like."""
    if isinstance(node, nodes.Const):
        return bool(node.value == _NEVER_SAME)
    return isinstance(node, nodes.Filter) and node.name == _NEVER_SAME


def _is_printed(name: nodes.Name, above: Path) -> bool:
    """Whether what ``name`` is looked up for is no identity, or is only printed."""
    item = above[-1]
    if not isinstance(item, nodes.Getattr):
        return False
    if item.attr in _COMMON[name.name]:
        return True
    return item.attr in _IDENTITY[name.name] and _reaches_output(item, above[:-1])


def _reaches_output(value: nodes.Node, above: Path) -> bool:
    """Whether ``value`` goes to the output as it is, or nowhere."""
    while above:
        above, parent = above[:-1], above[-1]
        if isinstance(parent, nodes.Output):
            return _passes_on(above)
        if isinstance(parent, nodes.Test):
            return parent.name in _DEFINED
        if not _keeps(parent, value):
            return False
        value = parent
    return False


def _keeps(parent: nodes.Node, child: nodes.Node) -> bool:
    """Whether ``child``'s value stands in ``parent``'s as it is, or not at all."""
    if isinstance(parent, nodes.Concat):
        return True
    if (
        not isinstance(parent, nodes.Filter)
        or parent.kwargs
        or parent.dyn_args
        or parent.dyn_kwargs
    ):
        return False
    if parent.name in _DEFAULT:
        return child is parent.node or child is parent.args[0]
    return parent.name in _KEEPING and not parent.args


def _passes_on(above: Path) -> bool:
    """Whether what is printed below ``above`` reaches the template's output as it is."""
    return all(
        isinstance(region, _REGIONS)
        and not (isinstance(region, nodes.For) and region.recursive)
        and not (isinstance(region, nodes.FilterBlock) and not _keeps_words(region.filter))
        for region in above
    )


def _keeps_words(filter_: nodes.Filter) -> bool:
    """Whether a block's filter changes nothing but the white space between words."""
    if filter_.node is not None:
        return False
    if filter_.name == "oneline":
        return True
    replaced = filter_.args[0] if filter_.name == "replace" and filter_.args else None
    return isinstance(replaced, nodes.Const) and str(replaced.value).isspace()
