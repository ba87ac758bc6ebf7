"""netboot in a container of a real engine, on a LAN of its own.

No registry is asked: the base image is made of Debian packages, under the name the Dockerfile
asks for. As a site's own base image may, it knows where that site's Python packages are.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from netboot.config import Settings
from netboot.lab.engine import Engine
from netboot.lab.namespaces import Lan
from netboot.media import mirror as debian_mirror

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "docker" / "compose.yaml"
LOCK = ROOT / "requirements-run.lock"
BASE, SUITE, PYTHON = "debian:13", "trixie", "3.13"
WHEELS = "/var/cache/wheels"
PREINSTALLED = ("ca-certificates", "libcap2-bin", "python3", "python3-venv")
"""Packages of the Dockerfile: what it installs then needs no download in each run."""
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
BUILD_TIMEOUT = 400.0
BRIDGE_ADDRESS = ("172.17.0.2", "172.17.0.1")
"""The first container's address on the engine's default bridge, and its router's."""
OVERRIDE = """\
services:
  netboot:
    volumes: ["{config}:/config:ro"]
    restart: "no"
    healthcheck: {{interval: 1s}}
"""


def base_image(cache: Path) -> Path:
    """The base image's file system as a tar file; made once for each lock."""
    folder = cache / "docker"
    made = folder / f"{SUITE}.tar"
    if made.exists() and made.stat().st_mtime >= LOCK.stat().st_mtime:
        return made
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes"]
    for platform in PLATFORMS:
        download += ["--platform", platform]
    download += ["--python-version", PYTHON, "--only-binary=:all:"]
    _run([*download, "--requirement", str(LOCK), "--dest", str(wheels)])
    settings = folder / "pip.conf"
    settings.write_text(f"[global]\nno-index = true\nfind-links = {WHEELS}\n", "utf-8")
    partial = folder / "partial.tar"
    _run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PREINSTALLED)}"),
            "--dpkgopt=force-unsafe-io",
            f'--customize-hook=mkdir "$1"{WHEELS}',
            f"--customize-hook=sync-in {wheels} {WHEELS}",
            f"--customize-hook=upload {settings} /etc/pip.conf",
            *(SUITE, str(partial), debian_mirror.find(Settings()).url),
        ]
    )
    partial.rename(made)
    return made


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=BUILD_TIMEOUT
    )
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-2000:]}"


class Composed:
    """What ``docker compose up --build`` gives, with a configuration of the test's own.

    Args:
        lan: ``lan.server`` is the container's host.
        cache: where the base image is kept.
        mirror: the Debian mirror inside the LAN.
    """

    def __init__(self, lan: Lan, cache: Path, mirror: str) -> None:
        self.engine = Engine(lan.server)
        self.engine.docker("import", base_image(cache), BASE)
        config = lan.directory / "config"
        config.mkdir()
        (config / "netboot.toml").write_text(
            f'[server]\ninterfaces = ["eth0"]\n[debian]\nmirror = "{mirror}"\n', "utf-8"
        )
        self.config = config
        override = lan.directory / "compose.override.yaml"
        override.write_text(OVERRIDE.format(config=config), "utf-8")
        self._files = (COMPOSE, override)
        self._env = {"DEBIAN_MIRROR": mirror, "COMPOSE_PROFILES": "proxy"}

    def up(self, service: str = "netboot") -> None:
        """Build and start one of the services."""
        for command in (("build",), ("up", "--detach")):
            self.engine.compose(
                self._files, *command, service, env=self._env, timeout=BUILD_TIMEOUT
            )

    def netboot(self, *arguments: str) -> str:
        """Run a netboot command in the container; what it said."""
        return self.engine.docker("exec", "netboot", "netboot", *arguments).stdout

    def shell(self, script: str, container: str = "netboot") -> str:
        """Run a shell script in a container; what it printed."""
        return self.engine.docker("exec", container, "sh", "-c", script).stdout

    def run(
        self, *options: str, command: Sequence[str] = (), check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """``docker run`` another container of the same image, with the same configuration."""
        config = ("--volume", f"{self.config}:/config:ro")
        return self.engine.docker("run", *options, *config, "netboot", *command, check=check)

    def wait_until_healthy(self, seconds: float) -> None:
        """Wait until the engine has found it well."""
        deadline = time.monotonic() + seconds
        while self.health != "healthy":
            assert time.monotonic() < deadline, f"not healthy; it said:\n{self.logs()}"
            time.sleep(0.5)

    @property
    def health(self) -> str:
        """``starting``, ``healthy`` or ``unhealthy``, as the engine has found it."""
        asked = self.engine.docker("inspect", "--format", "{{.State.Health.Status}}", "netboot")
        return asked.stdout.strip()

    def logs(self, name: str = "netboot") -> str:
        """What a container has said, both streams."""
        said = self.engine.docker("logs", name)
        return said.stdout + said.stderr
