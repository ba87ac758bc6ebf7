"""netboot in a container of a real engine, on a LAN of its own.

No registry is asked: the base image is made of Debian packages, under the name the Dockerfile
asks for. As a site's own base image may, it knows where that site's Python packages are.
"""

import hashlib
import os
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
PREINSTALLED = ("ca-certificates", "libcap2-bin", "python3", "python3-pip")
"""Packages of the Dockerfile: what it installs then needs no download in each run."""
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
USER = 4011
BUILD_TIMEOUT = 400.0
HEALTHY = 300.0
"""Seconds for the first start, which fetches the installer, on a busy machine."""
BRIDGE_ADDRESS = ("172.17.0.2", "172.17.0.1")
"""The first container's address on the engine's default bridge, and its router's."""
CONFIG = """\
[server]
interfaces = ["eth0"]

[debian]
mirror = "{mirror}"

[virtual_media]
nfs = "nfs://{address}/netboot"
cifs = "cifs://{address}/netboot"
"""
OVERRIDE = """\
services:
  netboot:
    volumes: ["{config}:/config:ro"]
    restart: "no"
    healthcheck: {{interval: 1s}}
  proxy: {{healthcheck: &often {{interval: 1s}}}}
  nfs: &share
    volumes: ["{media}:/srv/netboot/media:ro"]
    healthcheck: *often
  smb: *share
volumes:
  images:
    name: netboot-images
    driver: local
    driver_opts: {{type: none, o: bind, device: "{images}"}}
"""


def base_image(cache: Path) -> Path:
    """The base image's file system as a tar file; made once for each lock and list of packages."""
    folder = cache / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{SUITE}-{_recipe()}.tar"
    if made.exists():
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
            '--aptopt=Acquire::Languages "none"',  # as Debian's own image has it
            f'--customize-hook=mkdir "$1"{WHEELS}',
            f"--customize-hook=sync-in {wheels} {WHEELS}",
            f"--customize-hook=upload {settings} /etc/pip.conf",
            *(SUITE, str(partial), debian_mirror.find(Settings()).url),
        ]
    )
    for old in folder.glob("*.tar"):
        if old != partial:
            old.unlink()
    partial.rename(made)
    return made


def _recipe() -> str:
    told = LOCK.read_bytes() + " ".join((SUITE, PYTHON, *PREINSTALLED)).encode()
    return hashlib.sha256(told).hexdigest()[:16]


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

    Attributes:
        engine: that it runs in. ``config``: the folder of its configuration.
        images: what is in its volume of images, on a disk: no NFS server exports a tmpfs.
        media: the folder of machines' CDs.
    """

    def __init__(self, lan: Lan, cache: Path, mirror: str) -> None:
        self.engine = Engine(lan.server)
        self.engine.docker("import", base_image(cache), BASE)
        self.config = config = lan.directory / "config"
        config.mkdir()
        told = CONFIG.format(mirror=mirror, address=lan.server.address)
        (config / "netboot.toml").write_text(told, "utf-8")
        (config / "bmc.password").write_text("password", "utf-8")
        override = lan.directory / "compose.override.yaml"
        self.images, self.media = lan.directory / "images", lan.directory / "media"
        self.images.mkdir(mode=0o755)
        os.chown(self.images, USER, USER)
        self.media.mkdir(mode=0o755)
        paths = {"config": config, "images": self.images, "media": self.media}
        override.write_text(OVERRIDE.format(**paths), "utf-8")
        self._files = (COMPOSE, override)
        self._env = {
            "COMPOSE_PROFILES": "proxy,nfs,smb",
            "DEBIAN_MIRROR": mirror,
            "SHARE_ADDRESS": str(lan.server.address),
        }

    def up(self, *services: str) -> None:
        """Build and start services, and wait until the engine has found them well."""
        self.compose("up", "--build", "--detach", *services)
        for service in services:
            self.wait_until_healthy(service)

    def compose(self, *arguments: str) -> None:
        """Run ``docker compose`` with the compose file."""
        self.engine.compose(self._files, *arguments, env=self._env, timeout=BUILD_TIMEOUT)

    def netboot(self, *arguments: str) -> str:
        """Run a netboot command in the container; what it said."""
        command = ("exec", "netboot", "netboot", *arguments)
        return self.engine.docker(*command, timeout=BUILD_TIMEOUT).stdout

    def shell(self, script: str, container: str = "netboot") -> str:
        """Run a shell script in a container; what it printed."""
        return self.engine.docker("exec", container, "sh", "-c", script).stdout

    def run(
        self, *options: str, command: Sequence[str] = (), check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """``docker run`` another container of the same image, with the same configuration."""
        config = ("--volume", f"{self.config}:/config:ro")
        return self.engine.docker("run", *options, *config, "netboot", *command, check=check)

    def wait_until_healthy(self, service: str = "netboot") -> None:
        """Wait until the engine has found it well."""
        name = service if service == "netboot" else f"netboot-{service}"
        deadline = time.monotonic() + HEALTHY
        while self.health(name) != "healthy":
            assert time.monotonic() < deadline, f"not healthy; it said:\n{self.logs(name)}"
            time.sleep(0.5)

    def health(self, name: str) -> str:
        """``starting``, ``healthy`` or ``unhealthy``, as the engine has found a container."""
        asked = self.engine.docker("inspect", "--format", "{{.State.Health.Status}}", name)
        return asked.stdout.strip()

    def logs(self, name: str = "netboot") -> str:
        """What a container has said, both streams."""
        said = self.engine.docker("logs", name)
        return said.stdout + said.stderr
