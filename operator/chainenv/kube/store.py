"""The last known state of the resources, and the only writer of them.

Objects are kept as JSON text: a tenth of the memory of parsed ones, and parsing one takes less than a call.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..core.resource import Resource, resource_of
from ..core.sources import deployments_named
from ..core.status import to_json
from ..crd.types import API_VERSION, FINALIZER, GROUP, KIND, PLURAL, VERSION, ChainEnvironmentStatus
from ..engine.ports import ClaimState, Key, WriteConflictError
from .claims import Claim, Claims, claim_of
from .cluster import MERGE_PATCH, WRITE_TIMEOUT, Cluster, ClusterError, path
from .relations import Relations, relation

log = logging.getLogger(__name__)

_METADATA = ("namespace", "name", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp", "finalizers")
_OURS = f"{GROUP}/"
"""Of the annotations those that start so are kept: others may be hundreds of kilobytes of somebody else's."""
LONGEST_ANNOTATION = 1024
"""Characters of an annotation's value that are kept."""
MOST_PARSED = 256
"""So many of the objects used last are kept parsed as well, each below SMALL_BYTES of text: a few megabytes in all."""
SMALL_BYTES = 16 * 1024


@dataclass(slots=True)
class _Kept:
    version: int
    uid: str
    text: bytes


class ObjectStore:
    """Implements engine.ports.Store. ``on_change`` gets the keys that have something new to observe; ``fence`` is asked
    before each write (engine.ports.Ports); ``on_gone`` gets key and uid of what is gone, also when another has its name;
    ``entitled`` says of a namespace and a chain whether resources without a Secret have a key at all."""

    def __init__(
        self,
        cluster: Cluster,
        on_change: Callable[[Key], None],
        fence: Callable[[], None],
        on_gone: Callable[[Key, str], None] = lambda *_: None,
        entitled: Callable[[str, str], bool] = lambda *_: True,
    ) -> None:
        self._cluster = cluster
        self._fence = fence
        self._on_change = on_change
        self._on_gone = on_gone
        self._kept: dict[Key, _Kept] = {}
        self._parsed: OrderedDict[Key, tuple[_Kept, Resource]] = OrderedDict()
        """With what each was parsed from: it is what is kept, or out of date."""
        self._entitled = entitled
        self._claims = Claims()
        self._relations = Relations()
        self._writing: dict[Key, Mapping[str, Any] | None] = {}
        self._gone: dict[str, tuple[int, Key]] = {}
        """By uid: the version of a deletion, which a list or a write that was begun before may not know of."""

    def __len__(self) -> int:
        return len(self._kept)

    def known(self) -> tuple[Key, ...]:
        return tuple(self._kept)

    def knows(self, raw: Mapping[str, Any]) -> bool:
        """Whether ``put`` would have nothing new in an object, as far as is known. May be asked in any thread."""
        kept = self._kept.get(key_of(raw))
        return kept is not None and kept.version >= _version(raw)

    # -- what comes in ---------------------------------------------------------------------------------------------

    def put(self, raw: Mapping[str, Any]) -> bool:
        """An object from the watch or a list; whether it was news. Older than, or the same as, what is known: nothing happens."""
        key = key_of(raw)
        if key in self._writing:  # perhaps our own write, reported before it was answered
            self._writing[key] = raw
            return False
        version = _version(raw)
        old = self._kept.get(key)
        if (old is not None and old.version >= version) or self._is_gone(raw):
            return False
        if old is not None and old.uid != raw["metadata"]["uid"]:
            self._on_gone(key, old.uid)
        known = None if old is None else json.loads(old.text)
        self._keep(key, raw, version)
        if known is not None and _without_version(known) == _without_version(_trimmed(raw)):
            return True  # labels, somebody else's annotation: nothing that a decision is made from
        self._on_change(key)
        return True

    def deleted(self, raw: Mapping[str, Any]) -> None:
        """Reported by the watch: of this object, not of a younger one that has its name."""
        key, uid, version = key_of(raw), str(raw["metadata"]["uid"]), _version(raw)
        self._gone[uid] = (version, key)
        kept = self._kept.get(key)
        if kept is not None and (kept.uid == uid or kept.version <= version):
            self.remove(key)

    def _is_gone(self, raw: Mapping[str, Any]) -> bool:
        return _version(raw) <= self._gone.get(str(raw["metadata"]["uid"]), (-1, None))[0]

    def remove(self, key: Key) -> None:
        """The object is gone; others that wanted its environment may be next."""
        kept = self._kept.pop(key, None)
        self._parsed.pop(key, None)
        if kept is None:
            return
        self._on_gone(key, kept.uid)
        self._on_change(key)
        self._wake(self._claims.remove(key))
        self._wake(self._relations.remove(key))

    def complete(self, present: Collection[Key], version: int, namespace: str | None) -> int:
        """All of a list as of ``version`` has been put; what is not in it is gone. Returns how much of that was news."""
        gone = [
            key for key, kept in self._kept.items() if key not in present and kept.version <= version and namespace in (None, key.namespace)
        ]
        self._gone = {
            uid: (at, key)
            for uid, (at, key) in self._gone.items()
            if at > version or namespace not in (None, key.namespace) or key in self._writing
        }
        for key in gone:
            self._gone[self._kept[key].uid] = (version, key)
            self.remove(key)
        return len(gone)

    def _wake(self, keys: Collection[Key]) -> None:
        """Whose environment it is has changed for them."""
        for key in keys:
            self._on_change(key)

    def _keep(self, key: Key, raw: Mapping[str, Any], version: int) -> None:
        text = json.dumps(_trimmed(raw), separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
        self._kept[key] = _Kept(version, str(raw["metadata"]["uid"]), text)
        self._wake(self._claims.put(self._claim(key, raw)))
        self._wake(self._relations.put(relation(key, raw)))

    def _claim(self, key: Key, raw: Mapping[str, Any]) -> Claim:
        spec = raw.get("spec") or {}
        return claim_of(key, raw, has_key=bool(spec.get("apiKeySecretRef")) or self._entitled(key.namespace, str(spec.get("chainID", ""))))

    # -- engine.ports.Store ----------------------------------------------------------------------------------------

    def get(self, key: Key) -> Resource | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        known, resource = self._parsed.get(key, (None, None))
        if known is not kept or resource is None:
            resource = resource_of(json.loads(kept.text))
        self._keep_parsed(key, kept, resource)
        return resource

    def _keep_parsed(self, key: Key, kept: _Kept, resource: Resource) -> None:
        if len(kept.text) > SMALL_BYTES:
            return
        self._parsed[key] = kept, resource
        self._parsed.move_to_end(key)
        if len(self._parsed) > MOST_PARSED:
            self._parsed.popitem(last=False)

    def owner_of(self, resource: Resource) -> Resource | None:
        mine = Key(resource.namespace, resource.name)
        owner = self._claims.owner(mine)
        return None if owner in (None, mine) else self.get(owner)

    def contested(self, resource: Resource) -> bool:
        return self._claims.contested(Key(resource.namespace, resource.name))

    def named_by_others(self, resource: Resource) -> frozenset[str]:
        mine = Key(resource.namespace, resource.name)
        others = (self.get(key) for key in self._relations.of_chain(resource.spec.chain_id) if key != mine)
        return frozenset(name for other in others if other is not None for name in deployments_named(other))

    @contextmanager
    def claimed(self, resource: Resource) -> Iterator[ClaimState]:
        state, others = self._claims.take(Key(resource.namespace, resource.name), resource.uid)
        try:
            self._wake(others)
            yield state
        finally:
            self._claims.leave(resource.target, resource.uid)

    async def write_status(self, resource: Resource, status: ChainEnvironmentStatus) -> Resource:
        kept = self._kept.get(Key(resource.namespace, resource.name))
        if kept is None:
            raise WriteConflictError("gone")
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": resource.name,
                "namespace": resource.namespace,
                "uid": resource.uid,
                "resourceVersion": resource.resource_version,
            },
            "spec": json.loads(kept.text)["spec"],  # ignored in a status write, but the API server wants it there
            "status": to_json(status),
        }
        raw = await self._write(resource, "PUT", "status", body=body)
        self._wake(self._claims.written(Key(resource.namespace, resource.name), resource.uid))
        return self._written(resource, status, raw) if raw.get("status") == body["status"] else resource_of(raw)

    def _written(self, resource: Resource, status: ChainEnvironmentStatus, raw: Mapping[str, Any]) -> Resource:
        """The object after a write of its status that was taken as it is: it differs in nothing else, so it is not parsed."""
        written = replace(resource, resource_version=str(raw["metadata"]["resourceVersion"]), status=status, unreadable=0)
        key = Key(resource.namespace, resource.name)
        kept = self._kept.get(key)
        if kept is not None and kept.version == _version(raw):
            self._keep_parsed(key, kept, written)
        return written

    async def set_finalizer(self, resource: Resource, present: bool) -> Resource:
        others = [f for f in resource.finalizers if f != FINALIZER]
        metadata = {"resourceVersion": resource.resource_version, "finalizers": [*others, FINALIZER] if present else others}
        return resource_of(await self._write(resource, "PATCH", body={"metadata": metadata}, content_type=MERGE_PATCH))

    async def _write(self, resource: Resource, method: str, *more: str, **call: Any) -> Any:
        """The object as answered. Raises WriteConflictError with the newer object in the store, or when it was deleted before its answer
        came; other refusals are ClusterError."""
        self._fence()
        key = Key(resource.namespace, resource.name)
        self._writing[key] = None
        try:
            raw = await self._cluster.request(method, object_path(key, *more), timeout=WRITE_TIMEOUT, **call)
        except ClusterError as error:
            if error.status not in (404, 409):
                raise
            self._put_reported(key)
            await self._refresh(key)
            raise WriteConflictError(str(key)) from error
        else:
            if self._is_gone(raw):
                raise WriteConflictError(str(key))
            if raw["metadata"].get("deletionTimestamp") and not raw["metadata"].get("finalizers"):
                self.remove(key)
            else:
                self._keep(key, raw, _version(raw))
        finally:
            self._put_reported(key)
        return raw

    def _put_reported(self, key: Key) -> None:
        """What the watch reported during a write is news only if it is newer than the write."""
        reported = self._writing.pop(key, None)
        if reported is not None and (key in self._kept or not reported["metadata"].get("deletionTimestamp")):
            self.put(reported)

    async def _refresh(self, key: Key) -> None:
        before = self._kept.get(key)
        try:
            self.put(await self._cluster.request("GET", object_path(key), timeout=WRITE_TIMEOUT))
        except ClusterError as error:
            if error.status != 404:
                raise
            if self._kept.get(key) is before:  # else it was made again meanwhile
                self.remove(key)


def object_path(key: Key, *more: str) -> str:
    return path("apis", GROUP, VERSION, "namespaces", key.namespace, PLURAL, key.name, *more)


def key_of(raw: Mapping[str, Any]) -> Key:
    return Key(raw["metadata"]["namespace"], raw["metadata"]["name"])


def _version(raw: Mapping[str, Any]) -> int:
    """resourceVersions of one resource type can be compared as numbers (Kubernetes API concepts, "Resource versions")."""
    text = str(raw["metadata"].get("resourceVersion", "0"))
    return int(text) if text.isdigit() else 0


def _trimmed(raw: Mapping[str, Any]) -> dict[str, Any]:
    meta = {name: raw["metadata"][name] for name in _METADATA if name in raw["metadata"]}
    annotations = raw["metadata"].get("annotations") or {}
    meta["annotations"] = {name: str(value)[:LONGEST_ANNOTATION] for name, value in annotations.items() if name.startswith(_OURS)}
    return {"metadata": meta, "spec": raw.get("spec") or {}, "status": raw.get("status") or {}}


def _without_version(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {**kept, "metadata": {name: value for name, value in kept["metadata"].items() if name != "resourceVersion"}}
