"""Is an image's kernel made for a machine's processor? Its PE header says what it is made for."""

from collections.abc import Mapping

from netboot.errors import OperationError
from netboot.model import Arch, Image
from netboot.secure_boot import pe

_MADE_FOR: Mapping[int, str] = {
    # the Machine of the COFF header (Microsoft PE Format, "Machine Types")
    0x014C: "i386",
    0x8664: "x64",
    0xAA64: "arm64",
    0x5064: "riscv64",
    0x6264: "loong64",
}
_RUNS: Mapping[int, frozenset[str]] = {
    Arch.BIOS: frozenset({"x64", "i386"}),
    Arch.X64: frozenset({"x64"}),
    Arch.X64_ALT: frozenset({"x64"}),
    Arch.X64_HTTP: frozenset({"x64"}),
    Arch.ARM64: frozenset({"arm64"}),
    Arch.ARM64_HTTP: frozenset({"arm64"}),
    Arch.RISCV64: frozenset({"riscv64"}),
    Arch.RISCV64_HTTP: frozenset({"riscv64"}),
    Arch.LOONG64: frozenset({"loong64"}),
    Arch.LOONG64_HTTP: frozenset({"loong64"}),
}


def foreign(image: Image | None, arch: int) -> str:
    """What the programs of ``image`` are made for, where none of them runs on ``arch``; else "".

    Args:
        image: what a machine's profile starts; None for nothing of ours.
        arch: its DHCP option 93.
    """
    runs = _RUNS.get(arch)
    made_for = set() if image is None or runs is None else _programs(image)
    return "" if runs is None or made_for & runs else ", ".join(sorted(made_for))


def _programs(image: Image) -> set[str]:
    found = set()
    for file in image.files.values():
        try:
            found.add(_MADE_FOR.get(pe.machine(file.path), "another processor"))
        except (OSError, OperationError):  # no program, or gone: whoever serves it says so
            continue
    return found
