"""Every kind of client the field has: one row says which loaders and which offers it takes.

The first of each is tried first; the others follow when a machine shows that it does not take
them (``netboot.learning``). What forces each row:

* UEFI firmware below EDK2's 2020s never keeps an OFFER with option 43 in it, so the first offer
  is BINL; some vendors' firmware takes nothing but option 43 with discovery control.
* ``snponly`` drives the NIC through the firmware's own driver, which just carried the loader;
  where that driver hangs afterwards, ``ipxe`` brings a driver of its own.
* BIOS ROMs want discovery control 8, or they look for a boot server by multicast.
* HTTP Boot drops everything but ``HTTPClient`` with a URL, and asks nobody on port 4011.
* iPXE wants siaddr and a boot file in the OFFER itself.
* A Raspberry Pi's ROM takes the server's address from the offer and asks TFTP for its own files.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from netboot.decision import Shape
from netboot.model import Arch, Client, Firmware, Profile


@dataclass(frozen=True, slots=True)
class Kind:
    """One row.

    Attributes:
        name: for a person.
        loaders: catalogue names, in the order they are tried; empty where none is known.
        shapes: offers, in the order they are tried.
        signed: the loader that firmware with Secure Boot starts; None where there is none.
    """

    name: str
    loaders: tuple[str, ...]
    shapes: tuple[Shape, ...]
    signed: str | None = None

    @property
    def signed_image(self) -> str:
        """The image of loaders that firmware of this kind with Secure Boot starts."""
        return SIGNED_IMAGES[self.signed or _SHIM_X64]


_UEFI_SHAPES = (Shape.BINL, Shape.DISCOVERY_CONTROL, Shape.BOOTFILE)
_BIOS_SHAPES = (Shape.DISCOVERY_CONTROL, Shape.BINL, Shape.BOOTFILE)
_HTTP_SHAPES = (Shape.HTTP,)
_SHIM_X64, _SHIM_ARM64 = "sb/bootx64.efi", "sb/bootaa64.efi"
SIGNED_IMAGES: Mapping[str, str] = {_SHIM_X64: "secure-boot", _SHIM_ARM64: "secure-boot-arm64"}
"""Signed loader → the image it is in."""

KINDS: Mapping[int, Kind] = {
    # option 93, RFC 4578 and the IANA registry "Processor Architecture Types"
    Arch.BIOS: Kind("BIOS", ("undionly.kpxe", "ipxe.pxe"), _BIOS_SHAPES),
    Arch.IA32: Kind("UEFI ia32", (), _UEFI_SHAPES),
    Arch.X64: Kind("UEFI x64", ("snponly.efi", "ipxe.efi"), _UEFI_SHAPES, _SHIM_X64),
    Arch.X64_ALT: Kind("UEFI x64", ("snponly.efi", "ipxe.efi"), _UEFI_SHAPES, _SHIM_X64),
    Arch.ARM32: Kind("UEFI arm32", (), _UEFI_SHAPES),
    Arch.ARM64: Kind("UEFI arm64", ("arm64/ipxe.efi",), _UEFI_SHAPES, _SHIM_ARM64),
    Arch.RISCV32: Kind("UEFI riscv32", (), _UEFI_SHAPES),
    Arch.RISCV64: Kind("UEFI riscv64", ("riscv64/ipxe.efi",), _UEFI_SHAPES),
    Arch.LOONG64: Kind("UEFI loong64", ("loong64/ipxe.efi",), _UEFI_SHAPES),
    Arch.IA32_HTTP: Kind("UEFI ia32 HTTP Boot", (), _HTTP_SHAPES),
    Arch.X64_HTTP: Kind("UEFI x64 HTTP Boot", ("snponly.efi", "ipxe.efi"), _HTTP_SHAPES, _SHIM_X64),
    Arch.ARM32_HTTP: Kind("UEFI arm32 HTTP Boot", (), _HTTP_SHAPES),
    Arch.ARM64_HTTP: Kind("UEFI arm64 HTTP Boot", ("arm64/ipxe.efi",), _HTTP_SHAPES, _SHIM_ARM64),
    Arch.RISCV32_HTTP: Kind("UEFI riscv32 HTTP Boot", (), _HTTP_SHAPES),
    Arch.RISCV64_HTTP: Kind("UEFI riscv64 HTTP Boot", ("riscv64/ipxe.efi",), _HTTP_SHAPES),
    Arch.LOONG64_HTTP: Kind("UEFI loong64 HTTP Boot", ("loong64/ipxe.efi",), _HTTP_SHAPES),
}
RASPBERRY_PI = Kind("Raspberry Pi", (), (Shape.RASPBERRY_PI,))
IPXE = Kind("iPXE", (), (Shape.BOOTFILE,))
GRUB = Kind("GRUB", (), (Shape.BOOTFILE,))


def arch_of(profile: Profile | None) -> Arch:
    """What machines a profile is for: those its image says it is for, else x64."""
    image = "" if profile is None else profile.image or ""
    return Arch.ARM64 if image.endswith("-arm64") else Arch.X64


def usual_firmware(arch: int) -> Firmware:
    """The dialect a client of this architecture speaks before it is iPXE."""
    if arch == Arch.BIOS:
        return Firmware.BIOS
    known = KINDS.get(arch)
    return Firmware.HTTP if known and known.shapes == _HTTP_SHAPES else Firmware.UEFI


def kind_of(client: Client) -> Kind:
    """The row of ``client``; an architecture we have no row for gets one without loaders."""
    if client.firmware is Firmware.IPXE:
        return IPXE
    if client.firmware is Firmware.GRUB:
        return GRUB
    if client.firmware is Firmware.RPI:
        return RASPBERRY_PI
    known = KINDS.get(client.arch)
    if known is not None:
        return known
    shapes = _HTTP_SHAPES if client.firmware is Firmware.HTTP else _UEFI_SHAPES
    return Kind(f"architecture {client.arch:#04x}, which no table of ours has", (), shapes)
