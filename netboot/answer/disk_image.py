"""Disk images: which file of an image is written to a machine's own disk, and how large that is.

A disk image is an image with one file ``*.raw.zst``, ``*.raw``, ``*.img.zst`` or ``*.img``: what
is on a disk from its first sector on, packed by zstd (RFC 8878) or bare. The variable
``disk_image`` names it; in the templates of answer files it is then

- ``disk_image.name``, ``.version`` and ``.url``;
- ``.sha256`` and ``.size``, in bytes, of the file as it is sent; ``.packed``, whether by zstd;
- ``.sectors``: of 512 bytes, which the disk must have; 0 where the file does not say.
"""

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from netboot.answer.render import Names, missing
from netboot.model import Image, ImageFile, Node, Profile, Server
from netboot.policy import DISK_IMAGE

PACKED = (".raw.zst", ".img.zst")
BARE = (".raw", ".img")

_SECTOR = 512
_MAGIC = 0xFD2FB528
_WIDTHS = {1: "<H", 2: "<I", 3: "<Q"}
_LONGEST_HEADER = 18


def disk_image_names(
    node: Node | None, profile: Profile, images: Mapping[str, Image], server: Server
) -> object:
    """What ``disk_image`` means for a machine; a template that uses it is told where it is none.

    Args:
        node: the registered machine in effect, None for an unknown one.
        profile: what it boots.
        images: every image by name.
        server: where it finds us.
    """
    name = {**profile.vars, **({} if node is None else node.vars)}.get(DISK_IMAGE)
    if name is None:
        return missing(f"variable {DISK_IMAGE} must name the image to write to the disk")
    if (image := images.get(name)) is None:
        return missing(f"disk image {name} is not there: netboot image list")
    found = disk_file(image)
    if found is None:
        ends = ", ".join(f"*{end}" for end in (*PACKED, *BARE))
        return missing(f"image {name} must have exactly one of {ends} to be written to a disk")
    size = content_size(found)
    return Names(
        {
            "name": image.name,
            "version": image.version,
            "url": f"{server.url}/images/{image.name}/{found.name}",
            "sha256": found.sha256,
            "size": found.size,
            "packed": found.name.endswith(PACKED),
            "sectors": 0 if size is None else -(-size // _SECTOR),
        }
    )


def disk_file(image: Image) -> ImageFile | None:
    """The file of ``image`` that is written to a disk; None where that is not one alone."""
    name = disk_name(image.files)
    return None if name is None else image.files[name]


def disk_name(names: Iterable[str]) -> str | None:
    """Which of an image's files that is; None where it is not one alone."""
    found = [name for name in names if name.endswith(PACKED + BARE)]
    return found[0] if len(found) == 1 else None


def content_size(file: ImageFile) -> int | None:
    """How many bytes a disk image has on the disk; None where its header does not say."""
    if not file.name.endswith(PACKED):
        return file.size
    try:
        return frame_content_size(_head(file.path))
    except (OSError, struct.error):
        return None


def frame_content_size(head: bytes) -> int | None:
    """What a zstd frame says that it holds (RFC 8878 section 3.1.1.1); None where it does not.

    Raises:
        struct.error: ``head`` is too short.
    """
    magic, descriptor = struct.unpack_from("<IB", head)
    flag, single_segment = descriptor >> 6, descriptor >> 5 & 1
    at = 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor & 3]
    if magic != _MAGIC or (flag == 0 and not single_segment):
        return None
    if flag == 0:
        return head[at]
    [size] = struct.unpack_from(_WIDTHS[flag], head, at)
    return int(size) + (256 if flag == 1 else 0)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LONGEST_HEADER)
