"""Who is to be woken by whose change, and which resources are of one chain: kept up to date with every object of the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.ports import Key


@dataclass(frozen=True, slots=True)
class Relation:
    """``follows``: the resource that its promoteFrom names. ``shown``: what followers decide from."""

    key: Key
    chain: str
    follows: Key | None
    shown: tuple[Any, ...]


class Relations:
    """Each ``put`` and ``remove`` answers with the keys for which something has changed."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[str, Key | None]] = {}
        self._followers: defaultdict[Key, set[Key]] = defaultdict(set)
        self._of_chain: defaultdict[str, set[Key]] = defaultdict(set)
        self._shown: dict[Key, tuple[Any, ...]] = {}
        """Of what is followed alone."""

    def put(self, new: Relation) -> Collection[Key]:
        chain, follows = self._known.get(new.key, ("", None))
        if chain != new.chain:
            self._leave(self._of_chain, chain, new.key)
            self._of_chain[new.chain].add(new.key)
        if follows != new.follows:
            if follows is not None:
                self._leave(self._followers, follows, new.key)
            if new.follows is not None:
                self._followers[new.follows].add(new.key)
        self._known[new.key] = new.chain, new.follows
        if new.key not in self._followers:
            self._shown.pop(new.key, None)
            return ()
        before, self._shown[new.key] = self._shown.get(new.key), new.shown
        if follows != new.follows:  # a circle may have begun or ended, for all who follow
            return self._downstream(new.key)
        return tuple(self._followers[new.key]) if before != new.shown else ()

    def remove(self, key: Key) -> Collection[Key]:
        chain, follows = self._known.pop(key, ("", None))
        self._leave(self._of_chain, chain, key)
        if follows is not None:
            self._leave(self._followers, follows, key)
        self._shown.pop(key, None)
        return self._downstream(key)

    def of_chain(self, chain: str) -> Collection[Key]:
        return tuple(self._of_chain.get(chain, ()))

    def _downstream(self, key: Key) -> Collection[Key]:
        found: dict[Key, None] = {}
        waiting = [key]
        while waiting:
            for follower in self._followers.get(waiting.pop(), ()):
                if follower not in found and follower != key:
                    found[follower] = None
                    waiting.append(follower)
        return tuple(found)

    @staticmethod
    def _leave(index: defaultdict[Any, set[Key]], of: Any, key: Key) -> None:
        members = index.get(of)
        if members is not None:
            members.discard(key)
            if not members:
                del index[of]


def relation(key: Key, raw: Mapping[str, Any]) -> Relation:
    """Of an object as the API server has it; whatever it holds."""
    spec, status, meta = _mapping(raw.get("spec")), _mapping(raw.get("status")), raw["metadata"]
    name = _mapping(spec.get("promoteFrom")).get("name")
    conditions, history = status.get("conditions"), status.get("history")
    ready = next((c for c in conditions if isinstance(c, Mapping) and c.get("type") == "Ready"), {}) if isinstance(conditions, list) else {}
    newest = _mapping(history[0]) if isinstance(history, list) and history else {}
    shown = (
        meta.get("uid"),
        meta.get("generation"),
        "deletionTimestamp" in meta,
        status.get("observedGeneration"),
        *(str(ready.get(part)) for part in ("status", "reason", "lastTransitionTime", "observedGeneration")),
        str(_mapping(status.get("currentDeployment")).get("id")),
        *(str(newest.get(part)) for part in ("deploymentID", "since", "until")),
    )
    return Relation(key, str(spec.get("chainID", "")), Key(key.namespace, name) if isinstance(name, str) else None, shown)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
