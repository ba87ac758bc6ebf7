"""``netboot media``: a CD or USB stick that starts one machine over the network."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from netboot.answer.discs import refuse_arm64, refuse_chain
from netboot.answer.profiles import load_profiles
from netboot.answer.render import Templates
from netboot.answer.script import springboard_script
from netboot.answer.springboard import PLAIN, SCRIPTS, SECURE, Patched, patched
from netboot.cli.commands import Commands
from netboot.cli.dhcp_snippet import ipv4_address
from netboot.cli.main import settings
from netboot.cli.progress import megabytes
from netboot.config import Settings
from netboot.control.inventory import COMMAND_LINE, open_inventory
from netboot.errors import ConfigError, NotBootable, OperationError
from netboot.groups import Groups, in_effect
from netboot.media import library, springboard_layout
from netboot.model import Node, Server
from netboot.secure_boot.chain import judge
from netboot.survey.network import choose

STDOUT = "-"
_READABLE = 0o644


@click.group(cls=Commands)
def media() -> None:
    """Make media for machines that cannot start from the network by themselves."""


@media.command()
@click.argument("name")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to; - for stdout.")
@click.option("--usb", is_flag=True, help="For a USB stick: the very same bytes start from one.")
@click.option("--secure-boot", is_flag=True, help="Firmware with Secure Boot accepts it.")
@click.option("--address", help="netboot's IPv4 address, as the machine reaches it.")
@click.pass_context
def build(
    ctx: click.Context,
    name: str,
    output: str,
    usb: bool,  # noqa: FBT001 -- click's flag
    secure_boot: bool,  # noqa: FBT001 -- click's flag
    address: str | None,
) -> None:
    """Write a CD that starts node NAME, and leads it to what netboot has for it.

    A node that is marked --secure-boot gets one that its firmware accepts.
    """
    found = settings(ctx)
    with open_inventory(found) as inventory:
        node = inventory.get(name)
        node = in_effect(node, Groups(inventory.groups()).of(node))
    image = SECURE if secure_boot or node.secure_boot else PLAIN
    _refuse(node, image, found)
    servers = _servers(found, address)
    medium = _medium(node, image, servers, found)
    _write(medium, output)
    size = megabytes(medium.springboard.file.size)
    how = f"; dd if={output} of=/dev/sdX" if usb and output != STDOUT else ""
    where = ", ".join(server.url for server in servers)
    click.echo(f"{output}: {size}, starts {name} from {where}{how}", err=output == STDOUT)


def _refuse(node: Node, image: str, found: Settings) -> None:
    profile = load_profiles(found.templates).get(node.profile or "")
    held = library.installed(found.images_dir) if image == SECURE else ()
    try:
        refuse_arm64(node, profile)
        refuse_chain(image, judge(held).loaders)
    except NotBootable as problem:
        raise ConfigError(COMMAND_LINE, "", str(problem)) from None


def _servers(found: Settings, given: str | None) -> tuple[Server, ...]:
    """Where a machine finds us: the option's address, else the one for NAT, else each we serve."""
    if given is not None:
        addresses: Sequence[str] = (ipv4_address(given),)
    elif found.http.advertise is not None:
        addresses = (found.http.advertise,)
    else:
        addresses = [served.address for served in choose(found)]
    return tuple(Server(each, each, found.http.port) for each in addresses)


def _medium(node: Node, image: str, servers: Sequence[Server], found: Settings) -> Patched:
    if not node.macs:
        problem = f"node {node.name} has no MAC address: netboot node set {node.name} --mac …"
        raise ConfigError(COMMAND_LINE, "", problem)
    folder = found.images_dir / image
    if not library.current(folder).is_dir():
        problem = f"image {image} is not there: netboot image fetch {image}"
        raise ConfigError(COMMAND_LINE, "", problem)
    template, templates = SCRIPTS[image], Templates(found.templates)
    try:
        script = springboard_script(template, node.macs[0], servers, templates=templates)
        return patched(springboard_layout.read(library.load(folder)), script)
    except NotBootable as problem:
        raise ConfigError(f"templates/{template}", "", str(problem)) from None


def _write(medium: Patched, output: str) -> None:
    """Write the whole medium, or nothing.

    Raises:
        OperationError: the disk refuses.
    """
    try:
        if output == STDOUT:
            for piece in _pieces(medium):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        target = Path(output)
        if target.exists() and not target.is_file():
            problem = f"{output} is no file; write one, and copy it there with dd"
            raise ConfigError(COMMAND_LINE, "--output", problem)
        _replace(target, medium)
    except OSError as error:
        raise OperationError(f"{output}: {error.strerror}") from None


def _replace(target: Path, medium: Patched) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    written = Path(made)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(_pieces(medium))
            os.fchmod(file.fileno(), _READABLE)
            file.flush()
            os.fsync(file.fileno())
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)


def _pieces(medium: Patched) -> Iterator[bytes]:
    content = medium.springboard.file.path.read_bytes()
    for piece in medium.pieces(0, len(content)):
        yield piece if isinstance(piece, bytes) else content[piece.start : piece.stop]
