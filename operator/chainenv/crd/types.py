"""The ChainEnvironment resource as types: the one source of the CRD, of its documentation and of its checks.

Python names are Baseten's own (``min_replica``); in the resource they are written as Kubernetes writes them
(``minReplica``, ``chainID``). Optional fields have no default on purpose: what a spec omits is not managed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from .autoscaling import AutoscalingSettings
from .base import (
    ABANDON_ANNOTATION,
    ABORT_ANNOTATION,
    API_VERSION,
    APPROVE_ANNOTATION,
    ENVIRONMENT_NAME_PATTERN,
    FINALIZER,
    GROUP,
    KIND,
    PLURAL,
    RECONCILE_ANNOTATION,
    VERSION,
    Part,
    checks,
    kubernetes_name,
    rule,
)
from .history import CostStatus, Endpoints, HistoryEntry, RolloutStatus, ScheduleStatus
from .rollout import Budget, Cleanup, PromoteFrom, Rollout, Window
from .schedules import Schedule, ScheduledChainlet
from .spec import ChainEnvironmentSpec, ChainletSettings, PromotionSettings, RollingDeployConfig, SecretKeyRef
from .status import (
    ChainEnvironmentStatus,
    ChainletStatus,
    Condition,
    DeploymentStatus,
    Drift,
    EnvironmentStatus,
    InstanceType,
    JournalEntry,
    ObservedAutoscaling,
    ObservedChainletSettings,
    ObservedPromotionSettings,
    ObservedRollingDeployConfig,
    PromotionStatus,
)


class ChainEnvironment(Part):
    """A Baseten chain environment, kept as declared."""

    model_config = ConfigDict(
        json_schema_extra=checks(
            rule(
                "!has(self.spec.promoteFrom) || self.spec.promoteFrom.name != self.metadata.name",
                "promoteFrom.name is this resource itself: write the metadata.name of the ChainEnvironment to follow",
            )
        )
    )

    spec: Annotated[ChainEnvironmentSpec, Field(description="What Baseten should hold. What is omitted is not managed.")]
    status: Annotated[
        ChainEnvironmentStatus | None,
        Field(
            description="What Baseten shows, and what the operator makes of it.", json_schema_extra={"default": {"observedGeneration": -1}}
        ),
    ] = None


__all__ = [
    "ABANDON_ANNOTATION",
    "ABORT_ANNOTATION",
    "API_VERSION",
    "APPROVE_ANNOTATION",
    "ENVIRONMENT_NAME_PATTERN",
    "FINALIZER",
    "GROUP",
    "KIND",
    "PLURAL",
    "RECONCILE_ANNOTATION",
    "VERSION",
    "AutoscalingSettings",
    "Budget",
    "ChainEnvironment",
    "ChainEnvironmentSpec",
    "ChainEnvironmentStatus",
    "ChainletSettings",
    "ChainletStatus",
    "Cleanup",
    "Condition",
    "CostStatus",
    "DeploymentStatus",
    "Drift",
    "Endpoints",
    "EnvironmentStatus",
    "HistoryEntry",
    "InstanceType",
    "JournalEntry",
    "ObservedAutoscaling",
    "ObservedChainletSettings",
    "ObservedPromotionSettings",
    "ObservedRollingDeployConfig",
    "Part",
    "PromoteFrom",
    "PromotionSettings",
    "PromotionStatus",
    "RollingDeployConfig",
    "Rollout",
    "RolloutStatus",
    "Schedule",
    "ScheduleStatus",
    "ScheduledChainlet",
    "SecretKeyRef",
    "Window",
    "kubernetes_name",
]
