"""The one path check: what is served, and that nothing else ever is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.answer.catalogue import MAX_NAME, Catalogue
from netboot.errors import NotServed
from netboot.model import Image, ImageFile


def image(name: str, *files: str) -> Image:
    held = {file: ImageFile(file, Path("/data", name, file), 1, "0" * 64) for file in files}
    return Image(name, "1", held)


IPXE = image("ipxe", "snponly.efi", "ipxe.efi", "arm64/snponly.efi", "undionly.kpxe")
DEBIAN = image("debian-12", "linux", "initrd.gz")
SIGNED = image("secure-boot", "sb/bootx64.efi", "sb/grubx64.efi")
CATALOGUE = Catalogue([IPXE, DEBIAN])
LONG = "a" * MAX_NAME

SERVED = {
    "snponly.efi": "/data/ipxe/snponly.efi",
    "/snponly.efi": "/data/ipxe/snponly.efi",
    "arm64/snponly.efi": "/data/ipxe/arm64/snponly.efi",
    "/arm64/snponly.efi": "/data/ipxe/arm64/snponly.efi",
    "images/ipxe/arm64/snponly.efi": "/data/ipxe/arm64/snponly.efi",
    "images/debian-12/linux": "/data/debian-12/linux",
    "/images/debian-12/initrd.gz": "/data/debian-12/initrd.gz",
}

NOT_SERVED = [
    "",
    "/",
    ".",
    "..",
    "linux",  # only iPXE's files are at the root
    "images",
    "images/",
    "images/debian-12",
    "images/debian-12/",
    "images/debian-12/linux/",
    "images/debian-12/nothing",
    "IMAGES/debian-12/linux",
    "SNPONLY.EFI",
    "//snponly.efi",
    "///etc/passwd",
    "/etc/passwd",
    "/data/debian-12/linux",
    "../data/debian-12/linux",
    "images/../snponly.efi",
    "images/debian-12/../debian-12/linux",
    "images/debian-12/./linux",
    "./snponly.efi",
    "images//debian-12/linux",
    "images/debian-12/linux\0",
    "snponly.efi\0.txt",
    "\\snponly.efi",
    "images\\debian-12\\linux",
    "..\\..\\etc\\passwd",
    "%2e%2e/etc/passwd",
    "%2fsnponly.efi",
    "images%2fdebian-12%2flinux",
    "snponly.efi\n",
    " snponly.efi",
    "snponly.efi ",
    "snponly.efi\x7f",
    "snponly\u2024efi",  # a letter that Unicode normalisation would turn into a dot
    "images/debian\u201012/linux",
    "\udcff",  # an undecodable byte as Python keeps it
    LONG,
    LONG + "a",
    "../" * 10_000,
]


@pytest.mark.parametrize("name", SERVED)
def test_served(name: str) -> None:
    assert CATALOGUE.find(name).path == Path(SERVED[name])


@pytest.mark.parametrize("name", ["sb/grubx64.efi", "/sb/grubx64.efi", "/sb//grubx64.efi"])
def test_shim_finds_grub_beside_it_also_by_two_slashes(name: str) -> None:
    assert Catalogue([SIGNED]).find(name).path == Path("/data/secure-boot/sb/grubx64.efi")
    with pytest.raises(NotServed):
        Catalogue([SIGNED]).find("sb///grubx64.efi")


def test_so_does_a_shim_of_a_person_s_own() -> None:
    """Started by UEFI HTTP Boot, it asks for what is beside it by two slashes as well."""
    own = Catalogue([image("ipxe-sb", "snponly.efi", "arm64/snponly.efi")])
    for name in ("images/ipxe-sb//snponly.efi", "/images/ipxe-sb/arm64//snponly.efi"):
        assert own.find(name)
    for name in ("images//ipxe-sb/snponly.efi", "//images/ipxe-sb/snponly.efi"):
        with pytest.raises(NotServed):
            own.find(name)


@pytest.mark.parametrize("name", NOT_SERVED)
def test_not_served(name: str) -> None:
    with pytest.raises(NotServed) as caught:
        CATALOGUE.find(name)
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 500


def test_a_name_may_be_as_long_as_the_limit_says() -> None:
    assert Catalogue([image("ipxe", LONG)]).find("/" + LONG)
    with pytest.raises(NotServed, match=f"longer than {MAX_NAME}"):
        Catalogue([image("ipxe", LONG + "a")]).find(LONG + "a")


def test_a_file_named_like_an_escape_is_never_served_even_if_an_image_had_one() -> None:
    hostile = Catalogue([image("ipxe", "../../etc/shadow", "a\\b", "a//b", "./a")])
    for name in hostile.names:
        with pytest.raises(NotServed):
            hostile.find(name)


def test_every_name_it_knows_can_be_asked_for() -> None:
    assert set(CATALOGUE.names) == {name.removeprefix("/") for name in SERVED} | {
        "ipxe.efi",
        "undionly.kpxe",
        "images/ipxe/snponly.efi",
        "images/ipxe/ipxe.efi",
        "images/ipxe/undionly.kpxe",
    }
    assert all(CATALOGUE.find(name) for name in CATALOGUE.names)


PIECES = st.sampled_from(
    ["..", ".", "/", "//", "\\", "%2e", "%2f", "\0", "images", "debian-12", "linux", "snponly.efi"]
)


@given(st.one_of(st.text(max_size=600), st.lists(PIECES, max_size=12).map("".join)))
def test_whatever_is_asked_the_answer_is_a_listed_file_or_no(name: str) -> None:
    try:
        file = CATALOGUE.find(name)
    except NotServed:
        assert name.removeprefix("/") not in CATALOGUE.names
    else:
        assert name.removeprefix("/") in CATALOGUE.names
        assert file in [*IPXE.files.values(), *DEBIAN.files.values()]
