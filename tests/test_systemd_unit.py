"""The unit that ships: systemd takes it, what it gives away is little, and it gets installed."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from netboot import config
from netboot.notify import PINGS
from netboot.supervisor import EXIT_USAGE, STOP_PATIENCE

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "packaging"
EXPOSURE = 20
"""Tenths of what ``systemd-analyze security`` counts to 100; below 20 it calls it OK."""


def settings() -> dict[str, list[str]]:
    """Each setting of the unit with its values."""
    found: dict[str, list[str]] = {}
    for line in (SHIPPED / "netboot.service").read_text("ascii").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """As ``make install`` puts it: the command by its full path."""
    command = Path(sys.executable).with_name("netboot")
    installed = tmp_path / "netboot.service"
    shipped = (SHIPPED / "netboot.service").read_text("ascii")
    installed.write_text(shipped.replace("ExecStart=", f"ExecStart={command.parent}/"), "ascii")
    return installed


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def test_systemd_understands_every_line(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_confined(unit: Path) -> None:
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", unit)
    assert done.returncode == 0, done.stdout


def test_two_capabilities_and_no_more() -> None:
    two = ["CAP_NET_RAW CAP_NET_BIND_SERVICE"]
    assert settings()["AmbientCapabilities"] == settings()["CapabilityBoundingSet"] == two


def test_its_times_fit_the_supervisor_s() -> None:
    watchdog = int(settings()["WatchdogSec"][0])
    assert watchdog / PINGS > STOP_PATIENCE  # a program that ends slowly costs no more than a ping
    assert settings()["RestartPreventExitStatus"] == [str(EXIT_USAGE)]


def test_its_folder_is_the_default_one() -> None:
    state = f"/var/lib/{settings()['StateDirectory'][0]}"
    assert state == config.Server().data_dir
    assert state in (SHIPPED / "netboot.sysusers").read_text("ascii").split()


def test_the_example_configuration_loads_as_it_is_and_with_every_line_switched_on(
    tmp_path: Path,
) -> None:
    for example in (SHIPPED / "netboot.toml", ROOT / "docker" / "config" / "netboot.toml"):
        assert config.load(example, {}) == config.Settings()
        lines = example.read_text("utf-8").splitlines()
        switched = [line.removeprefix("# ") if " = " in line else line for line in lines]
        file = tmp_path / "netboot.toml"
        file.write_text("\n".join(switched), "utf-8")
        assert config.load(file, {}) != config.Settings()
        assert tomllib.loads(file.read_text("utf-8")).keys() <= set(
            config.Settings.__struct_fields__
        )


def test_the_wheel_carries_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*build, "--directory", str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    [wheel] = tmp_path.glob("*.whl")
    shared = [name for name in zipfile.ZipFile(wheel).namelist() if "/share/netboot/" in name]
    assert {Path(name).name for name in shared} == {file.name for file in SHIPPED.iterdir()}


def test_what_runs_is_locked_as_what_was_tested() -> None:
    def pins(lock: str) -> set[str]:
        lines = (ROOT / lock).read_text("ascii").splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[<>=~\[]", one)[0].lower() for one in project["dependencies"]}
    runs = pins("requirements-run.lock")
    assert needed <= {pin.split("==")[0] for pin in runs}, "run: make lock"
    assert runs <= pins("requirements.lock"), "run: make lock"


@pytest.mark.mirror
def test_make_install_leaves_a_command_a_unit_and_the_operator_s_configuration(
    tmp_path: Path,
) -> None:
    configured = tmp_path / "etc" / "netboot" / "netboot.toml"
    configured.parent.mkdir(parents=True)
    configured.write_text("# the operator's own\n", "utf-8")
    install = ["make", "--silent", "install", f"DESTDIR={tmp_path}", f"PYTHON={sys.executable}"]
    subprocess.run(install, cwd=ROOT, check=True, capture_output=True, timeout=300)

    local = tmp_path / "usr" / "local"
    assert (local / "bin" / "netboot").readlink() == Path("/usr/local/lib/netboot/bin/netboot")
    own = local / "lib" / "netboot"
    assert (own / "bin" / "netboot").read_text("utf-8").startswith("#!/usr/local/lib/netboot/bin/")
    asked = [own / "bin" / "python3", "-m", "netboot", "image", "list"]
    environ = {"NETBOOT_SERVER_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}
    subprocess.run(asked, env=environ, cwd="/", check=True, capture_output=True)
    unit = (local / "lib" / "systemd" / "system" / "netboot.service").read_text("ascii")
    assert "\nExecStart=/usr/local/bin/netboot serve\n" in unit
    assert (local / "lib" / "sysusers.d" / "netboot.conf").exists()
    assert configured.read_text("utf-8") == "# the operator's own\n"
