"""The only place that knows kopf: its watch feeds the store, and nothing else of it is used.

No handler causes, timers, finalizers or annotations of kopf's: docs/decisions/0001 has the measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import kopf

from ..crd.types import GROUP, PLURAL, VERSION
from .cluster import Cluster, ClusterError, goes_through_proxy
from .store import ObjectStore

log = logging.getLogger(__name__)

SERVER_TIMEOUT = 300
"""A watch is opened anew after this many seconds, whatever happens; a silent one after INACTIVITY_SECONDS."""

INACTIVITY_SECONDS = 70.0
"""The API server sends a bookmark each minute: a watch that is silent for longer is dead."""

RESTART_SECONDS = 3.0


def registry(
    observed: Callable[[Mapping[str, Any]], None],
    login: Callable[[], Awaitable[kopf.ConnectionInfo]],
    known: Callable[[Mapping[str, Any]], bool] = lambda _: False,
) -> kopf.OperatorRegistry:
    """kopf's handlers: log in as the rest of the operator does, and hand over each event of the watch, unless what it reports is
    ``known``: the echo of the operator's own write, mostly."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def connect(**_: Any) -> kopf.ConnectionInfo:
        return await login()

    def is_news(event: Mapping[str, Any], **_: Any) -> bool:
        return event.get("type") == "DELETED" or not known(event["object"])

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers, when=is_news)
    async def hand_over(event: Mapping[str, Any], **_: Any) -> None:
        observed(event)

    return handlers


async def _connection(cluster: Cluster) -> kopf.ConnectionInfo:
    settings = cluster.configuration
    scheme, _, token = (await cluster.authorization() or "").partition(" ")
    return kopf.ConnectionInfo(
        server=settings.host,
        ca_path=settings.ssl_ca_cert,
        ca_data=settings.ca_cert_data if not settings.ssl_ca_cert else None,
        insecure=not settings.verify_ssl,
        certificate_path=settings.cert_file,
        private_key_path=settings.key_file,
        scheme=scheme or None,
        token=token or None,
        proxy_url=settings.proxy,
        trust_env=goes_through_proxy(settings.host),
    )


class _NoEssence(kopf.DiffBaseStorage):
    """kopf copies each object to compare it with the last one it handled; nothing here asks what has changed."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Nothing to remember."""


class _NoProgress(kopf.ProgressStorage):
    """No handler has any: kopf would search each object's annotations for it."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Nothing to remember."""

    def purge(self, **_: Any) -> None:
        """Nothing was remembered."""

    def touch(self, **_: Any) -> None:
        """No object is changed."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def _settings(page: int) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoEssence()
    settings.persistence.progress_storage = _NoProgress()
    settings.scanning.disabled = True
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.client_timeout = SERVER_TIMEOUT + 30
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = INACTIVITY_SECONDS
    settings.watching.chunk_size = page
    settings.queueing.idle_timeout = 0.1  # else each object of a list keeps a task for longer: ten thousand of them
    settings.process.ultimate_exiting_timeout = None  # else a watch that failed once ends the process ten minutes later
    settings.networking.error_backoffs = (1, 1, 2, 2)  # kopf's own grow to minutes: a change would wait that long after an outage
    return settings


class Watch:
    """kopf in a thread and an event loop of its own: at its end it cancels every task of its loop, and it takes the signals."""

    def __init__(self, store: ObjectStore, cluster: Cluster, namespaces: Collection[str], page: Callable[[], int]) -> None:
        """``page``: how many objects a page of kopf's own list may have."""
        self._store = store
        self._cluster = cluster
        self._namespaces = tuple(namespaces)
        self._page = page
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._stop_kopf: Callable[[], object] = lambda: None
        self._down_since: float | None = time.monotonic()

    @property
    def down_seconds(self) -> float:
        return 0.0 if self._down_since is None else time.monotonic() - self._down_since

    def stop(self) -> None:
        self._stop.set()
        self._stop_kopf()

    async def run(self, missed: Callable[[], Awaitable[Any]]) -> None:
        """Until ``stop``. kopf gives up on answers it does not expect; here it is started again, and ``missed`` lists
        what happened meanwhile."""
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(asyncio.run, self._kopf())
            except Exception as error:
                log.warning("the watch failed and is started again: %s", error)
                self._down_since = time.monotonic()
                await asyncio.to_thread(self._stop.wait, RESTART_SECONDS)
                with contextlib.suppress(ClusterError):
                    await missed()

    async def _kopf(self) -> None:
        """In the thread. Raises what kopf raises."""
        loop, stop, ready = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        loop.set_exception_handler(self._left_over)

        def stop_soon() -> None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(stop.set)

        self._stop_kopf = stop_soon
        if self._stop.is_set():
            return

        async def note_ready() -> None:
            await ready.wait()
            self._down_since = None

        readiness = asyncio.create_task(note_ready())
        try:
            await kopf.operator(
                registry=registry(self._observed, self._login, self._store.knows),
                settings=_settings(self._page()),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
                ready_flag=ready,
            )
        finally:
            readiness.cancel()

    def _left_over(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """What a task of kopf's ended with and nobody asked for: at its end mostly that its watch was broken off."""
        level = logging.DEBUG if self._stop.is_set() else logging.WARNING
        log.log(level, "the watch left an error behind: %s", context.get("exception") or context.get("message"))

    def _observed(self, event: Mapping[str, Any]) -> None:
        raw = event["object"]
        if event.get("type") == "DELETED":
            self._loop.call_soon_threadsafe(self._store.deleted, raw)
        else:
            self._loop.call_soon_threadsafe(self._store.put, raw)

    async def _login(self) -> kopf.ConnectionInfo:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_connection(self._cluster), self._loop))
