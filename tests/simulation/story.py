"""What happens in one run, as data: a setup and steps at given times, drawn from a seed. A story can be cut and played again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from . import gated
from .schedules import drawn

HOUR, DAY = 3600.0, 86_400.0
QUIET = 4 * 3600.0
"""The last part of a run has no faults: what is promised in bounded time must be so at its end."""

TYPES = ("1x2", "2x8", "4x16", "A10G:2x24x96", "H100:2")
CHAINLETS = ("Router", "Llm")
SOURCES = ("d1", "d2", "d3")
"""Deployments of another environment that can be promoted."""


@dataclass(frozen=True)
class Step:
    at: float
    kind: str
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {', '.join(f'{k}={v}' for k, v in self.more.items())}".strip()


@dataclass(frozen=True)
class Story:
    """``shape``: of Baseten (baseten.Shape). ``existing``: the environment is there before the resource; ``deployed``: and serves.
    ``neighbours``: so many other resources with the same key. ``elects``: the real Lease decides which process acts. ``audit``: as
    CHAINENV_AUDIT."""

    seed: int
    spec: dict[str, Any]
    steps: tuple[Step, ...] = ()
    shape: dict[str, Any] = field(default_factory=dict)
    existing: bool = False
    deployed: bool = False
    skew: float = 0.0
    seconds: float = DAY
    quiet: float = QUIET
    neighbours: int = 0
    elects: bool = False
    audit: str = "off"


def draw(seed: int) -> Story:
    """A day with about a dozen steps."""
    rng = Random(seed)
    shape = {
        "old": rng.random() < 0.35,
        "busy": rng.choice((400, 409)),
        "normal_form": rng.random() < 0.1,
        "silent_types": rng.random() < 0.15,
        "types_at_once": rng.random() < 0.6,
        "build_seconds": rng.choice((30.0, 180.0, 900.0)),
        "skew": rng.choice((0.0, 0.0, 600.0, -600.0)),
        "queues": rng.random() < 0.15,
        "ramp_seconds": rng.choice((0.0, 0.0, 300.0)),
        "audit": rng.choice(("refused", "absent", "broken", "empty", "garbage", "true", "late")),
        "hides": ("ramp_up_duration_seconds",) if rng.random() < 0.1 else (),
    }
    neighbours = rng.choice((0,) * 19 + (2,))
    existing = rng.random() < 0.6
    busy = DAY - QUIET
    count = rng.randint(4, 18)
    times: list[float] = []
    while len(times) < count:  # faults come in clusters: what happens alone is seldom interesting
        start = rng.uniform(60, busy - 3600)
        times += [start + rng.choice((1, 10, 60, 300)) * rng.random() for _ in range(rng.randint(1, 5))]
    steps = [Step(round(at, 2), *_step(rng)) for at in sorted(times[:count])]
    if neighbours:
        steps += [Step(round(rng.uniform(60, busy - 3600), 2), *_restrict(rng, neighbours)) for _ in range(2)]
    spec, skew = _spec(rng), rng.choice((0.0, 60.0, -600.0, 600.0))
    schedules, edits = drawn(seed, Random(f"schedules of {seed}"), busy)
    if schedules:
        spec["autoscalingSchedules"] = schedules
        steps += [Step(round(at, 2), "edit", {"field": "autoscalingSchedules", "value": value}) for at, value in edits]
    declared, more = gated.drawn(seed, Random(f"gates of {seed}"), busy)
    spec |= declared
    steps += [Step(round(at, 2), kind, of) for at, kind, of in more]
    deployed = existing and rng.random() < 0.8
    return Story(seed, spec, tuple(sorted(steps, key=lambda s: s.at)), shape, existing, deployed, skew, neighbours=neighbours)


def _spec(rng: Random) -> dict[str, Any]:
    spec: dict[str, Any] = {"chainID": "chain1", "environmentName": "staging", "chainletSettings": [_chainlet(rng, n) for n in CHAINLETS]}
    if rng.random() < 0.5:
        spec["deploymentID"] = rng.choice(SOURCES)
    if rng.random() < 0.5:
        spec["promotionSettings"] = _promotion(rng)
    if rng.random() < 0.6:
        spec["deletionPolicy"] = rng.choice(("Deactivate", "DeactivateWhenIdle", "Retain"))
    if rng.random() < 0.15:
        spec["adoptionPolicy"] = "Fail"
    if rng.random() < 0.5:
        spec["apiKeySecretRef"] = {"name": "baseten", "key": "token"}
    return spec


def _chainlet(rng: Random, name: str) -> dict[str, Any]:
    out: dict[str, Any] = {"chainletName": name}
    if rng.random() < 0.7:
        out["instanceTypeID"] = rng.choice(TYPES)
    if rng.random() < 0.7:
        out["autoscalingSettings"] = {"minReplica": rng.randint(0, 1), "maxReplica": rng.randint(1, 9)}
    return out


def _promotion(rng: Random) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if rng.random() < 0.5:
        out["promotionCleanupStrategy"] = rng.choice(("KEEP", "SCALE_TO_ZERO"))
    if rng.random() < 0.5:
        out["rampUpDurationSeconds"] = rng.choice((60, 600, 900))
    if rng.random() < 0.3:
        out["rollingDeployConfig"] = {"maxSurgePercent": rng.choice((10, 20, 50))}
    return out or {"redeployOnPromotion": True}


WRITES = ("promote", "update_instance_types", "update_autoscaling", "update_environment", "create_environment", "deactivate")
_ENDPOINTS: tuple[tuple[str, ...], ...] = (
    (),
    ("writes",),
    ("get_environment",),
    ("get_environment", "list_deployments", "get_chain", "get_deployment"),
    ("promote", "update_instance_types"),
    *((name,) for name in WRITES),
)


def _step(rng: Random) -> tuple[str, dict[str, Any]]:
    kinds: list[tuple[int, Callable[[Random], tuple[str, dict[str, Any]]]]] = [
        (5, _trouble),
        (4, _edit),
        (4, lambda r: ("crash", {"points": r.randint(1, 8), "down": r.choice((1, 5, 60, 300)), "skew": r.choice((0, 60, 600, -600))})),
        (1, lambda r: ("takeover", {"skew": r.choice((0, 60, 600, -600))})),
        (3, _stranger),
        (1, lambda _: ("wipe", {})),
        (1, lambda r: ("touch", {"every": r.choice((1, 7)), "seconds": r.choice((5, 60))})),
        (1, lambda _: ("reconcile", {})),
        (
            1,
            lambda r: (
                "watch",
                {"lag": r.choice((1, 20)), "lost": r.random() < 0.5, "echo": r.random() < 0.5, "seconds": r.choice((60, 900))},
            ),
        ),
        (1, _api),
        (2, _key),
        (1, _delete),
        (1, lambda r: ("doom", {"count": r.randint(1, 2)})),
        (1, _garble),
    ]
    pick = rng.choices([k for _, k in kinds], [w for w, _ in kinds])[0]
    return pick(rng)


def _trouble(rng: Random) -> tuple[str, dict[str, Any]]:
    kind = rng.choice(
        ("lost_request", "lost_answer", "late", "gateway", "doubled", "slow", "queued", "unsent", "dropped", "stale", "status", "status")
    )
    value = {
        "late": rng.choice((35, 50, 70, 300)),
        "doubled": rng.choice((0.1, 5, 45)),
        "stale": rng.choice((15, 60, 600)),
        "slow": rng.choice((5, 20, 29)),
        "queued": rng.choice((5, 30, 90)),
        "status": rng.choice((404, 404, 500, 503, 429, 409, 403)),
    }.get(kind, 0)
    if kind in ("slow", "stale"):
        endpoints: tuple[str, ...] = ("get_environment",)
    elif rng.random() < 0.1 and kind in ("lost_request", "lost_answer"):
        endpoints = (rng.choice(("kube_write", "kube_read")),)
    else:
        endpoints = rng.choice(_ENDPOINTS)
    seconds = rng.choice((20, 60, 120, 600, 3600, 10_000))
    return "trouble", {
        "trouble": kind,
        "endpoints": endpoints,
        "share": rng.choice((1.0, 1.0, 0.5, 0.2)),
        "value": value,
        "seconds": seconds,
    }


def _edit(rng: Random) -> tuple[str, dict[str, Any]]:
    chainlet = rng.choice(CHAINLETS)
    edits: list[dict[str, Any]] = [
        {"field": "deploymentID", "value": rng.choice((*SOURCES, None, "nope"))},
        {"field": "deploymentID", "value": rng.choice(SOURCES)},
        {"field": "managementPolicy", "value": rng.choice(("Reconcile", "Reconcile", "Observe", "Pause"))},
        {"field": "deletionPolicy", "value": rng.choice(("Deactivate", "DeactivateWhenIdle", "Retain"))},
        {"field": "adoptionPolicy", "value": rng.choice(("Adopt", "Fail"))},
        {"field": "promotionSettings", "value": rng.choice((None, _promotion(rng)))},
        {"field": "chainlet", "name": chainlet, "value": _chainlet(rng, chainlet)},
        {"field": "chainlet", "name": chainlet, "value": {"chainletName": chainlet, "instanceTypeID": rng.choice(TYPES)}},
        {"field": "chainlet", "name": "Misspelt", "value": rng.choice((None, {"chainletName": "Misspelt", "instanceTypeID": "1x2"}))},
    ]
    return "edit", rng.choice(edits)


def _stranger(rng: Random) -> tuple[str, dict[str, Any]]:
    what = rng.choice(
        (
            *("push", "push", "promote", "promote", "deactivate_candidate", "deactivate_current", "recreate", "vanish", "autoscale"),
            *("types", "settings", "pause", "pause", "resume"),
        )
    )
    return "stranger", {"does": what, "source": rng.choice(SOURCES), "type": rng.choice(TYPES), "number": rng.randint(1, 9)}


def _garble(rng: Random) -> tuple[str, dict[str, Any]]:
    """A promotion setting is shown as what no setting can be, or as nothing."""
    return "garble", {
        "field": "ramp_up_duration_seconds",
        "value": rng.choice((70.5, None, "soon")),
        "seconds": rng.choice((60, 600, 7200)),
    }


def _restrict(rng: Random, neighbours: int) -> tuple[str, dict[str, Any]]:
    """One resource's calls are refused though its key is good."""
    which = rng.choice(("staging", *neighbourhood(neighbours)))
    return "restrict", {
        "environment": which,
        "becomes": rng.choice(("unreadable", "unwritable", "reader")),
        "seconds": rng.choice((600, 9000)),
    }


def neighbourhood(count: int) -> list[str]:
    return [f"beside-{n}" for n in range(1, count + 1)]


def _api(rng: Random) -> tuple[str, dict[str, Any]]:
    kind = rng.choice(("status", "status", "metadata", "read", "secret"))
    status, message = rng.choice(((403, "exceeded quota"), (500, "etcdserver: timeout"), (409, "the object has been modified")))
    return "api", {"call": kind, "status": status, "message": message, "seconds": rng.choice((30, 600, 3600))}


def _key(rng: Random) -> tuple[str, dict[str, Any]]:
    return "key", {"becomes": rng.choice(("wrong", "wrong", "refused", "reader", "secret_gone")), "seconds": rng.choice((45, 600, 7200))}


def _delete(rng: Random) -> tuple[str, dict[str, Any]]:
    return "delete", {"again_after": rng.choice((None, 5, 200, 4000)), "abandon": rng.random() < 0.1}
