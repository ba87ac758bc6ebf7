"""``netboot node power|boot|media|iscsi|inspect``: what BMCs are asked, for one or for many."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from netboot.bmc.goal import BOOT_WITHIN
from netboot.bmc.model import BootMode, BootTarget, PowerAction
from netboot.checked import shown
from netboot.cli.bmc_run import run
from netboot.cli.bmc_select import chosen, selecting
from netboot.cli.main import EXIT_FAILED, settings
from netboot.control.bmc_inventory import Bmcs
from netboot.control.bmc_shapes import (
    LONGEST_WAIT,
    Answer,
    BootAsked,
    IscsiAsked,
    MediaAsked,
    PowerAsked,
)
from netboot.control.inventory import COMMAND_LINE, open_inventory
from netboot.errors import ConfigError

STATUS = "status"

Ask = Callable[[Bmcs, str], Answer]
"""Asks for one node, by name."""


@click.command()
@click.argument("names", nargs=-1)
@click.argument("action", type=click.Choice([*(action.value for action in PowerAction), STATUS]))
@click.option("--wait", is_flag=True, help="Until the machine is heard on the network, or is off.")
@click.option(
    "--within",
    type=click.FloatRange(1, LONGEST_WAIT),
    default=BOOT_WITHIN,
    show_default=True,
    help="Seconds --wait waits.",
)
@selecting
@click.pass_context
def power(ctx: click.Context, /, names: tuple[str, ...], action: str, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Switch machines, and see that they switched: NAME… on|off|cycle|reset|shutdown|status."""
    if action == STATUS:
        _for_each(ctx, names, given, lambda bmcs, name: bmcs.status(name))
        return
    asked = PowerAsked(action=PowerAction(action), wait=given["within"] if given["wait"] else None)
    _for_each(ctx, names, given, lambda bmcs, name: bmcs.power(name, asked))


@click.command()
@click.argument("names", nargs=-1)
@click.argument("target", type=click.Choice([target.value for target in BootTarget]))
@click.option("--once/--always", default=True, help="For the next boot only, or for every boot.")
@click.option("--mode", type=click.Choice([mode.value for mode in BootMode]), help="How it boots.")
@click.option("--url", help="What an HTTP boot loads; without it DHCP says.")
@selecting
@click.pass_context
def boot(ctx: click.Context, /, names: tuple[str, ...], target: str, **given: Any) -> None:  # noqa: ANN401 -- likewise
    """Set where machines boot from, and read it back: NAME… pxe|http|disk|cd|iscsi|bios|none.

    Nothing is restarted: that is `netboot node power`.
    """
    asked = BootAsked(
        target=BootTarget(target),
        once=given["once"],
        mode=BootMode(given["mode"]) if given["mode"] else None,
        url=given["url"],
    )
    asked.override(COMMAND_LINE)
    _for_each(ctx, names, given, lambda bmcs, name: bmcs.boot(name, asked))


@click.command()
@click.argument("words", metavar="NAME… insert URL|eject|status", nargs=-1, required=True)
@click.option("--slot", help="Which of its slots; else the first for a CD.")
@selecting
@click.pass_context
def media(ctx: click.Context, /, words: tuple[str, ...], slot: str | None, **given: Any) -> None:  # noqa: ANN401 -- likewise
    """Insert an image into machines' virtual CD, take it out, or say what is in."""
    names, verb, url = _media_words(words)
    if verb == STATUS:
        _for_each(ctx, names, given, lambda bmcs, name: _media_of(bmcs.status(name)))
        return
    asked = MediaAsked(action="insert" if url else "eject", url=url, slot=slot)
    asked.image(COMMAND_LINE)
    _for_each(ctx, names, given, lambda bmcs, name: bmcs.media(name, asked))


@click.command()
@click.argument("names", nargs=-1)
@click.argument("verb", metavar="set|clear|status", type=click.Choice(["set", "clear", STATUS]))
@selecting
@click.pass_context
def iscsi(ctx: click.Context, /, names: tuple[str, ...], verb: str, **given: Any) -> None:  # noqa: ANN401 -- likewise
    """Have machines' firmware boot from their volumes, or from none: NAME… set|clear|status.

    It is in force from the next start on: `netboot node power`. What a machine's volume is says
    `netboot volume attach`; where a BMC cannot do this, iPXE boots it by profile `volume`.
    """
    if verb == STATUS:
        _for_each(ctx, names, given, lambda bmcs, name: bmcs.iscsi_status(name))
        return
    asked = IscsiAsked(action="set" if verb == "set" else "clear")
    _for_each(ctx, names, given, lambda bmcs, name: bmcs.iscsi(name, asked))


@click.command()
@click.argument("names", nargs=-1)
@selecting
@click.pass_context
def inspect(ctx: click.Context, /, names: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 -- likewise
    """Ask machines' BMCs what the machines are, and keep it: `netboot node show` shows it."""
    _for_each(ctx, names, given, lambda bmcs, name: bmcs.inspect(name))


def _for_each(ctx: click.Context, names: tuple[str, ...], given: dict[str, Any], ask: Ask) -> None:
    """Ask for every chosen node; exit code 1 when one failed."""
    with open_inventory(settings(ctx)) as inventory:
        wanted = chosen(inventory, names, given["labels"], every=given["every"])
        bmcs = inventory.bmcs
        failed = run(
            wanted,
            partial(ask, bmcs),
            lambda: bmcs.overview().under_way,
            as_json=given["as_json"],
        )
    if failed:
        sys.exit(EXIT_FAILED)


def _media_words(words: tuple[str, ...]) -> tuple[tuple[str, ...], str, str | None]:
    """Names, the verb, and the URL after insert."""
    if words[-1] in ("eject", STATUS):
        return words[:-1], words[-1], None
    if len(words) > 1 and words[-2] == "insert":
        return words[:-2], "insert", words[-1]
    said = "insert needs a URL" if words[-1] == "insert" else f"= {shown(words[-1])}: is no verb"
    raise ConfigError(COMMAND_LINE, "", f"{said}; say NAME… insert URL, eject or status")


def _media_of(answer: Answer) -> Answer:
    """The same answer with the media in words."""
    slots = [
        f"{medium.slot} ({medium.kind}) {medium.image or 'full' if medium.inserted else 'empty'}"
        for medium in answer.media
    ]
    words = "; ".join(slots) or "its BMC shows no virtual media"
    return Answer(answer.node, words, media=answer.media)
