"""Fetches images: ask the signed index, download, unpack, switch.

Every step leaves the old version current until the new one is whole and on disk, so a fetch
may be cut off anywhere; the next one resumes the download and cleans up the rest.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from netboot import model
from netboot.config import Settings
from netboot.errors import ConfigError, OperationError
from netboot.media import firmware, library, mirror, ramdisk, springboard
from netboot.media.apt import ARCHIVE_KEYRING, Apt, Deb, DiskFull
from netboot.media.definition import FIRMWARE, Definition, Source, definitions, known_only
from netboot.media.lock import WORK, locked
from netboot.media.progress import Progress
from netboot.media.unpack import unpack


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one image; ``changed`` is False where it was already current and whole."""

    image: model.Image
    changed: bool


def fetch(
    names: Sequence[str],
    settings: Settings,
    progress: Progress,
    *,
    keyring: Path = ARCHIVE_KEYRING,
) -> list[model.Image]:
    """Fetch the named images, each verified and switched in as soon as it is whole.

    Args:
        names: names of definitions.
        settings: say which mirror, and where images are kept.
        progress: called several times a second; what it raises cancels and is raised again.
        keyring: public keys, one of which must have signed the archive's Release file.

    Returns:
        The images in the order of ``names``, also those that were already current.

    Raises:
        ConfigError: a name is unknown or a user's own image, or no mirror is known.
        OperationError: it could not be done; says what and why. Images before it are in place.
    """
    return [outcome.image for outcome in each(names, settings, progress, keyring=keyring)]


def each(
    names: Sequence[str],
    settings: Settings,
    progress: Progress,
    *,
    keyring: Path = ARCHIVE_KEYRING,
) -> Iterator[Outcome]:
    """Do what ``fetch`` does, image by image."""
    known = known_only(names, definitions())
    _refuse_built(known)
    found = mirror.find(settings)
    work = settings.images_dir / WORK
    ready: dict[Path, Apt] = {}
    with locked(settings.images_dir):
        _refuse_own(settings.images_dir, known)
        for name, definition in known.items():
            source = definition.source
            index = work / _index_of(source)
            job = _Job(name, definition, found.url, settings.images_dir / name, progress)
            with _explained(name, work):
                if index not in ready:
                    apt = Apt(index, found, source, keyring)
                    apt.update(partial(job.say, f"reading the index of {source.suite}"))
                    ready[index] = apt
                    apt.look_ahead(_asked_of(_index_of(source), known.values()))
                outcome = job.run(ready[index])
            yield outcome


def _index_of(source: Source) -> str:
    """What the folder of a source's index is called."""
    return f"{source.suite}-{source.component}-{source.architecture}"


def _asked_of(index: str, known: Iterable[Definition]) -> tuple[str, ...]:
    """Every package that images take from an index, as far as its name is known."""
    return tuple(
        package
        for definition in known
        if _index_of(definition.source) == index
        for package in definition.packages[0 if definition.ramdisk is None else 1 :]
    )


def _refuse_built(known: Mapping[str, Definition]) -> None:
    for name, definition in known.items():
        if definition.build is not None:
            problem = f"{name} is not fetched but built: netboot image build {name}"
            raise ConfigError("command line", "", problem)


def _refuse_own(images_dir: Path, names: Iterable[str]) -> None:
    for name in names:
        if library.is_own(images_dir / name):
            problem = f"the files of {name} are your own; to have ours: netboot image remove {name}"
            raise ConfigError("command line", "", problem)


@dataclass(frozen=True, slots=True)
class _Job:
    """One image being fetched."""

    name: str
    definition: Definition
    mirror: str
    image_dir: Path
    progress: Progress

    def say(self, doing: str, done: int, total: int | None = None) -> None:
        self.progress(f"{self.name}: {doing}", done, total)

    def run(self, apt: Apt) -> Outcome:
        library.clean(self.image_dir)
        debs = apt.candidates(self._packages(apt))
        if self._is_current(debs):
            return Outcome(library.load(self.image_dir), changed=False)
        apt.keep(debs)
        self._switch_in(debs, self._download(apt, debs))
        apt.keep([])
        return Outcome(library.load(self.image_dir), changed=True)

    def _packages(self, apt: Apt) -> tuple[str, ...]:
        """What is downloaded; in the place of a kernel's metapackage the one it depends on."""
        packages = self.definition.packages
        if self.definition.ramdisk is None:
            return packages
        return (apt.dependency(packages[0]), *packages[1:])

    def _is_current(self, debs: Sequence[Deb]) -> bool:
        """Whether what is on disk is of these packages, with the files we want, unharmed."""
        folder = library.current(self.image_dir)
        try:
            manifest = library.read_manifest(folder)
        except ConfigError:
            return False
        members = {name: entry.member for name, entry in manifest.files.items()}
        wanted = _members(self.definition)
        if manifest.deb_sha256 != _digest(debs) or members != wanted:
            return False
        self.say("checking the files on disk", 0)
        return not library.check(folder, manifest)

    def _download(self, apt: Apt, debs: Sequence[Deb]) -> dict[str, Path]:
        """Fetch the packages: name → file, as the signed index says it is."""
        total, before = sum(deb.size for deb in debs), 0
        files: dict[str, Path] = {}
        for deb in debs:
            files[deb.package] = self._download_one(apt, deb, before, total)
            before += deb.size
        return files

    def _download_one(self, apt: Apt, deb: Deb, before: int, total: int) -> Path:
        doing = f"downloading {deb.version}"
        file = apt.download(deb, lambda done: self.say(doing, before + done, total))
        if library.digest(file) != deb.sha256:
            file.unlink()
            raise OperationError(f"{deb.file} changed on disk after it was verified")
        return file

    def _switch_in(self, debs: Sequence[Deb], files: Mapping[str, Path]) -> None:
        with library.staging(self.image_dir) as staged:
            entries = self._fill(staged, files)
            self.say("switching in", 0)
            library.switch(self.image_dir, staged, self._manifest(debs, entries))

    def _fill(self, staged: Path, files: Mapping[str, Path]) -> dict[str, library.Entry]:
        wanted, tick = self.definition.firmware, partial(self.say, "unpacking")
        if wanted:
            return {FIRMWARE: firmware.build(files, wanted, staged / FIRMWARE, tick)}
        if self.definition.springboard:
            return springboard.build(files, self.definition.springboard, staged, tick)
        if self.definition.ramdisk is not None:
            return ramdisk.build(files, self.definition.ramdisk, staged, tick)
        entries: dict[str, library.Entry] = {}
        for package, members in self.definition.taken.items():
            before = sum(entry.size for entry in entries.values())
            entries |= unpack(files[package], members, staged, partial(_beyond, tick, before))
        return entries

    def _manifest(self, debs: Sequence[Deb], entries: dict[str, library.Entry]) -> library.Manifest:
        return library.Manifest(
            image=self.name,
            version=debs[0].version,
            package=_named(debs),
            suite=self.definition.source.suite,
            mirror=self.mirror,
            deb_sha256=_digest(debs),
            fetched_at=datetime.now(UTC).replace(microsecond=0),
            files=entries,
        )


def _beyond(tick: Callable[[int], None], before: int, done: int) -> None:
    tick(before + done)


def _members(definition: Definition) -> dict[str, str]:
    """Served name → what the manifest of an image so made says the file is."""
    if definition.firmware:
        return {FIRMWARE: firmware.recipe(definition.firmware)}
    if definition.springboard:
        return springboard.members(definition.springboard)
    if definition.ramdisk is not None:
        return ramdisk.made_as(definition.ramdisk)
    return {name: member for files in definition.taken.values() for name, member in files.items()}


def _named(debs: Sequence[Deb]) -> str:
    if len(debs) == 1:
        return debs[0].package
    return " ".join(f"{deb.package}={deb.version}" for deb in debs)


def _digest(debs: Sequence[Deb]) -> str:
    if len(debs) == 1:
        return debs[0].sha256
    return hashlib.sha256("".join(f"{deb.sha256}\n" for deb in debs).encode()).hexdigest()


@contextmanager
def _explained(name: str, work: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line, and give back what we took of it."""
    try:
        yield
    except DiskFull as error:
        _give_back(work)
        raise OperationError(f"{name}: {error}") from None
    except OperationError as error:
        raise type(error)(f"{name}: {error}") from None
    except OSError as error:
        if error.errno in library.FULL:
            _give_back(work)
        raise OperationError(f"{name}: {library.trouble(error)}") from None


def _give_back(work: Path) -> None:
    """Remove all apt keeps between runs; the lock, which we hold, stays."""
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
