"""Complete lists: at the start, and from time to time, for what a watch that died in silence did not report."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection
from typing import Any

from .. import metrics
from ..crd.types import GROUP, PLURAL, VERSION
from ..engine.ports import Key
from .cluster import Cluster, ClusterError, TooLargeError, path
from .store import ObjectStore, key_of

log = logging.getLogger(__name__)

PAGE = 500
"""Most objects in a page of a list."""
PAGE_BYTES = 8 * 1024 * 1024
"""Most bytes of a page: one that is longer is not read to its end, but asked for with fewer objects."""
RELIST_SECONDS = 300.0
RETRY_SECONDS = 5.0
ADVICE = {
    401: "The credentials are not valid: check with kubectl auth whoami",
    403: "The operator's role is missing or too small: kubectl apply -k deploy/kustomize/base",
    404: "The CRD is not installed: kubectl apply --server-side -f crds/",
}
"""By the status of a list that failed."""
OTHER_ADVICE = "Check the cluster's address: kubectl cluster-info"


class Lister:
    """Of the watched namespaces; none: of all."""

    def __init__(self, cluster: Cluster, store: ObjectStore, namespaces: Collection[str]) -> None:
        self._cluster = cluster
        self._store = store
        self._one_at_a_time = asyncio.Lock()
        self._limit = PAGE
        self.page = PAGE
        """The fewest objects that a page of the last list had to be limited to: no page of so many is too long."""
        self._namespaces: tuple[str | None, ...] = tuple(sorted(namespaces)) or (None,)

    async def first(self) -> None:
        """Waits until the resources can be listed, and logs what is missing meanwhile, with the command that helps."""
        logged = ""
        while True:
            try:
                await self.list_all()
            except ClusterError as error:
                message = f"cannot list {PLURAL}.{GROUP}: {error.message}. {ADVICE.get(error.status, OTHER_ADVICE)}"
                if message != logged:
                    log.error(message)
                    logged = message
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def list_all(self) -> int:
        """Raises ClusterError. Returns how many differences there were to what was known."""
        async with self._one_at_a_time:  # of two lists the older one must not be put last
            self.page = self._limit
            return sum([await self._list(each) for each in self._namespaces])

    async def _list(self, namespace: str | None) -> int:
        """Page by page: ten thousand parsed objects at once would be hundreds of megabytes, which a process seldom gives back."""
        where = path("apis", GROUP, VERSION, "namespaces", namespace, PLURAL) if namespace else path("apis", GROUP, VERSION, PLURAL)
        token, missed = "", 0
        present: set[Key] = set()
        while True:
            page = await self._page(where, token)
            present.update(map(key_of, page["items"]))
            missed += sum(map(self._store.put, page["items"]))
            token = page["metadata"].get("continue") or ""
            if not token:
                return missed + self._store.complete(present, int(page["metadata"].get("resourceVersion") or 0), namespace)

    async def _page(self, where: str, token: str) -> Any:
        """As many objects as fit; after small pages more again."""
        while True:
            query = {"limit": str(self._limit), **({"continue": token} if token else {})}
            try:
                text = await self._cluster.request_bytes("GET", where, query=query, most=PAGE_BYTES if self._limit > 1 else None)
            except TooLargeError:
                self._limit = max(1, self._limit // 2)
                self.page = min(self.page, self._limit)
                continue
            if len(text) < PAGE_BYTES / 4:
                self._limit = min(PAGE, self._limit * 2)
            return json.loads(text)

    async def relist_forever(self) -> None:
        while True:
            await asyncio.sleep(RELIST_SECONDS)
            try:
                missed = await self.list_all()
            except ClusterError as error:
                log.warning("the periodic list failed: %s", error.message)
                continue
            if missed:
                metrics.relist_missed.inc(missed)
                log.warning("the periodic list found %d changes that the watch had not reported", missed)
