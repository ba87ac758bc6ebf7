"""The decision and its reasons, case by case."""

import pytest

from netboot.model import Arch, Client, Decision, Firmware, Mac, Node, Profile, Verdict
from netboot.policy import Rules, arch_name, decide

MAC = Mac("52:54:00:00:00:01")
N1 = Node("n1", (MAC,), "debian-12")
PROFILES = {
    name: Profile(name, script=f"ipxe/{name}.ipxe") for name in ("debian-12", "local", "menu")
}
UEFI = Client(MAC, Firmware.UEFI, Arch.X64)


def test_a_registered_uefi_machine_gets_its_loader_and_is_told_why() -> None:
    assert decide(UEFI, N1, Rules(PROFILES)) == Decision(
        Verdict.LOADER,
        (
            "52:54:00:00:00:01 belongs to node n1, whose profile is debian-12",
            "it says architecture 0x07 (UEFI x64), so its loader is snponly.efi",
        ),
        profile="debian-12",
        loader="snponly.efi",
    )


def test_ipxe_gets_its_script_whatever_its_architecture() -> None:
    decision = decide(Client(MAC, Firmware.IPXE, 0x1234), N1, Rules(PROFILES))
    assert (decision.verdict, decision.profile, decision.loader) == (
        Verdict.SCRIPT,
        "debian-12",
        None,
    )


@pytest.mark.parametrize(
    ("arch", "loader"),
    [
        (0x00, "undionly.kpxe"),
        (0x06, "ia32/snponly.efi"),
        (0x07, "snponly.efi"),
        (0x09, "snponly.efi"),
        (0x0B, "arm64/snponly.efi"),
        (0x1B, "riscv64/snponly.efi"),
        (0x27, "loong64/snponly.efi"),
    ],
)
def test_every_architecture_has_its_loader(arch: int, loader: str) -> None:
    firmware = Firmware.UEFI if arch else Firmware.BIOS
    assert decide(Client(MAC, firmware, arch), N1, Rules(PROFILES)).loader == loader


@pytest.mark.parametrize("arch", [0x0A, 0x19, 0x1234])
def test_an_architecture_without_a_loader_is_ignored_with_its_number(arch: int) -> None:
    decision = decide(Client(MAC, Firmware.UEFI, arch), N1, Rules(PROFILES))
    assert decision.verdict is Verdict.IGNORE
    assert f"{arch:#04x}" in decision.reasons[-1]


def test_a_stranger_is_ignored_by_default() -> None:
    decision = decide(UEFI, None, Rules(PROFILES))
    assert decision.verdict is Verdict.IGNORE
    assert decision.reasons == (f'{MAC} belongs to no node, and dhcp.unknown = "ignore"',)


@pytest.mark.parametrize("unknown", ["local", "menu", "debian-12"])
def test_a_stranger_gets_what_the_site_says(unknown: str) -> None:
    decision = decide(UEFI, None, Rules(PROFILES, unknown=unknown))
    assert (decision.verdict, decision.profile) == (Verdict.LOADER, unknown)


def test_an_unknown_profile_is_named_with_those_that_exist() -> None:
    decision = decide(UEFI, Node("n2", (MAC,), "debain"), Rules(PROFILES))
    assert decision.verdict is Verdict.IGNORE
    assert "debain" in decision.reasons[-1]
    assert "debian-12, local, menu" in decision.reasons[-1]
    assert decide(UEFI, None, Rules(PROFILES, unknown="nope")).verdict is Verdict.IGNORE


@pytest.mark.parametrize("arch", list(Arch))
def test_every_named_architecture_reads_well(arch: Arch) -> None:
    assert arch_name(arch) not in ("unnamed", "unknown to RFC 4578")


def test_an_unnamed_architecture_is_said_to_be_so() -> None:
    assert arch_name(0x7777) == "unknown to RFC 4578"
