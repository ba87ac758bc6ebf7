"""What machines are served by TFTP and HTTP, and what is written down about it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from netboot.answer import grub
from netboot.answer.catalogue import Catalogue
from netboot.answer.script import error_script, subject
from netboot.answer.signed import refuse_unsigned
from netboot.answer.springboard import Patched
from netboot.answer.told import told
from netboot.boot.bearers import Bearers
from netboot.boot.http import SentFile
from netboot.boot.machines import Machines
from netboot.boot.personal import Personal
from netboot.boot.source import BytesSource, FileSource, Source
from netboot.boot.springboards import FOLDER, Springboards
from netboot.boot.tftp import Outcome, Result
from netboot.decision import Verdict
from netboot.errors import NotBootable, NotServed
from netboot.events import Kind
from netboot.model import Arch, Client, Firmware, Image, ImageFile, Mac, Node, Profile, Server
from netboot.snapshot import EMPTY
from netboot.wire.pxe import RASPBERRY_PI_OUIS

AUTOEXEC = "autoexec.ipxe"
"""What iPXE's EFI builds ask for before anything else, always at the TFTP root."""

_RETRY = {Firmware.IPXE: "ipxe/retry.ipxe", Firmware.GRUB: "grub/retry.cfg"}
_WHOLE = 200
_FIRST_ERROR = 400
_OF_ITS_OWN = frozenset({412, 416})
"""Errors of whoever asks: the file is another one than it had in mind, or shorter."""
_PI_SERIAL = re.compile(r"[0-9a-f]{8}")
_OUTCOMES = {
    Result.PROBE: Kind.PROBE,
    Result.NOT_SERVED: Kind.NOT_SERVED,
    Result.ABORTED: Kind.FAILED,
    Result.TIMED_OUT: Kind.FAILED,
}


class BootPlane:
    """What stands behind TFTP and HTTP.

    Args:
        machines: who is who.
        personal: what is rendered for one machine.
        bearers: who shows a token.
        restock: has ``stock`` called where images were fetched just now.
    """

    def __init__(
        self,
        machines: Machines,
        personal: Personal,
        bearers: Bearers,
        restock: Callable[[], None] = lambda: None,
    ) -> None:
        self._machines = machines
        self._personal = personal
        self._bearers = bearers
        self._catalogue = Catalogue(())
        self._springboards = Springboards(machines, personal, restock)

    def stock(self, images: Iterable[Image]) -> None:
        """Serve ``images`` from now on; transfers under way keep what they opened."""
        held = tuple(images)
        self._personal.images = {image.name: image for image in held}
        self._catalogue = Catalogue(held)
        self._springboards.stock(self._personal.images)

    # --- asked by TFTP

    def find(self, name: str, peer: str, local: str) -> Source:
        """What a TFTP read of ``name`` gets.

        Raises:
            NotServed: nothing is served by that name.
        """
        if (mac := self._machines.at(peer)) is not None:
            self._machines.took_offer(mac)
        if name.lstrip("/") == grub.FIRST:
            return BytesSource(self.first_config(local).encode("utf-8"))
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
        decision = self._machines.decide(Client(mac, Firmware.RPI, Arch.BIOS))
        profile = self._machines.rules.profiles.get(decision.profile or "")
        if profile is None or profile.image is None:
            raise NotServed(f"{mac} has no profile with an image")
        plain = name.lstrip("/")
        folder, _, rest = plain.partition("/")
        if _PI_SERIAL.fullmatch(folder):
            plain = rest
        return self.file(f"images/{profile.image}/{plain}")

    def tftp_outcome(self, outcome: Outcome) -> None:
        """A TFTP read ended."""
        if outcome.peer in self._machines.own_addresses:
            return
        if outcome.result is Result.NOT_SERVED and grub.LOOKED_FOR.match(outcome.name):
            return
        mac = self._machines.at(outcome.peer)
        kind = _OUTCOMES.get(outcome.result) or _kind_of(outcome.name)
        if kind is Kind.LOADER and mac is not None:
            self._machines.loaded(mac)
        detail = f"{outcome.name} by TFTP"
        if outcome.result in (Result.DONE, Result.UNCONFIRMED):
            detail += f", {outcome.size} bytes in {outcome.seconds:.1f} s"
            if outcome.detail:
                detail += f" ({outcome.detail})"
        else:
            detail += f": {outcome.detail}"
        self._machines.record(
            kind, mac, detail, file=outcome.name, bytes=outcome.sent, address=outcome.peer
        )

    # --- asked by HTTP

    def health(self) -> str | None:
        """Why we cannot serve, None when we can."""
        if self._machines.snapshot is EMPTY:
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
        return self._personal.autoexec(self._machines.server(local))

    def script(self, mac: Mac, peer: str, local: str, query: Mapping[str, str]) -> str:
        """The iPXE script of the machine with ``mac``.

        Raises:
            NotServed: the machine is one we ignore.
        """
        client = self._machines.as_ipxe(mac, query or None)
        return self._script(client, peer, local, query.get("profile", ""))

    def first_config(self, local: str) -> str:
        """What GRUB reads first; it leads to this machine's own configuration."""
        return self._personal.first_config(self._machines.server(local))

    def config(self, mac: Mac, peer: str, local: str, query: Mapping[str, str]) -> str:
        """GRUB's configuration of the machine with ``mac``.

        Raises:
            NotServed: the machine is one we ignore.
        """
        client = self._machines.as_grub(mac)
        return self._script(client, peer, local, query.get("profile", ""))

    def _script(self, client: Client, peer: str, local: str, picked: str) -> str:
        """What ``client``, which is iPXE or GRUB, is told.

        Raises:
            NotServed: the machine is one we ignore.
        """
        machines, mac = self._machines, client.mac
        decision = machines.decide(client)
        if decision.verdict is Verdict.IGNORE or decision.profile is None:
            machines.record(Kind.IGNORED, mac, decision.reasons[-1])
            raise NotServed(decision.reasons[-1])
        machines.described_itself(client)
        machines.heard(mac, peer)
        profile = machines.choose(mac, decision.profile, picked)
        node, server = machines.node(client), machines.server(local)
        try:
            token = self._bearers.issue(mac, node, profile)
            text = self._written(client, told(node, decision), profile, server, token)
        except NotBootable as problem:
            machines.record(Kind.FAILED, mac, str(problem), profile=profile.name)
            return error_script(str(problem), server, mac, _RETRY[client.firmware])
        if token is not None:
            machines.speaks(mac, peer)
        installation = {"installation": node.installation} if profile.erases and node else {}
        machines.record(
            Kind.SCRIPT,
            mac,
            f"→ {profile.name}",
            profile=profile.name,
            image=profile.image or "",
            address=peer,
            **installation,
        )
        if node is not None and decision.override is not None:
            machines.obeys(mac, node, decision.override)
        machines.scripted(mac)
        return text

    def _written(
        self, client: Client, node: Node | None, profile: Profile, server: Server, token: str | None
    ) -> str:
        """The script of ``profile``, in the language of ``client``.

        Raises:
            NotBootable: it cannot be made, or the machine would refuse what it starts.
        """
        is_grub = client.firmware is Firmware.GRUB
        rules = self._machines.rules
        text = self._personal.script(
            *(client, node, grub.form(profile) if is_grub else profile, server, token),
            rules.profiles.values(),
            self._machines.volume(node),
        )
        if node is not None and node.secure_boot:
            refuse_unsigned(text, rules.kernels, subject(node, client.mac))
        return text

    def media(self, mac: Mac, name: str, local: str) -> Patched:
        """The virtual medium ``name`` that starts the machine ``mac``.

        Raises:
            NotServed: no such medium, or no such machine.
        """
        return self._springboards.find(mac, name, local)

    def discs_of(self, mac: Mac) -> Sequence[str]:
        """The CDs that start the machine ``mac``.

        Raises:
            NotServed: no such machine, or none is there.
        """
        return self._springboards.discs(mac)

    def discs_in(self, image: str) -> Sequence[str]:
        """The CDs of an image.

        Raises:
            NotServed: none.
        """
        if not (names := self._catalogue.discs(image)):
            raise NotServed("no CDs are there")
        return names

    def node_file(self, token: str, name: str, peer: str, local: str) -> bytes:
        """A file that belongs to one boot of one machine.

        Raises:
            AlreadyGiven: this boot has had it.
            NotServed: the token or the name is not good.
        """
        return self._bearers.file(token, name, peer, local)

    def report(self, token: str, query: Mapping[str, str], peer: str, *, last: bool) -> None:
        """An installer says how far it is.

        Raises:
            NotServed: the token is not good.
        """
        self._bearers.report(token, query, peer, last=last)

    def sent(self, sent: SentFile) -> None:
        """A reply with a file is over; pieces of one (HEAD, ranges) are not worth a line each."""
        if sent.name.startswith(f"{FOLDER}/") and sent.status < _FIRST_ERROR:
            if sent.sent:
                self._springboards.read(sent.name, sent.peer)
            return
        if sent.peer in self._machines.own_addresses:
            return
        mac = self._machines.at(sent.peer)
        if sent.status >= _FIRST_ERROR and sent.status not in _OF_ITS_OWN:
            problem = f"{sent.name} should be served but is away or changed: netboot image verify"
            self._machines.record(Kind.FAILED, mac, problem, file=sent.name, address=sent.peer)
        elif sent.status == _WHOLE and sent.sent == sent.size and sent.complete:
            detail = f"{sent.name} by HTTP, {sent.sent} bytes in {sent.seconds:.1f} s"
            kind = _kind_of(sent.name)
            if kind is Kind.LOADER and mac is not None:
                self._machines.loaded(mac)
            self._machines.record(
                kind, mac, detail, file=sent.name, bytes=sent.sent, address=sent.peer
            )
        elif not sent.complete and sent.sent:
            problem = f"{sent.name} by HTTP broke off after {sent.sent} of {sent.size} bytes"
            self._machines.record(Kind.FAILED, mac, problem, file=sent.name, address=sent.peer)


def _kind_of(name: str) -> Kind:
    last = name.rsplit("/", 1)[-1]
    if last in ("linux", "vmlinuz"):
        return Kind.KERNEL
    if last.startswith("initrd"):
        return Kind.INITRD
    return Kind.LOADER if last.endswith((".efi", ".kpxe", ".pxe")) else Kind.FILE
