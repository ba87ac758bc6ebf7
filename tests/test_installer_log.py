"""Installers' own logs: whose are taken, how many lines, and what of them is written down."""

import socket
from pathlib import Path
from typing import Any

import pytest

from netboot.answer.profiles import load_profiles
from netboot.answer.script import render_script
from netboot.boot.syslog import LINES_BURST, MAX_LINE, TELLING_BURST, InstallerLog
from netboot.events import Event, Kind
from netboot.model import Client, Firmware, Image, Mac, Node, Server
from netboot.snapshot import Snapshot
from tests.test_plane import KNOWN, LOCAL, OTHER, PEER, SECOND, Desk

SELECTED = "<30>Nov 21 18:05:09 main-menu[147]: INFO: Menu item 'partman-base' selected\n"
BOOT_URL = "http://192.0.2.1:8080/node/nbt_x"
CHATTER = "<30>Nov 21 18:05:09 in-target: Setting up libc6 ..."
WARNED = "<28>Nov 21 18:05:09 base-installer: warning: no mirror"


class NoReactor:
    """Nothing is ever readable: tests hand datagrams in."""

    def addReader(self, reader: Any) -> None:  # noqa: N802 -- twisted's name
        pass

    def removeReader(self, reader: Any) -> None:  # noqa: N802 -- twisted's name
        pass


class Listener:
    """A desk that hears syslog, on one clock."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.log = InstallerLog(
            NoReactor(), self.desk.machines, port=0, address="127.0.0.1", now=lambda: self.desk.now
        )

    def boots(self, mac: Mac = KNOWN) -> str:
        self.desk.boots(mac)
        token = self.desk.token(self.desk.script(mac))
        self.desk.said()
        return token

    def says(self, *lines: str, peer: str = PEER) -> list[Event]:
        before = len(self.desk.events)
        for line in lines:
            self.log.receive(line.encode(), (peer, 514), LOCAL)
        return self.desk.events[before:]


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path)


class TestWhose:
    def test_a_booting_machine_is_heard_from_the_address_its_script_went_to(
        self, listener: Listener
    ) -> None:
        listener.boots()
        [event] = listener.says(CHATTER)
        assert (event.kind, event.mac, event.node) == (Kind.SYSLOG, KNOWN, "n1")
        assert event.detail == "in-target: Setting up libc6 ..."
        assert event.data == {"program": "in-target", "severity": "info"}

    def test_and_from_the_one_that_shows_its_token(self, listener: Listener) -> None:
        token = listener.boots()
        assert listener.says(CHATTER, peer=OTHER) == []
        listener.desk.plane.report(token, {"stage": "early"}, OTHER, last=False)
        assert len(listener.says(CHATTER, peer=OTHER)) == 1

    def test_nobody_else_is(self, listener: Listener) -> None:
        listener.boots()
        assert listener.says(CHATTER, SELECTED, peer="192.0.2.99") == []
        assert listener.log.drops == {"syslog: from no boot under way": 2}

    def test_a_machine_that_starts_anew_is_heard_when_it_has_a_script_again(
        self, listener: Listener
    ) -> None:
        listener.boots()
        listener.desk.now += 60
        listener.desk.boots()
        assert listener.says(CHATTER) == []
        listener.desk.script()
        assert listener.says(CHATTER) != []

    def test_an_address_that_went_to_another_machine_is_that_ones(self, listener: Listener) -> None:
        listener.boots(KNOWN)
        listener.boots(SECOND)
        [event] = listener.says(CHATTER)
        assert event.mac == SECOND

    def test_a_boot_has_an_end(self, listener: Listener) -> None:
        listener.boots()
        listener.desk.now += 48 * 3600
        assert listener.says(CHATTER) == []

    def test_who_starts_from_its_disk_says_nothing_to_us(self, listener: Listener) -> None:
        node = Node("n1", (KNOWN,), "local")
        listener.desk.machines.snapshot = Snapshot(2, (node,))
        listener.desk.boots()
        listener.desk.script()
        assert listener.says(CHATTER) == []


class TestLines:
    def test_the_installers_menu_tells_the_stage(self, listener: Listener) -> None:
        listener.boots()
        [event] = listener.says(SELECTED)
        assert event.data["stage"] == "partitioning"

    def test_a_chatty_installer_is_bounded_and_what_matters_comes_through(
        self, listener: Listener
    ) -> None:
        listener.boots()
        assert len(listener.says(*[CHATTER] * 1000)) == LINES_BURST
        assert len(listener.says(SELECTED, WARNED)) == 2
        assert len(listener.says(*[WARNED] * 1000)) == TELLING_BURST - 2
        drops = listener.log.drops["syslog: too many lines of one machine"]
        assert drops == 2000 - LINES_BURST - TELLING_BURST + 2
        listener.desk.now += 1
        assert 0 < len(listener.says(*[CHATTER] * 1000)) < LINES_BURST

    def test_a_line_has_an_end_and_steers_no_terminal(self, listener: Listener) -> None:
        listener.boots()
        [long, hostile] = listener.says("<30>p: " + "x" * 900, "<30>p\x1b[2J: \x1b]0;x\x07\n\r.")
        assert len(long.detail) == MAX_LINE
        assert hostile.detail.isprintable()
        assert str(hostile.data["program"]).isprintable()

    def test_no_token_and_no_command_of_an_answer_file_is_repeated(
        self, listener: Listener
    ) -> None:
        token = listener.boots()
        [fetched, ran] = listener.says(
            f"<13>Nov 21 18:05:09 preseed: fetching http://192.0.2.1/node/{token}/preseed.cfg",
            "<13>preseed: running preseed command preseed/late_command: echo hunter2; x",
        )
        assert token not in fetched.detail
        assert ran.detail == "preseed: running preseed command preseed/late_command"

    @pytest.mark.parametrize("datagram", ["", "no priority", "<13>", "<13>p:  \n", "<999>p: x"])
    def test_what_is_no_line_is_not_written(self, listener: Listener, datagram: str) -> None:
        listener.boots()
        assert listener.says(datagram) == []


class TestSendingItHere:
    def test_a_machine_is_told_of_it_only_where_it_is_heard(self, listener: Listener) -> None:
        listener.desk.boots()
        assert "log_host" not in listener.desk.script()
        listener.log.start()
        port = listener.log.port
        assert f" log_host=192.0.2.1 log_port={port} " in listener.desk.script()
        listener.log.stop()
        assert "log_host" not in listener.desk.script()

    def test_behind_nat_it_is_the_address_machines_reach(self) -> None:
        line = script(Server(LOCAL, "198.51.100.9", 8080, 514))
        assert " log_host=198.51.100.9 log_port=514 " in line

    def test_the_installed_system_is_not_told(self) -> None:
        kept = script(Server(LOCAL, LOCAL, 8080, 514), kernel_args="quiet").partition(" --- ")[2]
        assert "quiet" in kept
        assert "log_host" not in kept

    def test_a_held_port_is_the_callers_to_tell(self, listener: Listener) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
            log = InstallerLog(NoReactor(), listener.desk.machines, port=port, address="127.0.0.1")
            with pytest.raises(OSError, match="in use"):
                log.start()
        assert listener.desk.machines.syslog_port is None


def script(server: Server, **variables: str) -> str:
    """The Debian installer's script of a machine that reaches us at ``server``."""
    node = Node("n1", (KNOWN,), "debian-12", vars=variables)
    client, image = Client(KNOWN, Firmware.IPXE, 7), Image("debian-12", "1", {})
    return render_script(node, client, load_profiles()["debian-12"], image, server, BOOT_URL)
