"""The commands people type, to `netboot serve`, to BMCs, to machines with real firmware."""

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.site import HTTP_PORT, Site, kinds
from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab
from tests.boot_code import boot_sector, cd

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

TIMEOUT = 120
"""Seconds to what a firmware says, with other tests on two cores."""
FROM_DISK, FROM_CD, FROM_NETWORK = "started from disk", "started from CD", "started from network"
UEFI_DISK = '"UEFI Misc Device'
"""What OVMF says of the disk it turns to; there is no system for UEFI on it."""
HAS_AN_OVERRIDE = {"redfish": FROM_DISK, "ipmi": FROM_DISK, "uefi": UEFI_DISK}
"""What each says when it starts from its disk."""
DISK_FIRST = "firmware: bios, memory: 128, disks: [./disk.img]"
LAB = f"""
nodes:
  redfish: {{{DISK_FIRST}}}
  uefi: {{memory: 256, disks: [64M]}}
  ipmi: {{{DISK_FIRST}, bmc: {{protocols: [ipmi]}}}}
  placemat: {{{DISK_FIRST}, boot: [network, disk], bmc: {{personality: placemat}}}}
  pikvm: {{{DISK_FIRST}, boot: [cd, network, disk], bmc: {{personality: pikvm}}}}
  facade: {{{DISK_FIRST}, boot: [network, disk], bmc: {{protocols: [ipmi]}}}}
"""
PROFILE = """
description = "Says that it came"
script = "ipxe/proof.ipxe"
"""
SCRIPT = f"""#!ipxe
echo {FROM_NETWORK}
sleep 600
"""
FACADE_PORT = 8444
FACADE_USER, FACADE_PASSWORD = "ironic", "pa55-of-the-facade"
IRONIC = """
import sys
import sushy

url, certificate, user, path, target, reset, *image = sys.argv[1:]
root = sushy.Sushy(url, user, sys.stdin.read(), verify=certificate)
system = root.get_system(path)
if image:
    [drive] = system.managers[0].virtual_media.get_members()
    drive.insert_media(image[0])
system.set_system_boot_options(sushy.BootSource(target), sushy.BootSourceOverrideEnabled.ONCE)
system.reset_system(sushy.ResetType(reset))
"""
"""What Ironic does to a machine, by the library that it uses."""


@dataclass
class Operator:
    """Somebody at the keyboard of the host that netboot runs on, who sees all serial lines."""

    lab: Lab
    site: Site
    _heard: dict[str, int] = field(default_factory=dict)

    def types(self, line: str, status: int = 0) -> str:
        """What a line of commands says, joined by `&&` as in a shell."""
        said = ""
        for command in line.split("&&"):
            program, *words = shlex.split(command)
            assert program == "netboot"
            done = self.site.netboot(*words, check=False)
            said += done.stdout + done.stderr
            if done.returncode:
                break
        assert done.returncode == status, said
        return said

    def hears(self, name: str, *texts: str) -> str:
        """Which of these a machine says first, from where it was listened to last."""
        program = self.lab.nodes[name].machine.program
        found = program.wait_for("|".join(texts), TIMEOUT, since=self._heard.get(name, 0))
        self._heard[name] = program.position
        return found[0]

    def iso(self, host: object) -> str:
        """The URL of an image that netboot serves, at this address of its host."""
        return f"http://{host}:{HTTP_PORT}/images/rescue/rescue.iso"

    @property
    def bmc_iso(self) -> str:
        """The same as the BMCs reach it."""
        return self.iso(self.lab.bmcs.subnet[-2])

    def ironic(self, name: str, *words: str) -> None:
        """Have Ironic's library set a boot override of the facade, and reset: target, ResetType."""
        url = f"https://{self.site.host.address}:{FACADE_PORT}"
        where = (url, self.site.data / "facade.pem", FACADE_USER, f"/redfish/v1/Systems/{name}")
        command = [sys.executable, "-c", IRONIC, *where, *words]
        self.site.host.run(command, text_input=FACADE_PASSWORD, timeout=TIMEOUT)


def nodes_file(lab: Lab, password: Path) -> str:
    """All machines of a lab with their BMCs, and the profile that says where they are."""
    nodes = [
        {
            "name": name,
            "macs": list(node.machine.macs),
            "profile": "proof",
            "labels": {"redfish": "facade"} if name == "facade" else {},
            "bmc": {
                "address": node.bmcs[0],
                "user": "admin",
                "password": f"file:{password}",
                **({"tls": f"sha256:{node.fingerprint}"} if node.fingerprint else {}),
            },
        }
        for name, node in lab.nodes.items()
    ]
    return json.dumps(nodes)  # which is YAML


@pytest.fixture(scope="module")
def operator(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("end-to-end")
    (folder / "disk.img").write_bytes(boot_sector(FROM_DISK).ljust(1 << 20, b"\0"))
    (folder / "rescue.iso").write_bytes(cd(FROM_CD))
    (folder / "password").write_text("password", "utf-8")
    (folder / "facade-password").write_text(FACADE_PASSWORD, "utf-8")
    (folder / "lab.yaml").write_text(LAB, "utf-8")
    for kind, name, text in (("profiles", "proof.toml", PROFILE), ("ipxe", "proof.ipxe", SCRIPT)):
        (folder / "templates" / kind).mkdir(parents=True)
        (folder / "templates" / kind / name).write_text(text, "utf-8")
    own = folder / "images"  # an image is added to them, and the other tests' are only read
    shutil.copytree(images / "ipxe", own / "ipxe", symlinks=True)
    with Lab(read(folder / "lab.yaml")) as lab:
        lan = next(iter(lab.networks.values()))
        settings = {
            "server": {"templates": [str(folder / "templates")]},
            "redfish_facade": {"listen": f"{lan.server.address}:{FACADE_PORT}"},
            "redfish_facade.users": {FACADE_USER: f"file:{folder}/facade-password"},
        }
        found = Operator(lab, Site(lan, own, "http://mirror.invalid/debian", settings=settings))
        found.types(f"netboot image add rescue {folder}/rescue.iso")
        found.site.serve()
        (folder / "nodes.yaml").write_text(nodes_file(lab, folder / "password"), "utf-8")
        found.types(f"netboot node import {folder}/nodes.yaml")
        yield found


def test_boot_pxe_once_boots_from_the_network_once(operator: Operator) -> None:
    names = " ".join(HAS_AN_OVERRIDE)
    said = operator.types(
        f"netboot node boot {names} pxe --once && netboot node power {names} cycle --wait"
    )
    before = {}
    for name, disk in HAS_AN_OVERRIDE.items():
        assert f"{name}: boots pxe once" in said
        assert f"{name}: switched on, then discover from" in said
        assert operator.hears(name, FROM_NETWORK, disk) == FROM_NETWORK
        operator.site.wait_for_event(name, Kind.SCRIPT, TIMEOUT)
        events = operator.site.timeline(name)
        assert {Kind.DISCOVER, Kind.OFFER} <= set(kinds(events))
        before[name] = events[-1].id
    assert Kind.LOADER in kinds(operator.site.timeline("uefi"))  # the others' NICs have iPXE
    assert "uefi: power-cycled" in operator.types(f"netboot node power {names} cycle")
    for name, disk in HAS_AN_OVERRIDE.items():
        assert operator.hears(name, FROM_NETWORK, disk) == disk
        assert Kind.SCRIPT not in kinds(operator.site.timeline(name, before[name]))


def test_without_an_override_the_machine_comes_and_the_boot_server_decides(
    operator: Operator,
) -> None:
    names = "placemat pikvm"
    refused = operator.types(f"netboot node boot {names} pxe --once", status=1)
    assert refused.count("has no boot override: the machine boots in its own order") == len(
        names.split()
    )
    said = operator.types(f"netboot node power {names} cycle --wait")
    for name in names.split():
        assert f"{name}: switched on, then discover from" in said
        assert operator.hears(name, FROM_NETWORK, FROM_DISK) == FROM_NETWORK
        operator.types(f"netboot node set {name} --profile local")
    said = operator.types(f"netboot node power {names} cycle --wait")
    for name in names.split():
        assert f"{name}: power-cycled, then discover from" in said
        assert operator.hears(name, FROM_NETWORK, FROM_DISK) == FROM_DISK


def test_boot_cd_once_boots_from_the_virtual_cd_once(operator: Operator) -> None:
    said = operator.types(
        f"netboot node media redfish insert {operator.bmc_iso} &&"
        "netboot node boot redfish cd --once && netboot node power redfish cycle"
    )
    assert "boots cd once" in said
    assert operator.hears("redfish", FROM_CD, FROM_DISK, FROM_NETWORK) == FROM_CD
    operator.types("netboot node power redfish cycle")
    assert operator.hears("redfish", FROM_CD, FROM_DISK, FROM_NETWORK) == FROM_DISK
    assert "empty" in operator.types(
        "netboot node media redfish eject && netboot node media redfish status"
    )


def test_a_pikvm_fetches_the_image_and_starts_from_it_until_it_is_ejected(
    operator: Operator,
) -> None:
    operator.types(
        f"netboot node media pikvm insert {operator.bmc_iso} && netboot node power pikvm cycle"
    )
    assert operator.hears("pikvm", FROM_CD, FROM_DISK, FROM_NETWORK) == FROM_CD
    operator.types("netboot node media pikvm eject && netboot node power pikvm cycle")
    assert operator.hears("pikvm", FROM_CD, FROM_DISK, FROM_NETWORK) != FROM_CD


def test_a_machine_without_redfish_does_what_ironic_says_over_redfish(operator: Operator) -> None:
    operator.ironic("facade", "Pxe", "On")
    assert operator.hears("facade", FROM_NETWORK, FROM_DISK) == FROM_NETWORK
    iso = operator.iso(operator.site.host.address)
    operator.ironic("facade", "Cd", "ForceRestart", iso)
    assert operator.hears("facade", FROM_CD, FROM_DISK, FROM_NETWORK) == FROM_CD
    operator.types("netboot node power facade reset")
    assert operator.hears("facade", FROM_CD, FROM_DISK, FROM_NETWORK) == FROM_DISK
    told = [record.event.detail for record in operator.site.timeline("facade")]
    for asked in ("boot pxe once", f"insert {iso}", "boot cd once", "power reset"):
        assert f"{FACADE_USER} over Redfish asked: {asked}" in told
