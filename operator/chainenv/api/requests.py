"""What Baseten is sent, named as in its OpenAPI document.

A field that is not given is not sent; one that is given as None is sent as null, and in a query left out.
"""

from typing import Annotated, Literal
from urllib.parse import urlencode

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
    """`max_surge_percent` left out may not be kept but become its default (10, later 25): send it with any other field of this block.

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


class Query(BaseModel):
    """What stands after the `?`. Times are milliseconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def encoded(self) -> str:
        """With its `?`, or nothing."""
        given = [(name, value) for name, value in self.model_dump(exclude_none=True, exclude_unset=True).items() if value != ()]
        return "?" + urlencode(given, doseq=True, errors="replace") if given else ""


AuditLogEventTypeGroup = Literal[
    "DEPLOYED", "PROMOTED", "ACTIVATED_DEACTIVATED", "AUTOSCALING_SETTINGS", "INSTANCE_TYPE_CHANGED", "ENVIRONMENT_SETTINGS", "DELETED"
]
"""Those of the document that a chain's log has events of."""


class AuditLogsQuery(Query):
    """A filter that has several values finds entries with any of them. With a cursor, the direction of the first page holds."""

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    direction: Literal["DESC", "ASC"] = "DESC"
    search: str | None = None
    event_type_groups: tuple[AuditLogEventTypeGroup, ...] = ()
    user_ids: tuple[str, ...] = ()
    chain_deployment_ids: tuple[str, ...] = ()
    environment_names: tuple[str, ...] = ()
    sources: tuple[Literal["UI", "API", "MCP", "SYSTEM", "OTHER"], ...] = ()
    start_epoch_millis: int | None = None
    end_epoch_millis: int | None = None


Short = Annotated[str, Field(max_length=256)]
Some = Annotated[tuple[str, ...], Field(max_length=8)]


class LogsQuery(Query):
    """Without a start, the last 30 minutes before the end; 7 days at most. A minimum level leaves out lines that have no level.

    `search_pattern` is a regular expression of RE2.
    """

    start_epoch_millis: int | None = None
    end_epoch_millis: int | None = None
    direction: Literal["asc", "desc"] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None
    replica: Short | None = None
    request_id: Short | None = None
    component: Short | None = None
    search_pattern: Short | None = None
    includes: Some = ()
    excludes: Some = ()
