"""One operator process: the real store, keys, queue, lister and reconciler, wired to the models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from random import Random
from typing import Any

from chainenv.api import ApiKey, Baseten, Endpoint
from chainenv.core.polling import Intervals, needs_attention, until_edge, was_asked_for
from chainenv.core.world import Timing
from chainenv.engine.ports import Key, NotLeadingError, Ports
from chainenv.engine.prices import PriceBook
from chainenv.engine.reconcile import Reconciler
from chainenv.engine.who import Audit
from chainenv.kube.leader import Leader
from chainenv.kube.lister import Lister
from chainenv.kube.queue import Queue
from chainenv.kube.secrets import SecretKeys
from chainenv.kube.store import ObjectStore
from chainenv.settings import KeyGrants

from .apiserver import Raw, Watcher
from .clock import wall
from .owners import GRANTED
from .story import Story
from .wire import Cluster, Network, Transport

RELIST_SECONDS = 300.0


class _Queue(Queue):
    """The real queue without its tick: between two due times nothing has to happen."""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            self._wake.clear()
            wait = self._start_due()
            timer = loop.call_later(wait, self._wake.set) if self._later else None
            await self._wake.wait()
            if timer is not None:
                timer.cancel()


class Process:
    """``skew``: by how many seconds its wall clock is ahead of the API server's. ``crash_in``: so many points from now it ends."""

    def __init__(
        self,
        network: Network,
        name: str,
        skew: float,
        own_key: str,
        reported: Callable[[str, Any, Any], None],
        story: Story,
    ) -> None:
        self.name = name
        self.skew = skew
        self.alive = True
        self.on_end: Callable[[str], None] = lambda _: None
        self.lost = False
        """Somebody took the lead without its knowing (where no Lease decides)."""
        self.crash_in: int | None = None
        self.runs = 0
        self.failed: BaseException | None = None
        self.started = network.loop.now
        self._network = network
        self._rng = Random(story.seed + int(name.partition("-")[2]))
        self._reported = reported
        cluster: Any = Cluster(network, name, self._point)
        self.leader = Leader(cluster, "chainenv-system") if story.elects else None
        transport: Any = Transport(network, name, self._point)
        grants = KeyGrants.parse(GRANTED)
        keys = SecretKeys(cluster, ApiKey(own_key), grants, lambda: 1_000.0 + network.loop.now)
        self.store = ObjectStore(cluster, self._changed, self.fence, lambda _, uid: keys.forget(uid), grants.allows)
        self.reconciler = Reconciler(self._ports(keys, transport), Intervals(), Timing(), Audit(story.audit))
        self.queue = _Queue(self._handle, workers=100)
        self._lister = Lister(cluster, self.store, ())
        self._listed = False
        self.watcher = Watcher(self._seen)
        self._task = network.loop.create_task(self._run())

    def _ports(self, keys: Any, transport: Any) -> Ports:
        loop = self._network.loop
        known: dict[str, Any] = {
            "store": self.store,
            "keys": keys,
            "events": self,
            "baseten": lambda key: Baseten(transport, key, self._departing),
            "now": lambda: wall(loop.now, self.skew),
            "monotonic": lambda: 1_000.0 + loop.now,
            "jitter": self._rng.random,
            "fence": self.fence,
            "measure": lambda *_: None,
            "again": self._changed,
            "prices": PriceBook(lambda: 1_000.0 + loop.now, self._again),
        }
        return Ports(**{f.name: known[f.name] for f in fields(Ports) if f.name in known})

    def emit(self, resource: Any, reported: Any) -> None:
        self._reported(self.name, resource, reported)

    @property
    def leading(self) -> bool:
        return self.alive and not self.lost and (self.leader is None or self.leader.leading)

    def fence(self) -> None:
        if not self.leading:
            raise NotLeadingError

    def _departing(self, endpoint: Endpoint) -> None:
        if endpoint.writes:
            self.fence()

    def _again(self, key: Key, seconds: float) -> None:
        self.queue.add(key, seconds)

    def _changed(self, key: Key) -> None:
        if self._listed:
            self.queue.add(key, changed=True)

    def _seen(self, kind: str, raw: Raw) -> None:
        (self.store.deleted if kind == "DELETED" else self.store.put)(raw)

    async def _handle(self, key: Key) -> float | None:
        self.runs += 1
        return await self.reconciler.reconcile(key)

    async def _run(self) -> None:
        self._network.api.watchers.append(self.watcher)
        await self._lister.first()
        if self.leader is not None:
            asyncio.get_running_loop().create_task(self._keep_the_lease(self.leader))
            await self.leader.acquired.wait()
            self._network.log(self.name, "holds the Lease")
        self._listed = True
        for key in self.store.known():
            resource, now = self.store.get(key), wall(self._network.loop.now, self.skew)
            if resource is None or needs_attention(resource, now):
                self.queue.add(key, changed=resource is None or was_asked_for(resource))
            else:
                self.queue.add(key, min(5 * self._rng.random(), until_edge(resource.status.schedule, now)))
        relisting = asyncio.get_running_loop().create_task(self._lister.relist_forever())
        try:
            await self.queue.run()
        finally:
            relisting.cancel()

    async def _keep_the_lease(self, leader: Leader) -> None:
        """As the application does: a process that lost the Lease ends."""
        await leader.run()
        if self.alive:
            self._network.log(self.name, "has lost the Lease, and ends")
            self.end()

    def _point(self, where: str) -> None:
        """Passed before and after each call; the armed crash happens at one of them."""
        if self.crash_in is None:
            return
        self.crash_in -= 1
        if self.crash_in <= 0:
            self.crash_in = None
            self._network.log(self.name, f"crashes ({where})")
            self.end()
            raise asyncio.CancelledError

    def end(self) -> None:
        """At once: what is on the wire stays there, what is in memory is gone."""
        if self.alive:
            self.on_end(self.name)
        self.alive = self.watcher.open = False
        self.failed = self._task.exception() if self._task.done() and not self._task.cancelled() else None
        self._task.cancel()
        self.queue.stop()
        self.queue.cancel_running()
