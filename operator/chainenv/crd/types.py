"""The ChainEnvironment resource as types: the one source of the CRD, of its documentation and of its checks.

Python names are Baseten's own (``min_replica``); in the resource they are written as Kubernetes writes them
(``minReplica``, ``chainID``). Optional fields have no default on purpose: what a spec omits is not managed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import (
    ABANDON_ANNOTATION,
    API_VERSION,
    ENVIRONMENT_NAME_PATTERN,
    FINALIZER,
    GROUP,
    KIND,
    PLURAL,
    RECONCILE_ANNOTATION,
    VERSION,
    Part,
    kubernetes_name,
)
from .spec import AutoscalingSettings, ChainEnvironmentSpec, ChainletSettings, PromotionSettings, RollingDeployConfig, SecretKeyRef
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

    spec: Annotated[ChainEnvironmentSpec, Field(description="What Baseten should hold. What is omitted is not managed.")]
    status: Annotated[
        ChainEnvironmentStatus | None,
        Field(
            description="What Baseten shows, and what the operator makes of it.", json_schema_extra={"default": {"observedGeneration": -1}}
        ),
    ] = None


__all__ = [
    "ABANDON_ANNOTATION",
    "API_VERSION",
    "ENVIRONMENT_NAME_PATTERN",
    "FINALIZER",
    "GROUP",
    "KIND",
    "PLURAL",
    "RECONCILE_ANNOTATION",
    "VERSION",
    "AutoscalingSettings",
    "ChainEnvironment",
    "ChainEnvironmentSpec",
    "ChainEnvironmentStatus",
    "ChainletSettings",
    "ChainletStatus",
    "Condition",
    "DeploymentStatus",
    "Drift",
    "EnvironmentStatus",
    "InstanceType",
    "JournalEntry",
    "ObservedAutoscaling",
    "ObservedChainletSettings",
    "ObservedPromotionSettings",
    "ObservedRollingDeployConfig",
    "Part",
    "PromotionSettings",
    "PromotionStatus",
    "RollingDeployConfig",
    "SecretKeyRef",
    "kubernetes_name",
]
