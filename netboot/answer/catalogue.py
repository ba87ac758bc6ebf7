"""Every name we serve, by TFTP or HTTP, and the only place a requested name is checked.

A request's name is never joined onto a path: it is looked up in a dictionary of files that were
fetched and verified, so there is no path for it to escape from. What stands before the look-up
is only there to give hostile names one clear answer and a bounded cost.

Served names:

- ``images/<image>/<file>`` for every file of every image;
- the files of the images ``ipxe`` and ``secure-boot`` also at the root (``snponly.efi``,
  ``arm64/snponly.efi``, ``sb/bootx64.efi``), since firmware is told these names in a DHCP field
  of 128 bytes, and iPXE and shim look beside them for more. shim 16.1, started by HTTP Boot, puts
  two slashes after its folder.

One leading slash is taken off: firmware sends ``/snponly.efi`` and ``snponly.efi`` alike.
Percent-decoding is HTTP's business and done exactly once, before a name comes here; ``%`` is a
letter like any other.
"""

import re
from collections.abc import Iterable

from netboot.clients import SIGNED_IMAGES
from netboot.errors import NotServed
from netboot.model import Image, ImageFile

MAX_NAME = 255
"""Bytes of a name; a TFTP request may be 512 long and an HTTP one far longer."""

AT_ROOT = "ipxe"
"""The image of the loaders every machine begins with, also served without a folder."""

SECURE_BOOT = tuple(SIGNED_IMAGES.values())
"""The images of the loaders firmware with Secure Boot accepts, also served without a folder."""

_BESIDE_SHIM = re.compile(r"//(?=[^/]+\Z)")

_LETTERS = re.compile(r"[ -\[\]-~]+")  # printable ASCII but the backslash
_NOT_COMPONENTS = frozenset({"", ".", ".."})


def loaders_in(images: Iterable[Image]) -> frozenset[str]:
    """The names of the loaders there are for machines without Secure Boot."""
    return frozenset(name for image in images if image.name == AT_ROOT for name in image.files)


class Catalogue:
    """The files there are, by the names they are served under."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._files: dict[str, ImageFile] = {}
        for image in images:
            for name, file in image.files.items():
                self._files[f"images/{image.name}/{name}"] = file
                if image.name in {AT_ROOT, *SECURE_BOOT}:
                    self._files[name] = file

    @property
    def names(self) -> Iterable[str]:
        """Every served name."""
        return self._files.keys()

    def discs(self, image: str) -> list[str]:
        """The CDs of an image, without its folders': their names there."""
        folder = f"images/{image}/"
        below = (name.removeprefix(folder) for name in self._files if name.startswith(folder))
        return sorted(name for name in below if name.endswith(".iso") and "/" not in name)

    def find(self, name: str) -> ImageFile:
        """Look a requested name up.

        Raises:
            NotServed: it is no possible name, or nothing is served under it; the text is
                short and printable whatever was asked.
        """
        wanted = name.removeprefix("/")
        wanted = _BESIDE_SHIM.sub("/", wanted)
        if problem := _problem(wanted):
            raise NotServed(f"{_shown(name)}: {problem}")
        if wanted not in self._files:
            raise NotServed(f"{_shown(name)}: is not served")
        return self._files[wanted]


def _problem(name: str) -> str | None:
    if len(name) > MAX_NAME:
        return f"is longer than {MAX_NAME} bytes"
    if not name:
        return "is empty"
    if not _LETTERS.fullmatch(name):
        return "has letters no served name has"
    if not _NOT_COMPONENTS.isdisjoint(name.split("/")):
        return "has an empty, '.' or '..' component"
    return None


def _shown(name: str) -> str:
    longest = 60
    return ascii(name if len(name) <= longest else f"{name[:longest]}...")
