"""How a machine comes to boot from its volume: by its firmware, or by iPXE. Pure.

The rules are those of Ironic's iLO driver, for every BMC that can.
"""

from dataclasses import dataclass
from enum import StrEnum

from netboot.bmc.model import BootMode

FROM_CD_IN_BIOS_MODE = "virtual media cannot boot a volume in BIOS mode"
"""Why that is refused."""


class By(StrEnum):
    """Who logs in to the target."""

    FIRMWARE = "firmware"  # told by the BMC which target, and to boot from it
    SANBOOT = "sanboot"  # iPXE, which the machine boots first
    NOBODY = "nobody"  # it cannot be had


@dataclass(frozen=True, slots=True)
class VolumeBoot:
    """Who does it, and why, in a sentence."""

    by: By
    why: str


def volume_boot(
    mode: BootMode | None,
    *,
    iscsi_boot: bool | None,
    secret_fits: bool = True,
    by_virtual_media: bool = False,
) -> VolumeBoot:
    """Who is to log in to a machine's volume.

    Args:
        mode: how its firmware boots; None where it is not known.
        iscsi_boot: whether its BMC sets the firmware's iSCSI up, as ``inspect`` found; None where
            nobody asked, or nobody knows.
        secret_fits: whether firmware takes a CHAP secret of that length.
        by_virtual_media: whether it is to be started from a virtual CD and not the network.
    """
    if mode is BootMode.BIOS:
        if by_virtual_media:
            return VolumeBoot(By.NOBODY, FROM_CD_IN_BIOS_MODE)
        return VolumeBoot(By.SANBOOT, "in BIOS mode the firmware has no iSCSI: iPXE logs in")
    if not iscsi_boot:
        cannot = "cannot set" if iscsi_boot is False else "does not say whether it can set"
        return VolumeBoot(By.SANBOOT, f"its BMC {cannot} firmware iSCSI up: iPXE logs in")
    if mode is None:
        return VolumeBoot(By.SANBOOT, "its BMC does not say that it boots by UEFI: iPXE logs in")
    if not secret_fits:
        return VolumeBoot(By.SANBOOT, "firmware takes no CHAP secret of that length: iPXE logs in")
    return VolumeBoot(By.FIRMWARE, "its UEFI firmware logs in, as its BMC tells it")
