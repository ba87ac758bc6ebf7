"""Installers beside a signed mirror that moves on: what is seen, what is said, what repairs it."""

import gzip
import json
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from netboot import config, resources
from netboot.cli import preflight
from netboot.cli.main import root
from netboot.doctor import Context, Severity
from netboot.doctor import drift as doctor
from netboot.media import cpio, drift
from netboot.media.drift import Fit, Installer, Judgement
from netboot.media.fetch import fetch
from netboot.media.patience import Away, Patience
from netboot.media.progress import silent
from tests.signed_archive import Archive, Mirror, Signer, build_deb, mirror_of, new_signer

OLD, NEW, NEWEST = "6.1.0-1-amd64", "6.1.0-2-amd64", "6.1.0-3-amd64"
PACKAGE = "debian-installer-12-netboot-amd64"
UDEBS = "main/debian-installer"
DEFINITION = f"""\
title = "A tiny installer"
[source]
suite = "test"
component = "main"
package = "{PACKAGE}"
architecture = "amd64"
[files]
"linux" = "/boot/linux"
"initrd.gz" = "/boot/initrd.gz"
"""


def initrd(kernel: str) -> bytes:
    tree: cpio.Tree = {"init": bytes(200_000), f"lib/modules/{kernel}/kernel/virtio.ko": b""}
    return gzip.compress(b"".join(cpio.pack(tree)))


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with new_signer("archive") as made:
        yield made


class Debian(Archive):
    """An archive that makes point releases."""

    def release_installer(self, version: str, kernel: str) -> None:
        files: dict[str, bytes | Path] = {
            "boot/linux": b"kernel",
            "boot/initrd.gz": initrd(kernel),
        }
        folder = self.root.parent / f"installer-{version}"
        self.publish(build_deb(folder, PACKAGE, version, files))

    def release_modules(self, *kernels: str) -> None:
        names = [f"{kind}-modules-{kernel}-di" for kernel in kernels for kind in ("crc", "nic")]
        folder = self.root.parent / f"udebs-{'-'.join(kernels)}"
        self.publish(*(self._udeb(folder, name) for name in names), component=UDEBS)

    @staticmethod
    def _udeb(folder: Path, name: str) -> Path:
        content = bytes(20_000 if name.startswith("nic") else 100)
        deb = build_deb(folder, name, "1", {"lib/modules/x.ko": content})
        return deb.rename(deb.with_suffix(".udeb"))


@pytest.fixture
def archive(tmp_path: Path, signer: Signer) -> Debian:
    made = Debian(tmp_path / "archive", signer)
    made.release_installer("1", NEW)
    made.release_modules(OLD, NEW)
    return made


@pytest.fixture
def mirror(archive: Debian, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    with mirror_of(archive, monkeypatch) as state:
        yield state


@pytest.fixture
def settings(
    tmp_path: Path, mirror: Mirror, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> config.Settings:
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    (definitions / "debian-12.toml").write_text(DEFINITION)
    monkeypatch.setattr(resources, "IMAGES", definitions)
    monkeypatch.setattr(drift, "judge", partial(drift.judge, keyring=signer.keyring))
    made = config.Settings(
        server=config.Server(data_dir=str(tmp_path / "data")),
        debian=config.Debian(mirror=mirror.url),
    )
    monkeypatch.setenv("NETBOOT_SERVER_DATA_DIR", str(made.data_dir))
    monkeypatch.setenv("NETBOOT_DEBIAN_MIRROR", mirror.url)
    fetch(["debian-12"], made, silent, keyring=signer.keyring)
    return made


def judged(settings: config.Settings) -> Judgement:
    [one] = drift.judge(drift.installers(settings.images_dir), settings)
    return one


def test_the_kernel_is_read_from_the_initrd(settings: config.Settings) -> None:
    assert drift.installers(settings.images_dir) == [Installer("debian-12", NEW, "test", "amd64")]


def test_a_harmed_or_cut_initrd_has_no_kernel_and_harms_nothing(settings: config.Settings) -> None:
    path = settings.images_dir / "debian-12/current/initrd.gz"
    whole = path.read_bytes()
    for harmed in (b"", whole[:100], b"no gzip", whole[:20] + bytes(50) + whole[70:]):
        path.write_bytes(harmed)
        assert drift.installers(settings.images_dir) == []


def test_an_installer_whose_modules_are_there_fits(settings: config.Settings) -> None:
    assert judged(settings).fit is Fit.FITS


def test_an_old_installer_is_seen_and_a_new_fetch_repairs_it(
    settings: config.Settings, archive: Debian, signer: Signer
) -> None:
    archive.release_modules(NEWEST)
    one = judged(settings)
    assert (one.fit, one.cure) == (Fit.OUTDATED, "netboot image fetch debian-12")
    assert f"no modules for its kernel {NEW} any more, only for {NEWEST}" in one.what
    archive.release_installer("2", NEWEST)
    fetch(["debian-12"], settings, silent, keyring=signer.keyring)
    assert judged(settings).fit is Fit.FITS


def test_a_mirror_without_installer_packages_is_no_silent_pass(
    settings: config.Settings, archive: Debian, mirror: Mirror
) -> None:
    index = archive.release.parent / UDEBS
    for gone in (index / "binary-amd64/Packages", index):  # named by Release, and not even that
        gone.unlink() if gone.is_file() else shutil.rmtree(gone)
        if gone == index:
            archive.publish(archive.deb.rename(archive.root.parent / archive.deb.name))
        one = judged(settings)
        assert one.fit is Fit.NO_INDEX
        said = f"{mirror.url} has no installer packages of test: the installer will stop there"
        assert one.what == said


def test_a_mirror_that_names_udebs_but_has_none_is_no_silent_pass(
    settings: config.Settings, archive: Debian
) -> None:
    shutil.rmtree(archive.pool(UDEBS))
    one = judged(settings)
    assert one.fit is Fit.NO_UDEBS
    assert f"names crc-modules-{NEW}-di_1_all.udeb but does not have it" in one.what


def test_an_index_nobody_signed_proves_nothing(settings: config.Settings, archive: Debian) -> None:
    archive.publish(component="non-free-firmware", sign=False)
    one = judged(settings)
    assert one.fit is Fit.UNKNOWN
    assert "not compared with the mirror" in one.what


def at(settings: config.Settings, mirror: str) -> config.Settings:
    return msgspec.structs.replace(settings, debian=config.Debian(mirror=mirror))


def test_a_mirror_that_is_away_or_silent_is_not_waited_for(
    settings: config.Settings, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = judged(at(settings, "http://127.0.0.1:9/debian"))
    assert away.fit is Fit.UNKNOWN
    assert "Connection refused" in away.what
    monkeypatch.setattr(drift, "SILENCE", 0.3)
    mirror.hold = "InRelease"
    begun = time.monotonic()
    assert judged(settings).what.endswith("nothing came for 0 s")
    assert time.monotonic() - begun < 5


def test_patience_ends_without_progress_and_at_its_end_in_any_case() -> None:
    now = 0.0
    patience = Patience(2, 5, clock=lambda: now)
    for now in (1.0, 2.0, 3.0):
        patience.see(now)
    now = 5.0
    patience.see(3.0)
    now = 5.1
    with pytest.raises(Away, match="not done in 5 s"):
        patience.see(now)
    now = 0.0
    patience = Patience(2, clock=lambda: now)
    patience.see("index")
    now = 2.1
    with pytest.raises(Away, match="nothing came for 2 s"):
        patience.see("index")


# ---- who says it


def verify(signer: Signer, *arguments: str) -> Result:
    command = ["image", "verify", "--keyring", str(signer.keyring), *arguments]
    return CliRunner().invoke(root, command)


@pytest.mark.usefixtures("settings")
def test_verify_fails_for_an_installer_that_is_too_old(archive: Debian, signer: Signer) -> None:
    assert verify(signer).exit_code == 0
    archive.release_modules(NEWEST)
    done = verify(signer)
    assert done.exit_code == 1
    assert "No kernel modules were found" in done.output
    assert "; netboot image fetch debian-12\n" in done.output
    [one] = json.loads(verify(signer, "--json").stdout)
    assert (one["mirror"], len(one["problems"])) == ("outdated", 1)


@pytest.mark.usefixtures("settings")
def test_verify_says_that_a_mirror_was_away_and_passes_whole_files(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETBOOT_DEBIAN_MIRROR", "http://127.0.0.1:9/debian")
    done = verify(signer)
    assert done.exit_code == 0
    assert done.output.startswith("debian-12: 1: 2 files good\ndebian-12: not compared with")


def test_the_doctor_says_once_what_is_true_of_several_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [Judgement(name, Fit.UNKNOWN, "not compared: away") for name in ("one", "two")]
    judged = [Judgement("zero", Fit.FITS, "has modules"), *away]
    monkeypatch.setattr(drift, "judge", lambda *_: iter(judged))
    settings = config.Settings(server=config.Server(data_dir=str(tmp_path)))
    assert [(found.severity, found.what) for found in doctor.check(Context(settings=settings))] == [
        (Severity.OK, "image zero: has modules"),
        (Severity.NOTICE, "images one, two: not compared: away"),
    ]


def test_the_doctor_finds_it(settings: config.Settings, archive: Debian) -> None:
    [finding] = doctor.check(Context(settings=settings))
    assert finding.severity is Severity.OK
    archive.release_modules(NEWEST)
    [finding] = doctor.check(Context(settings=settings))
    assert (finding.severity, finding.cure) == (Severity.PROBLEM, "netboot image fetch debian-12")


def test_it_is_said_before_serving_in_one_line_where_the_mirror_is_away() -> None:
    old = Judgement("debian-12", Fit.OUTDATED, "is old", "fetch it")
    away = [Judgement(name, Fit.UNKNOWN, "not compared") for name in ("debian-12", "debian-13")]
    fits = Judgement("debian-13", Fit.FITS, "fits")
    assert list(preflight.drifted([old, fits])) == ["image debian-12: is old; fetch it"]
    assert list(preflight.drifted(away)) == ["debian-12, debian-13: not compared"]
    assert list(preflight.drifted([])) == []
