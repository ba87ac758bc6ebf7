"""A virtual BMC misbehaves on demand, as often as it is told to, and logs what it was asked."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from msgspec import structs

from netboot.bmc import quirks
from netboot.lab.bmc.faults import Fault, Logged
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.tasks import REQUESTS
from netboot.lab.bmc.virtual import RESTART_UNHEARD, VirtualBmc
from tests.redfish_peer import ROOT, TRUST, Peer


@pytest.fixture
def bmc() -> Iterator[VirtualBmc]:
    with VirtualBmc(FakeMachine()) as running:
        yield running


@pytest.fixture
def peer(bmc: VirtualBmc) -> Iterator[Peer]:
    with Peer(bmc) as client:
        yield client


def test_a_dropped_reply_has_happened_once(bmc: VirtualBmc, peer: Peer) -> None:
    bmc.faults.add(Fault("drop", "POST", "Reset"))
    with pytest.raises(httpx.RemoteProtocolError):
        peer.reset("On")
    assert (bmc.machine.starts, bmc.resets) == (1, 1)
    action = f"{peer.system}/Actions/ComputerSystem.Reset"
    assert bmc.log.entries[-1] == Logged("POST", action, 0)
    assert peer.get(peer.system)["PowerState"] == "On"


def test_an_unheard_request_has_not_happened(bmc: VirtualBmc, peer: Peer) -> None:
    bmc.faults.add(Fault("unheard", "POST"))
    with pytest.raises(httpx.RemoteProtocolError):
        peer.reset("On")
    assert (bmc.machine.starts, bmc.resets) == (0, 1)


@pytest.mark.parametrize("wait", ["7", "Fri, 31 Dec 2027 23:59:59 GMT", ""])
def test_a_burst_of_busy_ends(bmc: VirtualBmc, peer: Peer, wait: str) -> None:
    bmc.faults.add(Fault("busy", "GET", times=3, retry_after=wait))
    replies = [peer.http.get(peer.system) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [503, 503, 503, 200]
    assert replies[0].headers.get("Retry-After", "") == wait
    assert "error" in replies[0].json()


def test_a_web_page_for_an_answer(bmc: VirtualBmc, peer: Peer) -> None:
    bmc.faults.add(Fault("html", "POST"))
    reply = peer.http.post(f"{peer.system}/Actions/ComputerSystem.Reset", json={})
    assert reply.headers["Content-Type"] == "text/html"
    assert bmc.machine.starts == 0


def test_half_a_body(bmc: VirtualBmc, peer: Peer) -> None:
    bmc.faults.add(Fault("half-json"))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        peer.get(peer.system)


def test_sessions_that_expire(bmc: VirtualBmc) -> None:
    login = {"UserName": "admin", "Password": "password"}
    with httpx.Client(base_url=bmc.url, verify=TRUST, trust_env=False) as client:
        token = client.post(f"{ROOT}/SessionService/Sessions", json=login).headers["X-Auth-Token"]
        client.headers["X-Auth-Token"] = token
        bmc.faults.add(Fault("expire-sessions", path="Systems$"))
        assert client.get(f"{ROOT}/Managers").status_code == 200
        assert client.get(f"{ROOT}/Systems").status_code == 401
    assert bmc.sessions == 0


def test_slow_answers_late_and_hinders_nobody_else(bmc: VirtualBmc, peer: Peer) -> None:
    bmc.faults.add(Fault("slow", path="Managers$", seconds=0.3))
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(peer.http.get, f"{ROOT}/Managers")
        assert httpx.get(f"{bmc.url}/redfish", verify=TRUST, trust_env=False).status_code == 200
        assert not late.done()
        assert late.result().status_code == 200
    assert time.monotonic() - began >= 0.3


def test_an_action_becomes_a_task(bmc: VirtualBmc, peer: Peer) -> None:
    bmc.faults.add(Fault("task", "POST"))
    action = f"{peer.system}/Actions/ComputerSystem.Reset"
    reply = peer.http.post(action, json={"ResetType": "On"})
    assert (reply.status_code, reply.headers["Retry-After"]) == (202, "1")
    task, monitor = reply.json()["@odata.id"], reply.headers["Location"]
    assert bmc.machine.starts == 0
    statuses = [peer.http.get(monitor).status_code for _ in range(REQUESTS)]
    assert statuses == [202] * (REQUESTS - 1) + [204]
    assert peer.http.get(monitor).status_code == 404
    assert peer.get(task)["TaskState"] == "Completed"
    assert bmc.machine.starts == 1


def test_a_task_that_fails_says_why(bmc: VirtualBmc, peer: Peer) -> None:
    bmc.faults.add(Fault("task", "POST"))
    action = f"{peer.system}/Actions/ComputerSystem.Reset"
    task = peer.http.post(action, json={"ResetType": "Explode"}).json()["@odata.id"]
    states = [peer.get(task)["TaskState"] for _ in range(REQUESTS)]
    assert states == ["Running"] * (REQUESTS - 1) + ["Exception"]
    assert "Explode" in peer.get(task)["Messages"][0]["Message"]


def test_a_bmc_that_restarts_is_away_and_forgets_its_sessions(bmc: VirtualBmc, peer: Peer) -> None:
    login = {"UserName": "admin", "Password": "password"}
    peer.post(f"{ROOT}/SessionService/Sessions", login)
    assert peer.post(f"{peer.manager}/Actions/Manager.Reset", {"ResetType": "ForceRestart"}) == 204
    for _ in range(RESTART_UNHEARD):
        with pytest.raises(httpx.RemoteProtocolError):
            peer.get(peer.system)
    assert peer.get(peer.system)["PowerState"] == "Off"
    assert bmc.sessions == 0


@pytest.mark.parametrize("switch", ["once_ignored", "stale_inserted", "locked_during_post"])
def test_any_quirk_is_a_switch_on_any_personality(switch: str) -> None:
    quirk = structs.replace(quirks.known()["generic"], **{switch: True})
    machine = FakeMachine()
    with VirtualBmc(machine, quirk) as bmc, Peer(bmc) as peer:
        peer.insert({"Image": "http://192.0.2.1/x.iso"})
        peer.eject()
        busy = peer.http.get(peer.slot()).status_code == 500
        peer.reset("On")
        locked = peer.override("Pxe") == 400
        peer.override("Pxe")
        peer.override("Pxe")
        peer.reset("ForceRestart")
    assert {
        "stale_inserted": busy,
        "locked_during_post": locked,
        "once_ignored": machine.boots[-1] == "disk",
    } == {name: name == switch for name in ("stale_inserted", "locked_during_post", "once_ignored")}


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_the_next_is_served(
    bmc: VirtualBmc, peer: Peer, sent: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", bmc.port), timeout=5) as client:
        client.sendall(sent)
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert peer.get(peer.system)["Id"] == "1"


def test_a_bmc_by_command_ends_when_interrupted() -> None:
    command = [sys.executable, "-m", "netboot.lab.bmc", "--personality", "placemat", "--tls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url, _, fingerprint = process.stdout.readline().split()
        try:
            root = httpx.get(f"{url}/redfish/v1", verify=False, trust_env=False)  # noqa: S501 -- the fingerprint is what is shown
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert root.json()["Product"] == "Placemat"
    assert len(fingerprint) == 64


@pytest.mark.parametrize("options", [["--fault", "explode"], ["--personality", "nobody"]])
def test_a_wrong_option_is_said(options: list[str]) -> None:
    command = [sys.executable, "-m", "netboot.lab.bmc", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, options[1] in done.stderr) == (2, True)
