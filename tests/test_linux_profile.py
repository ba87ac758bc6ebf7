"""Any Linux by a profile alone: its kernel, initrds and arguments, the countdown before it."""

import re
from pathlib import Path

import pytest
import yaml

from netboot.answer.answers import render_answer
from netboot.answer.profiles import load_profiles
from netboot.answer.render import Templates
from netboot.answer.script import render_script
from netboot.errors import NotBootable
from netboot.model import (
    Answer,
    AnswerKind,
    Arch,
    Client,
    Firmware,
    Image,
    ImageFile,
    Mac,
    Node,
    Profile,
    Server,
)
from tests.installer_shell import HostShell

MAC = Mac("52:54:00:00:00:01")
CLIENT = Client(MAC, Firmware.IPXE, Arch.X64)
SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
TOKEN_URL = f"{SERVER.url}/node/TOKEN"
CONFIG = f"{TOKEN_URL}/config.ign"
FILES = ("vmlinuz", "initrd", "casper/vmlinuz")
IMAGE = Image("own", "1", {name: ImageFile(name, Path(name), 1, "0" * 64) for name in FILES})


def linux(profile: Profile, image: Image | None = IMAGE, **variables: str) -> str:
    node = Node("n1", (MAC,), "own", {}, variables)
    return render_script(node, CLIENT, profile, image, SERVER, TOKEN_URL)


def own(
    kernel: str = "vmlinuz",
    initrds: tuple[str, ...] = ("initrd",),
    args: str = "",
    answer: AnswerKind | None = None,
    image: str | None = "own",
    *,
    installs: bool = False,
) -> Profile:
    file = Answer(answer, "answers/own") if answer else None
    return Profile(
        *("own", "ipxe/linux.ipxe", image, file),
        installs=installs,
        kernel=kernel,
        initrds=initrds,
        args=args,
        description="Our Linux",
        vars={"countdown": "7"},
    )


def command(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.*) \|\| goto failed$", text, re.MULTILINE)


def test_files_of_the_image_and_urls_mix() -> None:
    more = "http://192.0.2.9/{{ vars.more }}?arch=${buildarch}"
    text = linux(own("casper/vmlinuz", ("initrd", more)), more="drivers/initrd")
    (kernel,) = command(text, "kernel")
    assert kernel.split()[0] == "http://192.0.2.1:8080/images/own/casper/vmlinuz"
    assert command(text, "initrd") == [
        "--name initrd1 http://192.0.2.1:8080/images/own/initrd",
        "--name initrd2 http://192.0.2.9/drivers/initrd?arch=${buildarch}",
    ]


def test_an_efi_kernel_is_told_every_initrd_in_order() -> None:
    """Two may be called the same where they come from, so each has a name of its own."""
    (kernel,) = command(linux(own(initrds=("initrd", "http://192.0.2.9/initrd"))), "kernel")
    assert " initrd=initrd1 initrd=initrd2 " in kernel


def test_a_kernel_without_an_initrd() -> None:
    assert "initrd" not in linux(own(initrds=()))


def test_arguments_are_a_template_of_one_line_and_come_before_the_consoles() -> None:
    args = "root=/dev/{{ vars.root }}\n{% if node.known %}\n  quiet\n{% endif %}\n"
    (kernel,) = command(
        linux(
            own(args=args), root="sda1", console="tty0 ttyS0,115200n8", kernel_args="nomodeset 3"
        ),
        "kernel",
    )
    assert kernel.endswith(
        " root=/dev/sda1 quiet BOOTIF=01-${netX/mac:hexhyp}"
        " console=tty0 console=ttyS0,115200n8 nomodeset 3"
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (AnswerKind.PRESEED, f"auto=true priority=critical url={TOKEN_URL}/preseed.cfg"),
        (AnswerKind.KICKSTART, f"inst.ks={TOKEN_URL}/ks.cfg"),
        (AnswerKind.NOCLOUD, f"ds=nocloud-net;s={TOKEN_URL}/"),
        (
            AnswerKind.IGNITION,
            f"ignition.firstboot ignition.platform.id=metal ignition.config.url={CONFIG}",
        ),
    ],
)
def test_each_kind_of_installer_is_told_of_its_answer_file_in_its_own_way(
    kind: AnswerKind, told: str
) -> None:
    (kernel,) = command(linux(own(answer=kind)), "kernel")
    assert f" {told} " in kernel
    assert kernel.count(TOKEN_URL) == 1


def test_without_an_answer_file_no_token_is_needed() -> None:
    node = Node("n1", (MAC,), "own")
    text = render_script(node, CLIENT, own(), IMAGE, SERVER, None)
    assert "/node/" not in text


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        (own("linux"), 'profile own: kernel: node n1: image own has no file "linux"; it has casp'),
        (own(initrds=("initrd", "gone")), "profile own: initrds: node n1: image own has no file"),
        (own("../vmlinuz"), "profile own: kernel: node n1: image own has no file"),
        (own("ftp://192.0.2.9/x"), "profile own: kernel: node n1: image own has no file"),
        (own(image=None), 'profile own: kernel: node n1: "vmlinuz" is no URL, and the profile has'),
        (own(""), "linux.ipxe line "),
        (own(""), ": node n1: profile own names no kernel"),
        (own("{{ vars.tree }}/x"), "profile own: kernel line 1: node n1: 'tree' is undefined"),
        (own(args="a\n{{ vars.b c }}"), "profile own: args line 2: node n1: expected token"),
        (own(args="{{ vars.bad }}"), "profile own: args line 1: node n1: a value has a character"),
        (own(args="{{ ''.__class__ }}"), "profile own: args line 1: node n1: "),
        (own(args="x" * 3000), "the kernel's command line has "),
    ],
)
def test_what_cannot_be_started_is_told_by_profile_key_and_machine(
    profile: Profile, told: str
) -> None:
    with pytest.raises(NotBootable) as caught:
        linux(profile, IMAGE if profile.image else None, bad='x" || shell')
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


# --- before what erases a disk


def test_an_installation_is_announced_and_a_key_press_stops_it() -> None:
    """choose counts down on its default until a key is pressed, on a serial line as well."""
    lines = linux(own(installs=True)).splitlines()
    menu = lines[: lines.index(":confirmed")]
    assert "menu n1: Our Linux" in menu
    assert [line.split()[1] for line in menu if line.startswith("item ")] == [
        *("--gap", "install", "local", "shell")
    ]
    assert "choose --default install --timeout 7000 selected || set selected local" in menu
    assert lines.index(":confirmed") < min(n for n, x in enumerate(lines) if x[:6] == "kernel")


def test_a_node_may_have_another_countdown_or_none() -> None:
    assert "--timeout 60000 " in linux(own(installs=True), countdown="60")
    assert "choose" not in linux(own(installs=True), countdown="0")
    assert "choose" not in linux(own(installs=False), countdown="60")


@pytest.mark.parametrize("countdown", ["", "-1", "5s", "1.5", "99999", "\u0665"])
def test_a_countdown_that_is_no_number_stops_the_boot_not_the_countdown(countdown: str) -> None:
    told = "^node n1: variable countdown must be seconds from 0 to 9999; 0 for none$"
    with pytest.raises(NotBootable, match=told):
        linux(own(installs=True), countdown=countdown)


def test_a_users_own_script_may_ask_as_well(tmp_path: Path) -> None:
    (tmp_path / "own.ipxe").write_text('#!ipxe\n{% include "ipxe/confirm.ipxe" %}\nboot x\n')
    node = Node("n1", (MAC,), "own")
    templates = Templates([tmp_path])
    profile = Profile("own", "own.ipxe", installs=True)
    text = render_script(node, CLIENT, profile, None, SERVER, None, templates=templates)
    assert "choose --default install --timeout 5000 " in text


# --- the firmware's boot order, at the end of an installation

SHIPPED = load_profiles()
VARIABLES = "BootCurrent: 0003\nTimeout: 3 seconds\nBootOrder: 0005,0000,0003\nBoot0005* Fedora\n"


def answers(profile: str, name: str, **variables: str) -> str:
    node = Node("n1", (MAC,), profile, {}, variables)
    told = render_answer(name, node, SHIPPED[profile], SERVER, None, mac=MAC, token_url=TOKEN_URL)
    return told.decode()


def kickstart(**variables: str) -> str:
    return answers("fedora", "ks.cfg", tree="http://192.0.2.9/tree", **variables)


@pytest.fixture
def fedora(tmp_path: Path) -> HostShell:
    """A machine that was started by UEFI, from the network, and has just been installed."""
    shell = HostShell(tmp_path)
    shell.at("/sys/firmware/efi/efivars").mkdir(parents=True)
    shell.file("/log/variables", VARIABLES)
    shell.stub("efibootmgr", "[ $# = 0 ] && exec cat /log/variables; echo $* > /log/efibootmgr")
    shell.stub("mountpoint", "[ -e /sys/firmware/efi/efivars/mounted ]")
    for name in ("mount", "umount", "curl"):
        shell.stub(name, f'echo "{name} $*" >> /log/{name}')
    return shell


LATE = "progress?stage=late"


def finish(shell: HostShell, **variables: str) -> tuple[int, list[str]]:
    """Run what Fedora's installer runs last; how that ends, and what the server is told."""
    _, _, last = kickstart(**variables).partition("\n%post\n")
    ended = shell.run(last.partition("\n%end\n")[0])
    return ended.returncode, re.findall(
        rf" {TOKEN_URL}/(.*)$", shell.read("/log/curl"), re.MULTILINE
    )


def test_fedora_puts_the_network_back_before_its_own_entry(fedora: HostShell) -> None:
    told = [LATE, f"{LATE}&detail=boot_order&status=0", "installed"]
    assert finish(fedora) == (0, told)
    assert fedora.read("/log/efibootmgr") == "-q -o 0003,0005,0000\n"
    assert fedora.read("/log/mount").startswith("mount -t efivarfs efivarfs ")
    assert fedora.read("/log/umount") != ""


def test_fedora_leaves_mounted_what_its_installer_has_mounted(fedora: HostShell) -> None:
    fedora.file("/sys/firmware/efi/efivars/mounted", "")
    finish(fedora)
    assert fedora.read("/log/efibootmgr") != ""
    assert fedora.read("/log/mount") == fedora.read("/log/umount") == ""


def test_fedora_on_a_bios_has_no_boot_order(fedora: HostShell) -> None:
    fedora.at("/sys/firmware/efi/efivars").rmdir()
    assert finish(fedora)[0] == 0
    assert fedora.read("/log/efibootmgr") == ""


@pytest.mark.parametrize("said", ["exit 1", "[ $# != 0 ] || echo BootOrder: 0001"])
def test_fedora_calls_home_where_the_order_cannot_be_put_back(fedora: HostShell, said: str) -> None:
    fedora.stub("efibootmgr", said)
    told = [LATE, f"{LATE}&detail=boot_order&status=1", "installed"]
    assert finish(fedora) == (0, told)


def test_ubuntus_installer_is_told_to_put_the_network_back() -> None:
    told = yaml.safe_load(answers("ubuntu-24.04", "user-data"))["autoinstall"]
    assert told["storage"]["grub"] == {"reorder_uefi": True}


def test_the_new_systems_go_first_where_that_is_wanted(fedora: HostShell) -> None:
    assert finish(fedora, boot_order="disk") == (0, [LATE, "installed"])
    assert fedora.read("/log/efibootmgr") == ""
    told = yaml.safe_load(answers("ubuntu-24.04", "user-data", boot_order="disk"))
    assert told["autoinstall"]["storage"]["grub"] == {"reorder_uefi": False}


@pytest.mark.parametrize(("profile", "name"), [("fedora", "ks.cfg"), ("ubuntu-24.04", "user-data")])
def test_a_boot_order_that_is_none_is_refused(profile: str, name: str) -> None:
    with pytest.raises(NotBootable, match=r"boot_order must be network or disk$"):
        answers(profile, name, tree="http://192.0.2.9/tree", boot_order="cd")
