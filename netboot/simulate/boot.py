"""A whole boot, read from top to bottom: the firmware, then iPXE, then the installer's first file.

Nothing is executed: a loader is read and thrown away, and a script's ``boot`` ends in the one
request an installer makes next, for its preseed.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urljoin, urlsplit

from netboot.model import Arch
from netboot.simulate.dhcp import Reply
from netboot.simulate.effects import Get, Got, HttpGet, Problem, Sleep, Steps, TftpGet
from netboot.simulate.firmware import FIRMWARE, IPXE_WORDS
from netboot.simulate.ipxe import MAGIC, MAX_SCRIPT, Ended, Interpreter
from netboot.simulate.machine import Kind, Machine, Stage, Stop
from netboot.simulate.network import Clock, Network, Stopped
from netboot.simulate.offers import Choice
from netboot.simulate.packets import Packets
from netboot.simulate.raspberry import FILES

AUTOEXEC = "autoexec.ipxe"

_EFI_AGENT = "UefiHttpBoot/1.0"
_IPXE_AGENT = "iPXE/1.21.1"
_INSTALLER_AGENT = "debian-installer"
_PRESEED_KEYS = ("url", "preseed/url")
_IPXE_TFTP = (("blksize", 1432), ("tsize", 0))


class Boot:
    """One machine's boot.

    Args:
        machine: who boots.
        clock: what time it is.
        reached: told each stage as it is reached.

    Attributes:
        expected: what the machine would say if nothing more came.
        network: its DHCP.
        bytes: what it has read.
    """

    def __init__(self, machine: Machine, clock: Clock, reached: Callable[[Stage], None]) -> None:
        self._machine = machine
        self._clock = clock
        self._reached = reached
        self._firmware = FIRMWARE[machine.kind]
        self.expected = Stop(self._firmware.words.nothing)
        self.network = Network(machine, clock, self.expect)
        self.bytes = 0
        self._chained = machine.kind is not Kind.IPXE
        self._location = ""
        self._kernel: tuple[str, ...] | None = None
        self._settings = {
            "net0/mac": machine.mac,
            "netX/mac": machine.mac,
            "mac": machine.mac,
            "uuid": str(machine.uuid),
            "serial": machine.serial,
            "platform": "pcbios" if machine.arch == Arch.BIOS else "efi",
            "user-class": "iPXE",
        }
        self._interpreter = Interpreter(self._settings, self)

    def expect(self, stop: Stop) -> None:
        """From now on, silence means this."""
        self.expected = stop

    def steps(self) -> Steps[None]:
        """The boot.

        Raises:
            Stopped: it ends early.
        """
        if self._machine.kind is not Kind.IPXE:
            source = yield from self._boot_source(self._machine.kind, as_ipxe=False)
            if self._machine.kind is Kind.RPI:
                yield from self._raspberry(source)
                return
            yield from self._loader(source)
        yield from self._ipxe()

    # --- the firmware

    def _boot_source(self, kind: Kind, *, as_ipxe: bool) -> Steps[Reply]:
        """DHCP to the reply that names the boot file."""
        packets = Packets(self._machine, as_ipxe, self._chained)
        choice: Choice = yield from self.network.discover(
            kind, packets, lambda: self._reached(Stage.OFFER)
        )
        if choice.lease is not None:
            yield from self.network.request(kind, packets, choice.lease)
        if self._machine.has_address:
            yield self.network.announce(packets)
        self._settings["net0/ip"] = self._settings["ip"] = self._machine.address
        if choice.boot is not None:
            return choice.boot
        return (yield from self.network.ask(kind, packets, choice.ask))

    def _loader(self, source: Reply) -> Steps[None]:
        """Read the network boot program, its size first where the firmware does so."""
        if self._machine.kind is Kind.HTTP:
            self._location = source.bootfile
            yield from self._whole(HttpGet(self._location, _EFI_AGENT, head=True))
            yield from self._whole(HttpGet(self._location, _EFI_AGENT))
        else:
            self._location = _tftp_url(source.boot_server, source.bootfile)
            options = tuple(self._firmware.tftp.items())
            if self._firmware.probes:
                probing = (("tsize", 0), *options)
                yield from self._whole(
                    TftpGet(source.boot_server, source.bootfile, probing, probe=True)
                )
            yield from self._whole(TftpGet(source.boot_server, source.bootfile, options))
        self._reached(Stage.LOADER)

    def _raspberry(self, source: Reply) -> Steps[None]:
        """Its own file set, below its serial number if ``start4.elf`` is there, else at the root.

        Misses are normal; without its firmware and a kernel it stops.
        """
        named = source.tftp_server if source.tftp_server.count(".") == 3 else ""  # noqa: PLR2004 -- dots of an address
        server = named or source.boot_server
        options = tuple(self._firmware.tftp.items())
        prefix = f"{self._machine.serial}/"
        for file in FILES:
            got: Got = yield from self._get(TftpGet(server, prefix + file.name, options))
            if got.problem is Problem.MISSING and file.decides and prefix:
                prefix = ""
                got = yield from self._get(TftpGet(server, file.name, options))
            if got.problem is None and file.stage is not None:
                self._reached(file.stage)
            elif got.problem not in (None, Problem.MISSING) or (got.problem and file.needed):
                raise Stopped(self._failure(got, f"tftp://{server}/{prefix}{file.name}"))

    # --- iPXE

    def _ipxe(self) -> Steps[None]:
        """EFI builds run ``autoexec.ipxe``; without it, and under BIOS, DHCP leads on."""
        if self._chained and self._machine.arch != Arch.BIOS:
            yield from self._autoexec()  # where it fails, the boot goes on without it
        url = yield from self._filename()
        text, problem = yield from self.chain(url)
        if not problem:
            problem = yield from self._run(text)
        raise Stopped(Stop(f"iPXE: {problem or 'the script ended without booting'}", url))

    def _autoexec(self) -> Steps[None]:
        # by TFTP only ever at the root, by HTTP beside the loader
        root = "/" if self._location.startswith("tftp:") else ""
        url = self._target(root + AUTOEXEC)
        text, problem = yield from self._fetch_script(url)
        if not problem:
            yield from self._run(text)

    def _filename(self) -> Steps[str]:
        """DHCP as iPXE to the URL of what it is to run."""
        source = yield from self._boot_source(Kind.IPXE, as_ipxe=True)
        self._settings |= {"filename": source.bootfile, "next-server": source.boot_server}
        if "://" in source.bootfile:
            return source.bootfile
        return _tftp_url(source.boot_server, source.bootfile)

    def _run(self, text: str) -> Steps[str]:
        try:
            return (yield from self._interpreter.run(text))
        except Ended as end:
            raise Stopped(Stop(f"iPXE: the script {end}", self._location)) from None

    # --- what a script can have done (ipxe.Actions)

    def chain(self, url: str) -> Steps[tuple[str, str]]:
        """Fetch a script; the machine's own by HTTP is a stage."""
        target = self._target(url)
        text, problem = yield from self._fetch_script(target)
        if not problem:
            self._location = target
            self._reached(Stage.SCRIPT)
        return text, problem

    def image(self, command: str, url: str, arguments: Sequence[str]) -> Steps[str]:
        """Fetch a kernel or an initrd and throw it away."""
        target = self._target(url)
        got: Got = yield from self._get(_ipxe_get(target))
        if got.problem is not None:
            return self._ipxe_problem(got, target)
        if command == "kernel":
            self._kernel = tuple(arguments)
            self._reached(Stage.KERNEL)
        elif command in ("initrd", "imgfetch", "module"):
            self._reached(Stage.INITRD)
        return ""

    def boot(self) -> Steps[str]:
        """Start the kernel: as its installer would, ask for the preseed its command line names."""
        if self._kernel is None:
            return "boot: No such file or directory"
        url = _preseed_url(self._kernel)
        if not url:
            raise Stopped(Stop("The kernel starts", "its command line names no preseed by url="))
        self.expect(Stop("Failed to retrieve the preconfiguration file", url))
        got = yield from self._get(HttpGet(url, _INSTALLER_AGENT))
        if got.problem is not None:
            why = f"{url}: {got.detail}"
            raise Stopped(Stop("Failed to retrieve the preconfiguration file", why))
        self._reached(Stage.PRESEED)
        raise Stopped(Stop("The installer starts", "that is as far as a fake machine goes"))

    def dhcp(self) -> Steps[str]:
        """A script's ``dhcp``: an address, whatever there is to boot."""
        packets = Packets(self._machine, as_ipxe=True, chained=self._chained)
        try:
            choice = yield from self.network.discover(Kind.IPXE, packets, lambda: None)
            if choice.lease is not None:
                yield from self.network.request(Kind.IPXE, packets, choice.lease)
        except Stopped as stopped:
            return str(stopped)
        self._settings["net0/ip"] = self._settings["ip"] = self._machine.address
        return ""

    def sleep(self, seconds: float) -> Steps[None]:
        """Wait."""
        yield Sleep(self._clock.now + seconds)

    # --- reading

    def _target(self, url: str) -> str:
        """``url`` as seen from the running script; as it stands where it is none."""
        try:
            return _joined(self._location, url)
        except ValueError:
            return url

    def _fetch_script(self, url: str) -> Steps[tuple[str, str]]:
        got: Got = yield from self._get(_ipxe_get(url, MAX_SCRIPT))
        if got.problem is not None:
            return "", self._ipxe_problem(got, url)
        if not got.body.startswith(MAGIC):
            return "", f"{url}: is no script, and a fake machine runs nothing else"
        return got.body.decode("utf-8", "replace"), ""

    def _ipxe_problem(self, got: Got, url: str) -> str:
        words = {
            Problem.MISSING: IPXE_WORDS.missing,
            Problem.NO_ANSWER: IPXE_WORDS.no_answer,
            Problem.BROKE_OFF: IPXE_WORDS.broke_off,
        }.get(got.problem or Problem.REFUSED, IPXE_WORDS.refused)
        problem = f"{url}: {words}" + (f" ({got.detail})" if got.detail else "")
        self.expect(Stop(f"iPXE: {problem}"))
        return problem

    def _whole(self, get: Get) -> Steps[Got]:
        """Read as the firmware does.

        Raises:
            Stopped: it cannot be read.
        """
        got: Got = yield from self._get(get)
        if got.problem is not None:
            raise Stopped(self._failure(got, _described(get)))
        return got

    def _failure(self, got: Got, what: str) -> Stop:
        words = self._firmware.words
        said = {
            Problem.MISSING: words.missing,
            Problem.NO_ANSWER: words.no_answer,
            Problem.BROKE_OFF: words.broke_off,
        }.get(got.problem or Problem.REFUSED, words.refused)
        return Stop(said, f"{what}: {got.detail}")

    def _get(self, get: Get) -> Steps[Got]:
        what = _described(get)
        silence = Got(Problem.NO_ANSWER, "no answer")
        in_ipxe = isinstance(get, HttpGet) and get.agent == _IPXE_AGENT
        self.expect(
            Stop(f"iPXE: {what}: {IPXE_WORDS.no_answer}")
            if in_ipxe
            else self._failure(silence, what)
        )
        got: Got = yield get
        if not (isinstance(get, TftpGet) and get.probe):
            self.bytes += got.size
        return got


def _ipxe_get(url: str, keep: int = 0) -> Get:
    try:
        parts = urlsplit(url)
    except ValueError:  # whoever is to fetch it says so
        return HttpGet(url, _IPXE_AGENT, keep=keep)
    if parts.scheme == "tftp":
        return TftpGet(parts.hostname or "", parts.path.removeprefix("/"), _IPXE_TFTP, keep=keep)
    return HttpGet(url, _IPXE_AGENT, keep=keep)


def _joined(base: str, url: str) -> str:
    """RFC 3986 section 5.2, which the library does for HTTP but not for TFTP."""
    if not base.startswith("tftp:"):
        return urljoin(base, url)
    found = urljoin(f"http:{base.removeprefix('tftp:')}", url)
    return found if "://" in url else f"tftp:{found.removeprefix('http:')}"


def _tftp_url(server: str, name: str) -> str:
    return f"tftp://{server}/{name}"


def _described(get: Get) -> str:
    return get.url if isinstance(get, HttpGet) else _tftp_url(get.server, get.name)


def _preseed_url(arguments: Sequence[str]) -> str:
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key in _PRESEED_KEYS and value:
            return value
    return ""
