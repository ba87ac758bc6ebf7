"""What a profile says of the Linux it starts: its kernel, its initrds, its command line.

These three are template text in the profile's TOML file, with the names and the guards of a
script. A kernel or initrd is a file of the profile's image, which was verified when it was
fetched, or a URL, which the machine fetches itself and nobody verifies.
"""

import re
from collections.abc import Mapping

from netboot.answer.render import Names, Templates, missing
from netboot.checked import shown
from netboot.errors import NotBootable
from netboot.model import Image, Profile, Server

MAX_COMMAND_LINE = 2048
"""x86 Linux's COMMAND_LINE_SIZE, its closing NUL included; more is cut off without a word."""

_URL = re.compile(r"https?://[^/\s]+/\S+")


def linux_names(
    profile: Profile,
    image: Image | None,
    server: Server,
    values: Mapping[str, object],
    templates: Templates,
    whom: str,
) -> Names:
    """Fill in a profile's ``kernel``, ``initrds`` and ``args`` for one machine.

    Args:
        profile: whose they are.
        image: the fetched image of ``profile.image``.
        server: where the machine finds us.
        values: what names in them mean.
        templates: guards the values.
        whom: the machine, in errors.

    Returns:
        ``kernel`` and ``initrds`` (URLs), and ``args``, one line.

    Raises:
        NotBootable: one cannot be filled in, or is neither a file of the image nor a URL.
    """

    def filled(text: str, key: str) -> str:
        return templates.fill(text, f"profile {profile.name}: {key}", values, whom)

    def said(initrd: str) -> bool:
        """One that is filled in with nothing is left out."""
        return filled(initrd, "initrds") != ""

    def fetched(text: str, key: str) -> str:
        name = filled(text, key)
        if _URL.fullmatch(name):
            return name
        if image is None:
            raise NotBootable(
                f"profile {profile.name}: {key}: {whom}: {shown(name)} is no URL, "
                "and the profile has no image it could be a file of"
            )
        if name not in image.files:
            raise NotBootable(
                f"profile {profile.name}: {key}: {whom}: image {image.name} has no file "
                f"{shown(name)}; it has {', '.join(sorted(image.files)) or 'none'}"
            )
        return f"{server.url}/images/{image.name}/{name}"

    without = missing(f"profile {profile.name} names no kernel")
    return Names(
        {
            "kernel": fetched(profile.kernel, "kernel") if profile.kernel else without,
            "initrds": tuple(fetched(text, "initrds") for text in profile.initrds if said(text)),
            "args": filled(profile.args, "args"),
        }
    )
