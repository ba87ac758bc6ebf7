"""``netboot node power|boot|media|inspect``: one machine or many, the same words either way."""

import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot import config
from netboot.bmc import open as bmc_open
from netboot.bmc.address import Address
from netboot.bmc.model import BootTarget, PowerState, Rung
from netboot.cli import bmc_run
from netboot.control import inventory
from netboot.control.bmc_shapes import Answer
from netboot.control.peers import user_name
from netboot.errors import BmcError
from tests.fake_bmc import FakeBmc
from tests.test_cli_node import Nodes, configured
from tests.waiting import await_

SECRET = "calvin-5ecret"  # noqa: S105 -- looked for where it must not be
NODES = ("n1", "n2", "n3")


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Nodes:
    return Nodes(configured(tmp_path), monkeypatch, capsys)


@pytest.fixture
def bmcs(cli: Nodes, monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeBmc]:
    """Three machines in two racks, each with a BMC of its name; n4 has none."""
    found = {name: FakeBmc() for name in NODES}

    def opened(address: Address, *_: Any, **__: Any) -> FakeBmc:
        return found[address.host]

    monkeypatch.setattr(bmc_open, "open_driver", opened)
    for number, name in enumerate((*NODES, "n4")):
        bmc = () if name == "n4" else ("--bmc", f"redfish://{name}")
        rack = "3" if name != "n2" else "1"
        mac = f"52:54:00:00:00:0{number}"
        added = cli(
            "node", "add", name, "--mac", mac, "--profile", "local", "-l", f"rack={rack}", *bmc
        )
        assert added == (0, f"node {name} added\n", "")
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration whose control program runs."""
    file = configured(tmp_path_factory.mktemp("served"))
    with subprocess.Popen([sys.executable, "-m", "netboot.control", "--config", file]) as process:
        listener = config.load(file, {}).run_dir / "control.sock"
        await_(lambda: inventory._listening(listener), "the control program")
        yield file
        process.terminate()


class TestWho:
    def test_one_by_name(self, cli: Nodes, bmcs: dict[str, FakeBmc]) -> None:
        assert cli("node", "power", "n1", "off") == (0, "n1: switched off\n", "")
        assert [bmc.power_state for bmc in bmcs.values()] == [
            PowerState.OFF,
            PowerState.ON,
            PowerState.ON,
        ]

    def test_several_by_name(self, cli: Nodes, bmcs: dict[str, FakeBmc]) -> None:
        code, out, err = cli("node", "boot", "n1", "n2", "pxe", "--once", "--mode", "uefi")
        assert (code, err) == (0, "")
        words = "boots pxe once in uefi mode, set by full-body"
        assert sorted(out.splitlines()) == [f"n1: {words}", f"n2: {words}"]
        assert bmcs["n3"].asked == []

    @pytest.mark.parametrize("every", [(), ("--all",)])
    def test_by_label_and_those_without_a_bmc_are_named(
        self, cli: Nodes, bmcs: dict[str, FakeBmc], every: tuple[str, ...]
    ) -> None:
        code, out, err = cli("node", "power", *every, "-l", "rack=3", "off")
        assert (code, sorted(out.splitlines())) == (0, ["n1: switched off", "n3: switched off"])
        assert err == "without a BMC, so left out: n4\n"
        assert bmcs["n2"].asked == []

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (("power", "on"), "say either which nodes"),
            (("power", "n1", "--all", "on"), "say either which nodes"),
            (("power", "n9", "on"), 'no node is called "n9"'),
            (("power", "n1", "n4", "off"), "node n4 has no BMC"),
            (("power", "-l", "rack=9", "on"), "no node that is labelled rack=9 has a BMC"),
            (("power", "n1", "on", "--wait"), "`netboot serve`, which does not run"),
            (("media", "n1", "insert"), "insert needs a URL"),
            (("media", "n1", "burn"), "is no verb"),
            (("media", "n1", "insert", f"http://u:{SECRET}@s/x.iso"), "without a user"),
            (("boot", "n1", "pxe", "--url", "http://s/x.efi"), "is for http"),
        ],
    )
    def test_what_is_wrong_is_said_before_anything_is_done(
        self, cli: Nodes, bmcs: dict[str, FakeBmc], words: tuple[str, ...], problem: str
    ) -> None:
        bmcs["n1"].power_state = PowerState.OFF
        code, out, err = cli("node", *words)
        assert (code, out) == (2, "")
        assert problem in err
        assert SECRET not in err
        assert all(bmc.asked == [] for bmc in bmcs.values())


class TestFailures:
    def test_each_is_one_line_in_the_bmcs_words_and_the_others_are_done(
        self, cli: Nodes, bmcs: dict[str, FakeBmc]
    ) -> None:
        bmcs["n2"].refuses["power"] = BmcError("The action\n\x1b[2JReset is not supported")
        code, out, err = cli("node", "power", "--all", "off")
        assert code == 1
        assert sorted(out.splitlines()) == ["n1: switched off", "n3: switched off"]
        assert err.splitlines()[-1] == (r"n2: failed: The action \x1b[2JReset is not supported")

    @pytest.mark.usefixtures("bmcs")
    @pytest.mark.parametrize("names", [("n1",), ("n1", "n2")])
    def test_what_is_asked_wrongly_is_said_once(self, cli: Nodes, names: tuple[str, ...]) -> None:
        code, out, err = cli("node", "iscsi", *names, "set")
        assert (code, out) == (2 if len(names) == 1 else 1, "")
        assert sorted(re.findall(r"node (n\d) has no volume", err)) == list(names)
        assert len(err.splitlines()) == len(names)

    def test_json_has_them_too(self, cli: Nodes, bmcs: dict[str, FakeBmc]) -> None:
        bmcs["n2"].refuses["full-body"] = BmcError("no")
        bmcs["n2"].ways = (Rung.FULL_BODY,)
        code, out, err = cli("node", "boot", "n2", "n1", "pxe", "--json")
        assert (code, err) == (1, "")
        first, second = json.loads(out)
        assert first == {"node": "n2", "error": "full-body: no"}
        assert second["boot"]["target"] == BootTarget.PXE
        assert (second["node"], second["rung"]) == ("n1", "full-body")


class TestMany:
    def test_all_are_asked_at_the_same_time(self) -> None:
        names = [f"m{number}" for number in range(64)]
        all_there = threading.Barrier(len(names), timeout=20)

        def work(name: str) -> Answer:
            all_there.wait()
            return Answer(name, "on")

        assert bmc_run.run(names, work, dict, as_json=True) == 0

    def test_no_more_than_the_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started: list[threading.Thread] = []

        class Counted(threading.Thread):
            def start(self) -> None:
                started.append(self)
                super().start()

        monkeypatch.setattr(bmc_run, "MOST_AT_ONCE", 3)
        monkeypatch.setattr(bmc_run.threading, "Thread", Counted)
        names = [f"m{number}" for number in range(50)]
        assert bmc_run.run(names, lambda name: Answer(name, "on"), dict, as_json=True) == 0
        assert len(started) == 3

    def test_our_own_fault_is_loud(self) -> None:
        with pytest.raises(ZeroDivisionError):
            bmc_run.run(["n1"], lambda _name: Answer("n1", str(1 // 0)), dict, as_json=False)

    def test_a_terminal_shows_who_is_where(self) -> None:
        from rich.console import Console  # noqa: PLC0415 -- this test alone
        from rich.live import Live  # noqa: PLC0415 -- likewise

        sink = io.StringIO()
        console = Console(file=sink, force_terminal=True, width=100, height=8)
        with Live(console=console, auto_refresh=False) as live:
            screen = bmc_run._Live(live, lambda: {"n2": "cycle is asked for"}, 3)
            screen.done("n1: switched off", failed=False)
            screen.look(1, {"n2": 0.0})
        shown = sink.getvalue()
        for text in ("n1: switched off", "cycle is asked for", "1 of 3 done, 0 failed, 1 waiting"):
            assert text in shown


class TestMedia:
    def test_an_image_from_in_to_out(self, cli: Nodes, bmcs: dict[str, FakeBmc]) -> None:
        url = "http://192.0.2.1/x.iso"
        assert cli("node", "media", "n1", "status")[1] == "n1: Cd (cd) empty\n"
        assert cli("node", "media", "n1", "insert", url)[1] == f"n1: inserted {url}\n"
        assert cli("node", "media", "n1", "status")[1] == f"n1: Cd (cd) {url}\n"
        assert cli("node", "media", "n1", "eject")[1] == "n1: ejected\n"
        assert bmcs["n1"].asked == [f"insert {url}", "eject"]


class TestInspect:
    def test_node_show_has_what_was_found(self, cli: Nodes, bmcs: dict[str, FakeBmc]) -> None:
        assert bmcs
        line = "Contoso 3500, serial 437XR1138R2, 2 CPUs, 96 GiB, 2 NICs"
        assert cli("node", "inspect", "n2")[1] == f"n2: {line}\n"
        shown = cli("node", "show", "n2")[1]
        assert f"hardware   {line} (inspected 2" in shown
        assert "cpu        Xeon\nfirmware   BIOS P79\n" in shown
        assert "nic        52:54:00:00:00:99 (not one of this node's)\n" in shown
        document = json.loads(cli("node", "show", "n2", "--json")[1])
        assert document["hardware"]["serial"] == "437XR1138R2"


class TestSet:
    def test_a_password_comes_from_standard_input_and_is_never_shown(
        self, cli: Nodes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        typed = io.TextIOWrapper(io.BytesIO(f"{SECRET}\n".encode()))
        monkeypatch.setattr(sys, "stdin", typed)
        assert cli(
            *("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", "local"),
            *("--bmc", "redfish://bmc1", "--bmc-user", "root", "--bmc-password-file", "-"),
            "--bmc-insecure",
        ) == (0, "node n1 added\n", "")
        shown = cli("node", "show", "n1")[1]
        assert shown.splitlines()[-1] == (
            "bmc        redfish://bmc1  (user root, password kept sealed, certificate NOT verified)"
        )
        assert SECRET not in shown + cli("node", "show", "n1", "--json")[1]

    def test_it_is_changed_and_taken_away(self, cli: Nodes, bmcs: dict[str, FakeBmc]) -> None:
        assert bmcs
        changed = cli(
            *("node", "set", "n1", "--bmc-user", "root", "--bmc-fingerprint", "ab" * 32),
            *("--bmc-password-from", "env:BMC_PASSWORD"),
        )
        assert changed == (0, "node n1 changed\n", "")
        assert (
            f"(user root, password from env:BMC_PASSWORD, certificate sha256:{'ab' * 32})"
            in (cli("node", "show", "n1")[1])
        )
        assert cli("node", "set", "n1", "--bmc", "")[0] == 0
        assert "bmc" not in cli("node", "show", "n1")[1]

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (("--bmc", f"redfish://root:{SECRET}@bmc1"), "must not have a user or password"),
            (("--bmc-password-from", SECRET), "bmc.password: must be file:/PATH"),
            (("--bmc-insecure", "--bmc-fingerprint", "ab" * 32), "exclude each other"),
            (("--bmc-password-file", "-", "--bmc-password-from", "env:P"), "exclude each other"),
            (("--bmc-password-file", "/nowhere/pass"), "cannot be read: No such file"),
            (("--bmc-password-file", "/dev/null"), '--bmc-password-file = "/dev/null": is empty'),
            (("--bmc-ca", "/nowhere/ca.pem"), "must be a file"),
        ],
    )
    def test_what_is_wrong_is_named_and_no_secret_repeated(
        self, cli: Nodes, bmcs: dict[str, FakeBmc], words: tuple[str, ...], problem: str
    ) -> None:
        assert bmcs
        code, _, err = cli("node", "set", "n1", "--bmc-user", "root", *words)
        assert code == 2
        assert problem in err
        assert SECRET not in err

    def test_a_nodes_file_brings_bmcs(self, cli: Nodes, tmp_path: Path) -> None:
        file = tmp_path / "nodes.yaml"
        file.write_text(
            "- name: n1\n  macs: [52:54:00:00:00:01]\n  profile: local\n"
            "  bmc: {address: 'redfish-virtualmedia+https://bmc1/redfish/v1/Systems/1',"
            " user: root, password: 'env:P', tls: insecure}\n"
        )
        assert cli("node", "import", file) == (0, "1 added, 0 changed, 0 unchanged\n", "")
        assert "redfish-virtualmedia://bmc1/redfish/v1/Systems/1" in cli("node", "show", "n1")[1]


def test_the_nodes_file_of_the_manual_can_be_imported(cli: Nodes, tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "bmc.md").read_text("utf-8")
    (body,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "nodes.yaml").write_text(body, "utf-8")
    assert cli("node", "import", tmp_path / "nodes.yaml")[0] == 0
    assert "password from file:/etc/netboot/bmc.pass" in cli("node", "show", "n1")[1]


class TestServed:
    """Through the control program's API."""

    @pytest.fixture
    def cli(
        self, served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Nodes:
        found = Nodes(served, monkeypatch, capsys)
        for node in found.nodes():
            found("node", "remove", str(node["name"]))
        added = ("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", "local")
        assert found(*added, "--bmc", "manual:")[0] == 0
        return found

    def test_a_person_is_told_what_to_do(self, cli: Nodes) -> None:
        words = "switch it off, wait 10 seconds, and switch it on"
        assert cli("node", "power", "n1", "cycle") == (0, f"n1: {words}\n", "")
        lines = cli("timeline", "n1")[1]
        assert f"{user_name()} asked: power cycle" in lines
        assert f"a person must do it: n1: {words}" in lines

    def test_a_failure_has_the_same_words_and_code(self, cli: Nodes) -> None:
        code, out, err = cli("node", "boot", "n1", "pxe")
        assert (code, out) == (1, "")
        assert err.startswith("n1: failed: manual has no boot override")

    def test_bad_input_too(self, cli: Nodes) -> None:
        cli("node", "add", "n2", "--mac", "52:54:00:00:00:02", "--profile", "local")
        assert cli("node", "power", "n2", "on")[0] == 2
        assert cli("node", "set", "n2", "--bmc-user", "root")[0] == 2

    def test_node_show_asks_nobody(self, cli: Nodes) -> None:
        assert cli("node", "show", "n1")[1].splitlines()[-1] == "bmc        manual:"
