"""The programs that build a system, and the Debian packages they are in."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from netboot.errors import OperationError
from netboot.media import process

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "sfdisk": "fdisk",
    "zstd": "zstd",
}
"""Program → the package it is in."""

_USER_NAMESPACE = (
    *("unshare", "--user", "--map-root-user", "--map-auto"),
    *("--mount", "--pid", "--fork", "--kill-child", "--"),
)
"""Our own user is root there, and our subordinate ids are all others (subuid(5))."""
_LINES = 4
"""Of what a program that failed said."""
_LONGEST_DETAIL = 400


def check() -> None:
    """See that all of them are there.

    Raises:
        OperationError: says what to install.
    """
    missing = [
        name for program, name in PACKAGES.items() if not shutil.which(program, path=_path())
    ]
    if missing:
        raise OperationError(f"install what builds a system: apt install {' '.join(missing)}")


def as_root() -> tuple[str, ...]:
    """What stands before a program that must be root, be it of a namespace of ours only."""
    return () if os.geteuid() == 0 else _USER_NAMESPACE


def remove(folder: Path) -> None:
    """Remove a folder with what is in it, also what is of others in our namespace."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        run([*as_root(), "rm", "-rf", str(folder)], cwd=folder.parent)


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    tick: Callable[[], None] = lambda: None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run one of them to its end.

    Args:
        command: a program and its arguments.
        cwd: the folder it runs in.
        tick: called several times a second; what it raises ends the program.
        env: variables added to our own environment.

    Raises:
        OperationError: it failed; the text has the last it said.
    """
    finished = process.run(command, tick=tick, cwd=cwd, env={**(env or {}), "PATH": _path()})
    if finished.code != 0:
        lines = [line for line in finished.errors.splitlines() if not line.startswith("I:")]
        said = " ".join(lines[-_LINES:]) or f"exit {finished.code}"
        raise OperationError(f"{_named(command)}: {said[:_LONGEST_DETAIL]}")


def _named(command: Sequence[str]) -> str:
    return command[len(as_root())] if command[0] == _USER_NAMESPACE[0] else command[0]


def _path() -> str:
    """Where programs are: a user's own PATH has no sbin."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
