"""Whose an environment is, judged from the objects alone: what the operator knows of them does not count here."""

from __future__ import annotations

from typing import Any

from .apiserver import ApiServer, Name, Raw

GRANTED = "apps"
"""The namespace whose resources may use the operator's own key."""
LATE = 30.0
"""Seconds by which a watch may lag behind: what was so for longer is known."""


def name_of(raw: Raw) -> Name:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def target_of(raw: Raw) -> tuple[str, str]:
    return raw["spec"]["chainID"], raw["spec"]["environmentName"]


def counts(raw: Raw) -> bool:
    """Whether its policy and its key let it own anything at all."""
    entitled = bool(raw["spec"].get("apiKeySecretRef")) or raw["metadata"]["namespace"] == GRANTED
    return entitled and raw["spec"].get("managementPolicy", "Reconcile") == "Reconcile"


def proven(raw: Raw) -> bool:
    """Its status says so: it manages the environment, or began to create it."""
    status: dict[str, Any] = raw["status"]
    begun = (e for e in status.get("operations", ()) if e["operation"] == "CreateEnvironment")
    return bool(status.get("environment", {}).get("managed")) or any(e.get("outcome") in (None, "Accepted") for e in begun)


class Owners:
    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._since: dict[tuple[str, str], tuple[str | None, float]] = {}
        self._declared: dict[str, float] = {}
        """By uid: since when it could own its environment."""

    def changed(self, raw: Raw, now: float) -> None:
        uid, target = raw["metadata"]["uid"], target_of(raw)
        if name_of(raw) not in self._api.objects or not counts(raw):
            self._declared.pop(uid, None)
        else:
            self._declared.setdefault(uid, now)
        owner = self.owner(target)
        if self._since.get(target, (None, 0.0))[0] != owner:
            self._since[target] = owner, now

    def owner(self, target: tuple[str, str]) -> str | None:
        """Uid of the oldest that has proven its claim."""
        claims = [r for r in self._api.objects.values() if target_of(r) == target and counts(r) and proven(r)]
        oldest = min(claims, key=lambda r: (r["metadata"]["creationTimestamp"], r["metadata"]["uid"]), default=None)
        return None if oldest is None else str(oldest["metadata"]["uid"])

    def before(self, target: tuple[str, str]) -> str | None:
        """The owner until what happens at this moment."""
        return self._since.get(target, (None, 0.0))[0]

    def objection(self, raw: Raw, now: float) -> str | None:
        """Why a resource may not act; None when it may."""
        uid, (owner, since) = raw["metadata"]["uid"], self._since.get(target_of(raw), (None, 0.0))
        if owner not in (None, uid) and now - since > LATE:
            return f"the environment has been {owner}'s for {now - since:.0f} s, and this is {uid}"
        others = [u for u, at in self._declared.items() if u != uid and now - at > LATE and self._is_about(u, raw)]
        if others and not proven(raw):
            return f"{', '.join(others)} want the environment too, and {uid} has not proven that it is its own"
        return None

    def _is_about(self, uid: str, raw: Raw) -> bool:
        return any(r["metadata"]["uid"] == uid and target_of(r) == target_of(raw) for r in self._api.objects.values())
