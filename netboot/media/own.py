"""Images of a user's own files: added whole or not at all, and any image taken away again.

Nobody signed these files; their digests are taken as they are copied, so that ``image verify``
finds what changes on disk afterwards. A fetch leaves them alone.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from netboot import model
from netboot.errors import ConfigError, OperationError
from netboot.media import library
from netboot.media.definition import MANIFEST, ServedName
from netboot.media.lock import locked
from netboot.media.progress import Progress
from netboot.setting_types import Name

MAX_FILES = 1000
"""Files of one image; its manifest stays readable at once."""
COMMAND_LINE = "command line"

Version = library.VersionName


def files_of(given: Sequence[str]) -> dict[str, Path]:
    """Read ``FILE`` and ``FILE=SERVED`` as people type them: served name → file.

    Raises:
        ConfigError: a file is away or no file; or a served name is impossible, stands twice, or is
            both a file and a folder.
    """
    if len(given) > MAX_FILES:
        raise ConfigError(COMMAND_LINE, "", f"{len(given)} files are too many: {MAX_FILES} fit")
    found: dict[str, Path] = {}
    for text in given:
        path, name = _file_of(text)
        if name in found:
            problem = f"{path}: {name} is {found[name]} already; name it: {path}=OTHER"
            raise ConfigError(COMMAND_LINE, "", problem)
        found[name] = path
    for name in found:
        for folder in PurePosixPath(name).parents:
            if str(folder) in found:
                problem = f"{name} cannot be in {folder}, which is {found[str(folder)]}"
                raise ConfigError(COMMAND_LINE, "", problem)
    return found


def add(
    name: str,
    files: Mapping[str, Path],
    images_dir: Path,
    progress: Progress,
    version: str | None = None,
) -> model.Image:
    """Copy files into an image and make that its current version.

    Args:
        name: of the image; one of that name that was added before is replaced at once.
        files: what ``files_of`` gave.
        images_dir: ``Settings.images_dir``.
        progress: called while files are copied; what it raises cancels and is raised again.
        version: for people; today's date where it is None.

    Raises:
        ConfigError: the name or version is impossible, or the image is a fetched one.
        OperationError: it could not be done; what was there is still served.
    """
    _check(name, Name, "NAME", "lower-case letters, digits, dots and dashes")
    if version is not None:
        _check(version, Version, "--version", "letters, digits and . + ~ : - such as 24.04")
    now = datetime.now(UTC).replace(microsecond=0)
    image_dir = images_dir / name
    with locked(images_dir), _explained(name, image_dir):
        _refuse_fetched(image_dir)
        library.clean(image_dir)
        with library.staging(image_dir) as staged:
            entries = _copied(name, files, staged, progress)
            manifest = library.Manifest(
                image=name,
                version=version or f"{now:%Y%m%d}",
                fetched_at=now,
                files=entries,
            )
            library.switch(image_dir, staged, manifest)
        return library.load(image_dir)


def remove(name: str, images_dir: Path) -> None:
    """Take an image away: no longer served at once, then gone from the disk.

    Raises:
        ConfigError: there is none of that name.
        OperationError: the system does not let us.
    """
    there = library.names(images_dir)
    if name not in there:
        problem = f"there is no image {name!r}; there are: {', '.join(there) or 'none'}"
        raise ConfigError(COMMAND_LINE, "", problem)
    with locked(images_dir), _explained(name, images_dir / name):
        (images_dir / name / library.CURRENT).unlink()
        shutil.rmtree(images_dir / name)


def _file_of(text: str) -> tuple[Path, str]:
    """The file and its served name; an existing file whose own name has a ``=`` is meant whole."""
    path, equals, name = text.rpartition("=")
    if not equals or Path(text).is_file():
        path, name = text, Path(text).name
    if not Path(path).is_file():
        problem = "is no regular file" if Path(path).exists() else "is not there"
        raise ConfigError(COMMAND_LINE, "", f"{path}: {problem}")
    allowed = "letters, digits and . _ + - with / between, no part beginning with a dot"
    _check(name, ServedName, path, f"{allowed}; {path}=SERVED gives it another name")
    if name == MANIFEST:
        raise ConfigError(COMMAND_LINE, path, f"= {name}: is reserved for netboot itself")
    return Path(path), name


def _check(value: str, kind: object, key: str, allowed: str) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise ConfigError(COMMAND_LINE, key, f"= {value!r}: allowed: {allowed}") from None


def _refuse_fetched(image_dir: Path) -> None:
    name = image_dir.name
    if (image_dir / library.CURRENT).exists() and not library.is_own(image_dir):
        problem = f"{name} was fetched: choose another name, or first netboot image remove {name}"
        raise ConfigError(COMMAND_LINE, "", problem)


def _copied(
    name: str, files: Mapping[str, Path], staged: Path, progress: Progress
) -> dict[str, library.Entry]:
    total = sum(path.stat().st_size for path in files.values())
    entries: dict[str, library.Entry] = {}
    for served, path in files.items():
        before = sum(entry.size for entry in entries.values())
        tick = partial(_tick, progress, f"{name}: copying {served}", before, total)
        try:
            content = path.open("rb")
        except OSError as error:
            problem = f"{path}: cannot be read: {error.strerror}"
            raise ConfigError(COMMAND_LINE, "", problem) from None
        with content:
            entries[served] = library.store(content, staged / served, _shown(path), tick)
    return entries


def _tick(progress: Progress, stage: str, before: int, total: int, done: int) -> None:
    progress(stage, before + done, total)


def _shown(path: Path) -> str:
    """A path as JSON can hold it, whatever bytes its name has."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def _explained(name: str, image_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperationError(f"{name}: {library.trouble(error)}") from None
    finally:
        with contextlib.suppress(OSError):  # it holds a version
            image_dir.rmdir()
