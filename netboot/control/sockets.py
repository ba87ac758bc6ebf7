"""Listening sockets with the right mode from their first moment, and nothing left behind."""

import errno
import os
import socket
from pathlib import Path

import psutil

from netboot.errors import ConfigError, OperationError

BACKLOG = 64
_LONGEST_UNIX_PATH = 107  # sun_path is 108 bytes with its final NUL (unix(7))


def listen_unix(path: Path, mode: int) -> socket.socket:
    """Listen on a UNIX socket; one left by a killed process is replaced.

    Args:
        path: where; the caller holds the folder's lock, so nobody else is listening there.
        mode: who may connect.

    Raises:
        ConfigError: the path is too long for a socket.
        OperationError: the system does not let us.
    """
    if len(os.fsencode(path)) > _LONGEST_UNIX_PATH:
        problem = f"{path} would be longer than {_LONGEST_UNIX_PATH} bytes: choose a shorter folder"
        raise ConfigError("configuration", "server.data_dir", problem)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o777 & ~mode)
        try:
            found.bind(str(path))
        finally:
            os.umask(before)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise OperationError(f"{path}: cannot listen: {error.strerror}") from None
    found.setblocking(False)  # noqa: FBT003 -- the socket module's signature
    return found


def listen_tcp(address: str, key: str) -> socket.socket:
    """Listen on ``host:port``; an IPv6 address stands in brackets. ``key``: the setting's name.

    Raises:
        ConfigError: the address is not ours, or the port is taken; says by whom where it can.
    """
    host, _, port = address.rpartition(":")
    try:
        family, kind, _, _, where = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind)
    except OSError as error:
        raise _refused(key, address, str(error.strerror)) from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(where)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        taken = error.errno == errno.EADDRINUSE
        why = f"taken by {holder_of(int(port))}" if taken else str(error.strerror)
        raise _refused(key, address, why) from None
    found.setblocking(False)  # noqa: FBT003 -- the socket module's signature
    return found


def holder_of(port: int) -> str:
    """Who listens on a TCP port, as far as we may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass  # not ours to see
    return "another program"


def _refused(key: str, address: str, why: str) -> ConfigError:
    return ConfigError("configuration", key, f'= "{address}": cannot listen there: {why}')
