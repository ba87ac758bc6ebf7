"""What Prometheus is told: numbers by a few fixed words, never a MAC, a name or an address."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from netboot.model import State
from netboot.store.store import Store

MAX_REASONS = 256
"""Reasons of one boot program that are told apart; it has some fifty."""
MAX_INSTANCES = 16
"""Runs of boot programs whose counts are kept; those of the longest silent are summed up."""


class Metrics(Collector):
    """The numbers of one control program. Safe from several threads.

    Args:
        store: whose nodes are counted.
    """

    MEDIA_TYPE: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._dropped: OrderedDict[str, Mapping[str, int]] = OrderedDict()
        self._before: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def count(self, instance: str, dropped: Mapping[str, int]) -> None:
        """What one run of a boot program has dropped since its start, by reason."""
        kept = dict(list(dropped.items())[:MAX_REASONS])
        with self._lock:
            self._dropped[instance] = kept
            self._dropped.move_to_end(instance)
            if len(self._dropped) > MAX_INSTANCES:
                self._before.update(self._dropped.popitem(last=False)[1])

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: to ask for the numbers costs a look at the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Each metric with its numbers now."""
        drops = CounterMetricFamily(
            "netboot_dropped_packets",
            "Packets, requests and events the boot program dropped, by reason.",
            labels=["reason"],
        )
        with self._lock:
            total = sum((Counter(counts) for counts in self._dropped.values()), self._before)
        for reason, count in sorted(total.items()):
            drops.add_metric([reason], count)
        yield drops
        nodes = GaugeMetricFamily("netboot_nodes", "Nodes by state.", labels=["state"])
        counted = Counter(self._store.states())
        for state in State:
            nodes.add_metric([state.value], counted[state])
        yield nodes
