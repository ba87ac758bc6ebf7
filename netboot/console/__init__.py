"""What ``netboot serve`` prints: events flow in, lines for a person or a program flow out.

``console`` is the whole of it for a caller. ``budget`` bounds how much a hostile network can make
us print, ``lines`` turns events into harmless text, ``terminal`` redraws a machine's line in place.
"""

from netboot.console.console import Console

__all__ = ["Console"]
