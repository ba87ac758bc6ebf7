"""Whether firmware with Microsoft's keys starts our chain: shim, GRUB, the kernel.

::

    firmware ──Microsoft's keys──▶ shim ──its vendor's key, SBAT──▶ GRUB ──the same──▶ kernel

Nothing here starts anything or trusts anything: firmware, shim and GRUB judge for themselves. This
tells beforehand what they will say, so that no machine is sent to what it would refuse.
"""

import functools
import re
from collections.abc import Iterable, Mapping

from cryptography import x509

from netboot.answer.catalogue import AT_ROOT, SECURE_BOOT
from netboot.clients import KINDS
from netboot.errors import OperationError
from netboot.model import Image, ImageFile
from netboot.secure_boot import pe, sbat, signature

MAX_JUDGED = 256
"""Files whose judgement is kept: until one has another digest, it is not looked at again."""

_SHIM = re.compile(r"sb/boot(?P<cpu>[a-z0-9]+)\.efi")
_MICROSOFT = re.compile(r"microsoft-.*\.pem")

Judged = Mapping[str, str]
"""Catalogue name → why firmware with Secure Boot would not come to start it, as the rest of a
sentence about it; "" where it would."""
UNDER_WAY: Judged = {
    kind.signed: "is still being checked" for kind in KINDS.values() if kind.signed
}
"""What is known before anything was judged."""
_Certificates = tuple[x509.Certificate, ...]
_Least = tuple[tuple[str, int], ...]


def judge(images: Iterable[Image]) -> Judged:
    """Look at every boot program there is; at nothing where no image of shim is fetched.

    Takes some hundredths of a second for each file that was not looked at before.
    """
    held = tuple(images)
    chains = [image for image in held if image.name in SECURE_BOOT]
    if not chains:
        return {}
    microsoft: _Certificates = ()
    trusted: _Certificates = ()
    judged: dict[str, str] = {}
    for image in chains:
        own = _microsoft(image)
        microsoft += own
        for name, file in image.files.items():
            if found := _SHIM.fullmatch(name):
                beside = image.files.get(f"sb/grub{found['cpu']}.efi")
                judged[name] = _told(_chain_problem, file, beside, own)
                trusted += _vendor(file)
    for image in held:
        for name, file in image.files.items():
            if image.name == AT_ROOT and name.endswith(".efi"):
                judged[name] = _told(_loader_problem, file, microsoft)
            elif image.name not in {AT_ROOT, *SECURE_BOOT} and _is_program(file):
                problem = _told(_program_problem, file, trusted + microsoft, ())
                judged[f"images/{image.name}/{name}"] = problem
    return judged


def _told(find: "functools._lru_cache_wrapper[str]", *arguments: object) -> str:
    """A problem, also where it is that nothing can be checked."""
    try:
        return find(*arguments)
    except OperationError as problem:
        return f"cannot be checked: {problem}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


@functools.lru_cache(MAX_JUDGED)
def _chain_problem(shim: ImageFile, grub: ImageFile | None, microsoft: _Certificates) -> str:
    """Why shim does not start, or does not start GRUB."""
    if not microsoft:
        return "has no certificates of Microsoft beside it, by which it could be checked"
    if problem := _loader_problem(shim, microsoft):
        return problem
    if grub is None:
        return "has no GRUB beside it"
    levels = pe.section(shim.path, sbat.LEVELS)
    try:
        by_itself, _latest = sbat.levels(levels or b"")
    except ValueError as error:
        return f"has revocations that cannot be read: {error}"
    own = sbat.generations(pe.section(shim.path, sbat.SECTION) or b"")
    if found := list(sbat.revoked(own, by_itself)):
        return f"is revoked: {'; '.join(found)}"
    problem = _program_problem(grub, _vendor(shim) + microsoft, tuple(by_itself.items()))
    return f"has a GRUB beside it that {problem}" if problem else ""


@functools.lru_cache(MAX_JUDGED)
def _loader_problem(file: ImageFile, microsoft: _Certificates) -> str:
    """Why firmware does not start a loader."""
    return _signature_problem(file, microsoft, "firmware with Secure Boot", "Microsoft")


@functools.lru_cache(MAX_JUDGED)
def _program_problem(file: ImageFile, trusted: _Certificates, least: _Least) -> str:
    """Why shim does not let a program start; one without SBAT only where none is needed."""
    names = " or ".join(dict.fromkeys(signature.name_of(one) for one in trusted)) or "nobody"
    if problem := _signature_problem(file, trusted, "shim", names):
        return problem
    said = pe.section(file.path, sbat.SECTION)
    if said is None:
        return "says nothing of its generations (SBAT), so shim refuses it" if least else ""
    found = list(sbat.revoked(sbat.generations(said), dict(least)))
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


def _vendor(shim: ImageFile) -> _Certificates:
    try:
        return signature.vendor_certificates(shim.path)
    except (OperationError, OSError):  # the judgement of shim itself says so
        return ()


def _microsoft(image: Image) -> _Certificates:
    found = []
    for name, file in image.files.items():
        if _MICROSOFT.fullmatch(name):
            try:
                found.append(x509.load_pem_x509_certificate(file.path.read_bytes()))
            except (OSError, ValueError):  # without any, nothing is served
                continue
    return tuple(found)


def _is_program(file: ImageFile) -> bool:
    try:
        return pe.is_pe(file.path)
    except OSError:
        return False
