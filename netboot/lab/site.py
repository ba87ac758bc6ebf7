"""netboot itself on a LAN: its folder, its configuration, its commands, its ``serve``."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from netboot.config import load
from netboot.control.inventory import open_inventory
from netboot.errors import OperationError
from netboot.events import Event, Kind
from netboot.lab.namespaces import Host, Lan
from netboot.lab.program import Program
from netboot.store.shapes import Record

HTTP_PORT = 8080
Setting = str | int | Sequence[str]
"""What a configuration's key may have as its value."""
READY_TIMEOUT = 60.0
"""Seconds ``netboot serve`` gets to look round and start on a busy machine."""

_NETBOOT = (sys.executable, "-m", "netboot")
_OURS = frozenset({Kind.STATE, Kind.JOB})
"""What control writes into a timeline of what it makes of that."""
_POLL = 0.2
_HTTP_ERROR = 22
"""What curl ends with where the server is there and says no."""
_LONGEST_WAIT = 20.0
_MANY = 1000
_PATIENCE = 60.0


class Site:
    """One installation of netboot on a host of a LAN.

    Args:
        lan: where.
        images: folder of fetched images; only read.
        mirror: URL of the Debian mirror inside the LAN.
        host: the namespace it runs in; ``lan.server`` by default.
        settings: more sections and keys for its configuration.

    Attributes:
        config: its configuration file. ``data``: its data folder.
    """

    def __init__(
        self,
        lan: Lan,
        images: Path,
        mirror: str,
        *,
        host: Host | None = None,
        settings: Mapping[str, Mapping[str, Setting]] | None = None,
    ) -> None:
        self.lan = lan
        self.host = host or lan.server
        self.data = lan.directory / f"data-{self.host.name}"
        self.data.mkdir(mode=0o700)
        (self.data / "images").symlink_to(images)
        self.config = lan.directory / f"netboot-{self.host.name}.toml"
        sections: dict[str, dict[str, Setting]] = {
            "server": {"interfaces": "eth0", "data_dir": str(self.data)},
            "http": {"port": HTTP_PORT},
            "debian": {"mirror": mirror},
        }
        for name, keys in (settings or {}).items():
            sections.setdefault(name, {}).update(keys)
        self.config.write_text(_toml(sections), "utf-8")

    @property
    def url(self) -> str:
        """Base of its boot plane's HTTP."""
        return f"http://{self.host.address}:{HTTP_PORT}"

    def netboot(
        self, *arguments: str | Path, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a netboot command as an operator on its host would.

        Raises:
            OperationError: it failed and ``check`` is set; the text has what it said.
        """
        command = [*_NETBOOT, "--config", self.config, *arguments]
        return self.host.run(command, check=check, timeout=_PATIENCE, env=_environment())

    def serve(self, *arguments: str, on_line: Callable[[str], None] | None = None) -> Program:
        """Start ``netboot serve`` and wait until its nodes are answered.

        One ``--role`` alone is waited for until it listens: nobody may have told it of nodes.

        Raises:
            OperationError: it did not become ready; the text has what it said.
        """
        log = self.lan.directory / f"serve-{self.host.name}-{time.monotonic_ns()}.log"
        command = [*_NETBOOT, "--config", str(self.config), "serve", *arguments]
        program = self.host.start(command, log, on_line=on_line, env=_environment())
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline and program.process.poll() is None:
            answered = self.fetch("/healthz").returncode
            if answered == 0 or (answered == _HTTP_ERROR and "--role" in arguments):
                return program
            time.sleep(_POLL)
        raise OperationError(f"netboot serve is not ready; its last lines:\n{program.tail()}")

    def fetch(self, path: str, *options: str) -> subprocess.CompletedProcess[str]:
        """GET ``path`` of the boot plane by curl, on its own host."""
        command = ["curl", "--silent", "--fail", "--max-time", "10", *options, self.url + path]
        return self.host.run(command, check=False)

    def timeline(self, who: str, after: int | None = None, wait: float = 0) -> list[Record]:
        """A node's or a MAC's events, oldest first; may wait ``wait`` seconds for one to come."""
        with open_inventory(load(self.config, {})) as inventory:
            return list(inventory.timeline(who, after, _MANY, wait))

    def wait_for_event(self, who: str, kind: Kind, timeout: float, detail: str = "") -> Event:
        """The first event of a kind, past or to come, whose detail contains ``detail``.

        Raises:
            OperationError: none came within ``timeout`` seconds; the text has those that did.
        """
        deadline = time.monotonic() + timeout
        seen: list[Record] = []
        while (left := deadline - time.monotonic()) > 0:
            last = seen[-1].id if seen else None
            fresh = self.timeline(who, last, min(left, _LONGEST_WAIT) if seen else 0)
            for record in fresh:
                if record.event.kind is kind and detail in record.event.detail:
                    return record.event
            seen += fresh
            if not seen:
                time.sleep(_POLL)
        came = "\n".join(f"{record.event.kind}: {record.event.detail}" for record in seen)
        raise OperationError(f"no {kind} of {who} within {timeout:.0f} s; came:\n{came}")


def kinds(records: Sequence[Record]) -> list[Kind]:
    """What a machine asked and got, each kind once, in the order they first came."""
    came = dict.fromkeys(record.event.kind for record in records)
    return [kind for kind in came if kind not in _OURS]


def _environment() -> dict[str, str]:
    """Ours without what would be taken for settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NETBOOT_")}


def _toml(sections: Mapping[str, Mapping[str, Setting]]) -> str:
    # a JSON string, number or list of them is a TOML one
    return "".join(
        f"[{section}]\n" + "".join(f"{key} = {json.dumps(keys[key])}\n" for key in keys)
        for section, keys in sections.items()
    )
