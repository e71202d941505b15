"""Other resources that declare the same environment: squatters of every kind, and good ones."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from .apiserver import Raw
from .owners import GRANTED
from .story import HOUR, Step, Story, draw

if TYPE_CHECKING:
    from .runner import Simulation

SECRETS = {"good": "good-key", "foreign": "other-key", "unknown": "no-key"}
"""Secrets of each namespace, and what is in them: the good key, another workspace's, and none at all."""
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "paused": ("apps", {"managementPolicy": "Pause"}),
    "observer": ("apps", {"managementPolicy": "Observe"}),
    "keyless": ("others", {}),
    "without its secret": ("others", {"apiKeySecretRef": {"name": "nowhere", "key": "token"}}),
    "foreign key": ("apps", {"apiKeySecretRef": {"name": "foreign", "key": "token"}}),
    "unknown key": ("others", {"apiKeySecretRef": {"name": "unknown", "key": "token"}}),
    "good": ("apps", {}),
    "good elsewhere": ("others", {"apiKeySecretRef": {"name": "good", "key": "token"}}),
}
NAMES = ("rival-1", "rival-2")


def prepare(simulation: Simulation) -> None:
    for namespace in ("apps", "others"):
        for name, key in SECRETS.items():
            simulation.put_secret((namespace, name), key)


def usable(raw: Raw) -> bool:
    """Whether it has a key that is good for its chain, when nothing is wrong with the keys."""
    reference = raw["spec"].get("apiKeySecretRef")
    if reference is None:
        return bool(raw["metadata"]["namespace"] == GRANTED)
    return reference["name"] in ("good", "baseten")


def rival(simulation: Simulation, name: str, kind: str, age: float, more: dict[str, Any]) -> None:
    """There from now on, as what ``kind`` says, whatever it was before. In its namespace a name is one object."""
    namespace, own = KINDS[kind]
    spec = {"chainID": "chain1", "environmentName": simulation.story.spec["environmentName"], **more, **own}
    if (namespace, name) in simulation.api.objects:
        simulation.api.edit((namespace, name), lambda raw: raw.update(spec=spec))
    else:
        simulation.api.create(namespace, name, spec, age)


def remove(simulation: Simulation, name: str) -> None:
    for namespace in ("apps", "others"):
        simulation.api.delete((namespace, name))


def draw_rivals(seed: int) -> Story:
    """Three hours, the last of them without a fault."""
    rng, base = Random(f"rivals {seed}"), draw(seed)
    steps: list[Step] = []
    at = 0.0
    for _ in range(rng.randint(4, 12)):
        at += rng.choice((0.05, 0.5, 3, 20, 120, 600)) * (0.5 + rng.random())
        steps.append(Step(round(at, 2), *_step(rng)))
    again = [s for s in base.steps if s.kind in ("edit", "stranger", "trouble")][:2]
    steps += [replace(s, at=round(rng.uniform(1, HOUR), 2), more=_at_any_time(s.more)) for s in again]
    declared = {name: _windowless(value) if name == "rollout" else value for name, value in base.spec.items()}
    return replace(base, spec=declared, steps=tuple(sorted(steps, key=lambda s: s.at)), seconds=3 * HOUR, quiet=HOUR, neighbours=0)


def _at_any_time(edit: dict[str, Any]) -> dict[str, Any]:
    return {**edit, "value": _windowless(edit["value"])} if edit.get("field") == "rollout" else edit


def _windowless(rollout: dict[str, Any] | None) -> dict[str, Any] | None:
    """Three hours may pass without any window: what waits for one would still wait at the end."""
    return rollout and {name: value for name, value in rollout.items() if name != "windows"}


def _step(rng: Random) -> tuple[str, dict[str, Any]]:
    name = rng.choice(NAMES)
    match rng.choices(("rival", "remove", "crash", "delete", "edit"), (6, 2, 2, 1, 1))[0]:
        case "rival":
            declared = {"deploymentID": rng.choice(("d1", "d2"))} if rng.random() < 0.7 else {}
            policy = rng.choice(("Deactivate", "Retain"))
            more = {
                "name": name,
                "kind": rng.choice(list(KINDS)),
                "age": rng.choice((0, 7200)),
                "more": {**declared, "deletionPolicy": policy},
            }
            return "rival", more
        case "remove":
            return "remove_rival", {"name": name}
        case "crash":
            return "crash", {"points": rng.randint(1, 8), "down": rng.choice((1, 5, 60)), "skew": 0}
        case "delete":
            return "delete", {"again_after": rng.choice((None, 5, 200)), "abandon": False}
        case _:
            return "edit", {"field": "managementPolicy", "value": rng.choice(("Reconcile", "Reconcile", "Pause", "Observe"))}
