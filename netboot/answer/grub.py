"""What GRUB is told: the configurations that stand for iPXE's scripts under Secure Boot.

A profile says by which iPXE script it starts; ``ipxe/debian.ipxe`` is ``grub/debian.cfg`` here,
with the same names in it. GRUB starts only kernels that shim accepts; which those are is known
before (``netboot.secure_boot``), and a machine is told of another one on its screen.
"""

import re
from dataclasses import replace

from netboot.answer.guards import CONFIG, SCRIPT
from netboot.errors import NotBootable
from netboot.model import Node, Profile

FIRST = "grub/grub.cfg"
"""What GRUB asks for first, below the root of the server that it came from."""
FOLDER = "grub/"
"""Where it looks for that, and for much else that need not be there."""
LOOKED_FOR = re.compile(r"/?(grub/|(.*/)?(revocations|shim_certificate)_)")
"""How the names begin that GRUB and shim look for, and are right without."""

_IPXE = "ipxe/"


def configuration(script: str) -> str:
    """The template that stands for an iPXE script."""
    name = script.removesuffix(SCRIPT)
    if name.startswith(_IPXE):
        name = FOLDER + name.removeprefix(_IPXE)
    return name + CONFIG


def form(profile: Profile) -> Profile:
    """The profile as GRUB starts it: its script is a configuration.

    Raises:
        NotBootable: only iPXE starts it.
    """
    if profile.needs_ipxe:
        raise NotBootable(_is_ipxes(profile))
    return replace(profile, script=configuration(profile.script))


def unstartable(node: Node, profile: Profile | None) -> str:
    """Why a node marked secure_boot can never be given a profile, one clause; else ""."""
    if profile is None or node.starts_ipxe or not profile.needs_ipxe:
        return ""
    return f"node {node.name} is marked secure_boot, and {_is_ipxes(profile)}"


def _is_ipxes(profile: Profile) -> str:
    return (
        f"profile {profile.name} is for iPXE alone, which is not signed: "
        f"there is no template {configuration(profile.script)}"
    )
