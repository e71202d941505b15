"""Worlds of every kind. They are built from a seeded Random that hypothesis draws: hundreds a second, the same each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from chainenv.core.desired import Desired, DesiredChainlet
from chainenv.core.environment import Chainlet, ChainletState, Deployment, Environment
from chainenv.core.values import digest
from chainenv.core.world import World, entry_id
from chainenv.crd.enums import Operation, Outcome
from chainenv.crd.types import InstanceType, JournalEntry

T = TypeVar("T")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("Alpha", "Beta", "Gamma")
TYPES = ("1x2", "2x8")
IDS = ("dep-a", "dep-b", "dep-c")
STATUSES = (
    *("ACTIVE", "SCALED_TO_ZERO", "WAKING_UP", "BUILDING", "DEPLOYING", "LOADING_MODEL", "UPDATING", "UNHEALTHY"),
    *("BUILD_FAILED", "DEPLOY_FAILED", "FAILED", "BUILD_STOPPED", "DEACTIVATING", "INACTIVE", "NEVER_HEARD_OF", ""),
)
SURGE, UNAVAILABLE = "rolling_deploy_config.max_surge_percent", "rolling_deploy_config.max_unavailable_percent"
KINDS = (
    *(Operation.CREATE, Operation.PROMOTION_SETTINGS, Operation.AUTOSCALING),
    *(Operation.INSTANCE_TYPES, Operation.PROMOTE, Operation.PROMOTED),
)
ROLLOUTS = (Operation.INSTANCE_TYPES, Operation.PROMOTE)


def of(build: Callable[[Random], T]) -> st.SearchStrategy[T]:
    return st.randoms(use_true_random=True).map(build)


def maybe(random: Random, value: T) -> T | None:
    return value if random.random() < 0.5 else None


def some(random: Random, items: tuple[T, ...], most: int = 3) -> tuple[T, ...]:
    return tuple(random.sample(items, random.randint(0, min(most, len(items)))))


# -- what is wanted ------------------------------------------------------------------------------------------------


def autoscaling(random: Random) -> dict[str, Any]:
    every = {"min_replica": random.randint(0, 1), "max_replica": random.randint(2, 3)}
    return {name: every[name] for name in some(random, tuple(every))}


def promotion(random: Random) -> dict[str, Any]:
    every = {
        "rolling_deploy": maybe(random, True) or False,
        "ramp_up_duration_seconds": random.randint(600, 601),
        "promotion_cleanup_strategy": random.choice(["KEEP", "SCALE_TO_ZERO"]),
        "rolling_deploy_config.stabilization_time_seconds": random.randint(0, 1),
    }
    pairs: list[dict[str, Any]] = [{}, {SURGE: 20, UNAVAILABLE: 0}, {SURGE: 0, UNAVAILABLE: 20}, {UNAVAILABLE: 20}]
    return {**{name: every[name] for name in some(random, tuple(every))}, **random.choice(pairs)}


def desired(random: Random) -> Desired:
    return Desired(
        "abcd1234",
        "staging",
        generation=random.randint(1, 2),
        adoption=random.choice(["Adopt", "Fail"]),
        deployment_id=maybe(random, random.choice(IDS)),
        promotion=promotion(random),
        cleanup_inside=random.random() < 0.3,
        chainlets=tuple(DesiredChainlet(name, maybe(random, random.choice(TYPES)), autoscaling(random)) for name in some(random, NAMES)),
    )


# -- what is seen --------------------------------------------------------------------------------------------------


def deployment(random: Random) -> Deployment:
    chainlets = tuple(
        Chainlet(
            f"id-{name}", name, random.choice(STATUSES), random.randint(0, 1), maybe(random, "2 vCPU"), maybe(random, autoscaling(random))
        )
        for name in some(random, NAMES)
    )
    status = "ACTIVE" if random.random() < 0.4 else random.choice(STATUSES)
    created = maybe(random, NOW - timedelta(seconds=random.choice([1, 60, 90_000])))
    return Deployment(random.choice(IDS), status, created, maybe(random, "staging"), chainlets)


def chainlet_state(random: Random, name: str) -> ChainletState:
    type_id = random.choice((*TYPES, None))
    return ChainletState(
        name, InstanceType(id=type_id) if type_id else None, maybe(random, {**autoscaling(random), "concurrency_target": 1})
    )


def environment(random: Random) -> Environment:
    return Environment(
        "staging",
        "abcd1234",
        maybe(random, NOW),
        promotion(random),
        random.random() < 0.3,
        tuple(chainlet_state(random, name) for name in some(random, NAMES)),
        deployment(random) if random.random() < 0.8 else None,
        deployment(random) if random.random() < 0.3 else None,
    )


def holding(wanted: Desired, current: Deployment | None) -> Environment:
    """An environment that is exactly as wanted, of Baseten's own choice in the rest."""
    settings = {"redeploy_on_promotion": False, **wanted.promotion}
    states = tuple(
        ChainletState(c.name, InstanceType(id=c.instance_type_id or "1x2"), {"concurrency_target": 1, **c.autoscaling})
        for c in wanted.chainlets
    )
    return Environment(wanted.environment, wanted.chain_id, NOW, settings, wanted.cleanup_inside, states, current, None)


def nearly(random: Random, wanted: Desired) -> Environment:
    """As wanted, but for one or two things."""
    other = environment(random)
    seen = holding(wanted, deployment(random))
    strange = {name: getattr(other, name) for name in some(random, ("promotion", "chainlets", "current", "candidate"), 2)}
    if seen.chainlets and "chainlets" not in strange and random.random() < 0.5:
        first, *rest = seen.chainlets
        strange["chainlets"] = (chainlet_state(random, first.name), *rest)
    return replace(seen, **strange)


# -- what the journal holds ----------------------------------------------------------------------------------------


def _hashes(wanted: Desired) -> dict[str, str]:
    """The journal's hashes of these values, so that entries of the past speak of the present."""
    return {
        Operation.INSTANCE_TYPES: digest({c.name: c.instance_type_id for c in wanted.chainlets if c.instance_type_id}),
        Operation.PROMOTE: digest(wanted.deployment_id),
        Operation.PROMOTED: digest(wanted.deployment_id),
        Operation.PROMOTION_SETTINGS: digest(dict(wanted.promotion)),
        Operation.AUTOSCALING: digest({c.name: dict(c.autoscaling) for c in wanted.chainlets if c.autoscaling}),
        Operation.CREATE: "create",
    }


def entry(random: Random, operation: Operation, wanted: Desired) -> JournalEntry:
    """As the operator may have left it: open (what is not repeatable), answered, refused, failed (rollouts)."""
    started = NOW - timedelta(seconds=random.choice([0, 5, 59, 60, 61, 3599, 3600, 90_000]))
    open_ = operation in (*ROLLOUTS, Operation.CREATE) and random.random() < 0.3
    outcomes = ["Accepted", "Accepted", "Refused", "NotFound", "Forbidden", *(["Failed"] if operation in ROLLOUTS else [])]
    outcome = Outcome.ACCEPTED.value if operation == Operation.PROMOTED else random.choice(outcomes)
    promotes = operation in (Operation.PROMOTE, Operation.PROMOTED)
    target = random.choice([wanted.deployment_id or IDS[0], *IDS]) if promotes else None
    became = maybe(random, random.choice(IDS)) if operation in (*ROLLOUTS, Operation.PROMOTED) else None
    return JournalEntry(
        operation=operation.value,
        hash=digest(target) if promotes else (_hashes(wanted)[operation] if random.random() < 0.7 else "another"),
        generation=random.randint(1, 2),
        started_at=started,
        finished_at=None if open_ else started,
        attempts=random.randint(1, 3),
        outcome=None if open_ else outcome,
        known_deployments=some(random, IDS),
        target=target,
        deployment_id=None if open_ or outcome not in ("Accepted", "Failed") else became,
        settled=True if operation == Operation.PROMOTED or (operation == Operation.INSTANCE_TYPES and random.random() < 0.2) else None,
        message=None if open_ else "said",
    )


def journal(random: Random, wanted: Desired) -> tuple[JournalEntry, ...]:
    return tuple(entry(random, kind, wanted) for kind in some(random, KINDS, 3))


def world(random: Random) -> World:
    """Any spec, any environment or none, any journal."""
    wanted = desired(random)
    seen = None if random.random() < 0.2 else environment(random) if random.random() < 0.4 else nearly(random, wanted)
    known = random.random() < 0.7
    entries = journal(random, wanted) if random.random() < 0.8 else ()
    return World(
        desired=wanted,
        environment=seen,
        now=NOW,
        journal=entries,
        known=known,
        missing_since=NOW - timedelta(seconds=random.choice([0, 29, 30])) if known and seen is None else None,
        looked_up={id_: maybe(random, deployment(random)) for id_ in some(random, IDS)},
        chain_deployments=maybe(random, (deployment(random),)),
        observed_for={entry_id(e): random.choice([0.0, 30.0, 61.0, 3700.0]) for e in entries},
        differs_for=random.choice([0.0, 30.0]),
        spec_changed=random.random() < 0.5,
        forced=random.random() < 0.2,
    )


desireds, worlds = of(desired), of(world)
