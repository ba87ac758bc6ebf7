"""SBAT: generations of boot programs, by which old ones with known holes are refused.

Each program carries lines ``component,generation,…``; shim carries which generation of each is the
least it starts (shim's ``SBAT.md``). A component that shim does not name is not refused.
"""

import re
import struct
from collections.abc import Iterator, Mapping

SECTION = ".sbat"
LEVELS = ".sbatlevel"

_LEVELS = struct.Struct("<III")
"""A version, which is 0, and where ``previous`` and ``latest`` begin, counted from behind it."""
_COUNTED_FROM = 4
_GENERATION = re.compile(r"[0-9]{1,9}")

Generations = Mapping[str, int]
"""Component → generation."""


def generations(text: bytes) -> Generations:
    """Read a section: the lines that are a component and a number; others say nothing to shim."""
    found: dict[str, int] = {}
    for line in text.partition(b"\0")[0].decode("utf-8", "replace").splitlines():
        fields = line.strip().split(",")
        if len(fields) > 1 and fields[0] and _GENERATION.fullmatch(fields[1]):
            found[fields[0]] = int(fields[1])
    return found


def levels(section: bytes) -> tuple[Generations, Generations]:
    """What shim asks for at least by itself, and once it is told to take the latest revocations.

    Raises:
        ValueError: the section is in no form we know.
    """
    if len(section) < _LEVELS.size:
        raise ValueError("it is too short")
    version, *places = _LEVELS.unpack_from(section)
    if version != 0:
        raise ValueError(f"it is of version {version}")
    if max(places) + _COUNTED_FROM >= len(section):
        raise ValueError("it ends before what it says is in it")
    previous, latest = (generations(section[place + _COUNTED_FROM :]) for place in places)
    return previous, latest


def revoked(program: Generations, least: Generations) -> Iterator[str]:
    """Why shim refuses a program, one clause for each component that is too old."""
    for component, generation in program.items():
        if generation < least.get(component, 0):
            yield f"its {component} is of generation {generation}, and {least[component]} is needed"
