"""What the answer file of profile ``wipe`` does to a machine's disks, run on made-up machines.

Once in the host's shell, and once in the installer's own initrd, by its own busybox.
"""

from pathlib import Path
from typing import Any

import pytest

from netboot.errors import NotBootable
from tests.installer_shell import HostShell, command, copy, unpack
from tests.test_answers import answer
from tests.test_preseed_commands import GB, LIST, NVME, asked, plug
from tests.test_script import PROFILES

MIB = 2048
"""Sectors of 512 bytes."""


@pytest.fixture(scope="module")
def initrd(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    folder = tmp_path_factory.mktemp("debian-13")
    unpack(images / "debian-13" / "current" / "initrd.gz", folder)
    return folder


@pytest.fixture(params=["sh", pytest.param("initrd", marks=pytest.mark.mirror)])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> HostShell:
    if request.param == "sh":
        made = HostShell(tmp_path)
    else:
        made = copy(request.getfixturevalue("initrd"), tmp_path)
    for name in ("logger", "wget", "dd", "sync"):
        made.stub(name, f'echo "$*" >> /log/{name}')
    for name in ("poweroff", "sleep"):  # both end what would go on for ever
        made.stub(name, f'echo "$*" >> /log/{name}; exec kill $PPID')
    made.stub("list-devices", LIST)
    return made


def script(**variables: str) -> str:
    text = answer(PROFILES["wipe"], "preseed.cfg", None, **variables).decode()
    return command(text, "partman/early_command")


def written(shell: HostShell) -> list[tuple[str, int, int]]:
    """Where zeros were written: device, first sector, how many."""
    found = []
    for line in shell.read("/log/dd").splitlines():
        word = dict(part.split("=") for part in line.split())
        assert word["if"] == "/dev/zero"
        sectors = {"1024k": MIB, "512": 1}[word["bs"]]
        found.append((word["of"], int(word["seek"]) * sectors, int(word["count"]) * sectors))
    return found


def told(shell: HostShell) -> list[tuple[str, str | None, str]]:
    """What was asked of the server, its status and its detail."""
    return [(path, query.get("status"), query["detail"]) for path, query in asked(shell)]


def partition(shell: HostShell, disk: str, name: str, size: int) -> None:
    shell.file(f"/sys/block/{disk}/{name}/partition", "1\n")
    shell.file(f"/sys/block/{disk}/{name}/size", f"{size}\n")


def test_the_ends_of_each_disk_and_partition_are_zero_and_it_calls_home_and_goes_off(
    shell: HostShell,
) -> None:
    plug(shell, "sda", size=500 * GB)
    partition(shell, "sda", "sda1", 1000 * MIB)
    plug(shell, "nvme0n1", **NVME)
    shell.run(script())
    sda = [extent for extent in written(shell) if extent[0].startswith("/dev/sda")]
    tail = 500 * GB // MIB * MIB
    assert sda == [
        ("/dev/sda1", 0, 16 * MIB),
        ("/dev/sda1", 984 * MIB, 16 * MIB),
        ("/dev/sda", 0, 16 * MIB),
        ("/dev/sda", tail - 16 * MIB, 16 * MIB),
        ("/dev/sda", tail, 500 * GB - tail),
    ]
    assert {device for device, _, _ in written(shell)} == {"/dev/sda", "/dev/sda1", "/dev/nvme0n1"}
    assert shell.at("/log/sync").exists()
    assert told(shell) == [
        ("progress", None, "/dev/nvme0n1 500 GB"),
        ("progress", None, "/dev/sda 500 GB"),
        ("installed", "0", "erased /dev/nvme0n1, /dev/sda"),
    ]
    assert shell.read("/log/poweroff") == "-f\n"


@pytest.mark.parametrize("size", [5, MIB, 20 * MIB + 7, 500 * GB])
def test_in_full_means_every_sector_once(shell: HostShell, size: int) -> None:
    plug(shell, "sda", size=size)
    shell.run(script(wipe="full"))
    end = 0
    for device, first, count in written(shell):
        assert (device, first) == ("/dev/sda", end)
        end = first + count
    assert end == size


@pytest.mark.parametrize("size", [1, MIB - 1, 32 * MIB - 1, 32 * MIB, 33 * MIB + 1])
def test_nothing_is_written_beyond_a_small_one_and_its_ends_are_zero(
    shell: HostShell, size: int
) -> None:
    plug(shell, "sda", size=size)
    shell.run(script())
    zero = set[int]()
    for _, first, count in written(shell):
        zero |= set(range(first, first + count))
    assert max(zero) == size - 1
    assert {0, size - 1} <= zero
    assert len(zero) == size or len(zero) >= 32 * MIB


OTHERS: dict[str, dict[str, Any]] = {
    "sdb": {"removable": 1},
    "sdc": {"ro": 1},
    "sdd": {"size": 0},
    "sde": {"bus": "pci0/usb2/2-1"},
    "sdf": {"hidden": 1},
    "mmcblk0": {"device/type": "SD"},
}


def test_what_is_not_the_machine_s_own_is_left_alone(shell: HostShell) -> None:
    plug(shell, "sda")
    for name, facts in OTHERS.items():
        plug(shell, name, **facts)
    shell.run(script())
    assert {device for device, _, _ in written(shell)} == {"/dev/sda"}


def test_a_machine_without_a_disk_says_so_and_does_not_call_home(shell: HostShell) -> None:
    plug(shell, "sdb", removable=1)
    shell.run(script())
    assert told(shell) == [("progress", "1", "no disk of its own")]
    assert not shell.at("/log/poweroff").exists()


def test_nor_does_one_of_whose_disks_one_cannot_be_erased(shell: HostShell) -> None:
    plug(shell, "sda")
    plug(shell, "sdb")
    shell.stub("dd", 'case "$*" in *sdb*) exit 1;; esac')
    shell.run(script())
    assert told(shell)[-1] == ("progress", "1", "/dev/sdb")
    assert not shell.at("/log/poweroff").exists()
    assert shell.read("/log/logger") == "-t netboot erased: /dev/sda; not erased: /dev/sdb\n"


def test_a_server_that_is_away_is_asked_again_before_the_machine_stays_on(
    shell: HostShell,
) -> None:
    plug(shell, "sda")
    shell.stub("wget", 'echo "$*" >> /log/wget; exit 4')
    shell.stub("sleep", 'echo "$*" >> /log/sleep; [ "$1" != 60 ] || exec kill $PPID')
    shell.run(script())
    assert [path for path, _, _ in told(shell)] == ["progress", *["installed"] * 15]
    assert shell.read("/log/sleep").split() == [*(str(tried) for tried in range(1, 16)), "60"]


def test_how_is_one_of_two_words() -> None:
    with pytest.raises(NotBootable, match="wipe, which must be quick or full"):
        script(wipe="quick; reboot")
