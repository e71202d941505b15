"""How names, paths, values and times are written in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from ..crd.types import Drift, JournalEntry, kubernetes_name
from .values import Value

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
    most = []
    for each in differences[:5]:
        found = _OF_A_CHAINLET.match(each.path)
        field = f"{found[1]} {found[2]}" if found else each.path.removeprefix("promotionSettings.")
        most.append(f"{field} {each.actual} -> {each.desired}")
    more = [f"{len(differences) - 5} more"] if len(differences) > 5 else []
    return "; ".join([*most, *more])


def at(moment: datetime, seconds: float = 0) -> str:
    """A time in a message: absolute, to the minute, not before the moment."""
    return f"at {moment + timedelta(seconds=seconds + 59):%H:%MZ}"


def clock(entry: JournalEntry) -> str:
    return f"{entry.started_at:%H:%M:%S}Z"


def absolute(moment: datetime) -> str:
    """``2026-12-01T08:00Z``; with seconds where there are some, never before the moment."""
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return f"{moment:%Y-%m-%dT%H:%MZ}" if moment.second == 0 else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
