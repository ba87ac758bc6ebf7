"""By which names we may be called: the Host field against DNS rebinding.

A page of another site can have its own name point at our address, and then its scripts speak to us
as to their own site. Their requests still bear that name.
"""

import ipaddress
from collections.abc import Iterable

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """The names that are ours.

    Args:
        listen: our ``host:port``; where that is every address, any address will do, for no name
            can be made to be one.
        names: others, by which people reach us.
    """

    def __init__(self, listen: str, names: Iterable[str] = ()) -> None:
        ours = name_in(listen)
        self._any_address = is_unspecified(ours)
        self._names = {*_LOOPBACK, ours, *(name.lower() for name in names)}

    def ours(self, field: str) -> bool:
        """Whether a Host field names us; its port does not matter."""
        name = name_in(field)
        return name in self._names or (self._any_address and _is_address(name))


def name_in(field: str) -> str:
    """The host of ``host:port``, in lower case, without brackets and final dot."""
    if field.startswith("["):
        return field[1:].partition("]")[0].lower()
    return field.partition(":")[0].lower().removesuffix(".")


def is_unspecified(name: str) -> bool:
    """Whether it stands for every address of this host."""
    return _is_address(name) and ipaddress.ip_address(name).is_unspecified


def is_loopback(name: str) -> bool:
    """Whether only this host can reach it."""
    if _is_address(name):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
