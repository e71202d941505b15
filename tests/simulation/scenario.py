"""Stories in few words, for the scripted tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .runner import Outcome, Simulation, play
from .story import HOUR, Step, Story

__all__ = ["HOUR", "SHAPES", "START", "call", "crash", "delete", "edit", "restrict", "rival", "run", "spec", "stranger", "trouble", "types"]

START = 1800.0
"""By then what was declared at the start is so."""


def spec(**more: Any) -> dict[str, Any]:
    return {"chainID": "chain1", "environmentName": "staging", **more}


def types(**of: str) -> list[dict[str, Any]]:
    return [{"chainletName": name, "instanceTypeID": type_id} for name, type_id in of.items()]


def trouble(at: float, kind: str, seconds: float, *endpoints: str, value: Any = 0, share: float = 1.0) -> Step:
    return Step(at, "trouble", {"trouble": kind, "endpoints": endpoints, "share": share, "value": value, "seconds": seconds})


def edit(at: float, field: str, value: Any, name: str = "") -> Step:
    return Step(at, "edit", {"field": field, "value": value, "name": name})


def stranger(at: float, does: str, number: int = 1) -> Step:
    return Step(at, "stranger", {"does": does, "source": "d2", "type": "H100:2", "number": number})


def crash(at: float, points: int, *, down: float = 1, skew: float = 0) -> Step:
    return Step(at, "crash", {"points": points, "down": down, "skew": skew})


def run(declared: dict[str, Any], *steps: Step, hours: float = 4, seed: int = 1, **more: Any) -> Simulation:
    """The last two hours have no faults."""
    shape = {"build_seconds": 30.0, **more.pop("shape", {})}
    story = Story(
        seed, declared, tuple(steps), shape, **{"existing": True, "deployed": True, **more}, seconds=(hours + 2) * HOUR, quiet=2 * HOUR
    )
    outcome: Outcome = play(story)
    assert outcome.violation is None, outcome.text
    return outcome.simulation


SHAPES = [{"old": False}, {"old": True}, {"old": True, "busy": 409, "types_at_once": False}]


def restrict(at: float, becomes: str, seconds: float, environment: str = "staging") -> Step:
    return Step(at, "restrict", {"environment": environment, "becomes": becomes, "seconds": seconds})


def delete(at: float) -> Step:
    return Step(at, "delete", {"again_after": None, "abandon": False})


def rival(at: float, kind: str, name: str = "rival-1", *, age: float = 0.0, **more: Any) -> Step:
    return Step(at, "rival", {"name": name, "kind": kind, "age": age, "more": more})


def call(at: float, does: Callable[[Simulation], object]) -> Step:
    return Step(at, "call", {"does": does})
