"""Writes a built image's disk where somebody wants it: a file, or a device such as a LUN.

What was written is hashed on its way and compared with what was built. A file has its name only
once it is whole.
"""

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from netboot import model
from netboot.errors import ConfigError, OperationError
from netboot.media import library, process
from netboot.media.build import DISK, Info, info_of
from netboot.media.progress import Progress

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)


def write(image: model.Image, output: Path, progress: Progress) -> int:
    """Write the uncompressed disk.

    Args:
        image: one that was built.
        output: a file, new or replaced, which has holes where the disk has zeros; or a block
            device that is not in use, which is overwritten from its beginning.
        progress: called for each MiB; what it raises cancels, and no new file is left.

    Returns:
        The bytes of the disk.

    Raises:
        ConfigError: the output is neither.
        OperationError: it could not be written, or the image is broken.
    """
    info = info_of(image)
    try:
        device = stat.S_ISBLK(output.stat().st_mode)
        if not device and not output.is_file():
            raise ConfigError("command line", "--output", f"{output}: is no file and no disk")
    except FileNotFoundError:
        device = False
    try:
        if device:
            _onto_device(image, output, info, progress)
        else:
            _into_file(image, output, info, progress)
    except OSError as error:
        raise OperationError(f"{image.name}: {library.trouble(error)}") from None
    return info.size


def _onto_device(image: model.Image, output: Path, info: Info, progress: Progress) -> None:
    # O_EXCL: the kernel refuses a device that is mounted or otherwise in use
    with os.fdopen(os.open(output, os.O_WRONLY | os.O_EXCL), "wb", buffering=0) as file:
        room = file.seek(0, os.SEEK_END)
        if room < info.size:
            problem = f"{output}: has {room} bytes, the disk needs {info.size}"
            raise ConfigError("command line", "--output", problem)
        file.seek(0)
        _copy(image, file, info, progress, sparse=False)


def _into_file(image: model.Image, output: Path, info: Info, progress: Progress) -> None:
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb", buffering=0) as file:
            file.truncate(info.size)
            _copy(image, file, info, progress, sparse=True)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def _copy(
    image: model.Image, file: IO[bytes], info: Info, progress: Progress, *, sparse: bool
) -> None:
    found, done = hashlib.sha256(), 0
    with _unpacked(image.files[DISK].path) as content:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
            if sparse and chunk == _ZEROS[: len(chunk)]:
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)
            done += len(chunk)
            progress(f"{image.name}: writing the disk", done, info.size)
    os.fsync(file.fileno())
    if (done, found.hexdigest()) != (info.size, info.sha256):
        raise OperationError(f"{image.name}: the disk is not as it was built: build it again")


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    child = subprocess.Popen(
        process.tied(["zstd", "-dcq", str(path)]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if child.stdout is not None:
            with child.stdout as content:
                yield content
    finally:
        process.end(child)
