"""Whether firmware with Microsoft's keys starts our chain: shim, what is beside it, the kernel.

::

    firmware ──Microsoft's keys──▶ shim ──its vendor's key, SBAT──▶ GRUB ──the same──▶ kernel

The shim of iPXE's project starts an iPXE, which then asks one of ours about the kernel.

Nothing here starts anything or trusts anything: firmware, shim and GRUB judge for themselves. This
tells beforehand what they will say, so that no machine is sent to what it would refuse.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cryptography import x509

from netboot.answer.catalogue import AT_ROOT, SECURE_BOOT
from netboot.clients import KINDS
from netboot.errors import OperationError
from netboot.model import SIGNED_FOLDER, Image, ImageFile
from netboot.secure_boot import pe, sbat, signature

MAX_JUDGED = 256
"""Files whose judgement is kept: until one has another digest, it is not looked at again."""

_OURS = f"{SIGNED_FOLDER}boot"
"""How the names of the shims we fetch begin."""
_SHIM = re.compile(r"(?:(?P<second>.+)-shim|shim|boot)(?P<cpu>[a-z0-9]*)\.efi")
"""What shims are called; iPXE's finds out by its own name what it is to start."""
_MICROSOFT = re.compile(r"microsoft-.*\.pem")
_Certificates = tuple[x509.Certificate, ...]


class _Demands(NamedTuple):
    """What a shim asks of a program.

    Attributes:
        trusted: one of these has signed it.
        least: the generations it is of at least.
        refused: the digests of programs that are not started, whoever signed them.
    """

    trusted: _Certificates
    least: tuple[tuple[str, int], ...]
    refused: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Judged:
    """Catalogue name → why it would not be started, as the rest of a sentence; "" where it would.

    Attributes:
        loaders: by firmware; and a shim must start what is beside it.
        kernels: by GRUB, or by iPXE, which ask one of the shims we fetch.
        shims: which of the loaders are shims.
    """

    loaders: Mapping[str, str] = field(default_factory=dict)
    kernels: Mapping[str, str] = field(default_factory=dict)
    shims: frozenset[str] = frozenset()

    def problems(self) -> Iterator[tuple[str, str]]:
        """What no machine would start of what is there to be started."""
        for name in sorted(self.shims):
            if problem := self.loaders[name]:
                yield name, problem
        for name, problem in self.kernels.items():
            if problem:
                yield name, problem


UNDER_WAY = Judged(
    {kind.signed: "is still being checked" for kind in KINDS.values() if kind.signed}
)
"""What is known before anything was judged."""


def judge(images: Iterable[Image]) -> Judged:
    """Look at every boot program there is; at nothing where no image of shim is fetched.

    Takes some hundredths of a second for each file that was not looked at before.
    """
    held = tuple(images)
    chains = [image for image in held if image.name in SECURE_BOOT]
    if not chains:
        return Judged()
    judgement = _Judgement(tuple(dict.fromkeys(one for each in chains for one in _microsoft(each))))
    for image in chains:
        judgement.add_ours(image)
    for image in held:
        if image.name == AT_ROOT:
            judgement.add_loaders(image)
        elif image.name not in SECURE_BOOT:
            judgement.add_programs(image)
    return judgement.judged()


class _Judgement:
    """What is found out of one image after the other; those of our shims come first."""

    def __init__(self, microsoft: _Certificates) -> None:
        self._microsoft = microsoft
        self._loaders: dict[str, str] = {}
        self._kernels: dict[str, str] = {}
        self._shims: set[str] = set()
        self._asked: list[ImageFile] = []
        """The good ones among our shims."""
        self._nobody = "needs a shim, and none is there"

    def judged(self) -> Judged:
        return Judged(self._loaders, self._kernels, frozenset(self._shims))

    def add_ours(self, image: Image) -> None:
        """Shims, and the GRUB beside each."""
        for name, file in image.files.items():
            if name.startswith(_OURS):
                self._add_shim(name, name, image)
                if problem := self._loaders[name]:
                    self._nobody = f"needs {name}, which {problem}"
                else:
                    self._asked.append(file)

    def add_loaders(self, image: Image) -> None:
        """What machines without Secure Boot begin with."""
        for name, file in image.files.items():
            if name.endswith(".efi"):
                self._loaders[name] = _told(_loader_problem, file, self._microsoft)

    def add_programs(self, image: Image) -> None:
        """Kernels, and shims that a person added, each with what it starts."""
        programs = {name: file for name, file in image.files.items() if _is(pe.is_pe, file)}
        shims = {name for name, file in programs.items() if _is(signature.is_shim, file)}
        seconds = {_second(image, name) for name in shims}
        for name, file in programs.items():
            served = f"images/{image.name}/{name}"
            if name in shims:
                self._add_shim(served, name, image)
                continue
            self._loaders[served] = _told(_loader_problem, file, self._microsoft)
            if file not in seconds:
                self._kernels[served] = self._kernel_problem(file)

    def _add_shim(self, served: str, name: str, image: Image) -> None:
        shim, second = image.files[name], _second(image, name)
        self._loaders[served] = _told(_chain_problem, shim, second, self._microsoft)
        self._shims.add(served)

    def _kernel_problem(self, file: ImageFile) -> str:
        if not self._asked:
            return self._nobody
        problems = [
            _told(_program_problem, file, _demands(shim, self._microsoft), may_say_nothing=True)
            for shim in self._asked
        ]
        return "" if "" in problems else problems[0]


def _second(image: Image, name: str) -> ImageFile | None:
    """What a shim starts: the program beside it that its name says, else iPXE or GRUB."""
    named = _SHIM.fullmatch(PurePosixPath(name).name)
    second = named["second"] if named else None
    cpu = named["cpu"] if named else ""
    wanted = [second] if second else [f"grub{cpu}", "ipxe"]
    beside = (str(PurePosixPath(name).with_name(f"{each}.efi")) for each in wanted)
    return next((image.files[each] for each in beside if each in image.files), None)


def _told(find: "functools._lru_cache_wrapper[str]", *about: object, **how: object) -> str:
    """A problem, also where it is that nothing can be checked."""
    try:
        return find(*about, **how)
    except OperationError as problem:
        return f"cannot be checked: {problem}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


@functools.lru_cache(MAX_JUDGED)
def _chain_problem(shim: ImageFile, second: ImageFile | None, microsoft: _Certificates) -> str:
    """Why shim does not start, or does not start what is beside it."""
    if not microsoft:
        return "has no certificates of Microsoft beside it, by which it could be checked"
    if problem := _loader_problem(shim, microsoft):
        return problem
    if second is None:
        return "has nothing beside it that it could start"
    try:
        demands = _demands(shim, microsoft)
    except ValueError as error:
        return f"has revocations that cannot be read: {error}"
    own = sbat.generations(pe.section(shim.path, sbat.SECTION) or b"")
    if found := list(sbat.revoked(own, dict(demands.least))):
        return f"is revoked: {'; '.join(found)}"
    problem = _program_problem(second, demands, may_say_nothing=False)
    return f"starts {PurePosixPath(second.name).name}, which {problem}" if problem else ""


@functools.lru_cache(MAX_JUDGED)
def _loader_problem(file: ImageFile, microsoft: _Certificates) -> str:
    """Why firmware does not start a loader."""
    return _signature_problem(file, microsoft, "firmware with Secure Boot", "Microsoft")


@functools.lru_cache(MAX_JUDGED)
def _program_problem(file: ImageFile, demands: _Demands, *, may_say_nothing: bool) -> str:
    """Why shim does not let a program start.

    Args:
        file: the program.
        demands: shim's.
        may_say_nothing: of its own generations, as kernels may that shim does not start itself.
    """
    named = dict.fromkeys(signature.name_of(one) for one in demands.trusted)
    names = " or ".join(named) or "nobody"
    if problem := _signature_problem(file, demands.trusted, "shim", names):
        return problem
    if demands.refused and pe.digest(file.path) in demands.refused:
        return "is revoked: shim names it among the programs that it starts no more"
    said = pe.section(file.path, sbat.SECTION)
    if said is None:
        return "" if may_say_nothing else "says nothing of its generations (SBAT)"
    found = list(sbat.revoked(sbat.generations(said), dict(demands.least)))
    return f"is revoked: {'; '.join(found)}" if found else ""


def _signature_problem(file: ImageFile, trusted: _Certificates, who: str, names: str) -> str:
    """Why ``who``, who trusts those of these ``names``, does not start a program."""
    claimed = signature.leading_to(file.path, trusted)
    if any(signature.is_good(file.path, one) for one in claimed):
        return ""
    signers = " and ".join(signature.signers(file.path))
    if claimed:
        return f"is not as it was when it was signed by {signers}"
    signed = f"signed by {signers}" if signers else "not signed"
    return f"is {signed}, and {who} starts what {names} signed"


@functools.lru_cache(MAX_JUDGED)
def _demands(shim: ImageFile, microsoft: _Certificates) -> _Demands:
    """What a shim asks by itself, before it is told of later revocations.

    Raises:
        ValueError: its revocations are in no form we know.
    """
    least, _latest = sbat.levels(pe.section(shim.path, sbat.LEVELS) or b"")
    trusted = signature.vendor_certificates(shim.path) + microsoft
    return _Demands(trusted, tuple(least.items()), signature.refused_digests(shim.path))


def _microsoft(image: Image) -> _Certificates:
    found = []
    for name, file in image.files.items():
        if _MICROSOFT.fullmatch(name):
            try:
                found.append(x509.load_pem_x509_certificate(file.path.read_bytes()))
            except (OSError, ValueError):  # without any, nothing is served
                continue
    return tuple(found)


def _is(kind: Callable[[Path], bool], file: ImageFile) -> bool:
    try:
        return kind(file.path)
    except (OperationError, OSError):
        return False
