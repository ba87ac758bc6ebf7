"""The decision and its reasons, case by case."""

from dataclasses import replace

import pytest

from netboot.clients import KINDS, kind_of, usual_firmware
from netboot.decision import Decision, Learned, Shape, Verdict
from netboot.matching import Match
from netboot.model import Arch, Client, Firmware, Mac, Node, Profile
from netboot.policy import Rules, decide

MAC = Mac("52:54:00:00:00:01")
N1 = Node("n1", (MAC,), "debian-12")
M1 = Match(N1, f"{MAC} belongs to node n1, whose profile is debian-12")
PROFILES = {
    name: Profile(name, script=f"ipxe/{name}.ipxe") for name in ("debian-12", "local", "menu")
}
UEFI = Client(MAC, Firmware.UEFI, Arch.X64)


def test_a_registered_uefi_machine_gets_its_loader_and_is_told_why() -> None:
    assert decide(UEFI, M1, Rules(PROFILES)) == Decision(
        Verdict.LOADER,
        (
            "52:54:00:00:00:01 belongs to node n1, whose profile is debian-12",
            "it is UEFI x64, whose loader is snponly.efi",
        ),
        profile="debian-12",
        loader="snponly.efi",
        shape=Shape.BINL,
    )


def test_ipxe_gets_its_script_whatever_its_architecture() -> None:
    decision = decide(Client(MAC, Firmware.IPXE, 0x1234), M1, Rules(PROFILES))
    assert (decision.verdict, decision.profile, decision.loader, decision.shape) == (
        Verdict.SCRIPT,
        "debian-12",
        None,
        Shape.BOOTFILE,
    )


@pytest.mark.parametrize(
    ("firmware", "arch", "loader", "shape"),
    [
        (Firmware.BIOS, 0x00, "undionly.kpxe", Shape.DISCOVERY_CONTROL),
        (Firmware.UEFI, 0x07, "snponly.efi", Shape.BINL),
        (Firmware.UEFI, 0x09, "snponly.efi", Shape.BINL),
        (Firmware.UEFI, 0x0B, "arm64/ipxe.efi", Shape.BINL),
        (Firmware.UEFI, 0x1B, "riscv64/ipxe.efi", Shape.BINL),
        (Firmware.UEFI, 0x27, "loong64/ipxe.efi", Shape.BINL),
        (Firmware.HTTP, 0x10, "snponly.efi", Shape.HTTP),
        (Firmware.HTTP, 0x13, "arm64/ipxe.efi", Shape.HTTP),
        (Firmware.RPI, 0x00, None, Shape.RASPBERRY_PI),
    ],
)
def test_every_kind_has_its_loader_and_its_offer(
    firmware: Firmware, arch: int, loader: str | None, shape: Shape
) -> None:
    decision = decide(Client(MAC, firmware, arch), M1, Rules(PROFILES))
    assert (decision.verdict, decision.loader, decision.shape) == (Verdict.LOADER, loader, shape)


@pytest.mark.parametrize("arch", [0x06, 0x0A, 0x19, 0x1234])
def test_an_architecture_without_a_loader_is_ignored_and_named(arch: int) -> None:
    decision = decide(Client(MAC, Firmware.UEFI, arch), M1, Rules(PROFILES))
    assert decision.verdict is Verdict.IGNORE
    assert decision.reasons[-1].endswith(": no loader is known for that")


def test_a_node_may_name_its_loader() -> None:
    node = replace(N1, loader="ipxe.efi")
    decision = decide(UEFI, Match(node, "why"), Rules(PROFILES), Learned(loader=1))
    assert decision.loader == "ipxe.efi"
    assert decision.reasons[-1] == "its node names ipxe.efi"


def test_what_a_machine_taught_us_picks_offer_and_loader_and_is_said() -> None:
    decision = decide(UEFI, M1, Rules(PROFILES), Learned(shape=1, loader=1, why="it asked again"))
    assert (decision.shape, decision.loader) == (Shape.DISCOVERY_CONTROL, "ipxe.efi")
    assert decision.lesson == "it asked again"
    assert decision.lesson in decision.reasons


def test_lessons_go_round() -> None:
    decision = decide(UEFI, M1, Rules(PROFILES), Learned(shape=3, loader=2, why="again"))
    assert (decision.shape, decision.loader) == (Shape.BINL, "snponly.efi")


@pytest.mark.parametrize(
    ("there", "turn", "loader", "said"),
    [
        ({"snponly.efi", "ipxe.efi"}, 1, "ipxe.efi", None),
        ({"snponly.efi"}, 1, "snponly.efi", "ipxe.efi, whose turn it is, is not"),
        ({"ipxe.efi"}, 0, "ipxe.efi", "snponly.efi, whose turn it is, is not"),
        ({"undionly.kpxe"}, 1, "ipxe.efi", None),
    ],
)
def test_of_the_loaders_one_that_is_there_is_tried(
    there: set[str], turn: int, loader: str, said: str | None
) -> None:
    learned = Learned(loader=turn, why="again") if turn else Learned()
    decision = decide(UEFI, M1, Rules(PROFILES, loaders=there), learned)
    assert decision.loader == loader
    assert decision.reasons[-1] == f"it is UEFI x64, whose loader is {loader}"
    passed_over = [one for one in decision.reasons if "whose turn it is" in one]
    assert [one[: len(said or "")] for one in passed_over] == ([said] if said else [])


def test_a_stranger_is_ignored_by_default() -> None:
    decision = decide(UEFI, None, Rules(PROFILES))
    assert decision.verdict is Verdict.IGNORE
    assert decision.reasons == (f'{MAC} belongs to no node, and dhcp.unknown = "ignore"',)


@pytest.mark.parametrize("unknown", ["local", "menu", "debian-12"])
def test_a_stranger_gets_what_the_site_says(unknown: str) -> None:
    decision = decide(UEFI, None, Rules(PROFILES, unknown=unknown))
    assert (decision.verdict, decision.profile) == (Verdict.LOADER, unknown)


def test_an_unknown_profile_is_named_with_those_that_exist() -> None:
    decision = decide(
        UEFI, Match(Node("n2", (MAC,), "debain"), "n2, whose profile is debain"), Rules(PROFILES)
    )
    assert decision.verdict is Verdict.IGNORE
    assert "debain" in decision.reasons[-1]
    assert "debian-12, local, menu" in decision.reasons[-1]
    assert decide(UEFI, None, Rules(PROFILES, unknown="nope")).verdict is Verdict.IGNORE


@pytest.mark.parametrize("arch", list(Arch))
def test_every_architecture_of_the_registry_has_its_row(arch: Arch) -> None:
    assert set(KINDS) == set(Arch)
    assert kind_of(Client(MAC, usual_firmware(arch), arch)) is KINDS[arch]


def test_an_architecture_nobody_listed_is_named_by_its_number() -> None:
    assert "0x7777" in kind_of(Client(MAC, Firmware.UEFI, 0x7777)).name


SIGNED = {"sb/bootx64.efi": "", "sb/bootaa64.efi": "is not signed", "ipxe.efi": "is not signed"}
SECURE = M1._replace(node=replace(N1, secure_boot=True))


@pytest.mark.parametrize(
    ("firmware", "arch", "shape"),
    [(Firmware.UEFI, Arch.X64, Shape.BINL), (Firmware.HTTP, Arch.X64_HTTP, Shape.HTTP)],
)
def test_a_machine_with_secure_boot_gets_the_signed_loader(
    firmware: Firmware, arch: int, shape: Shape
) -> None:
    decision = decide(Client(MAC, firmware, arch), SECURE, Rules(PROFILES, signed=SIGNED))
    assert (decision.verdict, decision.loader, decision.shape) == (
        Verdict.LOADER,
        "sb/bootx64.efi",
        shape,
    )
    assert decision.reasons[-1].startswith("it is marked secure_boot; it is UEFI x64")


@pytest.mark.parametrize(
    ("client", "loader", "said"),
    [
        (Client(MAC, Firmware.UEFI, Arch.ARM64), None, "sb/bootaa64.efi is not signed"),
        (Client(MAC, Firmware.UEFI, Arch.X64), "ipxe.efi", "ipxe.efi is not signed"),
        (Client(MAC, Firmware.UEFI, Arch.X64), "own.efi", "own.efi is not there"),
        (Client(MAC, Firmware.UEFI, Arch.RISCV64), None, "no signed boot program for UEFI riscv64"),
        (Client(MAC, Firmware.BIOS, Arch.BIOS), None, "no signed boot program for BIOS"),
        (Client(MAC, Firmware.IPXE, Arch.X64), None, "no signed boot program for iPXE"),
    ],
)
def test_a_machine_with_secure_boot_gets_nothing_its_firmware_would_refuse(
    client: Client, loader: str | None, said: str
) -> None:
    match = SECURE._replace(node=replace(SECURE.node, loader=loader))
    decision = decide(client, match, Rules(PROFILES, signed=SIGNED))
    assert (decision.verdict, decision.profile) == (Verdict.IGNORE, None)
    assert said in decision.reasons[-1]


@pytest.mark.parametrize(
    ("loader", "problem", "verdict"),
    [
        ("ipxe-shim.efi", "", Verdict.SCRIPT),
        ("ipxe-shim.efi", "is not signed", Verdict.IGNORE),
        ("sb/bootx64.efi", "", Verdict.IGNORE),  # that starts GRUB: nobody signed this iPXE
    ],
)
def test_an_ipxe_that_a_shim_of_its_own_started_gets_its_script(
    loader: str, problem: str, verdict: Verdict
) -> None:
    match = SECURE._replace(node=replace(SECURE.node, loader=loader))
    client = Client(MAC, Firmware.IPXE, Arch.X64)
    assert decide(client, match, Rules(PROFILES, signed={loader: problem})).verdict is verdict


def test_without_shim_a_machine_with_secure_boot_is_told_where_to_get_it() -> None:
    decision = decide(UEFI, SECURE, Rules(PROFILES))
    assert decision.verdict is Verdict.IGNORE
    assert decision.reasons[-1].endswith("is not there: `netboot image fetch secure-boot`")
    own = SECURE._replace(node=replace(SECURE.node, loader="mine.efi"))
    assert (
        decide(UEFI, own, Rules(PROFILES))
        .reasons[-1]
        .endswith("mine.efi is not there: in no image")
    )


@pytest.mark.parametrize("match", [M1, SECURE])
def test_grub_gets_its_configuration_on_any_node(match: Match) -> None:
    decision = decide(Client(MAC, Firmware.GRUB, Arch.X64), match, Rules(PROFILES))
    assert (decision.verdict, decision.profile) == (Verdict.SCRIPT, "debian-12")
