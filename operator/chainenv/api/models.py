"""What Baseten sends, named as in its OpenAPI document.

The dataclasses forgive: unknown fields are ignored, null counts as absent, a status may be any text, and only ids and names
must be there. Only `read` checks them; a constructor takes its arguments as they are.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, FiniteFloat, TypeAdapter

T = TypeVar("T")

UNKNOWN = "UNKNOWN"


def _time(value: Any) -> datetime | None:
    """Aware, in UTC; None for what is not ISO 8601, because no decision may hang on a broken date."""
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


Time = Annotated[datetime | None, BeforeValidator(_time)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Status = Annotated[str, BeforeValidator(lambda value: UNKNOWN if value is None else value)]
Many = Annotated[tuple[T, ...], BeforeValidator(lambda value: () if value is None else value)]


@dataclass(frozen=True, slots=True)
class AutoscalingSettingsV1:
    """Windows and delays are in seconds, utilization and scale-down rate in percent."""

    min_replica: int | None = None
    max_replica: int | None = None
    autoscaling_window: int | None = None
    scale_down_delay: int | None = None
    concurrency_target: int | None = None
    target_utilization_percentage: int | None = None
    target_in_flight_tokens: int | None = None
    max_scale_down_rate: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceTypeV1:
    id: str
    name: Text = ""
    memory_limit_mib: int | None = None
    millicpu_limit: int | None = None
    gpu_count: int | None = None
    gpu_type: str | None = None
    gpu_memory_limit_mib: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceTypeWithPriceV1:
    """USD per minute of one replica."""

    instance_type: InstanceTypeV1
    price: FiniteFloat | None = None


@dataclass(frozen=True, slots=True)
class RollingDeployConfigV1:
    rolling_deploy_strategy: str | None = None
    max_surge_percent: int | None = None
    max_unavailable_percent: int | None = None
    stabilization_time_seconds: int | None = None
    replica_overhead_percent: int | None = None
    promotion_cleanup_strategy: str | None = None


@dataclass(frozen=True, slots=True)
class PromotionSettingsV1:
    """An older server has `promotion_cleanup_strategy` only in `rolling_deploy_config`, a newer one beside it."""

    redeploy_on_promotion: bool | None = None
    rolling_deploy: bool | None = None
    promotion_cleanup_strategy: str | None = None
    rolling_deploy_config: RollingDeployConfigV1 | None = None
    ramp_up_while_promoting: bool | None = None
    ramp_up_duration_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ChainletV1:
    id: str
    name: str
    status: Status = UNKNOWN
    active_replica_count: int | None = None
    instance_type_name: Text = ""
    autoscaling_settings: AutoscalingSettingsV1 | None = None


@dataclass(frozen=True, slots=True)
class ChainDeploymentV1:
    id: str
    status: Status = UNKNOWN
    created_at: Time = None
    chain_id: Text = ""
    environment: str | None = None
    chainlets: Many[ChainletV1] = ()


@dataclass(frozen=True, slots=True)
class ChainletEnvironmentSettingsV1:
    """No autoscaling settings: the chainlet has not finished deploying."""

    chainlet_name: str
    autoscaling_settings: AutoscalingSettingsV1 | None = None
    instance_type: InstanceTypeV1 | None = None


@dataclass(frozen=True, slots=True)
class ChainEnvironmentV1:
    """A candidate deployment is there while a promotion runs."""

    name: str
    chain_id: Text = ""
    created_at: Time = None
    promotion_settings: Annotated[PromotionSettingsV1, BeforeValidator(lambda value: {} if value is None else value)] = field(
        default_factory=PromotionSettingsV1
    )
    chainlet_settings: Many[ChainletEnvironmentSettingsV1] = ()
    current_deployment: ChainDeploymentV1 | None = None
    candidate_deployment: ChainDeploymentV1 | None = None


@dataclass(frozen=True, slots=True)
class ChainV1:
    id: str
    name: Text = ""
    created_at: Time = None
    deployments_count: int | None = None
    team_name: Text = ""


@dataclass(frozen=True, slots=True)
class ChainDeploymentsV1:
    deployments: tuple[ChainDeploymentV1, ...]


@dataclass(frozen=True, slots=True)
class InstanceTypesV1:
    instance_types: tuple[InstanceTypeV1, ...]


@dataclass(frozen=True, slots=True)
class InstanceTypePricesV1:
    instance_types: tuple[InstanceTypeWithPriceV1, ...]


@dataclass(frozen=True, slots=True)
class UpdateChainEnvironmentResponseV1:
    ok: bool


@dataclass(frozen=True, slots=True)
class UpdateAutoscalingSettingsResponseV1:
    """ACCEPTED, QUEUED or UNCHANGED. The change is applied later: read the environment."""

    status: Status = UNKNOWN
    message: Text = ""


@dataclass(frozen=True, slots=True)
class UpdateChainletEnvironmentInstanceTypeResponseV1:
    """No deployment when there was nothing to deploy."""

    requires_redeployment: bool | None = None
    chain_deployment: ChainDeploymentV1 | None = None
    chainlet_environment_settings: Many[ChainletEnvironmentSettingsV1] = ()


@dataclass(frozen=True, slots=True)
class DeactivateResponseV1:
    success: Annotated[bool, BeforeValidator(lambda value: True if value is None else value)] = True


ENVIRONMENT = TypeAdapter(ChainEnvironmentV1)
ENVIRONMENT_UPDATED = TypeAdapter(UpdateChainEnvironmentResponseV1)
AUTOSCALING_UPDATED = TypeAdapter(UpdateAutoscalingSettingsResponseV1)
INSTANCE_TYPES_UPDATED = TypeAdapter(UpdateChainletEnvironmentInstanceTypeResponseV1)
DEPLOYMENT = TypeAdapter(ChainDeploymentV1)
DEPLOYMENTS = TypeAdapter(ChainDeploymentsV1)
DEACTIVATED = TypeAdapter(DeactivateResponseV1)
CHAIN = TypeAdapter(ChainV1)
INSTANCE_TYPES = TypeAdapter(InstanceTypesV1)
PRICES = TypeAdapter(InstanceTypePricesV1)
