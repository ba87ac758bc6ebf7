"""Builds springboards: a CD that is a USB stick as well and starts iPXE or GRUB, of some MB.

::

    0             1st boot sector, for BIOS from USB (isohdpfx.bin), and a GPT
    ISO 9660      isolinux.bin, ipxe.krn, …, and the start script
    partition 2   FAT: EFI/BOOT/BOOTX64.EFI, …, and the start script once more; El Torito has
                  firmware find it on a CD, the GPT on a USB stick

iPXE for UEFI reads its script from the FAT it came from, iPXE for BIOS the one on the ISO 9660;
Debian's signed GRUB the one on whatever the firmware started it from. So it is there twice, with
room for one machine's own: ``LAYOUT`` says where. The same packages make the same bytes.

Signed programs lie beside it once more, so that whoever serves it can judge them.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from netboot.answer.springboard import SHIM, filled
from netboot.errors import OperationError
from netboot.media import process
from netboot.media.library import Entry, store
from netboot.media.springboard_layout import LARGEST, LAYOUT, MEDIUM, Layout
from netboot.media.unpack import unpack

ROOM = 4096
"""Bytes a start script has."""

_RECIPE = 2
"""Of this module: another number has the next fetch build anew."""
_EFI = "EFI"
_GRUB = "EFI/BOOT/grubx64.efi"
_SIGNED = {"EFI/BOOT/BOOTX64.EFI": SHIM, _GRUB: "grubx64.efi"}
"""Place on a medium with GRUB → the name it has beside that; shim's says what it starts."""
_FAT = "fat"
"""The folder that becomes the FAT."""
_ISOLINUX, _BOOT_SECTOR = "isolinux.bin", "isohdpfx.bin"
_ISOLINUX_CONFIG = "default ipxe\nlabel ipxe\nkernel /ipxe.krn\ninitrd /autoexec.ipxe\n"
_SCRIPTS = {
    "autoexec.ipxe": "#!ipxe\n# each machine's own script goes here\nautoboot || reboot\n",
    "grub/grub.cfg": "# each machine's own script goes here\nnet_bootp\n",
}
"""What starts where no machine's own script was written over it."""
_COPIES = 2
_EPOCH = 946_684_800
"""2000-01-01, the date of everything in it."""
_SERIAL = "4e455442"
_LABEL = "NETBOOT"
_CLUSTER, _SECTOR = 2048, 512
_HEADS, _TRACK = 16, 32
_SLACK = 64 * _CLUSTER
"""For the FAT's own tables and folders."""
_TOOLS = {"xorriso": "xorriso", "mcopy": "mtools"}
"""What must be installed, and the packages it is in."""

Wanted = Mapping[str, Mapping[str, str]]
"""Package → place on the medium → path inside the package; what is below EFI goes to the FAT."""


def recipe(wanted: Wanted) -> str:
    """What a springboard is made of, in one line."""
    made_of = (f"{package}:{path}" for package, parts in wanted.items() for path in parts.values())
    return " ".join([f"springboard {_RECIPE}:", *made_of])


def members(wanted: Wanted) -> dict[str, str]:
    """Served name → what the manifest says it is made of."""
    return dict.fromkeys((MEDIUM, LAYOUT, *_beside(wanted).values()), recipe(wanted))


def _beside(wanted: Wanted) -> Mapping[str, str]:
    """Place on the medium → served name, of what lies beside it too."""
    places = {place for parts in wanted.values() for place in parts}
    return _SIGNED if places >= _SIGNED.keys() else {}


def build(
    debs: Mapping[str, Path], wanted: Wanted, folder: Path, tick: Callable[[int], None]
) -> dict[str, Entry]:
    """Write a springboard and its layout into ``folder``.

    Args:
        debs: package → its file.
        wanted: what of each package goes where.
        folder: an empty one.
        tick: called with the bytes taken so far; what it raises ends the work.

    Returns:
        Served name → digest and size.

    Raises:
        OperationError: a tool is not installed or fails, or a package lacks something.
        OSError: the disk is full.
    """
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise OperationError(f"{tool} is not installed: apt install {package}")
    with tempfile.TemporaryDirectory(prefix="netboot-springboard-") as work:
        medium, offsets = _Workshop(Path(work), tick).build(debs, wanted)
        layout = Path(work, LAYOUT)
        layout.write_bytes(msgspec.json.encode(Layout(room=ROOM, offsets=offsets)))
        entries = {}
        signed = [(Path(work, _FAT, place), name) for place, name in _beside(wanted).items()]
        for path, name in ((medium, MEDIUM), (layout, LAYOUT), *signed):
            with path.open("rb") as content:
                entries[name] = store(content, folder / name, recipe(wanted), tick)
    return entries


class _Workshop:
    """A folder where one springboard is put together."""

    def __init__(self, folder: Path, tick: Callable[[int], None]) -> None:
        self._folder = folder
        self._tick = tick
        self._done = 0

    def build(self, debs: Mapping[str, Path], wanted: Wanted) -> tuple[Path, tuple[int, ...]]:
        """The medium's file, and the offsets of its start script."""
        parts = self._folder / "parts"
        for package, places in wanted.items():
            unpacked = unpack(debs[package], places, parts, self._count)
            self._done += sum(entry.size for entry in unpacked.values())
        place = "grub/grub.cfg" if (parts / _GRUB).exists() else "autoexec.ipxe"
        script = filled(_SCRIPTS[place], ROOM)
        fat, disc = self._folder / _FAT, self._folder / "disc"
        disc.mkdir()
        (parts / _EFI).rename(_below(fat, _EFI))
        for tree in (fat, disc):
            _below(tree, place).write_bytes(script)
        boot_sector = parts / _BOOT_SECTOR
        if boot_sector.exists():
            boot_sector = boot_sector.rename(self._folder / _BOOT_SECTOR)
            for path in parts.iterdir():
                path.rename(disc / path.name)
            (disc / "isolinux.cfg").write_text(_ISOLINUX_CONFIG)
        medium = self._folder / MEDIUM
        self._master(disc, self._formatted(fat), boot_sector, medium)
        return medium, _offsets(medium, script)

    def _formatted(self, tree: Path) -> Path:
        """A FAT image of ``tree``."""
        image = self._folder / "efi.img"
        paths = sorted(tree.rglob("*"))
        content = sum(-(-path.stat().st_size // _CLUSTER) * _CLUSTER for path in paths)
        track = _HEADS * _TRACK * _SECTOR
        sectors = -(-(content + _SLACK) // track) * track // _SECTOR
        if sectors * _SECTOR > LARGEST:
            raise OperationError(f"the EFI programs have {content} bytes, more than {LARGEST}")
        geometry = ["-h", str(_HEADS), "-s", str(_TRACK), "-c", str(_CLUSTER // _SECTOR)]
        identity = ["-N", _SERIAL, "-v", _LABEL]
        with image.open("xb") as file:
            file.truncate(sectors * _SECTOR)
        self._run("mformat", "-i", str(image), "-T", str(sectors), *geometry, *identity, "::")
        for path in paths:
            _dated(path)
            there = f"::/{path.relative_to(tree).as_posix()}"
            if path.is_dir():
                self._run("mmd", "-i", str(image), there)
            else:
                self._run("mcopy", "-m", "-i", str(image), str(path), there)
        return image

    def _master(self, tree: Path, fat: Path, boot_sector: Path, medium: Path) -> None:
        """Write the CD that is a USB stick as well."""
        for path in sorted(tree.rglob("*")):
            _dated(path)
        _dated(tree)
        bios = []
        if boot_sector.exists():
            bios = ["-isohybrid-mbr", str(boot_sector), "-c", "boot.cat", "-b", _ISOLINUX]
            bios += ["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
            bios += ["-eltorito-alt-boot"]
        uefi = ["-append_partition", "2", "0xef", str(fat), "-appended_part_as_gpt"]
        uefi += ["-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]
        volume = ["-quiet", "-o", str(medium), "-V", _LABEL, "-l", "-r"]
        self._run("xorriso", "-as", "mkisofs", *volume, *bios, *uefi, str(tree))

    def _run(self, *command: str) -> None:
        env = {"SOURCE_DATE_EPOCH": str(_EPOCH), "TZ": "UTC", "MTOOLSRC": "/dev/null"}
        tick = partial(self._tick, self._done)
        finished = process.run(command, tick=tick, cwd=self._folder, env=env)
        if finished.code != 0:
            said = (finished.errors.strip() or "no reason given").splitlines()[-1]
            raise OperationError(f"{command[0]} ended with {finished.code}: {said}")

    def _count(self, taken: int) -> None:
        self._tick(self._done + taken)


def _below(tree: Path, place: str) -> Path:
    path = tree / PurePosixPath(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _dated(path: Path) -> None:
    os.utime(path, (_EPOCH, _EPOCH))


def _offsets(medium: Path, script: bytes) -> tuple[int, ...]:
    """Where ``script`` stands; in no other place, and no other number of times."""
    content = medium.read_bytes()
    found, at = [], content.find(script)
    while at >= 0:
        found.append(at)
        at = content.find(script, at + len(script))
    if len(found) != _COPIES:
        raise OperationError(f"the start script stands {len(found)} times in it, not {_COPIES}")
    return tuple(found)
