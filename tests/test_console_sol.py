"""Serial over LAN: the console's side without a network, and the lab's BMC under others' hands."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.bmc.address import Address
from netboot.bmc.driver import HasConsole, SerialLine
from netboot.bmc.ipmi import IpmiDriver
from netboot.bmc.model import Login, PowerState, Secret, Tls
from netboot.bmc.redfish import RedfishDriver
from netboot.bmc.sol import RETRY_EVERY, TRIES, Sol
from netboot.errors import BmcError
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.ipmi_bmc import IpmiBmc
from netboot.lab.ipmi_sol import RETRIES, RETRY_INTERVAL, SolPayloads
from tests.serial_peer import SerialMachine
from tests.waiting import await_

USER, PASSWORD = "admin", "lab-password"
PATIENCE = 30.0


class TestConsole:
    """Golden payloads: number, acknowledged, count, status, characters."""

    def test_what_is_typed_waits_for_its_acknowledgement(self) -> None:
        sol = Sol()
        sol.write(b"ls\r")
        assert sol.packets(0.0) == [b"\x01\0\0\0ls\r"]
        sol.write(b"more")
        assert sol.packets(0.1) == []
        sol.receive(b"\0\x01\x03\0", 0.2)
        assert sol.packets(0.2) == [b"\x02\0\0\0more"]

    def test_it_is_sent_again_and_the_bmc_given_up_at_last(self) -> None:
        sol = Sol()
        sol.write(b"x")
        sent, now = [], 0.0
        while not sol.ended:
            sent += sol.packets(now)
            now = sol.timer
        assert sent == [b"\x01\0\0\0x"] * TRIES
        assert now == TRIES * RETRY_EVERY
        assert sol.ended == "the BMC no longer answers"

    def test_what_the_bmc_did_not_take_is_sent_later_under_a_new_number(self) -> None:
        sol = Sol()
        sol.write(b"abcdef")
        sol.packets(0.0)
        sol.receive(b"\0\x01\x02\x40", 0.0)  # NACK: two were taken
        assert sol.packets(0.0) == []
        assert sol.packets(sol.timer) == [b"\x02\0\0\0cdef"]

    def test_no_payload_is_larger_than_the_bmc_asked(self) -> None:
        sol = Sol()
        sol.limit(7)
        sol.write(b"abcdef")
        assert sol.packets(0.0) == [b"\x01\0\0\0abc"]

    def test_characters_are_acknowledged_and_given_once(self) -> None:
        sol = Sol()
        assert sol.receive(b"\x01\0\0\0login", 0.0) == b"login"
        assert sol.packets(0.0) == [b"\0\x01\x05\0"]
        assert sol.receive(b"\x01\0\0\0login", 0.0) == b"", "the acknowledgement was lost"
        assert sol.receive(b"\x01\0\0\0login: ", 0.0) == b": ", "sent again, it has grown"
        assert sol.packets(0.0) == [b"\0\x01\x05\0", b"\0\x01\x07\0"]

    def test_the_bmc_ends_it(self) -> None:
        sol = Sol()
        sol.receive(b"\0\0\0\x50", 0.0)
        assert sol.ended == "the BMC has ended the console"

    @given(st.binary(max_size=40))
    def test_hostile_payloads_change_nothing_but_what_was_said(self, payload: bytes) -> None:
        sol = Sol()
        assert len(sol.receive(payload, 0.0)) <= len(payload)


@given(
    typed=st.binary(max_size=600),
    said=st.binary(max_size=900),
    fates=st.lists(st.sampled_from("sld"), max_size=60),
)
def test_both_sides_agree_over_a_bad_network(typed: bytes, said: bytes, fates: list[str]) -> None:
    """The console and the lab's BMC, which share no code: lost, doubled; then all is sent."""
    console, bmc = Sol(), SolPayloads()
    console.write(typed)
    bmc.output(said)
    heard, got, now = b"", b"", 0.0
    fate = iter(fates)
    losses = 0

    def arrives() -> int:
        nonlocal losses
        what = next(fate, "s")
        if what == "l" and losses < min(TRIES, RETRIES) - 1:
            losses += 1
            return 0
        return 2 if what == "d" else 1

    for _ in range(400):
        for packet in console.packets(now):
            for _ in range(arrives()):
                got += bmc.typed(packet)
        for packet in bmc.due(now):
            for _ in range(arrives()):
                heard += console.receive(packet, now)
        if (got, heard) == (typed, said):
            return
        now += min(RETRY_INTERVAL, RETRY_EVERY) / 2
    pytest.fail(f"got {len(got)} of {len(typed)}, heard {len(heard)} of {len(said)}")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SerialMachine]:
    made = SerialMachine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def bmc(machine: SerialMachine, tmp_path: Path) -> Iterator[IpmiBmc]:
    made = IpmiBmc(machine, tmp_path, user=USER, password=PASSWORD, address="127.0.0.1", port=0)
    yield made
    made.close()


def driver_of(bmc: IpmiBmc) -> IpmiDriver:
    return IpmiDriver("127.0.0.1", bmc.port, Login(USER, Secret(PASSWORD)))


@pytest.fixture
def driver(bmc: IpmiBmc) -> Iterator[IpmiDriver]:
    made = driver_of(bmc)
    yield made
    made.close()


@pytest.fixture
def line(driver: IpmiDriver) -> Iterator[SerialLine]:
    made = driver.console()
    yield made
    made.close()


def read(line: SerialLine, wanted: int) -> bytes:
    found, deadline = b"", time.monotonic() + PATIENCE
    while len(found) < wanted and time.monotonic() < deadline:
        found += line.read(0.2)
    return found


class TestOurDriver:
    def test_it_types_and_reads(self, line: SerialLine, machine: SerialMachine) -> None:
        line.write(b"hello\r")
        assert read(line, 6) == b"HELLO\r"
        machine.say(b"\x1b[2Jgrub>")
        assert read(line, 9) == b"\x1b[2Jgrub>"
        assert line.read(0.0) == b""

    def test_a_boot_log_comes_whole(self, line: SerialLine, machine: SerialMachine) -> None:
        log = bytes(range(256)) * 40
        machine.say(log)
        assert read(line, len(log)) == log

    def test_a_paste_comes_whole(self, line: SerialLine, machine: SerialMachine) -> None:
        paste = b"0123456789abcdef" * 300
        line.write(paste)
        assert read(line, len(paste)) == paste.upper()
        assert machine.typed == paste

    def test_the_machine_is_acted_on_meanwhile(self, driver: IpmiDriver, line: SerialLine) -> None:
        """pyghmi shares a session among callers; one that logs out must not end the console."""
        assert driver.observe().power is PowerState.OFF
        driver.close()
        line.write(b"x")
        assert read(line, 1) == b"X"

    def test_only_one_has_it(self, driver: IpmiDriver, line: SerialLine) -> None:
        with pytest.raises(BmcError, match="already active on another session"):
            driver.console()
        line.close()
        again = driver.console()
        again.write(b"x")
        assert read(again, 1) == b"X"
        again.close()

    def test_by_force_it_is_taken_from_whoever_has_it(self, bmc: IpmiBmc, line: SerialLine) -> None:
        other = driver_of(bmc)  # another program
        taken = other.console(force=True)
        with pytest.raises(BmcError, match="has ended the console"):
            read(line, 1)
        taken.write(b"x")
        assert read(taken, 1) == b"X"
        taken.close()
        by_nobody = other.console(force=True)
        by_nobody.close()
        other.close()

    def test_the_machine_hangs_up(self, line: SerialLine, machine: SerialMachine) -> None:
        line.write(b"x")
        machine.await_typed(b"x")
        machine.hang_up()
        with pytest.raises(BmcError, match="has ended the console"):
            read(line, sys.maxsize)

    def test_a_machine_without_a_line(self, tmp_path: Path) -> None:
        bare = IpmiBmc(
            FakeMachine(name="bare"),
            *(tmp_path,),
            user=USER,
            password=PASSWORD,
            address="127.0.0.1",
            port=0,
        )
        try:
            with pytest.raises(BmcError, match="Payload is disabled"):
                driver_of(bare).console()
        finally:
            bare.close()

    def test_a_driver_says_that_it_may_have_one(self, driver: IpmiDriver) -> None:
        assert isinstance(driver, HasConsole)


class TestRedfish:
    """Redfish carries no console; IPMI of the same BMC does, where the BMC says it speaks it."""

    @staticmethod
    def driver(bmc: IpmiBmc, port: int | None) -> RedfishDriver:
        address, login = Address("redfish", "bmc", 443, tls=True), Login(USER, Secret(PASSWORD))
        driver = RedfishDriver(address, login, Tls(), open_ipmi=lambda _port: driver_of(bmc))
        driver._system.__dict__["ipmi_port"] = port  # as its NetworkProtocol would say
        return driver

    def test_it_is_ipmis(self, bmc: IpmiBmc) -> None:
        driver = self.driver(bmc, 623)
        line = driver.console()
        driver.close()
        assert line
        line.write(b"x")
        assert read(line, 1) == b"X"
        line.close()

    def test_without_ipmi_there_is_none(self, bmc: IpmiBmc) -> None:
        assert self.driver(bmc, None).console() is None


class TestOthers:
    def test_ipmitool(self, bmc: IpmiBmc, machine: SerialMachine) -> None:
        master, slave = pty.openpty()
        words = ["-I", "lanplus", "-H", "127.0.0.1", "-p", str(bmc.port), "-U", USER, "-E"]
        process = subprocess.Popen(
            ["ipmitool", *words, "sol", "activate"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "IPMI_PASSWORD": PASSWORD},
        )
        os.close(slave)
        try:
            await_output(master, b"SOL Session operational")
            await_(lambda: not termios.tcgetattr(master)[3] & termios.ICANON, "it reads each key")
            os.write(master, b"root\r")
            await_output(master, b"ROOT\r")
            machine.say(b"Welcome to n1")
            await_output(master, b"Welcome to n1")
            os.write(master, b"\r~.")
            await_output(master, b"terminated ipmitool")
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
            os.close(master)
        driver = driver_of(bmc)
        driver.console().close()  # ipmitool has given it back
        driver.close()

    def test_pyghmi(self, bmc: IpmiBmc) -> None:
        """In a process of its own: its loop is the process's."""
        script = (
            "import os, sys, time\n"
            "from pyghmi.ipmi.console import Console\n"
            "said = []\n"
            "console = Console('127.0.0.1', 'admin', os.environ['IPMI_PASSWORD'],\n"
            "                  said.append, port=int(sys.argv[1]))\n"
            "while not console.connected:\n"
            "    console.wait_for_rsp(1)\n"
            "console.send_data('who')\n"
            "end = time.monotonic() + 10\n"
            "while b'WHO' not in b''.join(s for s in said if isinstance(s, bytes)):\n"
            "    assert time.monotonic() < end, said\n"
            "    console.wait_for_rsp(1)\n"
            "console.close()\n"
            "os._exit(0)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(bmc.port)],
            env={**os.environ, "IPMI_PASSWORD": PASSWORD},
            timeout=30,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def await_output(master: int, wanted: bytes) -> None:
    found, deadline = b"", time.monotonic() + PATIENCE
    while wanted not in found:
        left = deadline - time.monotonic()
        assert left > 0, f"{wanted!r} did not come: {found!r}"
        if select.select([master], [], [], left)[0]:
            found += os.read(master, 4096)
