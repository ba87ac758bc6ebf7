"""``netboot explain``: what a machine would be told, and why, with no machine present."""

import click
import msgspec

from netboot import learning
from netboot.answer.profiles import load_profiles
from netboot.cli.main import settings
from netboot.clients import kind_of, usual_firmware
from netboot.config import Settings
from netboot.control.inventory import open_inventory
from netboot.errors import ConfigError
from netboot.matching import Match
from netboot.model import Arch, Client, Decision, Firmware, Learned, Verdict, parse_mac
from netboot.policy import Rules, decide
from netboot.snapshot import Snapshot

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
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def explain(
    ctx: click.Context,
    mac: str,
    arch: str | None,
    firmware: str | None,
    as_json: bool,  # noqa: FBT001 -- click's flag
) -> None:
    """Say what the machine with address MAC would be told, and why."""
    client = _client(mac, arch, firmware)
    found = settings(ctx)
    with open_inventory(found) as inventory:
        snapshot = Snapshot(0, tuple(inventory.list()), tuple(inventory.groups()))
    match = snapshot.match(client)
    facade = found.redfish_facade.members
    rules = Rules(load_profiles(found.templates), found.dhcp.unknown, facade)
    decision = decide(client, match, rules, _learned(found, client))
    if as_json:
        click.echo(msgspec.json.encode(_document(client, match, decision)))
        return
    click.echo(f"{client.mac} as {client.firmware.value}, {kind_of(client).name}")
    for reason in decision.reasons:
        click.echo(f"  because {reason}")
    click.echo(f"→ {_answer(decision)}")


def _learned(found: Settings, client: Client) -> Learned:
    """What the machine taught the boot program, as far as it is kept and we may read it."""
    try:
        lessons = learning.decode((found.run_dir / learning.FILE).read_bytes())
    except (OSError, ValueError):
        return learning.NOTHING
    return lessons.get(client.mac, learning.NOTHING)


def _client(mac: str, arch: str | None, firmware: str | None) -> Client:
    number = _number(arch) if arch is not None else Arch.X64
    kind = Firmware(firmware) if firmware is not None else usual_firmware(number)
    try:
        return Client(parse_mac(mac), kind, number)
    except ValueError as problem:
        raise ConfigError("command line", "MAC", str(problem)) from None


def _number(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:  # noqa: PLR2004 -- option 93 is 16 bits
        problem = f'= "{text}": must be a number from 0 to 0xffff'
        raise ConfigError("command line", "--arch", problem)
    return number


def _answer(decision: Decision) -> str:
    what = _ANSWERS[decision.verdict]
    if decision.loader is not None:
        what = f"{what} {decision.loader}"
    return what if decision.profile is None else f"{what}, then {decision.profile}"


def _document(client: Client, match: Match | None, decision: Decision) -> dict[str, object]:
    return {
        "mac": client.mac,
        "arch": client.arch,
        "firmware": client.firmware.value,
        "node": None if match is None else match.node.name,
        "verdict": decision.verdict.value,
        "profile": decision.profile,
        "loader": decision.loader,
        "shape": None if decision.shape is None else decision.shape.value,
        "reasons": list(decision.reasons),
    }
