"""A springboard as it was built: its image, and where in it the start script stands.

This is all that whoever serves one needs to know; ``netboot.media.springboard`` builds them.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from netboot.answer.springboard import Springboard
from netboot.checked import Checked, convert
from netboot.errors import ConfigError
from netboot.model import Image

MEDIUM = "netboot.iso"
"""What the image is served as below its springboard's name, with no machine's script in it."""
LAYOUT = "layout.json"
"""What says where in it the start script stands."""
LARGEST = 64 << 20
"""Bytes of a whole springboard: firmware reads most of it through a slow BMC."""


class Layout(Checked, frozen=True):
    """Where the start script stands; as ``netboot.answer.springboard.Springboard`` has it."""

    room: Annotated[int, Meta(ge=1, le=LARGEST)]
    offsets: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1, max_length=8)]


def read(image: Image) -> Springboard:
    """The springboard that an image is.

    Raises:
        ConfigError: it is none, or its layout cannot be read; says how to have a whole one.
    """
    medium, layout = image.files.get(MEDIUM), image.files.get(LAYOUT)
    if medium is None or layout is None:
        problem = f"has no {MEDIUM} and {LAYOUT}: netboot image fetch {image.name}"
        raise ConfigError(f"image {image.name}", "", problem)
    source = str(layout.path)
    try:
        found = convert(msgspec.json.decode(layout.path.read_bytes()), Layout, source)
    except OSError as error:
        raise ConfigError(source, "", f"cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(source, "", f"is not JSON: {error}") from None
    ends = [offset + found.room for offset in found.offsets]
    if any(end > after for end, after in zip(ends, (*found.offsets[1:], medium.size), strict=True)):
        raise ConfigError(source, "offsets", "are not rising, or beyond the medium's end")
    return Springboard(medium, found.offsets, found.room)
