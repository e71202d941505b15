"""Prometheus metrics. Nothing here is a key, a message or a name that a user could make without bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from . import __version__

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # process_resident_memory_bytes, process_cpu_seconds_total and the like

build_info = Info("chainenv_build", "Version of the operator.", registry=REGISTRY)
build_info.info({"version": __version__})

baseten_calls = Counter(
    "chainenv_baseten_calls",
    "Calls to Baseten by endpoint, outcome and class of the status.",
    ["endpoint", "outcome", "status_class"],
    registry=REGISTRY,
)
baseten_seconds = Histogram(
    "chainenv_baseten_call_seconds", "Duration of calls to Baseten, without the wait for a turn.", ["endpoint"], registry=REGISTRY
)
limiter_wait_seconds = Histogram(
    "chainenv_baseten_limiter_wait_seconds", "Wait for a turn under the client's own rate limit.", ["endpoint"], registry=REGISTRY
)
reconcile_seconds = Histogram("chainenv_reconcile_seconds", "Duration of one run of the reconcile function.", registry=REGISTRY)
queue_length = Gauge("chainenv_queue_length", "Resources in the queue, waiting or being handled.", registry=REGISTRY)
queue_late_seconds = Gauge("chainenv_queue_late_seconds", "How long the longest waiting due resource has been waiting.", registry=REGISTRY)
resources = Gauge("chainenv_resources", "ChainEnvironments known.", registry=REGISTRY)
relist_missed = Counter(
    "chainenv_relist_missed", "Changes found by the periodic relist that the watch had not reported.", registry=REGISTRY
)
leader = Gauge("chainenv_leader", "1 while this process acts.", registry=REGISTRY)
resources_condition = Gauge(
    "chainenv_resources_condition",
    "ChainEnvironments by condition, its status and its reason.",
    ["type", "status", "reason"],
    registry=REGISTRY,
)
resource_condition = Gauge(
    "chainenv_resource_condition",
    "1 for each condition of a ChainEnvironment that needs attention: Ready or Synced not True, Stalled.",
    ["resource_namespace", "resource", "type", "status", "reason"],
    registry=REGISTRY,
)
reconciles = Counter("chainenv_reconciles", "Runs of the reconcile function by outcome.", ["outcome"], registry=REGISTRY)
drift_found = Counter("chainenv_drift_found", "Fields found different from the spec.", ["kind"], registry=REGISTRY)
drift_corrected = Counter("chainenv_drift_corrected", "Corrections sent to Baseten.", ["kind"], registry=REGISTRY)
chainlet_replicas = Gauge(
    "chainenv_chainlet_replicas",
    "Active replicas of a managed chainlet.",
    ["resource_namespace", "resource", "chainlet"],
    registry=REGISTRY,
)
chainlet_status = Gauge(
    "chainenv_chainlet_status",
    "1 for the status that a managed chainlet has.",
    ["resource_namespace", "resource", "chainlet", "status"],
    registry=REGISTRY,
)

schedule_active = Gauge(
    "chainenv_schedule_active",
    "1 for the autoscaling schedule of a ChainEnvironment that is active.",
    ["resource_namespace", "resource", "schedule"],
    registry=REGISTRY,
)

rollouts = Counter(
    "chainenv_rollouts",
    "Rollouts that this operator began and saw end, by outcome: succeeded, failed, aborted.",
    ["outcome"],
    registry=REGISTRY,
)
rollouts_waiting = Gauge(
    "chainenv_rollouts_waiting", "ChainEnvironments with a rollout that is wanted and not begun.", ["waits_for"], registry=REGISTRY
)

Sample = tuple[tuple[str, ...], float]


class ByResource(Collector):
    """A gauge whose samples are made when somebody scrapes: a series of its own for each of ten thousand resources would take more
    memory than all else that is known of them."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...], samples: Callable[[], Iterable[Sample]]) -> None:
        self._name, self._documentation, self._samples = name, documentation, samples
        self._labelnames = ("resource_namespace", "resource", *labels)
        REGISTRY.register(self)

    def describe(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(self._name, self._documentation, labels=self._labelnames)

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for values, value in self._samples():
            family.add_metric(values, value)
        yield family


costs: dict[tuple[str, str], dict[str, str]] = {}
"""US dollars an hour as decimal text, by kind, for each resource."""
rollouts_begun: dict[tuple[str, str], float] = {}
"""When the rollout was begun that is under way, in seconds since 1970, for each resource that has one."""

ByResource(
    "chainenv_cost_usd_per_hour",
    "What the replicas of current and candidate deployment cost: now, and at fewest and most replicas.",
    ("kind",),
    lambda: (((*key, kind), float(amount)) for key, kinds in list(costs.items()) for kind, amount in kinds.items()),
)
ByResource(
    "chainenv_rollout_age_seconds",
    "Since when the rollout is under way that the operator began.",
    (),
    lambda: ((key, max(0.0, time.time() - began)) for key, began in list(rollouts_begun.items())),
)

KEPT_SECONDS = 3.0
"""For so long whoever scrapes gets the same text: it can take a second to make, and scrapers are more than one."""


class Exposition:
    """The text of /metrics, made in a thread: the event loop goes on meanwhile. ``refresh`` sets gauges, in the loop, just before."""

    def __init__(
        self, refresh: Callable[[], None], registry: CollectorRegistry = REGISTRY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._refresh = refresh
        self._registry = registry
        self._clock = clock
        self._made: asyncio.Task[bytes] | None = None
        self._at = 0.0

    async def text(self) -> bytes:
        """At most ``KEPT_SECONDS`` old; one is made at a time, for all who ask."""
        made = self._made
        if made is None or (made.done() and (self._clock() - self._at >= KEPT_SECONDS or made.exception() is not None)):
            self._refresh()
            made = self._made = asyncio.create_task(asyncio.to_thread(generate_latest, self._registry))
            self._at = self._clock()
        return await asyncio.shield(made)
