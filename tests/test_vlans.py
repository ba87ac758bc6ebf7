"""Netboot serves the VLANs of a trunk, each from its own address, and what is untagged not at all.

In a kernel that has 802.1Q, which this machine's own may lack; ``tests/vlan_guest.py`` runs there.
"""

import json
from typing import Any

import pytest

from tests import other_kernel, vlan_guest

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of a boot on each VLAN and of one on none, and of looking round."""
    folder = tmp_path_factory.mktemp("vlans")
    other_kernel.run("tests.vlan_guest", folder, vlan_guest.MODULES)
    found: dict[str, Any] = json.loads((folder / "found").read_text("utf-8"))
    return found


@pytest.mark.parametrize("vlan", vlan_guest.VLANS)
def test_a_machine_boots_from_the_address_of_its_own_vlan(found: dict[str, Any], vlan: int) -> None:
    boot = found["boots"][f"eth0.{vlan}"]
    assert boot["said"]["reached"] == 1, boot
    assert boot["said"]["until"] == "preseed"
    assert boot["asked"] == [f"10.78.{vlan}.2"]


def test_an_untagged_machine_on_the_trunk_gets_a_lease_and_nothing_to_boot(
    found: dict[str, Any],
) -> None:
    boot = found["boots"]["eth0"]
    [outcome] = boot["said"]["outcomes"]
    assert outcome["stopped"]["why"] == "no offer names a boot file"
    assert boot["asked"] == []
    mac = vlan_guest.MACHINES["eth0"][1]
    assert not [line for line in found["lines"] if mac in line]


def test_the_first_lines_name_both_and_the_dhcp_server_of_each(found: dict[str, Any]) -> None:
    interfaces, dhcp, rivals = found["lines"][:3]
    assert interfaces.endswith("interface: eth0.5 10.78.5.2/24, eth0.7 10.78.7.2/24")
    for vlan in vlan_guest.VLANS:
        assert f"10.78.{vlan}.1 (" in dhcp
        assert f"answers on eth0.{vlan}" in dhcp
    assert rivals.endswith("other boot servers: none")


def test_the_doctor_finds_whole_packets_passing_and_no_fault(found: dict[str, Any]) -> None:
    well = {one["what"] for one in found["doctor"] if one["severity"] == "ok"}
    for vlan in vlan_guest.VLANS:
        assert any(f"eth0.{vlan}: 1500 bytes get through to 10.78.{vlan}.1" in one for one in well)
        assert any(f"on eth0.{vlan} gives addresses of 10.78.{vlan}.0/24" in one for one in well)
    faults = [one for one in found["doctor"] if one["severity"] in ("warning", "problem")]
    assert {one["check"] for one in faults} <= {"mirror", "disk"}, faults  # no mirror is there
