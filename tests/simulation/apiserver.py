"""The API server, as far as the operator uses it: versions, conflicts, finalizers, the status subresource, and a watch that may lag."""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable
from random import Random
from typing import Any

from chainenv.crd.types import API_VERSION, GROUP, KIND, PLURAL, VERSION
from chainenv.kube.cluster import ClusterError

from .clock import VirtualLoop, wall

Raw = dict[str, Any]
Name = tuple[str, str]
RESOURCES = f"/apis/{GROUP}/{VERSION}"


def clone(raw: Any) -> Any:
    """As far as JSON can tell, a deep copy; four times as fast."""
    return marshal.loads(marshal.dumps(raw))


class Watcher:
    """What one process is told. ``lag``: seconds; ``lost``: events are dropped; ``echo``: old events are repeated later."""

    def __init__(self, tell: Callable[[str, Raw], None]) -> None:
        self.tell = tell
        self.lag = 0.05
        self.lost = False
        self.echo = False
        self.last = 0.0
        self.open = True


class ApiServer:
    """Objects as JSON. ``failing``: by kind of call (``status``, ``metadata``, ``read``, ``secret``), what each is answered."""

    def __init__(self, loop: VirtualLoop, rng: Random) -> None:
        self._loop = loop
        self._rng = rng
        self._version = 100
        self._uid = 0
        self.objects: dict[Name, Raw] = {}
        self.secrets: dict[Name, Raw] = {}
        self.leases: dict[Name, Raw] = {}
        self.watchers: list[Watcher] = []
        self.failing: dict[str, tuple[int, str]] = {}
        self.on_status: list[Callable[[Raw, Raw], None]] = []
        self.on_change: list[Callable[[str, Raw], None]] = []

    # -- what people do ----------------------------------------------------------------------------------------------

    def create(self, namespace: str, name: str, spec: Raw, age: float = 0.0) -> Raw:
        """``age``: so many seconds older than now."""
        self._uid += 1
        meta = {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-{self._uid}",
            "generation": 1,
            "creationTimestamp": wall(self._loop.now - age).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        raw = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": clone(spec), "status": {"observedGeneration": -1}}
        self.objects[namespace, name] = raw
        self._changed("ADDED", raw)
        return raw

    def edit(self, name: Name, change: Callable[[Raw], None]) -> None:
        """A person's write; nothing if there is no such object."""
        raw = self.objects.get(name)
        if raw is None:
            return
        new = clone(raw)
        change(new)
        self._store(name, raw, new)

    def delete(self, name: Name) -> None:
        raw = self.objects.get(name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            return
        new = clone(raw)
        new["metadata"]["deletionTimestamp"] = wall(self._loop.now).strftime("%Y-%m-%dT%H:%M:%SZ")
        new["metadata"]["generation"] += 1
        self._store(name, raw, new)

    def set_secret(self, name: Name, data: dict[str, str] | None) -> None:
        if data is None:
            self.secrets.pop(name, None)
        else:
            self.secrets[name] = {"type": "Opaque", "metadata": {"namespace": name[0], "name": name[1], "labels": {}}, "data": data}

    # -- what it does ------------------------------------------------------------------------------------------------

    def handle(self, method: str, path: str, body: Any) -> Raw:
        """Raises ClusterError."""
        if method == "GET" and path == f"{RESOURCES}/{PLURAL}":
            self._fail("read")
            items = [clone(raw) for raw in self.objects.values()]
            return {"metadata": {"resourceVersion": str(self._version)}, "items": items}
        parts = path.strip("/").split("/")
        if parts[:3] == ["api", "v1", "namespaces"] and parts[4] == "secrets":
            self._fail("secret")
            return clone(self._found(self.secrets, (parts[3], parts[5])))
        if parts[:2] == ["apis", "coordination.k8s.io"]:
            return self._lease(method, parts[4], parts[6:], body)
        if parts[:2] == ["apis", GROUP]:
            return self._resource(method, (parts[4], parts[6]), parts[7:], body)
        raise ClusterError(404, f"the server could not find {path}")

    def _lease(self, method: str, namespace: str, rest: list[str], body: Any) -> Raw:
        name = namespace, rest[0] if rest else body["metadata"]["name"]
        if method == "POST":
            if name in self.leases:
                raise ClusterError(409, f"{name[1]} already exists")
        elif method == "GET":
            return clone(self._found(self.leases, name))
        elif body["metadata"].get("resourceVersion") != self._found(self.leases, name)["metadata"]["resourceVersion"]:
            raise ClusterError(409, "the object has been modified; please apply your changes to the latest version and try again")
        self._version += 1
        self.leases[name] = json.loads(json.dumps(body)) | {"metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        return clone(self.leases[name])

    def _resource(self, method: str, name: Name, rest: list[str], body: Any) -> Raw:
        if method == "GET":
            self._fail("read")
            return clone(self._found(self.objects, name))
        self._fail("status" if rest else "metadata")
        raw = self._found(self.objects, name)
        meta = body["metadata"]
        if meta.get("uid", raw["metadata"]["uid"]) != raw["metadata"]["uid"]:
            raise ClusterError(409, "Precondition failed: UID in precondition does not match")
        if meta.get("resourceVersion", raw["metadata"]["resourceVersion"]) != raw["metadata"]["resourceVersion"]:
            raise ClusterError(409, "the object has been modified; please apply your changes to the latest version and try again")
        new = clone(raw)
        if rest == ["status"]:
            new["status"] = json.loads(json.dumps(body["status"]))
            for hook in self.on_status:
                hook(raw, new)
        else:
            new["metadata"]["finalizers"] = list(meta.get("finalizers", raw["metadata"].get("finalizers", [])))
        return clone(self._store(name, raw, new))

    def _fail(self, kind: str) -> None:
        if kind in self.failing:
            raise ClusterError(*self.failing[kind])

    def _found(self, among: dict[Name, Raw], name: Name) -> Raw:
        if name not in among:
            raise ClusterError(404, f"{name[1]} not found")
        return among[name]

    def _store(self, name: Name, old: Raw, new: Raw) -> Raw:
        if new == old:
            return old
        if new["spec"] != old["spec"]:
            new["metadata"]["generation"] += 1
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            del self.objects[name]
            self._changed("DELETED", new)
            return new
        self.objects[name] = new
        self._changed("MODIFIED", new)
        return new

    def _changed(self, kind: str, raw: Raw) -> None:
        self._version += 1
        raw["metadata"]["resourceVersion"] = str(self._version)
        for hook in self.on_change:
            hook(kind, raw)
        self.watchers = [w for w in self.watchers if w.open]
        for watcher in self.watchers:
            if watcher.lost:
                continue
            at = watcher.last = max(watcher.last, self._loop.now + watcher.lag * (0.5 + self._rng.random()))
            self._loop.call_at(at, self._tell, watcher, kind, clone(raw))
            if watcher.echo and kind != "DELETED":  # a watch that is opened anew may repeat what was told before
                self._loop.call_at(at + 30 * self._rng.random(), self._tell, watcher, kind, clone(raw))

    def _tell(self, watcher: Watcher, kind: str, raw: Raw) -> None:
        if watcher.open:
            watcher.tell(kind, raw)
