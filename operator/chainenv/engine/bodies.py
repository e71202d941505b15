"""From changes to the bodies of Baseten's requests."""

from __future__ import annotations

from typing import Any

from ..api import requests as r
from ..core.changes import CreateEnvironment, Promote, UpdateAutoscaling, UpdateInstanceTypes, UpdatePromotionSettings
from ..core.values import CLEANUP, ROLLING, Settings


def create_body(name: str, change: CreateEnvironment) -> r.CreateChainEnvironmentRequestV1:
    body: dict[str, Any] = {"name": name}
    if change.promotion:
        body["promotion_settings"] = _promotion(change.promotion, cleanup_inside=change.cleanup_inside, cleanup_outside=False)
    if change.chainlets:
        chainlets = []
        for chainlet, instance_type_id, autoscaling in change.chainlets:
            settings: dict[str, Any] = {"chainlet_name": chainlet}
            if autoscaling:
                settings["autoscaling_settings"] = r.UpdateAutoscalingSettingsV1.model_validate(dict(autoscaling))
            if instance_type_id:
                settings["instance_type_id"] = instance_type_id
            chainlets.append(r.ChainletEnvironmentSettingsRequestV1(**settings))
        body["chainlet_settings"] = tuple(chainlets)
    return r.CreateChainEnvironmentRequestV1(**body)


def promotion_settings_body(change: UpdatePromotionSettings) -> r.UpdateChainEnvironmentRequestV1:
    settings = _promotion(change.changes, cleanup_inside=change.cleanup_inside, cleanup_outside=change.cleanup_outside)
    return r.UpdateChainEnvironmentRequestV1(promotion_settings=settings)


def _promotion(settings: Settings, *, cleanup_inside: bool, cleanup_outside: bool) -> r.UpdatePromotionSettingsV1:
    """``cleanup_inside``: the older place of the cleanup strategy, inside rolling_deploy_config; with ``cleanup_outside`` both."""
    outer: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for path, value in settings.items():
        block, _, field_name = path.partition(".")
        if field_name and block == ROLLING:
            inner[field_name] = value
        elif path == CLEANUP and cleanup_inside:
            inner[CLEANUP] = value
            if cleanup_outside:
                outer[CLEANUP] = value
        else:
            outer[path] = value
    if inner:
        outer[ROLLING] = r.UpdateRollingDeployConfigV1.model_validate(inner)
    return r.UpdatePromotionSettingsV1(**outer)


def autoscaling_body(change: UpdateAutoscaling) -> r.UpdateChainletEnvironmentAutoscalingSettingsRequestV1:
    updates = tuple(
        r.ChainletEnvironmentAutoscalingSettingsUpdateV1(
            chainlet_name=name, autoscaling_settings=r.UpdateAutoscalingSettingsV1.model_validate(dict(settings))
        )
        for name, settings in change.changes.items()
    )
    return r.UpdateChainletEnvironmentAutoscalingSettingsRequestV1(updates=updates)


def instance_types_body(change: UpdateInstanceTypes) -> r.UpdateChainletEnvironmentInstanceTypeRequestV1:
    updates = tuple(r.ChainletEnvironmentInstanceTypeUpdateV1(chainlet_name=n, instance_type_id=t) for n, t in change.changes.items())
    return r.UpdateChainletEnvironmentInstanceTypeRequestV1(updates=updates)


def promote_body(change: Promote) -> r.PromoteToChainEnvironmentRequestV1:
    if change.scale_down_previous is None:
        return r.PromoteToChainEnvironmentRequestV1(deployment_id=change.deployment_id)
    return r.PromoteToChainEnvironmentRequestV1(
        deployment_id=change.deployment_id, scale_down_previous_deployment=change.scale_down_previous
    )
