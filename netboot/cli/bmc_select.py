"""Which machines a command is for: by name, by label, or all that have a BMC."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from netboot.cli.pairs import pairs
from netboot.control.inventory import COMMAND_LINE, Inventory
from netboot.errors import ConfigError
from netboot.store.shapes import unknown_node

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="All of these."
    ),
    click.option("--all", "every", is_flag=True, help="All that have a BMC."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
)


def selecting(command: F) -> F:
    """Give a command ``-l``, ``--all`` and ``--json``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen(
    inventory: Inventory, names: Sequence[str], labels: Sequence[str], *, every: bool
) -> list[str]:
    """The names of the machines, each once.

    Raises:
        ConfigError: none is chosen, one is not there, or one that was named has no BMC.
    """
    if bool(names) == bool(labels or every):
        problem = "say either which nodes, by name, or -l KEY=VALUE, or --all"
        raise ConfigError(COMMAND_LINE, "", problem)
    nodes = {node.name: node for node in inventory.list()}
    bmcs = inventory.bmcs.overview().bmcs
    if names:
        return _named(list(dict.fromkeys(names)), nodes, bmcs)
    wanted = pairs(labels, "--label").items()
    found = [name for name, node in nodes.items() if wanted <= node.labels.items()]
    if without := [name for name in found if name not in bmcs]:
        click.echo(f"without a BMC, so left out: {', '.join(without)}", err=True)
    if not any(name in bmcs for name in found):
        said = f" that is labelled {', '.join(labels)}" if labels else ""
        raise ConfigError(
            COMMAND_LINE, "--label" if labels else "--all", f"no node{said} has a BMC"
        )
    return [name for name in found if name in bmcs]


def _named(names: list[str], nodes: dict[str, Any], bmcs: dict[str, Any]) -> list[str]:
    for name in names:
        if name not in nodes:
            raise unknown_node(name, COMMAND_LINE)
        if name not in bmcs:
            problem = f"node {name} has no BMC; `netboot node set {name} --bmc URL` says where"
            raise ConfigError(COMMAND_LINE, "", problem)
    return names
