"""What is made for one machine: its iPXE script and the answer files behind its token.

Scripts of machines that differ only in name, address and token are rendered once and filled in
for each (``netboot.answer.pattern``); the others, and all answer files, are rendered each time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from netboot.answer.answers import ANSWER_FILES, render_answer
from netboot.answer.pattern import Pattern, Whose
from netboot.answer.render import Templates
from netboot.answer.san import CHAP_FILE, chap_script, refuse_without_secret
from netboot.answer.script import (
    autoexec_script,
    first_config,
    render_script,
    springboard_script,
    subject,
)
from netboot.answer.springboard import SCRIPTS
from netboot.boot.tables import remember
from netboot.errors import NotBootable, NotServed
from netboot.model import Arch, Client, Firmware, Image, Mac, Node, Profile, Server
from netboot.volume import Volume

MAX_PATTERNS = 256
"""Patterns of scripts that are kept, some 2 KB each."""

PATTERN_SECONDS = 0.5
"""How long one is used: a changed template shows in scripts after that."""


class _Kept(NamedTuple):
    """What was found out of a pattern: what it was made from, and that there can be none."""

    made: float
    basis: tuple[object, ...]
    pattern: Pattern | None


class _Boot(NamedTuple):
    """What is booted; ``profiles`` is what a menu offers, ``volume`` what the node has."""

    profile: Profile
    server: Server
    profiles: tuple[Profile, ...] = ()
    volume: Volume | None = None


class Personal:
    """Renders what machines are given.

    Args:
        templates: where scripts and answer files are looked up.
        now: seconds that are never put back or forward.

    Attributes:
        images: what is installed, by name.
        mirror: the Debian mirror installers are sent to, None while it is not known.
    """

    def __init__(self, templates: Templates, now: Callable[[], float] = time.monotonic) -> None:
        self._templates = templates
        self._now = now
        self._patterns: OrderedDict[Hashable, _Kept] = OrderedDict()
        self.images: Mapping[str, Image] = {}
        self.mirror: str | None = None

    def autoexec(self, server: Server) -> str:
        """The script iPXE runs first; it leads to the machine's own."""
        return autoexec_script(server, templates=self._templates)

    def first_config(self, server: Server) -> str:
        """What GRUB reads first; it leads to the machine's own."""
        return first_config(server, templates=self._templates)

    def springboard(self, image: str, mac: Mac, servers: Sequence[Server]) -> str:
        """The script in the springboard ``image`` of the machine ``mac``; it leads to its own.

        Raises:
            NotBootable: it cannot be made; the text says why.
        """
        return springboard_script(SCRIPTS[image], mac, servers, templates=self._templates)

    def script(
        self,
        client: Client,
        node: Node | None,
        profile: Profile,
        server: Server,
        token: str | None,
        profiles: Iterable[Profile],
        volume: Volume | None = None,
    ) -> str:
        """The iPXE script of a machine.

        Every answer file is rendered along for its errors: the machine hears of them now, not in
        mid-installation.

        Raises:
            NotBootable: one of them cannot be made; the text says why.
        """
        url = None if token is None else token_url(server, token)
        boot = _Boot(profile, server, tuple(profiles), volume)
        whose = Whose(client.mac, None if node is None else node.name, url)
        if volume is not None and profile.volume:
            refuse_without_secret(volume, subject(node, client.mac))
        if whose.is_plain and volume is None:
            pattern = self._pattern(node, boot, has_url=url is not None)
            if pattern is not None:
                return pattern.fill(whose)
        return self._rendered(node, client.mac, url, boot)

    def answer(
        self,
        name: str,
        client: Client,
        node: Node | None,
        profile: Profile,
        server: Server,
        token: str,
    ) -> bytes:
        """An answer file of a machine.

        Raises:
            NotServed: its profile has no file of that name.
            NotBootable: it cannot be made; the text says why.
        """
        if profile.answer is None or name not in ANSWER_FILES[profile.answer.kind]:
            raise NotServed(f"profile {profile.name} has no {name}")
        boot = _Boot(profile, server)
        return self._answer(name, node, client.mac, token_url(server, token), boot)

    def chap(self, profile: Profile, volume: Volume | None) -> bytes:
        """What tells a machine the CHAP secret of its volume.

        Raises:
            NotServed: it boots from none, or from one without a secret.
        """
        if not profile.volume or volume is None or not volume.chap_secret:
            raise NotServed(f"profile {profile.name} has no {CHAP_FILE}")
        return chap_script(volume, self._templates).encode()

    def _pattern(self, node: Node | None, boot: _Boot, *, has_url: bool) -> Pattern | None:
        """The pattern ``node``'s script is filled in from; None where it must be rendered."""
        told = None
        if node is not None:
            told = (*node.labels.items(), None, *node.vars.items(), node.secure_boot)
        key = boot.profile.name, boot.server, has_url, told
        image = self.images.get(boot.profile.image or "")
        basis = boot.profile, boot.profiles, image, self.mirror
        now = self._now()
        kept = self._patterns.get(key)
        if kept is None or now - kept.made >= PATTERN_SECONDS or kept.basis != basis:
            kept = _Kept(now, basis, self._made(node, boot, has_url=has_url))
            remember(self._patterns, key, kept, at_most=MAX_PATTERNS)
        return kept.pattern

    def _made(self, node: Node | None, boot: _Boot, *, has_url: bool) -> Pattern | None:
        try:
            with self._templates.noted() as rendered:
                pattern = Pattern(partial(self._rendered, boot=boot), node, has_url=has_url)
        except NotBootable:
            return None  # what is wrong is told with the machine's own name
        return pattern if self._templates.only_prints_whose(rendered) else None

    def _rendered(self, node: Node | None, mac: Mac, url: str | None, boot: _Boot) -> str:
        if url is not None and boot.profile.answer is not None:
            for name in ANSWER_FILES[boot.profile.answer.kind]:
                self._answer(name, node, mac, url, boot)
        return render_script(
            node,
            Client(mac, Firmware.IPXE, Arch.X64),
            boot.profile,
            self.images.get(boot.profile.image or ""),
            boot.server,
            url,
            volume=boot.volume,
            profiles=boot.profiles,
            templates=self._templates,
        )

    def _answer(self, name: str, node: Node | None, mac: Mac, url: str, boot: _Boot) -> bytes:
        return render_answer(
            name,
            node,
            boot.profile,
            boot.server,
            self.mirror,
            mac=mac,
            image=self.images.get(boot.profile.image or ""),
            images=self.images,
            token_url=url,
            templates=self._templates,
        )


def token_url(server: Server, token: str) -> str:
    """Where a boot's own files are."""
    return f"{server.url}/node/{token}"
