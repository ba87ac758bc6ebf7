"""Program 1: answers machines. Puts the pieces together once; holds no logic of its own."""

import errno
import gc
import logging
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import psutil
from twisted.logger import STDLibLogObserver, globalLogBeginner

from netboot import learning
from netboot.answer.catalogue import loaders_in
from netboot.answer.profiles import load_profiles, stamp
from netboot.answer.render import Templates
from netboot.answer.tokens import Tokens, load_key
from netboot.boot import boot_once
from netboot.boot.attempts import Attempts
from netboot.boot.bearers import Bearers
from netboot.boot.boot_once import BootOnce
from netboot.boot.dhcp import ProxyDhcp
from netboot.boot.drops import DropReport
from netboot.boot.http import BootHttp
from netboot.boot.installations import Installations
from netboot.boot.journal import Journal
from netboot.boot.kept import KeptFile
from netboot.boot.link import ControlLink
from netboot.boot.machines import Machines
from netboot.boot.personal import Personal
from netboot.boot.plane import BootPlane
from netboot.boot.syslog import InstallerLog
from netboot.boot.tftp import TftpLimits, TftpServer
from netboot.config import Settings
from netboot.console import Console
from netboot.errors import ConfigError
from netboot.frames import Counts
from netboot.guide import see
from netboot.learning import Learning
from netboot.media import library, mirror
from netboot.model import Image, Mac
from netboot.policy import IGNORE, Rules
from netboot.secure_boot.chain import UNDER_WAY, Judged, judge
from netboot.survey import choose, holder
from netboot.wire import iana

TICK_SECONDS = 0.5
"""How often profiles, switched images, stages and silence are looked at; each costs microseconds.
A change shows in answers within a second."""

KEEP_EVERY = 10
"""Ticks between two writes of what was heard, and between two reports of what was dropped."""
GC_AFTER = 20_000
"""Objects made until the next look for cycles: what is kept of a machine has none."""
MAX_TABLE_FILE = 16 << 20
"""Bytes a table on disk may have: every machine that is remembered, and to spare."""

_DONE = msgspec.json.Decoder(dict[Mac, int])
_HEARD = msgspec.json.Decoder(dict[Mac, float])

log = logging.getLogger(__name__)


class BootProgram:
    """Everything program 1 is made of.

    Args:
        settings: the configuration.
        console: where events are shown.
    """

    def __init__(self, settings: Settings, console: Console) -> None:
        # Twisted picks its reactor when it is first imported; nothing else may have done so
        from twisted.internet import reactor  # noqa: PLC0415 -- see above

        self._reactor: Any = reactor
        self._settings = settings
        self._console = console
        self._addresses = {found.name: found.address for found in choose(settings)}
        lessons = KeptFile(
            reactor, settings.run_dir / learning.FILE, learning.decode, MAX_TABLE_FILE
        )
        self._heard = KeptFile(
            reactor, settings.run_dir / "heard.json", _HEARD.decode, MAX_TABLE_FILE
        )
        self._attempts = Attempts(self._heard.read())
        self._done = KeptFile(
            reactor, settings.run_dir / "installed.json", _DONE.decode, MAX_TABLE_FILE
        )
        self._installations = Installations(self._done.read())
        self._obeyed = KeptFile(
            reactor, settings.run_dir / "obeyed.json", boot_once.decode, MAX_TABLE_FILE
        )
        self._boot_once = BootOnce(self._obeyed.read())
        self._ticks = 0
        self._machines = Machines(
            http_port=settings.http.port,
            advertise=settings.http.advertise,
            learning=Learning(lessons.read()),
            attempts=self._attempts,
            installations=self._installations,
            boot_once=self._boot_once,
        )
        self._machines.on_lesson = lambda worked: lessons.keep(learning.encode(worked))
        self._personal = Personal(Templates(settings.templates))
        tokens = Tokens(load_key(settings.run_dir / "token.key"), time.time)
        bearers = Bearers(self._machines, self._personal, tokens)
        bearers.on_home = self._keep_done
        self._plane = BootPlane(self._machines, self._personal, bearers, self._restock)
        self._link = ControlLink(
            reactor,
            settings.run_dir / "boot.sock",
            settings.run_dir / "snapshot.json",
            self._machines.follow,
        )
        self._journal = Journal(
            self._machines.name_of, [self._link.send, console.event], later=self._later
        )
        self._machines.journal = self._journal
        self._machines.own_addresses = frozenset(self._addresses.values())
        self._dhcp = ProxyDhcp(reactor, self._machines, self._addresses)
        self._tftp = TftpServer(
            reactor,
            self._plane.find,
            self._plane.tftp_outcome,
            port=settings.tftp.port,
            limits=TftpLimits(
                max_windowsize=settings.tftp.windowsize, single_port=settings.tftp.single_port
            ),
        )
        self._http = BootHttp(reactor, self._plane, port=settings.http.port)
        self._syslog = InstallerLog(reactor, self._machines, port=settings.syslog.port)
        parts = (self._dhcp, self._tftp, self._http, self._syslog, self._journal, self._link)
        self._drops = DropReport([part.drops for part in parts])
        self._stamp: object = None
        self._profiles_stamp: object = stamp(settings.templates)
        rules = _rules(settings, console.line)
        self._machines.rules = replace(rules, signed=UNDER_WAY.loaders)

    def run(self) -> None:
        """Serve until SIGTERM.

        Raises:
            ConfigError: a port is held, or an interface is away.
        """
        observer = STDLibLogObserver()
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)  # type: ignore[list-item]  # declared by zope, which mypy does not see
        self._restock()
        self._opened("UDP", iana.PXE_PORT, self._dhcp.start)
        self._opened("UDP", self._settings.tftp.port, self._tftp.start)
        self._opened("TCP", self._settings.http.port, self._http.start)
        self._hear_installers()
        self._link.start()
        self._reactor.addSystemEventTrigger("before", "shutdown", self._journal.flush)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._link.stop)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._http.stop)
        self._reactor.addSystemEventTrigger("during", "shutdown", self._dhcp.stop)
        self._reactor.addSystemEventTrigger("during", "shutdown", self._tftp.stop)
        self._reactor.addSystemEventTrigger("during", "shutdown", self._syslog.stop)
        self._reactor.callWhenRunning(self._ready)
        self._reactor.callInThread(self._find_mirror)
        self._reactor.callLater(TICK_SECONDS, self._tick)
        _look_for_cycles_seldom()
        self._reactor.run()

    def _opened(self, protocol: str, port: int, start: Callable[[], None]) -> None:
        try:
            start()
        except PermissionError as error:
            problem = "needs root, or CAP_NET_RAW and CAP_NET_BIND_SERVICE"
            raise ConfigError(f"{protocol} port {port}", "", problem) from error
        except OSError as error:
            held = error.errno == errno.EADDRINUSE
            by = holder(protocol.lower(), port) if held else None
            raise ConfigError(
                f"{protocol} port {port}",
                "",
                f"is held by {by}; {see('port-held')}"
                if by is not None
                else f"cannot be opened: {error.strerror}",
            ) from error

    def _hear_installers(self) -> None:
        """The one port that machines boot without: a log server may well have it."""
        if not self._settings.syslog.listen:
            return
        try:
            self._syslog.start()
        except OSError as error:
            port = self._settings.syslog.port
            held = holder("udp", port) if error.errno == errno.EADDRINUSE else None
            why = f"is held by {held}" if held else f"cannot be opened: {error.strerror}"
            self._console.line(
                f"UDP port {port} {why}: installers' own logs will not be in the timeline; "
                "[syslog] port = another, or listen = false"
            )

    def _find_mirror(self) -> None:
        """In a thread: the host's apt is asked, which takes longer than a machine should wait."""
        try:
            self._personal.mirror = mirror.find(self._settings).url
        except ConfigError as problem:
            self._reactor.callFromThread(self._console.line, str(problem))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._reactor.callLater(seconds, call)

    def _tick(self) -> None:
        self._reactor.callLater(TICK_SECONDS, self._tick)
        self._dhcp.follow()
        self._reload()
        self._restock()
        self._journal.tick()
        self._console.quiet(time.time())
        if (dropped := self._drops.line(time.monotonic())) is not None:
            self._console.line(dropped)
        self._machines.remind()
        self._ticks += 1
        if self._ticks % KEEP_EVERY == 0:
            self._keep_heard()
            self._link.count(self._counts())
        self._keep_done()

    def _counts(self) -> Counts:
        return Counts(
            dict(self._drops.totals()),
            self._dhcp.tally.requests(),
            self._tftp.sent,
            dict(self._addresses),
            self._dhcp.tally.servers(),
        )

    def _keep_done(self) -> None:
        if self._installations.changed:
            self._installations.changed = False
            self._done.keep(msgspec.json.encode(self._installations.kept()))
        if self._boot_once.changed:
            self._boot_once.changed = False
            self._obeyed.keep(msgspec.json.encode(self._boot_once.kept))

    def _keep_heard(self) -> None:
        """What was heard since the last time goes to disk, for a restart in mid-boot."""
        if self._attempts.changed:
            self._attempts.changed = False
            self._heard.keep(msgspec.json.encode(self._attempts.heard(time.time())))

    def _reload(self) -> None:
        """Take changed profiles; templates are looked at whenever one is rendered."""
        found = stamp(self._settings.templates)
        if found == self._profiles_stamp:
            return
        self._profiles_stamp = found
        try:
            rules = _rules(self._settings, self._console.line)
            now = self._machines.rules
            self._machines.rules = replace(
                rules, signed=now.signed, kernels=now.kernels, loaders=now.loaders
            )
        except ConfigError as problem:
            self._console.line(f"{problem}; the profiles before are kept")

    def _restock(self) -> None:
        """Serve newly fetched images; cheap when nothing changed."""
        stamp = library.stamp(self._settings.images_dir)
        if stamp != self._stamp:
            self._stamp = stamp
            images = library.installed(self._settings.images_dir)
            self._plane.stock(images)
            self._machines.rules = replace(self._machines.rules, loaders=loaders_in(images))
            self._reactor.callInThread(self._judge, images)

    def _judge(self, images: tuple[Image, ...]) -> None:
        """In a thread: signatures are checked by another program."""
        self._reactor.callFromThread(self._judged, judge(images))

    def _judged(self, judged: Judged) -> None:
        for name in sorted(judged.shims):
            if problem := judged.loaders[name]:
                self._console.line(f"no machine with Secure Boot will start {name}: it {problem}")
        signed, kernels = judged.loaders, judged.kernels
        self._machines.rules = replace(self._machines.rules, signed=signed, kernels=kernels)

    def _ready(self) -> None:
        seconds = time.time() - psutil.Process().create_time()
        where = ", ".join(f"{name} {address}" for name, address in self._addresses.items())
        self._console.line(f"ready in {seconds:.2f} s on {where}")


def run(settings: Settings, console: Console) -> None:
    """Be program 1 until SIGTERM.

    Raises:
        ConfigError: a setting is wrong, or a port is held.
    """
    _raise_descriptor_limit()
    settings.run_dir.mkdir(mode=0o710, parents=True, exist_ok=True)
    BootProgram(settings, console).run()


def _look_for_cycles_seldom() -> None:
    """All that is loaded by now stays; to walk through it would make machines wait 0.1 s."""
    gc.freeze()
    gc.set_threshold(GC_AFTER)


def _raise_descriptor_limit() -> None:
    """A transfer holds two descriptors; the usual soft limit of 1,024 is for another age."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _rules(settings: Settings, report: Callable[[str], None]) -> Rules:
    """The site's rules, with the profiles as their files are now.

    Raises:
        ConfigError: ``dhcp.unknown`` names no profile.
    """
    profiles = load_profiles(settings.templates, report)
    unknown = settings.dhcp.unknown
    if unknown not in (IGNORE, *profiles):
        allowed = ", ".join([IGNORE, *sorted(profiles)])
        raise ConfigError("configuration", "dhcp.unknown", f'= "{unknown}": allowed: {allowed}')
    return Rules(profiles, unknown, settings.redfish_facade.members)
