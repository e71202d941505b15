"""Settings in, the connected parts of one operator out. Nothing runs yet."""

from __future__ import annotations

import logging
import random
import time
from datetime import UTC, datetime

from .. import metrics
from ..api import ApiKey, Baseten, CallRecord, Endpoint, Hooks, Transport
from ..core.polling import Intervals, first_poll, needs_attention, until_edge, was_asked_for
from ..core.world import Timing
from ..engine.context import LAST_CALL, of_last_call
from ..engine.ports import Key, Ports
from ..engine.prices import PriceBook
from ..engine.reconcile import Reconciler
from ..engine.who import Audit
from ..kube.cluster import Cluster
from ..kube.events import EventWriter
from ..kube.handlers import Watch
from ..kube.leader import Leader
from ..kube.lister import Lister
from ..kube.measures import Measures
from ..kube.queue import Queue
from ..kube.secrets import SecretKeys
from ..kube.store import ObjectStore
from ..settings import BadSettingError, Settings

log = logging.getLogger(__name__)

WORKERS = 200
"""Runs under way at once; each waits for answers most of the time. One namespace alone has half of them, so that there is room for
others."""


class Parts:
    """``listed``: the resources are known, so changes are queued. ``acting``: this process may call and write. Both are set once."""

    def __init__(self, settings: Settings, cluster: Cluster, transport: Transport) -> None:
        """Raises BadSettingError for an own key that is not one."""
        self._keys = SecretKeys(cluster, own_key(settings), settings.default_key_namespaces)
        self._measures = Measures(chainlets=settings.chainlet_metrics, resources=settings.resource_metrics)
        self.settings = settings
        self.cluster = cluster
        self.transport = transport
        self.leader = Leader(cluster, settings.lease_namespace) if settings.leader_election else None
        self.store = ObjectStore(cluster, self._changed, self._fence, self._gone, self._keys.may_use_own)
        self.lister = Lister(cluster, self.store, settings.namespaces)
        self.watch = Watch(self.store, cluster, settings.namespaces, lambda: self.lister.page)
        self.events = EventWriter(cluster)
        ports = Ports(
            store=self.store,
            keys=self._keys,
            events=self.events,
            baseten=lambda key: Baseten(transport, key, self._departing),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            jitter=random.random,
            fence=self._fence,
            measure=self._measures,
            prices=PriceBook(time.monotonic, self._again),
            again=self._changed,
        )
        self._reconciler = Reconciler(ports, intervals_of(settings), timing_of(settings), Audit(settings.audit))
        self.queue = Queue(self._handle, workers=WORKERS)
        self.listed = False
        self.acting = False

    def _fence(self) -> None:
        """Raises NotLeadingError when another process may act."""
        if self.leader is not None:
            self.leader.fence()

    def _departing(self, endpoint: Endpoint) -> None:
        """Right before a call leaves: the wait for the rate limit may have outlasted the Lease."""
        if endpoint.writes:
            self._fence()

    def _changed(self, key: Key) -> None:
        if self.listed:
            self.queue.add(key, changed=True)

    def _gone(self, key: Key, uid: str) -> None:
        """A later resource of the same name starts from nothing."""
        self._keys.forget(uid)
        self._measures(key, None, None)

    def _again(self, key: Key, seconds: float) -> None:
        self.queue.add(key, seconds)

    async def _handle(self, key: Key) -> float | None:
        with metrics.reconcile_seconds.time():
            return await self._reconciler.reconcile(key)

    def schedule_all(self) -> None:
        """After the first list: what has something to do at once, the others bit by bit."""
        self.listed = True
        intervals, now = intervals_of(self.settings), datetime.now(UTC)
        for key in self.store.known():
            resource = self.store.get(key)
            if resource is None or needs_attention(resource, now):
                self.queue.add(key, changed=resource is None or was_asked_for(resource))
            else:
                poll = first_poll(len(self.store), self.settings.rate_limit, intervals, random.random())
                self.queue.add(key, min(poll, until_edge(resource.status.schedule, now)))


def own_key(settings: Settings) -> ApiKey | None:
    """Raises BadSettingError for a value that is not a key."""
    if settings.baseten_api_key is None:
        return None
    try:
        return ApiKey(settings.baseten_api_key.get_secret_value())
    except ValueError as error:
        raise BadSettingError(f"BASETEN_API_KEY=(hidden) cannot be used: {error}") from None


def transport_for(settings: Settings) -> Transport:
    """Raises BadSettingError: a proxy or authorities of the environment that cannot be used."""
    try:
        return Transport(
            settings.baseten_base_url,
            timeout_seconds=settings.request_timeout_seconds,
            rate_limit=settings.rate_limit,
            hooks=Hooks(_count_call, on_wait=lambda wait: metrics.limiter_wait_seconds.labels(wait.endpoint).observe(wait.seconds)),
        )
    except ValueError as error:
        raise BadSettingError(str(error)) from None


def intervals_of(settings: Settings) -> Intervals:
    return Intervals(
        poll=settings.poll_seconds,
        progress=settings.progress_seconds,
        vanish=settings.vanish_seconds,
        backoff_max=settings.backoff_max_seconds,
        stale=settings.stale_seconds,
    )


def timing_of(settings: Settings) -> Timing:
    return Timing(progress=settings.progress_seconds, vanish=settings.vanish_seconds, settle=settings.settle_seconds)


def _count_call(call: CallRecord) -> None:
    LAST_CALL.set(call)
    metrics.baseten_calls.labels(call.endpoint, call.outcome, call.status_class).inc()
    metrics.baseten_seconds.labels(call.endpoint).observe(call.seconds)
    log.debug("called", extra={**of_last_call(call.endpoint), "outcome": call.outcome})
