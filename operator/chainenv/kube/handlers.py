"""The only place that knows kopf: its watch feeds the store, and nothing else of it is used.

No handler causes, timers, finalizers or annotations of kopf's: DESIGN section 6 has the measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

import kopf

from ..crd.types import GROUP, PLURAL, VERSION
from .cluster import Cluster
from .store import ObjectStore, key_of

log = logging.getLogger(__name__)

SERVER_TIMEOUT = 300
"""A watch is opened anew after this many seconds, whatever happens; a silent one after kopf's inactivity time-out (70 s)."""

RESTART_SECONDS = 3.0


def registry(store: ObjectStore, cluster: Cluster) -> kopf.OperatorRegistry:
    """kopf's handlers: log in as the rest of the operator does, and hand over what the watch says."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await _connection(cluster)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def seen(event: Mapping[str, Any], **_: Any) -> None:
        raw = event["object"]
        if event.get("type") == "DELETED":
            store.remove(key_of(raw))
        else:
            store.put(raw)

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
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.client_timeout = SERVER_TIMEOUT + 30
    settings.watching.connect_timeout = 10
    settings.queueing.idle_timeout = 1
    settings.process.ultimate_exiting_timeout = None  # else a watch that failed once ends the process ten minutes later
    settings.networking.error_backoffs = (1, 1, 2, 2)  # kopf's own grow to minutes: a change would wait that long after an outage
    return settings


async def watch(
    store: ObjectStore, cluster: Cluster, namespaces: Collection[str], stop: asyncio.Event, on_ready: Callable[[], None]
) -> None:
    """Until ``stop`` is set. kopf gives up on answers it does not expect; here it is started again, and that is logged."""
    while not stop.is_set():
        ready = asyncio.Event()
        telling = asyncio.create_task(_tell(ready, on_ready))
        try:
            await kopf.operator(
                registry=registry(store, cluster),
                settings=_settings(),
                standalone=True,
                clusterwide=not namespaces,
                namespaces=tuple(namespaces),
                stop_flag=stop,
                ready_flag=ready,
            )
        except Exception as error:
            log.warning("the watch failed and is started again: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RESTART_SECONDS)
        else:
            return
        finally:
            telling.cancel()


async def _tell(ready: asyncio.Event, on_ready: Callable[[], None]) -> None:
    await ready.wait()
    on_ready()
