"""Chainlet logs: what a deployment's life would have written, and lines added through the control API."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chainenv_sandbox.baseten.errors import JsonObject, invalid, not_found
from chainenv_sandbox.baseten.model import Chainlet, Deployment, LogLine
from chainenv_sandbox.baseten.timeline import FAILED

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_SINGLE = {
    "start_epoch_millis",
    "end_epoch_millis",
    "direction",
    "limit",
    "min_level",
    "replica",
    "request_id",
    "component",
    "search_pattern",
}
_WEEK_MILLIS = 7 * 24 * 3600 * 1000


def read_logs(deployment: Deployment, chainlet_id: str, query: Mapping[str, list[str]], now: float) -> JsonObject:
    chainlet = next((one for one in deployment.chainlets if one.id == chainlet_id), None)
    if chainlet is None:
        raise not_found(f"Chainlet {chainlet_id}")
    values = {name: found[-1] for name, found in query.items() if name in _SINGLE}
    end = _whole(values, "end_epoch_millis", int(now * 1000) + 1)
    start = _whole(values, "start_epoch_millis", end - 30 * 60 * 1000)
    if not 0 <= end - start <= _WEEK_MILLIS:
        raise invalid("The window from start to end must be between 0 and 7 days.")
    limit = _whole(values, "limit", 500)
    if not 1 <= limit <= 1000:
        raise invalid("limit: 1 to 1000.")
    if any(len(query.get(name, ())) > 8 for name in ("includes", "excludes")) or any(len(one) > 256 for one in values.values()):
        raise invalid("includes, excludes: at most 8 of each; text: at most 256 characters.")
    lines = [one for one in _lines(deployment, chainlet, now) if start <= one.at * 1000 <= end and _kept(one, values, query)]
    lines = sorted(lines, key=lambda one: one.at, reverse=_choice(values, "direction", ("asc", "desc")) != "asc")
    logs = [
        {
            "timestamp": str(int(one.at * 1_000_000_000)),
            "message": one.message,
            "replica": one.replica,
            "request_id": one.request_id,
            "level": one.level,
        }
        for one in lines[:limit]
    ]
    return {"logs": logs}


def _whole(values: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(values.get(name, default))
    except ValueError:
        raise invalid(f"{name}: expected an integer.") from None


def _choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    value = values.get(name)
    if value is not None and value not in allowed:
        raise invalid(f"{name}: expected one of {', '.join(allowed)}.")
    return value


def _lines(deployment: Deployment, chainlet: Chainlet, now: float) -> list[LogLine]:
    life = [
        LogLine(at, chainlet.name, f"{chainlet.name}: {status}", "ERROR" if status in FAILED else "INFO", chainlet.id[:5])
        for at, status in deployment.timeline.past(now)
    ]
    return life + [one for one in deployment.logs if one.chainlet == chainlet.name]


def _kept(line: LogLine, values: Mapping[str, str], query: Mapping[str, list[str]]) -> bool:
    least = _choice(values, "min_level", _LEVELS)
    if least is not None and (line.level is None or _LEVELS.index(line.level) < _LEVELS.index(least)):
        return False
    if any(name in values and values[name] != getattr(line, name) for name in ("replica", "request_id", "component")):
        return False
    if not all(one in line.message for one in query.get("includes", ())):
        return False
    if any(one in line.message for one in query.get("excludes", ())):
        return False
    try:
        return re.search(values.get("search_pattern", ""), line.message) is not None
    except re.error as error:
        raise invalid(f"search_pattern: {error}.") from error
