"""Root's commands, in a data folder that another user serves, leave nothing in that user's way."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.control.lock import lock_to_serve
from tests.cli_here import Cli

pytestmark = pytest.mark.root

SERVER, GROUP = 64123, 64124
"""A user and a group that no system has."""
M1 = "52:54:00:00:00:01"


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that ``SERVER`` has served; others may come to it, as to /var/lib."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "data"
        folder.parent.chmod(0o755)
        folder.mkdir()
        os.chown(folder, SERVER, GROUP)
        os.setegid(GROUP)
        os.seteuid(SERVER)
        try:
            with lock_to_serve(folder / "run"):
                pass
        finally:
            os.seteuid(0)
            os.setegid(0)
        yield folder


@pytest.fixture
def cli(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    file = data.parent / "netboot.toml"
    file.write_text(f'[server]\ndata_dir = "{data}"\n')
    return Cli(file, monkeypatch, capsys)


def owners(folder: Path) -> set[tuple[int, int]]:
    found = [path.stat() for path in folder.rglob("*")]
    return {(one.st_uid, one.st_gid) for one in found}


def test_what_root_s_commands_make_is_who_serves_s(cli: Cli, data: Path, tmp_path: Path) -> None:
    password = tmp_path / "only-root-may-read"
    password.write_text("secret")
    password.chmod(0o600)
    bmc = ("--bmc", "redfish://bmc1", "--bmc-user", "root", "--bmc-password-file", password)
    code, _, err = cli("node", "add", "n1", "--mac", M1, "--profile", "local", *bmc)
    assert (code, err) == (0, "")
    assert (data / "bmc.key").exists()
    file = tmp_path / "only-root-may-read.backup"
    assert cli("backup", file, "--with-key")[0] == 0
    assert file.stat().st_uid == os.geteuid() == 0
    (data / "netboot.db").unlink()
    (data / "bmc.key").unlink()
    code, _, err = cli("restore", file)
    assert (code, err) == (0, "")
    assert (data / "bmc.key").exists()
    assert cli("node", "show", "n1")[0] == 0
    assert owners(data) == {(SERVER, GROUP)}
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_a_folder_that_root_serves_stays_root_s(cli: Cli, data: Path) -> None:
    os.chown(data / "run/serving", 0, 0)
    assert cli("node", "add", "n1", "--mac", M1, "--profile", "local")[0] == 0
    assert (data / "netboot.db").stat().st_uid == 0
