"""Whose lab is it: names that carry their owner, and the reaping of what dead owners left.

Every network namespace and temporary folder of a lab is named

    nb-<pid>-<start time>-<random>-<what it is>

where the start time (field 22 of ``/proc/PID/stat``, in clock ticks) makes the pid unambiguous
after it was used again. A name whose process lives is somebody's lab and is never touched; one
whose process is gone is a leftover: the processes still inside the namespace are ended, each by
its own process id, and the namespace and the folder are removed.
"""

import contextlib
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

NETNS_DIR = Path("/run/netns")
REAP_TIMEOUT = 5.0
"""Seconds to wait for a killed process to be gone."""

_NAME = re.compile(r"nb-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{6}-.+")


def new_prefix() -> str:
    """A fresh ``nb-…-`` prefix that says this process owns what is named so."""
    pid = os.getpid()
    return f"nb-{pid}-{_start_time(pid)}-{secrets.token_hex(3)}-"


def reap_leftovers() -> list[str]:
    """Remove every namespace and folder whose owner is dead; the names that were removed."""
    removed = []
    for name in _names_in(NETNS_DIR):
        if _is_leftover(name):
            remove_namespace(name)
            removed.append(name)
    temporary = Path(tempfile.gettempdir())
    for name in _names_in(temporary):
        if _is_leftover(name):
            shutil.rmtree(temporary / name, ignore_errors=True)
            removed.append(name)
    return removed


def remove_namespace(name: str) -> None:
    """End whatever still runs inside the namespace and delete it; fine if it is gone."""
    end_inhabitants(name)
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def end_inhabitants(namespace: str) -> None:
    """SIGKILL each process in the namespace by its own id and wait until it is gone."""
    for descriptor in _inhabitants(namespace):
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            select.select([descriptor], [], [], REAP_TIMEOUT)
        finally:
            os.close(descriptor)


def _inhabitants(namespace: str) -> Iterator[int]:
    """A pidfd for each process in the namespace; held before the check, so it cannot be reused."""
    try:
        inode = (NETNS_DIR / namespace).stat().st_ino
    except FileNotFoundError:
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            descriptor = os.pidfd_open(int(entry.name))
        except OSError:  # ended meanwhile
            continue
        try:
            inside = (entry / "ns/net").stat().st_ino == inode
        except OSError:  # ended meanwhile, or a kernel thread
            inside = False
        if inside:
            yield descriptor
        else:
            os.close(descriptor)


def _names_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return []


def _is_leftover(name: str) -> bool:
    owner = _NAME.fullmatch(name)
    return owner is not None and _start_time(int(owner["pid"])) != int(owner["start"])


def _start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process started; None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[18])
