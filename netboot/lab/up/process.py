"""The process of one lab, from ``netboot lab up`` to ``netboot lab down``.

    python -m netboot.lab.up.process [FILE]

It says one line on its standard output: nothing but "up" when everything is there, else why not.
"""

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from netboot.errors import NetbootError
from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab
from netboot.lab.up.state import State

UP = "up"
_BACKLOG = 8


def main(arguments: list[str]) -> int:
    """Run a lab until SIGTERM; the exit status."""
    try:
        file = read(Path(arguments[0]) if arguments else None)
        state = State(file.name)
        with state.held(), Lab(file) as lab:
            state.write(lab.hosts)
            with _answering(lab, state.path("sock")):
                _say(UP)
                threading.Event().wait()  # SIGTERM is SystemExit here
    except NetbootError as error:
        _say(" ".join(str(error).split()))
        return 1
    return 0


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


@contextlib.contextmanager
def _answering(lab: Lab, path: Path) -> Iterator[None]:
    """Tell whoever connects how the nodes are."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        threading.Thread(target=_answer, args=(lab, listener), daemon=True).start()
        yield


def _answer(lab: Lab, listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed: the lab ends
        while True:
            asking = listener.accept()[0]
            with asking, contextlib.suppress(OSError, NetbootError):
                asking.sendall(lab.status().encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
