"""Installs a system from a Debian archive into the root partition of a disk, by mmdebstrap.

mmdebstrap has apt walk the signed chain and dpkg install in a namespace of its own. What we add is
two hooks: the files of ``templates/system`` come before the packages that read them, and
``templates/system/seal.sh`` makes the file system at the end, where owners are right.
"""

import io
import os
import shlex
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2

from netboot import resources
from netboot.media import bootdisk, tools
from netboot.media.apt_folder import how_to_reach
from netboot.media.bootdisk import Layout
from netboot.media.definition import Build, Source
from netboot.media.mirror import Mirror

SYSTEM = resources.TEMPLATES / "system"
_SEAL = SYSTEM / "seal.sh"
_STAGES = {
    # mmdebstrap's hook → what begins there
    "setup": "downloading packages",
    "extract": "installing the base system",
    "essential": "downloading and installing packages",
}


@dataclass(frozen=True, slots=True)
class Archive:
    """The part of an archive the packages come from, where it is, and who vouches for it."""

    source: Source
    mirror: Mirror
    keyring: Path


def recipe(build: Build) -> bytes:
    """All that decides what comes out, beside the archive."""
    files = (path for path in sorted(SYSTEM.rglob("*")) if path.is_file())
    texts = (b"%s\0%s\0" % (bytes(path.relative_to(SYSTEM)), path.read_bytes()) for path in files)
    return repr(build).encode() + b"".join(texts)


def install(
    build: Build,
    archive: Archive,
    layout: Layout,
    work: Path,
    epoch: int,
    tick: Callable[[str], None],
) -> None:
    """Install the system into ``disk.raw`` and leave its boot loaders beside it.

    Args:
        build: what is installed.
        archive: where it comes from.
        layout: of the disk.
        work: a folder of ours with the partitioned ``disk.raw``; ``boot.img``, ``core.img``,
            ``esp/`` and ``packages`` (lines ``name=version``) come there.
        epoch: the time of everything inside, seconds since 1970.
        tick: called several times a second with what is being done; what it raises ends the work.

    Raises:
        OperationError: mmdebstrap failed.
    """
    (work / "files.tar").write_bytes(_files(build, archive, layout, epoch))
    _write_private(work / "apt.conf", how_to_reach(archive.mirror, work))
    _write_private(work / "auth.conf", archive.mirror.netrc)
    (work / "tmp").mkdir()
    stage = work / "stage"
    stage.write_text("starting")
    tools.run(
        [*tools.as_root(), *_command(build, archive, work)],
        cwd=work,
        tick=lambda: tick(stage.read_text().strip() or "going on"),
        env={
            "TMPDIR": str(work / "tmp"),
            "SOURCE_DATE_EPOCH": str(epoch),
            "ROOT_UUID": str(layout.uuid("filesystem")),
            "ROOT_OFFSET": str(bootdisk.ROOT),
            "ROOT_SIZE": str(layout.root_size >> 10),
        },
    )


def _command(build: Build, archive: Archive, work: Path) -> list[str]:
    source, folder = archive.source, shlex.quote(str(work))
    conf = f'install -D -m 600 {folder}/apt.conf "$1/etc/apt/apt.conf.d/00building"'
    auth = f'install -D -m 600 {folder}/auth.conf "$1/etc/apt/auth.conf.d/building.conf"'
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--architectures={source.architecture}",
        f"--components={source.component}",
        f"--keyring={archive.keyring}",
        f"--include={','.join(build.packages)}",
        "--dpkgopt=force-unsafe-io",
        *(f"--{hook}-hook=echo {text} > {folder}/stage" for hook, text in _STAGES.items()),
        f"--setup-hook={conf} && {auth}",
        f"--essential-hook=tar-in {folder}/files.tar /",
        f'--customize-hook=unshare --mount sh {shlex.quote(str(_SEAL))} "$1" {folder}',
        "--skip=cleanup",
        "--format=null",
        source.suite,
        "/dev/null",
        archive.mirror.url,
    ]


def _files(build: Build, archive: Archive, layout: Layout, epoch: int) -> bytes:
    """The system's own files, filled in, as a tar of root's."""
    environment = jinja2.Environment(  # noqa: S701 -- no HTML
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    values = {
        "root_uuid": layout.uuid("filesystem"),
        "esp_uuid": layout.esp_uuid,
        "mirror": archive.mirror.url,
        "suite": archive.source.suite,
        "component": archive.source.component,
    }
    found: dict[str, bytes] = {}
    for folder in (SYSTEM / "common", SYSTEM / build.kind):
        for path in folder.rglob("*"):
            if path.is_file():
                text = environment.from_string(path.read_text("utf-8")).render(values)
                found[path.relative_to(folder).as_posix()] = text.encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(found.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), epoch, 0o644
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _write_private(path: Path, text: str) -> None:
    """Write a file that may hold a proxy's or mirror's password."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
