"""The life of one process: start, first list, lead and work, end. Signals, and the order in which things stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from .. import __version__
from ..kube.cluster import Cluster
from ..kube.http import serve_metrics, serve_probes
from ..settings import BadSettingError, Settings
from .health import Health
from .wiring import Parts, own_key, transport_for

log = logging.getLogger(__name__)

GRACE_SECONDS = 25.0
"""How long calls in flight may take after SIGTERM; the Deployment's termination grace is a little longer."""


class LeaseLostError(Exception):
    """Another process may act now: this one ends, so that it starts again from nothing."""


class Operator:
    """One process: the watch, the queue, and what serves them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._health = Health(parts)
        self._stop = asyncio.Event()
        self._signals = 0

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; calls in flight are finished first. A second signal ends it at once."""
        parts, settings, health = self._parts, self._parts.settings, self._health
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled, number)
        probes = serve_probes(settings.probe_port, live=health.live, ready=health.ready)
        runners = [
            await _serving("CHAINENV_PROBE_PORT", settings.probe_port, probes),
            await _serving("CHAINENV_METRICS_PORT", settings.metrics_port, serve_metrics(settings.metrics_port, health.refresh_metrics)),
        ]
        where, host = ", ".join(settings.namespaces) or "all namespaces", parts.cluster.configuration.host
        own = "with" if settings.baseten_api_key else "without"
        log.info(
            "chainenv %s: watching %s of %s, calling %s, %s a key of its own", __version__, where, host, settings.baseten_base_url, own
        )
        try:
            await self._work()
        finally:
            for runner in runners:
                await runner.cleanup()
            await parts.transport.aclose()
            await parts.cluster.close()
            log.info("stopped")

    async def _work(self) -> None:
        parts = self._parts
        first = asyncio.create_task(parts.lister.first())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({first, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            return
        await first
        parts.schedule_all()
        log.info("%d ChainEnvironments found", len(parts.store))
        await self._watch_and_handle(stop)

    async def _watch_and_handle(self, stop: asyncio.Task[Any]) -> None:
        """Until a signal comes or the Lease is lost; before that, only a bug ends the watch or the queue."""
        parts = self._parts
        watching = asyncio.create_task(parts.watch.run(parts.lister.list_all), name="watch")
        queue = asyncio.create_task(self._lead(), name="queue")
        leading = asyncio.create_task(parts.leader.run(), name="lease") if parts.leader else None
        helpers = [
            asyncio.create_task(each) for each in (parts.events.run(), parts.lister.relist_forever(), parts.cluster.keep_in_contact())
        ]
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
        if self._parts.leader is not None:
            log.info("waiting for the Lease")
            await self._parts.leader.acquired.wait()
        self._parts.acting = True
        await self._parts.queue.run()

    async def _finish(self, queue: asyncio.Task[None], leading: asyncio.Task[Any] | None) -> None:
        """No new work; what is under way comes to its end; then somebody else may act."""
        parts = self._parts
        parts.queue.stop()
        parts.watch.stop()
        if not parts.acting:
            queue.cancel()
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(queue), GRACE_SECONDS)
        parts.queue.cancel_running()
        if parts.leader is not None and leading is not None:
            leading.cancel()
            await asyncio.wait([leading])
            await parts.leader.release()
        await parts.events.drain(2)

    def _signalled(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)  # at once: the watch's thread is not waited for, and the journal is durable
        log.info("%s: finishing what is under way", signal.Signals(number).name)
        self._stop.set()


async def _serving(variable: str, port: int, serving: Coroutine[Any, Any, web.AppRunner]) -> web.AppRunner:
    try:
        return await serving
    except OSError as error:
        raise BadSettingError(f"{variable}={port} cannot be used: {error.strerror or error}; choose a free port, or 0") from None


async def run(settings: Settings) -> None:
    """Raises NoClusterError, and BadSettingError for what only its use shows."""
    transport = transport_for(settings)
    own_key(settings)  # a mistake is reported before a cluster is searched for
    await Operator(Parts(settings, await Cluster.connect(), transport)).run()
