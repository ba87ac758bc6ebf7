"""The boot plane's memory: who is who, what may be served, what each machine is told.

Every protocol shell asks here. Snapshot, rules and catalogue are replaced whole when they change,
so an answer is always made from one consistent state, and nothing is read while a machine waits.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from netboot.answer.catalogue import Catalogue
from netboot.answer.preseed import render_preseed
from netboot.answer.render import Templates
from netboot.answer.script import autoexec_script, error_script, render_script
from netboot.answer.tokens import Tokens
from netboot.boot.attempts import Attempts
from netboot.boot.http import SentFile
from netboot.boot.journal import Journal
from netboot.boot.source import BytesSource, FileSource, Source
from netboot.boot.tables import remember
from netboot.boot.tftp import Outcome, Result
from netboot.errors import NotBootable, NotServed
from netboot.events import Kind
from netboot.learning import Learning
from netboot.matching import described
from netboot.model import (
    Arch,
    Client,
    Decision,
    Firmware,
    Image,
    ImageFile,
    Learned,
    Mac,
    Node,
    Profile,
    Server,
    Verdict,
)
from netboot.policy import IGNORE, Rules, decide
from netboot.snapshot import EMPTY, Snapshot
from netboot.wire.pxe import RASPBERRY_PI_OUIS

MAX_MACHINES = 32_768
"""Machines whose address, description and choice are remembered; the oldest is forgotten."""
AUTOEXEC = "autoexec.ipxe"
"""What iPXE's EFI builds ask for before anything else, always at the TFTP root."""
PRESEED = "preseed.cfg"
MENU = "menu"
"""The profile whose script lets a person pick another one."""

_WHOLE = 200
_NO_SUCH_RANGE = 416
_FIRST_ERROR = 400
_PI_SERIAL = re.compile(r"[0-9a-f]{8}")
_OUTCOMES = {
    Result.PROBE: Kind.PROBE,
    Result.NOT_SERVED: Kind.NOT_SERVED,
    Result.ABORTED: Kind.FAILED,
    Result.TIMED_OUT: Kind.FAILED,
}


class BootPlane:
    """One consistent state of the boot plane, and the answers made from it.

    Args:
        http_port: where our HTTP is.
        advertise: the address machines are told instead of our own, None for our own.
        tokens: makes and checks per-boot tokens.
        learning: what machines taught us in earlier runs.
        attempts: whose DISCOVER was heard in earlier runs.
        templates: where scripts and answer files are looked up.
        clock: seconds since the epoch.

    Attributes:
        rules: what the site says.
        snapshot: every registered node.
        mirror: the Debian mirror installers are sent to, None while it is not known.
        journal: where events go.
        own_addresses: ours; what they ask for is a self-check's, and no machine's business.
        on_lesson: called with every lesson worth keeping when one is new.
    """

    def __init__(
        self,
        *,
        http_port: int,
        advertise: str | None,
        tokens: Tokens,
        learning: Learning,
        attempts: Attempts,
        templates: Templates,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rules = Rules({})
        self.snapshot: Snapshot = EMPTY
        self._http_port = http_port
        self._advertise = advertise
        self._tokens = tokens
        self._learning = learning
        self._attempts = attempts
        self._templates = templates
        self._clock = clock
        self.on_lesson: Callable[[Mapping[Mac, Learned]], None] = lambda _lessons: None
        self.mirror: str | None = None
        self._images: Mapping[str, Image] = {}
        self._catalogue = Catalogue(())
        self._macs: OrderedDict[str, Mac] = OrderedDict()
        self._clients: OrderedDict[Mac, Client] = OrderedDict()
        self._picked: OrderedDict[Mac, str] = OrderedDict()
        self.journal: Journal | None = None
        self.own_addresses: frozenset[str] = frozenset()

    def stock(self, images: Iterable[Image]) -> None:
        """Serve ``images`` from now on; transfers under way keep what they opened."""
        held = tuple(images)
        self._images = {image.name: image for image in held}
        self._catalogue = Catalogue(held)

    def name_of(self, mac: Mac) -> str | None:
        """The name of the node that ``mac`` is, by that address or by all it ever told us."""
        match = self.snapshot.match(self._last_seen(mac))
        return None if match is None else match.node.name

    # --- asked by DHCP

    def discovered(self, client: Client) -> Decision:
        """What a DISCOVER of ``client`` is answered with; asking again teaches us something."""
        decision = self.decide(client)
        if decision.verdict is Verdict.IGNORE:
            return decision  # nothing is kept of strangers: they can be invented without end
        self._attempts.discovered(client.mac, self._clock())
        if client.firmware is Firmware.IPXE:
            return decision
        remember(self._clients, client.mac, client, at_most=MAX_MACHINES)
        learned = self._learning.discovered(client.mac)
        return decide(client, self.snapshot.match(client), self.rules, learned)

    def decide(self, client: Client) -> Decision:
        """What ``client`` gets."""
        learned = self._learning.now(client.mac)
        return decide(client, self.snapshot.match(client), self.rules, learned)

    def _last_seen(self, mac: Mac) -> Client:
        """``mac`` as it last described itself; as an iPXE that said nothing where it never did."""
        return self._clients.get(mac) or Client(mac, Firmware.IPXE, Arch.X64)

    def _as_ipxe(self, mac: Mac) -> Client:
        return replace(self._last_seen(mac), firmware=Firmware.IPXE)

    def took_offer(self, mac: Mac) -> None:
        """``mac`` asked port 4011, or for a file: it took what it was offered."""
        self._learning.progressed(mac)

    def server(self, address: str) -> Server:
        """How machines that reach us at ``address`` are told to come back."""
        return Server(address, self._advertise or address, self._http_port)

    def heard(self, mac: Mac, address: str) -> None:
        """``mac`` uses ``address`` now; kept only of machines that are answered."""
        if self.rules.unknown != IGNORE or self.name_of(mac) is not None:
            remember(self._macs, address, mac, at_most=MAX_MACHINES)
        else:
            self._macs.pop(address, None)  # whose it was before has it no more

    def record(self, kind: Kind, mac: Mac | None, detail: str, **data: str | int) -> None:
        """Write one line of the timeline."""
        if self.journal is not None:
            self.journal.record(kind, mac, detail, **data)

    # --- asked by TFTP

    def find(self, name: str, peer: str, local: str) -> Source:
        """What a TFTP read of ``name`` gets.

        Raises:
            NotServed: nothing is served by that name.
        """
        if (mac := self._macs.get(peer)) is not None:
            self.took_offer(mac)
        if name.lstrip("/") == AUTOEXEC:
            return BytesSource(self.autoexec(peer, local).encode("utf-8"))
        if mac is not None and mac[:8] in RASPBERRY_PI_OUIS:
            return FileSource(self._of_its_image(mac, name).path)
        return FileSource(self.file(name).path)

    def _of_its_image(self, mac: Mac, name: str) -> ImageFile:
        """A Raspberry Pi's ROM asks by bare names, first below its serial number.

        Raises:
            NotServed: its profile's image has no such file, which is normal: it tries many.
        """
        decision = self.decide(Client(mac, Firmware.RPI, Arch.BIOS))
        profile = self.rules.profiles.get(decision.profile or "")
        if profile is None or profile.image is None:
            raise NotServed(f"{mac} has no profile with an image")
        plain = name.lstrip("/")
        folder, _, rest = plain.partition("/")
        if _PI_SERIAL.fullmatch(folder):
            plain = rest
        return self.file(f"images/{profile.image}/{plain}")

    def tftp_outcome(self, outcome: Outcome) -> None:
        """A TFTP read ended."""
        if outcome.peer in self.own_addresses:
            return
        mac = self._macs.get(outcome.peer)
        kind = _OUTCOMES.get(outcome.result) or _kind_of(outcome.name)
        if kind is Kind.LOADER and mac is not None:
            self._learning.loaded(mac)
        detail = f"{outcome.name} by TFTP"
        if outcome.result is Result.DONE:
            detail += f", {outcome.size} bytes in {outcome.seconds:.1f} s"
        else:
            detail += f": {outcome.detail}"
        self.record(kind, mac, detail, file=outcome.name, bytes=outcome.sent, address=outcome.peer)

    # --- asked by HTTP

    def health(self) -> str | None:
        """Why we cannot serve, None when we can."""
        if self.snapshot is EMPTY:
            return "no nodes are known yet: the control program has not sent them"
        return None

    def file(self, name: str) -> ImageFile:
        """The catalogue's entry for ``name``.

        Raises:
            NotServed: there is none.
        """
        return self._catalogue.find(name)

    def autoexec(self, peer: str, local: str) -> str:  # noqa: ARG002 -- the shells' common shape
        """The script iPXE runs first; it leads to this machine's own."""
        return autoexec_script(self.server(local), templates=self._templates)

    def script(self, mac: Mac, peer: str, local: str, query: Mapping[str, str]) -> str:
        """The iPXE script of the machine with ``mac``.

        Raises:
            NotServed: the machine is one we ignore.
        """
        client = described(self._as_ipxe(mac), query)
        decision = self.decide(client)
        if decision.verdict is Verdict.IGNORE or decision.profile is None:
            self.record(Kind.IGNORED, mac, decision.reasons[-1])
            raise NotServed(decision.reasons[-1])
        remember(self._clients, mac, client, at_most=MAX_MACHINES)
        self.heard(mac, peer)
        profile = self._chosen(mac, decision.profile, query.get("profile", ""))
        try:
            text = self._rendered(client, profile, self.server(local))
        except NotBootable as problem:
            self.record(Kind.FAILED, mac, str(problem), profile=profile.name)
            return error_script(str(problem), self.server(local), mac)
        data = {"profile": profile.name, "image": profile.image or "", "address": peer}
        self.record(Kind.SCRIPT, mac, f"→ {profile.name}", **data)
        if self._learning.scripted(mac):
            self.on_lesson(self._learning.lessons())
        return text

    def node_file(self, token: str, name: str, peer: str, local: str) -> bytes:
        """A file that belongs to one boot of one machine.

        Raises:
            AlreadyGiven: this boot has had it.
            NotServed: the token or the name is not good.
        """
        mac = self._tokens.check(token)
        client = self._as_ipxe(mac)
        decision = self.decide(client)
        if name != PRESEED or decision.profile is None:
            raise NotServed(f"{name} is no file of this boot")
        profile = self._chosen(mac, decision.profile, self._picked.get(mac, ""))
        if profile.preseed is None:
            raise NotServed(f"profile {profile.name} has no {name}")
        url = _token_url(self.server(local), token)
        try:
            text = self._preseed(client, profile, self.server(local), url)
            self._attempts.give(mac, name, peer)
        except NotBootable as problem:
            self.record(Kind.FAILED, mac, str(problem), profile=profile.name)
            raise NotServed(str(problem)) from problem
        except NotServed as problem:
            self.record(Kind.ALARM, mac, f"{problem}; asked for by {peer}", address=peer)
            raise
        self.record(Kind.PRESEED, mac, f"{name} by HTTP", file=name, address=peer)
        return text.encode("utf-8")

    def sent(self, sent: SentFile) -> None:
        """A reply with a file is over; pieces of one (HEAD, ranges) are not worth a line each."""
        if sent.peer in self.own_addresses:
            return
        mac = self._macs.get(sent.peer)
        if sent.status >= _FIRST_ERROR and sent.status != _NO_SUCH_RANGE:
            problem = f"{sent.name} should be served but is away or changed: netboot image verify"
            self.record(Kind.FAILED, mac, problem, file=sent.name, address=sent.peer)
        elif sent.status == _WHOLE and sent.sent == sent.size and sent.complete:
            detail = f"{sent.name} by HTTP, {sent.sent} bytes in {sent.seconds:.1f} s"
            kind = _kind_of(sent.name)
            if kind is Kind.LOADER and mac is not None:
                self._learning.loaded(mac)
            self.record(kind, mac, detail, file=sent.name, bytes=sent.sent, address=sent.peer)
        elif not sent.complete and sent.sent:
            problem = f"{sent.name} by HTTP broke off after {sent.sent} of {sent.size} bytes"
            self.record(Kind.FAILED, mac, problem, file=sent.name, address=sent.peer)

    def _chosen(self, mac: Mac, decided: str, picked: str) -> Profile:
        """The decided profile, or the one a person picked where the decision was the menu."""
        if decided != MENU or picked not in self.rules.profiles:
            self._picked.pop(mac, None)
            return self.rules.profiles[decided]
        remember(self._picked, mac, picked, at_most=MAX_MACHINES)
        return self.rules.profiles[picked]

    def _rendered(self, client: Client, profile: Profile, server: Server) -> str:
        image = self._images.get(profile.image or "")
        url = None
        if profile.preseed:
            if not self._attempts.may_have_token(client.mac, self._clock()):
                raise NotBootable(
                    f"{client.mac} sent no DISCOVER in the last hour, so it gets no secrets; "
                    "restart it, and see that its DHCP requests reach this server"
                )
            url = _token_url(server, self._tokens.issue(client.mac))
            # rendered for its errors: the machine hears of them now, not in mid-installation
            self._preseed(client, profile, server, url)
        return render_script(
            self._node_of(client),
            client,
            profile,
            image,
            server,
            url,
            profiles=self.rules.profiles.values(),
            templates=self._templates,
        )

    def _node_of(self, client: Client) -> Node | None:
        match = self.snapshot.match(client)
        return None if match is None else match.node

    def _preseed(self, client: Client, profile: Profile, server: Server, token_url: str) -> str:
        if self.mirror is None:
            raise NotBootable('no Debian mirror is known: set [debian] mirror = "http://…/debian"')
        return render_preseed(
            self._node_of(client),
            profile,
            server,
            self.mirror,
            mac=client.mac,
            image=self._images.get(profile.image or ""),
            token_url=token_url,
            templates=self._templates,
        )


def _token_url(server: Server, token: str) -> str:
    return f"{server.url}/node/{token}"


def _kind_of(name: str) -> Kind:
    last = name.rsplit("/", 1)[-1]
    if last in ("linux", "vmlinuz"):
        return Kind.KERNEL
    if last.startswith("initrd"):
        return Kind.INITRD
    return Kind.LOADER if last.endswith((".efi", ".kpxe", ".pxe")) else Kind.FILE
