"""``netboot explain``: what a machine would be told, and why, with no machine present."""

from functools import partial

import click
import msgspec

from netboot.answer.profiles import load_profiles
from netboot.cli.main import settings
from netboot.clients import kind_of
from netboot.control.explained import Explained, Explainer, client_of
from netboot.control.inventory import open_inventory
from netboot.decision import Verdict
from netboot.model import Firmware
from netboot.snapshot import Snapshot
from netboot.store.volume_shapes import volume_without_secret

_ANSWERS = {
    Verdict.IGNORE: "no answer",
    Verdict.LOADER: "its loader",
    Verdict.SCRIPT: "its iPXE script",
}


@click.command()
@click.argument("mac")
@click.option("--arch", help="DHCP option 93: a number such as 7 or 0x0b.  [default: 7]")
@click.option(
    "--firmware",
    type=click.Choice([kind.value for kind in Firmware]),
    help="How it speaks.  [default: what the architecture says]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON document, with script and answer files."
)
@click.pass_context
def explain(
    ctx: click.Context,
    mac: str,
    arch: str | None,
    firmware: str | None,
    as_json: bool,  # noqa: FBT001 -- click's flag
) -> None:
    """Say what the machine with address MAC would be told, and why."""
    client = client_of(mac, arch, firmware, "command line", ("MAC", "--arch"))
    found = settings(ctx)
    with open_inventory(found) as inventory:
        volumes = {
            one.node: volume_without_secret(one) for one in inventory.volumes.list() if one.node
        }
        snapshot = Snapshot(0, tuple(inventory.list()), tuple(inventory.groups()), volumes)
    said = Explainer(found, partial(load_profiles, found.templates)).explain(client, snapshot)
    if as_json:
        click.echo(msgspec.json.encode(said))
        return
    click.echo(f"{client.mac} as {client.firmware.value}, {kind_of(client).name}")
    for reason in said.reasons:
        click.echo(f"  because {reason}")
    click.echo(f"→ {_answer(said)}")
    if said.problem:
        click.echo(f"  but {said.problem}")
    if said.deploy:
        click.echo(f"  netboot node install {said.node} by {said.deploy}")


def _answer(said: Explained) -> str:
    what = _ANSWERS[Verdict(said.verdict)]
    if said.firmware is Firmware.GRUB and said.verdict == Verdict.SCRIPT.value:
        what = "its GRUB configuration"
    if said.loader is not None:
        what = f"{what} {said.loader}"
    return what if said.profile is None else f"{what}, then {said.profile}"
