"""Who is who: what the boot program knows of each machine, and what that machine gets.

Snapshot and rules are replaced whole when they change, so a decision is always made from one
consistent state, and nothing is read while a machine waits.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

from netboot.boot.attempts import Attempts
from netboot.boot.boot_once import BootOnce
from netboot.boot.decisions import Decisions
from netboot.boot.installations import Installations
from netboot.boot.journal import Journal, Note
from netboot.boot.tables import remember
from netboot.decision import Decision, Learned, Verdict
from netboot.events import Kind
from netboot.learning import Learning
from netboot.matching import Match, described
from netboot.model import (
    Arch,
    BootSource,
    Client,
    Firmware,
    Mac,
    Node,
    Override,
    Profile,
    Server,
    State,
)
from netboot.policy import IGNORE, Rules, decide
from netboot.snapshot import EMPTY, Snapshot
from netboot.volume import Volume

MAX_MACHINES = 32_768
"""Machines whose address, description and choice are remembered; the oldest is forgotten."""
MENU = "menu"
"""The profile whose script lets a person pick another one."""


class Machines:
    """The machines, and how they reach us.

    Args:
        http_port: where our HTTP is.
        advertise: the address machines are told instead of our own, None for our own.
        learning: what machines taught us in earlier runs.
        attempts: whose DISCOVER was heard in earlier runs.
        installations: which machines called home in earlier runs.
        boot_once: which boot overrides were obeyed in earlier runs.
        clock: seconds since the epoch.

    Attributes:
        rules: what the site says.
        snapshot: every registered node.
        journal: where events go.
        own_addresses: ours; what they ask for is a self-check's, and no machine's business.
        syslog_port: where installers may log to, None where nobody would hear them.
        on_lesson: called with every lesson worth keeping when one is new.
    """

    def __init__(
        self,
        *,
        http_port: int,
        advertise: str | None,
        learning: Learning,
        attempts: Attempts,
        installations: Installations,
        boot_once: BootOnce | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rules = Rules({})
        self.snapshot: Snapshot = EMPTY
        self.learning = learning
        self.attempts = attempts
        self.installations = installations
        self.boot_once = boot_once or BootOnce()
        self.clock = clock
        self._http_port = http_port
        self._advertise = advertise
        self._decisions = Decisions(self._made)
        self._macs: OrderedDict[str, Mac] = OrderedDict()
        self._clients: OrderedDict[Mac, Client] = OrderedDict()
        self._picked: OrderedDict[Mac, str] = OrderedDict()
        self.journal: Journal | None = None
        self.own_addresses: frozenset[str] = frozenset()
        self.syslog_port: int | None = None
        self.on_lesson: Callable[[Mapping[Mac, Learned]], None] = lambda _lessons: None

    # --- what they get

    def discovered(self, client: Client) -> Decision:
        """What a DISCOVER of ``client`` is answered with; asking again teaches us something."""
        if self.boot_once.kept.running and (node := self.node(client)) is not None:
            self.boot_once.begins(node)
        before = self.learning.now(client.mac)
        decision = self._decide(client, before)
        if decision.verdict is Verdict.IGNORE:
            return decision  # nothing is kept of strangers: they can be invented without end
        self.attempts.discovered(client.mac, self.clock())
        if client.firmware is Firmware.IPXE:
            return decision
        remember(self._clients, client.mac, client, at_most=MAX_MACHINES)
        learned = self.learning.discovered(client.mac)
        return decision if learned is before else self._decide(client, learned)

    def begins(self, mac: Mac) -> None:
        """GRUB from a medium began a boot of ``mac``: that counts as a DISCOVER, unanswered."""
        node = self.node(self._last_seen(mac))
        if node is None:
            return
        if self.boot_once.kept.running:
            self.boot_once.begins(node)
        self.attempts.discovered(mac, self.clock())

    def decide(self, client: Client) -> Decision:
        """What ``client`` gets."""
        return self._decide(client, self.learning.now(client.mac))

    def _decide(self, client: Client, learned: Learned) -> Decision:
        versions = self.installations.version, self.boot_once.version
        return self._decisions.of(client, learned, self.snapshot, self.rules, *versions)

    def _made(self, client: Client, learned: Learned) -> Decision:
        match = self.snapshot.match(client)
        if match is not None:
            match = Match(self.boot_once.now(match.node), match.reason)
        done = self.installations.is_done(client.mac, None if match is None else match.node)
        return decide(client, match, self.rules, learned, installed=done)

    def choose(self, mac: Mac, decided: str, picked: str) -> Profile:
        """The decided profile, or the one a person picked where the decision was the menu."""
        if decided != MENU or picked not in self.rules.profiles:
            self._picked.pop(mac, None)
            return self.rules.profiles[decided]
        remember(self._picked, mac, picked, at_most=MAX_MACHINES)
        return self.rules.profiles[picked]

    def chosen(self, mac: Mac, decided: str) -> Profile:
        """What ``choose`` gave this machine last."""
        return self.choose(mac, decided, self._picked.get(mac, ""))

    def server(self, address: str) -> Server:
        """How machines that reach us at ``address`` are told to come back."""
        http_host = self._advertise or address
        return Server(address, http_host, self._http_port, self.syslog_port)

    def servers(self, address: str) -> tuple[Server, ...]:
        """How a machine is told to come to us by whoever else reaches us at ``address``.

        Its BMC is often on another network: so by each of our addresses on the machines' own,
        ``address`` before the others where it is one of them.
        """
        own = self.own_addresses
        found = sorted(own | {address}, key=lambda each: (each not in own, each != address, each))
        return tuple(dict.fromkeys(map(self.server, found)))

    # --- who they are

    def node(self, client: Client) -> Node | None:
        """The node in effect that ``client`` is."""
        return self.snapshot.node(client)

    def volume(self, node: Node | None) -> Volume | None:
        """The volume that is attached to ``node``."""
        return None if node is None else self.snapshot.volumes.get(node.name)

    def name_of(self, mac: Mac) -> str | None:
        """The name of the node that ``mac`` is, by that address or by all it ever told us."""
        node = self.node(self._last_seen(mac))
        return None if node is None else node.name

    def as_ipxe(self, mac: Mac, said: Mapping[str, str] | None = None) -> Client:
        """``mac`` as it last described itself and as it does now, by now as iPXE.

        Args:
            mac: whose address.
            said: a script request's query, with what SMBIOS says.
        """
        client = self._now(mac, Firmware.IPXE)
        return client if said is None else described(client, said)

    def as_loaded(self, mac: Mac) -> Client:
        """``mac`` as what reads its script: iPXE, or GRUB where its node has Secure Boot."""
        client = self.as_ipxe(mac)
        node = self.node(client)
        return client if node is None or not node.secure_boot else self.as_grub(mac)

    def as_grub(self, mac: Mac) -> Client:
        """``mac`` as it last described itself, by now as GRUB."""
        return self._now(mac, Firmware.GRUB)

    def _now(self, mac: Mac, firmware: Firmware) -> Client:
        seen = self._last_seen(mac)
        return seen if seen.firmware is firmware else replace(seen, firmware=firmware)

    def _last_seen(self, mac: Mac) -> Client:
        return self._clients.get(mac) or Client(mac, Firmware.IPXE, Arch.X64)

    def described_itself(self, client: Client) -> None:
        """Remember what a machine that is answered says of itself."""
        remember(self._clients, client.mac, client, at_most=MAX_MACHINES)

    def heard(self, mac: Mac, address: str) -> None:
        """``mac`` uses ``address`` now; kept only of machines that are answered."""
        if self.rules.unknown != IGNORE or self.name_of(mac) is not None:
            remember(self._macs, address, mac, at_most=MAX_MACHINES)
        else:
            self._macs.pop(address, None)  # whose it was before has it no more

    def at(self, address: str) -> Mac | None:
        """Who uses ``address``."""
        return self._macs.get(address)

    def speaks(self, mac: Mac, address: str) -> None:
        """``address`` was given a token of ``mac``, or showed one."""
        self.attempts.speaks(mac, address, self.clock())

    def speaker(self, address: str) -> Mac | None:
        """Whose boot under way ``address`` belongs to; None for every other address."""
        return self.attempts.speaker(address, self.clock())

    # --- what becomes of them

    def took_offer(self, mac: Mac) -> None:
        """``mac`` asked port 4011, or for a file: it took what it was offered."""
        self.learning.progressed(mac)

    def loaded(self, mac: Mac) -> None:
        """``mac`` has its whole network boot program."""
        self.learning.loaded(mac)

    def scripted(self, mac: Mac) -> None:
        """``mac`` has its script, so what it was offered before works."""
        if self.learning.scripted(mac):
            self.on_lesson(self.learning.lessons())

    def follow(self, snapshot: Snapshot) -> None:
        """Work with ``snapshot`` from now on."""
        self.snapshot = snapshot
        self.remind()

    def remind(self) -> None:
        """Tell the control program again of what it must know, until it shows that."""

        def node_of(mac: Mac) -> Node | None:
            return self.node(self._last_seen(mac))

        now = self.clock()
        for mac, number in self.installations.follow(node_of, now):
            self.home(mac, number, "told again")
        for obeyed in self.boot_once.follow(node_of, now):
            self._obeyed(obeyed.mac, obeyed.override, "; told again")

    def obeys(self, mac: Mac, node: Node, override: Override) -> None:
        """A script was given by ``override``: one for one boot is over with this boot."""
        if self.boot_once.obeys(mac, node, override, self.clock()):
            self._obeyed(mac, override)

    def _obeyed(self, mac: Mac, override: Override, more: str = "") -> None:
        image = f" {override.image}" if override.source is BootSource.CD and override.image else ""
        line = f"{override.source.value}{image}, once: obeyed by this boot{more}"
        self.record(Kind.OVERRIDE, mac, line, override=override.number)

    def home(self, mac: Mac, number: int, detail: str, **said: str) -> None:
        """Write down that the installation, or wipe, ``number`` of ``mac`` is done."""
        node = self.node(self._last_seen(mac))
        done = "wiped" if node is not None and node.state is State.WIPING else "installed"
        line = f"called home: {done}{f'; {detail}' if detail else ''}"
        self.record(Kind.INSTALLED, mac, line, **said, installation=number)

    def record(self, kind: Kind, mac: Mac | None, detail: str, **data: str | int) -> None:
        """Write one line of the timeline."""
        if self.journal is not None:
            self.journal.record(kind, mac, detail, **data)

    def exchanged(self, mac: Mac, notes: tuple[Note, ...]) -> None:
        """Write an answered question, all of it or none where there are too many."""
        if self.journal is not None:
            self.journal.exchanged(mac, notes)
