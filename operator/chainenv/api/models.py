"""What Baseten sends, named as in its OpenAPI document.

The dataclasses forgive: unknown fields are ignored, null counts as absent, a status may be any text, a value that cannot be read
is dropped alone, and only ids and names must be there. What is read is bounded: numbers to 64 bits, text to MAX_TEXT printable
characters, lists to MAX_ITEMS, so that a status made of it is one that Kubernetes stores. Only `read` checks them; a constructor
takes its arguments as they are.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import AfterValidator, BeforeValidator, FiniteFloat, PlainValidator, TypeAdapter

from .lenient import MAX_ITEMS, MAX_TEXT, Else, Exact, Number, Omitted, amount, cut, text

T = TypeVar("T")

UNKNOWN = "UNKNOWN"

MAX_MESSAGE: Final = 16_384
_MAX_CURSOR: Final = 4096

__all__ = ["MAX_ITEMS", "MAX_TEXT"]


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
Int = Annotated[int | None, Number()]
Flag = Annotated[bool | None, Else(None)]
Text = Annotated[str, text("")]
Word = Annotated[str | None, text(None)]
Status = Annotated[str, text(UNKNOWN)]
Amount = Annotated[Decimal | None, PlainValidator(amount)]
Listed = Annotated[tuple[Annotated[T, Omitted()], ...], AfterValidator(cut)]
Many = Annotated[Listed[T], Else(())]


@dataclass(frozen=True, slots=True)
class AutoscalingSettingsV1:
    """Windows and delays are in seconds, utilization and scale-down rate in percent."""

    min_replica: Int = None
    max_replica: Int = None
    autoscaling_window: Int = None
    scale_down_delay: Int = None
    concurrency_target: Int = None
    target_utilization_percentage: Int = None
    target_in_flight_tokens: Int = None
    max_scale_down_rate: Int = None


@dataclass(frozen=True, slots=True)
class InstanceTypeV1:
    id: Text
    name: Text = ""
    memory_limit_mib: Int = None
    millicpu_limit: Int = None
    gpu_count: Int = None
    gpu_type: Word = None
    gpu_memory_limit_mib: Int = None


@dataclass(frozen=True, slots=True)
class InstanceTypeWithPriceV1:
    """USD per minute of one replica; None where it cannot be read."""

    instance_type: InstanceTypeV1
    price: Amount = None


@dataclass(frozen=True, slots=True)
class RollingDeployConfigV1:
    rolling_deploy_strategy: Word = None
    max_surge_percent: Int = None
    max_unavailable_percent: Int = None
    stabilization_time_seconds: Int = None
    replica_overhead_percent: Int = None
    promotion_cleanup_strategy: Word = None


@dataclass(frozen=True, slots=True)
class PromotionSettingsV1:
    """An older server has `promotion_cleanup_strategy` only in `rolling_deploy_config`, a newer one beside it."""

    redeploy_on_promotion: Flag = None
    rolling_deploy: Flag = None
    promotion_cleanup_strategy: Word = None
    rolling_deploy_config: Annotated[RollingDeployConfigV1 | None, Else(None)] = None
    ramp_up_while_promoting: Flag = None
    ramp_up_duration_seconds: Int = None


@dataclass(frozen=True, slots=True)
class ChainletV1:
    id: Text
    name: Text
    status: Status = UNKNOWN
    active_replica_count: Int = None
    instance_type_name: Text = ""
    autoscaling_settings: Annotated[AutoscalingSettingsV1 | None, Else(None)] = None


@dataclass(frozen=True, slots=True)
class ChainDeploymentV1:
    id: Text
    status: Status = UNKNOWN
    created_at: Time = None
    chain_id: Text = ""
    environment: Word = None
    chainlets: Many[ChainletV1] = ()


Some = Annotated[ChainDeploymentV1 | None, Else(ChainDeploymentV1(id=""))]
"""One that cannot be read is still one: nothing may be done as if there were none."""


@dataclass(frozen=True, slots=True)
class InProgressPromotionV1:
    """RELEASING, RAMPING_UP, RAMPING_DOWN, PAUSED, SUCCEEDED, FAILED or CANCELED; others may come."""

    status: Status = UNKNOWN
    percent_traffic_to_new_version: Int = None
    error_message: Word = None
    rolling_deploy: Flag = None


@dataclass(frozen=True, slots=True)
class ChainletEnvironmentSettingsV1:
    """No autoscaling settings: the chainlet has not finished deploying."""

    chainlet_name: Text
    autoscaling_settings: Annotated[AutoscalingSettingsV1 | None, Else(None)] = None
    instance_type: Annotated[InstanceTypeV1 | None, Else(None)] = None


@dataclass(frozen=True, slots=True)
class ChainEnvironmentV1:
    """A candidate deployment is there while a promotion runs. Older servers have no `in_progress_promotion`."""

    name: Text
    chain_id: Text = ""
    created_at: Time = None
    promotion_settings: Annotated[PromotionSettingsV1, BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = field(
        default_factory=PromotionSettingsV1
    )
    chainlet_settings: Many[ChainletEnvironmentSettingsV1] = ()
    current_deployment: Some = None
    candidate_deployment: Some = None
    in_progress_promotion: Annotated[InProgressPromotionV1 | None, Else(None)] = None


@dataclass(frozen=True, slots=True)
class ChainV1:
    id: Text
    name: Text = ""
    created_at: Time = None
    deployments_count: Int = None
    team_name: Text = ""


@dataclass(frozen=True, slots=True)
class ListedEnvironment:
    """One of a chain's list, which the document types as a model's environment: only what cannot mean anything else is read."""

    name: Text
    created_at: Time = None


@dataclass(frozen=True, slots=True)
class AuditActor:
    """USER, API_KEY, BASETEN_USER, BASETEN_SYSTEM, TOMBSTONE_USER; others may come.

    `api_key_prefix`: the first characters of the key that acted, where it was a key. `email` is a person's.
    """

    type: Text = ""
    email: Word = None
    api_key_prefix: Word = None
    api_key_name: Word = None


@dataclass(frozen=True, slots=True)
class AuditedSettings:
    """Autoscaling, as an event reports it: there the rate need not be whole."""

    min_replica: Int = None
    max_replica: Int = None
    autoscaling_window: Int = None
    scale_down_delay: Int = None
    concurrency_target: Int = None
    target_utilization_percentage: Int = None
    target_in_flight_tokens: Int = None
    max_scale_down_rate: Annotated[FiniteFloat | None, Else(None)] = None


@dataclass(frozen=True, slots=True)
class AuditEvent(AuditedSettings):
    """What was changed: of every kind of event about chains the fields that it has. Autoscaling: the settings after, and before."""

    chain_deployment_id: Text = ""
    environment_name: Word = None
    chainlet_name: Word = None
    instance_type_name: Word = None
    previous_settings: Annotated[AuditedSettings | None, Else(None)] = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`source`: UI, API, MCP, SYSTEM or OTHER; others may come. `client_name`: the program that acted, where it is known."""

    id: Text = ""
    created: Time = None
    event_type: Text = ""
    event_data: Annotated[AuditEvent | None, Else(None)] = None
    source: Word = None
    actor: Annotated[AuditActor | None, Else(None)] = None
    client_name: Word = None
    client_version: Word = None


@dataclass(frozen=True, slots=True)
class PaginationResponseV1:
    """No cursor on the last page."""

    has_more: Annotated[bool, Else(False)] = False
    cursor: Annotated[str | None, text(None, _MAX_CURSOR)] = None


@dataclass(frozen=True, slots=True)
class AuditLogs:
    items: Many[AuditEntry] = ()
    pagination: Annotated[PaginationResponseV1, Else(PaginationResponseV1())] = PaginationResponseV1()


@dataclass(frozen=True, slots=True)
class LogV1:
    """One entry of a chainlet's log, which may hold customers' data: it belongs to a terminal, never to a status or a log of our own.

    `timestamp`: nanoseconds since 1970, as text. `message`: line breaks and tabs are kept, because a traceback stands in it.
    """

    timestamp: Text = ""
    message: Annotated[str, text("", MAX_MESSAGE, lines=True)] = ""
    replica: Word = None
    request_id: Word = None
    level: Word = None

    @property
    def millis(self) -> int | None:
        """Milliseconds since 1970; None for a time that cannot be read."""
        return int(self.timestamp) // 1_000_000 if re.fullmatch(r"[0-9]{1,19}", self.timestamp) else None


@dataclass(frozen=True, slots=True)
class GetLogsResponseV1:
    logs: Listed[LogV1]


@dataclass(frozen=True, slots=True)
class ChainsV1:
    chains: Listed[ChainV1]


@dataclass(frozen=True, slots=True)
class ListedEnvironments:
    environments: Listed[ListedEnvironment]


@dataclass(frozen=True, slots=True)
class ChainDeploymentsV1:
    deployments: Listed[ChainDeploymentV1]


@dataclass(frozen=True, slots=True)
class InstanceTypesV1:
    instance_types: Listed[InstanceTypeV1]


@dataclass(frozen=True, slots=True)
class InstanceTypePricesV1:
    instance_types: Listed[InstanceTypeWithPriceV1]


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

    requires_redeployment: Flag = None
    chain_deployment: Some = None
    chainlet_environment_settings: Many[ChainletEnvironmentSettingsV1] = ()


@dataclass(frozen=True, slots=True)
class DeactivateResponseV1:
    """`no_op`: it was inactive already."""

    success: Annotated[bool, Else(True)] = True
    no_op: Annotated[bool, Else(False)] = False


@dataclass(frozen=True, slots=True)
class ChainDeploymentTombstoneV1:
    id: Text
    deleted: Flag = None
    chain_id: Text = ""


AUDIT_LOGS = TypeAdapter(AuditLogs)
ENVIRONMENT = TypeAdapter(ChainEnvironmentV1)
ENVIRONMENT_UPDATED = TypeAdapter(UpdateChainEnvironmentResponseV1)
AUTOSCALING_UPDATED = TypeAdapter(UpdateAutoscalingSettingsResponseV1)
INSTANCE_TYPES_UPDATED = TypeAdapter(UpdateChainletEnvironmentInstanceTypeResponseV1)
DEPLOYMENT = TypeAdapter(ChainDeploymentV1)
DEPLOYMENTS = TypeAdapter(ChainDeploymentsV1)
DEACTIVATED = TypeAdapter(DeactivateResponseV1)
DEPLOYMENT_DELETED = TypeAdapter(ChainDeploymentTombstoneV1)
CHAIN = TypeAdapter(ChainV1)
INSTANCE_TYPES = TypeAdapter(InstanceTypesV1)
PRICES = cast(TypeAdapter[InstanceTypePricesV1], Exact(TypeAdapter(InstanceTypePricesV1)))  # a TypeAdapter admits no subclass
CHAINS = TypeAdapter(ChainsV1)
ENVIRONMENTS = TypeAdapter(ListedEnvironments)
LOGS = TypeAdapter(GetLogsResponseV1)
