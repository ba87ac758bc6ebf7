"""Builds a system of its own from packages, as a disk image that is served like any other.

The image's files are ``disk.raw.zst``, the whole disk compressed, and ``disk.info``, two lines
about what it is uncompressed::

    size=1073741824
    sha256=9f86…

Built again of the same packages it is the same, byte for byte: times are the archive's,
identities are made of the image's name.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

from netboot import model
from netboot.config import Settings
from netboot.errors import ConfigError, OperationError
from netboot.media import bootdisk, bootstrap, library, mirror, tools
from netboot.media.apt import ARCHIVE_KEYRING, Apt
from netboot.media.bootdisk import Layout
from netboot.media.bootstrap import Archive
from netboot.media.definition import Build, definitions, known_only
from netboot.media.durations import Durations
from netboot.media.fetch import Outcome
from netboot.media.lock import BUILD, locked
from netboot.media.progress import Progress

DISK = "disk.raw.zst"
INFO = "disk.info"
_LEVEL = 3
"""Of zstd: twice the time of the next ones saves a hundredth."""

USUAL = {
    "reading the index": 3.0,
    "starting": 1.0,
    "downloading packages": 8.0,
    "installing the base system": 8.0,
    "downloading and installing packages": 60.0,
    "finishing the system": 1.0,
    "writing the file system": 12.0,
    "writing the boot loaders": 1.0,
    "compressing the disk": 6.0,
    "switching in": 1.0,
}
"""Seconds of each stage, in their order, until a build here has taken its own."""
_DURATIONS = "{}.seconds"
"""File beside the lock: how long the stages of the image's last build took."""
_WORK = "work"
"""Folder beside the lock; nobody else has it while we hold the lock."""
_INFO = re.compile(r"size=(?P<size>[0-9]{1,15})\nsha256=(?P<sha256>[0-9a-f]{64})\n")
_FIELD = re.compile(rb"^(Version|Date): *(.*?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Info:
    """What a built image's disk is uncompressed: bytes, and their SHA-256 in hexadecimal."""

    size: int
    sha256: str


def info_of(image: model.Image) -> Info:
    """Read it.

    Raises:
        OperationError: the image has none: it was not built, or is broken.
    """
    try:
        found = _INFO.fullmatch(image.files[INFO].path.read_text("ascii"))
    except (KeyError, OSError, UnicodeDecodeError):
        found = None
    if found is None or DISK not in image.files:
        raise OperationError(f"{image.name} has no {DISK}, or is broken: build it again")
    return Info(int(found["size"]), found["sha256"])


def build(
    name: str, settings: Settings, progress: Progress, *, keyring: Path = ARCHIVE_KEYRING
) -> Outcome:
    """Build an image and switch it in; nothing is done where it is current and whole.

    Args:
        name: of a definition with ``build``.
        settings: say which mirror, and where images are kept.
        progress: called several times a second, with seconds of the whole, guessed by the last
            build here; what it raises cancels and is raised again.
        keyring: public keys, one of which must have signed the archive's Release file.

    Raises:
        ConfigError: the name is unknown or of an image that is not built, or no mirror is known.
        OperationError: it could not be done; what was there before is still served.
    """
    [definition] = known_only([name], definitions()).values()
    if definition.build is None:
        problem = f"{name} is not built but fetched: netboot image fetch {name}"
        raise ConfigError("command line", "", problem)
    tools.check()
    archive = Archive(definition.source, mirror.find(settings), keyring)
    images_dir = settings.images_dir
    if library.is_own(images_dir / name):
        problem = f"the files of {name} are your own; to have ours: netboot image remove {name}"
        raise ConfigError("command line", "", problem)
    with locked(images_dir, BUILD), _explained(name):
        durations = Durations(images_dir / BUILD / _DURATIONS.format(name), USUAL)
        return _Job(name, definition.build, archive, images_dir, progress, durations).run()


@dataclass(frozen=True, slots=True)
class _Release:
    """The archive a system is built of: its point release and the time it was made."""

    version: str
    made: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class _Job:
    """One image being built."""

    name: str
    build: Build
    archive: Archive
    images_dir: Path
    progress: Progress
    durations: Durations

    def say(self, doing: str) -> None:
        self.progress(f"{self.name}: {doing}", *self.durations.at(doing))

    def run(self) -> Outcome:
        image_dir = self.images_dir / self.name
        library.clean(image_dir)
        release = self._release()
        made_of = hashlib.sha256(release.digest.encode() + bootstrap.recipe(self.build))
        if self._is_current(made_of.hexdigest()):
            return Outcome(library.load(image_dir), changed=False)
        work_dir = self.images_dir / BUILD / _WORK
        with _emptied(work_dir) as work, library.staging(image_dir) as staged:
            entries = self._fill(staged, work, int(release.made.timestamp()))
            self.say("switching in")
            manifest = library.Manifest(
                image=self.name,
                version=f"{release.version}+{release.made:%Y%m%d}",
                package=" ".join((work / "packages").read_text().split()),
                suite=self.archive.source.suite,
                mirror=self.archive.mirror.url,
                deb_sha256=made_of.hexdigest(),
                fetched_at=datetime.now(UTC).replace(microsecond=0),
                files=entries,
            )
            library.switch(image_dir, staged, manifest)
        with contextlib.suppress(OSError):  # the image is there; the next one is guessed worse
            self.durations.keep()
        return Outcome(library.load(image_dir), changed=True)

    def _release(self) -> _Release:
        source = self.archive.source
        index = f"{source.suite}-{source.component}-{source.architecture}"
        apt = Apt(
            self.images_dir / BUILD / index, self.archive.mirror, source, self.archive.keyring
        )
        apt.update(lambda _bytes: self.say("reading the index"))
        signed = apt.release()
        fields = {key: value.decode("ascii", "replace") for key, value in _FIELD.findall(signed)}
        try:
            made = parsedate_to_datetime(fields[b"Date"])
        except (KeyError, ValueError):
            raise OperationError(f"the Release file of {source.suite} has no date") from None
        version = fields.get(b"Version", source.suite)
        return _Release(version, made, hashlib.sha256(signed).hexdigest())

    def _is_current(self, made_of: str) -> bool:
        """Whether what is on disk was built of the same, and is unharmed."""
        folder = library.current(self.images_dir / self.name)
        try:
            manifest = library.read_manifest(folder)
        except ConfigError:
            return False
        if manifest.deb_sha256 != made_of:
            return False
        self.say("checking the files on disk")
        return not library.check(folder, manifest)

    def _fill(self, staged: Path, work: Path, epoch: int) -> dict[str, library.Entry]:
        """Make the served files: the disk, compressed, and what it is uncompressed."""
        disk = work / "disk.raw"
        layout = Layout(self.name, self.build.size)
        bootdisk.partition(disk, layout)
        bootstrap.install(self.build, self.archive, layout, work, epoch, self.say)
        tick = partial(self.say, "writing the boot loaders")
        bootdisk.write_esp(disk, work / "esp", layout, epoch, tick)
        boot, core = ((work / name).read_bytes() for name in ("boot.img", "core.img"))
        bootdisk.write_bios_boot(disk, boot, core)
        return self._packed(disk, staged)

    def _packed(self, disk: Path, staged: Path) -> dict[str, library.Entry]:
        target = staged / DISK
        command = ["zstd", "-q", f"-{_LEVEL}", "-T0", "--no-progress", str(disk), "-o", str(target)]
        tools.run(command, cwd=staged, tick=partial(self.say, "compressing the disk"))
        target.chmod(0o644)
        size = disk.stat().st_size
        info = staged / INFO
        info.write_text(f"size={size}\nsha256={library.digest(disk)}\n")
        info.chmod(0o644)
        return {
            path.name: library.Entry(library.digest(path), path.stat().st_size, library.BUILT)
            for path in (target, info)
        }


@contextlib.contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """Lend an empty folder; nothing of it stays, nor of one a killed build left."""
    tools.remove(folder)
    folder.mkdir(mode=0o755)
    try:
        yield folder.absolute()
    finally:
        tools.remove(folder)


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except OperationError as error:
        raise type(error)(f"{name}: {error}") from None
    except OSError as error:
        raise OperationError(f"{name}: {library.trouble(error)}") from None
