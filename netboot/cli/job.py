"""``netboot job``: what is being done with machines over minutes and hours, and how it ended."""

import sys
import time
from collections.abc import Sequence

import click
import msgspec

from netboot.cli.commands import Commands
from netboot.cli.job_words import lines, rows, stands
from netboot.cli.main import EXIT_FAILED, settings
from netboot.cli.node_install import finish
from netboot.cli.pairs import json, table
from netboot.cli.which import WAYS
from netboot.control.inventory import Inventory, open_inventory
from netboot.control.job_shapes import MOST
from netboot.errors import NetbootError
from netboot.job import Job, JobKind, JobState

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_numbers = click.argument("numbers", metavar="JOB…", nargs=-1, required=True, type=int)


@click.group(cls=Commands)
def job() -> None:
    """See what is being done with machines, and end it or begin it again."""


@job.command("list")
@click.option("--node", help="Only this one's.")
@click.option(
    "--state",
    "states",
    type=click.Choice([one.value for one in JobState]),
    multiple=True,
    help="Only these.",
)
@click.option("--kind", type=click.Choice([one.value for one in JobKind]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
@_json_option
@click.pass_context
def list_(
    ctx: click.Context,
    node: str | None,
    states: tuple[str, ...],
    kind: str | None,
    limit: int,
    as_json: bool,  # noqa: FBT001 -- click's signature
) -> None:
    """List jobs, the newest first."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.jobs.list(
            node=node,
            states=[JobState(state) for state in states],
            kind=None if kind is None else JobKind(kind),
            limit=limit,
        )
        way = WAYS[inventory.serving]
    if as_json:
        click.echo(json(_document(way, found)))
    else:
        click.echo(table(rows(found, time.time())))


@job.command()
@click.argument("number", metavar="JOB", type=int)
@_json_option
@click.pass_context
def show(ctx: click.Context, number: int, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """Show one job: where it stands, what it waits for and until when, or how it ended."""
    with open_inventory(settings(ctx)) as inventory:
        found = inventory.jobs.get(number)
        way = WAYS[inventory.serving]
    if as_json:
        click.echo(json({"way": way} | msgspec.to_builtins(found)))
        return
    for title, value in lines(found):
        click.echo(f"{title:<9}  {value}")


@job.command()
@_numbers
@_json_option
@click.pass_context
def watch(ctx: click.Context, numbers: tuple[int, ...], as_json: bool) -> None:  # noqa: FBT001 -- likewise
    """Show jobs until all of them ended; exit code 1 when one failed."""
    found = settings(ctx)
    with open_inventory(found) as inventory:
        jobs = [inventory.jobs.get(number) for number in dict.fromkeys(numbers)]
    finish(found, jobs, watches=True, as_json=as_json)


@job.command()
@_numbers
@_json_option
@click.pass_context
def cancel(ctx: click.Context, numbers: tuple[int, ...], as_json: bool) -> None:  # noqa: FBT001 -- likewise
    """End jobs; what is being done to a machine right now is waited for."""
    with open_inventory(settings(ctx)) as inventory:
        _each(inventory, numbers, "cancel", as_json=as_json)


@job.command()
@_numbers
@_json_option
@click.pass_context
def retry(ctx: click.Context, numbers: tuple[int, ...], as_json: bool) -> None:  # noqa: FBT001 -- likewise
    """Begin failed or cancelled jobs again from where they stood."""
    with open_inventory(settings(ctx)) as inventory:
        _each(inventory, numbers, "retry", as_json=as_json)


def _each(inventory: Inventory, numbers: Sequence[int], verb: str, *, as_json: bool) -> None:
    """Do it to each job; one that cannot be hinders no other, but is told, and the exit code 1."""
    jobs, failed = list[Job](), list[NetbootError]()
    for number in dict.fromkeys(numbers):
        try:
            jobs.append(getattr(inventory.jobs, verb)(number))
        except NetbootError as error:
            failed.append(error)
    if failed and not jobs:
        raise failed[0]
    for problem in failed:
        click.echo(f"netboot: {problem}", err=True)
    if as_json:
        click.echo(json(_document(WAYS[inventory.serving], jobs)))
    else:
        for one in jobs:
            click.echo(f"job {one.id} (node {one.node}): {stands(one)}")
    if failed:
        sys.exit(EXIT_FAILED)


def _document(way: str, jobs: Sequence[Job]) -> dict[str, object]:
    return {"way": way, "jobs": [msgspec.to_builtins(job) for job in jobs]}
