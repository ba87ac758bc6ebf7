"""``netboot node console``: through the control program and without it, on a terminal and not."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot import config
from netboot.bmc.credentials import Safe
from netboot.cli.raw_terminal import Escape, signals
from netboot.control import consoles, inventory
from netboot.control.bmc_actions import Actions
from netboot.control.console_lines import BURST, LONGEST_LINE, MOST_LINES, PER_SECOND, Lines
from netboot.control.consoles import Consoles
from netboot.control.entries import add
from netboot.errors import BmcError, ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.jobs.bmc_turn import Leaving
from netboot.lab.ipmi_bmc import IpmiBmc
from netboot.model import Profile
from netboot.store.store import Store
from tests.fake_bmc import FakeBmc
from tests.serial_peer import SerialMachine
from tests.test_cli_node import configured
from tests.waiting import await_

PATIENCE = 15.0
PASSWORD = "calvin-5ecret"  # noqa: S105 -- looked for where it must not be


class TestEscape:
    @pytest.mark.parametrize(
        ("typed", "through", "leaves"),
        [
            (b"~.", b"", True),
            (b"ls\r~.", b"ls\r", True),
            (b"ls ~.", b"ls ~.", False),
            (b"~~.\r", b"~.\r", False),
            (b"~x", b"~x", False),
            (b"a\x1db", b"a", True),
            (b"\x03\x04\x1a", b"\x03\x04\x1a", False),
        ],
    )
    def test_what_leaves_and_what_goes_through(
        self, typed: bytes, through: bytes, leaves: bool
    ) -> None:
        assert Escape().feed(typed) == (through, leaves)
        by_key = Escape()
        found = [by_key.feed(bytes([key])) for key in typed]
        until = next((n for n, (_, left) in enumerate(found) if left), len(found))
        assert b"".join(piece for piece, _ in found[: until + 1]) == through


def test_a_signal_just_before_select_ends_it() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with signals() as signalled:
        signal.raise_signal(signal.SIGUSR1)
        assert select.select([signalled], [], [], PATIENCE)[0] == [signalled]
    signal.signal(signal.SIGUSR1, before)
    assert signal.set_wakeup_fd(-1) == -1


class TestLines:
    def test_a_boot_in_words(self) -> None:
        said = (
            b"\x1b[2J\x1b[01;01H\x1b[0m\x1b[37m\x1b[40mBdsDxe: loading\r\n"
            b"\x1b[5;1H>>Start PXE over IPv4.\x1b[6;1H  Station IP\r\n\r\n"
            b"Loading 10%\rLoading 20%\rLoading 20%\r\nl\xc3\xb6gin\x07\x00: "
        )
        lines = Lines(0.0)
        assert lines.take(said, 0.0) == [
            "BdsDxe: loading",
            ">>Start PXE over IPv4.",
            "Station IP",
            "Loading 10%",
            "Loading 20%",
        ]
        assert lines.finish(0.0) == ["lögin:"]

    def test_cut_anywhere_it_is_the_same(self) -> None:
        said = b"\x1b[01;01Hone\r\ntw\xc3\xb6\x1b]0;title\x07 and\r\nthree\r\n"
        whole = Lines(0.0).take(said, 0.0)
        assert whole == ["one", "twö and", "three"]
        for cut in range(len(said)):
            lines = Lines(0.0)
            assert lines.take(said[:cut], 0.0) + lines.take(said[cut:], 0.0) == whole

    def test_a_flood_is_bounded_in_rate_and_number(self) -> None:
        lines = Lines(0.0)
        flood = b"".join(b"line %d\n" % number for number in range(3 * BURST))
        assert len(lines.take(flood, 0.0)) == BURST
        assert lines.dropped == 2 * BURST
        assert len(lines.take(b"a\nb\n" * 50, 10.0)) == 10 * PER_SECOND
        for hour in range(1, 20):
            lines.take(flood, hour * 3600.0)
        assert lines.kept == MOST_LINES

    @given(st.lists(st.binary(max_size=2000), max_size=5))
    def test_whatever_comes_is_one_readable_line_each(self, output: list[bytes]) -> None:
        lines = Lines(0.0)
        found = [line for piece in output for line in lines.take(piece, 0.0)] + lines.finish(0.0)
        for line in found:
            assert line.isprintable()
            assert 0 < len(line) <= LONGEST_LINE


class FakeLine:
    """A serial line that says what it is told to."""

    def __init__(self) -> None:
        self.output: list[bytes] = []
        self.typed = b""
        self.closed = 0

    def read(self, timeout: float) -> bytes:  # noqa: ARG002 -- the protocol's
        if not self.output:
            raise BmcError(f"the line with {PASSWORD} has ended")
        return self.output.pop(0)

    def write(self, characters: bytes) -> None:
        self.typed += characters

    def close(self) -> None:
        self.closed += 1


class ConsoleBmc(FakeBmc):
    line: FakeLine | None = None

    def console(self, *, force: bool = False) -> FakeLine | None:
        self.asked.append("console, by force" if force else "console")
        return self.line


class Site:
    """A store with one node, and its consoles."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder}/netboot.db")
        self.safe = Safe(bytes(32))
        self.bmc: FakeBmc = ConsoleBmc()
        self.actions = Actions(self.store, lambda: self.safe, opener=lambda *_: self.bmc)
        profiles = {"local": Profile("local", "local.ipxe")}
        for number, name in enumerate(("n1", "n2"), start=1):
            bmc = {"address": f"ipmi://{name}", "user": "root", "password": f"plain:{PASSWORD}"}
            raw = {
                "name": name,
                "macs": [f"52:54:00:00:00:0{number}"],
                "profile": "local",
                "bmc": bmc,
            }
            add(self.store, raw, "test", profiles, lambda: self.safe)

    @property
    def consoles(self) -> Consoles:
        return self.actions.consoles

    def told(self) -> list[str]:
        events = [record.event for record in self.store.timeline("n1")]
        return [event.detail for event in events if event.kind is not Kind.STATE]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    found.bmc.line = FakeLine()  # type: ignore[attr-defined]
    yield found
    found.store.close()


class TestConsoles:
    def test_what_the_machine_says_is_in_its_timeline(self, site: Site) -> None:
        line = site.bmc.line  # type: ignore[attr-defined]
        line.output = [b"Debian\r\n", f"echo {PASSWORD}\r\nlogin: ".encode()]
        session = site.consoles.open("n1", "alice", "test", keep=True)
        session.read()
        session.read()
        session.write(b"root\r")
        session.close()
        session.close()
        assert (line.typed, line.closed) == (b"root\r", 1)
        assert site.told() == [
            "alice asked: console",
            "Debian",
            "echo …",
            "login:",
            "console closed: lines of it kept: 3",
        ]
        kinds = [record.event.kind for record in site.store.timeline("n1")]
        kinds = [kind for kind in kinds if kind is not Kind.STATE]
        assert kinds == [Kind.BMC, *[Kind.CONSOLE] * 3, Kind.BMC]

    def test_who_hangs_up_while_another_ends_it_does_no_harm(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session, both = site.consoles.open("n1", "alice", "test", keep=True), threading.Barrier(2)
        for flag in vars(session).values():  # who looks at one sees what the other saw
            if isinstance(flag, threading.Event):
                monkeypatch.setattr(flag, "is_set", lambda: both.wait(PATIENCE) < 0)
        with ThreadPoolExecutor(2) as threads:
            ends = [threads.submit(session.close) for _ in range(2)]
            assert [end.exception() for end in ends] == [None, None]
        assert site.bmc.line.closed == 1  # type: ignore[attr-defined]

    def test_nothing_is_kept_when_nothing_is_to_be(self, site: Site) -> None:
        site.bmc.line.output = [b"secret\r\n"]  # type: ignore[attr-defined]
        session = site.consoles.open("n1", "alice", "test", keep=False)
        assert session.read() == b"secret\r\n"
        session.close()
        assert site.told() == ["alice asked: console", "console closed: nothing of it is kept"]

    def test_one_at_a_time_for_each_machine(self, site: Site) -> None:
        first = site.consoles.open("n1", "alice", "test", keep=True)
        with pytest.raises(OperationError, match="open already: alice has it; --force takes it"):
            site.consoles.open("n1", "bob", "test", keep=True)
        other = site.consoles.open("n2", "bob", "test", keep=True)
        other.close()
        first.close()
        site.consoles.open("n1", "bob", "test", keep=True).close()

    def test_by_force_it_is_taken_from_whoever_has_it(self, site: Site) -> None:
        first = site.consoles.open("n1", "alice", "test", keep=False)
        second = site.consoles.open("n1", "bob", "test", keep=False, force=True)
        with pytest.raises(OperationError, match="bob has taken the console"):
            first.read()
        first.close()
        with pytest.raises(OperationError, match="bob has it"):
            site.consoles.open("n1", "carol", "test", keep=True)
        second.close()
        assert site.bmc.asked == ["console", "console, by force"]
        assert site.told() == [
            "alice asked: console",
            "console closed: nothing of it is kept",
            "bob asked: console, by force",
            "console closed: nothing of it is kept",
        ]

    def test_not_more_than_so_many(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(consoles, "MOST_CONSOLES", 1)
        session = site.consoles.open("n1", "alice", "test", keep=True)
        with pytest.raises(OperationError, match="1 consoles are open"):
            site.consoles.open("n2", "bob", "test", keep=True)
        session.close()

    @pytest.mark.parametrize("bmc", [FakeBmc(name="wol"), ConsoleBmc(name="wol")])
    def test_a_bmc_without_one_is_bad_input(self, site: Site, bmc: FakeBmc) -> None:
        site.bmc = bmc
        with pytest.raises(ConfigError, match="n1 has no serial console by wol; IPMI has one"):
            site.consoles.open("n1", "alice", "test", keep=True)
        assert site.told() == []
        site.consoles._take("ipmi://n1:623", None)  # type: ignore[arg-type] # it is free again

    def test_the_end_of_the_line_says_no_password(self, site: Site) -> None:
        session = site.consoles.open("n1", "alice", "test", keep=True)
        with pytest.raises(BmcError, match="the line with … has ended"):
            session.read()
        session.close()

    def test_the_end_of_the_program_ends_it(self, site: Site) -> None:
        session = site.consoles.open("n1", "alice", "test", keep=True)
        site.actions.leave()
        with pytest.raises(Leaving):
            session.read()
        session.close()

    def test_typing_needs_an_open_console(self, site: Site) -> None:
        with pytest.raises(ConfigError, match="no such console"):
            site.consoles.session("n1", "guessed", "test")


class Command:
    """``netboot node console n1`` on a terminal of its own, or on pipes."""

    def __init__(self, file: Path, *words: str, terminal: bool) -> None:
        argv = [sys.executable, "-m", "netboot", "--config", str(file), "node", "console", "n1"]
        argv += words
        self.master, self.slave = pty.openpty()
        stdin = stdout = self.slave if terminal else subprocess.PIPE
        self.process = subprocess.Popen(
            argv, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True
        )
        self.output = b""
        if terminal:
            self._source, self._sink = self.master, self.master
        else:
            assert self.process.stdout
            assert self.process.stdin
            self._source = self.process.stdout.fileno()
            self._sink = self.process.stdin.fileno()

    def type(self, characters: bytes) -> None:
        os.write(self._sink, characters)

    def await_output(self, wanted: bytes) -> None:
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.output:
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} did not come: {self.output!r}"
            if select.select([self._source], [], [], left)[0]:
                found = os.read(self._source, 4096)
                assert found, f"it ended: {self.output!r}: {self.errors()}"
                self.output += found

    def errors(self) -> str:
        assert self.process.stderr
        return self.process.stderr.read().decode()

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SerialMachine]:
    made = SerialMachine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def bmc(machine: SerialMachine, tmp_path: Path) -> Iterator[IpmiBmc]:
    made = IpmiBmc(machine, tmp_path, user="root", password=PASSWORD, address="127.0.0.1", port=0)
    yield made
    made.close()


def add_node(file: Path, **bmc: str) -> None:
    node = {"name": "n1", "macs": ["52:54:00:00:00:01"], "profile": "local", "bmc": bmc}
    with inventory.open_inventory(config.load(file, {})) as found:
        found.add(node)


@pytest.fixture
def site_file(tmp_path: Path, bmc: IpmiBmc) -> Path:
    file = configured(tmp_path)
    where = f"ipmi://127.0.0.1:{bmc.port}"
    add_node(file, address=where, user="root", password=f"plain:{PASSWORD}")
    return file


@pytest.fixture
def control() -> list[subprocess.Popen[bytes]]:
    """The control program, while ``served`` has it."""
    return []


@pytest.fixture
def served(site_file: Path, control: list[subprocess.Popen[bytes]]) -> Iterator[Path]:
    """The same, and its control program runs."""
    argv = [sys.executable, "-m", "netboot.control", "--config", str(site_file)]
    with subprocess.Popen(argv) as process:
        listener = config.load(site_file, {}).run_dir / "control.sock"
        await_(lambda: inventory._listening(listener), "the control program")
        control.append(process)
        yield site_file
        process.terminate()


Console = Callable[..., Command]


@pytest.fixture
def console() -> Iterator[Console]:
    made: list[Command] = []

    def start(file: Path, *words: str, terminal: bool) -> Command:
        made.append(Command(file, *words, terminal=terminal))
        return made[-1]

    yield start
    for command in made:
        command.close()


def events_of(file: Path) -> list[Event]:
    with inventory.open_inventory(config.load(file, {})) as found:
        return [record.event for record in found.timeline("n1", None, 1000)]


def shown_by_ps() -> bytes:
    """The words of every process: here of the command, the control program and the BMC."""
    found = b""
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            found += words.read_bytes()
    assert b"netboot.control" in found
    return found


def lines_of(file: Path) -> list[str]:
    return [event.detail for event in events_of(file) if event.kind is Kind.CONSOLE]


def test_on_a_terminal_through_the_control_program(
    served: Path, console: Console, machine: SerialMachine
) -> None:
    command = console(served, terminal=True)
    machine.say(b"login: ")
    command.await_output(b"login: ")
    assert PASSWORD.encode() not in shown_by_ps()
    assert not command.echoes
    command.type(b"root\r\x03")
    command.await_output(b"ROOT\r\x03")
    machine.await_typed(b"root\r\x03")

    second = console(served, terminal=False)
    assert second.process.wait(PATIENCE) == 1
    assert "its console is open already" in second.errors()

    command.type(b"\r~.")
    assert command.process.wait(PATIENCE) == 0
    assert command.echoes
    await_(lambda: "login: ROOT" in lines_of(served), "the timeline")
    again = console(served, "--no-keep", terminal=False)  # it was given back
    machine.say(b"again\r\n")
    again.await_output(b"again")
    again.process.terminate()


def test_by_force_through_the_control_program(
    served: Path, console: Console, machine: SerialMachine
) -> None:
    first = console(served, "--follow", terminal=False)
    machine.say(b"ready")
    first.await_output(b"ready")
    second = console(served, "--force", terminal=False)
    assert first.process.wait(PATIENCE) == 1
    assert "has taken the console" in first.errors()
    second.type(b"x")
    second.await_output(b"X")
    second.process.terminate()


def test_without_the_control_program_and_through_pipes(
    site_file: Path, console: Console, machine: SerialMachine
) -> None:
    command = console(site_file, terminal=False)
    command.type(b"hello\n~.\n")
    command.await_output(b"HELLO\n~.\n")
    command.process.send_signal(signal.SIGINT)
    assert command.process.wait(PATIENCE) == 0
    assert machine.typed == b"hello\n~.\n"
    assert lines_of(site_file) == ["HELLO", "~."]


def test_a_terminal_is_restored_after_sigterm(
    site_file: Path, console: Console, machine: SerialMachine
) -> None:
    command = console(site_file, terminal=True)
    machine.say(b"ready")
    command.await_output(b"ready")
    assert not command.echoes
    command.process.terminate()
    assert command.process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert command.echoes


def test_a_line_that_ends_is_a_failure_in_one_line(
    served: Path, console: Console, machine: SerialMachine
) -> None:
    command = console(served, "--read-only", terminal=False)
    machine.say(b"ready")
    command.await_output(b"ready")
    machine.hang_up()
    assert command.process.wait(PATIENCE) == 1
    said = command.errors().splitlines()
    assert len(said) == 1
    assert said[0].endswith("the BMC has ended the console")
    assert PASSWORD not in said[0]


def test_who_hangs_up_gives_the_line_back(
    served: Path, console: Console, machine: SerialMachine
) -> None:
    command = console(served, "--follow", terminal=False)
    machine.say(b"ready")
    command.await_output(b"ready")
    command.process.kill()
    await_(lambda: "console closed" in events_of(served)[-1].detail, "the end in the timeline")
    machine.await_nobody()


def test_the_end_of_the_control_program_gives_the_line_back(
    served: Path, control: list[subprocess.Popen[bytes]], console: Console, machine: SerialMachine
) -> None:
    command = console(served, "--follow", terminal=False)
    machine.say(b"ready")
    command.await_output(b"ready")
    control[0].terminate()
    assert command.process.wait(PATIENCE) == 1
    assert command.errors() == "netboot: the control program ended, and the console with it\n"
    assert control[0].wait(PATIENCE) == 0
    machine.await_nobody()
    assert events_of(served)[-1].detail == "console closed: lines of it kept: 1"


def test_a_bmc_without_a_console(tmp_path: Path, console: Console) -> None:
    file = configured(tmp_path)
    add_node(file, address="wol:")
    command = console(file, terminal=False)
    assert command.process.wait(PATIENCE) == 2
    assert command.errors() == (
        "netboot: command line: bmc: node n1 has no serial console by wol; IPMI has one\n"
    )
