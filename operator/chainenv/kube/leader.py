"""One process acts: a Lease, held by renewing it, judged by this process's own clock.

kopf's peering is not leader election (docs/decisions/0003), and kubernetes.aio's elector neither gives the Lease back at
the end nor notices that a process was stopped until its time was over; hence these few lines on the Lease itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ..engine.ports import NotLeadingError
from .cluster import Cluster, ClusterError, path

log = logging.getLogger(__name__)

LEASE_NAME = "chainenv-operator"
LEASE_SECONDS = 15
RENEW_SECONDS = 2.0
RETRY_SECONDS = 0.5
"""After a renewal that failed."""
WAITING_SECONDS = 1.0
"""How often a process that does not hold the Lease reads whether it is free."""
REQUEST_SECONDS = 3.0
"""Longest time one request may take: two that hang one after the other do not cost the Lease."""
TRUSTED_SECONDS = 10.0
"""After the last renewal this process trusts itself for so long: less than the others wait (LEASE_SECONDS)."""


class Leader:
    """``fence`` is what keeps a process that lost the Lease from acting: a monotonic clock that goes on while it is stopped."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._collection = path("apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases")
        self._identity = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        self._renewed = float("-inf")
        self._held: dict[str, Any] | None = None
        """The Lease as the last renewal left it; None after anything else: then it is read again."""
        self._other: tuple[Any, float] = (None, 0.0)
        self.acquired = asyncio.Event()

    @property
    def leading(self) -> bool:
        return time.monotonic() - self._renewed < TRUSTED_SECONDS

    def fence(self) -> None:
        if not self.leading:
            raise NotLeadingError

    async def run(self) -> None:
        """Takes the Lease when it is free and keeps it. Returns when it was lost: then the process must end."""
        while True:
            renewed = False
            try:
                renewed = await self._round()
            except ClusterError as error:
                log.warning("the Lease could not be renewed: %s", error.message)
            if self.acquired.is_set() and not self.leading:
                log.error("the Lease was lost")
                return
            await asyncio.sleep(RENEW_SECONDS if renewed else RETRY_SECONDS if self.leading else WAITING_SECONDS)

    async def _round(self) -> bool:
        """Whether the Lease is held now. Raises ClusterError."""
        begun = time.monotonic()
        lease, self._held = self._held or await self._read(), None
        if lease is None:
            lease = await self._request("POST", self._collection, self._taken({"metadata": {"name": LEASE_NAME}}, 0))
        elif self._may_take(spec := lease.setdefault("spec", {})):
            if spec.get("holderIdentity") == self._identity:
                spec.update(renewTime=_now(), leaseDurationSeconds=LEASE_SECONDS)
            else:
                lease = self._taken(lease, int(spec.get("leaseTransitions") or 0) + 1)
            try:
                lease = await self._write(lease)
            except ClusterError as error:
                if error.status == 409 and self.leading:  # somebody changed it, or a renewal came late that was given up
                    return await self._round()
                raise
        else:
            self._renewed = float("-inf")  # what was trusted until now is somebody else's
            return False
        self._held, self._renewed = lease, begun
        if not self.acquired.is_set():
            log.info("acting: this process holds the Lease")
            self.acquired.set()
        return True

    async def release(self) -> None:
        """At the end: whoever waits need not wait for the Lease to run out."""
        if not self.leading:
            return
        try:
            lease = await self._read()
            if lease is not None and lease.get("spec", {}).get("holderIdentity") == self._identity:
                lease["spec"].update(holderIdentity="", renewTime=_now())
                await self._write(lease)
        except ClusterError as error:
            log.warning("the Lease could not be given back: %s", error.message)
        self._renewed = float("-inf")

    def _may_take(self, spec: dict[str, Any]) -> bool:
        """Mine, free, or not renewed for its whole duration while this process watched (clocks of others do not count)."""
        holder = spec.get("holderIdentity")
        if holder in (self._identity, "", None):
            return True
        observed = (holder, spec.get("renewTime"))
        now = time.monotonic()
        if observed != self._other[0]:
            self._other = (observed, now)
            return False
        return now - self._other[1] > float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)

    def _taken(self, lease: dict[str, Any], transitions: int) -> dict[str, Any]:
        """What others have put into the object stays."""
        now = _now()
        mine = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        return {**lease, **kind, "spec": {**lease.get("spec", {}), **mine}}

    async def _read(self) -> dict[str, Any] | None:
        try:
            lease: dict[str, Any] = await self._request("GET", f"{self._collection}/{LEASE_NAME}")
        except ClusterError as error:
            if error.status == 404:
                return None
            raise
        return lease

    async def _write(self, lease: dict[str, Any]) -> dict[str, Any]:
        return await self._request("PUT", f"{self._collection}/{LEASE_NAME}", lease)

    async def _request(self, method: str, at: str, body: Any = None) -> dict[str, Any]:
        answer: dict[str, Any] = await self._cluster.request(method, at, body=body, timeout=REQUEST_SECONDS)
        return answer


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
