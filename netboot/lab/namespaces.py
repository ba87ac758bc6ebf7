"""A LAN of network namespaces.

    switch   the bridge and the machines' taps; QEMU runs here      (no address)
    dhcp     the plain DHCP server                                  10.77.0.1
    server   netboot                                                10.77.0.2
    …        whatever ``Lan.host`` is asked for                     10.77.0.3 and up

Each host is a namespace joined to the bridge by a veth whose near end is ``eth0``. Nothing is
made in, or reachable from, the machine's own network: no address, no route, no packet filter.

A LAN ends with its ``with`` block, with an exception, with SIGINT, SIGTERM or SIGHUP, or with the
interpreter; what even SIGKILL leaves is reaped by the next LAN on this machine (``owner``).
"""

import atexit
import contextlib
import ctypes
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self, TypeVar

from netboot.errors import OperationError
from netboot.lab import owner
from netboot.lab.program import Program, end_process

T = TypeVar("T")

BRIDGE = "br0"
DEFAULT_SUBNET = "10.77.0.0/24"
RUN_TIMEOUT = 60.0
"""Seconds a command of ``Host.run`` may take unless told otherwise."""
BACKLOG = 64
"""Connections waiting to be accepted on a socket of ``Host.listen``."""

_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

Argument = str | Path


@dataclass(frozen=True, slots=True)
class Host:
    """A namespace on the LAN.

    Attributes:
        namespace: its name for ``ip netns``.
        address: the IPv4 address of ``eth0``; None for the switch.
    """

    lan: "Lan"
    name: str
    namespace: str
    address: str | None = None

    def command(self, argv: Sequence[Argument]) -> list[str]:
        """The argument list that runs ``argv`` in here."""
        return ["ip", "netns", "exec", self.namespace, *map(str, argv)]

    def run(
        self,
        argv: Sequence[Argument],
        *,
        check: bool = True,
        timeout: float = RUN_TIMEOUT,
        text_input: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and keep its output.

        Raises:
            OperationError: it failed (unless ``check`` is false) or took over ``timeout`` seconds.
        """
        return _run(
            self.command(argv), check=check, timeout=timeout, text_input=text_input, env=env
        )

    def popen(
        self,
        argv: Sequence[Argument],
        *,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command; it is ended with the LAN at the latest.

        It gets a session of its own: a Ctrl-C at the terminal is for the LAN's owner, who ends
        things in order.
        """
        process = subprocess.Popen(
            self.command(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            start_new_session=True,
        )
        self.lan.on_close(end_process, process)
        return process

    def start(
        self,
        argv: Sequence[Argument],
        log: Path,
        *,
        on_line: Callable[[str], None] | None = None,
        stdin: int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
    ) -> Program:
        """Start a command whose output, both streams, is kept and can be awaited."""
        process = self.popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
        )
        program = Program(process, log, name=Path(argv[0]).name, on_line=on_line)
        self.lan.on_close(program.end)
        return program

    def inside(self, work: Callable[[], T]) -> T:
        """Call ``work`` in a short-lived thread of this process that has entered the namespace.

        Sockets it makes belong to the namespace for good, whoever uses them later.
        """
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self._entered, work).result()

    def listen(self, port: int) -> socket.socket:
        """A TCP socket listening on this host's address and ``port``, used by this process."""

        def listening() -> socket.socket:
            listener = socket.create_server((self.address or "", port), backlog=BACKLOG)
            self.lan.on_close(listener.close)
            return listener

        return self.inside(listening)

    def _entered(self, work: Callable[[], T]) -> T:
        libc = ctypes.CDLL(None, use_errno=True)
        with (owner.NETNS_DIR / self.namespace).open("rb") as handle:
            if libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns to {self.namespace}")
        return work()


class Lan:
    """The bridge and its hosts; a context manager.

    Args:
        name: for people; two LANs of one name do not collide.
        subnet: the IPv4 network, /24 or wider.

    Attributes:
        directory: a temporary folder that ends with the LAN.
        switch: holds the bridge and the taps. ``dhcp``, ``server``: the two fixed hosts.
    """

    def __init__(self, name: str, subnet: str = DEFAULT_SUBNET) -> None:
        self.name = name
        self.subnet = ipaddress.IPv4Network(subnet)
        self._prefix = owner.new_prefix()
        self._resources = contextlib.ExitStack()
        self._owner = os.getpid()
        self._ports = 0
        self._hosts: dict[str, Host] = {}
        self._signals: dict[signal.Signals, signal.Handlers | Callable[..., object] | int] = {}
        self.directory: Path
        self.switch: Host
        self.dhcp: Host
        self.server: Host

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise OperationError("a LAN of network namespaces needs root; run it with sudo")
        owner.reap_leftovers()
        self._end_on_signals()
        atexit.register(self.close)
        try:
            self.directory = Path(tempfile.mkdtemp(prefix=f"{self._prefix}{self.name}-"))
            self._resources.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self._resources.callback(self._remove_namespaces)
            self.switch = self._new_host("switch", None)
            self._ip(
                self.switch,
                f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"link set {BRIDGE} up",
            )
            self.dhcp = self.host("dhcp")
            self.server = self.host("server")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def host(self, name: str, address: str | None = None) -> Host:
        """The host of that name, made and joined to the bridge at its first mention.

        Args:
            name: letters and digits; unique on this LAN.
            address: an IPv4 address of the subnet; the next free one by default.
        """
        if name not in self._hosts:
            made = self._new_host(name, address or str(self.subnet[len(self._hosts)]))
            self.join(made, "eth0", made.address)
        return self._hosts[name]

    def join(self, host: Host, interface: str, address: str | None = None) -> None:
        """Give a host, also one of another LAN, an interface on this LAN's bridge."""
        port = self._next_port("p")
        self._ip(
            self.switch,
            f"link add {port} type veth peer name {interface} netns {host.namespace}",
            f"link set {port} master {BRIDGE} up",
        )
        addressing = [f"addr add {address}/{self.subnet.prefixlen} dev {interface}"]
        self._ip(host, *(addressing if address else []), f"link set {interface} up")

    def tap(self) -> str:
        """A new tap on the bridge, in the switch's namespace; its name."""
        port = self._next_port("tap")
        self._ip(
            self.switch,
            f"tuntap add dev {port} mode tap",
            f"link set {port} master {BRIDGE} up",
        )
        return port

    def on_close(self, action: Callable[..., object], *arguments: object) -> None:
        """Have ``action(*arguments)`` called when the LAN ends, last in first out."""
        self._resources.callback(action, *arguments)

    def close(self) -> None:
        """End every process, remove every namespace and the folder; a second call does nothing."""
        if os.getpid() != self._owner:  # a fork inherits atexit, not the LAN
            return
        with self._undisturbed():
            self._resources.close()
        atexit.unregister(self.close)
        for number, handler in self._signals.items():
            signal.signal(number, handler)
        self._signals.clear()

    def _new_host(self, name: str, address: str | None) -> Host:
        made = Host(self, name, f"{self._prefix}{name}", address)
        self._hosts[name] = made
        _run(["ip", "netns", "add", made.namespace])
        self._ip(made, "link set lo up")
        return made

    def _next_port(self, kind: str) -> str:
        self._ports += 1
        return f"{kind}{self._ports}"

    def _ip(self, host: Host, *commands: str) -> None:
        _run(["ip", "-n", host.namespace, "-batch", "-"], text_input="\n".join(commands))

    def _remove_namespaces(self) -> None:
        for made in self._hosts.values():
            owner.remove_namespace(made.namespace)

    def _end_on_signals(self) -> None:
        """Turn a deadly signal into SystemExit, where nobody else has said what it means."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _ENDING_SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                self._signals[number] = signal.signal(number, _exit_by_signal) or signal.SIG_DFL

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Let no second Ctrl-C interrupt the cleaning up; it is bounded in time."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, *_ENDING_SIGNALS)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _exit_by_signal(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _run(
    argv: list[str],
    *,
    check: bool = True,
    timeout: float = RUN_TIMEOUT,
    text_input: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    standard_input = {"input": text_input} if text_input else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=env,
            **standard_input,
        )
    except subprocess.TimeoutExpired:
        raise OperationError(f"{' '.join(argv)}: still running after {timeout:.0f} s") from None
    except FileNotFoundError:
        raise OperationError(f"{argv[0]} is not installed") from None
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise OperationError(f"{' '.join(argv)}: exit status {done.returncode}: {said}")
    return done
