"""``netboot doctor``: what is wrong with this network, and what to do."""

import sys
from collections.abc import Sequence

import click
import msgspec
from rich.console import Console

from netboot.cli.main import EXIT_FAILED, settings
from netboot.config import Settings
from netboot.doctor import Finding, Severity, examine, look
from netboot.errors import ConfigError
from netboot.event_text import ASCII_MARKS, harmless, marks_for
from netboot.survey import all_interfaces

_MARKS = {Severity.OK: "✓", Severity.NOTICE: "·", Severity.WARNING: "!", Severity.PROBLEM: "✗"}
_ASCII = {Severity.OK: "+", Severity.NOTICE: "-", Severity.WARNING: "!", Severity.PROBLEM: "X"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--interface", metavar="IF", help="Look at this interface in place of those set.")
@click.option("--full", is_flag=True, help="Hash every fetched file, however long it takes.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, interface: str | None, full: bool) -> None:  # noqa: FBT001 -- click's flags
    """Say what keeps machines from booting here, and the cure.

    Exits 0 where nothing is worse than a notice, 1 where something is, 2 on bad configuration.
    Needs root to see everything; what it cannot see it says.
    """
    found = _only(settings(ctx), interface)
    with Console(stderr=True).status("listening for DHCP servers …") as status:
        context = look(found, full=full)
        findings = examine(context, lambda left: status.update(f"looking: {', '.join(left)} …"))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2))
    else:
        _print(findings)
    if any(finding.severity.bad for finding in findings):
        ctx.exit(EXIT_FAILED)


def _only(found: Settings, interface: str | None) -> Settings:
    if interface is None:
        return found
    names = [one.name for one in all_interfaces()]
    if interface not in names:
        problem = f'= "{harmless(interface)}": no such interface; there are: {", ".join(names)}'
        raise ConfigError("command line", "--interface", problem)
    server = msgspec.structs.replace(found.server, interfaces=(interface,))
    return msgspec.structs.replace(found, server=server)


def _print(findings: Sequence[Finding]) -> None:
    signs = marks_for(sys.stdout.encoding)
    marks = _ASCII if signs is ASCII_MARKS else _MARKS
    width = max((len(finding.check) for finding in findings), default=0)
    for finding in findings:
        head = f"{marks[finding.severity]} {finding.check:{width}}"
        click.echo(f"{head}  {harmless(finding.what)}")
        if finding.cure:
            click.echo(f"{'':{len(head)}}  {signs.arrow} {harmless(finding.cure)}")
    click.echo(_summary(findings))


def _summary(findings: Sequence[Finding]) -> str:
    counts = {
        severity: sum(1 for finding in findings if finding.severity is severity)
        for severity in (Severity.PROBLEM, Severity.WARNING, Severity.NOTICE)
    }
    said = [f"{count} {kind.value}{'s'[: count > 1]}" for kind, count in counts.items() if count]
    return f"{', '.join(said)}" if said else "all is well"
