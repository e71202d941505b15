"""What is known at one instant, frozen: what the spec asks for (Desired) and what Baseten shows (Environment)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..crd.types import (
    ABANDON_ANNOTATION,
    FINALIZER,
    RECONCILE_ANNOTATION,
    ChainEnvironmentSpec,
    ChainEnvironmentStatus,
    InstanceType,
    JournalEntry,
)

Value = int | bool | str
Settings = Mapping[str, Value]
"""Settings by Baseten's names; a nested one is written ``rolling_deploy_config.max_surge_percent``."""

CLEANUP = "promotion_cleanup_strategy"
ROLLING = "rolling_deploy_config"
SURGE = f"{ROLLING}.max_surge_percent"
UNAVAILABLE = f"{ROLLING}.max_unavailable_percent"

SERVING = frozenset({"ACTIVE", "SCALED_TO_ZERO", "WAKING_UP"})
FAILED = frozenset({"BUILD_FAILED", "DEPLOY_FAILED", "FAILED", "BUILD_STOPPED"})
DEGRADED = frozenset({"UNHEALTHY"})
OFF = frozenset({"INACTIVE"})
"""Groups of API.md, "Deployment statuses"; whatever is in none of them is in progress, names never heard of included."""


def in_progress(status: str) -> bool:
    return status not in SERVING | FAILED | DEGRADED | OFF


def flat(settings: Mapping[str, Any] | None, prefix: str = "") -> dict[str, Value]:
    """Nested settings as one level, without what is null."""
    out: dict[str, Value] = {}
    for name, value in (settings or {}).items():
        if isinstance(value, Mapping):
            out.update(flat(value, f"{prefix}{name}."))
        elif value is not None:
            out[prefix + name] = value
    return out


def digest(value: Any) -> str:
    """A short hash of any JSON value; the order of mappings does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DesiredChainlet:
    name: str
    instance_type_id: str | None = None
    autoscaling: Settings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Desired:
    """The spec with the operator's defaults filled in; what it omits is not here.

    ``cleanup_inside``: the spec has the cleanup strategy in its older place, inside rollingDeployConfig.
    """

    chain_id: str
    environment: str
    generation: int = 1
    management: str = "Reconcile"
    adoption: str = "Adopt"
    deletion: str = "Retain"
    deployment_id: str | None = None
    scale_down_previous: bool | None = None
    promotion: Settings = field(default_factory=dict)
    cleanup_inside: bool = False
    chainlets: tuple[DesiredChainlet, ...] = ()


def desired_of(spec: ChainEnvironmentSpec, *, name: str, generation: int) -> Desired:
    """``name`` is metadata.name, the environment's name where the spec gives none."""
    promotion = flat(spec.promotion_settings.model_dump() if spec.promotion_settings else None)
    inner = promotion.pop(f"{ROLLING}.{CLEANUP}", None)
    if inner is not None:
        promotion[CLEANUP] = inner
    return Desired(
        chain_id=spec.chain_id,
        environment=spec.environment_name or name,
        generation=generation,
        management=spec.management_policy or "Reconcile",
        adoption=spec.adoption_policy or "Adopt",
        deletion=spec.deletion_policy or "Retain",
        deployment_id=spec.deployment_id,
        scale_down_previous=spec.scale_down_previous_deployment,
        promotion=promotion,
        cleanup_inside=inner is not None,
        chainlets=tuple(
            DesiredChainlet(
                c.chainlet_name, c.instance_type_id, flat(c.autoscaling_settings.model_dump() if c.autoscaling_settings else None)
            )
            for c in spec.chainlet_settings or ()
        ),
    )


@dataclass(frozen=True, slots=True)
class Chainlet:
    """One chainlet of a deployment."""

    id: str
    name: str
    status: str
    active_replicas: int = 0
    instance_type_name: str | None = None
    autoscaling: Settings | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    id: str
    status: str
    created_at: datetime | None = None
    environment: str | None = None
    chainlets: tuple[Chainlet, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainletState:
    """A chainlet's settings in the environment; ``autoscaling`` is None while it has not finished deploying."""

    name: str
    instance_type: InstanceType | None = None
    autoscaling: Settings | None = None


@dataclass(frozen=True, slots=True)
class PromotionProgress:
    """How far a promotion is by Baseten's own word. ``traffic_percent``: the share of calls that the candidate answers."""

    status: str
    traffic_percent: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """``cleanup_inside``: the server shows the cleanup strategy inside rolling_deploy_config (the older shape).

    ``promotion_progress`` None: no promotion, or a server that does not tell.
    """

    name: str
    chain_id: str
    created_at: datetime | None = None
    promotion: Settings = field(default_factory=dict)
    cleanup_inside: bool = False
    chainlets: tuple[ChainletState, ...] = ()
    current: Deployment | None = None
    candidate: Deployment | None = None
    promotion_progress: PromotionProgress | None = None

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        return tuple(d for d in (self.current, self.candidate) if d is not None)

    @property
    def promoting(self) -> bool:
        """Whether a promotion runs; a candidate that failed for good is shown for a while, but nothing runs."""
        return self.candidate is not None and self.candidate.status not in FAILED

    def state_of(self, chainlet: str) -> ChainletState | None:
        return next((state for state in self.chainlets if state.name == chainlet), None)


@dataclass(frozen=True, slots=True)
class Timing:
    """The waits that decisions depend on, seconds."""

    progress: float = 10
    vanish: float = 30
    settle: float = 60
    retry_refused: float = 3600

    @property
    def resend(self) -> float:
        """How long an accepted correction may stay invisible before it is sent once more."""
        return min(self.settle, 10 * self.progress)


@dataclass(frozen=True, slots=True)
class World:
    """Everything one decision is made from.

    ``environment`` None: Baseten says there is none. ``known``: it was there before (status.environment);
    ``managed``: created or adopted then, not only looked at (None: as ``known``).
    ``looked_up``: deployments outside the environment that were read by id, None where that was a 404.
    ``chain_chainlets``: names in the chain's deployments, None when not read.
    ``forced``: a person asked for another try (the reconcile annotation). ``new_key``: the last run was made with another key.
    """

    desired: Desired
    environment: Environment | None
    now: datetime
    timing: Timing = Timing()
    journal: tuple[JournalEntry, ...] = ()
    known: bool = False
    managed: bool | None = None
    missing_since: datetime | None = None
    looked_up: Mapping[str, Deployment | None] = field(default_factory=dict)
    chain_chainlets: frozenset[str] | None = None
    chain_missing: bool = False
    forced: bool = False
    new_key: bool = False

    @property
    def ours(self) -> bool:
        """Whether this resource may write to the environment: it created or adopted it, or began to create it."""
        created = self.entry("CreateEnvironment")
        begun = created is not None and created.outcome in (None, "Accepted")
        return begun or (self.known if self.managed is None else self.managed)

    def entry(self, operation: str) -> JournalEntry | None:
        return next((entry for entry in self.journal if entry.operation == operation), None)

    def since(self, moment: datetime) -> timedelta:
        return self.now - moment


@dataclass(frozen=True, slots=True)
class Resource:
    """One ChainEnvironment object as last seen in the cluster. ``invalid``: why its spec cannot be read."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created_at: datetime
    spec: ChainEnvironmentSpec
    status: ChainEnvironmentStatus
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    invalid: str | None = None

    @property
    def has_finalizer(self) -> bool:
        return FINALIZER in self.finalizers

    @property
    def desired(self) -> Desired:
        return desired_of(self.spec, name=self.name, generation=self.generation)

    @property
    def reconcile_request(self) -> str | None:
        return self.annotations.get(RECONCILE_ANNOTATION)

    @property
    def forced(self) -> bool:
        return self.reconcile_request is not None and self.reconcile_request != self.status.last_handled_reconcile_at

    @property
    def abandoned(self) -> bool:
        return self.annotations.get(ABANDON_ANNOTATION, "").lower() == "true"

    @property
    def ours(self) -> bool:
        """Whether there may be something on Baseten that this resource answers for."""
        begun = any(e.operation == "CreateEnvironment" and e.outcome in (None, "Accepted") for e in self.status.operations)
        return begun or (self.status.environment is not None and self.status.environment.managed is not False)

    @property
    def target(self) -> tuple[str, str]:
        """The environment on Baseten this is about: chain and name."""
        return self.spec.chain_id, self.spec.environment_name or self.name
