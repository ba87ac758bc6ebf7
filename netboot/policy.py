"""The one seam that decides what a machine boots. Pure: no I/O, no clock, no packet.

Every protocol asks here: DHCP before it offers, HTTP before it renders a script, and
``netboot explain`` with no machine present. The reasons are sentences for a person, in the order
they were found; the last one is what settled it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from netboot.model import Arch, Client, Decision, Firmware, Mac, Node, Profile, Verdict

IGNORE = "ignore"

_LOADERS = {
    # RFC 4578 architecture -> iPXE build. snponly drives the NIC through the firmware's own
    # driver, which is known to work: it just carried the loader.
    Arch.BIOS: "undionly.kpxe",
    Arch.IA32: "ia32/snponly.efi",
    Arch.X64: "snponly.efi",
    Arch.X64_ALT: "snponly.efi",
    Arch.ARM64: "arm64/snponly.efi",
    Arch.RISCV64: "riscv64/snponly.efi",
    Arch.LOONG64: "loong64/snponly.efi",
    Arch.IA32_HTTP: "ia32/snponly.efi",
    Arch.X64_HTTP: "snponly.efi",
    Arch.ARM64_HTTP: "arm64/snponly.efi",
    Arch.RISCV64_HTTP: "riscv64/snponly.efi",
    Arch.LOONG64_HTTP: "loong64/snponly.efi",
}

_ARCH_NAMES = {
    Arch.BIOS: "BIOS",
    Arch.IA32: "UEFI ia32",
    Arch.X64: "UEFI x64",
    Arch.X64_ALT: "UEFI x64",
    Arch.ARM32: "UEFI arm32",
    Arch.ARM64: "UEFI arm64",
    Arch.IA32_HTTP: "UEFI ia32 HTTP Boot",
    Arch.X64_HTTP: "UEFI x64 HTTP Boot",
    Arch.ARM32_HTTP: "UEFI arm32 HTTP Boot",
    Arch.ARM64_HTTP: "UEFI arm64 HTTP Boot",
    Arch.RISCV32: "UEFI riscv32",
    Arch.RISCV32_HTTP: "UEFI riscv32 HTTP Boot",
    Arch.RISCV64: "UEFI riscv64",
    Arch.RISCV64_HTTP: "UEFI riscv64 HTTP Boot",
    Arch.LOONG64: "UEFI loong64",
    Arch.LOONG64_HTTP: "UEFI loong64 HTTP Boot",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the site says.

    Attributes:
        profiles: every known profile by name.
        unknown: what a machine nobody registered gets: ``ignore`` or a profile's name.
    """

    profiles: Mapping[str, Profile]
    unknown: str = IGNORE


def decide(client: Client, node: Node | None, rules: Rules) -> Decision:
    """What ``client`` gets, being ``node`` (None: nobody registered it)."""
    name, reason = _profile(client.mac, node, rules)
    if name is None:
        return Decision(Verdict.IGNORE, (reason,))
    if client.firmware is Firmware.IPXE:
        return Decision(
            Verdict.SCRIPT,
            (reason, "it speaks as iPXE (option 175 or user class), so it gets its script"),
            profile=name,
        )
    loader = _LOADERS.get(Arch(client.arch)) if client.arch in _LOADERS else None
    said = f"it says architecture {client.arch:#04x} ({arch_name(client.arch)})"
    if client.firmware is Firmware.RPI:
        said, loader = (
            "its hardware address is a Raspberry Pi's, whose ROM speaks no PXE loader",
            None,
        )
    if loader is None:
        problem = f"{said}: no loader is known for that"
        return Decision(Verdict.IGNORE, (reason, problem))
    return Decision(
        Verdict.LOADER, (reason, f"{said}, so its loader is {loader}"), profile=name, loader=loader
    )


def arch_name(arch: int) -> str:
    """A person's name for an option 93 number."""
    return _ARCH_NAMES.get(Arch(arch), "unnamed") if arch in set(Arch) else "unknown to RFC 4578"


def _profile(mac: Mac, node: Node | None, rules: Rules) -> tuple[str | None, str]:
    """The profile's name, None for no answer; and why."""
    if node is None:
        if rules.unknown == IGNORE:
            return None, f'{mac} belongs to no node, and dhcp.unknown = "ignore"'
        if rules.unknown not in rules.profiles:
            known = ", ".join(sorted(rules.profiles))
            return None, f'dhcp.unknown = "{rules.unknown}" is no known profile ({known})'
        return rules.unknown, f'{mac} belongs to no node, and dhcp.unknown = "{rules.unknown}"'
    if node.profile not in rules.profiles:
        known = ", ".join(sorted(rules.profiles))
        return (
            None,
            f"node {node.name} asks for profile {node.profile}, which is not known ({known})",
        )
    return node.profile, f"{mac} belongs to node {node.name}, whose profile is {node.profile}"
