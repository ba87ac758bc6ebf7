"""``netboot node install``: have machines installed when they boot from the network next."""

import click

from netboot.cli.main import settings
from netboot.cli.pairs import pairs
from netboot.control.inventory import COMMAND_LINE, open_inventory
from netboot.errors import ConfigError


@click.command()
@click.argument("names", nargs=-1)
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="All of these.")
@click.option("--reinstall", is_flag=True, help="Also those that are installed: erases them.")
@click.pass_context
def install(
    ctx: click.Context,
    names: tuple[str, ...],
    labels: tuple[str, ...],
    reinstall: bool,  # noqa: FBT001 -- click's signature
) -> None:
    """Install the machines NAMES when they boot from the network next; all of them or none.

    A machine is installed once: when its installer calls home it starts from its own disk, until
    this is said again.
    """
    if bool(names) == bool(labels):
        raise ConfigError(COMMAND_LINE, "", "say either which nodes, by name, or -l KEY=VALUE")
    with open_inventory(settings(ctx)) as inventory:
        if labels:
            wanted = pairs(labels, "--label").items()
            names = tuple(node.name for node in inventory.list() if wanted <= node.labels.items())
            if not names:
                said = ", ".join(labels)
                raise ConfigError(COMMAND_LINE, "--label", f"no node is labelled {said}")
        for node in inventory.install(names, reinstall=reinstall):
            click.echo(f"node {node.name}: {node.profile} is installed at its next network boot")
