"""Profiles as people write them: what ships works, what is wrong is told by file, key and value."""

from pathlib import Path

import pytest

from netboot import resources
from netboot.answer.profiles import load_profiles
from netboot.errors import ConfigError
from netboot.model import Profile

SHIPPED = load_profiles()


def test_what_ships() -> None:
    assert list(SHIPPED) == ["debian-12", "debian-13", "local", "menu"]
    assert SHIPPED["debian-12"].image == "debian-12"
    assert SHIPPED["debian-12"].vars["suite"] == "bookworm"
    assert SHIPPED["debian-13"].vars["suite"] == "trixie"
    assert SHIPPED["local"].image is SHIPPED["local"].preseed is None


@pytest.mark.parametrize("profile", SHIPPED.values(), ids=SHIPPED)
def test_what_ships_names_templates_that_ship(profile: Profile) -> None:
    assert profile.description
    assert (resources.TEMPLATES / profile.script).is_file()
    assert profile.preseed is None or (resources.TEMPLATES / profile.preseed).is_file()


def test_a_file_is_a_profile_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        'script = "ipxe/debian.ipxe"\nimage = "debian-12"\n[vars]\nkeymap = "de"\n'
    )
    (tmp_path / "notes.txt").write_text("no profile")
    assert load_profiles(tmp_path) == {
        "lab": Profile("lab", "ipxe/debian.ipxe", image="debian-12", vars={"keymap": "de"})
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "script: is missing"),
        ('script = "a"\nimgae = "x"', "imgae: is no known key; allowed here: script, image,"),
        ('script = "a"\n[vars]\nPort = "1"', "vars"),
        ('script = "a"\n[vars]\nport = 1', "vars"),
        ("script = 1", "script: = 1: "),
        ('script = "../etc/passwd"', 'script: = "../etc/passwd": '),
        ('script = "/etc/passwd"', 'script: = "/etc/passwd": '),
        ('script = "ipxe/../x"', 'script: = "ipxe/../x": '),
        ('script = "ipxe//x"', 'script: = "ipxe//x": '),
        ('script = "a"\npreseed = "b\\\\c"', "preseed: = "),
        ('script = "a"\nimage = "../x"', 'image: = "../x": '),
        ('script = "a"\ndescription = "two\\nlines"', "description: = "),
        ('script = "a"\ndescription = "' + "x" * 61 + '"', "description: = "),
        ("script", "is not TOML: "),
    ],
)
def test_what_is_wrong_is_told_by_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_profiles(tmp_path)
    assert str(caught.value).startswith(f"{file}: {told}")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_bytes(b"script = '\xff'")
    with pytest.raises(ConfigError, match=r"lab.toml: is not UTF-8"):
        load_profiles(tmp_path)


@pytest.mark.parametrize("name", ["Lab", "-lab", "lab profile", "x" * 64])
def test_a_name_no_menu_or_url_could_hold(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.toml").write_text('script = "a"')
    with pytest.raises(ConfigError, match="named by a-z"):
        load_profiles(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        load_profiles(tmp_path / "away")


def test_a_profile_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SHIPPED["debian-12"].vars["suite"] = "sid"  # type: ignore[index]
