"""What Prometheus is told: numbers by a few fixed words, never a MAC, a name or an address."""

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from netboot.control.observed import Observed
from netboot.control.planes import Planes
from netboot.job import JobKind, JobState
from netboot.model import State
from netboot.store.store import Store


class Metrics(Collector):
    """The numbers of one control program. Safe from several threads.

    Args:
        store: whose nodes are counted.
        planes: what boot programs counted.
    """

    MEDIA_TYPE: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self, store: Store, planes: Planes | None = None) -> None:
        self._store = store
        self._planes = planes or Planes()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        store.watch(Observed(self._registry))

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: to ask for the numbers costs a look at the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Each metric with its numbers now."""
        totals = self._planes.totals()
        drops = CounterMetricFamily(
            "netboot_dropped_packets",
            "Packets, requests and events the boot program dropped, by reason.",
            labels=["reason"],
        )
        for reason, count in sorted(totals.dropped.items()):
            drops.add_metric([reason], count)
        yield drops
        requests = CounterMetricFamily(
            "netboot_dhcp_requests",
            "Network boot requests over DHCP, by architecture and what came of them.",
            labels=["arch", "result"],
        )
        for what, count in sorted(totals.dhcp.items()):
            arch, _, result = what.partition(" ")
            requests.add_metric([arch, result], count)
        yield requests
        yield CounterMetricFamily(
            "netboot_tftp_bytes", "Bytes machines took by TFTP.", totals.tftp_bytes
        )
        nodes = GaugeMetricFamily("netboot_nodes", "Nodes by state.", labels=["state"])
        counted = Counter(self._store.states())
        for state in State:
            nodes.add_metric([state.value], counted[state])
        yield nodes
        jobs = GaugeMetricFamily("netboot_jobs", "Jobs kept, by state.", labels=["kind", "state"])
        kept = Counter(self._store.job_counts())
        for kind in JobKind:
            for stands in JobState:
                jobs.add_metric([kind.value, stands.value], kept[kind, stands])
        yield jobs
