"""``netboot audit``: who changed what, and how it went."""

import click

from netboot.cli.main import settings
from netboot.cli.pairs import json, table
from netboot.control.access.shapes import MOST_ENTRIES, USUAL_ENTRIES
from netboot.control.inventory import open_inventory
from netboot.event_text import clock, harmless


@click.command()
@click.option(
    "-n",
    "limit",
    type=click.IntRange(1, MOST_ENTRIES),
    default=USUAL_ENTRIES,
    show_default=True,
    help="The newest so many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def audit(ctx: click.Context, limit: int, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """Show what was written through the API and by commands, the newest first."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.access.audit(limit)
    if as_json:
        click.echo(json(found))
        return
    rows = [("TIME", "WHO", "FROM", "REQUEST", "TARGET", "STATUS")]
    for one in found:
        status = "no answer" if one.status is None else str(one.status)
        what = f"{one.method} {one.route}"
        when, target = clock(one.time, dated=True), harmless(one.target)
        rows.append((when, harmless(one.who), harmless(one.origin), what, target, status))
    click.echo(table(rows))
