"""What the spec asks for, with the operator's defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..crd.enums import AdoptionPolicy, DeletionPolicy, ManagementPolicy
from ..crd.types import ChainEnvironmentSpec, Cleanup, PromoteFrom, ScheduleStatus
from .values import CLEANUP, ROLLING, Settings, flat


@dataclass(frozen=True, slots=True)
class DesiredChainlet:
    name: str
    instance_type_id: str | None = None
    autoscaling: Settings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Desired:
    """The spec with the operator's defaults filled in; what it omits is not here.

    ``cleanup_inside``: the spec has the cleanup strategy in its older place, inside rollingDeployConfig. ``deployment_id``: with
    promoteFrom that of the source, once it is known (``sources.from_source``).
    ``schedule``: what the clock made of the schedules when this is for a time (``effective.desired_at``) and there are any.
    """

    chain_id: str
    environment: str
    generation: int = 1
    management: ManagementPolicy = ManagementPolicy.RECONCILE
    adoption: AdoptionPolicy = AdoptionPolicy.ADOPT
    deletion: DeletionPolicy = DeletionPolicy.RETAIN
    deployment_id: str | None = None
    promote_from: PromoteFrom | None = None
    cleanup: Cleanup | None = None
    scale_down_previous: bool | None = None
    promotion: Settings = field(default_factory=dict)
    cleanup_inside: bool = False
    chainlets: tuple[DesiredChainlet, ...] = ()
    schedule: ScheduleStatus | None = None

    @property
    def observing(self) -> bool:
        return self.management == ManagementPolicy.OBSERVE

    @property
    def where(self) -> str:
        """The environment as messages name it."""
        return f"environment {self.environment} of chain {self.chain_id}"


def keeps_finalizer(deletion: DeletionPolicy, management: ManagementPolicy) -> bool:
    """Whether there is work on Baseten before the resource may go."""
    return deletion != DeletionPolicy.RETAIN and management != ManagementPolicy.OBSERVE


def desired_of(spec: ChainEnvironmentSpec, *, name: str, generation: int) -> Desired:
    """``name`` is metadata.name, the environment's name where the spec gives none."""
    promotion = flat(spec.promotion_settings.model_dump() if spec.promotion_settings else None)
    inner = promotion.pop(f"{ROLLING}.{CLEANUP}", None)
    if inner is not None:
        promotion[CLEANUP] = inner
    return Desired(
        chain_id=spec.chain_id,
        environment=spec.environment_name or name,
        generation=generation,
        management=ManagementPolicy(spec.management_policy or ManagementPolicy.RECONCILE),
        adoption=AdoptionPolicy(spec.adoption_policy or AdoptionPolicy.ADOPT),
        deletion=DeletionPolicy(spec.deletion_policy or DeletionPolicy.RETAIN),
        deployment_id=spec.deployment_id,
        promote_from=spec.promote_from,
        cleanup=spec.cleanup,
        scale_down_previous=spec.scale_down_previous_deployment,
        promotion=promotion,
        cleanup_inside=inner is not None,
        chainlets=tuple(
            DesiredChainlet(
                c.chainlet_name, c.instance_type_id, flat(c.autoscaling_settings.model_dump() if c.autoscaling_settings else None)
            )
            for c in spec.chainlet_settings or ()
        ),
    )
