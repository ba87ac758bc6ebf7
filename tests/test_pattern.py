"""A script that is filled in is, byte for byte, the script that is rendered."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netboot.answer.pattern import MAX_WORD
from netboot.answer.profiles import load_profiles
from netboot.answer.render import SHIPPED, Templates
from netboot.boot.personal import PATTERN_SECONDS, Personal, token_url
from netboot.errors import NotBootable
from netboot.model import Arch, Client, Firmware, Image, ImageFile, Mac, Node, Profile, Server

SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
SHIPPED_PROFILES = load_profiles()
FILES = ("linux", "vmlinuz", "initrd.gz", "initrd", "initrd.img", "memtest.efi", "memtest.bin")
A_TOKEN = "nbt_1"  # noqa: S105 -- opens nothing
N1 = Node("n1", (Mac("52:54:00:00:00:01"),))
OTHERS = (
    Node("db-7", (Mac("52:54:00:00:00:07"),)),
    Node("a", (Mac("02:00:00:00:00:aa"), Mac("02:00:00:00:00:ab"))),
    None,
)


def image(name: str) -> Image:
    files = {file: ImageFile(file, Path("/none"), 1, "0" * 64) for file in FILES}
    return Image(name, "12", files)


class Desk:
    """Scripts of one profile, both ways."""

    def __init__(self, templates: Templates, profile: Profile) -> None:
        self.now = 0.0
        self.profile = profile
        self.personal = Personal(templates, lambda: self.now)
        self.personal.images = {name: image(name) for name in [profile.image] if name}
        self.personal.mirror = "http://mirror.example/debian"
        self.rendered = 0
        render = self.personal._rendered

        def counted(*what: object, **also: object) -> str:
            self.rendered += 1
            return render(*what, **also)  # type: ignore[arg-type]

        self.personal._rendered = counted  # type: ignore[method-assign]

    def script(self, node: Node | None, token: str | None = A_TOKEN) -> str:
        """The script, or what is wrong."""
        mac = Mac("06:00:00:00:00:09") if node is None else node.macs[-1]
        client = Client(mac, Firmware.IPXE, Arch.X64)
        profiles = SHIPPED_PROFILES.values()
        try:
            return self.personal.script(client, node, self.profile, SERVER, token, profiles)
        except NotBootable as problem:
            return str(problem)

    def slow(self, node: Node | None, token: str | None = A_TOKEN) -> str:
        """The same by a program that has never rendered anything, without a pattern."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.personal, "_pattern", lambda *_, **__: None)
            return self.script(node, token)


def desk_of(folder: Path, text: str, **beside: str) -> Desk:
    (folder / "own.ipxe").write_text(text)
    for name, content in beside.items():
        (folder / f"{name}.ipxe").write_text(content)
    return Desk(Templates((folder,)), Profile("own", "own.ipxe"))


WORDS = st.text("ab0.-/ $;|\\\n'", max_size=8) | st.text(max_size=3)
VARS = st.dictionaries(
    st.sampled_from(
        ["hostname", "ip", "kernel_args", "console", "countdown", "user", "locale", "x", "suite"]
    )
    | st.just("chain_url"),
    st.sampled_from(["b", "http://a/b", "192.0.2.9/24", "0", "en_US.UTF-8", "ttyS0,115200n8"])
    | WORDS,
    max_size=3,
)
NODES = st.none() | st.builds(
    lambda name, mac, labels, own: Node(name, (Mac(mac),), vars=own, labels=labels),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True) | WORDS,
    st.from_regex(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", fullmatch=True),
    st.dictionaries(st.sampled_from("ab"), WORDS, max_size=1),
    VARS,
)
TOKENS = st.none() | st.from_regex(r"nbt_[A-Za-z0-9_-]{48}", fullmatch=True)
DESKS = {name: Desk(SHIPPED, profile) for name, profile in SHIPPED_PROFILES.items()}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(DESKS)), st.lists(st.tuples(NODES, TOKENS), min_size=1, max_size=3))
def test_it_is_what_is_rendered_whatever_the_machine(
    name: str, machines: list[tuple[Node | None, str | None]]
) -> None:
    for node, token in machines:
        assert DESKS[name].script(node, token) == DESKS[name].slow(node, token)


@pytest.mark.parametrize("name", ["debian-12", "debian-13", "fedora", "local", "menu", "rescue"])
def test_machines_that_differ_in_nothing_else_share_one_rendering(name: str) -> None:
    own = {"tree": "http://mirror.example/fedora"} if name == "fedora" else {}
    desk = Desk(SHIPPED, SHIPPED_PROFILES[name])
    for number in range(9):
        node = Node(f"n{number}", (Mac(f"52:54:00:00:00:0{number}"),), vars=own)
        script = desk.script(node, f"nbt_{number}")
        assert script.startswith("#!ipxe")
        assert desk.rendered == 1
        assert script.replace("nbt_0", f"nbt_{number}") == script
    assert desk.slow(node, "nbt_8") == script


PRINTS = {
    "what it is": "{{ node.name }} {{ node.mac }} {{ boot.mac }} {{ boot.url }}",
    "joined": "{{ 'a' ~ node.name ~ 'b' }} {{ boot.url ~ '/x' }}",
    "as a default": "{{ vars.hostname | default(node.name) }}",
    "in quotes": "{{ node.name | sh }} {{ node.name | words }}",
    "on one line": "{% filter oneline %}a\n  {{ node.name }}{% endfilter %}",
    "with breaks": "{% filter replace('\\n', ' ') %}a\n{{ node.name }}{% endfilter %}",
    "where there is one": "{% if boot.url is defined %}{{ boot.url }}{% endif %}",
    "in a loop": "{% for n in range(3) %}{{ node.name }}{{ loop.index }} {% endfor %}",
    "where nothing of it is asked": "{{ node.known }}{{ node.labels.a | default('no') }}",
    "beside an indented include": "{{ node.name }}{% filter indent %}{% include 'mute.ipxe' %}"
    "{% endfilter %}",
    "in what is included": "{% set which = 'says.ipxe' %}{% include which %}",
}
LOOKS = {
    "a condition": "{% if node.name == 'n1' %}first{% else %}other{% endif %}",
    "a beginning": "{% if node.name.startswith('db') %}database{% endif %}",
    "a choice": "{{ 'even' if boot.mac < '52:54:00:00:00:05' else 'odd' }}",
    "its length": "{{ node.name | length }}",
    "its letters": "{{ node.name | upper }} {{ node.name[0] }} {{ node.mac.split(':')[5] }}",
    "a variable": "{% set x = node.name %}{{ x | upper }}",
    "a variable that was joined": "{% set x = 'a' ~ node.name %}{{ x | length }}",
    "a block in capitals": "{% filter upper %}{{ node.name }}{% endfilter %}",
    "a block that is kept": "{% set x %}{{ node.name }}{% endset %}{{ x | length }}",
    "a macro": "{% macro m() %}{{ node.name }}{% endmacro %}{{ m() | upper }}",
    "a macro that is told": "{% macro m(x) %}{{ x | length }}{% endmacro %}{{ m(node.name) }}",
    "a list": "{{ [node.name, 'm'] | sort | join('-') }}",
    "all of it": "{{ [node] | map(attribute='name') | map('upper') | join }}",
    "by its name": "{{ node['name'] | upper }}",
    "every address": "{{ node.macs | length }}{{ node.macs[0] }}",
    "a loop over it": "{% for c in node.name %}{{ c }}-{% endfor %}",
    "a loop in itself": "{% for x in [[1]] recursive %}{{ node.name }}"
    "{% if x is iterable %}{{ loop(x) | upper }}{% endif %}{% endfor %}",
    "another name for it": "{% with m = node %}{{ m.name | upper }}{% endwith %}",
    "in what is included": "{% include 'looks.ipxe' %}",
    "what is included there": "{% filter upper %}{% include 'says.ipxe' %}{% endfilter %}",
    "what is included by a name": "{% filter upper %}{% include ['says.ipxe'][0] %}{% endfilter %}",
    "what is imported": "{% from 'looks.ipxe' import m with context %}{{ m() }}",
    "what it extends": "{% extends 'base.ipxe' %}{% block b %}{{ node.name }}{% endblock %}",
    "a test": "{{ node.name is eq 'n1' }}",
    "what is inherited there": "{% filter upper %}{% include 'heir.ipxe' %}{% endfilter %}",
    "chance by its name": "{{ [[1, 2]] | map('random') | join }}",
    "chance": "{{ range(1000) | random }}",
}  # fmt: skip
BESIDE = {
    "mute": "nothing\nto say",
    "says": "{{ node.name }}",
    "looks": "{{ node.name | upper }}{% macro m() %}{{ node.name | length }}{% endmacro %}",
    "heir": "{% extends 'says.ipxe' %}",
    "base": "{% filter upper %}{% block b %}{% endblock %}{% endfilter %}",
}


@pytest.mark.parametrize("text", PRINTS.values(), ids=PRINTS)
def test_a_template_that_only_prints_whose_it_is_is_rendered_once(
    tmp_path: Path, text: str
) -> None:
    desk = desk_of(tmp_path, text, **BESIDE)
    desk.script(N1)
    filled = [desk.script(node) for node in OTHERS[:2]]
    assert desk.rendered == 1
    assert filled == [desk.slow(node) for node in OTHERS[:2]]


@pytest.mark.parametrize("text", LOOKS.values(), ids=LOOKS)
def test_a_template_that_looks_at_it_is_rendered_for_each(tmp_path: Path, text: str) -> None:
    desk = desk_of(tmp_path, text, **BESIDE)
    for count, node in enumerate((N1, *OTHERS[:2]), start=2):
        script = desk.script(node)
        assert desk.rendered == count  # once in vain
        if "random" not in text:
            assert script == desk.slow(node)
            desk.rendered -= 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([*PRINTS.values(), *LOOKS.values()][:-2]), max_size=3),
    st.sampled_from(
        ["{}", "{{% if 1 %}}{}{{% endif %}}", "{{% filter upper %}}{}{{% endfilter %}}"]
    ),
)
def test_whatever_a_template_is_made_of(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], around: str
) -> None:
    text = around.format(" ".join(texts))
    desk = desk_of(tmp_path_factory.mktemp("t"), text, **BESIDE)
    for node in (N1, *OTHERS):
        assert desk.script(node) == desk.slow(node)


@pytest.mark.parametrize("name", ["n 1", "n$1", "n\n1", "ä", "", "n" * (MAX_WORD + 1), 'n"'])
def test_a_name_that_is_no_plain_word_meets_the_guards(tmp_path: Path, name: str) -> None:
    desk = desk_of(tmp_path, "{{ node.name }}")
    desk.script(N1)
    odd = replace(N1, name=name)
    assert desk.script(odd) == desk.slow(odd)


def test_what_is_wrong_is_told_with_the_machine_s_own_name(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, "{{ node.name }} {{ vars.missing }}")
    for node in (N1, OTHERS[0]):
        assert node is not None
        assert desk.script(node).endswith(f"node {node.name}: 'missing' is undefined")


def test_a_changed_template_shows_within_the_second(tmp_path: Path) -> None:
    assert PATTERN_SECONDS < 1
    desk = desk_of(tmp_path, "old {{ node.name }}")
    assert desk.script(N1) == "old n1"
    (tmp_path / "own.ipxe").write_text("changed {{ node.name }}")
    desk.now += PATTERN_SECONDS
    assert desk.script(N1) == "changed n1"


def test_whatever_else_a_script_is_made_of_shows_at_once(tmp_path: Path) -> None:
    text = "{{ image.version }} {{ vars.a }} {{ profile.description }} {{ profiles | length }}"
    desk = desk_of(tmp_path, text)
    desk.profile = Profile("own", "own.ipxe", image="i", vars={"a": "1"}, description="d")
    desk.personal.images = {"i": image("i")}
    scripts = [desk.script(N1), desk.script(replace(N1, vars={"a": "2"}))]
    desk.profile = replace(desk.profile, description="e")
    scripts.append(desk.script(N1))
    desk.personal.images = {"i": replace(image("i"), version="13")}
    scripts.append(desk.script(N1))
    assert [script.rpartition(" ")[0] for script in scripts] == [
        "12 1 d", "12 2 d", "12 1 e", "13 1 e"
    ]  # fmt: skip


def test_a_boot_s_own_url_is_its_token_s() -> None:
    desk = DESKS["debian-12"]
    assert f"url={token_url(SERVER, 'nbt_a')}/preseed.cfg" in desk.script(N1, "nbt_a")
    assert f"url={token_url(SERVER, 'nbt_b')}/preseed.cfg" in desk.script(N1, "nbt_b")
