"""A LAN is closed, does not collide with another, and leaves nothing behind, however it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.errors import OperationError
from netboot.lab import owner, packets
from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp, Relay
from netboot.lab.namespaces import Host, Lan
from tests.waiting import await_

GOLDEN = Path(__file__).parent / "golden" / "packets"

OWNER = """
import sys, time
from netboot.lab.namespaces import Lan
with Lan("owned") as lan:
    child = lan.server.popen(["sleep", "600"])
    names = lan.switch.namespace, lan.server.namespace
    print(lan.directory.name, child.pid, *names, flush=True)
    sys.stdin.readline()
    raise RuntimeError("a fault")
"""


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected by its parent does not."""
    return owner._start_time(pid) is not None


class Owner:
    """Another process with a LAN of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.folder, child, *self.namespaces = self.process.stdout.readline().split()
        self.child = int(child)

    def leftovers(self) -> list[str]:
        """What of it is still there."""
        folder = Path(tempfile.gettempdir()) / self.folder
        places = [owner.NETNS_DIR / name for name in self.namespaces]
        left = [str(place) for place in [*places, folder] if place.exists()]
        return left + (["sleep"] if lives(self.child) else [])

    def end(self) -> None:
        """End it hard, with what it made."""
        self.process.kill()
        self.process.communicate()
        owner.reap_leftovers()


@pytest.fixture
def other() -> Iterator[Owner]:
    made = Owner()
    yield made
    made.end()


@pytest.mark.root
def test_hosts_reach_each_other_and_this_process_listens_among_them(lan: Lan) -> None:
    listener = lan.host("mirror").listen(8000)

    def answer() -> None:
        with listener.accept()[0] as peer:
            peer.sendall(f"hello {peer.getpeername()[0]}\n".encode())

    thread = threading.Thread(target=answer)
    thread.start()
    said = lan.server.run(["curl", "--silent", "--http0.9", "http://10.77.0.3:8000/"], check=False)
    thread.join(60)
    assert said.stdout == "hello 10.77.0.2\n"


@pytest.mark.root
def test_a_lan_has_no_way_into_the_hosts_own_network(lan: Lan) -> None:
    assert lan.server.run(["ip", "-4", "route", "show", "default"]).stdout == ""
    links = re.findall(r"^\d+: (\w+)", lan.server.run(["ip", "-o", "link"]).stdout, re.MULTILINE)
    assert sorted(links) == ["eth0", "lo"]


@pytest.mark.root
def test_a_host_may_stand_in_two_lans(lan: Lan) -> None:
    with Lan("far", "10.78.0.0/24") as far:
        relay = far.host("relay")
        lan.join(relay, "eth1", "10.77.0.9")
        listener = relay.inside(lambda: socket.create_server(("10.77.0.9", 8000)))
        with listener:
            lan.server.run(
                ["curl", "--silent", "--max-time", "1", "http://10.77.0.9:8000"], check=False
            )
            listener.settimeout(60)
            with listener.accept()[0] as peer:
                assert peer.getpeername()[0] == "10.77.0.2"


@pytest.mark.root
def test_two_lans_of_one_name_and_subnet_do_not_collide() -> None:
    with Lan("twin") as one, Lan("twin") as two:
        assert one.server.address == two.server.address
        first, second = one.server.listen(8000), two.server.listen(8000)
        asking = one.dhcp.popen(["curl", "--silent", f"http://{one.server.address}:8000"])
        first.settimeout(60)
        first.accept()[0].close()
        asking.wait(60)
        second.settimeout(0.1)
        with pytest.raises(TimeoutError):
            second.accept()
        two.close()
        assert one.server.run(["true"]).returncode == 0


@pytest.mark.root
def test_everything_is_gone_after_the_block_and_after_a_fault(other: Owner) -> None:
    with Lan("gone") as lan:
        child = lan.server.popen(["sleep", "600"])
        grandchild = lan.server.run(
            ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"]
        ).stdout.strip()
        namespaces, folder = [lan.switch.namespace, lan.server.namespace], lan.directory
    assert child.poll() is not None
    assert not lives(int(grandchild))
    assert not any((owner.NETNS_DIR / name).exists() for name in namespaces)
    assert not folder.exists()

    other.process.communicate("go on\n", timeout=60)
    assert other.process.returncode == 1
    assert other.leftovers() == []


@pytest.mark.root
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_deadly_signal_cleans_up(other: Owner, number: signal.Signals, status: int) -> None:
    other.process.send_signal(number)
    assert other.process.wait(60) == status
    assert other.leftovers() == []


@pytest.mark.root
def test_a_second_ctrl_c_does_not_stop_the_cleaning_up(other: Owner) -> None:
    for _ in range(5):
        other.process.send_signal(signal.SIGINT)
    other.process.wait(60)
    assert other.leftovers() == []


@pytest.mark.root
def test_what_a_killed_owner_left_is_reaped_by_the_next_lan(other: Owner) -> None:
    assert len(other.leftovers()) == 4
    other.process.kill()
    other.process.wait()
    with Lan("next"):
        await_(lambda: not other.leftovers(), "the end of what it left")  # by whichever LAN


@pytest.mark.root
def test_the_lan_of_a_living_process_is_never_touched(other: Owner) -> None:
    with Lan("next"):
        assert not {*owner.reap_leftovers()} & {other.folder, *other.namespaces}
        assert len(other.leftovers()) == 4


@pytest.mark.parametrize(
    ("name", "leftover"),
    [
        pytest.param(f"{owner.new_prefix()}switch", False, id="this process's"),
        pytest.param(f"nb-{os.getpid()}-1-abcdef-switch", True, id="an older process of this pid"),
        pytest.param("nb-4194305-1-abcdef-switch", True, id="no such process"),
        pytest.param("nb-switch", False, id="somebody else's name"),
        pytest.param("nb-x-1-abcdef-switch", False, id="likewise"),
        pytest.param("cni-4194305-1-abcdef-switch", False, id="another program's"),
    ],
)
def test_whose_a_name_is(*, name: str, leftover: bool) -> None:
    assert owner._is_leftover(name) is leftover


@pytest.mark.root
def test_a_command_that_fails_says_what_it_said(lan: Lan) -> None:
    with pytest.raises(OperationError, match=r"cat /absent: exit status 1: .*No such file"):
        lan.server.run(["cat", "/absent"])
    with pytest.raises(OperationError, match="still running after 0 s"):
        lan.server.run(["sleep", "60"], timeout=0.1)


def discover_from(host: Host) -> None:
    """Broadcast a real firmware's DISCOVER."""

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            sender.bind(("", 68))
            sender.sendto((GOLDEN / "ovmf-pxe-discover.bin").read_bytes(), ("255.255.255.255", 67))

    host.inside(send)


@pytest.mark.root
def test_the_plain_dhcp_server_offers_an_address_and_nothing_to_boot(lan: Lan) -> None:
    PlainDhcp(lan)
    client = lan.host("client")
    with Capture(client) as capture:
        discover_from(client)
        offer = capture.wait_for(
            lambda packet: packets.dhcp_type(packet.payload) == packets.OFFER, 60
        )
    assert offer.source == ("10.77.0.1", 67)
    assert any(offer.payload[16:20])  # yiaddr
    assert not any(offer.payload[108:236])  # file
    assert [packets.dhcp_option(offer.payload, code) for code in (43, 60, 66, 67)] == [None] * 4


@pytest.mark.root
def test_a_relay_carries_dhcp_and_everything_else_to_another_lan(lan: Lan) -> None:
    with Lan("far", "10.78.0.0/24") as far:
        relay = Relay(far, lan, [lan.dhcp, lan.server])
        PlainDhcp(lan, extra=relay.range)
        client = far.host("client")
        with Capture(client) as capture, Capture(lan.server) as beside:
            discover_from(client)
            offer = capture.wait_for(
                lambda packet: packets.dhcp_type(packet.payload) == packets.OFFER, 60
            )
            asked = beside.wait_for(lambda packet: packet.destination == ("10.77.0.2", 67), 60)
        assert offer.source == (relay.inside, 67)
        assert offer.payload[16:19] == bytes([10, 78, 0])  # yiaddr
        assert packets.dhcp_option(offer.payload, 3) == socket.inet_aton(relay.inside)
        assert asked.payload[24:28] == socket.inet_aton(relay.inside)  # giaddr
        client.run(["ip", "route", "add", "default", "via", relay.inside])
        with lan.server.listen(8000) as listener:
            client.popen(["curl", "--silent", "--max-time", "5", "http://10.77.0.2:8000"])
            listener.settimeout(60)
            with listener.accept()[0] as peer:
                assert peer.getpeername()[0] == client.address


@pytest.mark.root
def test_a_capture_can_be_read_by_others(lan: Lan, tmp_path: Path) -> None:
    with Capture(lan.server) as capture:
        discover_from(lan.host("client"))
        capture.wait_for(lambda packet: packet.destination[1] == 67, 60)
    from scapy.utils import rdpcap  # noqa: PLC0415 -- slow to import, and only read here

    frames = [bytes(packet) for packet in rdpcap(str(capture.write_pcap(tmp_path / "a.pcap")))]
    assert frames == [packet.frame for packet in capture.packets]
