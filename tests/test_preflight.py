"""What ``netboot serve`` does first, where no mirror answers."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from netboot import config
from netboot.cli import preflight
from netboot.control.inventory import open_inventory
from netboot.errors import ConfigError
from netboot.media.progress import silent


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    (tmp_path / "apt.conf").write_text('Acquire::Retries "0";')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return config.Settings(
        server=config.Server(data_dir=str(tmp_path / "data")),
        debian=config.Debian(mirror="http://127.0.0.1:9/debian"),
    )


def test_a_site_without_nodes_wants_the_loaders_and_a_first_image(
    settings: config.Settings,
) -> None:
    assert preflight.wanted(settings) == ["ipxe", preflight.FIRST_IMAGE]


def test_the_cds_of_machines_whose_bmc_has_virtual_media_are_wanted_too(
    settings: config.Settings,
) -> None:
    with open_inventory(settings) as inventory:
        for number, bmc in enumerate(("ipmi://192.0.2.5", "idrac-virtualmedia://192.0.2.6")):
            node = {"name": f"n{number}", "macs": [f"52:54:00:00:00:0{number}"], "profile": "local"}
            inventory.add(node | {"bmc": {"address": bmc}, "secure_boot": not number})
    assert preflight.wanted(settings) == ["ipxe", "secure-boot", "springboard"]


def test_a_mirror_that_is_away_is_asked_once_and_said_in_one_line(
    settings: config.Settings,
) -> None:
    said: list[str] = []
    preflight.fetch_missing(settings, said.append, silent)
    [line] = said
    assert line.startswith(
        "not fetched: ipxe, debian-12: ipxe: http://127.0.0.1:9/debian: the mirror"
    )
    assert "Connection refused" in line


def test_a_rule_for_unknown_machines_that_is_no_profile_is_told_before_anything_is_done(
    settings: config.Settings,
) -> None:
    wrong = replace(settings, dhcp=config.Dhcp(unknown="install"))
    said: list[str] = []
    with pytest.raises(ConfigError, match=r'dhcp\.unknown = "install": must be a known profile:'):
        preflight.survey(wrong, said.append)
    assert not said
