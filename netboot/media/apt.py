"""The signed chain of a Debian archive, walked by apt itself in folders of our own.

Release signature by the archive keyring → hash of Packages → hash of the ``.deb``. apt checks
each step; nothing here does cryptography. ``apt_folder`` says what apt is told.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from netboot.errors import OperationError
from netboot.guide import see
from netboot.media import process
from netboot.media.apt_folder import AptFolder
from netboot.media.definition import Source
from netboot.media.mirror import Mirror
from netboot.media.patience import Away

ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_HELPER = "/usr/lib/apt/apt-helper"
"""apt's own downloader: unlike ``apt-get download`` it goes on with a file that was cut off."""
_CANDIDATE = re.compile(
    r"'(?P<uri>\S+)' "
    r"(?P<file>(?P<package>[^_/\s]+)_(?P<version>[^_/\s]+)_[^_/\s]+\.u?deb) (?P<size>\d+)"
    r".* SHA256:(?P<sha256>[0-9a-f]{64})"
)
"""A line of ``apt-get --print-uris download``."""

_DEPENDS = re.compile(r"^Depends: (?P<package>[a-z0-9][a-z0-9.+-]+)", re.MULTILINE)

_LONGEST_DETAIL = 300
_EMPTY = "Some index files failed to download."
"""What apt adds to a reason it has given."""


@dataclass(frozen=True, slots=True)
class Deb:
    """A package as the signed index names it, not yet downloaded.

    Attributes:
        file: the name apt stores it under.
        sha256: the digest its content must have.
    """

    package: str
    version: str
    uri: str
    file: str
    size: int
    sha256: str


class DiskFull(OperationError):  # noqa: N818 -- what happened, as its reader would say it
    """There was no room for what apt fetched."""


class NotThere(OperationError):  # noqa: N818 -- likewise
    """The mirror answers, but has not what its signed index names."""


_DISK_FULL = re.compile(r"[Nn]o space left|not have enough free space|quota exceeded")
_CAUSES: tuple[tuple[str, type[OperationError], str], ...] = (
    # what apt says → what is wrong, the first that fits
    (
        r"NO_PUBKEY|GPG error|is not signed|BADSIG|EXPKEYSIG|signature|isn't signed|Sub-process",
        OperationError,
        "the archive's signature is not good for the keyring {keyring}",
    ),
    (
        r"Hash Sum mismatch|unexpected size|Hashes of",
        OperationError,
        "a file is not as the archive's signed index says (tampered with, or mid-update)",
    ),
    (
        r"Unable to locate package|has no installation candidate",
        OperationError,
        "the package is not in {suite}",
    ),
    (r"no longer signed", OperationError, "the archive's signature is gone"),
    (r"a Release file", OperationError, "{suite} is not on this mirror"),
    (r"404 ", NotThere, "a file the index names is not on this mirror"),
    (r"", Away, "the mirror cannot be read"),
)


class Apt:
    """Apt for one source of one mirror, with all its state in ``folder``.

    Files stay between runs: an index that did not change is not fetched again and a download
    that was cut off is resumed.

    Args:
        folder: ours alone; it need not exist.
        mirror: where to fetch from.
        source: the part of the archive.
        keyring: public keys, one of which must have signed the archive.
        once: ask a mirror that does not answer no second time, whatever the host's apt would do.
    """

    def __init__(
        self, folder: Path, mirror: Mirror, source: Source, keyring: Path, *, once: bool = False
    ) -> None:
        self._own = AptFolder(folder.absolute(), mirror, source, keyring.absolute(), once=once)
        self._found: dict[str, Deb] = {}

    @property
    def downloads(self) -> Path:
        """Packages, whole or cut off."""
        return self._own.downloads

    def update(self, tick: Callable[[int], None]) -> None:
        """Fetch the suite's signed index.

        Args:
            tick: called with the bytes on disk so far.

        Raises:
            OperationError: the mirror is away, its signature is bad, the disk is full, …
        """
        self._own.prepare(tick)
        self._found.clear()
        command = ["apt-get", "-q", "update", "-o", "pkgCacheFile::Generate=false"]
        self._run(command, lambda: tick(_size_of(self._own.lists)))

    def candidates(self, packages: Sequence[str]) -> list[Deb]:
        """Return each package's newest version in the index ``update`` fetched, in their order.

        Apt reads the whole index, which takes seconds, unless ``look_ahead`` had it look for them.

        Raises:
            OperationError: the suite has no such package.
        """
        if not self._found.keys() >= set(packages):
            answer = self._look(packages)
            if not self._found.keys() >= set(packages):
                raise self._failed(answer)
        return [self._found[package] for package in packages]

    def look_ahead(self, packages: Iterable[str]) -> None:
        """Have apt read the index once for all these packages, whose ``candidates`` are asked for.

        Where it cannot, ``candidates`` says so, of the packages that it is about.
        """
        with suppress(OperationError):
            self._look(packages)

    def _look(self, packages: Iterable[str]) -> process.Finished:
        answer = self._run(["apt-get", "-q", "--print-uris", "download", *packages], _nothing)
        self._found |= {deb.package: deb for deb in map(_deb, _CANDIDATE.finditer(answer.output))}
        return answer

    def dependency(self, package: str) -> str:
        """Return what a metapackage depends on, the first of it: a kernel of some version.

        Raises:
            OperationError: the suite has no such package, or it depends on nothing.
        """
        answer = self._run(["apt-cache", "show", "--no-all-versions", package], _nothing)
        found = _DEPENDS.search(answer.output)
        if found is None:
            raise OperationError(f"{package} depends on nothing in {self._own.source.suite}")
        return found["package"]

    def names(self, beginning: str) -> tuple[str, ...]:
        """Return the packages of the index whose names begin so, sorted."""
        answer = self._run(["apt-cache", "pkgnames", beginning], _nothing)
        return tuple(sorted(answer.output.split()))

    def release(self) -> bytes:
        """Return the suite's signed Release file, as ``update`` fetched it.

        Raises:
            OperationError: there is none.
        """
        for path in self._own.lists.glob("*Release"):
            return path.read_bytes()
        raise OperationError(
            f"{self._own.mirror.url}: {self._own.source.suite} has no Release file"
        )

    def keep(self, debs: Sequence[Deb]) -> None:
        """Remove every download that belongs to none of the packages."""
        wanted = {deb.file for deb in debs}
        for path in self.downloads.iterdir():
            if path.name not in wanted:
                path.unlink()

    def download(self, deb: Deb, tick: Callable[[int], None]) -> Path:
        """Fetch a package, going on where an earlier download stopped.

        Args:
            deb: what ``candidates`` gave.
            tick: called with the bytes on disk so far.

        Returns:
            The file, whose hash is the one in the signed index.

        Raises:
            OperationError: it cannot be fetched whole, or its hash is wrong.
        """
        target = self.downloads / deb.file

        def bounded() -> None:
            size = _size_of(target)
            if size > deb.size:
                raise OperationError(f"{deb.file} has more bytes than the {deb.size} announced")
            tick(size)

        command = [_HELPER, "download-file", deb.uri, str(target), f"SHA256:{deb.sha256}"]
        try:
            self._run(command, bounded)
        except OperationError:
            if _size_of(target) >= deb.size:  # shorter: good so far, to be resumed
                target.unlink()
            raise
        return target

    def _run(self, command: list[str], tick: Callable[[], None]) -> process.Finished:
        finished = process.run(command, tick=tick, cwd=self._own.path, env=self._own.environment)
        if finished.code != 0:
            raise self._failed(finished)
        return finished

    def _failed(self, finished: process.Finished) -> OperationError:
        lines = finished.errors.splitlines()
        marked = [line[2:] for line in lines if line[:2] in {"E:", "W:"} and _EMPTY not in line]
        marked = marked or lines[-1:]
        said = " ".join(dict.fromkeys(line.strip() for line in marked)) or "apt said nothing"
        if _DISK_FULL.search(said):
            said = said[:_LONGEST_DETAIL]
            return DiskFull(f"the disk of {self._own.path} is full: {said}; {see('full-disk')}")
        kind, cause = next((k, text) for pattern, k, text in _CAUSES if re.search(pattern, said))
        cause = cause.format(keyring=self._own.keyring, suite=self._own.source.suite)
        if len(said) > _LONGEST_DETAIL:
            said = f"{said[:_LONGEST_DETAIL]}…"
        return kind(f"{self._own.mirror.url}: {cause}: {said}; {see('mirror')}")


def _size_of(path: Path) -> int:
    """Bytes of a file or of all files below a folder; 0 where there is none."""
    files = path.rglob("*") if path.is_dir() else (path,)
    total = 0
    for file in files:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _deb(line: re.Match[str]) -> Deb:
    version, size = unquote(line["version"]), int(line["size"])
    return Deb(unquote(line["package"]), version, line["uri"], line["file"], size, line["sha256"])


def _nothing() -> None:
    """Take no notice."""
