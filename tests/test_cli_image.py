"""``netboot image`` as a person types it."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netboot.cli.main import root
from netboot.errors import ConfigError
from netboot.media import library
from netboot.media.definition import definitions


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a data folder in which ipxe was fetched three hours ago."""
    monkeypatch.setenv("NETBOOT_SERVER_DATA_DIR", str(tmp_path))
    image_dir = tmp_path / "images/ipxe"
    with library.staging(image_dir) as staged:
        (staged / "snponly.efi").write_bytes(b"loader")
        sha256 = hashlib.sha256(b"loader").hexdigest()
        manifest = library.Manifest(
            image="ipxe",
            version="1.21.1",
            package="ipxe",
            suite="trixie",
            mirror="http://mirror.example/debian",
            deb_sha256="0" * 64,
            fetched_at=datetime.now(UTC) - timedelta(hours=3, minutes=5),
            files={"snponly.efi": library.Entry(sha256=sha256, size=6, member="/snponly.efi")},
        )
        library.switch(image_dir, staged, manifest)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["image", *arguments])


@pytest.mark.usefixtures("data_dir")
def test_list_says_what_is_fetched_how_old_it_is_and_what_to_do_otherwise() -> None:
    lines = run("list").output.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == list(definitions())
    assert lines[0].endswith("not fetched: netboot image fetch debian-12")
    ipxe = lines[names.index("ipxe")]
    assert ipxe.endswith("1.21.1, 0.0 MB, fetched 3 hours ago")


@pytest.mark.usefixtures("data_dir")
def test_list_as_json() -> None:
    listed = {one["name"]: one for one in json.loads(run("list", "--json").stdout)}
    assert listed["debian-12"]["version"] is None
    assert (listed["ipxe"]["version"], listed["ipxe"]["size"]) == ("1.21.1", 6)


@pytest.mark.usefixtures("data_dir")
def test_verify_passes_what_is_whole() -> None:
    done = run("verify")
    assert (done.exit_code, done.output) == (0, "ipxe: 1.21.1: 1 files good\n")


def test_verify_finds_a_flipped_bit(data_dir: Path) -> None:
    (data_dir / "images/ipxe/current/snponly.efi").write_bytes(b"lOader")
    done = run("verify", "ipxe")
    assert done.exit_code == 1
    assert done.output.splitlines()[0] == "ipxe: 1.21.1: 1 bad"
    assert done.output.splitlines()[1].startswith("ipxe: snponly.efi: bad: sha256 is ")
    done = run("verify", "ipxe", "--json")
    assert done.exit_code == 1
    [image] = json.loads(done.stdout)
    assert image["problems"][0].startswith("snponly.efi: bad")


def test_verify_names_a_broken_manifest_and_an_image_that_was_never_fetched(data_dir: Path) -> None:
    (data_dir / "images/ipxe/current/manifest.json").write_text("{")
    done = run("verify", "ipxe", "debian-12")
    assert done.exit_code == 1
    assert "manifest.json: is not JSON" in done.output
    assert "debian-12: not fetched: netboot image fetch debian-12" in done.output


@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize("arguments", [["fetch", "nope"], ["verify", "nope"], ["fetch"]])
def test_a_bad_name_lists_the_known_ones(arguments: list[str]) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, ConfigError)
    assert f"known: {', '.join(definitions())}" in str(done.exception)
