"""A folder in which apt works for us alone: its configuration, its state, its downloads.

What the host's administrator told apt about *how* to reach a mirror (proxy, timeouts,
certificates, the clock) is taken over; *what* to trust and where to fetch from is not: neither its
sources, keys, pins and hooks, nor any permission to use unsigned archives.
"""

import os
import pwd
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from netboot.errors import OperationError
from netboot.media import process
from netboot.media.definition import Source
from netboot.media.mirror import Mirror

_SANDBOX = "_apt"
"""The user apt's network methods run as when we are root."""

_HOW_TO_REACH = re.compile(
    r"Acquire::(http|https|ForceIPv[46]|Retries|Check-Date|Check-Valid-Until|Max-FutureTime)[: ].*;"
)
_PROXY = re.compile(r"Acquire::https?::Proxy.*;", re.IGNORECASE)

_NAMEABLE = re.compile(r"[A-Za-z0-9/_.,+@%~-]+")
"""Paths that stand in apt's configuration without quoting."""

_HOST_FILES = (
    "Dir::Etc::main",
    "Dir::Etc::parts",
    "Dir::Etc::sourceparts",
    "Dir::Etc::preferences",
    "Dir::Etc::preferencesparts",
    "Dir::Etc::trusted",
    "Dir::Etc::trustedparts",
)
_POLICY = {
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::AllowWeakRepositories": "false",
    "Acquire::AllowDowngradeToInsecureRepositories": "false",
    "Acquire::GzipIndexes": "true",
    "Acquire::IndexTargets::deb::Packages::KeepCompressedAs": "xz gz uncompressed",
    "Acquire::Languages": "none",
    "Acquire::PDiffs": "false",
    "APT::Get::AllowUnauthenticated": "false",
    "APT::Update::Error-Mode": "any",
    "Dir::Cache::pkgcache": "",
    "Dir::Cache::srcpkgcache": "",
}


@dataclass(frozen=True, slots=True)
class AptFolder:
    """Where apt finds one source of one mirror.

    Attributes:
        path: absolute, ours alone; it need not exist.
        mirror: where to fetch from.
        source: the part of the archive.
        keyring: public keys, one of which must have signed the archive.
        once: a mirror that does not answer is asked no second time.
    """

    path: Path
    mirror: Mirror
    source: Source
    keyring: Path
    _: KW_ONLY
    once: bool

    @property
    def lists(self) -> Path:
        """The signed index."""
        return self.path / "state" / "lists"

    @property
    def downloads(self) -> Path:
        """Packages, whole or cut off."""
        return self.path / "downloads"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program of apt's is started with."""
        return {"APT_CONFIG": str(self.path / "apt.conf")}

    def prepare(self, tick: Callable[[int], None]) -> None:
        """Make the folders and write apt's configuration.

        Args:
            tick: called while the host's apt is asked.

        Raises:
            OperationError: the keyring is missing, or a path has characters apt cannot read.
        """
        if not self.keyring.is_file():
            raise OperationError(
                f"{self.keyring} is not there: install the package debian-archive-keyring"
            )
        for path in (self.path, self.keyring):
            if not _NAMEABLE.fullmatch(str(path)):
                raise OperationError(f"apt cannot work with the path {str(path)!r}")
        shutil.rmtree(self.lists / "partial", ignore_errors=True)
        for inner in ("state/lists/partial", "cache/archives/partial", "downloads"):
            (self.path / inner).mkdir(parents=True, exist_ok=True)
        user = self._sandbox_user()
        (self.path / "status").write_text("")
        self._write_private("mirror.sources", self._sources(), user)
        self._write_private("auth.conf", self.mirror.netrc, user)
        asked = process.run(["apt-config", "dump"], tick=lambda: tick(0), cwd=self.path)
        self._write_private("apt.conf", self._configuration(asked.output, user), user)
        if user == _SANDBOX:
            shutil.chown(self.downloads, user)

    def _sources(self) -> str:
        return (
            f"Types: deb\nURIs: {self.mirror.url}\nSuites: {self.source.suite}\n"
            f"Components: {self.source.component}\n"
            f"Architectures: {self.source.architecture}\nSigned-By: {self.keyring}\n"
        )

    def _configuration(self, host: str, user: str) -> str:
        own = self._directories() | _POLICY | {"APT::Sandbox::User": user}
        if self.once:
            own["Acquire::Retries"] = "0"
        architecture = self.source.architecture
        own |= {"APT::Architecture": architecture, "APT::Architectures::": architecture}
        lines = [*_how_to_reach(host, self.mirror), *_assigned(own)]
        return "\n".join([*lines, ""])

    def _directories(self) -> dict[str, str]:
        own = {
            "Dir::State": f"{self.path}/state",
            "Dir::State::status": f"{self.path}/status",
            "Dir::Cache": f"{self.path}/cache",
            "Dir::Etc::sourcelist": f"{self.path}/mirror.sources",
        }
        if self.mirror.netrc:
            own["Dir::Etc::netrc"] = f"{self.path}/auth.conf"
        return own | dict.fromkeys(_HOST_FILES, "/dev/null")

    def _sandbox_user(self) -> str:
        """Return apt's own unprivileged user where it can reach our files, else ourselves."""
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid()).pw_name
        try:
            pwd.getpwnam(_SANDBOX)
        except KeyError:
            return "root"
        reached = (*self.path.parents, self.path, *self.keyring.parents)
        return _SANDBOX if all(path.stat().st_mode & 0o001 for path in reached) else "root"

    def _write_private(self, name: str, text: str, user: str) -> None:
        """Write a file that may hold a proxy's or mirror's password: its reader's alone."""
        path = self.path / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        if os.geteuid() == 0:
            shutil.chown(path, user)


def how_to_reach(mirror: Mirror, folder: Path) -> str:
    """Return apt's configuration of how the host, and our settings, reach a mirror.

    Args:
        mirror: its proxy counts before the host's; may hold a password.
        folder: any that is there.
    """
    asked = process.run(["apt-config", "dump"], tick=lambda: None, cwd=folder)
    return "\n".join([*_how_to_reach(asked.output, mirror), ""])


def _how_to_reach(host: str, mirror: Mirror) -> list[str]:
    taken = [line for line in host.splitlines() if _HOW_TO_REACH.fullmatch(line)]
    if not mirror.proxy:
        return taken
    proxies = dict.fromkeys(("Acquire::http::Proxy", "Acquire::https::Proxy"), mirror.proxy)
    return [*(line for line in taken if not _PROXY.fullmatch(line)), *_assigned(proxies)]


def _assigned(values: Mapping[str, str]) -> list[str]:
    return [f'{key} "{value}";' for key, value in values.items()]
