"""``netboot node install``: have machines installed, now or when they boot themselves."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from netboot.cli.job_words import begins, follow_up
from netboot.cli.main import EXIT_FAILED, settings
from netboot.cli.pairs import document, json
from netboot.cli.watch import watched
from netboot.cli.which import WAYS, named, naming
from netboot.config import Settings
from netboot.control.inventory import Inventory, open_inventory
from netboot.errors import OperationError
from netboot.job import Job, JobKind, JobState
from netboot.policy import DEPLOY, DISK_IMAGE


@click.command()
@naming
@click.option("--reinstall", is_flag=True, help="Also those that are installed: erases them.")
@click.option(
    "--via",
    type=click.Choice(["pxe", "http", "media"]),
    default="pxe",
    show_default=True,
    help="How it gets to the network first: PXE, HTTP boot, or a virtual CD of its BMC.",
)
@click.option(
    "--image",
    metavar="IMAGE",
    help="By writing this disk image straight to its disk, now and from now on.",
)
@click.option("--no-power", is_flag=True, help="Restart nothing: wait for the machine.")
@click.option("--watch", "watches", is_flag=True, help="Show each stage until all have ended.")
@click.pass_context
def install(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Install the machines NAMES; all of them or none.

    While netboot serves, each gets a job: its BMC has it boot from the network and restarts it, and
    a machine without a BMC is waited for. While it does not, nothing is restarted: a machine is
    installed when it boots from the network next.

    A machine is installed once: when its installer calls home it starts from its own disk, until
    this is said again.
    """
    found = settings(ctx)
    with open_inventory(found) as inventory:
        nodes = named(inventory, given["names"], given["labels"])
        if not inventory.serving:
            _directly(inventory, nodes, given)
            return
        asked = {"reinstall": given["reinstall"], "power": not given["no_power"]}
        asked |= {"via": given["via"]} | ({"image": given["image"]} if given["image"] else {})
        request = {"kind": JobKind.INSTALL, "nodes": nodes, "asked": asked}
        jobs = submitted(inventory, request, as_json=given["as_json"])
    finish(found, jobs, watches=given["watches"], as_json=given["as_json"])


def submitted(
    inventory: Inventory, request: Mapping[str, object], *, as_json: bool = False
) -> Sequence[Job]:
    """Make jobs, and say what each does first."""
    jobs = inventory.jobs.submit(request)
    if not as_json:
        bmcs = inventory.bmcs.overview().bmcs
        for job in jobs:
            click.echo(f"node {job.node}: job {job.id}: {begins(job, bmcs)}")
    return jobs


def finish(found: Settings, jobs: Sequence[Job], *, watches: bool, as_json: bool) -> None:
    """What follows when jobs were made: they are watched, or it is said how to.

    Ends with exit code 1 where one that was watched did not do what was wanted.
    """
    if watches:
        jobs = watched(found, jobs, silent=as_json)
    elif not as_json:
        click.echo(follow_up(jobs), err=True)
    if as_json:
        click.echo(json({"way": WAYS[True], "jobs": [msgspec.to_builtins(job) for job in jobs]}))
    if watches and any(job.state is not JobState.DONE for job in jobs):
        sys.exit(EXIT_FAILED)


def _directly(inventory: Inventory, names: Sequence[str], given: dict[str, Any]) -> None:
    """Nobody serves: the nodes' states are all that can be changed."""
    if given["watches"]:
        raise OperationError("no control program runs, so there is nothing to watch: netboot serve")
    if given["image"]:
        other = f"netboot node set NAME --profile {DEPLOY} --set {DISK_IMAGE}={given['image']}"
        raise OperationError(
            f"no control program runs, so nobody has images: netboot serve, or {other}"
        )
    nodes = inventory.install(names, reinstall=given["reinstall"])
    if given["as_json"]:
        click.echo(json({"way": WAYS[False], "nodes": [document(node) for node in nodes]}))
        return
    for node in nodes:
        click.echo(f"node {node.name}: {node.profile} is installed at its next network boot")
    click.echo("netboot does not serve now, so no machine is restarted", err=True)
