"""Who logs in to a machine's volume: the table of Ironic's iLO driver, for any BMC."""

import itertools

import pytest

from netboot.bmc.model import BootMode
from netboot.bmc.volume_boot import By, volume_boot

UEFI, BIOS = BootMode.UEFI, BootMode.BIOS


@pytest.mark.parametrize(
    ("mode", "iscsi_boot", "by", "why"),
    [
        (UEFI, True, By.FIRMWARE, "its UEFI firmware logs in"),
        (UEFI, False, By.SANBOOT, "its BMC cannot set firmware iSCSI up"),
        (UEFI, None, By.SANBOOT, "does not say whether it can"),
        (BIOS, True, By.SANBOOT, "in BIOS mode the firmware has no iSCSI"),
        (BIOS, False, By.SANBOOT, "in BIOS mode the firmware has no iSCSI"),
        (None, True, By.SANBOOT, "does not say that it boots by UEFI"),
        (None, False, By.SANBOOT, "its BMC cannot set firmware iSCSI up"),
    ],
)
def test_firmware_where_it_can_and_ipxe_elsewhere(
    mode: BootMode | None, iscsi_boot: bool | None, by: By, why: str
) -> None:
    found = volume_boot(mode, iscsi_boot=iscsi_boot)
    assert found.by is by
    assert why in found.why


def test_virtual_media_in_bios_mode_is_refused_by_these_words() -> None:
    for iscsi_boot in (True, False, None):
        found = volume_boot(BIOS, iscsi_boot=iscsi_boot, by_virtual_media=True)
        assert (found.by, found.why) == (
            By.NOBODY,
            "virtual media cannot boot a volume in BIOS mode",
        )


def test_firmware_is_given_no_secret_that_it_does_not_take() -> None:
    found = volume_boot(UEFI, iscsi_boot=True, secret_fits=False)
    assert (found.by, "no CHAP secret of that length" in found.why) == (By.SANBOOT, True)


def test_in_uefi_mode_a_virtual_cd_changes_nothing() -> None:
    for mode, iscsi_boot in itertools.product((UEFI, None), (True, False, None)):
        plain = volume_boot(mode, iscsi_boot=iscsi_boot)
        assert volume_boot(mode, iscsi_boot=iscsi_boot, by_virtual_media=True) == plain
