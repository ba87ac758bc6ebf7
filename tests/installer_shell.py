"""Where the commands of an answer file are run: the host's shell, or the installer's own initrd.

``HostShell`` needs nothing: paths such as ``/target`` are rewritten to folders below its root.
``Initrd`` is the real thing, busybox, cdebconf and all, in a user namespace of its own.
"""

import gzip
import re
import subprocess
from pathlib import Path

from tests import newc

_MADE_UP = re.compile(
    r"(?<![\w./$}])/(?=(?:sys|target|proc|tmp|log|usr/share/debconf|usr/lib/[a-z-]+\.d)\b)"
)
_NOT_NEEDED = ("lib/modules/", "usr/lib/modules/", "lib/firmware/")


class HostShell:
    """A POSIX shell for which some folders of a machine are made up below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("stub", "log", "sys/block", "target/etc/sudoers.d", "proc", "tmp"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self.file("/proc/mounts", "")

    def stub(self, name: str, text: str) -> None:
        """Put a program of our own before the machine's."""
        file = self.root / "stub" / name
        file.write_text(f"#!/bin/sh\n{self.mapped(text)}\n")
        file.chmod(0o755)

    def at(self, path: str) -> Path:
        """Where a path of the machine is for the test."""
        return self.root / path.lstrip("/")

    def file(self, path: str, text: str) -> None:
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).write_text(text)

    def read(self, path: str) -> str:
        return self.at(path).read_text() if self.at(path).exists() else ""

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run one command as the installer does, ``sh -c``; it is over within a minute."""
        return _run([*self._command(), self.mapped(text)])

    def _command(self) -> list[str]:
        path = f"PATH={self.root}/stub:/usr/bin:/bin"
        return ["env", "-i", path, "/bin/sh", "-c"]

    def mapped(self, text: str) -> str:
        """A shell text with its paths as they are for the test."""
        return _MADE_UP.sub(lambda _: f"{self.root}/", text)


class Initrd(HostShell):
    """An unpacked initrd, entered as its root."""

    def _command(self) -> list[str]:
        path = "PATH=/stub:/bin:/usr/bin:/sbin:/usr/sbin"
        inside = ["env", "-i", path, "DEBIAN_FRONTEND=noninteractive", "/bin/sh", "-c"]
        return ["unshare", "--map-root-user", f"--root={self.root}", *inside]

    def mapped(self, text: str) -> str:
        """A shell text with its paths as they are for the test."""
        return text


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def unpack(initrd: Path, target: Path) -> None:
    """Unpack an initrd without its kernel modules and device nodes."""
    for name, mode, content in newc.entries(gzip.decompress(initrd.read_bytes())):
        if not name.startswith(_NOT_NEEDED):
            _entry(target / name, mode, content)


def _entry(path: Path, mode: int, content: bytes) -> None:
    match mode & 0o170000:
        case 0o040000:
            path.mkdir(parents=True, exist_ok=True)
        case 0o120000:
            path.symlink_to(content.decode())
        case 0o100000:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode & 0o777)


def copy(unpacked: Path, root: Path) -> Initrd:
    """An initrd that a test may change."""
    subprocess.run(["cp", "-a", f"{unpacked}/.", root], check=True)
    return Initrd(root)


def command(answers: str, question: str) -> str:
    """The value of a question, its lines joined as the installer's debconf-set-selections does."""
    given = re.search(rf"^\S+ {question} string ((?:.*\\\n)*.*)$", answers, re.MULTILINE)
    assert given, f"{question} is not answered"
    lines = (re.sub(r"\s*\\$", "", line.strip()) for line in given[1].split("\n"))
    return " ".join(lines).strip()
