"""What Baseten is sent, named as in its OpenAPI document.

A field that is not given is not sent; one that is given as None is sent as null.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CleanupStrategy = Literal["KEEP", "SCALE_TO_ZERO", "DEACTIVATE"]


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def encoded(self) -> bytes:
        return self.model_dump_json(exclude_unset=True).encode()


class UpdateAutoscalingSettingsV1(Body):
    min_replica: int | None = None
    max_replica: int | None = None
    autoscaling_window: int | None = None
    scale_down_delay: int | None = None
    concurrency_target: int | None = None
    target_utilization_percentage: int | None = None
    target_in_flight_tokens: int | None = None
    max_scale_down_rate: Annotated[int, Field(ge=1, le=50)] | None = None


class UpdateRollingDeployConfigV1(Body):
    """`max_surge_percent` left out is not kept but becomes 10: send it with any other field of this block.

    `promotion_cleanup_strategy` has its place here in the older shape, in UpdatePromotionSettingsV1 in the newer one.
    """

    rolling_deploy_strategy: Literal["REPLICA"] | None = None
    max_surge_percent: int | None = None
    max_unavailable_percent: int | None = None
    stabilization_time_seconds: int | None = None
    replica_overhead_percent: int | None = None
    promotion_cleanup_strategy: CleanupStrategy | None = None


class UpdatePromotionSettingsV1(Body):
    redeploy_on_promotion: bool | None = None
    rolling_deploy: bool | None = None
    promotion_cleanup_strategy: CleanupStrategy | None = None
    rolling_deploy_config: UpdateRollingDeployConfigV1 | None = None
    ramp_up_while_promoting: bool | None = None
    ramp_up_duration_seconds: int | None = None


class ChainletEnvironmentSettingsRequestV1(Body):
    """Without an instance type Baseten takes 1x2."""

    chainlet_name: str
    autoscaling_settings: UpdateAutoscalingSettingsV1 | None = None
    instance_type_id: str = "1x2"


class CreateChainEnvironmentRequestV1(Body):
    name: str
    promotion_settings: UpdatePromotionSettingsV1 | None = None
    chainlet_settings: tuple[ChainletEnvironmentSettingsRequestV1, ...] | None = None


class UpdateChainEnvironmentRequestV1(Body):
    promotion_settings: UpdatePromotionSettingsV1 | None = None


class ChainletEnvironmentAutoscalingSettingsUpdateV1(Body):
    chainlet_name: str
    autoscaling_settings: UpdateAutoscalingSettingsV1


class UpdateChainletEnvironmentAutoscalingSettingsRequestV1(Body):
    updates: Annotated[tuple[ChainletEnvironmentAutoscalingSettingsUpdateV1, ...], Field(min_length=1)]


class ChainletEnvironmentInstanceTypeUpdateV1(Body):
    chainlet_name: str
    instance_type_id: str


class UpdateChainletEnvironmentInstanceTypeRequestV1(Body):
    updates: Annotated[tuple[ChainletEnvironmentInstanceTypeUpdateV1, ...], Field(min_length=1)]


class PromoteToChainEnvironmentRequestV1(Body):
    """`scale_down_previous_deployment` left out means true."""

    deployment_id: str
    scale_down_previous_deployment: bool = True
