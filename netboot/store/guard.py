"""What a caller of the store asks of a thing in the very transaction that changes it."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Guard = Callable[[T], None]
"""Looks at a thing as it is just before a change, and raises to keep it so."""


def unguarded(_there: object) -> None:
    """The guard that lets every change pass."""
