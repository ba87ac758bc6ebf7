"""Whether netboot's two programs run now, asked from outside."""

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import httpx

from netboot.config import Settings

PATIENCE = 2.0
"""Seconds a program has to answer."""
_LONGEST_PID = 32
_OK = 200


@dataclass(frozen=True, slots=True)
class Running:
    """What runs.

    Attributes:
        control: whether somebody accepts connections on the control socket; None where we may
            not see.
        boot: whether our HTTP says it is well, at an address machines use.
        pid: who serves the data folder or waits to, else who has it; None where nobody does, or we
            may not see.
    """

    control: bool | None = False
    boot: bool = False
    pid: int | None = None


def look(settings: Settings, address: str) -> Running:
    """See what runs.

    Args:
        settings: which installation.
        address: one of ours that the boot program should answer at.
    """
    return Running(
        control=accepts(settings.run_dir / "control.sock"),
        boot=healthy(f"http://{address}:{settings.http.port}"),
        pid=_holder(settings.run_dir / "serving") or _holder(settings.run_dir / "lock"),
    )


def accepts(path: Path) -> bool | None:
    """Whether somebody accepts connections on a UNIX socket; None where we may not see."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PATIENCE)
        try:
            probe.connect(str(path))
        except PermissionError:
            return None
        except OSError:
            return False
    return True


def healthy(url: str) -> bool:
    """Whether a netboot's boot plane answers at ``url`` and says ``ok``."""
    try:
        answer = httpx.get(f"{url}/healthz", timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == _OK and answer.text.strip() == "ok"


def _holder(path: Path) -> int | None:
    """Who has the lock. It is tried for an instant, shared, so nobody is kept from it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, _LONGEST_PID, 0).decode("ascii", "ignore").strip()
        return int(text) if text.isdecimal() else None
    finally:
        os.close(descriptor)
    return None
