"""A backup over the operator's API; to put one in the store's place nobody may be serving."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse

from netboot.bmc.credentials import KEY_FILE
from netboot.config import Settings
from netboot.control.access.roles import needs
from netboot.control.desk import Desk
from netboot.control.spec import spec
from netboot.errors import ConfigError
from netboot.store.access_shapes import Role
from netboot.store.backup import back_up

MEDIA_TYPE = "application/gzip"
CHUNK = 256 * 1024
"""Bytes of a backup in memory at a time."""

_PREFIX = ".backup-"
_SPEC = spec()
_SPEC["responses"][200]["content"] = {
    MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}
}


def add_backup(app: FastAPI, desk: Desk) -> None:
    """Add it."""
    making = asyncio.Lock()  # one at a time: each takes the store's own size of disk

    @app.get("/api/v1/backup", **_SPEC)
    @needs(Role.ADMIN, audited=True)
    async def get_backup(
        with_key: Annotated[bool, Query()] = False,  # noqa: FBT002 -- FastAPI's signature
    ) -> StreamingResponse:
        """Everything the store holds, for ``netboot restore``; with ``bmc.key`` where asked for."""
        async with making:
            file = await asyncio.to_thread(_made, desk.settings, with_key=with_key)
        length = os.fstat(file.fileno()).st_size
        headers = {
            "Content-Length": str(length),
            "Content-Disposition": 'attachment; filename="netboot.backup"',
            "Cache-Control": "no-store",
        }
        return StreamingResponse(_read(file), media_type=MEDIA_TYPE, headers=headers)


def _made(settings: Settings, *, with_key: bool) -> IO[bytes]:
    """A backup without a name: it goes when it is closed, however that comes about."""
    key = settings.data_dir / KEY_FILE if with_key else None
    if key is not None and not key.exists():
        raise ConfigError("request", "with_key", f"{KEY_FILE} is not there: no password is kept")
    for left in settings.data_dir.glob(f"{_PREFIX}*"):  # of a program that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=settings.data_dir) as folder:
        path = Path(folder) / "netboot.backup"
        back_up(settings.database, settings.database_password_file, path, key)
        return path.open("rb")


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
