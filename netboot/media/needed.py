"""Which images the machines could ask for now, and who asks."""

from collections.abc import Collection, Iterator, Mapping

from netboot.answer.catalogue import AT_ROOT
from netboot.answer.discs import image_of
from netboot.clients import KINDS, arch_of
from netboot.model import Profile
from netboot.policy import IGNORE, by_state
from netboot.snapshot import Snapshot

FIRMWARE_SUFFIX = "-firmware"
"""``debian-12-firmware`` is the firmware for what ``debian-12`` boots."""
FIRMWARE_VARIABLE = "firmware"
"""The variable of a node, group or profile that asks for it, by being ``true``."""


def needed(
    snapshot: Snapshot,
    profiles: Mapping[str, Profile],
    unknown: str,
    by_media: Collection[str] = (),
) -> dict[str, str]:
    """The images a boot could ask for now → who asks for each first, the loaders at the top.

    Args:
        snapshot: the nodes and their groups.
        profiles: by name.
        unknown: the profile of machines nobody registered, or ``ignore``.
        by_media: names of the nodes that may be started from a virtual CD of their BMC.
    """
    wanted = {AT_ROOT: "every machine begins with"}
    for node in snapshot.nodes_in_effect():
        if node.secure_boot:
            who = f"node {node.name}, which is marked secure_boot, begins with"
            kind = KINDS[arch_of(profiles.get(node.profile or ""))]
            wanted.setdefault(kind.signed_image, who)
    for node in snapshot.nodes_in_effect():
        if node.name in by_media:
            who = f"node {node.name}, where its network boot fails, begins with"
            wanted.setdefault(image_of(node), who)
    for name, own, who in _asking(snapshot, unknown):
        profile = profiles.get(name)
        if profile is None or profile.image is None:
            continue
        wanted.setdefault(profile.image, who)
        if {**profile.vars, **own}.get(FIRMWARE_VARIABLE) == "true":
            wanted.setdefault(profile.image + FIRMWARE_SUFFIX, who)
    return wanted


def _asking(snapshot: Snapshot, unknown: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
    """Profile, variables of its own, and half a sentence, for each who asks."""
    for node in snapshot.nodes_in_effect():
        yield node.profile or "", node.vars, f"node {node.name} boots"
        if (instead := by_state(node.state)) is not None:
            yield instead, node.vars, f"node {node.name}, whose state is {node.state}, boots"
    if unknown != IGNORE:
        yield unknown, {}, "unknown machines boot"
