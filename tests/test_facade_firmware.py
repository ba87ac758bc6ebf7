"""A virtual CD by iPXE's ``sanboot``: SeaBIOS starts what is on an image it reads over HTTP."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from netboot.answer.profiles import load_profiles
from netboot.answer.script import render_script
from netboot.model import Client, Firmware, Mac, Node, Server
from tests.boot_code import cd

pytestmark = pytest.mark.firmware

MAC = Mac("52:54:00:12:34:56")
HOST = "10.0.2.2"
"""This machine, as QEMU's user network shows it."""
WITHIN = 120.0


@contextmanager
def served(files: dict[str, bytes]) -> Iterator[tuple[int, list[str]]]:
    """Files over HTTP with HEAD and ranges; the port, and the requests that came."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = files[self.path]
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            begin, end = (int(wanted[1]), int(wanted[2])) if wanted else (0, len(found) - 1)
            asked.append(f"{self.command} {self.path}{' ranged' if wanted else ''}")
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(end - begin + 1))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", f"bytes {begin}-{end}/{len(found)}")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(found[begin : end + 1])

        do_HEAD = do_GET  # noqa: N815 -- the name the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


def test_a_bios_machine_starts_from_the_image(tmp_path: Path) -> None:
    serial, files = tmp_path / "serial", {"/x.iso": cd("hello from the virtual CD")}
    with served(files) as (port, asked):
        node = Node("n1", (MAC,), vars={"sanboot_url": f"http://{HOST}:{port}/x.iso"})
        profile, server = load_profiles()["sanboot"], Server(HOST, HOST, port)
        script = render_script(node, Client(MAC, Firmware.IPXE, 0), profile, None, server, None)
        files["/script"] = script.encode()
        command = [
            *("qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-m", "128"),
            *("-display", "none", "-no-reboot", "-serial", f"file:{serial}"),
            *("-netdev", f"user,id=n,bootfile=http://{HOST}:{port}/script"),
            *("-device", f"virtio-net-pci,netdev=n,mac={MAC},bootindex=0"),
        ]
        with subprocess.Popen(command) as machine:
            try:
                deadline = time.monotonic() + WITHIN
                while (
                    not serial.exists() or b"hello from the virtual CD" not in serial.read_bytes()
                ):
                    assert time.monotonic() < deadline, asked
                    time.sleep(0.2)
            finally:
                machine.kill()
    assert asked[:2] == ["GET /script", "HEAD /x.iso"]
    assert set(asked[2:]) == {"GET /x.iso ranged"}
