"""``netboot timeline``: what a machine asked and what it got, one event a line."""

import contextlib
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import click

from netboot.cli.main import settings
from netboot.config import Settings
from netboot.control.inventory import open_inventory
from netboot.errors import ConfigError
from netboot.event_text import event_line, json_line, marks_for
from netboot.events import Kind
from netboot.guide import see
from netboot.store.shapes import Record

HELD = 20.0
"""Seconds one question for later events may be held by the control program."""
PAUSE = 1.0
"""Seconds between two looks while no control program runs, so that nothing can come."""
MOST = 10_000
"""Events one call may ask for."""


@click.command()
@click.argument("name_or_mac")
@click.option("-f", "--follow", is_flag=True, help="Go on with events as they come.")
@click.option("--log", is_flag=True, help="Every line of the installer's log.")
@click.option("--no-log", is_flag=True, help="None, not even those that warn or tell of a stage.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=200,
    show_default=True,
    help="The newest so many events.",
)
@click.pass_context
def timeline(
    ctx: click.Context,
    name_or_mac: str,
    follow: bool,  # noqa: FBT001 -- click's signature
    log: bool,  # noqa: FBT001 -- likewise
    no_log: bool,  # noqa: FBT001 -- likewise
    as_json: bool,  # noqa: FBT001 -- likewise
    limit: int,
) -> None:
    """Show what the machine NAME_OR_MAC asked and got.

    Of its installer's log those lines that warn or tell of a stage.
    """
    if log and no_log:
        raise ConfigError("command line", "--log", "and --no-log contradict each other")
    found = settings(ctx)
    with open_inventory(found) as inventory:
        records = inventory.timeline(name_or_mac, None, limit, log=log)
    if not records:
        click.echo(f"nothing was heard of {name_or_mac}; {see('it-never-asks')}", err=True)
    show = _Show(as_json=as_json, no_log=no_log)
    show.print(records)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(found, name_or_mac, max((r.id for r in records), default=0), show, log=log)


def _follow(found: Settings, who: str, last: int, show: "_Show", *, log: bool) -> None:
    """Print what comes, through restarts of the control program, until interrupted."""
    while True:
        began = time.monotonic()
        with open_inventory(found) as inventory:
            records = inventory.timeline(who, last, MOST, HELD, log=log)
        show.print(records)
        last = max((record.id for record in records), default=last)
        if not records:
            time.sleep(max(0.0, PAUSE - (time.monotonic() - began)))


@dataclass(frozen=True, slots=True)
class _Show:
    """How events are printed."""

    as_json: bool
    no_log: bool

    def print(self, records: Iterable[Record]) -> None:
        marks = marks_for(sys.stdout.encoding)
        for record in records:
            event = record.event
            if not (self.no_log and event.kind is Kind.SYSLOG):
                line = json_line(event) if self.as_json else event_line(event, marks, dated=True)
                click.echo(line)
