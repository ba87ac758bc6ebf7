"""Which machines a command is for: by name, or by label."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from netboot.cli.pairs import pairs
from netboot.control.inventory import COMMAND_LINE, Inventory
from netboot.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

WAYS = {True: "through the server", False: "directly"}
"""How a command reached the nodes: whether a control program runs."""

_OPTIONS = (
    click.argument("names", nargs=-1),
    click.option(
        "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="All of these."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
)


def naming(command: F) -> F:
    """Give a command names, ``-l`` and ``--json``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def named(inventory: Inventory, names: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The names of the machines, each once.

    Raises:
        ConfigError: it is not said in one way, or none bears the labels.
    """
    if bool(names) == bool(labels):
        raise ConfigError(COMMAND_LINE, "", "say either which nodes, by name, or -l KEY=VALUE")
    if names:
        return list(dict.fromkeys(names))
    wanted = pairs(labels, "--label").items()
    found = [node.name for node in inventory.list() if wanted <= node.labels.items()]
    if not found:
        raise ConfigError(COMMAND_LINE, "--label", f"no node is labelled {', '.join(labels)}")
    return found
