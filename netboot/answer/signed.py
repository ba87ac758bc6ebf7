"""Before a machine with Secure Boot is told to start a kernel: would shim let it? Pure."""

import re
from collections.abc import Mapping

from netboot.errors import NotBootable

_KERNEL = re.compile(
    r"^\s*(?:linux\s+\(http,[^)]*\)|kernel(?:\s+--\S+)*\s+http://[^/\s]+)/(?P<name>\S+)|"
    r"^\s*(?:linux|kernel)\s",
    re.MULTILINE,
)
"""A kernel's line in a configuration for GRUB, or in a script for iPXE."""
_OF_AN_IMAGE = "images/"


def refuse_unsigned(text: str, kernels: Mapping[str, str], whom: str) -> None:
    """Look at what a script starts before a machine with Secure Boot is given it.

    Args:
        text: for GRUB or for iPXE.
        kernels: as ``netboot.policy.Rules`` has it.
        whom: the machine, in errors.

    Raises:
        NotBootable: shim would refuse its kernel, or nobody knows.
    """
    for kernel in _KERNEL.finditer(text):
        name = kernel["name"] or ""
        if not name.startswith(_OF_AN_IMAGE):
            raise NotBootable(
                f"{whom}: it is marked secure_boot, and its kernel is no file of an image here, "
                "so its signature cannot be checked"
            )
        if problem := kernels.get(name, "is no program that could be checked"):
            raise NotBootable(f"{whom}: it is marked secure_boot, and {name} {problem}")
