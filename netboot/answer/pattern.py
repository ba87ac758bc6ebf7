"""A rendering with places in it for whose it is, which are filled in for each machine.

A site's machines differ in their name, their address and their token; rendering afresh for each,
guards and all, takes some hundred times as long as putting these in. Which templates allow it is
said by ``netboot.answer.printed``; the values must be plain words (``Whose.is_plain``).
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from netboot.model import Mac, Node

MAX_WORD = 128
"""Characters of a value that is filled in; the stand-ins are as long, so limits still hold."""

_PLAIN = re.compile(rf"[A-Za-z0-9._:/-]{{1,{MAX_WORD}}}")


class Whose(NamedTuple):
    """What differs from machine to machine.

    Attributes:
        mac: what ``node.mac`` and ``boot.mac`` say.
        name: what ``node.name`` says of a registered machine.
        url: what ``boot.url`` says, None where there is no token.
    """

    mac: str
    name: str | None
    url: str | None

    @property
    def is_plain(self) -> bool:
        """Whether each can be put in without another look by the guards."""
        mac, name, url = self
        return bool(
            _PLAIN.fullmatch(mac)
            and (name is None or _PLAIN.fullmatch(name))
            and (url is None or _PLAIN.fullmatch(url))
        )


class Pattern:
    """Text with places for a ``Whose``.

    Args:
        render: makes the text for a node (None for a machine nobody registered), an address and
            a URL of files, all of them stand-ins.
        node: whose labels and variables are in the text, None as above.
        has_url: whether there is a token.
    """

    def __init__(
        self,
        render: Callable[[Node | None, Mac, str | None], str],
        node: Node | None,
        *,
        has_url: bool,
    ) -> None:
        mac, name, url = (_stand_in() for _ in range(3))
        named = None if node is None else replace(node, name=name)
        text = render(named, Mac(mac), url if has_url else None)
        places = {mac: 0, _name_of(mac): 1, name: 1, url: 2}
        pieces = re.split(f"({'|'.join(map(re.escape, places))})", text)
        self._pieces = [places.get(piece, piece) for piece in pieces]

    def fill(self, whose: Whose) -> str:
        """The text for one machine."""
        words = (whose.mac, whose.name or _name_of(whose.mac), whose.url or "")
        return "".join(
            [piece if isinstance(piece, str) else words[piece] for piece in self._pieces]
        )


def _name_of(mac: str) -> str:
    return mac.replace(":", "-")  # as ``netboot.answer.script`` names a machine nobody registered


def _stand_in() -> str:
    return f"x:{secrets.token_hex(MAX_WORD // 2)}"[:MAX_WORD]
