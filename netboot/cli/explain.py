"""``netboot explain``: what a machine would be told, and why, with no machine present."""

from functools import partial

import click
import msgspec

from netboot.answer.profiles import load_profiles
from netboot.cli.main import settings
from netboot.clients import kind_of
from netboot.control.explained import NO_MAC, Explained, Explainer, client_as, client_of
from netboot.control.inventory import COMMAND_LINE, Inventory, open_inventory
from netboot.control.last_heard import LOOKED_BACK, kind_of_machine
from netboot.decision import Verdict
from netboot.guide import to_install
from netboot.model import Client, Firmware
from netboot.snapshot import Snapshot
from netboot.store.shapes import mac_of
from netboot.store.volume_shapes import volume_without_secret

_ANSWERS = {
    Verdict.IGNORE: "no answer",
    Verdict.LOADER: "its loader",
    Verdict.SCRIPT: "its iPXE script",
}


@click.command()
@click.argument("name_or_mac")
@click.option(
    "--arch",
    help="DHCP option 93: a number such as 7 or 0x0b.  [default: what it said last, else 7]",
)
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
    name_or_mac: str,
    arch: str | None,
    firmware: str | None,
    as_json: bool,  # noqa: FBT001 -- click's flag
) -> None:
    """Say what the machine NAME_OR_MAC would be told, and why."""
    found = settings(ctx)
    with open_inventory(found) as inventory:
        client, kind_is_known = _client(inventory, name_or_mac, arch, firmware)
        volumes = {
            one.node: volume_without_secret(one) for one in inventory.volumes.list() if one.node
        }
        snapshot = Snapshot(0, tuple(inventory.list()), tuple(inventory.groups()), volumes)
    profiles = load_profiles(found.templates)
    explainer = Explainer(found, lambda: profiles)
    said = explainer.explain(client, snapshot, kind_is_known=kind_is_known)
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
    if said.node is None and said.verdict == Verdict.IGNORE.value:
        click.echo(f"  to install it: {to_install(client.mac, client.arch)}", err=True)


def _client(
    inventory: Inventory, name_or_mac: str, arch: str | None, firmware: str | None
) -> tuple[Client, bool]:
    """The machine, as the kind it last was where nobody says which; whether that is known."""
    keys = ("NAME_OR_MAC", "--arch")
    if ":" in name_or_mac or mac_of(name_or_mac) is not None:  # no name has a colon
        client = client_of(name_or_mac, arch, firmware, COMMAND_LINE, keys)
    else:
        node = inventory.get(name_or_mac)
        address = node.macs[0] if node.macs else NO_MAC
        client = client_as(node, client_of(address, arch, firmware, COMMAND_LINE, keys))
    newest = partial(inventory.timeline, name_or_mac, None, LOOKED_BACK)
    return kind_of_machine(client, arch, firmware, newest)


def _answer(said: Explained) -> str:
    what = _ANSWERS[Verdict(said.verdict)]
    if said.firmware is Firmware.GRUB and said.verdict == Verdict.SCRIPT.value:
        what = "its GRUB configuration"
    if said.loader is not None:
        what = f"{what} {said.loader}"
    return what if said.profile is None else f"{what}, then {said.profile}"
