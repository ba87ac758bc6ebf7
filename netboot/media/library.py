"""Images on disk, and how one version replaces another without anybody noticing.

::

    images/
      debian-12/
        20230607+deb12u15/     one version: its files and manifest.json
        20230607+deb12u14/     the version before it: transfers from it may still run
        current  -> 20230607+deb12u15
        previous -> 20230607+deb12u14

A version's folder is filled under another name, forced to disk, renamed, and only then does
``current`` move, by one ``rename``: whoever reads sees the old version or the new one, whole,
whatever moment the power fails. A folder is never changed afterwards; the same version fetched
again gets a name with an underscore, which no Debian version contains (Debian Policy 5.6.12).
"""

import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated

import msgspec
from msgspec import Meta

from netboot import model
from netboot.checked import Checked, convert
from netboot.errors import ConfigError
from netboot.guide import see
from netboot.media.definition import MANIFEST, ServedName

CURRENT = "current"
PREVIOUS = "previous"
BUILT = "built here"
_STAGING = ".staging-"
_LONGEST_MANIFEST = 1 << 20
"""Bytes; ours are below 4 KiB."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors that say there is no room."""
_CHUNK = 1 << 20

_log = logging.getLogger(__name__)

VersionName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.+~:-]*\Z", max_length=100)]
"""A version's folder; no underscore, which tells the same version fetched again."""
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Entry(Checked, frozen=True):
    """One file as it was when its package was verified.

    Attributes:
        member: its path inside the package, or the recipe it was made by, or ``BUILT``.
    """

    sha256: Sha256
    size: Annotated[int, Meta(ge=0)]
    member: str


class Manifest(Checked, frozen=True, kw_only=True):
    """Where one version came from and what its files are.

    Attributes:
        package: its package; several are ``name=version`` each, separated by spaces; "" and no
            suite, mirror or digest where the files are a user's own.
        mirror: the archive's URL without user name and password.
        deb_sha256: digest of the package; of several, of their digests one a line; of what was
            built, of the archive's Release file and the recipe.
        fetched_at: or added.
        files: served name → digest, size and path inside the package, or where it was copied from.
    """

    image: str
    version: str
    package: str = ""
    suite: str = ""
    mirror: str = ""
    deb_sha256: Sha256 | None = None
    fetched_at: datetime
    files: dict[ServedName, Entry]

    @property
    def own(self) -> bool:
        """Whether a user added the files: no archive has them again."""
        return not self.package

    @property
    def built(self) -> bool:
        """Whether the files were made here of what the packages installed."""
        return any(entry.member == BUILT for entry in self.files.values())


def installed(
    images_dir: Path, report: Callable[[str], None] = _log.warning
) -> tuple[model.Image, ...]:
    """List the current version of every fetched image, by name.

    Args:
        images_dir: ``Settings.images_dir``; it need not exist.
        report: is called with one line for each image or file that is broken and left out.
    """
    found = []
    for image_dir in _image_dirs(images_dir):
        try:
            found.append(load(image_dir, report))
        except ConfigError as error:
            report(f"image {image_dir.name} is left out: {error}")
    return tuple(found)


def load(image_dir: Path, report: Callable[[str], None] = _log.warning) -> model.Image:
    """Read one image's current version; a file that is away or cut short is reported, not listed.

    Raises:
        ConfigError: its manifest cannot be read.
    """
    folder = current(image_dir)
    manifest = read_manifest(folder)
    files = {}
    for name, entry in manifest.files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry.size:
            problem = "is missing" if size is None else f"has {size} bytes, not {entry.size}"
            again = "add" if manifest.own else "fetch"
            report(f"image {image_dir.name} is incomplete: {path} {problem}; {again} it again")
            continue
        files[name] = model.ImageFile(name, path, entry.size, entry.sha256)
    return model.Image(image_dir.name, manifest.version, files)


def stamp(images_dir: Path) -> object:
    """Return a value that differs after any image's current version was switched; cheap."""
    seen = []
    for image_dir in _image_dirs(images_dir):
        try:
            status = os.lstat(image_dir / CURRENT)
        except FileNotFoundError:
            continue
        seen.append((image_dir.name, status.st_ino, status.st_mtime_ns))
    return tuple(seen)


def names(images_dir: Path) -> tuple[str, ...]:
    """Return the names of the images that have a current version, whole or not."""
    return tuple(path.name for path in _image_dirs(images_dir))


def is_own(image_dir: Path) -> bool:
    """Whether a user added the current version; False where there is none that can be read."""
    try:
        return read_manifest(current(image_dir)).own
    except ConfigError:
        return False


def current(image_dir: Path) -> Path:
    """Return the folder ``current`` names now: resolved once, so its files belong together."""
    return _linked(image_dir, CURRENT) or image_dir / CURRENT


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of one version's folder.

    Raises:
        ConfigError: it is away or broken.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            raw = msgspec.json.decode(file.read(_LONGEST_MANIFEST))
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", f"is not JSON: {error}") from None
    return convert(raw, Manifest, str(path))


def check(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Hash every file of one version again.

    Returns:
        One line for each bad, missing or extra file; nothing where all is as fetched.
    """
    return tuple(_check(folder, manifest))


def _check(folder: Path, manifest: Manifest) -> Iterator[str]:
    for name, entry in sorted(manifest.files.items()):
        try:
            found = digest(folder / name)
        except FileNotFoundError:
            yield f"{name}: missing"
        except OSError as error:
            yield f"{name}: cannot be read: {error.strerror}"
        else:
            if found != entry.sha256:
                yield f"{name}: bad: sha256 is {found}, it was {entry.sha256}"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in {MANIFEST, *manifest.files}:
            yield f"{name}: extra: no part of the image"


def digest(path: Path) -> str:
    """Return a file's SHA-256 as lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store(content: IO[bytes], path: Path, member: str, tick: Callable[[int], None]) -> Entry:
    """Write a new file of a version, readable by all.

    Args:
        content: what it holds, from here to its end.
        path: inside a staging folder; folders between are made.
        member: where it is from, for the manifest.
        tick: called with the bytes written so far; what it raises ends the work.

    Raises:
        OSError: the disk is full, or ``content`` cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    found, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
            file.write(chunk)
            size += len(chunk)
            tick(size)
        os.fchmod(file.fileno(), 0o644)
    return Entry(sha256=found.hexdigest(), size=size, member=member)


def trouble(error: OSError) -> str:
    """What the disk refused, for a person."""
    where = f": {error.filename}" if error.filename else ""
    more = f"; {see('full-disk')}" if error.errno in FULL else ""
    return f"{error.strerror}{where}; what was there is kept{more}"


@contextmanager
def staging(image_dir: Path) -> Iterator[Path]:
    """Lend an empty folder to fill with a new version; gone afterwards unless switched in."""
    image_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=image_dir))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def switch(image_dir: Path, staged: Path, manifest: Manifest) -> Path:
    """Make a filled staging folder the current version; the one before it stays on disk.

    Returns:
        The version's folder.

    Raises:
        OSError: the disk is full or broken; the old version is still current.
    """
    (staged / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    _force_to_disk(staged)
    folder = _free_name(image_dir, manifest.version)
    staged.rename(folder)
    before = _linked(image_dir, CURRENT)
    if before is not None:
        _link(image_dir, PREVIOUS, before.name)
    _link(image_dir, CURRENT, folder.name)
    clean(image_dir)
    return folder


def clean(image_dir: Path) -> None:
    """Remove what a fetch that was cut off left, and versions older than the previous one."""
    keep = {CURRENT, PREVIOUS}
    keep |= {link.name for name in keep if (link := _linked(image_dir, name)) is not None}
    for path in list(image_dir.iterdir()) if image_dir.is_dir() else []:
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _image_dirs(images_dir: Path) -> list[Path]:
    try:
        paths = sorted(images_dir.iterdir())
    except FileNotFoundError:
        return []
    return [p for p in paths if not p.name.startswith(".") and (p / CURRENT).is_symlink()]


def _linked(image_dir: Path, link: str) -> Path | None:
    try:
        return image_dir / (image_dir / link).readlink().name
    except OSError:
        return None


def _free_name(image_dir: Path, version: str) -> Path:
    folder, again = image_dir / version, 1
    while folder.exists() or folder.name in {CURRENT, PREVIOUS}:
        again += 1
        folder = image_dir / f"{version}_{again}"
    return folder


def _link(image_dir: Path, link: str, target: str) -> None:
    fresh = image_dir / f"{_STAGING}{link}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(image_dir / link)
    _fsync(image_dir)


def _force_to_disk(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder, folder.parent):
        _fsync(path)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
