"""``netboot explain``: what a machine would be told, and why, with no machine present."""

from dataclasses import replace
from typing import Any

import click
import msgspec

from netboot.answer.profiles import load_profiles
from netboot.cli.main import settings
from netboot.clients import KINDS, kind_of
from netboot.config import Settings
from netboot.control.explained import NO_MAC, Explained, Explainer, client_as, client_of
from netboot.control.inventory import COMMAND_LINE, Inventory, open_inventory
from netboot.decision import Verdict
from netboot.events import Kind
from netboot.guide import to_install
from netboot.media import library
from netboot.media.foreign import foreign
from netboot.model import Client, Firmware, Profile
from netboot.snapshot import Snapshot
from netboot.store.shapes import mac_of
from netboot.store.volume_shapes import volume_without_secret

_ANSWERS = {
    Verdict.IGNORE: "no answer",
    Verdict.LOADER: "its loader",
    Verdict.SCRIPT: "its iPXE script",
}
_BEFORE_A_LOADER = frozenset(set(Firmware) - {Firmware.IPXE, Firmware.GRUB})
_LOOKED_BACK = 1000
"""Events in which a machine's newest DISCOVER is looked for."""


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
        client, is_sure = _client(inventory, name_or_mac, arch, firmware)
        volumes = {
            one.node: volume_without_secret(one) for one in inventory.volumes.list() if one.node
        }
        snapshot = Snapshot(0, tuple(inventory.list()), tuple(inventory.groups()), volumes)
    profiles = load_profiles(found.templates)
    said = Explainer(found, lambda: profiles).explain(client, snapshot)
    if is_sure and not said.problem and said.profile is not None:
        problem = _foreign(found, profiles[said.profile], client)
        said = msgspec.structs.replace(said, problem=problem)
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
    if arch is None and firmware is None:
        heard = _heard(inventory, name_or_mac)
        return replace(client, **heard), bool(heard)
    return client, arch is not None or firmware in _BEFORE_A_LOADER


def _heard(inventory: Inventory, name_or_mac: str) -> dict[str, Any]:
    """What the machine's newest DISCOVER as firmware says of its kind; empty where none is kept."""
    for record in reversed(inventory.timeline(name_or_mac, None, _LOOKED_BACK)):
        event = record.event
        firmware = str(event.data.get("firmware", ""))
        if event.kind is Kind.DISCOVER and firmware in _BEFORE_A_LOADER:
            return {"arch": event.data["arch"], "firmware": Firmware(firmware)}
    return {}


def _foreign(found: Settings, profile: Profile, client: Client) -> str:
    images = {image.name: image for image in library.installed(found.images_dir)}
    made_for = foreign(images.get(profile.image or ""), client.arch)
    kind = KINDS[client.arch].name if made_for else ""
    return made_for and f"image {profile.image} is for {made_for}, and cannot start on {kind}"


def _answer(said: Explained) -> str:
    what = _ANSWERS[Verdict(said.verdict)]
    if said.firmware is Firmware.GRUB and said.verdict == Verdict.SCRIPT.value:
        what = "its GRUB configuration"
    if said.loader is not None:
        what = f"{what} {said.loader}"
    return what if said.profile is None else f"{what}, then {said.profile}"
