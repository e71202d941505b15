"""What Baseten is made of in this model, and which of the servers that there may be it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
INSTANCE_TYPES = ("1x2", "2x8", "4x16", "A10G:2x24x96", "H100:2")
RUNNING = ("BUILDING", "DEPLOYING", "LOADING_MODEL")
OFF = ("INACTIVE", "DEACTIVATING", "BUILD_FAILED", "DEPLOY_FAILED", "FAILED", "BUILD_STOPPED")
SERVING = ("ACTIVE", "SCALED_TO_ZERO", "WAKING_UP")
DEFAULTS = {
    "min_replica": 0,
    "max_replica": 1,
    "autoscaling_window": 60,
    "scale_down_delay": 900,
    "concurrency_target": 1,
    "target_utilization_percentage": 70,
}
PROMOTION_DEFAULTS: Json = {
    "redeploy_on_promotion": False,
    "rolling_deploy": False,
    "ramp_up_while_promoting": False,
    "ramp_up_duration_seconds": 600,
    "promotion_cleanup_strategy": "SCALE_TO_ZERO",
    "rolling_deploy_config": {
        "rolling_deploy_strategy": "REPLICA",
        "max_surge_percent": 25,
        "max_unavailable_percent": 0,
        "stabilization_time_seconds": 0,
        "replica_overhead_percent": 0,
    },
}


@dataclass
class Shape:
    """Which of the servers that there may be this is."""

    old: bool = False
    busy: int = 400
    """What a second promotion is answered."""
    normal_form: bool = False
    """Instance type ids are shown in lower case."""
    silent_types: bool = False
    """A change of instance types is answered with ``chain_deployment: null`` and ``requires_redeployment: true``."""
    types_at_once: bool = True
    """The environment shows new instance types before their deployment serves."""
    fresh_seconds: float = 3.0
    """For so long a new object answers 404."""
    build_seconds: float = 180.0
    skew: float = 0.0
    """By how much Baseten's clock is ahead."""
    queues: bool = False
    """A second promotion waits until the first is over, instead of being refused."""
    ramp_seconds: float = 0.0
    """From serving to having all of the traffic."""
    audit: str = "refused"
    """What the audit log answers: refused, absent, broken, empty, garbage, true, or late (two minutes after the change)."""
    prices: str = "true"
    """The same of prices: refused, absent, broken, empty, garbage, mad (no numbers that a price can be), true, changing."""
    tells: bool = True
    """Whether it says how a promotion goes; an old one never does."""
    hides: tuple[str, ...] = ()
    """Promotion settings that this server does not know: it drops them, and shows none."""


class RefusedError(Exception):
    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": "ERROR", "message": message, **more}


@dataclass
class Deployment:
    id: str
    environment: str | None
    created: float
    types: dict[str, str]
    status: str = "BUILDING"
    served: bool = False
    doomed: str | None = None
    """The status that its building ends with, when that is a failure."""


@dataclass
class Environment:
    name: str
    created: float
    types: dict[str, str] = field(default_factory=dict)
    autoscaling: dict[str, Json] = field(default_factory=dict)
    promotion: Json = field(default_factory=dict)
    current: Deployment | None = None
    candidate: Deployment | None = None
    progress: str | None = None
    switched: float = 0.0
    """When the current deployment came to be it."""
    paused: bool = False
    """Somebody halted the promotion."""
    queue: list[Deployment] = field(default_factory=list)
    promoted: set[str] = field(default_factory=set)
    """Every deployment that was asked to be promoted into it and began to be, with what came of it."""

    @property
    def busy(self) -> bool:
        return self.candidate is not None and self.candidate.status in (*RUNNING, "ACTIVE")
