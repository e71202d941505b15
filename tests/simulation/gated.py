"""Windows, approvals, budgets, deadlines and aborts: what may be declared, what a person does, and what must be true of calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

from .clock import wall
from .schedules import ZONES, is_active

if TYPE_CHECKING:
    from .runner import Simulation

Json = dict[str, Any]
APPROVE, ABORT = "chains.baseten.co/approve", "chains.baseten.co/abort-rollout"
PRICES = {"1x2": "0.01", "2x8": "0.02", "4x16": "0.04", "A10G:2x24x96": "0.5", "H100:2": "2"}
"""USD a minute and replica."""
BACK = range(0, 331, 30)
"""A call leaves at most so many seconds after it was planned, and a clock that was wrong may just have been put right."""
EVERY = [{"start": f"{hour:02}:00", "end": f"{hour:02}:40"} for hour in (3, 9, 14, 21)]


def drawn(seed: int, rng: Random, busy: float) -> tuple[Json, list[tuple[float, str, Json]]]:
    """What a spec gets besides, and steps; nothing for most seeds."""
    if rng.random() > 0.3:
        return {}, []
    declared: Json = {}
    if rng.random() < 0.8:
        declared["rollout"] = _rollout(rng)
    if rng.random() < 0.4:
        declared["budget"] = _budget(rng)
    steps: list[tuple[float, str, Json]] = []
    for _ in range(rng.randint(3, 12)):
        at = rng.uniform(60, busy - 3600)
        kind = rng.choice(("edit", "edit", "approve", "approve", "approve", "abort", "abort"))
        if kind == "edit":
            field, value = rng.choice((("rollout", rng.choice((None, _rollout(rng)))), ("budget", rng.choice((None, _budget(rng))))))
            steps.append((at, kind, {"field": field, "value": value}))
        else:
            steps += [(at + late, kind, {"what": rng.choice(("right", "right", "wrong"))}) for late in (0, 60, 600, 3000)]
    return declared, steps


def _rollout(rng: Random) -> Json:
    out: Json = {}
    if rng.random() < 0.6:
        out["approval"] = rng.choice(("Manual", "Manual", "Automatic"))
    if rng.random() < 0.5:
        some = [{**each, "timeZone": rng.choice(ZONES)} for each in rng.sample(EVERY, 2)]
        out["windows"] = [*some, {"start": "03:00", "end": "04:00"}]  # after the last fault one opens
    if rng.random() < 0.5:
        out["deadlineSeconds"] = rng.choice((1, 60, 600, 7200))
    return out


def _budget(rng: Random) -> Json:
    return {"maxUSDPerHour": rng.choice(("0.01", "5", "40", "900"))}


# -- what a person does ------------------------------------------------------------------------------------------------


def approve(simulation: Simulation, what: str) -> None:
    """The plan that is shown; or one that is not."""
    raw = simulation.api.objects.get(simulation.NAME)
    plan = ((raw or {}).get("status", {}).get("rollout") or {}).get("plan")
    annotate(simulation, APPROVE, "00000000" if what == "wrong" else plan)


def abort(simulation: Simulation, what: str) -> None:
    """The candidate; or what serves, which must not happen."""
    environment = simulation.baseten.environments.get(simulation.story.spec["environmentName"])
    chosen = environment and (environment.current if what == "wrong" else environment.candidate)
    annotate(simulation, ABORT, chosen.id if chosen else None)


def annotate(simulation: Simulation, name: str, value: str | None) -> None:
    if value is not None and simulation.NAME in simulation.api.objects:
        simulation.api.edit(simulation.NAME, lambda raw: raw["metadata"].setdefault("annotations", {}).update({name: value}))


def approve_what_waits(simulation: Simulation) -> None:
    """After the last fault somebody is there again."""
    if not simulation.over.done():
        approve(simulation, "right")
        simulation.loop.call_later(300, approve_what_waits, simulation)


# -- what must be true -------------------------------------------------------------------------------------------------


def is_open(spec: Json, now: datetime) -> bool:
    windows = (spec.get("rollout") or {}).get("windows")
    return not windows or any(is_active(each, now) for each in windows)


def was_open(specs: Iterable[Json], now: float, skew: float) -> bool:
    """Whether a rollout may have been planned lately, by a clock that is ``skew`` seconds ahead."""
    moments = [wall(now - back, skew) for back in BACK]
    return any(is_open(spec, moment) for spec in specs for moment in moments)


def needs_approval(specs: Iterable[Json]) -> bool:
    return all((spec.get("rollout") or {}).get("approval") == "Manual" for spec in specs)


def plans(raw: Json, endpoint: str) -> Iterator[str]:
    """Of the journal's open entry for this call."""
    operation = {"promote": "Promote", "update_instance_types": "UpdateInstanceTypes"}[endpoint]
    for each in raw["status"].get("operations", ()):
        if each["operation"] == operation and "finishedAt" not in each:
            yield each.get("plan", "")


def worst_case(body: Json, shown: Json) -> float | None:
    """USD an hour after this call, for what was shown before it; None where something of that is hidden."""
    settings = shown["chainlet_settings"]
    if any(c["autoscaling_settings"] is None or c["instance_type"] is None for c in settings):
        return None
    most = {c["chainlet_name"]: c["autoscaling_settings"]["max_replica"] for c in settings}
    types = {c["chainlet_name"]: c["instance_type"]["id"] for c in settings}
    for each in body.get("updates", ()):
        if each["chainlet_name"] not in most:
            continue
        most[each["chainlet_name"]] = (each.get("autoscaling_settings") or {}).get("max_replica", most[each["chainlet_name"]])
        types[each["chainlet_name"]] = each.get("instance_type_id", types[each["chainlet_name"]])
    prices = {name.lower(): float(price) for name, price in PRICES.items()}
    return sum(prices[types[name].lower()] * 60 * most[name] for name in types)
