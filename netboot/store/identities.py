"""What a node is known by, as people write it: MACs, a UUID, a serial number, an asset tag."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from netboot.checked import shown
from netboot.errors import ConfigError
from netboot.matching import parse_text, parse_uuid
from netboot.model import Mac, Node, parse_mac


class Identity(NamedTuple):
    """One thing a node is known by.

    Attributes:
        kind: ``mac``, or one of ``KINDS``.
        key: where it stands in a node as people write it.
    """

    kind: str
    key: str
    value: str

    @property
    def said(self) -> str:
        """For a person: ``UUID 4c4c…``."""
        return f"{_SAID[self.kind]} {self.value}".lstrip()


def identities(node: Node) -> Iterator[Identity]:
    """Everything a node is known by."""
    for place, mac in enumerate(node.macs):
        yield Identity("mac", f"macs[{place}]", mac)
    for kind in KINDS:
        if (value := getattr(node, kind)) is not None:
            yield Identity(kind, kind, value)


def refuse_unknowable(node: Node, source: str, key: str) -> None:
    """See that a node is known by something.

    Raises:
        ConfigError: it is known by nothing.
    """
    if next(identities(node), None) is None:
        problem = f"node {node.name} needs a MAC, a UUID, a serial number or an asset tag"
        raise ConfigError(source, key, problem)


def checked_identity(kind: str, text: str, source: str, key: str) -> str:
    """What somebody wrote for one of ``KINDS``, in the form in which it is compared.

    Raises:
        ConfigError: it is none.
    """
    try:
        return KINDS[kind](text)
    except ValueError as error:
        raise ConfigError(source, key, f"= {shown(text)}: {error}") from None


def checked_macs(texts: Collection[str], source: str, key: str) -> tuple[Mac, ...]:
    """The MACs somebody wrote, each once.

    Raises:
        ConfigError: one is no MAC, or is there twice.
    """
    found: dict[Mac, None] = {}
    for place, text in enumerate(texts):
        try:
            mac = parse_mac(text)
        except ValueError as error:
            raise ConfigError(source, f"{key}[{place}]", str(error)) from None
        if mac in found:
            raise ConfigError(source, f"{key}[{place}]", f'= "{text}": is there twice')
        found[mac] = None
    return tuple(found)


KINDS: Mapping[str, Callable[[str], str]] = {
    "uuid": parse_uuid,
    "serial": parse_text,
    "asset_tag": parse_text,
}
"""Identities beside MACs, as attributes of ``Node`` are called, and how each is read."""
_SAID = {"mac": "", "uuid": "UUID", "serial": "serial number", "asset_tag": "asset tag"}
