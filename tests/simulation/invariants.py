"""What must be true of the operator whatever happens, each with the rule that it comes from. Asked at each call, write and hour."""

from __future__ import annotations

import json
from collections.abc import Callable

from . import gated
from .apiserver import ApiServer, Raw
from .baseten import Baseten
from .calls import Calls
from .declared import declared_types
from .ends import Ends
from .facts import Violation
from .owners import name_of
from .wire import Network

__all__ = ["Invariants", "Violation"]


class Invariants(Calls, Ends):
    def __init__(self, network: Network, baseten: Baseten, api: ApiServer, found: Callable[[Violation], None]) -> None:
        super().__init__(network, baseten, api, found)
        network.on_send.append(self.sent)
        network.on_land.append(self.landed)
        network.on_read.append(self.read)
        api.on_status.append(self.status_written)
        api.on_change.append(self.changed)

    def changed(self, kind: str, raw: Raw) -> None:
        spec, uid = raw["spec"], raw["metadata"]["uid"]
        if kind == "DELETED" and uid in self.held:  # without a finalizer the API server asks nobody
            self._deleted(raw)
        self.owners.changed(raw, self._net.loop.now)
        if kind == "DELETED":
            return
        if raw["metadata"].get("finalizers"):
            self.held.add(uid)
        annotations = raw["metadata"].get("annotations") or {}
        self.approved.add((uid, str(annotations.get(gated.APPROVE))))
        self.aborted.add((uid, str(annotations.get(gated.ABORT))))
        last = next((s for _, u, _, s in reversed(self.specs) if u == uid), None)
        if last == spec:
            return
        if last is None or last.get("deploymentID") != spec.get("deploymentID"):
            self.own_epoch[uid, "promote"] += 1
        if last is None or declared_types(last) != declared_types(spec):
            self.own_epoch[uid, "update_instance_types"] += 1
        self.specs.append((self._net.loop.now, uid, name_of(raw), json.loads(json.dumps(spec))))
