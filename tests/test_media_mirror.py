"""Which mirror is chosen, asked of a real apt with sources of our own."""

from pathlib import Path

import pytest

from netboot import config
from netboot.errors import ConfigError
from netboot.media import mirror

UPDATES = "deb http://first.example/debian bookworm-updates main\n"
SECURITY = "deb http://security.example/debian-security bookworm-security main\n"
THIRD = (
    "deb [arch=amd64] https://third.example/linux/debian bookworm stable\n"
    "deb https://packages.example/apt bookworm main\n"
)
MAIN = "deb http://mirror.example/debian/ bookworm main contrib\n"
DEB822 = """\
Types: deb deb-src
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


@pytest.fixture
def apt_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the host's apt read sources from a folder of the test."""
    for inner in ("sources.list.d", "state/lists/partial", "cache"):
        (tmp_path / inner).mkdir(parents=True)
    keys = {
        "Dir::State": tmp_path / "state",
        "Dir::Cache": tmp_path / "cache",
        "Dir::Etc::sourcelist": tmp_path / "sources.list",
        "Dir::Etc::sourceparts": tmp_path / "sources.list.d",
    }
    (tmp_path / "apt.conf").write_text("".join(f'{key} "{keys[key]}";\n' for key in keys))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (MAIN, "http://mirror.example/debian"),
        (UPDATES + SECURITY + THIRD + MAIN, "http://mirror.example/debian"),
        (MAIN.replace("http:", "https:"), "https://mirror.example/debian"),
        (MAIN.replace("bookworm", "stable"), "http://mirror.example/debian"),
        (MAIN.replace("mirror.example", "mirror.example:3142/apt"), None),
    ],
)
def test_one_line_sources(sources: str, found: str | None, apt_dir: Path) -> None:
    (apt_dir / "sources.list").write_text(sources)
    expected = found or "http://mirror.example:3142/apt/debian"
    assert mirror.find(config.Settings()).url == expected


def test_deb822_sources(apt_dir: Path) -> None:
    (apt_dir / "sources.list.d/debian.sources").write_text(DEB822)
    assert mirror.find(config.Settings()).url == "http://mirror.example/debian"


def test_a_list_of_mirrors_stands_for_its_first(apt_dir: Path) -> None:
    mirrors = apt_dir / "mirrors.list"
    mirrors.write_text(
        "# ours\nhttp://near.example/debian\tpriority:1\nhttp://far.example/debian\n"
    )
    (apt_dir / "sources.list").write_text(f"deb mirror+file:{mirrors} bookworm main\n")
    assert mirror.find(config.Settings()).url == "http://near.example/debian"


def test_the_origin_a_fetched_release_states_wins_over_the_look_of_its_url(apt_dir: Path) -> None:
    sources = "deb http://other.example/debian bookworm main\n"
    sources += "deb http://odd.example/pub bookworm main\n"
    (apt_dir / "sources.list").write_text(sources)
    for name, origin in (("other.example_debian", "Other"), ("odd.example_pub", "Debian")):
        stem = apt_dir / f"state/lists/{name}_dists_bookworm_"
        Path(f"{stem}Release").write_text(
            f"Origin: {origin}\nLabel: {origin}\nCodename: bookworm\n"
        )
        Path(f"{stem}main_binary-amd64_Packages").write_text("")
    assert mirror.find(config.Settings()).url == "http://odd.example/pub"


@pytest.mark.parametrize("sources", ["", UPDATES + SECURITY + THIRD, "deb cdrom:[x]/ sid main\n"])
def test_no_archive_asks_for_the_setting(sources: str, apt_dir: Path) -> None:
    (apt_dir / "sources.list").write_text(sources)
    with pytest.raises(ConfigError, match=r"set \[debian\] mirror"):
        mirror.find(config.Settings())


def test_no_apt_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"set \[debian\] mirror"):
        mirror.find(config.Settings())


@pytest.mark.parametrize(
    ("given", "url", "netrc"),
    [
        ("http://mirror.example/debian/", "http://mirror.example/debian", ""),
        (
            "https://me:s%40y@mirror.example:8443/debian",
            "https://mirror.example:8443/debian",
            "machine https://mirror.example:8443/debian login me password s@y\n",
        ),
    ],
)
def test_the_setting_wins_and_its_login_is_kept_apart(given: str, url: str, netrc: str) -> None:
    found = mirror.find(config.Settings(debian=config.Debian(mirror=given)))
    assert (found.url, found.netrc) == (url, netrc)
    assert "s@y" not in repr(found)


def test_a_login_that_could_forge_a_line_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        mirror.parse("http://me:a%0Amachine@mirror.example/debian")
    assert "a\nmachine" not in str(refused.value)
