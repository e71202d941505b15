"""A resource as the cluster holds it, read tolerantly: what this version does not know, or what is absent, breaks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = Mapping[str, Any]


def status(resource: Object) -> Object:
    return _mapping(resource.get("status"))


def spec(resource: Object) -> Object:
    return _mapping(resource.get("spec"))


def annotation(resource: Object, name: str) -> str | None:
    return part(resource, "metadata", "annotations").get(name)


def _mapping(value: Any) -> Object:
    return value if isinstance(value, Mapping) else {}


def items(where: Object, name: str) -> list[Object]:
    found = where.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def part(where: Object, *names: str) -> Object:
    for name in names:
        where = _mapping(where.get(name))
    return where


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: str = ""
    current: bool = True
    """Whether it is about the spec as it is now."""

    @property
    def true(self) -> bool:
        return self.current and self.status == "True"


def conditions(resource: Object) -> list[Condition]:
    """Ready and Synced first."""
    generation = _mapping(resource.get("metadata")).get("generation")
    found = [
        Condition(
            type=str(each.get("type", "")),
            status=str(each.get("status", "Unknown")),
            reason=str(each.get("reason", "")),
            message=str(each.get("message", "")),
            since=str(each.get("lastTransitionTime", "")),
            current=each.get("observedGeneration", status(resource).get("observedGeneration")) == generation,
        )
        for each in items(status(resource), "conditions")
    ]
    order = {"Ready": 0, "Synced": 1, "Stalled": 2, "Reconciling": 3}
    return sorted(found, key=lambda each: (order.get(each.type, 9), each.type))


def condition(resource: Object, kind: str) -> Condition:
    return next((each for each in conditions(resource) if each.type == kind), Condition(kind, "Unknown", current=False))


def environment_name(resource: Object) -> str:
    return str(spec(resource).get("environmentName") or resource["metadata"]["name"])


def deployment_id(resource: Object, which: str) -> str | None:
    """``which``: currentDeployment or candidateDeployment."""
    found = part(status(resource), which).get("id")
    return str(found) if found else None


def moment(text: Any) -> str:
    """A time as every message writes it: ``2026-11-24 11:55:24Z``; empty for none, as it is for what is no time."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except ValueError:
        return str(text)
