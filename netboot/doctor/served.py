"""Every boot file asked for as a machine would ask, from the server that runs, and compared.

By TFTP come the network boot programs, whole; by HTTP everything: HEAD, and the first and last
range. What must never be served is asked for too.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from netboot.answer.catalogue import Catalogue
from netboot.doctor import peers
from netboot.doctor.context import Context
from netboot.doctor.finding import Finding, Severity
from netboot.errors import NotServed, OperationError
from netboot.media import library
from netboot.model import ImageFile

AT_ONCE = 4
"""Files asked for at the same time."""
TIME = 6.0
"""Seconds in which new files are begun; the rest is said to be left out."""
RANGE = 65_536
"""Bytes of a range."""
LARGEST_BY_TFTP = 16_000_000
"""Bytes of a file read by TFTP; nothing a firmware loads is as large."""

_FORBIDDEN_BY_TFTP = (
    "../../../../etc/passwd",
    "/etc/passwd",
    "run/token.key",
    "images/../run/token.key",
    "..\\..\\run\\token.key",
    "images/ipxe/manifest.json",
)
_FORBIDDEN_BY_HTTP = (
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/..%2frun%2ftoken.key",
    "/run/token.key",
    "/images/ipxe/manifest.json",
    "/images/",
)
_OK, _PARTIAL, _FIRST_REFUSAL = 200, 206, 400
_tftp = partial(Finding, "tftp")
_http = partial(Finding, "http")
_refused = partial(Finding, "refused")
_Job = Callable[[], str]
"""Does one thing and says what was wrong with it, "" where nothing was."""


def check(context: Context) -> Iterable[Finding]:
    """TFTP and HTTP of the server that runs on this host."""
    if not context.running.boot or not context.interfaces:
        yield _tftp(Severity.NOTICE, "not tried: netboot serve does not run", "sudo netboot serve")
        return
    address, settings = context.interfaces[0].address, context.settings
    catalogue = Catalogue(library.installed(settings.images_dir, _silent))
    files = {name: catalogue.find(name) for name in sorted(catalogue.names)}
    by_tftp = {
        name: file
        for name, file in files.items()
        if not name.startswith("images/") and file.size <= LARGEST_BY_TFTP
    }
    until = time.monotonic() + TIME
    where = f"{address}:{settings.http.port}"
    ask = partial(peers.tftp, address, settings.tftp.port)
    with peers.http() as client:
        base = f"http://{where}"
        tftp = [partial(same_by_tftp, ask, name, file) for name, file in by_tftp.items()]
        http = [partial(same_by_http, client, base, name, file) for name, file in files.items()]
        forbidden = [
            *(partial(refused_by_tftp, ask, name) for name in _FORBIDDEN_BY_TFTP),
            *(partial(refused_by_http, client, base, path) for path in _FORBIDDEN_BY_HTTP),
        ]
        yield from _told(_http, "files by HTTP: HEAD, first and last range right", http, until)
        yield from _told(_tftp, "files read whole by TFTP, every byte right", tftp, until)
        yield from _told(_refused, "names that must not be served are refused", forbidden, until)


def same_by_tftp(ask: Callable[[str], peers.Read], name: str, file: ImageFile) -> str:
    """What is wrong with ``name`` as TFTP gives it."""
    try:
        read = ask(name)
    except (NotServed, OperationError) as problem:
        return f"{name} by TFTP: {problem}"
    if (read.size, read.sha256) != (file.size, file.sha256):
        return f"{name} by TFTP: {read.size} bytes came, not the {file.size} that were verified"
    return ""


def same_by_http(client: httpx.Client, base: str, name: str, file: ImageFile) -> str:
    """What is wrong with ``name`` as HTTP gives it."""
    url = f"{base}/{name}"
    try:
        head = client.head(url)
        length = head.headers.get("Content-Length")
        if head.status_code != _OK or length != str(file.size):
            return f"{name} by HTTP: HEAD gets status {head.status_code}, length {length}"
        for first in {0, max(0, file.size - RANGE)} if file.size else ():
            last = min(first + RANGE, file.size) - 1
            part = client.get(url, headers={"Range": f"bytes={first}-{last}"})
            if part.status_code != _PARTIAL or part.content != _bytes(file, first, last):
                return f"{name} by HTTP: bytes {first} to {last} are not those on disk"
    except httpx.HTTPError as problem:
        return f"{name} by HTTP: {str(problem) or type(problem).__name__}"
    except OSError as problem:
        return f"{name}: cannot be read here: {problem.strerror}"
    return ""


def refused_by_tftp(ask: Callable[[str], peers.Read], name: str) -> str:
    """What is wrong with the refusal of ``name``."""
    try:
        ask(name)
    except NotServed:
        return ""
    except OperationError as problem:
        return f"{name} by TFTP: {problem}, where a refusal should come"
    return f"{name} by TFTP is served"


def refused_by_http(client: httpx.Client, base: str, path: str) -> str:
    """What is wrong with the refusal of ``path``, sent as it is."""
    try:
        answer = client.get(base, extensions={"target": path.encode("ascii")})
    except httpx.HTTPError as problem:
        return f"{path} by HTTP: {str(problem) or type(problem).__name__}"
    return "" if answer.status_code >= _FIRST_REFUSAL else f"{path} by HTTP is served"


def _told(
    finding: Callable[..., Finding], well: str, jobs: Sequence[_Job], until: float
) -> Iterator[Finding]:
    """Do the jobs, some at once, and say how they went."""
    cure = "netboot image verify; is what runs the netboot of this configuration?"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(lambda job: job() if time.monotonic() < until else None, jobs))
    for problem in said_once(problem for problem in said if problem):
        yield finding(Severity.PROBLEM, problem, cure)
    done = sum(1 for problem in said if problem == "")
    if left := said.count(None):
        yield finding(Severity.NOTICE, f"{left} of {len(said)} not tried: no time left")
    if done:
        yield finding(Severity.OK, f"{done} {well}")
    elif not said:
        yield finding(Severity.NOTICE, "nothing to try: no image is fetched")


def said_once(problems: Iterable[str]) -> Iterator[str]:
    """Each problem with its first file, and of how many more it is said."""
    alike: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        alike[problem.partition(": ")[2]].append(problem)
    for first, *more in alike.values():
        yield f"{first}; so of {len(more)} more" if more else first


def _bytes(file: ImageFile, first: int, last: int) -> bytes:
    with file.path.open("rb") as opened:
        opened.seek(first)
        return opened.read(last - first + 1)


def _silent(_problem: str) -> None:
    """Take no notice: the check of images says it."""
