"""Whether the installers that were fetched still fit the mirror.

A Debian installer brings the drivers of network cards; all others it loads from the mirror, as
installer packages (udebs) made for exactly its own kernel. Each point release brings a new kernel
and drops the udebs of an older one: an installer fetched before that stops with "No kernel modules
were found". Only the archive's signed index can tell, and it is asked here.
"""

import gzip
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from netboot.config import Settings
from netboot.errors import ConfigError, OperationError
from netboot.guide import see
from netboot.media import library, mirror
from netboot.media.apt import ARCHIVE_KEYRING, Apt, NotThere
from netboot.media.definition import Source
from netboot.media.patience import Patience

SILENCE = 2.0
"""Seconds the mirror may say nothing: it is asked before serving begins."""
TIME = 6.0
"""Seconds it gets for all that is asked of one suite."""
LARGEST_INITRD = 1 << 30
"""Bytes of an unpacked initrd in which its kernel is looked for."""
MAX_SHOWN = 4
"""Kernels named in a sentence."""

_COMPONENT = "main/debian-installer"
_PACKAGE = re.compile(r"debian-installer-.+-netboot-(?P<architecture>[a-z0-9]+)")
_MODULES = re.compile(r".+-modules-(?P<kernel>\d.*)-di")
_IN_INITRD = re.compile(rb"lib/modules/(?P<kernel>\d[0-9A-Za-z.+~-]{1,60})/")
_CHUNK = 1 << 16
_OVERLAP = 128
"""Bytes, more than the longest match has."""


class Fit(StrEnum):
    """How an installer and the mirror go together."""

    FITS = "fits"
    OUTDATED = "outdated"
    """The mirror no longer has modules for its kernel."""
    NO_INDEX = "no-index"
    """The mirror has no installer packages of the suite at all."""
    NO_UDEBS = "no-udebs"
    """The mirror names them, but does not have them."""
    UNKNOWN = "unknown"
    """The mirror could not be asked."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of one installer.

    Attributes:
        what: one sentence, without the image's name.
        cure: what to do, "" where there is nothing to do.
    """

    image: str
    fit: Fit
    what: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Installer:
    """A fetched installer: which kernel it has, and whose udebs fit that."""

    image: str
    kernel: str
    suite: str
    architecture: str


def judge(
    fetched: Sequence[Installer], settings: Settings, *, keyring: Path = ARCHIVE_KEYRING
) -> Iterator[Judgement]:
    """Compare installers with the mirror, which is asked nothing where there are none.

    A mirror that is away, or silent for ``SILENCE``, is asked no more.

    Args:
        fetched: what ``installers`` gave.
        settings: say which mirror.
        keyring: public keys, one of which must have signed the archive's Release file.
    """
    waiting = list(fetched)
    if not waiting:
        return
    try:
        found = mirror.find(settings)
        with tempfile.TemporaryDirectory(prefix="netboot-") as folder:
            while waiting:
                one = waiting[0]
                index = Path(folder, f"{one.suite}-{one.architecture}")
                apt = Apt(index, found, _source(one), keyring, once=True)
                yield _judge(one, found.url, apt)
                del waiting[0]
    except (ConfigError, OperationError, OSError) as problem:
        for one in waiting:
            yield Judgement(one.image, Fit.UNKNOWN, f"not compared with the mirror: {problem}")


def installers(images_dir: Path) -> list[Installer]:
    """List the fetched Debian installers, by the image's name; one that is broken is left out."""
    found = []
    for name in library.names(images_dir):
        folder = library.current(images_dir / name)
        try:
            manifest = library.read_manifest(folder)
            package = _PACKAGE.fullmatch(manifest.package)
            kernel = kernel_of(folder / "initrd.gz") if package else ""
        except (ConfigError, OSError, EOFError, zlib.error):  # whoever verifies says it
            continue
        if package and kernel:
            found.append(Installer(name, kernel, manifest.suite, package["architecture"]))
    return found


def kernel_of(initrd: Path) -> str:
    """Return the kernel an initrd's modules are for, as ``uname -r`` says it; "" for none.

    Raises:
        OSError: it cannot be read, or is not gzip.
        EOFError, zlib.error: it is cut off, or harmed.
    """
    before, size = b"", 0
    with gzip.open(initrd) as file:
        while size < LARGEST_INITRD and (chunk := file.read(_CHUNK)):
            if named := _IN_INITRD.search(before + chunk):
                return named["kernel"].decode()
            before, size = chunk[-_OVERLAP:], size + len(chunk)
    return ""


def _source(one: Installer) -> Source:
    return Source(suite=one.suite, component=_COMPONENT, architecture=one.architecture)


def _judge(one: Installer, url: str, apt: Apt) -> Judgement:
    say = partial(Judgement, one.image)
    elsewhere = "choose a mirror that has it: debian.mirror"
    patience = Patience(SILENCE, TIME)
    try:
        apt.update(patience.see)
        modules = _modules(apt)
    except NotThere:
        modules = {}
    if not modules:
        what = f"{url} has no installer packages of {one.suite}: the installer will stop there"
        return say(Fit.NO_INDEX, what, elsewhere)
    if one.kernel not in modules:
        there = ", ".join(sorted(modules)[-MAX_SHOWN:])
        what = (
            f"{url} has no modules for its kernel {one.kernel} any more, only for {there}: "
            'the installer will stop with "No kernel modules were found" '
            f"({see('no-kernel-modules-were-found')})"
        )
        return say(Fit.OUTDATED, what, f"netboot image fetch {one.image}")
    sample = min(apt.candidates(modules[one.kernel]), key=lambda deb: deb.size)
    try:
        apt.download(sample, patience.see)
    except NotThere:
        what = f"{url} names {sample.file} but does not have it: the installer will stop there"
        return say(Fit.NO_UDEBS, what, elsewhere)
    return say(Fit.FITS, f"{url} has modules for its kernel {one.kernel}")


def _modules(apt: Apt) -> dict[str, list[str]]:
    """Kernel → the packages with its modules."""
    found: dict[str, list[str]] = {}
    for name in apt.names(""):
        if match := _MODULES.fullmatch(name):
            found.setdefault(match["kernel"], []).append(name)
    return found
