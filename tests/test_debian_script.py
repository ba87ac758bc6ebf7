"""What the Debian installer is told on its kernel's command line, beyond the golden scripts."""

import re

import pytest

from netboot.answer.script import render_script
from netboot.model import Arch, Client, Firmware, Image, Node
from tests.test_preseed import MAC, PROFILES, SERVER, TOKEN_URL

URL = f"{SERVER.url}/images"


def script(profile: str, **variables: str) -> str:
    node = Node("n1", (MAC,), profile, {}, variables)
    client = Client(MAC, Firmware.IPXE, Arch.X64)
    image = Image(profile, "1", {})
    return render_script(node, client, PROFILES[profile], image, SERVER, TOKEN_URL)


def initrds(text: str) -> list[str]:
    return re.findall(r"^initrd (\S+) ", text, re.MULTILINE)


@pytest.mark.parametrize("profile", ["debian-12", "debian-13"])
def test_firmware_is_a_second_initrd_that_the_kernel_is_told_of(profile: str) -> None:
    text = script(profile, firmware="true")
    second = f"{URL}/{profile}-firmware/firmware.cpio.gz"
    assert initrds(text) == [f"{URL}/{profile}/initrd.gz", second]
    assert " initrd=initrd.gz initrd=firmware.cpio.gz " in text
    assert f"netboot image fetch {profile}-firmware" in text


@pytest.mark.parametrize("variables", [{}, {"firmware": "false"}])
def test_without_firmware_there_is_one_initrd(variables: dict[str, str]) -> None:
    text = script("debian-12", **variables)
    assert initrds(text) == [f"{URL}/debian-12/initrd.gz"]
    assert "firmware" not in text


def test_nothing_is_erased_before_the_countdown() -> None:
    text = script("debian-12", countdown="7")
    assert text.index("--timeout 7000 ") < text.index("kernel ")


@pytest.mark.parametrize("variables", [{}, {"console": "ttyS0"}, {"kernel_args": "quiet"}])
def test_bootif_stands_before_what_the_installed_system_keeps(variables: dict[str, str]) -> None:
    told, _, kept = script("debian-12", **variables).partition(" --- ")
    assert " BOOTIF=01-${netX/mac:hexhyp} " in told
    assert "BOOTIF" not in kept


@pytest.mark.parametrize(
    ("variables", "gateway", "nameservers"),
    [
        ({}, "", ""),
        ({"gateway": "192.0.2.1"}, "192.0.2.1", "192.0.2.1"),
        ({"nameservers": "192.0.2.2 192.0.2.3"}, "", "192.0.2.2 192.0.2.3"),
        ({"gateway": "192.0.2.1", "nameservers": "192.0.2.2"}, "192.0.2.1", "192.0.2.2"),
    ],
)
def test_a_static_address_leaves_nothing_to_ask(
    variables: dict[str, str], gateway: str, nameservers: str
) -> None:
    text = script("debian-12", ip="192.0.2.7/24", **variables)
    assert f' netcfg/get_gateway={gateway} netcfg/get_nameservers="{nameservers}" ' in text


def test_without_an_address_of_its_own_dhcp_says_it_all() -> None:
    assert "netcfg/get_" not in script("debian-12", gateway="192.0.2.1", nameservers="192.0.2.2")
