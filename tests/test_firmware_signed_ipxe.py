"""Real firmware with Secure Boot, enforcing, starts an iPXE that is signed, and by it a kernel.

iPXE's own release is not to be had here, so its chain is made of Debian's parts, with keys of the
test's own: one that firmware trusts beside Microsoft's has signed a shim that trusts another, by
which iPXE is signed. Debian's own shim, which judges the kernel, and the kernel are as they are.
"""

import hashlib
import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from netboot.events import Kind
from netboot.lab.board import BOARDS, Flash
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.secure_boot import pe
from tests.uefi_keys import trusting
from tests.uefi_program import Authority

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
SECONDS = 300
OVMF = Path("/usr/share/OVMF")
LOADER = "images/ipxe-sb/shimx64.efi"


@pytest.fixture
def firmware(tmp_path: Path) -> Authority:
    return Authority("Firmware", tmp_path)


@pytest.fixture(autouse=True)
def _trusted(firmware: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every machine's firmware trusts that one beside Microsoft."""
    variables = tmp_path / "variables.fd"
    before = (OVMF / "OVMF_VARS_4M.ms.fd").read_bytes()
    variables.write_bytes(trusting(before, firmware.certificate))
    flash = Flash("ovmf", ((OVMF / "OVMF_CODE_4M.ms.fd", variables),))
    monkeypatch.setitem(BOARDS, "secureboot", replace(BOARDS["secureboot"], flash=flash))


def with_certificate(images: Path, more: Authority, folder: Path) -> Path:
    """The same images; that one's certificate stands beside Microsoft's."""
    folder.mkdir()
    for image in images.iterdir():
        if image.name != "secure-boot":
            (folder / image.name).symlink_to(image)
    current = folder / "secure-boot/current"
    shutil.copytree(images / "secure-boot/current", current.with_name("1"))
    current.symlink_to("1")
    manifest = json.loads((current / "manifest.json").read_bytes())
    pem = more.pem.read_bytes()
    entry = {"sha256": hashlib.sha256(pem).hexdigest(), "size": len(pem), "member": "/own.pem"}
    manifest["files"]["microsoft-own.pem"] = entry
    (current / "microsoft-own.pem").write_bytes(pem)
    (current / "manifest.json").write_text(json.dumps(manifest))
    return folder


def shim_for(vendor: x509.Certificate, debians: Path, target: Path) -> Path:
    """Debian's shim, that trusts another vendor; nobody has signed it."""
    table = pe.section(debians, ".vendor_cert") or b""
    size, revoked, place, revocations = struct.unpack_from("<IIII", table)
    der = vendor.public_bytes(Encoding.DER)
    own = struct.pack("<IIII", len(der), revoked, place, revocations) + table[16:place]
    own += der.ljust(size, b"\0") + table[place + size :]
    assert len(own) == len(table)
    target.write_bytes(debians.read_bytes().replace(table, own))
    for _ in pe.signatures(target):
        subprocess.run(["sbattach", "--remove", target], check=True, timeout=30)
    return target


def test_an_ipxe_that_is_signed_starts_debians_kernel(
    lan_with_dhcp: Lan, images: Path, firmware: Authority, tmp_path: Path
) -> None:
    vendor, held = Authority("Vendor", tmp_path), tmp_path / "images"
    debians = images / "secure-boot/current/sb/bootx64.efi"
    shim = shim_for(vendor.certificate, debians, tmp_path / "shimx64.efi")
    ipxe = tmp_path / "grubx64.efi"  # what Debian's shim starts, whatever its own name is
    shutil.copy(images / "ipxe/current/snponly.efi", ipxe)
    site = Site(
        lan_with_dhcp, with_certificate(images, firmware, held), "http://mirror.invalid/debian"
    )
    site.netboot("image", "add", "ipxe-sb", firmware.sign(shim), vendor.sign(ipxe))
    console = ("--set", "console=ttyS0,115200n8", "--set", "countdown=1")
    node = ("n1", "--mac", MAC, "--profile", "debian-13", "--secure-boot", "--loader", LOADER)
    site.netboot("node", "add", *node, *console)
    site.serve()
    assert f"{LOADER}, whose signatures are good" in site.netboot("explain", MAC).stdout
    machine = Machine(lan_with_dhcp, "n1", [MAC], "secureboot")
    machine.power_on()
    machine.wait_for_serial("Kernel is locked down from EFI Secure Boot", SECONDS)
    site.wait_for_event("n1", Kind.LOADER, SECONDS, "sb/bootx64.efi")
    events = [record.event for record in site.timeline("n1")]
    loaders = [event.data["file"] for event in events if event.kind is Kind.LOADER]
    assert loaders == [LOADER, LOADER.replace("shim", "grub"), "sb/bootx64.efi"]
