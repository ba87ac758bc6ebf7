"""``netboot lab``: virtual machines with virtual BMCs, on a network of their own."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from netboot.cli.commands import Commands
from netboot.cli.main import EXIT_FAILED
from netboot.errors import ConfigError, OperationError
from netboot.lab.up import state
from netboot.lab.up.file import read
from netboot.lab.up.process import UP


@click.group(cls=Commands)
def lab() -> None:
    """Run virtual machines with virtual BMCs, on a network of their own; needs root."""


@lab.command()
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="[FILE]"
)
def up(file: Path | None) -> None:
    """Start the lab that FILE describes; without FILE, one UEFI machine.

    Its machines are switched off until their BMCs are told otherwise.
    """
    _need_root()
    found = state.State(read(file).name)
    if found.runs:
        raise OperationError(f"the lab {found.name} is up already; netboot lab down ends it")
    state.DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    said = _started(file, found.path("log"))
    if said != UP:
        found.end()
        raise OperationError(f"the lab {found.name} did not start: {said}")
    _show(found.status())
    click.echo(f"\nnetboot lab exec {found.name} COMMAND… runs a command where netboot belongs")


@lab.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def status(ctx: click.Context, name: str | None, as_json: bool) -> None:  # noqa: FBT001 -- click's flag
    """Say how the machines of the lab NAME are; without NAME, of all."""
    labs = [state.named(name)] if name else state.known()
    reports: list[dict[str, Any]] = []
    for found in labs:
        if found.runs:
            reports.append(found.status())
        else:
            click.echo(f"netboot: {_died(found)}", err=True)
    if as_json:
        click.echo(json.dumps(reports, indent=2))
    else:
        for report in reports:
            _show(report)
        if not labs:
            click.echo("no lab is up")
    if len(reports) < len(labs):
        ctx.exit(EXIT_FAILED)


@lab.command()
@click.argument("name", required=False)
def down(name: str | None) -> None:
    """End the lab NAME, or the only one, and remove everything it made."""
    _need_root()
    found = state.named(name)
    found.end()
    click.echo(f"the lab {found.name} is down")


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--host", default="server", show_default=True, help="Or a node: where its BMC is.")
@click.argument("name")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(host: str, name: str, command: tuple[str, ...]) -> None:
    """Run COMMAND inside the lab NAME."""
    _need_root()
    found = state.named(name)
    if not found.runs:
        raise OperationError(_died(found))
    hosts = found.hosts
    if host not in hosts:
        raise ConfigError("command line", "--host", f"= {host}: must be one of {', '.join(hosts)}")
    os.execvp("ip", ["ip", "netns", "exec", hosts[host], *command])  # noqa: S606 -- no shell is the point


def _started(file: Path | None, log: Path) -> str:
    """Start the lab's process; the line it says."""
    command = [sys.executable, "-m", "netboot.lab.up.process", *([str(file)] if file else [])]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # it outlives this command and its terminal
        )
    with contextlib.ExitStack() as until_it_is_up:
        until_it_is_up.callback(process.terminate)
        said = process.stdout.readline().decode().strip() if process.stdout else ""
        if said == UP:
            until_it_is_up.pop_all()
    if said == UP:
        return said
    process.wait()
    return said or " ".join(log.read_text("utf-8", "replace").splitlines()[-1:])


def _show(report: dict[str, Any]) -> None:
    click.echo(f"{report['name']}:")
    for node in report["nodes"]:
        started = f"started {node['starts']} times"
        click.echo(f"  {node['name']}  {node['firmware']}, {node['power']}, {started}")
        click.echo(f"    NICs  {' '.join(node['macs']) or 'none'}")
        click.echo(f"    BMC   {' '.join(node['bmcs']) or 'none'}  user {node['user']}")
        if node["fingerprint"]:
            click.echo(f"    its certificate's SHA-256  {node['fingerprint']}")
        click.echo(f"    serial line  {node['serial_log']}")


def _died(found: state.State) -> str:
    return f"the process of the lab {found.name} has ended; netboot lab down removes what is left"


def _need_root() -> None:
    if os.geteuid() != 0:
        raise OperationError("a lab makes network namespaces, which needs root; run it with sudo")
