"""``netboot node``: which machines there are, and what each of them is to boot."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from netboot.checked import read_yaml, shown
from netboot.cli.main import settings
from netboot.control.inventory import COMMAND_LINE, open_inventory
from netboot.errors import ConfigError
from netboot.event_text import harmless
from netboot.model import Node

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def node() -> None:
    """Register machines and say what they boot."""


@node.command()
@click.argument("name")
@click.option("--mac", "macs", multiple=True, required=True, help="An address; repeatable.")
@click.option("--profile", required=True, help="What it boots, such as debian-12.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label; repeatable.")
@click.option("--set", "settings_", multiple=True, metavar="KEY=VALUE", help="A variable.")
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    macs: tuple[str, ...],
    profile: str,
    labels: tuple[str, ...],
    settings_: tuple[str, ...],
) -> None:
    """Register the machine NAME."""
    raw = {
        "name": name,
        "macs": macs,
        "profile": profile,
        "labels": _pairs(labels, "--label"),
        "vars": _pairs(settings_, "--set"),
    }
    with open_inventory(settings(ctx)) as inventory:
        inventory.add(raw)
    click.echo(f"node {name} added")


@node.command("list")
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only these.")
@_json_option
@click.pass_context
def list_(ctx: click.Context, labels: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """List the machines."""
    wanted = _pairs(labels, "--label").items()
    with open_inventory(settings(ctx)) as inventory:
        found = [node for node in inventory.list() if wanted <= node.labels.items()]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        click.echo(_table(found))


@node.command()
@click.argument("name")
@_json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """Show the machine NAME."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.get(name)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    click.echo(f"name     {found.name}")
    click.echo(f"profile  {found.profile}")
    for title, values in (
        ("mac", found.macs),
        ("label", _written(found.labels.items())),
        ("var", _written(found.vars.items())),
    ):
        for value in values:
            click.echo(f"{title:<7}  {harmless(value)}")


@node.command("set")
@click.argument("name")
@click.option("--mac", "macs", multiple=True, help="Instead of its addresses; repeatable.")
@click.option("--add-mac", "add_macs", multiple=True, help="Beside its addresses.")
@click.option("--remove-mac", "remove_macs", multiple=True, help="Take an address out.")
@click.option("--profile", help="What it boots.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Put a label on.")
@click.option("--unlabel", "unlabels", multiple=True, metavar="KEY", help="Take a label off.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a variable.")
@click.option("--unset", "unsets", multiple=True, metavar="KEY", help="Take a variable out.")
@click.pass_context
def set_(ctx: click.Context, /, name: str, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Change the machine NAME; what is not named stays."""
    raw = {
        "macs": given["macs"] or None,
        "add_macs": given["add_macs"],
        "remove_macs": given["remove_macs"],
        "profile": given["profile"],
        "labels": _pairs(given["labels"], "--label") | dict.fromkeys(given["unlabels"]),
        "vars": _pairs(given["sets"], "--set") | dict.fromkeys(given["unsets"]),
    }
    if not any(raw.values()):
        raise ConfigError(COMMAND_LINE, "", "nothing to set; `netboot node set --help` says what")
    with open_inventory(settings(ctx)) as inventory:
        inventory.update(name, raw)
    click.echo(f"node {name} changed")


@node.command()
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Forget the machine NAME; its timeline stays."""
    with open_inventory(settings(ctx)) as inventory:
        inventory.remove(name)
    click.echo(f"node {name} removed")


@node.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def import_(ctx: click.Context, file: Path) -> None:
    """Add or replace all machines of a YAML FILE, or none.

    The file is a list of {name, macs: [...], profile, labels: {}, vars: {}}.
    """
    raw = read_yaml(file)
    with open_inventory(settings(ctx), str(file)) as inventory:
        done = inventory.import_nodes(raw)
    counts = f"{len(done.added)} added, {len(done.changed)} changed"
    click.echo(f"{counts}, {len(done.unchanged)} unchanged")


def _pairs(texts: Iterable[str], option: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(COMMAND_LINE, option, f"= {shown(text)}: must be KEY=VALUE")
        found[key] = value
    return found


def _written(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{key}={value}" for key, value in pairs]


def _table(nodes: Iterable[Node]) -> str:
    rows = [("NAME", "PROFILE", "MACS", "LABELS")]
    for one in nodes:
        labels = ",".join(_written(one.labels.items()))
        rows.append((one.name, one.profile, ",".join(one.macs), labels))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
