"""Where BMCs are told to read a machine's springboard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import ValidationError, convert

from netboot.answer.profiles import load_profiles
from netboot.answer.springboard import CHAIN, PLAIN, SECURE
from netboot.bmc.address import parse_address
from netboot.config import Settings
from netboot.control.planes import Planes
from netboot.control.springboards import Springboards
from netboot.control.supply import Fetch, Supply
from netboot.errors import BmcError, NotBootable
from netboot.frames import Counts
from netboot.media.library import CURRENT
from netboot.model import Mac, Node
from netboot.secure_boot.chain import Judged
from netboot.store.bmc_shapes import Bmc
from tests.fake_bmc import FakeBmc

NODE = Node("n1", (Mac("52:54:00:AA:bb:01".lower()),), "local")
HERE = Bmc(parse_address("redfish://127.0.0.1"))
"""A BMC that reaches us at 127.0.0.1."""
NOWHERE = Bmc(parse_address("redfish://bmc.invalid"))
HANDS = FakeBmc()
PATH = "media/52-54-00-aa-bb-01/netboot.iso"


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder with the images that CDs are made of."""
    for image in (PLAIN, SECURE):
        (tmp_path / "images" / image / CURRENT).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def springboards(
    *, serves: bool = True, fetch: Fetch | None = None, **settings: Any
) -> Springboards:
    planes = Planes()
    if serves:
        planes.came("boot")
        planes.told("boot", Counts({}, {}, 0, {"eth0": "10.77.0.2"}, {}))
    site = convert({"server": {"data_dir": "."}} | settings, Settings)
    return Springboards(site, planes, load_profiles, Supply(site, fetch))


@pytest.mark.parametrize(
    ("bmc", "http", "host"),
    [
        (HERE, {}, "127.0.0.1:8080"),
        (HERE, {"port": 80}, "127.0.0.1:80"),
        (NOWHERE, {}, "10.77.0.2:8080"),
        (HERE, {"advertise": "192.0.2.7"}, "192.0.2.7:8080"),
    ],
)
def test_it_is_our_http_as_the_bmc_reaches_it(bmc: Bmc, http: dict[str, Any], host: str) -> None:
    assert springboards(http=http).url(NODE, bmc, HANDS) == f"http://{host}/{PATH}"


def test_without_a_boot_program_a_mac_or_the_image_there_is_none(tmp_path: Path) -> None:
    assert springboards(serves=False).url(NODE, HERE, HANDS) is None
    assert springboards().url(Node("n2", (), "local"), HERE, HANDS) is None
    (tmp_path / "images" / PLAIN / CURRENT).rmdir()
    assert springboards().url(NODE, HERE, HANDS) is None
    assert springboards().url(replace(NODE, secure_boot=True), HERE, HANDS) is not None


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What firmware says of loaders."""
    loaders = dict.fromkeys(("sb/bootx64.efi", "sb/bootaa64.efi", "own.efi"), "")
    monkeypatch.setattr("netboot.control.springboards.judge", lambda _images: Judged(loaders))
    return loaders


def test_http_boot_of_a_machine_with_secure_boot_loads_shim_as_machines_reach_it(
    judged: dict[str, str],
) -> None:
    marked = replace(NODE, secure_boot=True)
    assert springboards().loader(marked) == "http://10.77.0.2:8080/sb/bootx64.efi"
    assert springboards().loader(replace(marked, loader="own.efi")) == (
        "http://10.77.0.2:8080/own.efi"
    )
    told = springboards(http={"advertise": "192.0.2.7"}).loader(marked)
    assert told == "http://192.0.2.7:8080/sb/bootx64.efi"
    assert springboards().loader(NODE) is None
    assert springboards(serves=False).loader(marked) is None
    judged["sb/bootx64.efi"] = "is revoked"
    with pytest.raises(BmcError, match=r"n1 is marked secure_boot, but sb/bootx64\.efi is revoked"):
        springboards().loader(marked)


def test_what_a_machine_would_not_start_from_has_no_url(judged: dict[str, str]) -> None:
    marked = replace(NODE, secure_boot=True)
    assert springboards().url(marked, HERE, HANDS) is not None
    judged[CHAIN] = "is revoked"
    assert springboards().url(NODE, HERE, HANDS) is not None
    with pytest.raises(NotBootable, match="image springboard-secure: its shim is revoked"):
        springboards().url(marked, HERE, HANDS)
    with pytest.raises(NotBootable, match="profile debian-13-arm64 is for arm64"):
        springboards().url(replace(NODE, profile="debian-13-arm64"), HERE, HANDS)


def test_one_that_is_fetched_just_now_is_judged_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = tmp_path / "images" / SECURE / CURRENT
    current.rmdir()

    def judge(_images: object) -> Judged:
        return Judged({CHAIN: "is revoked"} if current.exists() else {})

    monkeypatch.setattr("netboot.control.springboards.judge", judge)
    urls = springboards(fetch=lambda _image: current.mkdir())
    with pytest.raises(NotBootable, match="its shim is revoked"):
        urls.url(replace(NODE, secure_boot=True), HERE, HANDS)


@pytest.mark.usefixtures("judged")
def test_http_boot_of_an_arm64_machine_loads_the_shim_for_it() -> None:
    arm64 = replace(NODE, secure_boot=True, profile="debian-13-arm64")
    assert springboards().loader(arm64) == "http://10.77.0.2:8080/sb/bootaa64.efi"


NFS, CIFS = "nfs://10.78.0.5/netboot", "cifs://10.78.0.5/netboot/"


class WithoutHttp(FakeBmc):
    """A BMC that reads by other schemes."""

    def image_schemes(self) -> tuple[str, ...]:
        return ("nfs", "cifs")


@pytest.mark.parametrize(
    ("shares", "base"),
    [
        ({"nfs": NFS, "cifs": CIFS}, NFS),
        ({"cifs": CIFS}, CIFS.rstrip("/")),
        ({}, "http://127.0.0.1:8080"),
    ],
)
def test_a_bmc_that_reads_no_http_is_sent_to_a_share(shares: dict[str, str], base: str) -> None:
    urls = springboards(virtual_media=shares)
    assert urls.url(NODE, HERE, WithoutHttp()) == f"{base}/{PATH}"
    assert urls.url(NODE, HERE, HANDS) == f"http://127.0.0.1:8080/{PATH}"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        (
            "http://10.77.0.2:8080/images/rescue/live.iso",
            f"{NFS}/images/rescue/20261121/live.iso",
        ),
        ("http://127.0.0.1:8080/media/525400aabb01/x.iso", f"{NFS}/media/525400aabb01/x.iso"),
        ("http://127.0.0.1:8080/images/none/live.iso", None),
        ("http://127.0.0.1:8080/ipxe/525400aabb01", None),
        ("http://127.0.0.1:8081/images/rescue/live.iso", None),
        ("http://192.0.2.99:8080/images/rescue/live.iso", None),
        ("nfs://192.0.2.99/rescue.iso", None),
    ],
)
def test_an_image_of_ours_is_in_the_share_too(tmp_path: Path, url: str, read: str | None) -> None:
    (tmp_path / "images/rescue").mkdir()
    (tmp_path / "images/rescue/current").symlink_to("20261121")
    urls = springboards(virtual_media={"nfs": NFS})
    assert urls.readable(url, WithoutHttp()) == (read or url)
    assert urls.readable(url, HANDS) == url


@pytest.mark.parametrize("wrong", ["http://10.78.0.5/", "nfs://u:p@10.78.0.5/", "nfs:///x", "nfs"])
def test_a_share_is_a_url_of_its_scheme_without_a_user(wrong: str) -> None:
    with pytest.raises(ValidationError):
        convert({"virtual_media": {"nfs": wrong}}, Settings)
