"""Would machines with Secure Boot start what they are given?"""

from collections.abc import Iterable, Iterator
from functools import partial

from netboot.answer import grub
from netboot.clients import SIGNED_IMAGES
from netboot.doctor.context import Context, seen
from netboot.doctor.finding import Finding, Severity
from netboot.media import library
from netboot.model import Node
from netboot.secure_boot.chain import Judged, judge

_secure_boot = partial(Finding, "secure boot")


def check(context: Context) -> Iterable[Finding]:
    """Shim and GRUB, and the kernels of marked machines; nothing where neither is there."""
    judged = judge(library.installed(context.settings.images_dir, _silent))
    for name in sorted(judged.shims):
        yield _of_shim(name, judged.loaders[name])
    nodes = seen(context.records).snapshot.nodes_in_effect()
    marked = [node for node in nodes if node.secure_boot]
    yield from _for_ipxe(marked, context)
    yield from _kernels(marked, judged, context)


def _of_shim(name: str, problem: str) -> Finding:
    if problem:
        return _secure_boot(Severity.PROBLEM, f"{name} {problem}", _cure(name))
    return _secure_boot(Severity.OK, f"{name} and what is beside it are signed, and not revoked")


def _cure(name: str) -> str:
    if name in SIGNED_IMAGES:
        return f"netboot image fetch {SIGNED_IMAGES[name]}"
    return f"netboot image add {name.split('/')[1]} with the right files"


def _for_ipxe(marked: Iterable[Node], context: Context) -> Iterator[Finding]:
    """One finding for each node whose profile only iPXE starts."""
    for node in marked:
        profile = context.profiles.get(node.profile or "")
        if problem := grub.unstartable(node, profile):
            yield _secure_boot(Severity.PROBLEM, problem, f"netboot node set {node.name} --profile")
        elif profile is not None and profile.volume and not node.starts_ipxe:
            what = f"node {node.name} is marked secure_boot, and only its firmware can log in to"
            cure = f"netboot node iscsi {node.name} set, where its BMC can have it do so"
            yield _secure_boot(Severity.NOTICE, f"{what} its volume", cure)


def _kernels(marked: Iterable[Node], judged: Judged, context: Context) -> Iterator[Finding]:
    """One finding for each program of an image that a marked machine boots and would refuse."""
    told: set[str] = set()
    for node in marked:
        profile = context.profiles.get(node.profile or "")
        folder = "" if profile is None or profile.image is None else f"images/{profile.image}/"
        for name, problem in judged.kernels.items():
            if folder and name.startswith(folder) and problem and name not in told:
                told.add(name)
                cure = f"another profile for it; or netboot node set {node.name} --no-secure-boot"
                what = f"node {node.name} is marked secure_boot, and {name} {problem}"
                yield _secure_boot(Severity.PROBLEM, what, cure)


def _silent(_problem: str) -> None:
    """Take no notice: the check of images says it."""
