"""The clients that test our servers: tftpy for TFTP, httpx for HTTP. None of our own parsers."""

import hashlib
import io
import logging
from dataclasses import dataclass

import httpx
import tftpy  # type: ignore[import-untyped] # it has no annotations
from tftpy.TftpShared import (  # type: ignore[import-untyped] # likewise
    TftpException,
    TftpFileNotFoundError,
    TftpTimeout,
)

from netboot.errors import NotServed, OperationError

PATIENCE = 1.5
"""Seconds to wait for a datagram or a reply."""
RETRIES = 1
BLKSIZE = 1408
"""Bytes of a TFTP block: fits any Ethernet with a tunnel's header to spare."""

logging.getLogger("tftpy").setLevel(logging.CRITICAL)  # it speaks to the terminal itself


@dataclass(frozen=True, slots=True)
class Read:
    """A whole file as it arrived."""

    size: int
    sha256: str


class _Sink(io.RawIOBase):
    """Keeps a digest in place of the bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # bytes are what tftpy writes
        self.size += len(data)
        self.digest.update(data)
        return len(data)


def tftp(host: str, port: int, name: str) -> Read:
    """Read a whole file by TFTP (RFC 1350, RFC 2348).

    Raises:
        NotServed: the server refused.
        OperationError: it did not answer, or not by the protocol.
    """
    sink = _Sink()
    client = tftpy.TftpClient(host, port, {"blksize": BLKSIZE, "tsize": 0}, flock=False)
    try:
        client.download(name, sink, timeout=PATIENCE, retries=RETRIES)
    except TftpFileNotFoundError as error:
        raise NotServed(str(error)) from None
    except TftpTimeout:
        raise OperationError("no answer") from None
    except (TftpException, OSError) as error:
        if "Received ERR" in str(error):
            raise NotServed(str(error)) from None
        raise OperationError(str(error)) from None
    return Read(sink.size, sink.digest.hexdigest())


def http(timeout: float = PATIENCE) -> httpx.Client:
    """A client for our own HTTP: no proxy, no redirect."""
    return httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False)
