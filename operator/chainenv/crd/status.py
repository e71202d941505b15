"""The status: what people read, and the operator's journal."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from .base import RECONCILE_ANNOTATION, Part
from .enums import Operation, Outcome
from .history import CostStatus, Endpoints, HistoryEntry, RolloutStatus, ScheduleStatus

_TEXT = WithJsonSchema({"type": "string"})
"""What another version wrote is kept, also where this one has no word for it."""


class Condition(Part):
    """One aspect of the resource's state (Kubernetes' standard condition)."""

    type: Annotated[str, Field(max_length=316, description="Ready, Synced, Reconciling or Stalled.")]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="True, False or Unknown.")]
    reason: Annotated[str, Field(max_length=1024, description="Why, as one CamelCase word.")]
    message: Annotated[str, Field(max_length=32768, description="Why, for people.")]
    last_transition_time: Annotated[datetime, Field(description="When status last changed.")]
    observed_generation: Annotated[int | None, Field(description="The metadata.generation this was observed for.")] = None


class InstanceType(Part):
    """An instance type with its size."""

    id: Annotated[str | None, Field(description="Baseten's id of the instance type.")] = None
    name: Annotated[str | None, Field(description="Display name.")] = None
    memory_limit_mib: Annotated[int | None, Field(description="Memory, MiB.")] = None
    millicpu_limit: Annotated[int | None, Field(description="CPU, thousandths of a core.")] = None
    gpu_count: Annotated[int | None, Field(description="Number of GPUs.")] = None
    gpu_type: Annotated[str | None, Field(description="Kind of GPU.")] = None
    gpu_memory_limit_mib: Annotated[int | None, Field(description="Memory of the GPU, MiB.")] = None


class ObservedAutoscaling(Part):
    """Autoscaling settings as Baseten shows them."""

    min_replica: Annotated[int | None, Field(description="Fewest replicas.")] = None
    max_replica: Annotated[int | None, Field(description="Most replicas.")] = None
    autoscaling_window: Annotated[int | None, Field(description="Timeframe considered for scaling, seconds.")] = None
    scale_down_delay: Annotated[int | None, Field(description="Wait before a replica is taken away, seconds.")] = None
    concurrency_target: Annotated[int | None, Field(description="Requests per replica before scaling up.")] = None
    target_utilization_percentage: Annotated[int | None, Field(description="Share of the target that triggers scaling, percent.")] = None
    target_in_flight_tokens: Annotated[int | None, Field(description="Tokens in flight per replica before scaling up.")] = None
    max_scale_down_rate: Annotated[int | None, Field(description="Most replicas taken away in one window, percent.")] = None


class ObservedRollingDeployConfig(Part):
    """Rolling deploy configuration as Baseten shows it."""

    rolling_deploy_strategy: Annotated[str | None, Field(description="What is replaced step by step.")] = None
    max_surge_percent: Annotated[int | None, Field(description="Replicas above the wanted number, percent.")] = None
    max_unavailable_percent: Annotated[int | None, Field(description="Replicas that may be missing, percent.")] = None
    stabilization_time_seconds: Annotated[int | None, Field(description="Wait between two steps, seconds.")] = None
    replica_overhead_percent: Annotated[int | None, Field(description="Extra replicas started before rolling, percent.")] = None


class ObservedPromotionSettings(Part):
    """Promotion settings as Baseten shows them."""

    redeploy_on_promotion: Annotated[bool | None, Field(description="Whether each promotion makes a new deployment.")] = None
    rolling_deploy: Annotated[bool | None, Field(description="Whether promotions roll replica by replica.")] = None
    ramp_up_while_promoting: Annotated[bool | None, Field(description="Whether traffic moves bit by bit.")] = None
    ramp_up_duration_seconds: Annotated[int | None, Field(description="How long the ramp up takes, seconds.")] = None
    promotion_cleanup_strategy: Annotated[str | None, Field(description="What happens to the previous deployment.")] = None
    rolling_deploy_config: Annotated[ObservedRollingDeployConfig | None, Field(description="How a rolling deploy goes.")] = None


class ObservedChainletSettings(Part):
    """A chainlet's settings as Baseten shows them."""

    chainlet_name: Annotated[str, Field(description="Name of the chainlet.")]
    instance_type: Annotated[InstanceType | None, Field(description="Instance type with its size.")] = None
    autoscaling_settings: Annotated[
        ObservedAutoscaling | None, Field(description="How it scales; absent while it has not finished deploying.")
    ] = None


class ChainletStatus(Part):
    """One chainlet of a deployment."""

    id: Annotated[str, Field(description="Baseten's id of the chainlet in this deployment.")]
    name: Annotated[str, Field(description="Name of the chainlet.")]
    status: Annotated[str, Field(description="Baseten's status, for example BUILDING or ACTIVE.")]
    active_replica_count: Annotated[int, Field(description="Replicas that serve now.")] = 0
    instance_type_name: Annotated[str | None, Field(description="Display name of the instance type it runs on.")] = None
    autoscaling_settings: Annotated[
        ObservedAutoscaling | None, Field(description="How it scales; absent while it has not finished deploying.")
    ] = None


class DeploymentStatus(Part):
    """A chain deployment in this environment."""

    id: Annotated[str, Field(description="Baseten's id of the chain deployment.")]
    status: Annotated[str, Field(description="Baseten's status, for example BUILDING or ACTIVE.")]
    created_at: Annotated[datetime | None, Field(description="When Baseten created it.")] = None
    environment: Annotated[str | None, Field(description="Environment it is deployed in.")] = None
    chainlets: Annotated[
        tuple[ChainletStatus, ...],
        Field(
            description="Every chainlet of the deployment.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    chainlets_omitted: Annotated[int | None, Field(description="How many more chainlets there are than can be listed.")] = None


class EnvironmentStatus(Part):
    """The environment on Baseten that this resource manages."""

    name: Annotated[str, Field(description="Name of the environment.")]
    chain_id: Annotated[str, Field(description="Baseten's id of the chain.")]
    created_at: Annotated[datetime | None, Field(description="When Baseten created it.")] = None
    managed: Annotated[
        bool | None, Field(description="Whether this resource has created or adopted it; false while it is only observed.")
    ] = None


class PromotionStatus(Part):
    """The promotion under way, or the last one, as Baseten describes it."""

    state: Annotated[str, Field(description="Baseten's status, for example RAMPING_UP or FAILED.")]
    traffic_percent: Annotated[int | None, Field(description="Share of the traffic that the new deployment gets, percent.")] = None
    message: Annotated[str | None, Field(description="Baseten's own error message.")] = None


class Drift(Part):
    """One difference that is not being corrected."""

    path: Annotated[str, Field(description="Where in the spec.")]
    desired: Annotated[str, Field(description="The value in the spec.")]
    actual: Annotated[str, Field(description="What Baseten shows.")]


class JournalEntry(Part):
    """One entry of the journal: what was begun on Baseten and what came of it. Kept by the operator for itself."""

    operation: Annotated[
        Operation | str, _TEXT, Field(union_mode="left_to_right", description="What is done, for example UpdateInstanceTypes or Promote.")
    ]
    hash: Annotated[str, Field(description="Short hash of the values that were to be reached.")]
    generation: Annotated[int | None, Field(description="The metadata.generation it was begun for.")] = None
    started_at: Annotated[datetime, Field(description="When the intent was written.")]
    finished_at: Annotated[datetime | None, Field(description="When Baseten answered; absent while the outcome is not known.")] = None
    attempts: Annotated[int, Field(description="How often it was sent.")] = 1
    outcome: Annotated[
        Outcome | str | None,
        _TEXT,
        Field(union_mode="left_to_right", description="Accepted, Refused, NotFound, Forbidden, Failed or Lost; absent while not known."),
    ] = None
    known_deployments: Annotated[
        tuple[str, ...],
        Field(
            description="Deployments that did not come of it: the environment's when the intent was written, those of other entries.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    values: Annotated[
        tuple[str, ...],
        Field(
            description="The instance types that were to be reached, as CHAINLET=TYPE.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    target: Annotated[str | None, Field(description="The deployment that was asked for.")] = None
    deployment_id: Annotated[str | None, Field(description="The deployment that came of it.")] = None
    started: Annotated[bool | None, Field(description="Whether Baseten answered that a deployment starts.")] = None
    unconfirmed: Annotated[
        int | None,
        Field(description="How many sends of these values may have started a deployment without an answer that confirms it."),
    ] = None
    plan: Annotated[str | None, Field(description="The approved plan that it carries out; absent where nobody had to be asked.")] = None
    settled: Annotated[bool | None, Field(description="Whether a later read showed the wanted result.")] = None
    message: Annotated[str | None, Field(max_length=1024, description="Baseten's message when it refused.")] = None

    cause: Annotated[
        str | None, Field(max_length=1024, description="Why it was refused, in the words of the spec, as far as facts show it.")
    ] = None

    @property
    def slot(self) -> str:
        """The journal has one entry for each slot: an operation's, or that of a deployment that was deactivated or deleted."""
        own = self.operation in (Operation.DEACTIVATE, Operation.DELETE)
        return f"{self.operation}/{self.target}" if own else str(self.operation)


class ChainEnvironmentStatus(Part):
    """What Baseten shows, and what the operator makes of it."""

    observed_generation: Annotated[
        int | None, Field(description="The metadata.generation that was last acted on; -1 before the first.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            description="Ready and Synced always; Reconciling and Stalled only while true.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    state: Annotated[str | None, Field(description="The current deployment's status, or in a word why there is none to show.")] = None
    reason: Annotated[
        str | None,
        Field(description="Reason of the most important condition: Stalled, else Ready or Synced if not True, else Reconciling or Ready."),
    ] = None
    message: Annotated[str | None, Field(description="Message of the most important condition.")] = None
    active_replicas: Annotated[int | None, Field(description="Replicas that serve now, of all chainlets of the current deployment.")] = None
    environment: Annotated[EnvironmentStatus | None, Field(description="The environment on Baseten.")] = None
    current_deployment: Annotated[DeploymentStatus | None, Field(description="The deployment that serves the environment.")] = None
    candidate_deployment: Annotated[
        DeploymentStatus | None, Field(description="The deployment that is being promoted into the environment.")
    ] = None
    promotion: Annotated[PromotionStatus | None, Field(description="The promotion as Baseten describes it; absent where it does not.")] = (
        None
    )
    rollout: Annotated[RolloutStatus | None, Field(description="A rollout that is wanted and not begun; absent while none waits.")] = None
    history: Annotated[
        tuple[HistoryEntry, ...],
        Field(
            max_length=10,
            description="What served in this environment, newest first, at most 10. The first serves now, unless it has until.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    cost: Annotated[CostStatus | None, Field(description="What the environment costs; absent while a price is not known.")] = None
    schedule: Annotated[
        ScheduleStatus | None, Field(description="What autoscalingSchedules make of the clock; absent where there are none.")
    ] = None
    endpoints: Annotated[Endpoints | None, Field(description="Where the environment is called.")] = None
    chainlet_settings: Annotated[
        tuple[ObservedChainletSettings, ...],
        Field(
            description="The environment's chainlet settings as Baseten shows them.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["chainletName"]},
        ),
    ] = ()
    chainlet_settings_omitted: Annotated[int | None, Field(description="How many more chainlets there are than can be listed.")] = None
    promotion_settings: Annotated[
        ObservedPromotionSettings | None, Field(description="The environment's promotion settings as Baseten shows them.")
    ] = None
    drift: Annotated[
        tuple[Drift, ...],
        Field(description="What differs and is not being corrected; at most 100.", json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    drift_omitted: Annotated[int | None, Field(description="How many more differences there are than drift lists.")] = None
    operations: Annotated[
        tuple[JournalEntry, ...],
        Field(description="The operator's journal.", json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    last_handled_reconcile_at: Annotated[
        str | None, Field(description=f"The last value of the annotation {RECONCILE_ANNOTATION} that was acted on.")
    ] = None
