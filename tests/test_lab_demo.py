"""The demo cleans up when interrupted, and says what is wrong when a stage does not come."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.lab import demo, owner, site
from netboot.lab.program import Program

DEMO = [sys.executable, "-m", "netboot.lab.demo"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Program]:
    process = subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    program = Program(process, tmp_path / "demo.log", name="demo")
    yield program
    program.end()


def left_by(pid: int) -> list[str]:
    folders = (owner.NETNS_DIR, Path(tempfile.gettempdir()))
    return [str(path) for folder in folders for path in folder.glob(f"nb-{pid}-*")]


@pytest.mark.firmware
@pytest.mark.mirror
@pytest.mark.usefixtures("alone_in_cache")
def test_ctrl_c_in_the_middle_of_a_boot_leaves_nothing_behind(running: Program) -> None:
    running.wait_for(r"✓ DISCOVER", 300)
    assert left_by(running.process.pid)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 130
    running.wait_for("everything is cleaned up", 60)
    assert left_by(running.process.pid) == []


def test_without_root_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOOT_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["demo", "--mirror", "http://mirror.example/debian"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert demo.main() == 1


def test_its_configuration_is_toml_whatever_the_folder_is_called() -> None:
    import tomllib  # noqa: PLC0415 -- the oracle, used only here

    sections: dict[str, dict[str, str | int]] = {
        "server": {"data_dir": 'a "quoted" \\ folder'},
        "http": {"port": 8080},
    }
    assert tomllib.loads(site._toml(sections)) == sections


def test_netboot_is_run_without_what_it_would_take_for_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NETBOOT_CACHE", "/cache")
    monkeypatch.setenv("OTHER", "kept")
    assert "NETBOOT_CACHE" not in site._environment()
    assert site._environment()["OTHER"] == "kept"


def test_what_the_demo_runs_is_installed_by_packages_txt() -> None:
    wanted = ("qemu-system-x86_64", "dnsmasq", "ip", "curl", "apt-get")
    assert [tool for tool in wanted if shutil.which(tool) is None] == []
