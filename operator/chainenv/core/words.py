"""How paths, values and lists are written in messages."""

from __future__ import annotations

from collections.abc import Iterable

from ..crd.types import Drift, kubernetes_name
from .world import Value


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
