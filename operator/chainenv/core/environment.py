"""What Baseten shows of an environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..crd.types import InstanceType
from .values import Settings

SERVING = frozenset({"ACTIVE", "SCALED_TO_ZERO", "WAKING_UP"})
FAILED = frozenset({"BUILD_FAILED", "DEPLOY_FAILED", "FAILED", "BUILD_STOPPED"})
DEGRADED = frozenset({"UNHEALTHY"})
OFF = frozenset({"INACTIVE"})
ENDING = frozenset({"DEACTIVATING", *OFF})
KNOWN_PROGRESS = frozenset({"BUILDING", "DEPLOYING", "LOADING_MODEL", "UPDATING", "WAKING_UP"})
"""Groups of docs/baseten-api.md, "Deployment statuses"; whatever is in none of them is in progress, names never heard of included."""

PROMOTION_RUNS = frozenset({"RELEASING", "RAMPING_UP", "RAMPING_DOWN", "PAUSED"})
PROMOTION_FAILED = frozenset({"FAILED", "CANCELED"})
"""Statuses of a promotion (``in_progress_promotion``) that say what becomes of it; SUCCEEDED and unknown ones say nothing."""


def in_progress(status: str) -> bool:
    return status not in SERVING | FAILED | DEGRADED | OFF


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
    """How the last promotion goes (``in_progress_promotion``). ``traffic_percent``: share of the new deployment, 0-100."""

    status: str
    traffic_percent: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """``cleanup_inside``: the server shows the cleanup strategy inside rolling_deploy_config (the older shape);
    ``cleanup_twice``: in both places. ``promotion_progress``: None on a server that has no such field."""

    name: str
    chain_id: str
    created_at: datetime | None = None
    promotion: Settings = field(default_factory=dict)
    cleanup_inside: bool = False
    chainlets: tuple[ChainletState, ...] = ()
    current: Deployment | None = None
    candidate: Deployment | None = None
    cleanup_twice: bool = False
    promotion_progress: PromotionProgress | None = None

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        return tuple(d for d in (self.current, self.candidate) if d is not None)

    @property
    def promoting(self) -> bool:
        """Whether a promotion runs. A candidate that failed or was deactivated may be shown for ever, but nothing runs."""
        state = self.promotion_progress.status if self.promotion_progress else ""
        if self.candidate is None:
            return state in PROMOTION_RUNS
        return self.candidate.status not in FAILED | ENDING and state not in PROMOTION_FAILED

    @property
    def current_id(self) -> str | None:
        return self.current.id if self.current is not None else None

    @property
    def deploying(self) -> bool:
        """Whether something deploys, so that a later read may show what this one does not."""
        return self.promoting or (self.current is not None and in_progress(self.current.status))

    @property
    def promotion_failure(self) -> str | None:
        """What Baseten says of a promotion that it calls failed or cancelled; None when it does not."""
        progress = self.promotion_progress
        if progress is None or progress.status not in PROMOTION_FAILED:
            return None
        return f"the promotion is {progress.status}: {progress.message}" if progress.message else f"the promotion is {progress.status}"

    def state_of(self, chainlet: str) -> ChainletState | None:
        return next((state for state in self.chainlets if state.name == chainlet), None)
