"""``netboot lab up | status | exec | down``, and that nothing is left behind, whatever happened."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.lab import owner
from netboot.lab.up.state import DIRECTORY, State

pytestmark = pytest.mark.root

NAME = "test-cli"
LAB = f"""
name: {NAME}
nodes:
  n1: {{firmware: bios, memory: 64, disks: [1M]}}
  n2: {{firmware: bios, memory: 64, disks: [1M], bmc: {{protocols: [ipmi]}}}}
"""


def netboot(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "netboot", "lab", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def status() -> dict[str, Any]:
    report: list[dict[str, Any]] = json.loads(netboot("status", NAME, "--json").stdout)
    return report[0]


def process() -> int:
    """The lab's process id."""
    return int(json.loads(State(NAME).path("json").read_text("utf-8"))["pid"])


def processes(pid: int) -> list[str]:
    """What runs with a folder of that lab on its command line: QEMU, the BMCs, DHCP servers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if f"nb-{pid}-".encode() in entry.read_bytes():
                found.append(str(entry))
    return found


def left_of(pid: int) -> list[str]:
    """Namespaces, folders, files and processes of a lab that are still there."""
    names = [*owner.NETNS_DIR.glob(f"nb-{pid}-*"), *Path(tempfile.gettempdir()).glob(f"nb-{pid}-*")]
    files = DIRECTORY.glob(f"{NAME}.*")
    return [*map(str, [*names, *files]), *processes(pid)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "lab.yaml"
    file.write_text(LAB, "utf-8")
    netboot("up", file)
    yield file
    netboot("down", NAME, check=False)


def test_up_status_exec_down(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPMI_PASSWORD", "password")
    first, second = status()["nodes"]
    assert (first["power"], first["bmcs"]) == ("off", ["redfish://10.78.0.11", "ipmi://10.78.0.11"])
    assert second["bmcs"] == ["ipmi://10.78.0.12"]
    assert len(first["fingerprint"]) == 64

    again = netboot("up", lab, check=False)
    assert (again.returncode, again.stderr) == (
        1,
        f"netboot: the lab {NAME} is up already; netboot lab down ends it\n",
    )

    command = ["ipmitool", "-I", "lanplus", "-U", "admin", "-E", "-H", "10.78.0.12"]
    netboot("exec", NAME, *command, "power", "on")
    assert [node["power"] for node in status()["nodes"]] == ["off", "on"]
    assert "10.78.0.12" in netboot("exec", "--host", "n2", NAME, "ip", "addr").stdout
    refused = netboot("exec", "--host", "n3", NAME, "true", check=False)
    assert (refused.returncode, refused.stderr) == (
        2,
        "netboot: command line: --host = n3: must be one of server, n1, n2\n",
    )

    pid = process()
    assert left_of(pid)
    assert netboot("down", NAME).stdout == f"the lab {NAME} is down\n"
    assert left_of(pid) == []
    gone = netboot("down", NAME, check=False)
    assert (gone.returncode, "no such lab is up" in gone.stderr) == (2, True)


def test_what_a_killed_lab_leaves_is_removed(lab: Path) -> None:
    assert lab.exists()
    pid = process()
    os.kill(pid, signal.SIGKILL)
    died = netboot("status", NAME, check=False)
    while "does not answer" in died.stderr:  # its end takes a moment
        time.sleep(0.05)
        died = netboot("status", NAME, check=False)
    assert died.returncode == 1
    assert "has ended; netboot lab down removes what is left" in died.stderr
    assert processes(pid)
    netboot("down", NAME)
    assert left_of(pid) == []


def test_a_lab_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    (tmp_path / "disk.img").touch()
    file.write_text(
        f"name: {NAME}\nnodes: {{n1: {{disks: [./disk.img], memory: 999999}}}}", "utf-8"
    )
    before = set(owner.NETNS_DIR.glob("*"))
    failed = netboot("up", file, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"netboot: the lab {NAME} did not start: QEMU did not start")
    assert list(DIRECTORY.glob(f"{NAME}.*")) == []
    mine = {path for path in owner.NETNS_DIR.glob("*") if path not in before}
    assert [path for path in mine if "-n1" in path.name] == []


def test_a_wrong_file_is_a_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("nodes: {n1: {memory: 1}}", "utf-8")
    refused = netboot("up", file, check=False)
    assert refused.returncode == 2
    assert "nodes.n1.memory" in refused.stderr
