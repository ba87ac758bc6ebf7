"""How often one peer may ask, and how many peers are remembered."""

from netboot.boot.rate import RateLimit


def test_a_burst_and_then_so_many_a_second() -> None:
    limit = RateLimit(per_second=2.0, burst=3, max_keys=10)
    assert [limit.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert [limit.allows("a", 0.5) for _ in range(2)] == [True, False]
    assert [limit.allows("a", 1000.0) for _ in range(4)] == [True, True, True, False]


def test_one_peers_haste_is_not_anothers() -> None:
    limit = RateLimit(1.0, 1, 10)
    assert limit.allows("a", 0.0)
    assert not limit.allows("a", 0.0)
    assert limit.allows("b", 0.0)


def test_no_more_peers_are_remembered_than_allowed() -> None:
    limit = RateLimit(1.0, 1, 10)
    for n in range(10_000):
        limit.allows(str(n), 0.0)
    assert len(limit) == 10
    assert not limit.allows("9999", 0.0)
    assert limit.allows("0", 0.0)


def test_a_clock_that_is_put_back_gives_nothing_away() -> None:
    limit = RateLimit(1.0, 1, 10)
    limit.allows("a", 100.0)
    assert not limit.allows("a", 50.0)
    assert limit.allows("a", 51.0)
