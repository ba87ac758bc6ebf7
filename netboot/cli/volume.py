"""``netboot volume``: iSCSI volumes that machines start from."""

from pathlib import Path
from typing import Any

import click
import msgspec

from netboot.checked import shown
from netboot.cli.commands import Commands
from netboot.cli.main import settings
from netboot.cli.pairs import json, table
from netboot.cli.secret import read_secret
from netboot.control.inventory import COMMAND_LINE, open_inventory
from netboot.errors import ConfigError
from netboot.event_text import harmless
from netboot.store.volume_shapes import VolumeShown, volume_without_secret
from netboot.volume import MAX_SECRET, parse_portal

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def volume() -> None:
    """Attach iSCSI volumes to machines that have no disk of their own.

    A machine with the profile "volume" starts from the volume that is attached to it. A volume is
    one machine's at a time.
    """


@volume.command()
@click.argument("name")
@click.option("--target", required=True, help="The target's name: iqn…, eui… or naa….")
@click.option("--portal", required=True, metavar="HOST[:PORT]", help="Where it is; port 3260.")
@click.option("--lun", type=int, default=1, show_default=True)
@click.option("--chap-user", default="", help="The CHAP name to log in with.")
@click.option(
    "--chap-secret-file",
    type=click.Path(path_type=Path),
    help='The file with the CHAP secret of 12 to 255 characters; "-" asks, or reads from stdin.',
)
@_json_option
@click.pass_context
def add(ctx: click.Context, /, name: str, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Keep the volume NAME, attached to none."""
    portal = given["portal"]
    try:
        host, port = parse_portal(portal)
    except ValueError as error:
        raise ConfigError(COMMAND_LINE, "--portal", f"= {shown(portal)}: {error}") from None
    raw = {
        "name": name,
        "target": given["target"],
        "portal": host,
        "port": port,
        "lun": given["lun"],
        "chap_user": given["chap_user"],
        "chap_secret": _secret(given["chap_secret_file"]),
    }
    with open_inventory(settings(ctx)) as inventory:
        added = inventory.volumes.add(raw)
    click.echo(json(added) if given["as_json"] else f"volume {name} added")


@volume.command("list")
@_json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """List the volumes."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.volumes.list()
    if as_json:
        click.echo(json(found))
        return
    rows = [("NAME", "NODE", "PORTAL", "LUN", "TARGET")]
    rows += [(one.name, one.node or "", _portal(one), str(one.lun), one.target) for one in found]
    click.echo(table(rows))


@volume.command("show")
@click.argument("name")
@_json_option
@click.pass_context
def show_(ctx: click.Context, name: str, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """Show the volume NAME, without its secret."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.volumes.get(name)
    if as_json:
        click.echo(json(found))
        return
    for title, value in msgspec.structs.asdict(found).items():
        if value not in (None, ""):
            click.echo(f"{title:<9}  {harmless(str(value))}")


@volume.command()
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Forget the volume NAME, which must be attached to none; what is on it stays."""
    with open_inventory(settings(ctx)) as inventory:
        inventory.volumes.remove(name)
    click.echo(f"volume {name} removed")


@volume.command()
@click.argument("name")
@click.argument("node")
@click.pass_context
def attach(ctx: click.Context, name: str, node: str) -> None:
    """Attach the volume NAME to NODE, which starts from it by the profile "volume"."""
    with open_inventory(settings(ctx)) as inventory:
        inventory.volumes.attach(name, node)
    click.echo(f"volume {name} attached to {node}")


@volume.command()
@click.argument("name")
@click.pass_context
def detach(ctx: click.Context, name: str) -> None:
    """Take the volume NAME from the machine that has it; one that runs keeps it until it stops."""
    with open_inventory(settings(ctx)) as inventory:
        inventory.volumes.attach(name, None)
    click.echo(f"volume {name} detached")


def _secret(file: Path | None) -> str:
    if file is None:
        return ""
    text = read_secret(file, "--chap-secret-file", "CHAP secret", MAX_SECRET)
    return text.removesuffix("\n").removesuffix("\r")


def _portal(one: VolumeShown) -> str:
    volume = volume_without_secret(one)
    return f"{volume.host}:{volume.port}"
