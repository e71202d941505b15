"""Autoscaling schedules: what they make of a spec at a time, and stories with them. Knows nothing of the operator's calendar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from .clock import wall

if TYPE_CHECKING:
    from .runner import Simulation

Json = dict[str, Any]
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
BACK = (0, 30, 60, 90)
"""A call leaves at most so many seconds after it was planned; edges are at full minutes."""


def is_active(schedule: Json, now: datetime) -> bool:
    """No clock changes in the week of the simulation, so the minute of the day says all."""
    local = now.astimezone(ZoneInfo(schedule.get("timeZone", "UTC")))
    minute, start, end = local.hour * 60 + local.minute, _minute(schedule["start"]), _minute(schedule["end"])
    days = schedule.get("weekdays", DAYS)
    began_today, began_yesterday = DAYS[local.weekday()] in days, DAYS[local.weekday() - 1] in days
    if start < end:
        return began_today and start <= minute < end
    return (began_today and minute >= start) or (began_yesterday and minute < end)


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def effective(spec: Json, now: datetime) -> Json:
    """The spec as if it had no schedules, and their values instead."""
    current = next((s for s in reversed(spec.get("autoscalingSchedules") or ()) if is_active(s, now)), None)
    if current is None:
        return spec
    over = {c["chainletName"]: c["autoscalingSettings"] for c in current["chainletSettings"]}
    return {**spec, "chainletSettings": [_overlaid(c, over.get(c["chainletName"], {})) for c in spec.get("chainletSettings", ())]}


def _overlaid(chainlet: Json, over: Json) -> Json:
    base = chainlet.get("autoscalingSettings")
    if not base:
        return chainlet
    return {**chainlet, "autoscalingSettings": {**base, **{name: value for name, value in over.items() if name in base}}}


def in_force(spec: Json, now: float, skew: float) -> Iterator[Json]:
    """What the spec meant lately, by a clock that is ``skew`` seconds ahead."""
    moments = BACK if spec.get("autoscalingSchedules") else (0,)
    return (effective(spec, wall(now - back, skew)) for back in moments)


def each_minute(simulation: Simulation) -> None:
    """At a full minute without faults: where it is an edge, and the resource was in sync until then, its values hold soon."""
    invariants, process, now = simulation.invariants, simulation.process, simulation.loop.now
    if simulation.over.done():
        return
    simulation.loop.call_later(60, each_minute, simulation)
    for raw in simulation.api.objects.values():
        spec, meta = raw["spec"], raw["metadata"]
        synced = next((c for c in raw["status"].get("conditions", ()) if c["type"] == "Synced"), {})
        settled = synced.get("status") == "True" and synced["observedGeneration"] == meta["generation"] and "deletionTimestamp" not in meta
        acts = process is not None and process.leading and now - process.started > 60
        if (
            settled
            and acts
            and spec.get("managementPolicy", "Reconcile") == "Reconcile"
            and _is_edge(spec, now, process.skew if process else 0)
        ):
            simulation.loop.call_later(30, invariants.edge_holds, meta["uid"], json.loads(json.dumps(spec)))


def _is_edge(spec: Json, now: float, skew: float) -> bool:
    """Whether the minute that has just begun means something else than the one before."""
    return effective(spec, wall(now, skew)) != effective(spec, wall(now - 60, skew))


# -- stories -------------------------------------------------------------------------------------------------------


def drawn(seed: int, rng_of: Random, until: float) -> tuple[list[Json], list[tuple[float, list[Json] | None]]]:
    """Schedules of a new resource, and what becomes of them when; a generator of their own, so that other draws stay as they are."""
    if seed % 3:
        return [], []
    first, count = _schedules(rng_of), rng_of.randint(0, 3)
    return first, [(rng_of.uniform(60, until), rng_of.choice((None, _schedules(rng_of), _schedules(rng_of)))) for _ in range(count)]


def _schedules(rng: Random) -> list[Json]:
    return [_schedule(rng, f"s{number}") for number in range(rng.randint(1, 4))]


def _schedule(rng: Random, name: str) -> Json:
    start = rng.randrange(24 * 60)
    end = (start + rng.choice((1, 2, 7, 45, 240, 720, 1440))) % (24 * 60)
    out: Json = {"name": name, "start": _clock(start), "end": _clock(end), "timeZone": rng.choice(ZONES)}
    if rng.random() < 0.3:
        out["weekdays"] = rng.sample(DAYS, 4)
    out["chainletSettings"] = [_values(rng, name) for name in rng.choice((("Llm",), ("Router", "Llm")))]
    return out


def _values(rng: Random, chainlet: str) -> Json:
    return {"chainletName": chainlet, "autoscalingSettings": {"minReplica": rng.randint(0, 1), "maxReplica": rng.randint(1, 9)}}


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
