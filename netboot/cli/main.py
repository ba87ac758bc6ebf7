"""The root of the command: which nouns there are, how settings and errors are handled."""

import importlib
import io
import logging
import sys
from pathlib import Path
from typing import Any

import click

from netboot import config
from netboot.cli.commands import Commands
from netboot.errors import ConfigError, NetbootError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""128 and SIGINT, as shells have it."""

_COMMANDS = {
    # name -> module:attribute, imported only when it is asked for: start-up stays short
    "serve": "netboot.cli.serve:serve",
    "node": "netboot.cli.node:node",
    "group": "netboot.cli.group:group",
    "volume": "netboot.cli.volume:volume",
    "image": "netboot.cli.image:image",
    "media": "netboot.cli.media:media",
    "job": "netboot.cli.job:job",
    "timeline": "netboot.cli.timeline:timeline",
    "token": "netboot.cli.token:token",
    "audit": "netboot.cli.audit:audit",
    "backup": "netboot.cli.backup:backup",
    "restore": "netboot.cli.backup:restore",
    "explain": "netboot.cli.explain:explain",
    "doctor": "netboot.cli.doctor:doctor",
    "simulate": "netboot.cli.simulate:simulate",
    "lab": "netboot.cli.lab:lab",
    "dhcp-snippet": "netboot.cli.dhcp_snippet:dhcp_snippet",
}


class _Lazy(Commands):
    """A group that imports a command's module when the command is named."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 -- click's signature
        """As click's; Ctrl-C ends a command that has not said what it means there."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nnetboot: interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- likewise
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        _accept_config_here_too(command)
        return command


def _accept_config_here_too(command: click.Command) -> None:
    """``--config`` and ``--verbose`` are accepted before or after the command, at every depth."""
    if not any(parameter.name == "config_after" for parameter in command.params):
        command.params += (
            click.Option(["--verbose"], **_VERBOSE),
            click.Option(
                ["--config", "config_after"],
                type=click.Path(path_type=Path),
                expose_value=False,
                callback=_keep_path,
                is_eager=True,
                help="The configuration file.",
            ),
        )
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _accept_config_here_too(inner)


def _keep_path(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.find_root().meta["netboot.config"] = value


def _say_more(_ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 -- click's signature
    if value:
        logging.getLogger("netboot").setLevel(logging.INFO)


_VERBOSE: dict[str, Any] = {
    "is_flag": True,
    "expose_value": False,
    "callback": _say_more,
    "help": "Say more, such as whether a server is asked.",
}


def settings(ctx: click.Context) -> config.Settings:
    """The settings of this run: ``--config``, else ``NETBOOT_CONFIG``, else the default file.

    Raises:
        ConfigError: they are wrong.
    """
    found: Any = ctx.find_root().meta.get("netboot.config")
    return config.load(found)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netboot")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_keep_path,
    is_eager=True,
    help=f"The configuration file; NETBOOT_CONFIG, else {config.DEFAULT_PATH}.",
)
@click.option("-v", "--verbose", **_VERBOSE)
def root() -> None:
    """Network-boot machines, and say why when one does not boot."""


def main() -> None:
    """Run the command; errors are one line on stderr, 2 for bad input and 1 for a failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal without ✓ is no reason to end
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        root(standalone_mode=True)
    except ConfigError as error:
        click.echo(f"netboot: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except NetbootError as error:
        click.echo(f"netboot: {error}", err=True)
        sys.exit(EXIT_FAILED)
