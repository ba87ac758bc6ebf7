"""Virtual media of registered machines: which springboard, with whose script, and who read it.

Nothing is stored for a machine: its script is made for each request and read between the bytes of
the one image there is (``netboot.answer.springboard``).
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping

from netboot.answer.discs import disc, refuse_arm64, refuse_chain
from netboot.answer.springboard import PLAIN, SECURE, Patched, Springboard, patched
from netboot.boot.machines import MAX_MACHINES, Machines
from netboot.boot.personal import Personal
from netboot.boot.tables import remember
from netboot.errors import ConfigError, NotBootable, NotServed
from netboot.events import Kind
from netboot.media import springboard_layout
from netboot.model import Image, Mac, parse_mac

MEDIA = {
    **dict.fromkeys(("netboot.iso", "netboot.img"), PLAIN),
    **dict.fromkeys(("netboot-secure.iso", "netboot-secure.img"), SECURE),
}
"""File name → image: a CD and a USB stick are the same bytes."""

READ_AGAIN = 5.0
"""Seconds without a read after which the next one is a new boot's; a medium is read in one go."""

FOLDER = "media"
_log = logging.getLogger(__name__)


class Springboards:
    """What is below ``/media``.

    Args:
        machines: who is who.
        personal: makes each machine's script.
        restock: has ``stock`` called where images were fetched just now.
    """

    def __init__(self, machines: Machines, personal: Personal, restock: Callable[[], None]) -> None:
        self._machines = machines
        self._personal = personal
        self._restock = restock
        self._there: dict[str, Springboard] = {}
        self._read: OrderedDict[tuple[Mac, str], float] = OrderedDict()

    def stock(self, images: Mapping[str, Image]) -> None:
        """Serve these from now on."""
        self._there = {}
        for name in {name for name in MEDIA.values() if name in images}:
            try:
                self._there[name] = springboard_layout.read(images[name])
            except ConfigError as problem:
                _log.warning("image %s is left out: %s", name, problem)

    def find(self, mac: Mac, name: str, local: str) -> Patched:
        """The medium ``name`` that starts the machine ``mac``.

        Args:
            mac: one of a registered node's.
            name: one of ``MEDIA``.
            local: our address it was asked at.

        Raises:
            NotServed: no such machine, no such medium, or it cannot be made; then its timeline says
                so too.
        """
        if self._machines.name_of(mac) is None:
            raise NotServed(f"{mac} is not registered")
        if name not in MEDIA:
            raise NotServed(f"there is no {name!a:.60}")
        try:
            return self._made(mac, MEDIA[name], local)
        except NotBootable as problem:
            self._machines.record(Kind.FAILED, mac, f"{name}: {problem}")
            raise NotServed(str(problem)) from problem

    def _made(self, mac: Mac, image: str, local: str) -> Patched:
        if not self._has(image):
            raise NotBootable(f"image {image} is not there: netboot image fetch {image}")
        self._refuse(mac, image)
        servers = self._machines.servers(local)
        return patched(self._there[image], self._personal.springboard(image, mac, servers))

    def discs(self, mac: Mac) -> list[str]:
        """The CDs that the firmware of the machine ``mac`` starts.

        Raises:
            NotServed: no such machine, or none is there.
        """
        node = self._machines.node(self._machines.as_ipxe(mac))
        if node is None:
            raise NotServed(f"{mac} is not registered")
        name = disc(node)
        if not self._has(MEDIA[name]):
            raise NotServed(f"no such medium; netboot image fetch {MEDIA[name]}")
        try:
            self._refuse(mac, MEDIA[name])
        except NotBootable as problem:
            raise NotServed(str(problem)) from problem
        return [name]

    def _refuse(self, mac: Mac, image: str) -> None:
        """See that the machine ``mac`` starts from a CD that is made of ``image``.

        Raises:
            NotBootable: it does not.
        """
        machines = self._machines
        if (node := machines.node(machines.as_ipxe(mac))) is not None:
            refuse_arm64(node, machines.rules.profiles.get(node.profile or ""))
        refuse_chain(image, machines.rules.signed)

    def _has(self, image: str) -> bool:
        """Whether it is there; a BMC may be told of one as soon as it is fetched."""
        if image not in self._there:
            self._restock()
        return image in self._there

    def read(self, name: str, peer: str) -> None:
        """Bytes of ``name``, the path of a medium, went to ``peer``: one line for all of one boot.

        Args:
            name: as it was asked for, ``media/<mac>/<file>``.
            peer: the address of a BMC, or of whoever reads on its behalf.
        """
        _, given, file = name.split("/")
        mac = parse_mac(given)
        now = self._machines.clock()
        before = self._read.get((mac, file))
        remember(self._read, (mac, file), now, at_most=MAX_MACHINES)
        if before is None or not 0 <= now - before < READ_AGAIN:
            self._machines.record(Kind.MEDIA, mac, f"{file} read by {peer}", file=file, peer=peer)
