"""How much of the HTTP server one address gets: connections counted, rate by a bucket in debt."""

import pytest

from netboot.boot.http_limits import HttpLimits, Peers

LIMITS = HttpLimits(
    connections_per_peer=2, requests_per_second=10.0, request_burst=5, peers=3, connections=3
)
A, B = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def peers() -> Peers:
    return Peers(LIMITS)


def test_one_address_has_so_many_connections(peers: Peers) -> None:
    assert [peers.arrive(A, 0.0) for _ in range(3)] == [True, True, False]
    assert peers.arrive(B, 0.0)
    peers.leave(A)
    assert peers.arrive(A, 0.0)


def test_a_burst_is_free_and_what_follows_waits_its_turn(peers: Peers) -> None:
    peers.arrive(A, 0.0)
    waits = [peers.wait(A, 0.0) for _ in range(8)]
    assert waits == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2, 0.3])


def test_tokens_come_back_but_never_more_than_a_burst(peers: Peers) -> None:
    peers.arrive(A, 0.0)
    assert [peers.wait(A, 0.0) for _ in range(5)] == [0] * 5
    assert peers.wait(A, 0.1) == 0
    assert peers.wait(A, 0.1) == pytest.approx(0.1)
    assert [peers.wait(A, 1000.0) for _ in range(6)] == pytest.approx([0] * 5 + [0.1])


def test_addresses_do_not_share_a_rate(peers: Peers) -> None:
    peers.arrive(A, 0.0)
    peers.arrive(B, 0.0)
    for _ in range(100):
        peers.wait(A, 0.0)
    assert peers.wait(B, 0.0) == 0


def test_coming_back_does_not_wipe_the_slate(peers: Peers) -> None:
    peers.arrive(A, 0.0)
    for _ in range(6):
        peers.wait(A, 0.0)
    peers.leave(A)
    peers.arrive(A, 0.0)
    assert peers.wait(A, 0.0) > 0


def test_only_so_many_addresses_are_remembered(peers: Peers) -> None:
    for number in range(100):
        peers.arrive(f"10.0.0.{number}", 0.0)
        peers.leave(f"10.0.0.{number}")
        assert len(peers) <= 3
