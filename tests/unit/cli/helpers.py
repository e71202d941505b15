"""Resources as the cluster holds them."""

from __future__ import annotations

from typing import Any


def condition(kind: str, status: str = "True", reason: str = "Because", message: str = "so it is", generation: int = 1) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-24T10:00:00Z",
        "observedGeneration": generation,
    }


def resource(*, spec: dict[str, Any] | None = None, meta: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "staging", "namespace": "team-a", "generation": 1, **(meta or {})},
        "spec": {"chainID": "abcd1234", **(spec or {})},
        "status": {"observedGeneration": 1, **status},
    }


SETTLED = {"conditions": [condition("Ready"), condition("Synced")]}
