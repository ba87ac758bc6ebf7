"""What a machine's iPXE is told: golden scripts, hostile variables, and errors with their place."""

import os
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot import resources
from netboot.answer.linux import MAX_COMMAND_LINE
from netboot.answer.profiles import load_profiles
from netboot.answer.render import MAX_RENDERED, Templates
from netboot.answer.script import (
    autoexec_script,
    bootstrap_script,
    error_script,
    render_script,
)
from netboot.errors import NotBootable
from netboot.model import Arch, Client, Firmware, Image, Mac, Node, Profile, Server
from netboot.volume import Volume

GOLDEN = Path(__file__).parent / "golden" / "scripts"
MAC = Mac("52:54:00:00:00:01")
CLIENT = Client(MAC, Firmware.IPXE, Arch.X64)
SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
TOKEN_URL = f"{SERVER.url}/node/TOKEN"
IMAGE = Image("debian-12", "20230607+deb12u11", {})
TREES = {
    "tree": "http://192.0.2.9/tree",
    "iso": "http://192.0.2.9/server.iso",
    "chain_url": "https://192.0.2.9/more.ipxe",
    "kernel": "http://192.0.2.9/vmlinuz",
    "initrd": "http://192.0.2.9/initrd",
    "args": "quiet splash",
}
PROFILES = load_profiles()
MINIMAL = {"netmask": "255.255.255.0", "gateway": "192.0.2.254"}


def node(**variables: str) -> Node:
    return Node("n1", (MAC, Mac("52:54:00:00:00:02")), "debian-12", {"rack": "r7"}, variables)


def script(name: str, **variables: str) -> str:
    image = Image(PROFILES[name].image or "", IMAGE.version, {}) if PROFILES[name].image else None
    return render_script(node(**variables), CLIENT, PROFILES[name], image, SERVER, TOKEN_URL)


def from_volume(**variables: str) -> str:
    volume = Volume("v1", "iqn.2026-01.com.example:disk1", "192.0.2.5", chap_user="n1")
    profile = PROFILES["volume"]
    return render_script(
        *(node(**variables), CLIENT, profile, None, SERVER, TOKEN_URL), volume=volume
    )


def own(folder: Path, text: str, **variables: str) -> str:
    """Render a user's own template."""
    (folder / "ipxe").mkdir(parents=True, exist_ok=True)
    (folder / "ipxe" / "own.ipxe").write_text(text)
    profile = Profile("own", "ipxe/own.ipxe", vars={"colour": "red", "size": "small"})
    templates = Templates([folder])
    return render_script(
        node(**variables), CLIENT, profile, None, SERVER, None, templates=templates
    )


GOLDEN_SCRIPTS = {
    "debian.ipxe": lambda: script("debian-12"),
    "debian-static.ipxe": lambda: script(
        "debian-12",
        hostname="web1",
        domain="lab.example",
        ip="192.0.2.7",
        netmask="255.255.255.0",
        gateway="192.0.2.254",
        nameservers="192.0.2.2 192.0.2.3",
        locale="de_DE.UTF-8",
        keymap="de",
        language="de",
        country="CH",
        installer_args="DEBIAN_FRONTEND=text  netcfg/dhcp_timeout=60",
        console="tty0 ttyS0,115200n8",
        kernel_args="net.ifnames=0",
    ),
    "local.ipxe": lambda: script("local"),
    "menu.ipxe": lambda: script("menu"),
    "linux.ipxe": lambda: script("linux", console="tty0 ttyS0,115200n8", **TREES),
    "ubuntu.ipxe": lambda: script("ubuntu-24.04", countdown="0", **TREES),
    "fedora.ipxe": lambda: script("fedora", **TREES),
    "memtest.ipxe": lambda: script("memtest", console="tty0 ttyS0,115200n8"),
    "rescue.ipxe": lambda: script("rescue"),
    "sanboot.ipxe": lambda: script("sanboot", sanboot_url="http://192.0.2.9/ipa.iso?node=n1"),
    "volume.ipxe": from_volume,
    "chain.ipxe": lambda: script("chain", **TREES),
    "retry.ipxe": lambda: error_script(
        "templates/ipxe/debian.ipxe line 7: node n1: 'hostnam' is undefined", SERVER, MAC
    ),
    "autoexec.ipxe": lambda: autoexec_script(SERVER),
    "bootstrap.ipxe": lambda: bootstrap_script(SERVER),
}


@pytest.mark.parametrize("name", GOLDEN_SCRIPTS)
def test_exactly_this_script(name: str) -> None:
    assert GOLDEN_SCRIPTS[name]() == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", GOLDEN_SCRIPTS)
def test_every_line_that_can_fail_says_what_then(name: str) -> None:
    """iPXE ends a script at its first failing line: to a shell, a firmware menu, or nothing."""
    can_fail = {"kernel", "initrd", "boot", "chain", "dhcp", "iseq", "isset", "sanboot", "choose"}
    for line in GOLDEN_SCRIPTS[name]().splitlines():
        assert line.split(" ")[0] not in can_fail or "||" in line, line


@pytest.mark.parametrize("name", GOLDEN_SCRIPTS)
def test_every_goto_has_its_label(name: str) -> None:
    text = GOLDEN_SCRIPTS[name]()
    assert set(re.findall(r"goto (\w+)", text)) <= set(re.findall(r"^:(\w+)$", text, re.MULTILINE))


def test_a_machine_nobody_registered_is_named_after_its_mac() -> None:
    text = render_script(None, CLIENT, PROFILES["debian-12"], IMAGE, SERVER, TOKEN_URL)
    assert " hostname=52-54-00-00-00-01 " in text


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "language=en debian-installer/country=US debian-installer/locale=en_US.UTF-8"),
        (
            {"locale": "de_CH.UTF-8"},
            "language=en debian-installer/country=CH debian-installer/locale=de_CH.UTF-8",
        ),
        (
            {"locale": "ast_ES.UTF-8", "language": "es"},
            "language=es debian-installer/country=ES debian-installer/locale=ast_ES.UTF-8",
        ),
        (
            {"locale": "C.UTF-8"},
            "language=en debian-installer/country=US debian-installer/locale=C.UTF-8",
        ),
        (
            {"locale": "en_GB.UTF-8", "country": "NL"},
            "language=en debian-installer/country=NL debian-installer/locale=en_GB.UTF-8",
        ),
    ],
)
def test_the_installer_is_told_language_country_and_locale_each(
    variables: dict[str, str], told: str
) -> None:
    """On a serial console it drops a lone locale that is not English, and asks."""
    assert f" debian-installer/{told} " in script("debian-12", **variables)


def test_a_menu_offers_what_there_is() -> None:
    offered = [Profile("rescue", "ipxe/own.ipxe", description="Look inside"), PROFILES["local"]]
    text = render_script(node(), CLIENT, PROFILES["menu"], None, SERVER, None, profiles=offered)
    assert re.findall(r"^item (.*)$", text, re.MULTILINE) == [
        "local Start from the local disk",
        "rescue Look inside",
    ]


def test_a_menu_offers_what_it_is_told_to_as_long_as_it_is_told_to() -> None:
    text = script("menu", menu_profiles="memtest rescue", menu_default="rescue", menu_timeout="0")
    assert re.findall(r"^item (\S+)", text, re.MULTILINE) == ["local", "memtest", "rescue"]
    assert "\nchoose --default rescue --timeout 0 profile ||" in text


def test_a_profile_whose_image_is_not_there_says_how_to_get_it() -> None:
    with pytest.raises(NotBootable, match=r"^node n1: .* netboot image fetch debian-12$"):
        render_script(node(), CLIENT, PROFILES["debian-12"], None, SERVER, TOKEN_URL)


def test_a_nodes_variables_win_over_its_profiles(tmp_path: Path) -> None:
    text = own(tmp_path, "{{ vars.colour }} {{ node.vars.size }}\n", colour="blue")
    assert text == "blue small\n"


def test_every_name_a_template_has(tmp_path: Path) -> None:
    text = own(
        tmp_path,
        "{{ node.name }} {{ node.mac }} {{ node.macs[1] }} {{ node.labels.rack }} {{ node.known }}"
        " {{ server.address }} {{ server.port }} {{ server.url }} {{ boot.mac }} {{ profile.name }}"
        " {{ boot.url is defined }} {{ image is defined }}",
    )
    assert text == (
        "n1 52:54:00:00:00:01 52:54:00:00:00:02 r7 True"
        " 192.0.2.1 8080 http://192.0.2.1:8080 52:54:00:00:00:01 own False False"
    )


def test_variables_may_be_called_what_a_dict_calls_its_methods(tmp_path: Path) -> None:
    assert own(tmp_path, "{{ vars.items }} {{ vars.get }}", items="a", get="b") == "a b"


def test_a_value_is_no_template(tmp_path: Path) -> None:
    assert own(tmp_path, "{{ vars.sum }}", sum="{{7*7}}") == "{{7*7}}"


# --- errors name template, line, machine and what is wrong


def test_an_undefined_variable_in_a_users_template(tmp_path: Path) -> None:
    with pytest.raises(NotBootable) as caught:
        own(tmp_path, "#!ipxe\n\necho {{ node.name }}\nset x {{ vars.hostnam }}\n")
    assert str(caught.value) == (
        f"{tmp_path}/ipxe/own.ipxe line 4: node n1: 'hostnam' is undefined"
    )


def test_an_undefined_variable_in_the_middle_of_a_joined_line() -> None:
    lines = (resources.TEMPLATES / "kernel" / "debian.ipxe").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "netcfg/get_netmask=" in text)
    with pytest.raises(NotBootable) as caught:
        script("debian-12", ip="192.0.2.7")
    assert str(caught.value) == (
        f"templates/kernel/debian.ipxe line {line}: node n1: 'netmask' is undefined"
    )


def test_a_script_that_needs_a_token_and_has_none() -> None:
    with pytest.raises(NotBootable, match=r"debian.ipxe line \d+: node n1: 'url' is undefined"):
        render_script(node(), CLIENT, PROFILES["debian-12"], IMAGE, SERVER, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\n{% if %}\n", "own.ipxe line 2: node n1: Expected an expression"),
        ("a\n{{ 'x' | nosuch }}", "own.ipxe line 2: node n1: No filter named 'nosuch'"),
        ('a\n\n{% include "ipxe/away.ipxe" %}', "line 3: node n1: there is no template"),
        ("a\n{{ 1 // 0 }}", "own.ipxe line 2: node n1: ZeroDivisionError"),
        ('{% include "ipxe/own.ipxe" %}', "node n1: RecursionError"),
        ('{% include "../../etc/passwd" %}', "line 1: node n1: there is no template"),
        ('{% include "/etc/passwd" %}', "line 1: node n1: there is no template"),
        ("{% for i in range(90000) %}\nabc\n{% endfor %}", f"longer than {MAX_RENDERED} char"),
        ("{% for i in range(10000000) %}{% endfor %}", "Range too big"),
    ],
)
def test_a_broken_template_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(NotBootable) as caught:
        own(tmp_path, text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_that_is_not_there() -> None:
    profile = Profile("gone", "ipxe/gone.ipxe")
    with pytest.raises(NotBootable) as caught:
        render_script(node(), CLIENT, profile, None, SERVER, None)
    told = "templates/ipxe/gone.ipxe: node n1: there is no template 'ipxe/gone.ipxe'"
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ vars.__class__ }}",
        "{{ vars._values }}",
        "{{ node.macs.__class__.__base__.__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum() }}",
        "{{ vars['__init__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{% set _ = node.macs.append(1) %}",
    ],
)
def test_a_template_cannot_reach_into_this_program(tmp_path: Path, escape: str) -> None:
    with pytest.raises(NotBootable, match=r"own\.ipxe line 1: node n1: "):
        own(tmp_path, escape)


# --- values stay values

HOSTILE_WORDS = {
    "line break": "n1\nshell",
    "carriage return": "n1\rshell",
    "NUL": "n1\0",
    "escape sequence": "n1\x1b[2J",
    "next line": "n1\u0085shell",
    "line separator": "n1\u2028shell",
    "iPXE expansion": "${net0/mac}",
    "half an iPXE expansion": "n1$",
    "shebang": "#!ipxe",
    "iPXE comment": "#n1",
    "shell expansion": "`reboot`",
    "or": "||",
    "and": "&&",
    "then": ";",
    "another kernel argument": "n1 url=http://192.0.2.66/evil",
    "tab": "n1\turl=http://192.0.2.66/evil",
    "double quote": 'n1"',
    "single quote": "n1'",
    "backslash": "n1\\",
    "no ASCII": "n\u00e91",
    "no-break space": "n1\u00a0x",
}


@pytest.mark.parametrize("value", HOSTILE_WORDS.values(), ids=HOSTILE_WORDS)
def test_a_hostile_word_is_refused_by_its_place_and_not_repeated(value: str) -> None:
    with pytest.raises(NotBootable) as caught:
        script("debian-12", hostname=value)
    told = str(caught.value)
    assert re.match(r"templates/kernel/debian.ipxe line \d+: node n1: a value has ", told)
    assert value not in told


@pytest.mark.parametrize(
    "value",
    ["a || shell", "a && shell", "a ; shell", "a #b", "a\nshell", "a ${net0/mac}", 'a" b', "a `b`"],
)
@pytest.mark.parametrize("name", ["installer_args", "kernel_args", "console", "nameservers"])
def test_several_hostile_words_are_refused(name: str, value: str) -> None:
    with pytest.raises(NotBootable, match=r"debian.ipxe line \d+: node n1: a value has"):
        script("debian-12", ip="192.0.2.7/24", **{name: value})


@given(st.text(max_size=40))
def test_no_text_at_all_can_add_a_line_a_word_or_an_expansion(value: str) -> None:
    harmless = script("debian-12", hostname="x")
    try:
        text = script("debian-12", hostname=value)
    except NotBootable:
        return
    assert text.count("\n") == harmless.count("\n")
    assert text.count("${") == harmless.count("${")
    assert len(text.split()) == len(harmless.split())
    assert text.replace(f"hostname={value} ", "hostname=x ") == harmless


@given(st.text(max_size=900))
def test_no_problem_at_all_can_make_the_error_script_do_anything_else(problem: str) -> None:
    calm = error_script("x", SERVER, MAC).splitlines()
    start = calm.index("echo > x")
    lines = error_script(problem, SERVER, MAC).splitlines()
    shown = lines[start : len(lines) - (len(calm) - start - 1)]
    assert lines == calm[:start] + shown + calm[start + 1 :]
    for line in shown:
        assert re.fullmatch(r"echo > [ -~]{1,76}", line)
        assert not re.search(r"[$|&;#`\\]", line)


def test_the_error_script_shows_the_whole_of_an_ordinary_problem() -> None:
    problem = (
        "/etc/netboot/templates/ipxe/our-very-own.ipxe line 123: node rack7-slot12: "
        "'some_variable_with_a_long_name' is undefined"
    )
    shown = " ".join(re.findall(r"^echo > (.*)$", error_script(problem, SERVER, MAC), re.MULTILINE))
    assert shown == " ".join(textwrap.wrap(problem, 76))


def test_the_kernels_command_line_has_its_limit() -> None:
    """Linux cuts off the rest without a word, here the console or the last of the network."""
    line = re.search(r"^kernel \S*/(linux .*) \|\| goto failed$", script("debian-12"), re.MULTILINE)
    room = MAX_COMMAND_LINE - len("\0") - len(line[1]) - len(" ")
    script("debian-12", installer_args="x" * room)
    with pytest.raises(NotBootable, match=f"has {MAX_COMMAND_LINE + 1} bytes; {MAX_COMMAND_LINE}"):
        script("debian-12", installer_args="x" * (room + 1))


# --- templates change while we serve


def test_a_changed_template_is_used_at_once(tmp_path: Path) -> None:
    file = tmp_path / "ipxe" / "own.ipxe"
    file.parent.mkdir()
    file.write_text("old")
    templates = Templates([tmp_path])
    assert templates.render("ipxe/own.ipxe", {}, "any machine") == "old"
    file.write_text("new")
    os.utime(file, (1, 1))
    assert templates.render("ipxe/own.ipxe", {}, "any machine") == "new"


def test_a_users_template_comes_and_goes_before_the_shipped_one(tmp_path: Path) -> None:
    templates = Templates([tmp_path])
    shipped = autoexec_script(SERVER, templates=templates)
    file = tmp_path / "ipxe" / "autoexec.ipxe"
    file.parent.mkdir()
    file.write_text("#!ipxe\necho ours\n")
    assert autoexec_script(SERVER, templates=templates) == "#!ipxe\necho ours\n"
    file.unlink()
    assert autoexec_script(SERVER, templates=templates) == shipped
