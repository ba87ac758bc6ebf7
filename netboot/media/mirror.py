"""Which Debian mirror to fetch from, and how to reach it: the settings, else the host's own apt's.

The host's apt is asked, its files are not parsed: one-line and deb822 sources, included
folders and its own configuration all count just as they do for apt itself.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from netboot.config import Settings
from netboot.errors import ConfigError

_FIELDS = ("REPO_URI", "RELEASE", "COMPONENT", "ORIGIN", "LABEL", "IDENTIFIER")
_TIMEOUT = 30
"""Seconds; apt answers from its own files."""
_NOT_THE_ARCHIVE = re.compile(r"-(security|updates|backports|proposed)|/updates$|/")
_ARCHIVE_PATH = re.compile(r"/debian(/|$)")
_MIRROR_LIST = "mirror+file:"


@dataclass(frozen=True, slots=True)
class _Target:
    """One index the host's apt reads."""

    uri: str
    release: str
    component: str
    origin: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where a mirror is, and apart from it how we log in there.

    Attributes:
        url: without user name, password and trailing slash: fit for logs and manifests.
        netrc: a line for ``apt_auth.conf(5)``, "" where no login is needed. Secret.
        proxy: URL of the proxy to ask, "" for the host's own settings. May hold a password.
    """

    url: str
    netrc: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)


def parse(url: str) -> Mirror:
    """Split a mirror's URL, ``http://[user:password@]host/path``.

    Raises:
        ConfigError: its login cannot be used; does not repeat it.
    """
    parts = urlsplit(url.strip().rstrip("/"))
    host = parts.netloc.rpartition("@")[2]
    public = urlunsplit(parts._replace(netloc=host))
    if parts.username is None:
        return Mirror(public)
    login, password = unquote(parts.username), unquote(parts.password or "")
    if re.search(r"\s", login + password):
        problem = "has a blank in its user name or password, which apt cannot take"
        raise ConfigError("configuration", "debian.mirror", problem)
    return Mirror(
        public, f"machine {parts.scheme}://{host}{parts.path} login {login} password {password}\n"
    )


def find(settings: Settings) -> Mirror:
    """Return the mirror to fetch from.

    Raises:
        ConfigError: nothing is set and the host's apt knows no Debian archive.
    """
    proxy = settings.debian.proxy or ""
    if settings.debian.mirror is not None:
        return replace(parse(settings.debian.mirror), proxy=proxy)
    found = next(_urls(_targets()), None) or next(_urls(_targets("--no-release-info")), None)
    if found is None:
        raise ConfigError(
            "configuration",
            "debian.mirror",
            "is not set and this host's apt names no Debian archive; "
            'set [debian] mirror = "http://…/debian"',
        )
    return replace(parse(found), proxy=proxy)


def _targets(*options: str) -> list[_Target]:
    """Ask apt; without ``--no-release-info`` it names only what it has already fetched."""
    layout = "|".join(f"$({field})" for field in _FIELDS)
    try:
        answer = subprocess.run(
            ["apt-get", "indextargets", *options, "--format", layout],
            capture_output=True,
            check=False,
            text=True,
            timeout=_TIMEOUT,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    found = []
    for line in answer.stdout.splitlines():
        fields = [None if field.startswith("$(") else field for field in line.split("|")]
        if len(fields) != len(_FIELDS) or fields[-1] != "Packages":
            continue
        uri, release, component, origin, label, _ = fields
        if uri and release and component:
            found.append(_Target(uri, release, component, origin, label))
    return found


def _urls(targets: list[_Target]) -> Iterator[str]:
    for target in targets:
        if _is_main_archive(target):
            yield from _plain(target.uri)


def _is_main_archive(target: _Target) -> bool:
    if target.component != "main" or _NOT_THE_ARCHIVE.search(target.release):
        return False
    if target.origin is not None:
        return (target.origin, target.label) == ("Debian", "Debian")
    return _ARCHIVE_PATH.search(urlsplit(target.uri).path) is not None or target.uri.startswith(
        _MIRROR_LIST
    )


def _plain(uri: str) -> Iterator[str]:
    """Yield a source's http URLs: itself, or those in the list ``mirror+file:`` names."""
    if uri.startswith(("http://", "https://")):
        yield uri
    elif uri.startswith(_MIRROR_LIST):
        path = Path(urlsplit(uri.removeprefix("mirror+")).path.rstrip("/"))
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        yield from (line.split()[0] for line in lines if line.startswith(("http://", "https://")))
