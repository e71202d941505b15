"""How paths, values and lists are written in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..crd.types import Drift, kubernetes_name
from .actions import Call, CreateEnvironment, Deactivate, Promote, UpdateAutoscaling, UpdateInstanceTypes, UpdatePromotionSettings
from .world import Value

_OF_A_CHAINLET = re.compile(r"chainletSettings\[(.*)\]\.(?:autoscalingSettings\.)?([^.\]]+)$", re.DOTALL)


def names(items: Iterable[str]) -> str:
    """A list for people: at most ten names, the rest counted."""
    ordered = list(items)
    cut = ", ".join(ordered[:10])
    return cut if len(ordered) <= 10 else f"{cut} and {len(ordered) - 10} more"


def shown(value: Value | None) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)


def camel(path: str) -> str:
    """A setting's path as the resource writes it."""
    return ".".join(kubernetes_name(part) for part in path.split("."))


def listed(differences: tuple[Drift, ...]) -> str:
    """At most five differences; a longer list ends in dots."""
    return "; ".join(f"{d.path} is {d.actual}, wanted {d.desired}" for d in differences[:5]) + ("; ..." if len(differences) > 5 else "")


def changed(differences: tuple[Drift, ...]) -> str:
    """``HelloWorld maxReplica 9 -> 3``: what was and what it is changed to; at most five, the rest counted."""
    most = [f"{_short(d.path)} {d.actual} -> {d.desired}" for d in differences[:5]]
    more = [f"{len(differences) - 5} more"] if len(differences) > 5 else []
    return "; ".join([*most, *more])


def _short(path: str) -> str:
    """A chainlet's name and field, or the setting's own path."""
    found = _OF_A_CHAINLET.match(path)
    return f"{found[1]} {found[2]}" if found else path.removeprefix("promotionSettings.")


def sent(calls: tuple[Call, ...]) -> str:
    return "; ".join(told(call) for call in calls)


def told(call: Call) -> str:
    """One call in words, with chainlets and fields, old and new."""
    match call:
        case CreateEnvironment():
            return "create the environment"
        case UpdatePromotionSettings() | UpdateAutoscaling() | UpdateInstanceTypes():
            return changed(call.differences)
        case Promote():
            return f"promote deployment {call.deployment_id}"
        case Deactivate():
            return f"deactivate deployment {call.deployment_id}"
