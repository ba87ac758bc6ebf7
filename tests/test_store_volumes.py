"""Volumes in the store: as people write them, sealed, and one node's at most."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.control.entries import safe_in
from netboot.control.sealed import complaint, unopened
from netboot.errors import ConfigError, OperationError
from netboot.model import Mac, Node
from netboot.snapshot import decode, encode
from netboot.store.shapes import Conflict, Unknown
from netboot.store.store import Store
from netboot.store.volume_shapes import Kept, volume_change_of, volume_of, volume_shown

SECRET = "chap-5ecret-of-v1"  # noqa: S105 -- looked for where it must not be
TARGET = "iqn.2026-01.com.example:disk1"
V1 = {"name": "v1", "target": TARGET, "portal": "192.0.2.5"}
CHAP = {"chap_user": "n1", "chap_secret": SECRET}
SOURCE = "test"


class Site:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.safe = safe_in(folder)
        self.store = Store(url)
        for number in (1, 2):
            self.store.add(Node(f"n{number}", (Mac(f"52:54:00:00:00:0{number}"),), "volume"))

    def add(self, **more: Any) -> Kept:
        return self.store.add_volume(volume_of(V1 | more, self.safe, SOURCE), SOURCE)


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    found = Site(tmp_path / "data", database_url)
    yield found
    found.store.close()


def test_a_volume_is_kept_with_its_secret_sealed(site: Site) -> None:
    kept = site.add(**CHAP, port=3261, lun=2)
    assert kept == site.store.volume("v1") == site.store.volumes()[0]
    assert (kept.volume.portal, kept.volume.port, kept.volume.lun) == ("192.0.2.5", 3261, 2)
    assert kept.volume.chap_secret == ""
    assert kept.opened(site.safe()).chap_secret == SECRET
    assert SECRET not in repr(kept)
    assert SECRET not in repr(volume_shown(kept))
    site.store.close()
    files = [path for path in site.folder.iterdir() if path.name.startswith("netboot.db")]
    assert all(SECRET.encode() not in path.read_bytes() for path in files)


def test_another_key_opens_no_secret(site: Site, tmp_path: Path) -> None:
    kept = site.add(**CHAP)
    with pytest.raises(OperationError, match="does not open the CHAP secret of volume v1"):
        kept.opened(safe_in(tmp_path / "other")())


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ({"name": "V_1"}, "test: name = "),
        ({"target": "disk1"}, 'test: target = "disk1": must be an iSCSI name'),
        ({"portal": "a b"}, 'test: portal = "a b": must be a host name'),
        ({"port": 0}, "test: port = 0: must be a port: 1 to 65535"),
        ({"lun": 16_384}, "test: lun = 16384: must be a LUN: 0 to 16383"),
        ({"chap_user": "n1"}, "test: chap_secret: is missing"),
        ({"chap_secret": SECRET}, "test: chap_user: is missing"),
        ({"chap_user": "n 1", "chap_secret": SECRET}, "test: chap_user = "),
        ({"chap_user": "n1", "chap_secret": "short"}, "test: chap_secret: must have 12 to 255"),
        ({"node": "n1"}, "test: node: "),
    ],
)
def test_what_is_wrong_is_said_and_the_secret_is_not(
    site: Site, raw: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        volume_of(V1 | raw, site.safe, SOURCE)
    assert str(caught.value).startswith(line)
    assert SECRET not in str(caught.value)


def test_a_name_is_one_volumes_and_there_is_room_for_so_many(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add()
    with pytest.raises(Conflict, match="volume v1 is there already"):
        site.add()
    monkeypatch.setattr("netboot.store.volumes.MAX_VOLUMES", 1)
    with pytest.raises(ConfigError, match="there are 1 volumes; no more fit"):
        site.add(name="v2")


def test_a_volume_is_one_nodes_and_a_node_has_one(site: Site) -> None:
    site.add()
    site.add(name="v2")
    assert site.store.attach_volume("v1", "n1").node == "n1"
    version = site.store.version()
    site.store.attach_volume("v1", "n1")
    assert site.store.version() == version
    with pytest.raises(Conflict, match="volume v1 is attached to node n1; netboot volume detach"):
        site.store.attach_volume("v1", "n2")
    with pytest.raises(Conflict, match="node n1 has volume v1; netboot volume detach v1"):
        site.store.attach_volume("v2", "n1")
    with pytest.raises(Conflict, match="attached"):
        site.store.remove_volume("v1")
    assert site.store.attach_volume("v1", None).node is None
    assert site.store.volume_of("n1") is None
    site.store.remove_volume("v1")
    assert [kept.name for kept in site.store.volumes()] == ["v2"]


def test_who_is_not_there_is_unknown(site: Site) -> None:
    site.add()
    for ask in (
        lambda: site.store.attach_volume("v1", "n9"),
        lambda: site.store.attach_volume("v9", "n1"),
        lambda: site.store.attach_volume("v9", None),
        lambda: site.store.remove_volume("\x00"),
        lambda: site.store.volume_of("n9"),
    ):
        with pytest.raises(Unknown):
            ask()


def test_a_snapshot_has_what_is_attached_and_its_secret_where_it_is_asked_for(site: Site) -> None:
    site.add(**CHAP)
    assert site.store.snapshot().volumes == {}
    site.store.attach_volume("v1", "n1")
    assert site.store.snapshot().volumes["n1"].chap_secret == ""
    opened = site.store.snapshot(lambda kept: kept.opened(site.safe()))
    assert opened.volumes["n1"].chap_secret == SECRET
    assert decode(encode(opened)) == opened
    assert SECRET not in repr(opened)


def test_a_node_that_goes_leaves_its_volume(site: Site) -> None:
    site.add()
    site.store.attach_volume("v1", "n1")
    site.store.remove("n1")
    assert site.store.volume("v1").node is None


def test_a_change_says_a_node_or_none() -> None:
    assert volume_change_of({"node": "n1"}, SOURCE) == "n1"
    assert volume_change_of({"node": ""}, SOURCE) is None
    with pytest.raises(ConfigError, match="test: node: is missing"):
        volume_change_of({}, SOURCE)


def test_whose_secret_the_key_does_not_open_is_named(site: Site, tmp_path: Path) -> None:
    assert not any(unopened(site.store, tmp_path))
    site.add(**CHAP)
    found = unopened(site.store, tmp_path)  # no key was ever made there
    assert found == ([], ["v1"])
    assert complaint(found, tmp_path).startswith(
        f"{tmp_path}/bmc.key does not open the CHAP secrets of v1: put the one there"
    )
    assert not any(unopened(site.store, site.folder))
