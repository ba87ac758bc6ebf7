"""Where BMCs read images: our HTTP, at the address that a BMC reaches us by, or a share.

A share holds the same files for BMCs that read no HTTP, in folders of their own: below ``images``
as they are on disk, and below ``media`` as their paths have it. An NFS server lets nobody mount
what is behind a link, so an image's version is named.
"""

import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from netboot.answer.discs import image_of, path_of, refuse_arm64, refuse_chain
from netboot.bmc.driver import Driver, ReadsImages
from netboot.clients import KINDS, arch_of
from netboot.config import Settings
from netboot.control.planes import Planes
from netboot.control.supply import Supply
from netboot.errors import BmcError
from netboot.media import library
from netboot.media.library import CURRENT
from netboot.model import Node, Profile
from netboot.secure_boot.chain import judge
from netboot.store.bmc_shapes import Bmc

_HTTP = ("http", "https")


class Springboards:
    """URLs of springboards and other images of ours.

    Args:
        settings: the site's.
        planes: what boot programs say of themselves.
        profiles: reads the profiles there are now.
        supply: knows whether images are there.
    """

    def __init__(
        self,
        settings: Settings,
        planes: Planes,
        profiles: Callable[[], Mapping[str, Profile]],
        supply: Supply,
    ) -> None:
        self._settings = settings
        self._planes = planes
        self._profiles = profiles
        self._supply = supply

    def url(self, node: Node, bmc: Bmc, hands: Driver) -> str | None:
        """The URL of ``node``'s springboard for its BMC, by a scheme that it reads.

        Blocks while a name is resolved, the BMC is asked what it is, and the image is fetched.

        Args:
            node: in effect.
            bmc: the node's.
            hands: the driver for it.

        Returns:
            None where it has no MAC, no boot program serves, or the image is not fetched.

        Raises:
            BmcError: the BMC cannot be asked.
            NotBootable: the machine would not start from it.
        """
        if not node.macs or (base := self._base(bmc.address.host)) is None:
            return None
        refuse_arm64(node, self._profiles().get(node.profile or ""))
        ours, image = base + path_of(node, node.macs[0]), image_of(node)
        url = self.readable(ours, hands)
        if url == ours and not self._supply.has(image):
            return None
        if node.secure_boot:
            refuse_chain(image, judge(library.installed(self._settings.images_dir)).loaders)
        return url

    def loader(self, node: Node) -> str | None:
        """The URL of what UEFI HTTP Boot of ``node`` loads, as its firmware reaches us.

        Args:
            node: in effect.

        Returns:
            None where DHCP says it: without Secure Boot, and while no boot program serves.

        Raises:
            BmcError: its firmware would not start that.
        """
        told, http = self._planes.address(), self._settings.http
        if told is None or not node.secure_boot:
            return None
        own = KINDS[arch_of(self._profiles().get(node.profile or ""))].signed
        name = node.loader or own or ""
        held = library.installed(self._settings.images_dir)
        if problem := judge(held).loaders.get(name, "is not there"):
            raise BmcError(f"node {node.name} is marked secure_boot, but {name} {problem}")
        return f"http://{http.advertise or told}:{http.port}/{name}"

    def readable(self, url: str, hands: Driver) -> str:
        """``url``, or the same file in a share where it is ours and the BMC reads no HTTP.

        Raises:
            BmcError: the BMC cannot be asked what it is.
        """
        share, parts = self._settings.virtual_media, urlsplit(url)
        bases = {"nfs": share.nfs, "cifs": share.cifs}
        if not any(bases.values()) or parts.scheme not in _HTTP or not self._is_ours(parts.netloc):
            return url
        schemes = hands.image_schemes() if isinstance(hands, ReadsImages) else _HTTP
        found = [base for scheme in schemes if (base := bases.get(scheme))]
        if parts.scheme in schemes or not found or (path := self._shared(parts.path)) is None:
            return url
        return found[0].rstrip("/") + path

    def _is_ours(self, place: str) -> bool:
        host, _, port = place.partition(":")
        http = self._settings.http
        if port != str(http.port):
            return False
        return host in (http.advertise, *self._planes.interfaces().values()) or _is_local(host)

    def _shared(self, path: str) -> str | None:
        """A path of our HTTP as a share has it; None for what is in none."""
        match path.split("/"):
            case ["", "images", image, *rest] if all(rest):
                current = self._settings.images_dir / image / CURRENT
                version = current.readlink().name if current.is_symlink() else None
                return "/".join(("/images", image, version, *rest)) if version else None
            case ["", "media", _, _]:
                return path
        return None

    def _base(self, bmc_host: str) -> str | None:
        told = self._planes.address()
        if told is None:
            return None
        http = self._settings.http
        address = http.advertise or _towards(bmc_host) or told
        return f"http://{address}:{http.port}"


def _towards(host: str) -> str | None:
    """Our address on the way to ``host``; None where no way is known. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address


def _is_local(host: str) -> bool:
    """Whether ``host`` is an address of this machine."""
    return _towards(host) == host
