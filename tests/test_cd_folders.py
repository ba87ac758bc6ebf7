"""Folders of CDs over HTTP, for BMCs that are told a folder and look for the ``.iso`` in it."""

import re
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from netboot.answer.catalogue import Catalogue
from netboot.answer.discs import path_of
from netboot.errors import NotServed
from netboot.media.springboard_layout import MEDIUM
from netboot.model import Image, ImageFile, Mac, Node
from tests.http_peer import FakePlane, serving
from tests.test_plane import KNOWN, UNKNOWN, Desk
from tests.test_springboard import GOOD, image

READS = 2_000
"""Ranged reads by which a BMC takes a CD."""
SECTOR = 2_048


def served(name: str) -> ImageFile:
    return ImageFile(name, Path("/") / name, 1, "0" * 64)


def test_an_images_cds_are_listed_and_nothing_else() -> None:
    names = ("live.iso", "boot.iso", "linux", "old/live.iso", "x.iso.sig")
    rescue = Image("rescue", "1", {name: served(name) for name in names})
    assert Catalogue([rescue]).discs("rescue") == ["boot.iso", "live.iso"]
    assert Catalogue([rescue]).discs("resc") == []


def test_a_machines_own_is_listed_as_its_url_has_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.plane.stock([image(tmp_path, GOOD)])
    (name,) = desk.plane.discs_of(KNOWN)
    assert name == MEDIUM
    assert path_of(Node("n1", (KNOWN,), "local"), KNOWN).endswith(f"/{name}")
    with pytest.raises(NotServed):
        desk.plane.discs_of(UNKNOWN)
    with pytest.raises(NotServed):
        desk.plane.discs_in("rescue")


def test_firmware_with_secure_boot_has_a_cd_of_its_own() -> None:
    node = Node("n1", (Mac("52:54:00:00:00:01"),), "local")
    assert path_of(node, node.macs[0]) == "/media/52-54-00-00-00-01/netboot.iso"
    secure = replace(node, secure_boot=True)
    assert path_of(secure, node.macs[0]) == "/media/52-54-00-00-00-01/netboot-secure.iso"


def test_a_bmc_finds_the_cd_in_its_folder_and_reads_it_over_one_connection(tmp_path: Path) -> None:
    plane = FakePlane()
    content = bytes(range(256)) * SECTOR
    plane.add("images/rescue/live.iso", tmp_path / "live.iso", content)
    plane.discs["rescue"] = ["live.iso"]
    with serving(plane) as server, closing(HTTPConnection("127.0.0.1", server.server.port)) as bmc:
        bmc.request("GET", "/images/rescue/")
        reply = bmc.getresponse()
        assert reply.headers["content-type"].startswith("text/html")
        (name,) = re.findall(r'<a href="([^"]+\.iso)">', reply.read().decode())
        bmc.request("HEAD", f"/images/rescue/{name}")
        reply = bmc.getresponse()
        reply.read()
        size = int(reply.headers["content-length"])
        assert (size, reply.headers["accept-ranges"]) == (len(content), "bytes")
        mine = bmc.sock
        for number in range(READS):
            start = number * SECTOR % size
            bmc.request(
                "GET",
                f"/images/rescue/{name}",
                headers={"Range": f"bytes={start}-{start + SECTOR - 1}"},
            )
            reply = bmc.getresponse()
            assert (reply.status, reply.read()) == (206, content[start : start + SECTOR])
        assert bmc.sock is mine
        bmc.request("GET", "/images/none/")
        assert bmc.getresponse().status == 404
