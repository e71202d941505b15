"""Days on which everything that can be declared is declared, and Baseten, people and the status all lie."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from . import gated, schedules
from .clock import stamp, wall
from .lies import LIES
from .story import DAY, QUIET, SOURCES, Step, Story, draw

if TYPE_CHECKING:
    from .runner import Simulation

Json = dict[str, Any]
BESIDE = (
    "get_instance_type_prices",
    "list_audit_logs",
    "list_rollout_audit_logs",
    "get_deployment",
    "list_deployments",
    "delete_deployment",
)
"""What is asked besides the environment itself: when it fails, nothing else may wait for it."""
LAST_FAULT = DAY - QUIET - 3600


def draw_hostile(seed: int) -> Story:
    story, rng = draw(seed), Random(f"hostile {seed}")
    shape = {
        **story.shape,
        "audit": rng.choice(("refused", "absent", "broken", "empty", "garbage", "true", "late")),
        "prices": rng.choice(("refused", "broken", "garbage", "empty", "mad", "true", "changing", "changing")),
    }
    declared, gates = gated.drawn(seed, _Always(f"gates {seed}"), LAST_FAULT)
    more, edits = schedules.drawn(0, rng, LAST_FAULT)
    spec = {**story.spec, **declared}
    if rng.random() < 0.7:
        spec["autoscalingSchedules"] = more
    if rng.random() < 0.8:
        spec["cleanup"] = _cleanup(rng)
    steps = [*story.steps, *(Step(round(at, 2), kind, of) for at, kind, of in gates)]
    steps += [Step(round(at, 2), "edit", {"field": "autoscalingSchedules", "value": value}) for at, value in edits]
    steps += [_step(rng) for _ in range(rng.randint(4, 14))]
    story = replace(story, spec=spec, shape=shape, audit=rng.choice(("full", "source")), neighbours=0)
    return replace(story, steps=tuple(sorted(steps, key=lambda s: s.at)))


class _Always(Random):
    """Draws gates whatever the seed."""

    first = True

    def random(self) -> float:
        found, self.first = 0.0 if self.first else super().random(), False
        return found


def _cleanup(rng: Random) -> Json:
    return {"keepLast": rng.randint(0, 2), "afterSeconds": rng.choice((0, 60, 3600)), "action": rng.choice(("Deactivate", "Delete"))}


def _step(rng: Random) -> Step:
    at = round(rng.uniform(60, LAST_FAULT), 2)
    kinds = ("lie", "lie", "beside", "beside", "beside", "abort", "cleanup", "history", "push", "push", "back")
    match rng.choice(kinds):
        case "lie":
            endpoints = rng.choice((("get_deployment",), ("promote",), ("update_instance_types",), ("get_environment",), BESIDE))
            return _trouble(at, "lie", endpoints, rng.choice(list(LIES)), rng.choice((30, 600, 3600)))
        case "beside":
            kind, value = rng.choice((("status", 404), ("status", 403), ("status", 409), ("status", 500), ("lost_answer", 0), ("late", 40)))
            return _trouble(at, kind, (rng.choice((*BESIDE, "deactivate")),), value, rng.choice((60, 3600, 20_000)))
        case "abort":
            return Step(at, "annotate", {"name": gated.ABORT, "value": f"d{rng.randint(1, 12)}"})
        case "cleanup":
            return Step(at, "edit", {"field": "cleanup", "value": rng.choice((None, _cleanup(rng), _cleanup(rng)))})
        case "history":
            return Step(at, "history", {"lie": rng.choice((*SOURCES, "d4", "d5", "d6", "../../x", ""))})
        case "back":
            return Step(at, "edit", {"field": "deploymentID", "value": rng.choice((*SOURCES, "d5", "d6"))})
        case _:
            return Step(at, "stranger", {"does": "push", "source": "d1", "type": "1x2", "number": 1})


def _trouble(at: float, kind: str, endpoints: tuple[str, ...], value: Any, seconds: float) -> Step:
    return Step(at, "trouble", {"trouble": kind, "endpoints": endpoints, "share": 1.0, "value": value, "seconds": seconds})


def forge(simulation: Simulation, lie: str) -> None:
    """Somebody writes into the history that a deployment served here an hour ago; an empty lie takes the history away."""

    def write(raw: Json) -> None:
        since, until = (stamp(wall(simulation.loop.now - back))[:19] + "Z" for back in (7200, 3600))
        entry = {"deploymentID": lie, "cause": "External", "since": since, "until": until}
        history = raw["status"].get("history", [])
        raw["status"] = {**raw["status"], "history": [*history[:1], entry, *history[1:]][:10] if lie else []}

    simulation.invariants.forged.add(lie)
    simulation.api.edit(simulation.NAME, write)
