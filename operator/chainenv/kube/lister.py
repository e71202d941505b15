"""Complete lists: at the start, and from time to time, for what a watch that died in silence did not tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from .. import metrics
from ..crd.types import GROUP, PLURAL, VERSION
from ..engine.ports import Key
from .cluster import Cluster, ClusterError, path
from .store import ObjectStore, key_of

log = logging.getLogger(__name__)

PAGE = 500
RELIST_SECONDS = 300.0
RETRY_SECONDS = 5.0


class Lister:
    """Of the watched namespaces; none: of all."""

    def __init__(self, cluster: Cluster, store: ObjectStore, namespaces: Collection[str]) -> None:
        self._cluster = cluster
        self._store = store
        self._namespaces: tuple[str | None, ...] = tuple(sorted(namespaces)) or (None,)

    async def first(self) -> None:
        """Waits until the resources can be listed, and says what is missing meanwhile, with the line that helps."""
        said = ""
        while True:
            try:
                await self.list_all()
            except ClusterError as error:
                message = f"cannot list {PLURAL}.{GROUP}: {error.message}. {_advice(error)}"
                if message != said:
                    log.error(message)
                    said = message
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def list_all(self) -> int:
        """Raises ClusterError. Returns how many differences there were to what was known."""
        return sum([await self._list(each) for each in self._namespaces])

    async def _list(self, namespace: str | None) -> int:
        """Page by page: ten thousand parsed objects at once would be hundreds of megabytes, which a process seldom gives back."""
        where = path("apis", GROUP, VERSION, "namespaces", namespace, PLURAL) if namespace else path("apis", GROUP, VERSION, PLURAL)
        query, missed = {"limit": str(PAGE)}, 0
        present: set[Key] = set()
        while True:
            page = await self._cluster.request("GET", where, query=query)
            present.update(map(key_of, page["items"]))
            missed += sum(map(self._store.put, page["items"]))
            metadata = page["metadata"]
            if not metadata.get("continue"):
                return missed + self._store.complete(present, int(metadata.get("resourceVersion") or 0), namespace)
            query["continue"] = metadata["continue"]

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
                log.warning("the periodic list found %d changes that the watch had not told of", missed)


def _advice(error: ClusterError) -> str:
    if error.status == 404:
        return "The CRD is not installed: kubectl apply --server-side -f crds/"
    if error.status == 403:
        return "The operator's role is missing or too small: kubectl apply -k deploy/kustomize/base"
    if error.status == 401:
        return "The credentials are not valid: check with kubectl auth whoami"
    return "Check the cluster's address: kubectl cluster-info"
