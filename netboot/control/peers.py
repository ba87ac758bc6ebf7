"""Who is at the other end of a UNIX socket: as the kernel says it, not as the peer does."""

import asyncio
import os
import pwd
import socket
import struct
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid (unix(7))


class PeerProtocol(H11Protocol):
    """HTTP whose requests bear their peer's user name as the client's host.

    ``state.hang_up`` of a request cuts off who does not take its answer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's, and look at who it is."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "hang_up": transport.abort}
        peer = cast("socket.socket", transport.get_extra_info("socket"))
        if peer.family == socket.AF_UNIX:
            raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            pid, uid, _ = _CREDENTIALS.unpack(raw)
            self.client = (user_name(uid), pid)


def user_name(uid: int | None = None) -> str:
    """A user's name, or its number where it has none; ours by default."""
    number = os.getuid() if uid is None else uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
