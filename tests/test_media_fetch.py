"""Fetching against a small signed Debian archive on loopback, whole and with every fault."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from netboot import config, resources
from netboot.errors import ConfigError, OperationError
from netboot.media import library
from netboot.media.fetch import each, fetch
from netboot.media.patience import Away
from netboot.media.progress import silent
from tests.signed_archive import (
    PATIENCE,
    Archive,
    Mirror,
    Signer,
    build_deb,
    mirror_of,
    new_signer,
    sha256,
)

KERNEL = random.Random(1).randbytes(300_000)  # noqa: S311 -- content, not a secret
INITRD = random.Random(2).randbytes(900_000)  # noqa: S311 -- likewise
DEFINITION = """\
title = "A tiny installer"
source = {{ suite = "{suite}", component = "main", package = "{package}", architecture = "amd64" }}
[files]
{files}
"""
FILES = {"linux": "/usr/lib/tiny/linux", "sub/initrd.gz": "/usr/lib/tiny/initrd.gz"}


@pytest.fixture(scope="module")
def archive_key() -> Iterator[Signer]:
    with new_signer("archive") as signer:
        yield signer


@pytest.fixture(scope="module")
def stranger() -> Iterator[Signer]:
    with new_signer("stranger") as signer:
        yield signer


def build_tiny(folder: Path, version: str) -> Path:
    """Write ``tiny_<version>_all.deb``: two files, a symbolic link."""
    files = {"linux": KERNEL + version.encode(), "initrd.gz": INITRD, "link": Path("linux")}
    named = {f"usr/lib/tiny/{name}": content for name, content in files.items()}
    return build_deb(folder, "tiny", version, named)


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("debs")
    return {v: build_tiny(folder, v) for v in ("1", "2~rc1+deb13u1", "3")}


@pytest.fixture
def archive(tmp_path: Path, archive_key: Signer, debs: dict[str, Path]) -> Archive:
    made = Archive(tmp_path / "archive", archive_key)
    made.publish(debs["1"])
    return made


@pytest.fixture
def mirror(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    with mirror_of(archive, monkeypatch) as state:
        yield state


@dataclass
class Site:
    """A netboot with one definition, ``tiny``, and the archive's key."""

    settings: config.Settings
    keyring: Path
    definitions: Path

    @property
    def image_dir(self) -> Path:
        return self.settings.images_dir / "tiny"

    def define(self, *, files: dict[str, str] | None = None, **source: str) -> None:
        listed = "\n".join(f'"{name}" = "{path}"' for name, path in (files or FILES).items())
        values = {"suite": "test", "package": "tiny"} | source
        (self.definitions / "tiny.toml").write_text(DEFINITION.format(files=listed, **values))

    def fetch(self) -> None:
        fetch(["tiny"], self.settings, silent, keyring=self.keyring)

    def serves(self) -> str | None:
        """Return the version served now, after hashing every file of it; None before any."""
        if not (self.image_dir / "current").is_symlink():
            return None
        folder = library.current(self.image_dir)
        manifest = library.read_manifest(folder)
        assert library.check(folder, manifest) == ()
        assert len(library.load(self.image_dir).files) == len(manifest.files)
        return manifest.version

    def part(self, version: str) -> Path:
        """The package while it is downloaded."""
        downloads = self.settings.images_dir / ".fetch/test-main-amd64/downloads"
        return downloads / f"tiny_{version}_all.deb"

    def folders(self) -> set[str]:
        links = {"current", "previous"}
        return {path.name for path in self.image_dir.iterdir() if path.name not in links}

    def start(self, *, before: str = "", inside: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """Start a real ``netboot image fetch tiny``; ``inside`` is a command that runs commands."""
        program = (
            "from pathlib import Path\nfrom netboot import resources\n"
            f"resources.IMAGES = Path({str(self.definitions)!r})\n{before}\n"
            "from netboot.cli.main import main\nmain()\n"
        )
        arguments = ["image", "fetch", "tiny", "--keyring", str(self.keyring)]
        environ = {name: value for name, value in os.environ.items() if "NETBOOT" not in name}
        environ["NETBOOT_SERVER_DATA_DIR"] = str(self.settings.data_dir)
        environ["NETBOOT_DEBIAN_MIRROR"] = str(self.settings.debian.mirror)
        return subprocess.Popen(
            [*inside, sys.executable, "-c", program, *arguments],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def site(
    tmp_path: Path, mirror: Mirror, archive_key: Signer, monkeypatch: pytest.MonkeyPatch
) -> Site:
    (tmp_path / "definitions").mkdir()
    monkeypatch.setattr(resources, "IMAGES", tmp_path / "definitions")
    made = Site(_settings(tmp_path / "data", mirror.url), archive_key.keyring, resources.IMAGES)
    made.define()
    return made


def _settings(data_dir: Path, mirror: str) -> config.Settings:
    return config.Settings(
        server=config.Server(data_dir=str(data_dir)), debian=config.Debian(mirror=mirror)
    )


# ---- what goes well


def test_a_fetched_image_is_the_packages_files_with_their_history(
    site: Site, mirror: Mirror, archive: Archive
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    [image] = fetch(["tiny"], site.settings, lambda *said: seen.append(said), keyring=site.keyring)
    assert (image.name, image.version) == ("tiny", "1")
    assert image.files["linux"].path.read_bytes() == KERNEL + b"1"
    assert image.files["sub/initrd.gz"].path.read_bytes() == INITRD
    assert image.files["linux"].sha256 == hashlib.sha256(KERNEL + b"1").hexdigest()
    assert image.files["linux"].path.stat().st_mode & 0o777 == 0o644
    manifest = library.read_manifest(library.current(site.image_dir))
    assert (manifest.package, manifest.suite, manifest.mirror) == ("tiny", "test", mirror.url)
    assert manifest.deb_sha256 == sha256(archive.deb)
    assert library.installed(site.settings.images_dir) == (image,)
    unpacked = [done for stage, done, _ in seen if stage == "tiny: unpacking"]
    assert unpacked == sorted(unpacked)
    assert unpacked[-1] == len(KERNEL) + 1 + len(INITRD)


def test_an_image_may_be_made_of_files_of_several_packages(
    site: Site, archive: Archive, debs: dict[str, Path], tmp_path: Path
) -> None:
    other = build_deb(tmp_path / "other", "other", "7", {"usr/lib/two": b"two"})
    archive.publish(debs["1"], other)
    (site.definitions / "tiny.toml").write_text(
        'title = "Two"\n[source]\nsuite = "test"\ncomponent = "main"\narchitecture = "amd64"\n'
        '[package.tiny]\n"sb/one" = "/usr/lib/tiny/linux"\n'
        '[package.other]\n"two" = "/usr/lib/two"\n'
    )
    site.fetch()
    assert site.serves() == "1"
    assert library.load(site.image_dir).files["two"].path.read_bytes() == b"two"
    manifest = library.read_manifest(library.current(site.image_dir))
    assert manifest.package == "tiny=1 other=7"
    assert {name: entry.member for name, entry in manifest.files.items()} == {
        "sb/one": "/usr/lib/tiny/linux",
        "two": "/usr/lib/two",
    }
    [again] = each(["tiny"], site.settings, silent, keyring=site.keyring)
    assert not again.changed


def test_an_image_that_is_current_is_not_downloaded_again(site: Site, mirror: Mirror) -> None:
    site.fetch()
    [again] = each(["tiny"], site.settings, silent, keyring=site.keyring)
    assert not again.changed
    assert len(mirror.debs_asked()) == 1


def test_a_new_version_replaces_the_old_and_keeps_it_until_the_next(
    site: Site, archive: Archive, debs: dict[str, Path]
) -> None:
    site.fetch()
    [old] = library.installed(site.settings.images_dir)
    stamp = library.stamp(site.settings.images_dir)
    assert library.stamp(site.settings.images_dir) == stamp
    with old.files["linux"].path.open("rb") as running_transfer:
        archive.publish(debs["2~rc1+deb13u1"])
        site.fetch()
        assert site.serves() == "2~rc1+deb13u1"
        assert library.stamp(site.settings.images_dir) != stamp
        assert site.folders() == {"1", "2~rc1+deb13u1"}
        assert old.files["linux"].path.read_bytes() == running_transfer.read()
    archive.publish(debs["3"])
    site.fetch()
    assert site.folders() == {"2~rc1+deb13u1", "3"}


def test_harm_on_disk_and_a_changed_definition_are_reasons_to_fetch_again(site: Site) -> None:
    site.fetch()
    linux = library.current(site.image_dir) / "linux"
    content = bytearray(linux.read_bytes())
    content[1000] ^= 1
    linux.write_bytes(content)
    site.fetch()
    assert site.serves() == "1"
    assert site.folders() == {"1", "1_2"}
    site.define(files={"vmlinuz": FILES["linux"]})
    site.fetch()
    assert site.serves() == "1"
    assert set(library.load(site.image_dir).files) == {"vmlinuz"}


def test_a_mirrors_password_reaches_the_mirror_and_nothing_else(
    site: Site, mirror: Mirror, archive: Archive, tmp_path: Path
) -> None:
    secret = mirror.url.replace("//", "//user:hunter2@")
    settings = _settings(tmp_path / "data", secret)
    fetch(["tiny"], settings, silent, keyring=site.keyring)
    assert any(authorization for _, _, authorization in mirror.asked)
    manifest = library.current(site.image_dir) / "manifest.json"
    assert "hunter2" not in manifest.read_text()
    archive.release.with_name("InRelease").write_text("broken")
    with pytest.raises(OperationError) as refused:
        fetch(["tiny"], settings, silent, keyring=site.keyring)
    assert "hunter2" not in str(refused.value)


def test_a_proxy_is_asked_instead_of_the_mirror_and_its_password_stays_secret(
    site: Site, mirror: Mirror, tmp_path: Path
) -> None:
    proxy = mirror.url.removesuffix("/debian").replace("//", "//user:hunter2@")
    far = "http://mirror.invalid/debian"
    debian = config.Debian(mirror=far, proxy=proxy)
    settings = config.Settings(server=config.Server(data_dir=str(tmp_path / "data")), debian=debian)
    fetch(["tiny"], settings, silent, keyring=site.keyring)
    assert site.serves() == "1"
    assert {path.startswith(f"{far}/") for path, *_ in mirror.asked} == {True}
    assert "hunter2" not in (library.current(site.image_dir) / "manifest.json").read_text()
    away = config.Debian(mirror=far, proxy="http://user:hunter2@127.0.0.1:9")
    with pytest.raises(Away, match=r"127\.0\.0\.1:9") as refused:
        fetch(
            ["tiny"], msgspec.structs.replace(settings, debian=away), silent, keyring=site.keyring
        )
    assert "hunter2" not in str(refused.value)


# ---- what is refused: (what is wrong, how it is said)


def _tampered_deb(archive: Archive) -> None:
    content = bytearray(archive.deb.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.deb.write_bytes(content)


def _tampered_packages(archive: Archive) -> None:
    _tampered_deb(archive)
    text = archive.packages.read_text()
    line = next(line for line in text.splitlines() if line.startswith("SHA256"))
    archive.packages.write_text(text.replace(line, f"SHA256: {sha256(archive.deb)}"))


def _tampered_release(archive: Archive) -> None:
    signed = archive.release.with_name("InRelease")
    signed.write_text(signed.read_text().replace("Origin: Test", "Origin: Evil"))


def _truncated_deb(archive: Archive) -> None:
    archive.deb.write_bytes(archive.deb.read_bytes()[:100_000])


def _longer_deb(archive: Archive) -> None:
    archive.deb.write_bytes(archive.deb.read_bytes() + bytes(5_000_000))


def _unsigned(archive: Archive) -> None:
    archive.release.with_name("InRelease").unlink()


def _away(archive: Archive) -> None:
    shutil.rmtree(archive.root)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_tampered_deb, "not as the archive's signed index says"),
        (_tampered_packages, "not as the archive's signed index says"),
        (_tampered_release, "signature is not good"),
        (_unsigned, "signature is gone"),
        (_truncated_deb, "not as the archive's signed index says"),
        (_longer_deb, "not as the archive's signed index says|has more bytes than"),
        (_away, "not on this mirror"),
    ],
)
def test_a_harmed_archive_is_refused_and_the_old_version_serves(
    harm: Callable[[Archive], None],
    said: str,
    site: Site,
    archive: Archive,
    debs: dict[str, Path],
) -> None:
    site.fetch()
    archive.publish(debs["3"])
    harm(archive)
    with pytest.raises(OperationError, match=said) as refused:
        site.fetch()
    assert "\n" not in str(refused.value)
    assert site.serves() == "1"
    assert site.folders() == {"1"}
    archive.publish(debs["3"])
    site.fetch()
    assert site.serves() == "3"


@pytest.mark.parametrize("with_old_index", [False, True])
def test_a_strangers_signature_is_refused(
    site: Site,
    archive: Archive,
    stranger: Signer,
    debs: dict[str, Path],
    *,
    with_old_index: bool,
) -> None:
    if with_old_index:
        site.fetch()
    archive.signer = stranger
    archive.publish(debs["3"])
    with pytest.raises(OperationError, match="signature is not good for the keyring"):
        site.fetch()
    assert site.serves() == ("1" if with_old_index else None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"package": "absent"}, "absent: the package is not in test|the package is not in test"),
        ({"suite": "absent"}, "absent is not on this mirror"),
        ({"files": {"linux": "/usr/lib/tiny/absent"}}, "has no /usr/lib/tiny/absent"),
        ({"files": {"linux": "/usr/lib/tiny/link"}}, "is a link or a device"),
    ],
)
def test_a_definition_that_does_not_fit_the_archive(
    change: dict[str, str], said: str, site: Site
) -> None:
    site.define(**change)
    with pytest.raises(OperationError, match=f"^tiny: .*{said}"):
        site.fetch()
    assert site.serves() is None


def test_a_mirror_that_is_away_and_a_keyring_that_is_missing(site: Site, tmp_path: Path) -> None:
    settings = _settings(tmp_path / "data", "http://127.0.0.1:9/debian")
    with pytest.raises(OperationError, match=r"127\.0\.0\.1:9/debian: the mirror cannot be read"):
        fetch(["tiny"], settings, silent, keyring=site.keyring)
    with pytest.raises(OperationError, match="install the package debian-archive-keyring"):
        fetch(["tiny"], site.settings, silent, keyring=tmp_path / "absent.gpg")
    with pytest.raises(ConfigError, match="'absent' is no known image; known: tiny"):
        fetch(["absent"], site.settings, silent)


# ---- what is cut off


def test_a_download_that_breaks_off_is_resumed(site: Site, mirror: Mirror) -> None:
    mirror.cut_at = 500_000
    with pytest.raises(OperationError):
        site.fetch()
    assert site.serves() is None
    mirror.cut_at = None
    mirror.asked.clear()
    site.fetch()
    assert site.serves() == "1"
    assert mirror.debs_asked() == ["bytes=500000-"]


class Cancelled(Exception):  # noqa: N818 -- no error
    pass


def test_what_progress_raises_cancels_the_fetch(site: Site, mirror: Mirror) -> None:
    mirror.hold = ".deb"

    def cancel(stage: str, done: int, total: int | None) -> None:
        if total is not None and 0 < done < total:
            raise Cancelled(stage)

    with pytest.raises(Cancelled, match="tiny: downloading 1"):
        fetch(["tiny"], site.settings, cancel, keyring=site.keyring)
    mirror.hold = None
    mirror.let_go.set()
    site.fetch()
    assert site.serves() == "1"


def _kill_in(function: str) -> str:
    """Python that kills its own process when a function of netboot is entered."""
    module, _, name = function.rpartition(".")
    return (
        f"import os, signal, {module} as m\n"
        f"m.{name} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
    )


@pytest.mark.parametrize(
    "moment", ["Packages", ".deb", "netboot.media.unpack._write", "netboot.media.library._link"]
)
def test_killed_at_any_moment_the_old_version_serves_and_the_next_fetch_completes(
    moment: str, site: Site, mirror: Mirror, archive: Archive, debs: dict[str, Path]
) -> None:
    site.fetch()
    archive.publish(debs["3"])
    if moment.startswith("netboot."):
        process = site.start(before=_kill_in(moment))
    else:
        mirror.hold = moment
        process = site.start()
        assert mirror.held.wait(PATIENCE)
        if moment == ".deb":
            eventually(lambda: site.part("3").exists() and site.part("3").stat().st_size > 100_000)
        process.kill()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    mirror.hold = None
    mirror.let_go.set()
    assert site.serves() == "1"
    mirror.asked.clear()
    site.fetch()
    assert site.serves() == "3"
    assert site.folders() == {"1", "3"}
    if moment == ".deb":
        [resumed] = mirror.debs_asked()
        assert resumed is not None


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "cancelled"), (signal.SIGTERM, 143, "")]
)
def test_ctrl_c_ends_in_order_and_the_next_fetch_resumes(
    number: signal.Signals, code: int, said: str, site: Site, mirror: Mirror
) -> None:
    mirror.hold = ".deb"
    process = site.start()
    assert mirror.held.wait(PATIENCE)
    eventually(lambda: site.part("1").exists() and site.part("1").stat().st_size > 100_000)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert said in errors.decode()
    assert "Traceback" not in errors.decode()
    assert site.serves() is None
    mirror.hold = None
    mirror.asked.clear()
    site.fetch()
    assert site.serves() == "1"
    [resumed] = mirror.debs_asked()
    assert resumed is not None


def eventually(happened: Callable[[], bool]) -> None:
    """Wait until something outside this process has happened."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_second_fetch_at_once_says_so(site: Site, mirror: Mirror) -> None:
    mirror.hold = ".deb"
    first = site.start()
    assert mirror.held.wait(PATIENCE)
    with pytest.raises(OperationError, match="another fetch is running in"):
        site.fetch()
    mirror.let_go.set()
    said, _ = first.communicate(timeout=PATIENCE)
    assert said.decode().startswith("tiny: 1 fetched")
    assert site.serves() == "1"


# ---- who and where


def code_of(process: "subprocess.Popen[bytes]") -> int:
    process.communicate(timeout=PATIENCE)
    return process.returncode


@dataclass
class Disk:
    """A small file system that only one mount namespace has.

    Attributes:
        path: where it is inside; ``seen`` is the same from outside.
        inside: a command that runs the command after it inside.
    """

    path: Path
    seen: Path
    inside: tuple[str, ...]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    mount = f"mount -t tmpfs -o size=8m tmpfs {path} && echo mounted && exec cat"
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:  # leaving closes its input, which ends it, and with it the mount
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mounted\n"
        inside = ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--")
        yield Disk(path, Path(f"/proc/{holder.pid}/root{path}"), inside)
        assert holder.stdin is not None
        holder.stdin.close()


@pytest.mark.root
@pytest.mark.parametrize(
    ("room", "full_while"), [(700_000, "downloading"), (2_000_000, "unpacking")]
)
def test_a_full_disk_loses_nothing(
    room: int, full_while: str, site: Site, archive: Archive, debs: dict[str, Path], disk: Disk
) -> None:
    """The package has 1.2 MB, and so have its files."""
    mirror = str(site.settings.debian.mirror)
    small = Site(_settings(disk.path, mirror), site.keyring, site.definitions)
    seen = Site(_settings(disk.seen, mirror), site.keyring, site.definitions)
    assert code_of(small.start(inside=disk.inside)) == 0
    archive.publish(debs["3"])
    ballast = disk.seen / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk.seen).free - room))
    process = small.start(inside=disk.inside)
    *stages, refused = process.communicate(timeout=PATIENCE)[1].decode().splitlines()
    assert process.returncode == 1
    assert re.search(r"disk is full|disk of .* is full|No space left", refused)
    assert full_while in stages[-1]
    assert seen.serves() == "1"
    assert shutil.disk_usage(disk.seen).free > room - 200_000  # what it took is given back
    ballast.unlink()
    assert code_of(small.start(inside=disk.inside)) == 0
    assert seen.serves() == "3"


@pytest.mark.root
def test_an_ordinary_user_who_owns_the_data_dir_can_fetch(mirror: Mirror, site: Site) -> None:
    nobody = 65534
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        data_dir = Path(place, "data")
        data_dir.mkdir()
        os.chown(data_dir, nobody, nobody)
        keyring = Path(place, "public.gpg")
        shutil.copy(site.keyring, keyring)
        keyring.chmod(0o644)
        definitions = Path(place, "definitions")
        shutil.copytree(site.definitions, definitions)
        ours = Site(_settings(data_dir, mirror.url), keyring, definitions)
        # everything is imported while the interpreter's own folder can still be read
        become = (
            "import os, encodings.idna, netboot.cli.image\n"
            f"os.chdir('/'); os.setgroups([]); os.setresgid(*[{nobody}] * 3)\n"
            f"os.setresuid(*[{nobody}] * 3)\n"
        )
        process = ours.start(before=become)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said.decode()
        assert ours.serves() == "1"
        assert (ours.image_dir / "current/linux").stat().st_uid == nobody
