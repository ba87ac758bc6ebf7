"""``netboot node console``: a machine's serial line on this terminal, or through a pipe."""

import contextlib
import os
import select
import sys
import threading

import click

from netboot.cli.main import settings
from netboot.cli.raw_terminal import ESCAPES, Escape, raw, signals
from netboot.control.console_remote import Console
from netboot.control.inventory import open_inventory
from netboot.errors import NetbootError

_CHUNK = 4096


@click.command()
@click.argument("name")
@click.option(
    "-f", "--follow", "--read-only", "read_only", is_flag=True, help="Look on, and type nothing."
)
@click.option(
    "--keep/--no-keep",
    default=True,
    help="Keep what the machine says in its timeline, as far as there is room.",
)
@click.option("--force", is_flag=True, help="Take it from whoever has it.")
@click.pass_context
def console(ctx: click.Context, name: str, *, read_only: bool, keep: bool, force: bool) -> None:
    """Connect to the serial line of the machine NAME, by its BMC.

    On a terminal, ~. at the beginning of a line or Ctrl-] ends it. Elsewhere standard input is
    typed, and Ctrl-C ends it.
    """
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    interactive = not read_only and os.isatty(keyboard) and os.isatty(screen)
    with (
        open_inventory(settings(ctx)) as inventory,
        inventory.bmcs.console(name, keep=keep, force=force) as line,
    ):
        if interactive:
            click.echo(f"connected to {name}; {ESCAPES} ends it", err=True)
            with signals() as signalled, raw(keyboard, screen):
                _converse(line, keyboard, screen, signalled, Escape())
        else:
            with signals() as signalled, contextlib.suppress(KeyboardInterrupt):
                _converse(line, None if read_only else keyboard, screen, signalled, None)


def _converse(
    line: Console, keyboard: int | None, screen: int, signalled: int, escape: Escape | None
) -> None:
    """Copy both ways until the user leaves, the reader of our output does, or the line ends.

    Args:
        line: open.
        keyboard: what is typed comes from there; its end is not the line's. None: nothing is typed.
        screen: what the machine says goes there.
        signalled: can be read once a signal has come; its handler raises.
        escape: finds out when the user wants to leave.

    Raises:
        NetbootError: the line has ended.
    """
    copying = _Copying(line, screen)
    while not copying.ended():
        waiting = [copying.wake, signalled, *([] if keyboard is None else [keyboard])]
        ready, _, _ = select.select(waiting, [], [])
        if copying.wake in ready or keyboard not in ready or keyboard is None:
            continue
        typed = os.read(keyboard, _CHUNK)
        if not typed:
            keyboard = None
            continue
        through, leaves = escape.feed(typed) if escape else (typed, False)
        if through:
            line.write(through)
        if leaves:
            return


class _Copying:
    """A thread that shows what the machine says.

    Attributes:
        wake: can be read when the thread has ended.
    """

    def __init__(self, line: Console, screen: int) -> None:
        self._line = line
        self._screen = screen
        self._problem: NetbootError | None = None
        self.wake, self._done = os.pipe()
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def ended(self) -> bool:
        """Whether nobody reads our output any more.

        Raises:
            NetbootError: the line has ended.
        """
        if not self._over.is_set():
            return False
        if self._problem:
            raise self._problem
        return True

    def _run(self) -> None:
        try:
            while True:
                output = self._line.read()
                while output:
                    output = output[os.write(self._screen, output) :]
        except NetbootError as error:
            self._problem = error
        except BrokenPipeError:
            pass  # as of `| head`
        finally:
            self._over.set()
            os.close(self._done)
