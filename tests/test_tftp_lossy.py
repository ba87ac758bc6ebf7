"""Clients and transfers on a network that loses, doubles and reorders, on a fake clock."""

import hashlib
import tracemalloc
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netboot.wire import tftp
from netboot.wire.tftp import Ack, ReadRequest
from netboot.wire.transfer import ReadTransfer, Result
from tests.tftp_peer import Network, PatternSource, Peer, pattern

BYTES_PER_TRANSFER = 4096
"""What one transfer may hold between two datagrams, by tracemalloc: 8 MiB for 2,000."""


@cache
def digest(size: int) -> bytes:
    return hashlib.sha256(
        b"".join(pattern(at, min(1 << 17, size - at)) for at in range(0, size, 1 << 17))
    ).digest()


def fetch(network: Network, size: int, peers: int = 1, **options: int) -> list[Peer]:
    """Let peers read a file of ``size`` bytes at once; each must have got it."""
    request = ReadRequest("f", options={name: str(value) for name, value in options.items()})
    readers = [Peer(request, (f"10.0.{n >> 8}.{n & 255}", 2070)) for n in range(peers)]

    def open_transfer(asked: ReadRequest, now: float) -> ReadTransfer:
        return ReadTransfer(asked, PatternSource(size), now)

    network.run(readers, open_transfer)
    for peer in readers:
        assert (peer.failed, peer.complete, peer.size) == ("", True, size)
        assert peer.digest.digest() == digest(size)
    return readers


def results(network: Network) -> set[Result | None]:
    return {transfer.result for transfer in network.transfers.values()}


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1 << 32),
    loss=st.sampled_from([0.0, 0.01, 0.1, 0.25]),
    duplication=st.sampled_from([0.0, 0.1, 1.0]),
    reordering=st.sampled_from([0.0, 0.1, 0.5]),
    windowsize=st.sampled_from([1, 2, 4, 16]),
    size=st.sampled_from([0, 1, 511, 512, 8192, 30_000]),
)
def test_every_byte_arrives_whatever_the_network_does(
    seed: int, loss: float, duplication: float, reordering: float, windowsize: int, size: int
) -> None:
    network = Network(seed, loss, duplication, reordering)
    fetch(network, size, tsize=0, windowsize=windowsize)
    assert network.transfers.popitem()[1].closed


@pytest.mark.parametrize("windowsize", [1, 4, 16])
def test_a_network_that_doubles_everything_does_not_double_the_traffic(windowsize: int) -> None:
    """The Sorcerer's Apprentice: one duplicate must not breed another."""
    clean, doubling = Network(), Network(duplication=1.0)
    fetch(clean, 200_000, windowsize=windowsize)
    fetch(doubling, 200_000, windowsize=windowsize)
    data = [sum(length > 500 for length in network.sent) for network in (clean, doubling)]
    assert data[1] == data[0]
    assert results(doubling) == {Result.DONE}


@pytest.mark.parametrize(("windowsize", "most"), [(1, 25.0), (4, 3.0), (16, 1.5)])
def test_one_lost_datagram_in_a_hundred_costs_little_time(windowsize: int, most: float) -> None:
    network = Network(seed=1, loss=0.01)
    fetch(network, 4_000_000, blksize=1468, windowsize=windowsize)
    assert network.now - Peer.DALLY < most


def test_no_datagram_more_than_needed_on_a_good_network() -> None:
    network = Network()
    fetch(network, 100 * 1468, blksize=1468, windowsize=4)
    # request, OACK, ACK 0, 101 blocks, an ACK for every 4 and for the last
    assert len(network.sent) == 3 + 101 + 26


@pytest.mark.parametrize("windowsize", [1, 4])
def test_2000_at_once_with_one_datagram_in_a_hundred_lost(windowsize: int) -> None:
    network = Network(seed=2, loss=0.01)
    fetch(network, 10_000, peers=2000, blksize=1468, windowsize=windowsize)
    assert results(network) <= {Result.DONE, Result.UNCONFIRMED}
    # a last ACK that is lost for ever leaves us in doubt; a client that dallies prevents that
    assert results(network) == {Result.DONE}


def test_2000_transfers_of_large_files_hold_no_file() -> None:
    options = {"blksize": "1468", "windowsize": "16"}
    ack = tftp.build(Ack(0))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        transfers = []
        for _ in range(2000):
            source = PatternSource(500 << 20)
            transfer = ReadTransfer(ReadRequest("f", options=options), source, 0.0)
            transfer.datagrams_to_send()
            transfer.receive_datagram(ack, 0.1)
            window = transfer.datagrams_to_send()
            assert len(window) == 16
            transfers.append(transfer)
        del window
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 2000 < BYTES_PER_TRANSFER
    assert peak - after < 4 * 16 * 1472  # the windows leave one by one
