"""A real control program on loopback, a boot program's end of its link, and a browser before it."""

import hashlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from netboot.events import Event, Kind
from netboot.frames import MAX_FROM_CONTROL, Ack, Batch, Counts, Hello, Message, Unpacker, pack
from netboot.model import Mac
from tests.waiting import PATIENCE, await_

T = TypeVar("T")

CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 375, "height": 760}


def mac(number: int) -> Mac:
    """A machine's address."""
    return Mac(f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}")


class DashboardSite:
    """One control program with its data folder, and who asks it as an admin.

    Attributes:
        switch: a file with the power of the machine whose address is ``command:switch``.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.data = folder / "data"
        self.config = folder / "netboot.toml"
        self.switch = folder / "switch"
        for state in ("on", "off"):
            (folder / state).write_text(state)
        self.config.write_text(
            f'[server]\ndata_dir = "{self.data}"\n[api]\nlisten = "127.0.0.1:{port}"\n'
            f'[power_commands.switch]\nstatus = "cat {self.switch}"\n'
            f'on = "cp {folder}/on {self.switch}"\noff = "cp {folder}/off {self.switch}"\n'
        )

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the program meanwhile."""
        process = subprocess.Popen(
            [sys.executable, "-m", "netboot.control", "--config", self.config],
            stdout=subprocess.DEVNULL,
        )
        try:
            await_(lambda: process.poll() is not None or self._lives(), "the control program")
            assert process.poll() is None, "the control program ended at once"
            yield
        finally:
            process.kill()
            process.communicate()

    def _lives(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API by its socket, as an admin of this host does."""
        answer = self._answer(method, path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def _answer(self, method: str, path: str, body: object = None) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=str(self.data / "run" / "control.sock"))
        with httpx.Client(transport=transport, timeout=PATIENCE) as client:
            return client.request(method, f"http://control/api/v1/{path}", json=body)

    @property
    def token(self) -> str:
        """The first admin's."""
        return (self.data / "admin.token").read_text().strip()

    def new_token(self, name: str, role: str) -> str:
        """Another one's."""
        secret: str = self.ask("POST", "tokens", {"name": name, "role": role})["secret"]
        return secret

    def add(self, name: str, number: int, **more: Any) -> None:
        """Register a node."""
        entry = {"name": name, "macs": [mac(number)], "profile": "debian-12"} | more
        self.ask("POST", "nodes", entry)

    def node(self, name: str) -> dict[str, Any]:
        """A node as it is now."""
        found: dict[str, Any] = self.ask("GET", f"nodes/{name}")
        return found

    def image(self, name: str, *files: str) -> None:
        """Have an image of empty files."""
        folder = self.data / "images" / name / "1"
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).touch()
        entry = {"sha256": hashlib.sha256().hexdigest(), "size": 0, "member": "x"}
        manifest = {"image": name, "version": "1", "fetched_at": "2026-01-01T00:00:00Z"}
        whole = manifest | {"files": dict.fromkeys(files, entry)}
        (folder / "manifest.json").write_bytes(msgspec.json.encode(whole))
        (folder.parent / "current").symlink_to(folder.name)

    def _removed(self, name: str) -> bool:
        return self._answer("DELETE", f"nodes/{name}").is_success

    def forget_all(self) -> None:
        """Remove every node, each as soon as no job speaks to its BMC any more."""
        for node in self.ask("GET", "nodes")["nodes"]:
            await_(partial(self._removed, node["name"]), "its removal")


class BootLink:
    """A boot program's end of the link."""

    _runs = itertools.count(1)

    def __init__(self, site: DashboardSite) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(site.data / "run" / "boot.sock"))
        self._unpacker = Unpacker(MAX_FROM_CONTROL)
        self._waiting: list[Message] = []
        self._number = 0
        self._say(Hello(f"dashboard {os.getpid()} {next(self._runs)}"))

    def tell(self, *events: Event) -> None:
        """Send events; returns when they are kept."""
        batch = []
        for event in events:
            self._number += 1
            batch.append((self._number, msgspec.Raw(msgspec.json.encode(event))))
        self._say(Batch(batch))
        while self._heard() != Ack(self._number):
            pass

    def dropped(self, counts: Mapping[str, int]) -> None:
        """Say what was dropped."""
        self._say(Counts(dict(counts)))

    def close(self) -> None:
        self._socket.close()

    def _say(self, message: Message) -> None:
        self._socket.sendall(pack(message))

    def _heard(self) -> Message:
        while not self._waiting:
            data = self._socket.recv(65536)
            assert data, "control has hung up"
            self._waiting += self._unpacker.feed(data)
        return self._waiting.pop(0)


Told = tuple[Kind, str, dict[str, str | int]]

FIRMWARE: Sequence[Told] = (
    (Kind.DISCOVER, "UEFI x64 firmware asks", {"arch": 7, "firmware": "uefi"}),
    (Kind.OFFER, "offered: ask on port 4011", {"profile": "debian-12"}),
    (Kind.REQUEST_4011, "UEFI x64 firmware asks on port 4011", {}),
    (Kind.ACK_4011, "boot file snponly.efi", {"profile": "debian-12"}),
)
LOADER: Sequence[Told] = ((Kind.LOADER, "snponly.efi by TFTP, 284672 bytes in 0.1 s", {}),)
IPXE: Sequence[Told] = (
    (Kind.DISCOVER, "iPXE asks", {"arch": 7, "firmware": "ipxe"}),
    (Kind.OFFER, "boot file autoexec.ipxe", {"profile": "debian-12"}),
)
SCRIPT: Sequence[Told] = (
    (Kind.SCRIPT, "debian-12", {"profile": "debian-12", "image": "debian-12", "installation": 1}),
)
KERNEL: Sequence[Told] = (
    (Kind.KERNEL, "debian-12/linux by HTTP, 8210304 bytes in 0.2 s", {}),
    (Kind.INITRD, "debian-12/initrd.gz by HTTP, 41210304 bytes in 0.9 s", {}),
)
INSTALLER: Sequence[Told] = (
    (Kind.PRESEED, "preseed.cfg by HTTP", {}),
    (Kind.PROGRESS, "it makes partitions", {"stage": "partition"}),
)
CALLED_HOME: Sequence[Told] = (
    (Kind.INSTALLED, "called home: installed", {"profile": "debian-12", "installation": 1}),
)
WHOLE: Sequence[Told] = (*FIRMWARE, *LOADER, *IPXE, *SCRIPT, *KERNEL, *INSTALLER, *CALLED_HOME)


def events(
    told: Sequence[Told], number: int, node: str | None, begun: float | None = None, pace: float = 0
) -> list[Event]:
    """What one machine did; one thing each ``pace`` seconds from ``begun`` on, which is now."""
    start = time.time() if begun is None else begun
    return [
        Event(kind, mac(number), node, detail, data, start + place * pace)
        for place, (kind, detail, data) in enumerate(told)
    ]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that is installed; nothing is fetched."""
    path = shutil.which("chromium")
    assert path is not None, "these tests look at the dashboard with Debian's package chromium"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=list(CHROMIUM))
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page of the dashboard, and everything that went wrong in it."""

    def __init__(self, page: Page, site: DashboardSite) -> None:
        self.page = page
        self.site = site
        self.wrong: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", lambda request: self._outside(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        refused = "/api/v1/" in message.location.get("url", "") and "status of" in message.text
        if message.type in ("error", "warning") and not refused:  # a refusal is shown in the page
            self.wrong.append(f"{message.type}: {message.text}")

    def _outside(self, url: str) -> None:
        if not url.startswith((self.site.url, "about:", "data:", "blob:")):
            self.wrong.append(f"asked elsewhere: {url}")

    def open(self, path: str = "#/", token: str | None = None) -> Page:
        """Sign in without the form, and open a page of the dashboard."""
        shown = {"token": token or self.site.token}
        answer = self.page.request.post(
            f"{self.site.url}/api/v1/session", data=shown, headers={"Origin": self.site.url}
        )
        assert answer.ok, answer.text()
        self.page.goto("about:blank")  # another address within one page would load nothing anew
        self.page.goto(f"{self.site.url}/{path}")
        return self.page


@contextmanager
def watched(browser: Browser, site: DashboardSite, **how: Any) -> Iterator[Watched]:
    """A fresh browser profile; at its end nothing may have gone wrong."""
    context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | how)
    try:
        seen = Watched(context.new_page(), site)
        yield seen
        assert seen.wrong == []
    finally:
        context.close()
