"""A small signed Debian archive on disk, and a mirror that gives it by HTTP, faults and all."""

import hashlib
import http.server
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest

PATIENCE = 20
"""Seconds anything here may take before it counts as hung."""


@dataclass
class Signer:
    """A key pair in a GNUPGHOME of its own."""

    home: Path
    keyring: Path

    def clearsign(self, release: Path) -> None:
        signed = release.with_name("InRelease")
        self.gpg("--yes", "--output", str(signed), "--clearsign", str(release))

    def gpg(self, *arguments: str) -> None:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


@contextmanager
def new_signer(name: str) -> Iterator[Signer]:
    home = Path(tempfile.mkdtemp(prefix="gpg-"))  # short: an agent's socket path has 108 bytes
    signer = Signer(home, home / "public.gpg")
    try:
        who = f"{name} <{name}@example.org>"
        signer.gpg("--passphrase", "", "--quick-generate-key", who, "ed25519", "sign", "never")
        signer.gpg("--output", str(signer.keyring), "--export")
        yield signer
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)  # its agent removes its sockets meanwhile


def build_deb(folder: Path, package: str, version: str, files: dict[str, bytes | Path]) -> Path:
    """Write ``<package>_<version>_all.deb``; a path is a symbolic link's target."""
    tree = folder / f"tree-{package}-{version}"
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        f"Package: {package}\nVersion: {version}\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: a test\n"
    )
    tree.chmod(0o755)
    (tree / "DEBIAN").chmod(0o755)
    deb = folder / f"{package}_{version}_all.deb"
    command = ["dpkg-deb", "-Znone", "--root-owner-group", "-b", str(tree), str(deb)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    return deb


@dataclass
class Archive:
    """A Debian archive on disk: one suite."""

    root: Path
    signer: Signer
    suite: str = "test"

    @property
    def release(self) -> Path:
        return self.root / "dists" / self.suite / "Release"

    @property
    def packages(self) -> Path:
        return self._packages("main")

    @property
    def deb(self) -> Path:
        return next(self.pool("main").iterdir())

    def pool(self, component: str) -> Path:
        return self.root / "pool" / component.replace("/", "-")

    def publish(self, *debs: Path, component: str = "main", sign: bool = True) -> None:
        """Make these the only packages of the suite's component."""
        pool = self.pool(component)
        shutil.rmtree(pool, ignore_errors=True)
        pool.mkdir(parents=True)
        entries = []
        for deb in debs:
            shutil.copy(deb, pool)
            control = subprocess.check_output(["dpkg-deb", "-f", str(deb)], text=True)
            entries.append(
                f"{control}Filename: pool/{pool.name}/{deb.name}\n"
                f"Size: {deb.stat().st_size}\nSHA256: {sha256(deb)}\n"
            )
        packages = self._packages(component)
        packages.parent.mkdir(parents=True, exist_ok=True)
        packages.write_text("\n".join(entries))
        self._write_release(sign=sign)

    def _packages(self, component: str) -> Path:
        return self.release.parent / component / "binary-amd64/Packages"

    def _write_release(self, *, sign: bool) -> None:
        indexes = sorted(self.release.parent.rglob("Packages"))
        listed = "".join(
            f" {sha256(index)} {index.stat().st_size} {index.relative_to(self.release.parent)}\n"
            for index in indexes
        )
        self.release.write_text(
            f"Origin: Test\nLabel: Test\nSuite: {self.suite}\nCodename: {self.suite}\n"
            "Date: Sat, 01 Jan 2022 00:00:00 UTC\nArchitectures: amd64 all\n"
            f"Components: main non-free-firmware\nSHA256:\n{listed}"
        )
        self.release.with_name("InRelease").unlink(missing_ok=True)
        if sign:
            self.signer.clearsign(self.release)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Mirror:
    """The archive by HTTP, with faults to switch on.

    Attributes:
        cut_at: bytes of a package after which the connection is closed.
        hold: path suffix whose answer stops half way until ``let_go``.
        asked: (path, Range header, Authorization header) of each request.
    """

    url: str
    cut_at: int | None = None
    hold: str | None = None
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def debs_asked(self) -> list[str | None]:
        """The Range header of each request for a package."""
        return [ranged for path, ranged, _ in self.asked if path.endswith(".deb")]


@contextmanager
def mirror_of(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """Serve the archive below ``/debian``, also to those who take us for their proxy."""
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    no_retries = archive.root.parent / "apt.conf"  # the host's own settings, which are taken over
    no_retries.write_text('Acquire::Retries "0";')
    monkeypatch.setenv("APT_CONFIG", str(no_retries))
    state = Mirror("")

    class Handler(_Handler):
        mirror = state
        root = archive.root

    with _Server(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/debian"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        state.let_go.set()
        server.shutdown()
        thread.join(PATIENCE)


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client that was killed


class _Handler(http.server.BaseHTTPRequestHandler):
    mirror: Mirror
    root: Path

    def do_GET(self) -> None:
        ranged = self.headers.get("Range")
        self.mirror.asked.append((self.path, ranged, self.headers.get("Authorization")))
        path = self.root / unquote(self.path).partition("/debian/")[2]
        if not path.is_file():
            self.send_error(404)
            return
        made = self.date_time_string(path.stat().st_mtime)
        if self.headers.get("If-Range", made) != made:  # RFC 9110 section 13.1.5
            ranged = None
        start = int(ranged.removeprefix("bytes=").rstrip("-")) if ranged else 0
        content = path.read_bytes()
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Last-Modified", made)
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self._send(content, start)

    def _send(self, content: bytes, start: int) -> None:
        end = len(content)
        if self.path.endswith(".deb") and self.mirror.cut_at is not None:
            end = self.mirror.cut_at
        if self.mirror.hold is not None and self.path.endswith(self.mirror.hold):
            middle = (start + end) // 2
            self.wfile.write(content[start:middle])
            self.wfile.flush()
            self.mirror.held.set()
            self.mirror.let_go.wait(PATIENCE)
            start = middle
        self.wfile.write(content[start:end])

    def log_message(self, *_: object) -> None:
        pass
