"""The files a Raspberry Pi 4's boot loader and firmware ask TFTP for, in order."""

from dataclasses import dataclass

from netboot.simulate.machine import Stage


@dataclass(frozen=True, slots=True)
class File:
    """One of them.

    Attributes:
        decides: whether it tells if there is a folder of this serial number.
        needed: whether the boot ends without it.
        stage: what having read it means.
    """

    name: str
    decides: bool = False
    needed: bool = False
    stage: Stage | None = None


FILES = (
    File("config.txt"),
    File("start4.elf", decides=True, needed=True, stage=Stage.LOADER),
    File("fixup4.dat"),
    File("bcm2711-rpi-4-b.dtb"),
    File("overlays/overlay_map.dtb"),
    File("cmdline.txt"),
    File("kernel8.img", needed=True, stage=Stage.KERNEL),
)
