"""``netboot node``: which machines there are, and what each of them is to boot."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import click

from netboot.answer.profiles import load_profiles
from netboot.cli.bmc import boot, inspect, iscsi, media, power
from netboot.cli.bmc_options import bmc_of, bmc_options
from netboot.cli.bmc_show import bmc_document, bmc_lines
from netboot.cli.commands import Commands
from netboot.cli.console import console
from netboot.cli.main import settings
from netboot.cli.node_import import import_
from netboot.cli.node_install import install
from netboot.cli.node_state import maintenance, rescue, retire, wipe
from netboot.cli.pairs import document, json, pairs, table, written
from netboot.config import Settings
from netboot.control.deploys import deploy_said
from netboot.control.inventory import COMMAND_LINE, open_inventory
from netboot.errors import ConfigError
from netboot.event_text import harmless
from netboot.groups import Groups, in_effect, origins, profile_of
from netboot.model import Group, Node, Profile, State
from netboot.policy import IGNORE

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def node() -> None:
    """Register machines and say what they boot."""


@node.command()
@click.argument("name")
@click.option("--mac", "macs", multiple=True, help="An address; repeatable.")
@click.option("--uuid", help="Its SMBIOS UUID.")
@click.option("--serial", help="Its SMBIOS serial number.")
@click.option("--asset-tag", help="Its SMBIOS asset tag.")
@click.option("--profile", help="What it boots, such as debian-12; a group may say it instead.")
@click.option("--loader", help="Its network boot program, where its architecture's own hangs.")
@click.option("--secure-boot", is_flag=True, help="Its firmware starts only what is signed.")
@click.option(
    "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label; repeatable."
)
@click.option("--set", "vars_", multiple=True, metavar="KEY=VALUE", help="A variable.")
@click.option("--installed", is_flag=True, help="It has its system: start it from its disk.")
@bmc_options
@click.pass_context
def add(ctx: click.Context, /, name: str, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Register the machine NAME; any of its identities tells who it is.

    A machine whose profile installs a system is installed when it boots from the network next,
    once: see `netboot node install`.

    Only iPXE says a serial number or an asset tag, so a machine known by nothing else must be given
    iPXE as an unknown one first: dhcp.unknown must not be "ignore".
    """
    raw = _scalars(given) | {
        "name": name,
        "macs": given["macs"],
        "secure_boot": given["secure_boot"],
        "labels": pairs(given["labels"], "--label"),
        "vars": pairs(given["vars_"], "--set"),
        "state": State.INSTALLED if given["installed"] else State.ENROLLED,
        "bmc": bmc_of(given),
    }
    found = settings(ctx)
    with open_inventory(found) as inventory:
        added = inventory.add(raw)
    click.echo(f"node {name} added")
    _warn_of_silence(added, found)


@node.command("list")
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only these.")
@_json_option
@click.pass_context
def list_(ctx: click.Context, labels: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """List the machines."""
    wanted = pairs(labels, "--label").items()
    with open_inventory(settings(ctx)) as inventory:
        found = [node for node in inventory.list() if wanted <= node.labels.items()]
        groups = Groups(inventory.groups())
    if as_json:
        click.echo(json([document(one) for one in found]))
        return
    rows = [("NAME", "PROFILE", "STATE", "MACS", "LABELS")]
    for one in found:
        profile, _ = profile_of(one, groups.of(one))
        labels_ = ",".join(written(one.labels))
        rows.append((one.name, profile or "", one.state, ",".join(one.macs), labels_))
    click.echo(table(rows))


@node.command()
@click.argument("name")
@_json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:  # noqa: FBT001 -- click's signature
    """Show the machine NAME: what it has in effect, and who gives what is not its own."""
    found = settings(ctx)
    with open_inventory(found) as inventory:
        node = inventory.get(name)
        groups = Groups(inventory.groups()).of(node)
        known = inventory.bmcs.known(name)
    profile = load_profiles(found.templates).get(profile_of(node, groups)[0] or "")
    deploy = deploy_said(in_effect(node, groups), found.templates)
    if as_json:
        effective = _effective(node, groups, profile) | {"deploy": deploy}
        click.echo(json(document(node) | {"effective": effective} | bmc_document(known)))
        return
    by_template = [("deploy", [deploy] if deploy else [])]
    lines = chain(_lines(node, groups, profile), by_template, bmc_lines(known, node.macs))
    for title, values in lines:
        for value in values:
            click.echo(f"{title:<9}  {harmless(value)}")


@node.command("set")
@click.argument("name")
@click.option("--mac", "macs", multiple=True, help="Instead of its addresses; repeatable.")
@click.option("--add-mac", "add_macs", multiple=True, help="Beside its addresses.")
@click.option("--remove-mac", "remove_macs", multiple=True, help="Take an address out.")
@click.option("--uuid", help='Its UUID; "" for none.')
@click.option("--serial", help='Its serial number; "" for none.')
@click.option("--asset-tag", help='Its asset tag; "" for none.')
@click.option("--profile", help='What it boots; "" for what its groups say.')
@click.option("--loader", help='Its network boot program; "" for its architecture\'s own.')
@click.option(
    "--secure-boot/--no-secure-boot", default=None, help="Its firmware starts only what is signed."
)
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label it.")
@click.option("--unlabel", "unlabels", multiple=True, metavar="KEY", help="Take a label off.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a variable.")
@click.option("--unset", "unsets", multiple=True, metavar="KEY", help="Take a variable out.")
@click.option("--installed", is_flag=True, help="It has its system: start it from its disk.")
@bmc_options
@click.pass_context
def set_(ctx: click.Context, /, name: str, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Change the machine NAME; what is not named stays."""
    raw = _scalars(given) | {
        "macs": given["macs"] or None,
        "secure_boot": given["secure_boot"],
        "add_macs": given["add_macs"],
        "remove_macs": given["remove_macs"],
        "labels": pairs(given["labels"], "--label") | dict.fromkeys(given["unlabels"]),
        "vars": pairs(given["sets"], "--set") | dict.fromkeys(given["unsets"]),
        "state": State.INSTALLED if given["installed"] else None,
        "bmc": bmc_of(given),
    }
    if all(value is None or value in ((), {}) for value in raw.values()):
        raise ConfigError(COMMAND_LINE, "", "nothing to set; `netboot node set --help` says what")
    found = settings(ctx)
    with open_inventory(found) as inventory:
        changed = inventory.update(name, raw)
    click.echo(f"node {name} changed")
    _warn_of_silence(changed, found)


@node.command()
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Forget the machine NAME; its timeline stays."""
    with open_inventory(settings(ctx)) as inventory:
        inventory.remove(name)
    click.echo(f"node {name} removed")


for command in (power, boot, media, iscsi, inspect, console):
    node.add_command(command)
for command in (install, rescue, wipe, maintenance, retire):
    node.add_command(command)
node.add_command(import_)


def _scalars(given: dict[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in ("uuid", "serial", "asset_tag", "profile", "loader")}


def _warn_of_silence(node: Node, found: Settings) -> None:
    """Such a machine is never asked who it is, and nothing else would say so."""
    if not node.macs and node.uuid is None and found.dhcp.unknown == IGNORE:
        click.echo(
            f"warning: node {node.name} is known by what only iPXE says, and it is never given "
            'iPXE while dhcp.unknown = "ignore"; add its MAC or UUID',
            err=True,
        )


def _effective(
    node: Node, groups: Sequence[Group], profile: Profile | None
) -> dict[str, dict[str, Any]]:
    name, giver = profile_of(node, groups)
    values = origins(node, groups, profile)
    return {
        "profile": {"value": name, "from": giver},
        "vars": {key: {"value": value, "from": by} for key, (value, by) in values.items()},
    }


def _lines(
    node: Node, groups: Sequence[Group], profile: Profile | None
) -> Iterable[tuple[str, Iterable[str]]]:
    yield "name", [node.name]
    yield "state", [node.state]
    yield "because", [node.because] if node.because else []
    name, giver = profile_of(node, groups)
    yield "profile", [_from(giver, name or "none")]
    yield "group", [group.name for group in groups]
    yield "mac", node.macs
    for title, key in (
        ("uuid", node.uuid),
        ("serial", node.serial),
        ("asset tag", node.asset_tag),
        ("loader", node.loader),
    ):
        yield title, [] if key is None else [key]
    yield "firmware", ["Secure Boot"] if node.secure_boot else []
    yield "label", written(node.labels)
    values = origins(node, groups, profile)
    yield "var", [_from(by, f"{key}={value}") for key, (value, by) in values.items()]


def _from(giver: str, text: str) -> str:
    return text if giver in ("", "node") else f"{text}  ({giver})"
