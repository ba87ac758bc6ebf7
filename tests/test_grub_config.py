"""What GRUB is told under Secure Boot: exact configurations, hostile variables, what it refuses."""

import re
from pathlib import Path

import pytest

from netboot.answer import grub
from netboot.answer.linux import MAX_COMMAND_LINE
from netboot.answer.profiles import load_profiles
from netboot.answer.script import error_script, first_config, render_script
from netboot.answer.signed import refuse_unsigned
from netboot.errors import NotBootable
from netboot.model import Arch, Client, Firmware, Image, Mac, Node, Profile, Server

GOLDEN = Path(__file__).parent / "golden" / "scripts"
MAC = Mac("52:54:00:00:00:01")
CLIENT = Client(MAC, Firmware.GRUB, Arch.X64)
SERVER = Server("192.0.2.1", "192.0.2.1", 8080, 5514)
PROFILES = load_profiles()
KERNEL = "images/debian-13/linux"


def config(name: str, **variables: str) -> str:
    profile = grub.form(PROFILES[name])
    image = Image(profile.image, "20250803", {}) if profile.image else None
    node = Node("n1", (MAC,), name, vars=variables)
    return render_script(node, CLIENT, profile, image, SERVER, f"{SERVER.url}/node/TOKEN")


CONFIGS = {
    "grub.cfg": lambda: first_config(SERVER),
    "debian.cfg": lambda: config(
        "debian-13", console="tty0 ttyS0,115200n8", ip="192.0.2.7/24", firmware="true"
    ),
    "linux.cfg": lambda: config(
        "ubuntu-24.04",
        tree="http://192.0.2.9/tree",
        iso="http://192.0.2.9/server.iso",
        countdown="0",
    ),
    "local.cfg": lambda: config("local", notice="it failed (nobody knows; why?)"),
    "menu.cfg": lambda: config("menu", menu_profiles="debian-13 rescue", menu_timeout="0"),
    "retry.cfg": lambda: error_script(
        'templates/x line 7: "$secret" is {not} `good`', SERVER, MAC, "grub/retry.cfg"
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_exactly_this_configuration(name: str) -> None:
    assert CONFIGS[name]() == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", CONFIGS)
def test_no_configuration_ends_without_a_word(name: str) -> None:
    """It starts a system, goes on to the disk, or says something and asks again, and restarts."""
    text = CONFIGS[name]()
    assert "exit 1" in text or "reboot" in text


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("a;b", r"a\;b"),
        ("a|b&c", r"a\|b\&c"),
        ("{x}", r"\{x\}"),
        ("x=(hd0)", r"x=\(hd0\)"),
        ("<in", r"\<in"),
        ("what*?", r"what\*\?"),
        ("some~thing", r"some\~thing"),
    ],
)
def test_what_means_something_to_grub_is_a_letter_like_any_other(value: str, printed: str) -> None:
    text = config("debian-13", kernel_args=f"word={value} other")
    assert f" word={printed} other" in text


@pytest.mark.parametrize("value", ["$x", "`x`", '"', "a\\", "a\nreboot", "||"])
def test_what_cannot_be_a_word_is_refused(value: str) -> None:
    with pytest.raises(NotBootable, match="a value has"):
        config("debian-13", hostname=value)


def test_a_profile_without_a_form_for_grub_says_which_template_is_missing() -> None:
    with pytest.raises(NotBootable, match=r"there is no template grub/memtest\.cfg"):
        config("memtest")


def test_a_kernel_that_grub_cannot_fetch() -> None:
    with pytest.raises(NotBootable, match="which is all that GRUB can fetch"):
        config("linux", kernel="https://192.0.2.9/k", initrd="http://192.0.2.9/i")


@pytest.mark.parametrize(
    ("profile", "kernels", "said"),
    [
        ("debian-13", {KERNEL: ""}, ""),
        (
            "debian-13",
            {KERNEL: "is not signed"},
            f"n1: it is marked secure_boot, and {KERNEL} is not",
        ),
        ("debian-13", {}, f"{KERNEL} is no program that could be checked"),
        ("linux", {KERNEL: ""}, "its kernel is no file of an image here"),
        ("local", {}, ""),
    ],
)
def test_a_kernel_that_shim_would_refuse_is_not_given(
    profile: str, kernels: dict[str, str], said: str
) -> None:
    text = config(profile, kernel="http://192.0.2.9/k", initrd="http://192.0.2.9/i")
    if not said:
        refuse_unsigned(text, kernels, "node n1")
        return
    with pytest.raises(NotBootable) as refused:
        refuse_unsigned(text, kernels, "node n1")
    assert said in str(refused.value)


def test_a_command_line_that_the_kernel_would_cut_off() -> None:
    [line] = re.findall("^  linux (.*)$", config("debian-13"), re.MULTILINE)
    room = MAX_COMMAND_LINE - len(f"BOOT_IMAGE={line} \0")
    config("debian-13", installer_args="x" * room)
    with pytest.raises(NotBootable, match=f"the kernel's command line has {MAX_COMMAND_LINE + 1}"):
        config("debian-13", installer_args="x" * (room + 1))


def test_a_users_own_script_has_its_configuration_beside_it() -> None:
    assert grub.form(Profile("own", "mine/own.ipxe")).script == "mine/own.cfg"
