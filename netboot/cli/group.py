"""``netboot group``: what nodes are given by their labels, where they do not say it themselves."""

from collections.abc import Iterable
from typing import Any

import click

from netboot.cli.commands import Commands
from netboot.cli.main import settings
from netboot.cli.pairs import document, json, pairs, table, written
from netboot.control.inventory import COMMAND_LINE, open_inventory
from netboot.errors import ConfigError
from netboot.event_text import harmless
from netboot.model import Group, Node
from netboot.store.group_shapes import unknown_group

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def group() -> None:
    """Give variables and a profile to every machine with certain labels.

    A machine's own values win over its groups', and these over its profile's. Of two groups the
    one with more labels wins, then the one with the higher priority, then the name.
    """


@group.command("set")
@click.argument("name")
@click.option(
    "-l",
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="A machine must have it; repeatable, and all of them count.",
)
@click.option("--unlabel", "unlabels", multiple=True, metavar="KEY", help="It need not any more.")
@click.option("--profile", help='For machines registered without one; "" for none.')
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a variable.")
@click.option("--unset", "unsets", multiple=True, metavar="KEY", help="Take a variable out.")
@click.option("--priority", type=int, help="Between groups of equally many labels; default: 0.")
@click.pass_context
def set_(ctx: click.Context, /, name: str, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Make the group NAME, or change it; what is not named stays."""
    raw = {
        "labels": pairs(given["labels"], "--label") | dict.fromkeys(given["unlabels"]),
        "profile": given["profile"],
        "vars": pairs(given["sets"], "--set") | dict.fromkeys(given["unsets"]),
        "priority": given["priority"],
    }
    if all(value is None or value == {} for value in raw.values()):
        raise ConfigError(COMMAND_LINE, "", "nothing to set; `netboot group set --help` says what")
    with open_inventory(settings(ctx)) as inventory:
        made = inventory.set_group(name, raw)
        count = len(_members(made, inventory.list()))
    click.echo(f"group {name} set; {count} node{'' if count == 1 else 's'} in it")


@group.command("list")
@_json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """List the groups."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.groups()
    if as_json:
        click.echo(json([document(one) for one in found]))
        return
    rows = [("NAME", "LABELS", "PROFILE", "PRIORITY")]
    for one in found:
        labels = ",".join(written(one.labels))
        rows.append((one.name, labels, one.profile or "", str(one.priority)))
    click.echo(table(rows))


@group.command()
@click.argument("name")
@_json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """Show the group NAME and who is in it."""
    with open_inventory(settings(ctx)) as inventory:
        found = next((one for one in inventory.groups() if one.name == name), None)
        if found is None:
            raise unknown_group(name, COMMAND_LINE)
        nodes = _members(found, inventory.list())
    if as_json:
        click.echo(json(document(found) | {"nodes": nodes}))
        return
    for title, values in (
        ("name", [found.name]),
        ("label", written(found.labels)),
        ("profile", [found.profile] if found.profile else []),
        ("priority", [str(found.priority)]),
        ("var", written(found.vars)),
        ("node", nodes),
    ):
        for value in values:
            click.echo(f"{title:<8}  {harmless(value)}")


@group.command()
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Forget the group NAME; its machines stay."""
    with open_inventory(settings(ctx)) as inventory:
        inventory.remove_group(name)
    click.echo(f"group {name} removed")


def _members(wanted: Group, nodes: Iterable[Node]) -> list[str]:
    return [node.name for node in nodes if wanted.labels.items() <= node.labels.items()]
