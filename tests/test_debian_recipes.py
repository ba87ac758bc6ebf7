"""The Debian recipes in docs/recipes: what they say to write is rendered, checked and run."""

import re
import tomllib
from pathlib import Path

import pytest

from netboot.answer.answers import render_answer
from netboot.answer.profiles import load_profiles
from netboot.answer.render import Templates
from netboot.answer.script import render_script
from netboot.config import load
from netboot.model import Arch, Client, Firmware, Image, Node
from netboot.plain_yaml import loads
from netboot.store.shapes import nodes_of
from tests.installer_shell import HostShell, command
from tests.test_preseed import MIRROR, PROFILES, SERVER, TOKEN_URL

RECIPES = Path(__file__).parent.parent / "docs" / "recipes"
WITH_NODES = ["luks", "offline", "static-ip", "two-nics", "vlan"]


def blocks(recipe: str, kind: str) -> list[str]:
    text = (RECIPES / f"{recipe}.md").read_text()
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for of, body in found if of == kind]


def node(recipe: str) -> Node:
    (block,) = blocks(recipe, "yaml")
    (found,) = nodes_of(loads(block), recipe, PROFILES)
    return found


def kernel_line(recipe: str) -> str:
    machine = node(recipe)
    client = Client(machine.macs[0], Firmware.IPXE, Arch.X64)
    profile = PROFILES[machine.profile or ""]
    image = Image("debian-12", "1", {})
    text = render_script(machine, client, profile, image, SERVER, TOKEN_URL)
    return re.search("^kernel (.*)$", text, re.MULTILINE)[1]


def answers(recipe: str) -> str:
    machine = node(recipe)
    profile = PROFILES[machine.profile or ""]
    return render_answer(
        "preseed.cfg", machine, profile, SERVER, MIRROR, token_url=TOKEN_URL
    ).decode()


@pytest.fixture
def installer(tmp_path: Path) -> HostShell:
    """The end of an installation: what is asked of the server is in /log/wget."""
    shell = HostShell(tmp_path / "machine")
    for folder in ("network/interfaces.d", "systemd/network"):
        shell.at(f"/target/etc/{folder}").mkdir(parents=True)
    for name in ("logger", "sleep", "debconf-set"):
        shell.stub(name, "")
    shell.stub("wget", 'for url; do :; done; echo "$url" >> /log/wget')
    shell.stub("ip", "echo default via 192.0.2.254 dev enp1s0 src 192.0.2.7")
    shell.stub("chroot", "echo 256 SHA256:a+b root@web")
    shell.stub("in-target", 'echo "$*" >> /log/in-target')
    shell.stub("debconf-get", f"[ $1 = preseed/url ] && echo {TOKEN_URL}/preseed.cfg")
    return shell


@pytest.mark.parametrize("recipe", [*WITH_NODES, "own-preseed"])
def test_its_configuration_is_taken(recipe: str, tmp_path: Path) -> None:
    for block in blocks(recipe, "toml"):
        if "script" not in tomllib.loads(block):
            (tmp_path / "netboot.toml").write_text(block)
            assert load(tmp_path / "netboot.toml", {})


@pytest.mark.parametrize("recipe", WITH_NODES)
def test_all_its_late_commands_succeed(recipe: str, installer: HostShell) -> None:
    assert installer.run(command(answers(recipe), "preseed/late_command")).returncode == 0
    assert "status=0" in installer.read("/log/wget").splitlines()[-1]


def test_a_static_address_stands_on_the_kernels_line() -> None:
    line = kernel_line("static-ip")
    assert " netcfg/disable_autoconfig=true netcfg/get_ipaddress=192.0.2.7/24 " in line
    assert " netcfg/get_gateway=192.0.2.254 " in line
    assert ' netcfg/get_nameservers="192.0.2.2 192.0.2.3" ' in line
    assert " domain=lab.example " in line


def test_luks() -> None:
    text = answers("luks")
    assert "d-i partman-auto/method string crypto\n" in text
    assert "d-i partman-crypto/passphrase password correct horse battery staple\n" in text
    assert "-ge 390625000 ]" in command(text, "partman/early_command")


def test_two_cards_are_one_machine(installer: HostShell) -> None:
    assert len(node("two-nics").macs) == 2
    assert " BOOTIF=01-${netX/mac:hexhyp} " in kernel_line("two-nics")
    installer.run(command(answers("two-nics"), "preseed/late_command"))
    link = installer.read("/target/etc/systemd/network/10-eth-lab.link")
    assert f"PermanentMACAddress={node('two-nics').macs[1]}\n" in link
    assert "address 198.51.100.1/24\n" in installer.read("/target/etc/network/interfaces.d/lab")


def test_vlan(installer: HostShell) -> None:
    installer.run(command(answers("vlan"), "preseed/late_command"))
    made = "auto enp1s0.42\niface enp1s0.42 inet dhcp\n"
    assert installer.read("/target/etc/network/interfaces.d/vlan42") == made


def test_offline() -> None:
    text = answers("offline")
    assert "d-i mirror/http/proxy string http://proxy.lab.example:3128\n" in text
    assert "d-i apt-setup/services-select multiselect \n" in text
    assert "d-i clock-setup/ntp-server string ntp.lab.example\n" in text


@pytest.mark.parametrize(
    ("example", "asked"),
    [(0, "installed?status=0"), (1, "installed?hostkey=SHA256:a%2Bb&status=0")],
)
def test_ones_own_preseed_is_served_as_it_is_and_calls_home(
    example: int, asked: str, tmp_path: Path, installer: HostShell
) -> None:
    given = [block for block in blocks("own-preseed", "") if block.startswith("d-i ")][example]
    for folder in ("preseed", "profiles"):
        (tmp_path / folder).mkdir()
    (tmp_path / "preseed" / "web.cfg").write_text(given)
    (tmp_path / "profiles" / "web.toml").write_text(blocks("own-preseed", "toml")[0])
    profile = load_profiles([tmp_path])["web"]
    templates = Templates([tmp_path])
    machine = Node("n1", node("luks").macs, "web")
    served = render_answer("preseed.cfg", machine, profile, SERVER, MIRROR, templates=templates)
    assert served.decode() == given
    assert "\\n" not in given
    assert installer.run(command(given, "preseed/late_command")).returncode == 0
    assert installer.read("/log/wget") == f"{TOKEN_URL}/{asked}\n"
