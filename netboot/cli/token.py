"""``netboot token``: who may use the control plane over the network."""

import click

from netboot.cli.commands import Commands
from netboot.cli.main import settings
from netboot.cli.pairs import json, table
from netboot.control.inventory import open_inventory
from netboot.event_text import clock
from netboot.store.access_shapes import Role


@click.group(cls=Commands)
def token() -> None:
    """Give people and programs access to the API and the dashboard.

    A token is read (sees everything), operate (also changes nodes and acts on machines) or admin
    (also makes tokens and reads the audit log). On this host none is needed: who may use the
    control program's socket may do everything.
    """


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="What it allows.",
)
@click.option("--expires", "days", type=int, metavar="DAYS", help="Days it is good for.")
@click.pass_context
def add(ctx: click.Context, name: str, role: str, days: int | None) -> None:
    """Make a token called NAME and print it; it is not kept, so it is shown this once."""
    raw: dict[str, object] = {"name": name, "role": role}
    if days is not None:
        raw["expires_days"] = days
    with open_inventory(settings(ctx)) as inventory:
        made = inventory.access.add_token(raw)
    click.echo(made.secret)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """List the tokens, without what they are."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.access.tokens()
    if as_json:
        click.echo(json(found))
        return
    rows = [("NAME", "ROLE", "CREATED", "EXPIRES")]
    for one in found:
        expires = "never" if one.expires is None else clock(one.expires, dated=True)
        rows.append((one.name, one.role, clock(one.created, dated=True), expires))
    click.echo(table(rows))


@token.command()
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Forget the token NAME: from now on it opens nothing."""
    with open_inventory(settings(ctx)) as inventory:
        inventory.access.remove_token(name)
    click.echo(f"token {name} removed")
