"""netboot itself: do its programs run, are its files closed to others, how large is its store?"""

import stat
from collections.abc import Iterable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

import psutil

from netboot import resources
from netboot.config import Settings
from netboot.doctor.context import Context
from netboot.doctor.finding import Finding, Severity
from netboot.doctor.running import Running
from netboot.store.database import is_postgresql
from netboot.store.sqlite import path_of

LARGE_DATABASE = 1_000_000_000
"""Bytes; 100,000 events and as many nodes take far less."""

_EVERYBODY = 0o007
_OTHERS = 0o077
_programs = partial(Finding, "programs")
_files = partial(Finding, "files")
_store = partial(Finding, "store")


def check(context: Context) -> Iterable[Finding]:
    """Programs, their files, the store."""
    yield from programs(context.running)
    yield from files(context.settings)
    if not is_postgresql(context.settings.database):
        yield store(path_of(context.settings.database))


def programs(running: Running) -> Iterator[Finding]:
    """Which of the two run, and whether it is the version installed now."""
    version = f"netboot {metadata.version('netboot')}"
    if running.control is None:
        boot = "answers" if running.boot else "does not answer"
        what = f"{version}: boot {boot}; control is not ours to see"
        yield _programs(Severity.NOTICE, what, "use sudo")
    elif running.boot and running.control:
        yield _programs(Severity.OK, f"{version}: boot and control run")
    elif running.control:
        what = f"{version}: control runs, but boot does not answer: no machine can boot"
        cure = "see what netboot serve says, or start it: netboot serve --role boot"
        yield _programs(Severity.PROBLEM, what, cure)
    elif running.boot:
        what = f"{version}: boot runs, but control does not: changes and timelines stand still"
        cure = "see what netboot serve says, or start it: netboot serve --role control"
        yield _programs(Severity.WARNING, what, cure)
    elif running.pid is not None:
        what = f"{version}: process {running.pid} has the data folder, but does not answer"
        yield _programs(Severity.WARNING, what, f"end it if it hangs: kill {running.pid}")
    else:
        yield _programs(Severity.NOTICE, f"{version} is not running", "sudo netboot serve")
    if running.pid is not None and _is_stale(running.pid):
        what = f"process {running.pid} was started before this netboot was installed"
        yield _programs(Severity.NOTICE, what, "start netboot serve anew")


def files(settings: Settings) -> Iterator[Finding]:
    """Whether what is secret, or may change things, is closed to others."""
    run = settings.run_dir
    limits = [
        (settings.data_dir, 0o022),
        (run, _EVERYBODY),
        (run / "control.sock", _EVERYBODY),
        (run / "boot.sock", _OTHERS),
        (run / "token.key", _OTHERS),
        (settings.data_dir / "admin.token", _OTHERS),
        (settings.data_dir / "api.pem", _OTHERS),
    ]
    if not is_postgresql(settings.database):
        limits.append((path_of(settings.database), _OTHERS))
    bad = False
    for path, forbidden in limits:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except FileNotFoundError:
            continue
        if mode & forbidden:
            bad = True
            cure = f"chmod {mode & ~forbidden:o} {path}"
            yield _files(Severity.WARNING, f"{path} has mode {mode:04o}: open to others", cure)
    if not bad:
        yield _files(Severity.OK, f"what {settings.data_dir} holds is closed to others")


def store(path: Path) -> Finding:
    """The size of the database."""
    parts = [path.with_name(path.name + suffix) for suffix in ("", "-wal")]
    size = sum(part.stat().st_size for part in parts if part.exists())
    what = f"{path}: {size / 1e6:.1f} MB"
    if size > LARGE_DATABASE:
        cure = f"stop netboot, then: sqlite3 {path} VACUUM"
        return _store(Severity.WARNING, f"{what}, which is more than it should need", cure)
    return _store(Severity.OK, what if size else f"{path}: none yet")


def _is_stale(pid: int) -> bool:
    try:
        started: float = psutil.Process(pid).create_time()
    except psutil.Error:
        return False
    return Path(resources.__file__).stat().st_mtime > started
