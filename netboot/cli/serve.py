"""``netboot serve``: look round, fetch what is missing, then run the two programs."""

import logging
import sys
from functools import partial
from pathlib import Path

import click

from netboot.cli.main import EXIT_USAGE, settings
from netboot.config import Settings
from netboot.console import Console
from netboot.event_text import json_object
from netboot.notify import Notifier, Watch
from netboot.supervisor import (
    Program,
    Supervisor,
    call_ourselves,
    command_for,
    end_with,
)

ROLES = ("boot", "control")


@click.command()
@click.option("--role", type=click.Choice(ROLES), help="Run one of the two programs alone.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="One line, or one JSON object, for each event.",
)
@click.option("--supervisor", type=int, hidden=True, help="End when this process ends.")
@click.pass_context
def serve(ctx: click.Context, role: str | None, log_format: str, supervisor: int | None) -> None:
    """Answer machines that boot from the network, until SIGTERM."""
    if supervisor is not None:
        end_with(supervisor)
    found = settings(ctx)
    if log_format == "json":
        _log_as_json()
    call_ourselves(f"netboot-{role}" if role else "netboot")
    if supervisor is None and role != "control":
        _refuse_to_be_shut_in(ctx, found)
    if role == "boot":
        _boot(found, as_json=log_format == "json")
    elif role == "control":
        from netboot.control import main as control  # noqa: PLC0415 -- loads no Twisted, no scapy
        from netboot.control.supply import from_mirror  # noqa: PLC0415 -- likewise

        control.run(found, fetch=None if supervisor is None else from_mirror(found))
    else:
        ctx.exit(_both(found, ctx.find_root().meta.get("netboot.config"), log_format))


def _boot(found: Settings, *, as_json: bool) -> None:
    from netboot.boot import main as boot  # noqa: PLC0415 -- loads Twisted and scapy

    boot.run(found, _console(as_json=as_json))


def _both(found: Settings, path: Path | None, log_format: str) -> int:
    from netboot import health  # noqa: PLC0415 -- start-up stays short
    from netboot.cli import preflight  # noqa: PLC0415 -- likewise
    from netboot.cli.progress import shown  # noqa: PLC0415 -- likewise

    notifier, say = Notifier(), _console(as_json=log_format == "json").line

    def begin(line: str) -> None:
        say(line)
        notifier.status(line)

    preflight.survey(found, begin)
    with shown() as progress:
        preflight.fetch_missing(found, begin, progress)
    arguments = ["--log-format", log_format, *(["--config", str(path)] if path else [])]
    programs = [Program(role, command_for(role, arguments)) for role in ("control", "boot")]
    return Supervisor(programs, say, Watch(notifier, partial(health.problem, found))).run()


def _refuse_to_be_shut_in(ctx: click.Context, found: Settings) -> None:
    from netboot.survey import container  # noqa: PLC0415 -- start-up stays short

    if refusal := container.refusal(found):
        click.echo(f"netboot: {refusal}", err=True)
        ctx.exit(EXIT_USAGE)


class _JsonFormatter(logging.Formatter):
    """A warning of ours as the same kind of object as an event."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback's lines are escaped."""
        return json_object(record.created, record.levelname.lower(), super().format(record), {})


def _log_as_json() -> None:
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_JsonFormatter())


def _console(*, as_json: bool) -> Console:
    return Console(sys.stdout, json=as_json, tty=sys.stdout.isatty() and not as_json)
