"""Each kind of change as the call that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from ..api import Baseten, Conflict
from ..core.changes import (
    AbortRollout,
    AnyChange,
    CreateEnvironment,
    Deactivate,
    DeleteDeployment,
    Promote,
    UpdateAutoscaling,
    UpdateInstanceTypes,
    UpdatePromotionSettings,
)
from ..core.desired import Desired
from ..core.environment import Environment
from . import bodies
from .observe import environment_of


@dataclass(frozen=True, slots=True)
class Answer:
    """``environment``: the created one. ``started``: Baseten says that a deployment starts, also when it does not name it."""

    environment: Environment | None = None
    deployment_id: str | None = None
    started: bool = False


async def send(baseten: Baseten, desired: Desired, change: AnyChange) -> Answer:
    """Raises BasetenError."""
    chain_id, name = desired.chain_id, desired.environment
    match change:
        case CreateEnvironment():
            return Answer(environment_of(await baseten.create_environment(chain_id, bodies.create_body(name, change))))
        case UpdatePromotionSettings():
            await baseten.update_environment(chain_id, name, bodies.promotion_settings_body(change))
        case UpdateAutoscaling():
            await baseten.update_autoscaling(chain_id, name, bodies.autoscaling_body(change))
        case UpdateInstanceTypes():
            answer = await baseten.update_instance_types(chain_id, name, bodies.instance_types_body(change))
            started = answer.chain_deployment
            return Answer(deployment_id=started.id if started else None, started=bool(started or answer.requires_redeployment))
        case Promote():
            return Answer(deployment_id=(await baseten.promote(chain_id, name, bodies.promote_body(change))).id, started=True)
        case Deactivate():
            if change.former:
                await _unless_used(baseten, desired, change.deployment_id)
            await baseten.deactivate(chain_id, change.deployment_id)
        case AbortRollout():
            await _unless_used(baseten, desired, change.deployment_id, as_candidate=False)
            await baseten.deactivate(chain_id, change.deployment_id)
        case DeleteDeployment():
            await _unless_used(baseten, desired, change.deployment_id)
            await baseten.delete_deployment(chain_id, change.deployment_id)
        case _:
            assert_never(change)
    return Answer()


async def _unless_used(baseten: Baseten, desired: Desired, deployment_id: str, *, as_candidate: bool = True) -> None:
    """Right before a deployment is ended the environment is read once more: somebody may have gone back to it, or it has come to serve.
    ``as_candidate``: a candidate is used as well. Raises Conflict."""
    environment = environment_of(await baseten.get_environment(desired.chain_id, desired.environment))
    used = {"current": environment.current, "candidate": environment.candidate if as_candidate else None}
    for role, found in used.items():
        if found is not None and found.id == deployment_id:
            raise Conflict(f"deployment {deployment_id} has become the {role} one and is left alone", endpoint="deactivate", status=409)
