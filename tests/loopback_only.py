"""``python loopback_only.py SCRIPT …`` runs a script that reaches nothing but 127.0.0.1.

Others' tools look for newer schemas on the Internet, or for services by multicast; a test must not.
"""

import runpy
import sys

_LOOPBACK = "127.0.0.1"


def refuse_others(event: str, arguments: tuple[object, ...]) -> None:
    """The audit hook (PEP 578)."""
    match event, arguments:
        case (("socket.connect" | "socket.sendto" | "socket.sendmsg"), (_, (str(host), *_))):
            if host != _LOOPBACK:
                raise PermissionError(f"{event} to {host}")
        case "socket.getaddrinfo", (host, *_):
            if host not in (_LOOPBACK, None):
                raise PermissionError(f"{event} of {host}")


if __name__ == "__main__":
    sys.addaudithook(refuse_others)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
