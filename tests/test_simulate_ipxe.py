"""The script language, as iPXE understands it, and our own scripts run by it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from netboot.simulate.effects import Steps
from netboot.simulate.ipxe import MAX_STEPS, Ended, Interpreter

GOLDEN = Path(__file__).parent / "golden" / "scripts"
MAC = "52:54:00:00:00:01"


class World:
    """What scripts have done; everything works but the URLs that are away.

    A URL is known by what stands before its query.
    """

    def __init__(self, scripts: dict[str, str] | None = None, *, away: str = "nothing") -> None:
        self.scripts = scripts or {}
        self.away = away
        self.done: list[str] = []
        self.queries: list[str] = []

    def chain(self, url: str) -> Steps[tuple[str, str]]:
        plain, _, query = url.partition("?")
        self.done.append(f"chain {plain}")
        self.queries.append(query)
        yield from ()
        return self.scripts.get(plain, ""), "" if plain in self.scripts else f"{url}: Not found"

    def image(self, command: str, url: str, arguments: Sequence[str]) -> Steps[str]:
        self.done.append(" ".join([command, url, *arguments]))
        yield from ()
        return f"{url}: Not found" if self.away in url else ""

    def boot(self) -> Steps[str]:
        self.done.append("boot")
        yield from ()
        raise Ended("boots")

    def dhcp(self) -> Steps[str]:
        self.done.append("dhcp")
        yield from ()
        return ""

    def sleep(self, seconds: float) -> Steps[None]:
        self.done.append(f"sleep {seconds:g}")
        yield from ()


def run(text: str, world: World, **settings: str) -> tuple[str, dict[str, str]]:
    """How a script ended and what its settings are; nothing it yields is waited for."""
    known = {"net0/mac": MAC, "netX/mac": MAC, "platform": "efi", **settings}
    steps = Interpreter(known, world).run(text)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        return ended.value, known
    except Ended as ended:
        return str(ended), known


def test_our_debian_script_boots_with_its_whole_command_line() -> None:
    world = World()
    assert run((GOLDEN / "debian.ipxe").read_text(), world)[0] == "boots"
    kernel, initrd, boot = world.done
    assert kernel.startswith("kernel http://192.0.2.1:8080/images/debian-12/linux initrd=initrd.gz")
    assert " interface=auto BOOTIF=01-52-54-00-00-00-01" in kernel
    assert (initrd, boot) == ("initrd http://192.0.2.1:8080/images/debian-12/initrd.gz", "boot")


def test_where_the_kernel_is_away_it_asks_ten_times_and_restarts() -> None:
    world = World(away="linux")
    assert run((GOLDEN / "debian.ipxe").read_text(), world)[0] == "restarts the machine"
    assert world.done.count("sleep 10") == 10
    assert world.done.count(f"chain http://192.0.2.1:8080/ipxe/{MAC}") == 9


def test_our_autoexec_opens_the_network_and_chains_the_script() -> None:
    url = f"http://192.0.2.1:8080/ipxe/{MAC}"
    world = World({url: "#!ipxe\nboot"})
    assert run((GOLDEN / "autoexec.ipxe").read_text(), world)[0] == "boots"
    assert world.done == ["dhcp", f"chain {url}", "boot"]
    world.done.clear()
    run((GOLDEN / "autoexec.ipxe").read_text(), world, **{"net0/ip": "10.0.0.9"})
    assert world.done == [f"chain {url}", "boot"]


def test_our_bootstrap_asks_for_every_nic() -> None:
    url = "http://192.0.2.1:8080/ipxe/52:54:00:00:00:02"
    world = World({url: "#!ipxe\nexit"})
    ended, _ = run(
        (GOLDEN / "bootstrap.ipxe").read_text(), world, **{"net1/mac": "52:54:00:00:00:02"}
    )
    assert ended.startswith("exit 0")
    assert world.done == [f"chain http://192.0.2.1:8080/ipxe/{MAC}", f"chain {url}"]


@pytest.mark.parametrize(
    ("platform", "ended"), [("efi", "exit 1"), ("pcbios", "starts the machine's disk")]
)
def test_our_local_script_hands_the_machine_back(platform: str, ended: str) -> None:
    assert run((GOLDEN / "local.ipxe").read_text(), World(), platform=platform)[0].startswith(ended)


def test_nobody_is_at_our_menu() -> None:
    world = World({f"http://192.0.2.1:8080/ipxe/{MAC}": "#!ipxe\nexit 1"})
    assert run((GOLDEN / "menu.ipxe").read_text(), world)[0].startswith("exit 1")
    assert "profile=local" in world.queries[0]


LINES = [
    ("set a one two\nset b ${a}", "", {"a": "one two", "b": "one two"}),
    ("set a x\nset a", "", {"a": None}),
    ("set a:int32 3\ninc a\ninc a 2", "", {"a": "6"}),
    ("inc fresh", "", {"fresh": "1"}),
    ("set n 0\nset m ${net${n}/mac:hexhyp}", "", {"m": "52-54-00-00-00-01"}),
    ("set m ${net0/mac:hexraw}", "", {"m": "525400000001"}),
    ("set a a b/c\nset b ${a:uristring}", "", {"b": "a%20b%2Fc"}),
    ("isset ${nothing} || set a unset", "", {"a": "unset"}),
    ("isset ${platform} && set a yes || set a no", "", {"a": "yes"}),
    ("isset ${nothing} && set a yes || set a no", "", {"a": "no"}),
    ("iseq ${platform} efi && goto end ||\nset a no\n:end\nset b yes", "", {"a": None, "b": "yes"}),
    ("iseq 1 2 ||\nset a on", "", {"a": "on"}),
    ("# set a no\n  # nor this\n\nset b yes", "", {"a": None, "b": "yes"}),
    ("isset ${nothing}\nset a no", "No such setting", {"a": None}),
    ("goto nowhere", "goto nowhere: No such label", {}),
    ("frobnicate now\nset a no", "frobnicate: command not found", {"a": None}),
    ("inc a much", "Invalid argument", {}),
    ("chain", "Invalid argument", {}),
    ("chain http://x/gone", "http://x/gone: Not found", {}),
    ("imgfree linux ||\necho ${failed}\nifopen net0", "", {}),
]


@pytest.mark.parametrize(("text", "problem", "settings"), LINES)
def test_a_line_does_what_ipxe_does(
    text: str, problem: str, settings: dict[str, str | None]
) -> None:
    ended, known = run(f"#!ipxe\n{text}", World())
    assert ended == problem
    assert {name: known.get(name) for name in settings} == settings


def test_a_chained_script_comes_back_unless_it_replaces() -> None:
    world = World({"http://x/a": "#!ipxe\nset a 1"})
    assert run("chain http://x/a\nset b 2", world)[1]["b"] == "2"
    assert "b" not in run("chain --replace --autofree http://x/a ||\nset b 2", world)[1]


BOUNDED = {
    "round and round": (":a\ngoto a", World()),
    "chained to itself": (
        "chain --replace http://x/a",
        World({"http://x/a": "chain -r http://x/a"}),
    ),
    "inside itself": ("chain http://x/a", World({"http://x/a": "chain http://x/a"})),
    "growing": ("set a x\n:g\nset a ${a}${a}${a}\ngoto g", World()),
    "a setting of settings": ("set d $\nset e {d}{e}\nset f ${d}${e}", World()),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_a_hostile_script_ends(name: str) -> None:
    text, world = BOUNDED[name]
    _, settings = run(text, world)
    assert len(world.done) <= MAX_STEPS
    assert max(map(len, settings.values())) <= 4096
