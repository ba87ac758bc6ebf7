"""How often one peer may ask: a token bucket each, and a bound on how many are remembered."""

from collections import OrderedDict


class RateLimit:
    """Token buckets by key.

    Args:
        per_second: tokens a key gains each second.
        burst: tokens a key has at first, and the most it can save.
        max_keys: keys remembered; beyond that the one that asked longest ago is forgotten.
    """

    def __init__(self, per_second: float, burst: int, max_keys: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, key: str, now: float) -> bool:
        """Take one token from ``key``'s bucket; False where it is empty."""
        tokens, then = self._buckets.pop(key, (self._burst, now))
        gained = max(now - then, 0.0) * self._per_second  # a clock may be put back
        tokens = min(tokens + gained, self._burst)
        allowed = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return allowed

    def __len__(self) -> int:
        return len(self._buckets)
