"""Secrets that a person gives: never on a command line, where every user of the host reads them."""

import sys
from pathlib import Path

import click

from netboot.control.inventory import COMMAND_LINE
from netboot.errors import ConfigError

STDIN = "-"


def read_secret(file: Path, option: str, prompt: str, most: int) -> str:
    """What is in a file, its line's end too; ``-`` reads standard input, and asks on a terminal.

    Args:
        file: or ``-``.
        option: that named it, for errors.
        prompt: what a terminal is asked for.
        most: bytes it may have beside its line's end; one more is read, so that it can be refused.

    Raises:
        ConfigError: it cannot be read, is empty, or is not UTF-8.
    """
    if str(file) == STDIN and sys.stdin.isatty():
        prompted: str = click.prompt(prompt, hide_input=True, err=True)
        return prompted
    length = most + len("\r\n") + 1
    try:
        if str(file) == STDIN:
            raw = sys.stdin.buffer.read(length)
        else:
            with file.open("rb") as opened:
                raw = opened.read(length)
        if not raw.strip(b"\r\n"):
            raise ConfigError(COMMAND_LINE, option, f'= "{file}": is empty')
        return raw.decode()
    except OSError as error:
        problem = f'= "{file}": cannot be read: {error.strerror}'
        raise ConfigError(COMMAND_LINE, option, problem) from None
    except UnicodeDecodeError:
        raise ConfigError(COMMAND_LINE, option, f'= "{file}": is not UTF-8 text') from None
