"""Which images are wanted, by whom."""

import pytest

from netboot.media.needed import needed
from netboot.model import Group, Mac, Node, Profile, State
from netboot.snapshot import Snapshot

MAC = (Mac("52:54:00:00:00:01"),)
PROFILES = {
    "debian-12": Profile("debian-12", "s", "debian-12"),
    "laptops": Profile("laptops", "s", "debian-13", vars={"firmware": "true"}),
    "local": Profile("local", "s"),
    "rescue": Profile("rescue", "s", "debian-13"),
    "arm": Profile("arm", "s", "debian-13-arm64"),
}
LOADERS = {"ipxe": "every machine begins with"}


@pytest.mark.parametrize(
    ("node", "groups", "unknown", "wanted"),
    [
        (Node("n1", MAC, "local"), (), "ignore", {}),
        (Node("n1", MAC, "gone"), (), "ignore", {}),
        (Node("n1", MAC, "debian-12"), (), "ignore", {"debian-12": "node n1 boots"}),
        (Node("n1", MAC, "local"), (), "debian-12", {"debian-12": "unknown machines boot"}),
        (Node("n1", MAC, "debian-12"), (), "debian-12", {"debian-12": "node n1 boots"}),
        (
            Node("n1", MAC, "debian-12", vars={"firmware": "true"}),
            (),
            "ignore",
            {"debian-12": "node n1 boots", "debian-12-firmware": "node n1 boots"},
        ),
        (
            Node("n1", MAC, None, {"rack": "a1"}),
            (Group("a1", {"rack": "a1"}, "laptops"),),
            "ignore",
            {"debian-13": "node n1 boots", "debian-13-firmware": "node n1 boots"},
        ),
        (
            Node("n1", MAC, "local", state=State.RESCUE),
            (),
            "ignore",
            {"debian-13": "node n1, whose state is rescue, boots"},
        ),
        (
            Node("n1", MAC, "local", secure_boot=True),
            (),
            "ignore",
            {"secure-boot": "node n1, which is marked secure_boot, begins with"},
        ),
        (
            Node("n1", MAC, "arm", secure_boot=True),
            (),
            "ignore",
            {
                "secure-boot-arm64": "node n1, which is marked secure_boot, begins with",
                "debian-13-arm64": "node n1 boots",
            },
        ),
        (
            Node("n1", MAC, "laptops", vars={"firmware": "false"}),
            (),
            "ignore",
            {"debian-13": "node n1 boots"},
        ),
    ],
)
def test_what_each_site_needs(
    node: Node, groups: tuple[Group, ...], unknown: str, wanted: dict[str, str]
) -> None:
    assert needed(Snapshot(1, (node,), groups), PROFILES, unknown) == LOADERS | wanted


@pytest.mark.parametrize(
    ("node", "image"),
    [
        (Node("n1", MAC, "local"), "springboard"),
        (Node("n1", MAC, "local", secure_boot=True), "springboard-secure"),
    ],
)
def test_a_machine_with_virtual_media_may_begin_with_a_cd(node: Node, image: str) -> None:
    site = Snapshot(1, (node,))
    why = "node n1, where its network boot fails, begins with"
    assert needed(site, PROFILES, "ignore", {"n1"})[image] == why
    assert image not in needed(site, PROFILES, "ignore", {"n2"})
