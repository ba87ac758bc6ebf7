"""A backup: everything a store holds in one file, which restores into either kind of database.

It is a gzipped tar of::

    manifest.json   which netboot and which schema wrote it, and the SHA-256 of the others
    netboot.db      every table, as a SQLite database of that schema
    bmc.key         only where that is asked for: it opens the kept BMC passwords

An older schema is brought up by the same migrations as a store of that age, so any later netboot
restores it.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Mapping
from importlib import metadata
from io import BytesIO
from pathlib import Path

import msgspec
import sqlalchemy as sa

from netboot.errors import ConfigError, OperationError
from netboot.store import sqlite
from netboot.store.copying import copy, counts, tables_of
from netboot.store.database import engines, is_postgresql, migrate, revision, said, transaction
from netboot.store.schema import HEAD, REVISIONS
from netboot.store.trouble import NoRoom

FORMAT = 1
MAX_MANIFEST = 65_536
"""Bytes of a manifest."""

MANIFEST = "manifest.json"
DATABASE = "netboot.db"
KEY = "bmc.key"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself.

    Attributes:
        format: of the file.
        netboot: the version that wrote it.
        schema: one of ``REVISIONS``.
        made: epoch seconds.
        files: each one's SHA-256 in hex, by name.
        rows: how many each table has, by name.
    """

    format: int
    netboot: str
    schema: str
    made: float
    files: Mapping[str, str]
    rows: Mapping[str, int]


def back_up(url: str, password_file: Path | None, path: Path, key: Path | None = None) -> Manifest:
    """Write a backup of one moment, also while the store is used; mode 0600, whole or not at all.

    Args:
        url: the store's.
        password_file: its password's.
        path: the backup's file; an older backup of that name is replaced.
        key: ``bmc.key``, where it is to be in it.

    Raises:
        ConfigError: there is no store, or ``path`` is a file of another kind.
        NoRoom: the disk is full; nothing is left.
        OperationError: the database or the system does not let us.
    """
    _refuse_to_overwrite(path)
    if not is_postgresql(url) and not sqlite.path_of(url).exists():
        raise ConfigError(str(sqlite.path_of(url)), "", "is not there: nothing was kept yet")
    try:
        with tempfile.TemporaryDirectory(prefix=".netboot-backup-", dir=path.parent) as made:
            folder = Path(made)
            schema, rows = _copied(url, password_file, folder / DATABASE)
            if key is not None:
                shutil.copyfile(key, folder / KEY)
            files = {file.name: _digest(file) for file in sorted(folder.iterdir())}
            version = metadata.version("netboot")
            manifest = Manifest(FORMAT, version, schema, time.time(), files, rows)
            _write(folder, manifest, folder / "backup")
            (folder / "backup").replace(path)
            _sync(path.parent)
    except NoRoom:
        raise NoRoom(f"{path.parent}: the disk is full; no backup was made") from None
    except OSError as error:
        what = f"{error.filename or path}: {error.strerror or error}"
        raise OperationError(f"{what}; no backup was made") from None
    return manifest


def unpack(path: Path, folder: Path) -> Manifest:
    """Take a backup apart, and see that it is whole and that we know its schema.

    Args:
        path: the backup.
        folder: where ``netboot.db``, of the schema of the manifest, and ``bmc.key`` are put.

    Raises:
        ConfigError: it is none, is damaged, or was written by a newer netboot.
        OperationError: the system does not let us.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
            manifest = _manifest(archive, path)
            for name, digest in manifest.files.items():
                if _extracted(archive, folder / name) != digest:
                    raise ConfigError(str(path), name, _DAMAGED)
    except (tarfile.TarError, EOFError, zlib.error, KeyError) as error:
        raise ConfigError(str(path), "", f"{_DAMAGED}, or no backup at all: {error}") from None
    except OSError as error:
        if error.errno is None:  # gzip's own
            raise ConfigError(str(path), "", f"{_DAMAGED}, or no backup at all: {error}") from None
        raise OperationError(f"{error.filename or path}: {error.strerror}") from None
    return manifest


_DAMAGED = "is damaged: what is in it is not what was put in"


def _copied(url: str, password_file: Path | None, path: Path) -> tuple[str, dict[str, int]]:
    source, other = engines(url, password_file)
    target = sqlite.engine_for(path, "NORMAL")
    try:
        with transaction(source) as reading, transaction(target, writes=True) as writing:
            found = revision(reading)
            if found is None:
                raise ConfigError(said(source), "", "is empty: nothing was kept yet")
            _stay(reading)
            migrate(writing, found)
            tables = tables_of(writing)
            copy(reading, writing, tables)
            return found, counts(writing, tables)
    finally:
        for engine in (source, other, target):
            engine.dispose()


def _stay(reading: sa.Connection) -> None:
    """Writing the copy may take longer than a transaction may usually do nothing."""
    if reading.dialect.name == "postgresql":
        reading.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _write(folder: Path, manifest: Manifest, path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            text = msgspec.json.encode(manifest)
            archive.addfile(_member(MANIFEST, len(text)), BytesIO(text))
            for name in manifest.files:
                with (folder / name).open("rb") as content:
                    archive.addfile(_member(name, (folder / name).stat().st_size), content)
        file.flush()
        os.fsync(file.fileno())


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(time.time())
    return member


def _manifest(archive: tarfile.TarFile, path: Path) -> Manifest:
    first = archive.next()
    file = archive.extractfile(first) if first and first.name == MANIFEST else None
    if file is None:
        raise ConfigError(str(path), "", "is no backup of netboot's")
    try:
        manifest = msgspec.json.decode(file.read(MAX_MANIFEST), type=Manifest)
    except ValueError as error:
        raise ConfigError(str(path), MANIFEST, f"{_DAMAGED}: {error}") from None
    if manifest.format > FORMAT or manifest.schema not in REVISIONS:
        problem = (
            f"was written by netboot {manifest.netboot} (schema {manifest.schema}; this one knows"
            f" {HEAD}): upgrade netboot"
        )
        raise ConfigError(str(path), "", problem)
    if DATABASE not in manifest.files or not {DATABASE, KEY}.issuperset(manifest.files):
        raise ConfigError(str(path), MANIFEST, _DAMAGED)
    return manifest


def _extracted(archive: tarfile.TarFile, path: Path) -> str:
    """A member's digest, after it was written."""
    file = archive.extractfile(path.name)
    if file is None:
        raise KeyError(path.name)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        shutil.copyfileobj(file, written)
    return _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_to_overwrite(path: Path) -> None:
    """Only an older backup may be lost."""
    if not path.parent.is_dir():
        raise ConfigError(str(path), "", f"there is no folder {path.parent}")
    if not path.exists():
        return
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
            first: tarfile.TarInfo | None = archive.next()
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        first = None
    if first is None or first.name != MANIFEST:
        raise ConfigError(str(path), "", "is there, and is no backup of netboot's: name another")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
