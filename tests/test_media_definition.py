"""Image definitions: those that ship, and what is said of a wrong one."""

from pathlib import Path

import pytest

from netboot.errors import ConfigError
from netboot.media.definition import definitions, known_only

GOOD = """\
title = "Tiny"
[source]
suite = "test"
component = "main"
package = "tiny"
architecture = "amd64"
[files]
"linux" = "/boot/linux"
"""


def test_the_images_that_ship() -> None:
    shipped = definitions()
    assert list(shipped) == sorted(shipped)
    assert {"debian-12", "debian-12-firmware", "debian-13", "ipxe"} <= set(shipped)
    for number, suite in ((12, "bookworm"), (13, "trixie")):
        image = shipped[f"debian-{number}"]
        assert image.source.suite == suite
        assert image.source.package == f"debian-installer-{number}-netboot-amd64"
        assert set(image.files) == {"linux", "initrd.gz"}
        assert all(f"/{number}/amd64/text/" in path for path in image.files.values())
        firmware = shipped[f"debian-{number}-firmware"]
        assert (firmware.source.suite, firmware.source.package) == (suite, None)
        assert firmware.firmware["firmware-realtek"] == ("rtl_nic/*",)
        assert {"firmware-bnx2", "firmware-bnx2x", "firmware-qlogic"} <= set(firmware.packages)
    assert shipped["secure-boot"].packages == (
        "shim-signed",
        "shim-helpers-amd64-signed",
        "grub-efi-amd64-signed",
        "python3-virt-firmware",
    )
    assert set(shipped["secure-boot-arm64"].taken["shim-signed"]) == {"sb/bootaa64.efi"}
    assert {"snponly.efi", "ipxe.efi", "undionly.kpxe", "arm64/ipxe.efi"} <= set(
        shipped["ipxe"].files
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "Tiny"', 'title = "Tiny"\nsiez = 1', "siez: is no known key"),
        ('suite = "test"', 'suit = "test"', "source.suit: is no known key"),
        ('title = "Tiny"\n', "", "title: is missing"),
        ('"test"', '"te st"', 'source.suite = "te st"'),
        ('"test"', r'"te\nst"', "source.suite = "),
        ('"test"', '"--help"', "source.suite = "),
        ('"/boot/linux"', '"boot/linux"', "files"),
        ('"/boot/linux"', "7", "files"),
        ('"linux"', '"../linux"', "files"),
        ('"linux"', '"manifest.json"', "files.manifest.json: is reserved"),
        ('[files]\n"linux" = "/boot/linux"', "[files]", "files"),
        ("[files]", '[files]\n"again" = "/boot/linux"', "is the same file as"),
        ("[files]", "[files", "is not TOML"),
        (
            '[files]\n"linux" = "/boot/linux"',
            "",
            "exactly one must say what is taken",
        ),
        ("[files]", "[firmware]\ntiny = ['x/*']\n[files]", "exactly one must say what is taken"),
        ("[files]", "[package.tiny]\nx = '/x'\n[files]", "exactly one must say what is taken"),
        ("[files]", "[firmware]\ntiny = ['/x']\n[files]", "firmware.tiny[0] = "),
        ("[files]", "[firmware]\ntiny = []\n[files]", "firmware.tiny = "),
        ('package = "tiny"\n', "", "source.package: names the package"),
        ('[files]\n"linux" = "/boot/linux"', "[firmware]\nx = ['y']", "source.package: names the"),
    ],
)
def test_a_wrong_definition_names_file_and_key(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(GOOD)
    assert list(definitions(tmp_path)) == ["tiny"]
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as refused:
        definitions(tmp_path)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


SEVERAL = """\
title = "Two packages"
[source]
suite = "test"
component = "main"
architecture = "amd64"
[package.one]
"sb/bootx64.efi" = "/usr/lib/one.efi"
[package.two]
"sb/grubx64.efi" = "/usr/lib/two.efi"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("/usr/lib/two.efi", "usr/lib/two.efi", "package.two"),
        ("sb/grubx64.efi", "manifest.json", "package.two.manifest.json: is reserved"),
        ("sb/grubx64.efi", "sb/bootx64.efi", "package.two.sb/bootx64.efi: is the name of a file"),
        ('"sb/grubx64.efi" = "/usr/lib/two.efi"', "", "package.two"),
        ("[source]", '[source]\npackage = "one"', "source.package: names the package"),
        ("[package.two]", '"again" = "/usr/lib/one.efi"\n[package.two]', "same file as sb/bootx"),
    ],
)
def test_files_of_several_packages(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "several.toml"
    path.write_text(SEVERAL)
    found = definitions(tmp_path)["several"]
    assert found.packages == ("one", "two")
    assert found.taken["two"] == {"sb/grubx64.efi": "/usr/lib/two.efi"}
    path.write_text(SEVERAL.replace(old, new))
    with pytest.raises(ConfigError) as refused:
        definitions(tmp_path)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


def test_a_name_that_could_not_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "Ti ny.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match="an image's name is lower-case"):
        definitions(tmp_path)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'debian-1' is no known image; known: debian-12, debi"):
        known_only(["debian-12", "debian-1"], definitions())
