"""Wires everything: settings in, one running operator out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from . import __version__, metrics
from .api import ApiKey, Baseten, CallRecord, Endpoint, Hooks, Transport, WaitRecord
from .core.schedule import Intervals, first_look, needs_attention, was_asked_for
from .core.world import Timing
from .engine.context import LAST_CALL, of_last_call
from .engine.ports import Key, Ports
from .engine.reconcile import Reconciler
from .kube.cluster import Cluster
from .kube.events import EventWriter
from .kube.handlers import Watch
from .kube.http import serve_metrics, serve_probes
from .kube.leader import Leader
from .kube.lister import Lister
from .kube.measures import Measures
from .kube.queue import Queue
from .kube.secrets import SecretKeys
from .kube.store import ObjectStore
from .settings import BadSettingError, Settings

log = logging.getLogger(__name__)

WORKERS = 200
"""Runs under way at once; each waits for answers most of the time. One namespace alone has half of them, so that there is room for
others."""

LIVE_SECONDS = 30.0
READY_SECONDS = 60.0
HEARTBEAT_SECONDS = 15.0
GRACE_SECONDS = 25.0
"""How long calls in flight may take after SIGTERM; the Deployment's termination grace is a little longer."""


class LeaseLostError(Exception):
    """Another process may act now: this one ends, so that it starts again from nothing."""


class Operator:
    """One process: the watch, the queue, and what serves them."""

    def __init__(self, settings: Settings, cluster: Cluster, transport: Transport) -> None:
        self._settings = settings
        self._cluster = cluster
        self._leader = Leader(cluster, settings.lease_namespace) if settings.leader_election else None
        self._keys = SecretKeys(cluster, _own_key(settings), settings.default_key_namespaces)
        self._measures = Measures(chainlets=settings.chainlet_metrics, resources=settings.resource_metrics)
        self._store = ObjectStore(cluster, self._changed, self._fence, self._gone, self._keys.may_use_own)
        self._lister = Lister(cluster, self._store, settings.namespaces)
        self._watch = Watch(self._store, cluster, settings.namespaces, lambda: self._lister.page)
        self._events = EventWriter(cluster)
        self._transport = transport
        self._reconciler = Reconciler(self._ports(), _intervals(settings), _timing(settings))
        self._queue = Queue(self._handle, workers=WORKERS)
        self._listed = False
        self._acting = False
        self._stop = asyncio.Event()
        self._signals = 0

    def _ports(self) -> Ports:
        return Ports(
            store=self._store,
            keys=self._keys,
            events=self._events,
            baseten=lambda key: Baseten(self._transport, key, self._departing),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            luck=random.random,
            fence=self._fence,
            measure=self._measures,
        )

    def _fence(self) -> None:
        """Raises NotLeadingError when another process may act."""
        if self._leader is not None:
            self._leader.fence()

    def _departing(self, endpoint: Endpoint) -> None:
        """Right before a call leaves: the wait for a turn may have outlasted the Lease."""
        if endpoint.writes:
            self._fence()

    def _changed(self, key: Key) -> None:
        if self._listed:
            self._queue.add(key, changed=True)

    def _gone(self, key: Key, uid: str) -> None:
        """Nothing that was remembered of it is the next one's of its name."""
        self._keys.forget(uid)
        self._measures(key, None, None)

    def _schedule_all(self) -> None:
        """After the first list: what has something to do at once, the others bit by bit."""
        self._listed = True
        intervals = _intervals(self._settings)
        for key in self._store.known():
            resource = self._store.get(key)
            if resource is None or needs_attention(resource):
                self._queue.add(key, changed=resource is None or was_asked_for(resource))
            else:
                self._queue.add(key, first_look(len(self._store), self._settings.rate_limit, intervals, random.random()))

    async def _handle(self, key: Key) -> float | None:
        with metrics.reconcile_seconds.time():
            return await self._reconciler.reconcile(key)

    # -- running ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; calls in flight are finished first. A second signal ends it at once."""
        self._on_signals()
        probe_port, metrics_port = self._settings.probe_port, self._settings.metrics_port
        runners = [
            await _serving("CHAINENV_PROBE_PORT", probe_port, serve_probes(probe_port, live=self.live, ready=self.ready)),
            await _serving("CHAINENV_METRICS_PORT", metrics_port, serve_metrics(metrics_port, self._refresh_metrics)),
        ]
        log.info("chainenv %s: %s", __version__, self._summary())
        try:
            await self._work()
        finally:
            await self._close(runners)

    async def _work(self) -> None:
        first = asyncio.create_task(self._lister.first())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({first, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            return
        await first
        self._schedule_all()
        log.info("%d ChainEnvironments found", len(self._store))
        await self._watch_and_handle(stop)

    async def _watch_and_handle(self, stop: asyncio.Task[Any]) -> None:
        """Until a signal comes or the Lease is lost; before that, only a bug ends the watch or the queue."""
        watching = asyncio.create_task(self._watch.run(self._lister.list_all), name="watch")
        queue = asyncio.create_task(self._lead(), name="queue")
        leading = _background(self._leader.run()) if self._leader else None
        helpers = [_background(self._events.run()), _background(self._lister.relist_forever()), _background(self._heartbeat())]
        ending = {queue, watching, stop, *([leading] if leading else [])}
        try:
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost = leading is not None and leading.done()
            await self._finish(queue, leading)
            for task in helpers:
                task.cancel()
        await asyncio.gather(queue, watching, return_exceptions=stop.done())
        if lost:
            raise LeaseLostError

    async def _lead(self) -> None:
        """The queue turns only while this process is the one that acts; until then the store is kept warm."""
        if self._leader is not None:
            log.info("waiting for the Lease")
            await self._leader.acquired.wait()
        self._acting = True
        await self._queue.run()

    async def _finish(self, queue: asyncio.Task[None], leading: asyncio.Task[Any] | None) -> None:
        """No new work; what is under way comes to its end; then somebody else may act."""
        self._queue.stop()
        self._watch.stop()
        if not self._acting:
            queue.cancel()
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(queue), GRACE_SECONDS)
        self._queue.cancel_running()
        if self._leader is not None and leading is not None:
            leading.cancel()
            await asyncio.wait([leading])
            await self._leader.release()
        await self._events.drain(2)

    async def _heartbeat(self) -> None:
        """Without anything to do, readiness still needs to know that the API server answers."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if time.monotonic() - self._cluster.last_contact >= HEARTBEAT_SECONDS:
                with contextlib.suppress(Exception):
                    await self._cluster.request("GET", "/version")

    async def _close(self, runners: list[web.AppRunner]) -> None:
        for runner in runners:
            await runner.cleanup()
        await self._transport.aclose()
        await self._cluster.close()
        log.info("stopped")

    # -- signals ---------------------------------------------------------------------------------------------------

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)  # at once: the watch's thread is not waited for, and the journal is durable
        log.info("%s: finishing what is under way", signal.Signals(number).name)
        self._stop.set()

    # -- being asked -----------------------------------------------------------------------------------------------

    def live(self) -> str | None:
        age = time.monotonic() - self._queue.last_tick
        return f"the queue has not ticked for {age:.0f} s" if self._acting and age > LIVE_SECONDS else None

    def ready(self) -> str | None:
        if not self._listed:
            return "the resources have not been listed yet"
        if self._watch.down_seconds > READY_SECONDS:
            return f"the watch has been down for {self._watch.down_seconds:.0f} s"
        age = time.monotonic() - self._cluster.last_contact
        return f"no successful contact with the API server for {age:.0f} s" if age > READY_SECONDS else None

    def _refresh_metrics(self) -> None:
        metrics.leader.set(self._acting and (self._leader is None or self._leader.leading))
        metrics.resources.set(len(self._store))
        metrics.queue_length.set(len(self._queue))
        metrics.queue_late_seconds.set(self._queue.late_seconds if self._acting else 0)

    def _summary(self) -> str:
        where = ", ".join(self._settings.namespaces) or "all namespaces"
        own = "with" if self._settings.baseten_api_key else "without"
        return f"watching {where} of {self._cluster.configuration.host}, calling {self._settings.baseten_base_url}, {own} a key of its own"


def _own_key(settings: Settings) -> ApiKey | None:
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
            hooks=Hooks(on_call=_count_call, on_wait=_count_wait),
        )
    except ValueError as error:
        raise BadSettingError(str(error)) from None


async def _serving(variable: str, port: int, serving: Coroutine[Any, Any, web.AppRunner]) -> web.AppRunner:
    try:
        return await serving
    except OSError as error:
        raise BadSettingError(f"{variable}={port} cannot be used: {error.strerror or error}; choose a free port, or 0") from None


def _background(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(work)


def _intervals(settings: Settings) -> Intervals:
    return Intervals(
        poll=settings.poll_seconds,
        progress=settings.progress_seconds,
        vanish=settings.vanish_seconds,
        backoff_max=settings.backoff_max_seconds,
        stale=settings.stale_seconds,
    )


def _timing(settings: Settings) -> Timing:
    return Timing(progress=settings.progress_seconds, vanish=settings.vanish_seconds, settle=settings.settle_seconds)


def _count_call(call: CallRecord) -> None:
    LAST_CALL.set(call)
    metrics.baseten_calls.labels(call.endpoint, call.outcome, call.status_class).inc()
    metrics.baseten_seconds.labels(call.endpoint).observe(call.seconds)
    log.debug("called", extra={**of_last_call(call.endpoint), "outcome": call.outcome})


def _count_wait(wait: WaitRecord) -> None:
    metrics.limiter_wait_seconds.labels(wait.endpoint).observe(wait.seconds)


async def run(settings: Settings) -> None:
    """Raises NoClusterError, and BadSettingError for what only its use shows."""
    transport = transport_for(settings)
    _own_key(settings)
    await Operator(settings, await Cluster.connect(), transport).run()
