"""The peers: Debian's own dnsmasq, tftpd-hpa, atftpd and nginx, each at its fastest.

Those that are not installed are unpacked from their packages into the cache folder, so no service
starts and servers that conflict with each other stand side by side.
"""

import functools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import CACHE
from benchmarks.ours import ADDRESS, NETWORK, WIRE, lan, sparse
from benchmarks.work import Missing, Server
from netboot.errors import OperationError
from netboot.lab.namespaces import Host
from netboot.lab.program import Program

PACKAGES = Path(__file__).with_name("packages.txt")
DOWNLOAD_TIMEOUT = 120
"""Seconds for each of apt-get and dpkg-deb."""
START_TIMEOUT = 10.0
POLL = 0.05
SCRIPT = "boot.ipxe"
"""What the peers' machines are told to run, below their root."""
HTTP_PORT = 80

Start = Callable[[Path, Host, Path], Program]
"""Starts a program on a host; what it serves is below a folder."""

_UNPACKED = CACHE / "benchmarks" / "peers"
_SBIN = (Path("/usr/sbin"), _UNPACKED / "usr" / "sbin")


def find(name: str) -> Path | Missing:
    """The server program ``name``, installed or unpacked."""
    for folder in _SBIN:
        if (folder / name).exists():
            return folder / name
    problem = _unpack()
    found = _SBIN[-1] / name
    return found if found.exists() else Missing(name, problem or "no package has it")


@contextmanager
def serving(
    name: str, start: Start, files: Mapping[str, int] | None = None, *, also: Sequence[str] = ()
) -> Iterator[Server | Missing]:
    """The server program ``name`` on a LAN of its own.

    Args:
        name: of the program.
        start: one of this module's functions.
        files: path below its root → size of the files it has.
        also: other server programs that ``start`` needs.
    """
    program = find(name)
    for each in (program, *map(find, also)):
        if isinstance(each, Missing):
            yield each
            return
    with lan() as (made, client):
        root = made.directory / "root"
        for path, size in (files or {}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            sparse(root / path, size)
        process = start(program, made.server, root).process
        told = " and ".join((name, *also))
        yield Server(told, made.server, client, ADDRESS, HTTP_PORT, process.pid)


def tftpd_hpa(program: Path, host: Host, root: Path) -> Program:
    """in.tftpd alone: it forks for each read."""
    listen = f"{ADDRESS}:69"
    command: list[Path | str] = [
        program,
        "--foreground",
        "--listen",
        "--address",
        listen,
        "--user",
        "root",
    ]
    return _started(host, [*command, "--secure", root], "udp", 69)


def atftpd(program: Path, host: Host, root: Path) -> Program:
    """Atftpd as its own daemon: a thread for each read."""
    command: list[Path | str] = [
        program,
        "--daemon",
        "--no-fork",
        "--user",
        "root",
        "--group",
        "root",
    ]
    options = ["--maxthread", "1000", "--logfile", "/dev/null", "--verbose=0"]
    return _started(host, [*command, *options, "--bind-address", ADDRESS, root], "udp", 69)


def dnsmasq_tftp(program: Path, host: Host, root: Path) -> Program:
    """Dnsmasq serving TFTP and nothing else."""
    options = ("--enable-tftp", f"--tftp-root={root}", "--tftp-max=1000")
    return _dnsmasq(program, host, 69, options)


def dnsmasq_proxy(program: Path, host: Host, _root: Path) -> Program:
    """Dnsmasq as ProxyDHCP, without a list of hosts, which it would search one by one."""
    options = (
        f"--dhcp-range={NETWORK},proxy",
        "--pxe-service=x86-64_EFI,netboot,snponly.efi",
        "--quiet-dhcp",
    )
    return _dnsmasq(program, host, 67, options)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server answers: an interface of its host, and the address there."""

    interface: str = WIRE
    address: str = ADDRESS


def dnsmasq_and_nginx(program: Path, host: Host, root: Path, at: Place = Place()) -> Program:
    """A whole boot: dnsmasq as ProxyDHCP and TFTP server, nginx for all that follows."""
    http = find("nginx")
    if isinstance(http, Missing):
        raise OperationError(f"nginx: {http.reason}")
    nginx(http, host, root, at)
    options = (
        f"--dhcp-range={at.address},proxy",
        "--dhcp-match=set:ipxe,175",
        "--pxe-service=tag:!ipxe,x86-64_EFI,netboot,snponly.efi",
        f"--dhcp-boot=tag:ipxe,http://{at.address}/{SCRIPT}",
        "--quiet-dhcp",
        "--enable-tftp",
        f"--tftp-root={root}",
        "--tftp-max=2000",
    )
    return _dnsmasq(program, host, 67, options, at)


def nginx(program: Path, host: Host, root: Path, at: Place = Place()) -> Program:
    """As Debian ships it but for three things that make it faster here.

    One worker, no access log, and ``tcp_nopush off``: with it, small ranges stall for 40 ms each.
    """
    folder = host.lan.directory / "nginx"
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(folder=folder, root=root, listen=f"{at.address}:{HTTP_PORT}"), "utf-8"
    )
    return _started(host, [program, "-p", folder, "-c", config, "-e", "stderr"], "tcp", HTTP_PORT)


def _dnsmasq(
    program: Path, host: Host, port: int, options: Sequence[str], at: Place = Place()
) -> Program:
    return _started(
        host,
        [
            program,
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--group=root",
            "--port=0",
            f"--interface={at.interface}",
            "--bind-interfaces",
            "--log-facility=/dev/null",
            f"--pid-file={host.lan.directory / 'dnsmasq.pid'}",
            f"--dhcp-leasefile={host.lan.directory / 'dnsmasq.leases'}",
            *options,
        ],
        "udp",
        port,
    )


def _started(host: Host, command: Sequence[Path | str], protocol: str, port: int) -> Program:
    """Start a server and wait until it holds its port."""
    libraries = os.pathsep.join(map(str, (_UNPACKED / "usr" / "lib").glob("*-linux-gnu*")))
    env = {**os.environ, "LD_LIBRARY_PATH": libraries}
    program = host.start(command, host.lan.directory / f"peer-{port}.log", env=env)
    held = ("ss", "-Hln", f"--{protocol}", f"sport = :{port}")
    deadline = time.monotonic() + START_TIMEOUT
    while not host.run(held).stdout:
        if time.monotonic() > deadline or program.process.poll() is not None:
            raise OperationError(f"{command[0]} did not start; it said:\n{program.tail()}")
        time.sleep(POLL)
    return program


@functools.cache
def _unpack() -> str:
    """Fetch and unpack every peer; why not, "" where all is well."""
    wanted = [line for line in PACKAGES.read_text("utf-8").split("\n") if line[:1] not in ("", "#")]
    archives = _UNPACKED.with_name("archives")
    shutil.rmtree(archives, ignore_errors=True)
    archives.mkdir(parents=True)
    try:
        _run(["apt-get", "-qq", "download", *wanted], archives)
        for archive in archives.glob("*.deb"):
            _run(["dpkg-deb", "--extract", str(archive), str(_UNPACKED)], archives)
    except (OSError, subprocess.SubprocessError) as error:
        return f"cannot be fetched: {error}"
    return ""


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=DOWNLOAD_TIMEOUT)


_NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush off;
    tcp_nodelay on;
    keepalive_requests 10000000;
    keepalive_timeout 60;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {listen} backlog=1024;
        root {root};
        location /ipxe/ {{ try_files /script =404; }}
    }}
}}
"""
