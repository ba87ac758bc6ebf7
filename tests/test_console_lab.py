"""A real firmware's serial line and screen, through its virtual BMCs."""

import sys
from pathlib import Path

import pytest

from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab

pytestmark = pytest.mark.firmware

TIMEOUT = 300.0
LAB = """
nodes:
  n1:
    memory: 256
    boot: [network]
    bmc: {protocols: [redfish, ipmi], personality: pikvm, tls: no}
"""
TO_SETUP = """
import os, sys, threading, time
from netboot.bmc.ipmi import IpmiDriver
from netboot.bmc.model import Login, PowerAction, Secret

driver = IpmiDriver("10.78.0.11", 623, Login("admin", Secret(os.environ["BMC"])))
line = driver.console()
driver.power(PowerAction.ON)
driver.close()
said, end = b"", time.monotonic() + 240
while b"Boot Manager" not in said:  # a front page, where Escape leads
    assert time.monotonic() < end, said
    said += line.read(0.3)
    line.write(b"\\x1b")
line.close()
print("in set-up")
"""


def test_the_firmware_is_typed_at_by_sol_and_seen_by_a_pikvm(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(LAB, "utf-8")
    with Lab(read(file)) as lab:
        node = lab.nodes["n1"]
        script = [sys.executable, "-c", TO_SETUP]
        done = lab.server.run(script, timeout=TIMEOUT, env={"BMC": "password"}, check=False)
        assert done.stdout == "in set-up\n", done.stderr
        node.machine.program.wait_for("Boot Manager", TIMEOUT)  # it is in the log all the same
        shot = tmp_path / "screen.png"
        address = "http://10.78.0.11/api/streamer/snapshot"
        lab.server.run(["curl", "-sSf", "-u", "admin:password", "-o", shot, address])
        assert shot.read_bytes().startswith(b"\x89PNG")
