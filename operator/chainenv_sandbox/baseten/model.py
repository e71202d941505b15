"""What the simulated organisation holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from chainenv_sandbox.baseten.catalogue import DEFAULT_INSTANCE_TYPE
from chainenv_sandbox.baseten.timeline import STARTED, Timeline

Autoscaling = dict[str, int | None]
Origin = Literal["push", "create", "instance_types", "promote"]

DEFAULT_AUTOSCALING: Autoscaling = {
    "min_replica": 0,
    "max_replica": 1,
    "autoscaling_window": 60,
    "scale_down_delay": 900,
    "concurrency_target": 1,
    "target_utilization_percentage": 70,
    "target_in_flight_tokens": None,
    "max_scale_down_rate": 50,
}
DEFAULT_ROLLING_CONFIG: dict[str, Any] = {
    "rolling_deploy_strategy": "REPLICA",
    "max_surge_percent": 25,
    "max_unavailable_percent": 0,
    "stabilization_time_seconds": 0,
    "replica_overhead_percent": 0,
}
DEFAULT_PROMOTION: dict[str, Any] = {
    "redeploy_on_promotion": False,
    "rolling_deploy": False,
    "promotion_cleanup_strategy": "SCALE_TO_ZERO",
    "rolling_deploy_config": None,
    "ramp_up_while_promoting": False,
    "ramp_up_duration_seconds": 600,
}


@dataclass(slots=True)
class Chainlet:
    id: str
    name: str
    instance_type: str
    autoscaling: Autoscaling
    forced_status: str | None = None
    forced_replicas: int | None = None


@dataclass(slots=True)
class LogLine:
    at: float
    chainlet: str
    message: str
    level: str | None
    replica: str | None = None
    request_id: str | None = None
    component: str | None = None


@dataclass(slots=True)
class Deployment:
    id: str
    chain_id: str
    environment: str | None
    created_at: float
    visible_at: float
    origin: Origin
    chainlets: list[Chainlet]
    timeline: Timeline
    logs: list[LogLine] = field(default_factory=list)

    def status(self, now: float) -> str:
        return self.timeline.status(now)

    def activated(self, now: float) -> bool:
        """Whether it has finished deploying at least once; until then its autoscaling settings show as null."""
        return self.timeline.first(STARTED, self.created_at, now) is not None

    def types(self) -> dict[str, str]:
        return {one.name: one.instance_type for one in self.chainlets}


@dataclass(slots=True)
class ChainletSettings:
    instance_type: str = DEFAULT_INSTANCE_TYPE
    next_instance_type: str | None = None
    autoscaling: Autoscaling = field(default_factory=DEFAULT_AUTOSCALING.copy)
    pending: list[tuple[float, Autoscaling]] = field(default_factory=list)

    def wanted_type(self) -> str:
        return self.next_instance_type or self.instance_type

    def wanted_autoscaling(self) -> Autoscaling:
        return self.pending[-1][1] if self.pending else self.autoscaling


@dataclass(slots=True)
class Environment:
    name: str
    chain_id: str
    created_at: float
    visible_at: float
    chainlets: dict[str, ChainletSettings]
    promotion: dict[str, Any] = field(default_factory=DEFAULT_PROMOTION.copy)
    current: Deployment | None = None
    candidate: Deployment | None = None
    candidate_since: float = 0.0
    scale_down_previous: bool = True
    activated: bool = False
    forced_progress: dict[str, Any] | None = None


@dataclass(slots=True)
class PlannedFailure:
    environment: str | None
    status: str
    times: int


@dataclass(slots=True)
class Chain:
    id: str
    name: str
    created_at: float
    chainlets: dict[str, str]  # name -> instance type, of the newest push
    environments: dict[str, Environment] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    failures: list[PlannedFailure] = field(default_factory=list)
    pushed: bool = False
