"""Kubernetes Events: what ``kubectl describe`` shows. Repeated ones are counted, not repeated."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from datetime import UTC, datetime
from uuid import uuid4

from ..core.findings import EventRecord
from ..core.resource import Resource
from ..crd.types import API_VERSION, KIND
from .cluster import MERGE_PATCH, WRITE_TIMEOUT, Cluster, ClusterError, path

log = logging.getLogger(__name__)

COMPONENT = "chainenv-operator"
MOST_WAITING = 10_000
MOST_REMEMBERED = 10_000


class EventWriter:
    """Implements engine.ports.Events; ``run`` writes them one after the other and gives up on one that cannot be written."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: asyncio.Queue[tuple[Resource, EventRecord]] = asyncio.Queue(MOST_WAITING)
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._instance = uuid4().hex[:8]

    def emit(self, resource: Resource, event: EventRecord) -> None:
        try:
            self._waiting.put_nowait((resource, event))
        except asyncio.QueueFull:
            log.warning("too many events are waiting to be written; one was dropped")

    async def run(self) -> None:
        while True:
            resource, event = await self._waiting.get()
            try:
                await self._write(resource, event)
            except ClusterError as error:
                log.warning("an event could not be written: %s", error.message)
            finally:
                self._waiting.task_done()

    async def drain(self, seconds: float) -> None:
        """Give waiting events a moment to be written before the end."""
        try:
            await asyncio.wait_for(self._waiting.join(), seconds)
        except TimeoutError:
            log.warning("%d events were not written", self._waiting.qsize())

    async def _write(self, resource: Resource, event: EventRecord) -> None:
        now = _now()
        what = hashlib.sha256(f"{resource.uid}{event.reason}{event.message}".encode()).hexdigest()[:12]
        name = f"{resource.name[:200]}.{what}{self._instance}"
        count = self._counts.get(name, 0)
        if count and await self._counted(resource.namespace, name, count + 1):
            self._remember(name, count + 1)
            return
        body = {
            "metadata": {"name": name, "namespace": resource.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": resource.namespace,
                "name": resource.name,
                "uid": resource.uid,
                "resourceVersion": resource.resource_version,
            },
            "type": "Warning" if event.warning else "Normal",
            "reason": str(event.reason),
            "message": event.message[:1024],
            "source": {"component": COMPONENT},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        where = path("api", "v1", "namespaces", resource.namespace, "events")
        await self._cluster.request("POST", where, body=body, timeout=WRITE_TIMEOUT)
        self._remember(name, 1)

    async def _counted(self, namespace: str, name: str, count: int) -> bool:
        """False: somebody, or its time to live, has removed the event."""
        body = {"count": count, "lastTimestamp": _now()}
        try:
            where = path("api", "v1", "namespaces", namespace, "events", name)
            await self._cluster.request("PATCH", where, body=body, content_type=MERGE_PATCH, timeout=WRITE_TIMEOUT)
        except ClusterError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _remember(self, name: str, count: int) -> None:
        self._counts[name] = count
        self._counts.move_to_end(name)
        if len(self._counts) > MOST_REMEMBERED:
            self._counts.popitem(last=False)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
