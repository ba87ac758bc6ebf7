"""The shares of the compose file as a BMC has them: by libnfs and by Samba's own client."""

import ctypes
import ctypes.util
from collections.abc import Mapping
from os import strerror
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from netboot.lab.namespaces import Host

_O_RDWR = 2


class Client(Protocol):
    """A reader of one kind of share, which also tries to change it.

    Args:
        host: where it is.
        scratch: a folder for what it reads.
    """

    scheme: str

    def __init__(self, host: Host, scratch: Path) -> None: ...

    def read(self, url: str) -> bytes | None:
        """The file at a URL; None where it cannot be had."""

    def names(self, url: str) -> set[str]:
        """What is in the folder at a URL."""

    def changes(self, folder: str, name: str) -> Mapping[str, str]:
        """What is said to each attempt to change a file in the folder at a URL, or to add one."""


class Nfs:
    """NFSv3 as root of another host: by libnfs's programs, and by the library what they cannot."""

    scheme = "nfs"

    def __init__(self, host: Host, scratch: Path) -> None:
        self._host = host
        self._got = scratch / "by-nfs"

    def read(self, url: str) -> bytes | None:
        """The file at a URL; None where it cannot be had."""
        self._got.unlink(missing_ok=True)
        done = self._host.run(["nfs-cp", url, self._got], check=False)
        return self._got.read_bytes() if done.returncode == 0 else None

    def names(self, url: str) -> set[str]:
        """What is in the folder at a URL."""
        return {line.split()[-1] for line in self._host.run(["nfs-ls", url]).stdout.splitlines()}

    def mounts(self, url: str) -> bool:
        """Whether the folder at a URL can be mounted."""
        return self._host.run(["nfs-ls", url], check=False).returncode == 0

    def changes(self, folder: str, name: str) -> Mapping[str, str]:
        """What is said to each attempt to change a file in the folder at a URL, or to add one."""
        return self._host.inside(lambda: self._changes(urlsplit(folder), f"/{name}".encode()))

    def _changes(self, folder: SplitResult, old: bytes) -> Mapping[str, str]:
        nfs = ctypes.CDLL(ctypes.util.find_library("nfs"))
        nfs.nfs_init_context.restype = ctypes.c_void_p
        context = ctypes.c_void_p(nfs.nfs_init_context())
        assert nfs.nfs_mount(context, folder.netloc.encode(), folder.path.encode()) == 0
        file, new = ctypes.byref(ctypes.c_void_p()), b"/new"
        said = {
            "write": nfs.nfs_open(context, old, _O_RDWR, file),
            "truncate": nfs.nfs_truncate(context, old, ctypes.c_uint64(0)),
            "mode": nfs.nfs_chmod(context, old, 0o777),
            "delete": nfs.nfs_unlink(context, old),
            "rename": nfs.nfs_rename(context, old, new),
            "create": nfs.nfs_creat(context, new, 0o666, file),
            "folder": nfs.nfs_mkdir(context, new),
            "symlink": nfs.nfs_symlink(context, b"/etc/passwd", new),
            "link": nfs.nfs_link(context, old, new),
        }
        nfs.nfs_destroy_context(context)
        return {how: strerror(-number) for how, number in said.items()}


class Smb:
    """SMB by ``smbclient``, without a name and a password."""

    scheme = "cifs"

    def __init__(self, host: Host, scratch: Path) -> None:
        self._host = host
        self._got = scratch / "by-smb"

    def read(self, url: str) -> bytes | None:
        """The file at a URL; None where it cannot be had."""
        self._got.unlink(missing_ok=True)
        self._said(url, f'get "{_path(url)}" {self._got}')
        return self._got.read_bytes() if self._got.exists() else None

    def names(self, url: str) -> set[str]:
        """What is in the folder at a URL."""
        said = self._said(url, f'ls "{_path(url)}/*"')
        return {line.split()[0] for line in said.splitlines() if line.startswith("  ")}

    def shares(self, server: str) -> set[str]:
        """What shares a server says it has."""
        said = self._host.run(["smbclient", "-N", "-g", "-L", f"//{server}"], check=False).stdout
        return {line.split("|")[1] for line in said.splitlines() if "|" in line}

    def changes(self, folder: str, name: str) -> Mapping[str, str]:
        """What is said to each attempt to change a file in the folder at a URL, or to add one."""
        old, new, mine = f'"{_path(folder)}/{name}"', f'"{_path(folder)}/new"', "/etc/hostname"
        commands = {
            "write": f"put {mine} {old}",
            "mode": f"setmode {old} +h",
            "delete": f"del {old}",
            "rename": f"rename {old} {new}",
            "create": f"put {mine} {new}",
            "folder": f"mkdir {new}",
            "link": f"hardlink {old} {new}",
        }
        return {how: self._said(folder, command) for how, command in commands.items()}

    def _said(self, url: str, command: str) -> str:
        share = f"//{urlsplit(url).netloc}/{urlsplit(url).path.split('/')[1]}"
        done = self._host.run(["smbclient", "-N", share, "-c", command], check=False)
        return done.stdout + done.stderr


def _path(url: str) -> str:
    """A URL's path inside its share."""
    return urlsplit(url).path.split("/", 2)[2]
