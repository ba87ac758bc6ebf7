"""``netboot node rescue|wipe|maintenance|retire``: what interrupts a machine's life, or ends it."""

from typing import Any

import click

from netboot.cli.main import settings
from netboot.cli.node_install import finish, submitted
from netboot.cli.pairs import document, json
from netboot.cli.which import WAYS, named, naming
from netboot.control.inventory import open_inventory
from netboot.job import JobKind
from netboot.lifecycle import Cause

_watch = click.option("--watch", "watches", is_flag=True, help="Until all have ended.")
_no_power = click.option("--no-power", is_flag=True, help="Restart nothing: wait for the machine.")


@click.command()
@naming
@click.option("--off", is_flag=True, help="It is over: back to the state before.")
@_no_power
@_watch
@click.pass_context
def rescue(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Have the machines NAMES boot a rescue system in memory; their disks stay as they are."""
    if given["off"]:
        _moved(ctx, given, Cause.RESUME)
        return
    _job(ctx, given, JobKind.RESCUE)


@click.command()
@naming
@click.option("--confirm", "confirmed", multiple=True, metavar="NAME", help="The name once more.")
@_no_power
@_watch
@click.pass_context
def wipe(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Erase the disks of the machines NAMES; each must be named twice, by --confirm as well."""
    _job(ctx, given, JobKind.WIPE, confirm=given["confirmed"])


@click.command()
@naming
@click.option("--off", is_flag=True, help="It is over: back to the state before.")
@click.pass_context
def maintenance(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Say that somebody works on the machines NAMES: nothing is installed on them meanwhile."""
    cause = Cause.RESUME if given["off"] else Cause.MAINTAIN
    _moved(ctx, given, cause)


@click.command()
@naming
@click.option("--off", is_flag=True, help="They are back in service.")
@click.pass_context
def retire(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Take the machines NAMES out of service: they are never installed."""
    cause = Cause.RESUME if given["off"] else Cause.RETIRE
    _moved(ctx, given, cause)


def _job(ctx: click.Context, given: dict[str, Any], kind: JobKind, **more: object) -> None:
    """Make jobs of this kind."""
    found = settings(ctx)
    with open_inventory(found) as inventory:
        nodes = named(inventory, given["names"], given["labels"])
        asked = {"power": not given["no_power"]}
        request = {"kind": kind, "nodes": nodes, "asked": asked, **more}
        jobs = submitted(inventory, request, as_json=given["as_json"])
    finish(found, jobs, watches=given["watches"], as_json=given["as_json"])


def _moved(ctx: click.Context, given: dict[str, Any], cause: Cause) -> None:
    """Take nodes on by what is said of them, and say where they are."""
    with open_inventory(settings(ctx)) as inventory:
        request = {"names": named(inventory, given["names"], given["labels"]), "cause": cause}
        nodes = inventory.jobs.change_state(request)
        way = WAYS[inventory.serving]
    if given["as_json"]:
        click.echo(json({"way": way, "nodes": [document(node) for node in nodes]}))
        return
    for node in nodes:
        click.echo(f"node {node.name}: {node.state}")
