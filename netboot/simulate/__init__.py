"""Fake machines: whole network boots as real firmware has them, many at once, for trying a config.

What comes in is a ``Machine``; what goes out are datagrams and requests; at the end there is an
``Outcome``: the stage it reached and, if it stopped, what that firmware would show on its screen.

    machine ── firmware ──▶ which packets it sends, what it says when it fails
       │
    boot ──── offers ──────▶ which of the offers it takes, and why not the others
       │  └── ipxe ────────▶ what its iPXE does with a script
       ▼
    conversation            the whole boot without a socket or a clock
    tftp                    one TFTP read without a socket or a clock
       ▼
    link, fetch, run        sockets, asyncio, a thousand machines at once
       ▼
    report                  what came of it

Nothing here is shared with the server but the numbers that standards give: it reads and writes
DHCP and TFTP by code of its own, so a mistake of the server's does not meet its twin.
"""
