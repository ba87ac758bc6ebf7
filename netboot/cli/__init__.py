"""The ``netboot`` command: one module per noun."""

from netboot.cli.main import main

__all__ = ["main"]
