"""Profiles as people write them: what ships works, what is wrong is told by file, key and value."""

import os
from pathlib import Path

import pytest

from netboot import resources
from netboot.answer.profiles import MAX_PROFILES, load_profiles, stamp
from netboot.model import Answer, AnswerKind, Profile

SHIPPED = load_profiles()
NAMES = [
    *("chain", "debian-12", "debian-13", "debian-13-arm64", "deploy", "fedora", "linux"),
    *("local", "memtest", "menu", "rescue", "sanboot", "ubuntu-24.04", "volume", "wipe"),
]
INSTALL = ["debian-12", "debian-13", "debian-13-arm64", "deploy", "fedora", "ubuntu-24.04"]
OWN = 'script = "ipxe/own.ipxe"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder of templates."""
    (tmp_path / "profiles").mkdir()
    return tmp_path


def own(*folders: Path) -> tuple[dict[str, Profile], list[str]]:
    """What the folders have beside what ships, and what is reported."""
    reports: list[str] = []
    found = load_profiles(folders, reports.append)
    return {n: p for n, p in found.items() if SHIPPED.get(n) != p}, reports


def test_what_ships() -> None:
    assert list(SHIPPED) == NAMES
    assert [name for name in SHIPPED if SHIPPED[name].installs] == INSTALL
    assert [name for name in SHIPPED if SHIPPED[name].wipes] == ["wipe"]
    assert SHIPPED["debian-12"].image == "debian-12"
    assert SHIPPED["debian-12"].vars["suite"] == "bookworm"
    assert SHIPPED["debian-13"].vars["suite"] == "trixie"
    assert SHIPPED["local"].image is None
    assert SHIPPED["local"].answer is None


@pytest.mark.parametrize("profile", SHIPPED.values(), ids=SHIPPED)
def test_what_ships_names_templates_that_ship(profile: Profile) -> None:
    assert profile.description
    assert (resources.TEMPLATES / profile.script).is_file()
    assert profile.answer is None or (resources.TEMPLATES / profile.answer.template).is_file()
    assert profile.image is None or (resources.IMAGES / f"{profile.image}.toml").is_file()


def test_a_file_is_a_profile_by_its_name(folder: Path) -> None:
    (folder / "profiles" / "lab.toml").write_text(
        'script = "ipxe/debian.ipxe"\nimage = "debian-12"\n[vars]\nkeymap = "de"\n'
    )
    (folder / "profiles" / "notes.txt").write_text("no profile")
    lab = Profile("lab", "ipxe/debian.ipxe", image="debian-12", vars={"keymap": "de"})
    assert own(folder) == ({"lab": lab}, [])
    assert list(load_profiles([folder])) == sorted([*NAMES, "lab"])


def test_the_first_folder_that_has_a_name_wins_and_what_ships_comes_last(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place, names in ((first, ["lab"]), (second, ["lab", "local"])):
        (place / "profiles").mkdir(parents=True)
        for name in names:
            (place / "profiles" / f"{name}.toml").write_text(f'script = "{place.name}.ipxe"')
    found, _ = own(first, second)
    assert {name: profile.script for name, profile in found.items()} == {
        "lab": "first.ipxe",
        "local": "second.ipxe",
    }


def test_every_key_there_is(folder: Path) -> None:
    (folder / "profiles" / "lab.toml").write_text(
        """
        description = "Everything"
        script = "ipxe/linux.ipxe"
        image = "own"
        installs = true
        kernel = "vmlinuz"
        initrds = ["initrd", "http://192.0.2.9/{{ vars.more }}"]
        args = '''quiet
          splash'''
        [answer]
        kind = "nocloud"
        file = "answers/own.yaml"
        [vars]
        more = "drivers.gz"
        """
    )
    lab = Profile(
        "lab",
        "ipxe/linux.ipxe",
        image="own",
        answer=Answer(AnswerKind.NOCLOUD, "answers/own.yaml"),
        installs=True,
        kernel="vmlinuz",
        initrds=("initrd", "http://192.0.2.9/{{ vars.more }}"),
        args="quiet\n          splash",
        description="Everything",
        vars={"more": "drivers.gz"},
    )
    assert own(folder) == ({"lab": lab}, [])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "script: is missing"),
        ('script = "a"\nimgae = "x"', "imgae: is no known key; allowed here: script, image,"),
        ('script = "a"\n[vars]\nPort = "1"', "vars"),
        ('script = "a"\n[vars]\nport = 1', "vars"),
        ("script = 1", "script = 1: "),
        ('script = "../etc/passwd"', 'script = "../etc/passwd": '),
        ('script = "/etc/passwd"', 'script = "/etc/passwd": '),
        ('script = "ipxe/../x"', 'script = "ipxe/../x": '),
        ('script = "ipxe//x"', 'script = "ipxe//x": '),
        (
            'script = "a"\npreseed = "b"',
            "preseed: is no known key; allowed here: script, image, answer",
        ),
        ('script = "a"\n[answer]\nkind = "yaml"', "answer.file: is missing"),
        (
            'script = "a"\n[answer]\nkind = "yaml"\nfile = "b"',
            'answer.kind = "yaml": must be "preseed" or "kickstart" or "nocloud" or "ignition"',
        ),
        ('script = "a"\n[answer]\nkind = "preseed"\nfile = "b\\\\c"', "answer.file = "),
        ('script = "a"\ninstalls = "yes"', 'installs = "yes": must be true or false'),
        ('script = "a"\ninstalls = true\nwipes = true', "wipes = true beside installs = true"),
        ('script = "a"\nkernel = ""', 'kernel = "": must be text matching '),
        ('script = "a"\ninitrds = "initrd"', 'initrds = "initrd": must be a list'),
        ('script = "a"\ninitrds = ["a b", "c\\nd"]', "initrds[1] = "),
        (f'script = "a"\ninitrds = {["x"] * 17}', "initrds = a list of 17: must be "),
        ('script = "a"\nargs = "café"', "args = "),
        ('script = "a"\nimage = "../x"', 'image = "../x": '),
        ('script = "a"\ndescription = "two\\nlines"', "description = "),
        ('script = "a"\ndescription = "' + "x" * 61 + '"', "description = "),
        ("script", "is not TOML: "),
    ],
)
def test_what_is_wrong_is_told_by_file_and_key_and_the_others_stay(
    folder: Path, text: str, told: str
) -> None:
    file = folder / "profiles" / "lab.toml"
    file.write_text(text)
    (folder / "profiles" / "other.toml").write_text(OWN)
    found, (line,) = own(folder)
    assert list(found) == ["other"]
    assert line.startswith(f"profile lab is left out: {file}: {told}")


def test_a_file_that_is_not_text(folder: Path) -> None:
    (folder / "profiles" / "lab.toml").write_bytes(b"script = '\xff'")
    _, (line,) = own(folder)
    assert "lab.toml: is not UTF-8" in line


@pytest.mark.parametrize("name", ["Lab", "-lab", "lab profile", "x" * 64, "lab\x1b"])
def test_a_name_no_menu_or_url_could_hold(folder: Path, name: str) -> None:
    (folder / "profiles" / f"{name}.toml").write_text(OWN)
    found, (line,) = own(folder)
    assert found == {}
    assert "named by a-z" in line
    assert line.startswith("profile ")


def test_a_broken_file_does_not_bring_the_shipped_one_of_its_name_back(folder: Path) -> None:
    (folder / "profiles" / "local.toml").write_text("script = 1")
    found = load_profiles([folder], lambda _: None)
    assert list(found) == [name for name in NAMES if name != "local"]


def test_a_folder_that_is_not_there_is_told_and_one_without_profiles_is_not(
    tmp_path: Path,
) -> None:
    assert own(tmp_path) == ({}, [])
    problem = "is no folder, so no template and no profile of it is used"
    assert own(tmp_path / "away") == ({}, [f"{tmp_path / 'away'}: {problem}"])
    assert stamp([tmp_path / "away"]) == stamp([])


def test_a_folder_of_something_else_is_left_out_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_PROFILES >= 1000
    monkeypatch.setattr("netboot.answer.profiles.MAX_PROFILES", 40)
    for number in range(41):
        (folder / "profiles" / f"p{number}.toml").write_text(OWN)
    problem = "has more than 40 profiles, so all of them are left out"
    assert own(folder) == ({}, [f"{folder / 'profiles'}: {problem}"])


def test_a_stamp_differs_after_every_change_and_only_then(folder: Path) -> None:
    file = folder / "profiles" / "lab.toml"

    def replaced() -> None:
        beside = file.with_suffix(".new")
        beside.write_text(OWN.replace("own", "two"))
        beside.rename(file)

    seen = [stamp([folder])]
    for change in (
        lambda: file.write_text(OWN),
        lambda: file.write_text(OWN + "\n"),
        lambda: os.utime(file, ns=(1, 1)),
        replaced,
        file.unlink,
    ):
        change()
        seen.append(stamp([folder]))
        assert stamp([folder]) == seen[-1]
    assert seen[0] == seen[-1]
    assert len(set(seen)) == len(seen) - 1


def test_a_profile_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SHIPPED["debian-12"].vars["suite"] = "sid"  # type: ignore[index]
