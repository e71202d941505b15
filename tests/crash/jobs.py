"""Everything the operator does that changes something, each as a change of the spec that brings it about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chainenv_sandbox.baseten.client import Method, Simulator

from ..integration.harness.cluster import Json
from ..integration.harness.manifests import CHAIN, chainlet, resource
from ..integration.harness.stage import Stage, is_settled

BASE = [chainlet("HelloWorld", "2x8", minReplica=1, maxReplica=3), chainlet("RandInt", "1x2")]
SCALED = [chainlet("HelloWorld", "2x8", minReplica=1, maxReplica=5), chainlet("RandInt", "1x2")]
RETYPED = [chainlet("HelloWorld", "1x4", minReplica=1, maxReplica=3), chainlet("RandInt", "A10Gx4x16")]


@dataclass(frozen=True)
class Job:
    """A change of the spec (``before`` is None: the first apply) and the call that brings it about.

    ``effect``: its name in the simulator's journal. ``starts``: deployments that Baseten starts for it.
    """

    call: str
    method: Method
    path: str
    effect: str
    after: Json
    before: Json | None = field(default_factory=lambda: {"chainletSettings": BASE})
    starts: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rolls_out(self) -> bool:
        """It is not sent before its intent is written."""
        return self.call in ("instance types", "promote")


PLAIN = [chainlet("HelloWorld", minReplica=1, maxReplica=3)]
RAMP = {"rampUpDurationSeconds": 60, "rampUpWhilePromoting": True}
COPIES = {"redeployOnPromotion": True}


def create(**more: Any) -> Job:
    spec = {"chainletSettings": BASE, **more}
    return Job("create", "POST", "/environments$", "created_environment", spec, before=None, starts=("create",))


def types(**options: Any) -> Job:
    spec = {"chainletSettings": RETYPED}
    path = "/instance_types/update$"
    return Job("instance types", "POST", path, "changed_instance_types", spec, starts=("instance_types",), options=options)


def promote(starts: tuple[str, ...], **before: Any) -> Job:
    return Job("promote", "POST", "/promote$", "promoted", {**before, "deploymentID": "dep123"}, before=before, starts=starts)


def ramp() -> Job:
    spec = {"chainletSettings": BASE, "promotionSettings": RAMP}
    return Job("promotion settings", "PATCH", "/environments/staging$", "changed_promotion_settings", spec)


def scale() -> Job:
    return Job("autoscaling", "PATCH", "/autoscaling_settings$", "changed_autoscaling", {"chainletSettings": SCALED})


JOBS: dict[str, Job] = {
    "create": create(),
    "create where adoption is to fail": create(adoptionPolicy="Fail"),
    "promotion settings": ramp(),
    "autoscaling": scale(),
    "instance types": types(),
    "instance types shown late": types(instance_types_visible="when_promoted"),
    "promote": promote((), chainletSettings=PLAIN),
    "promote a copy": promote(("promote",), chainletSettings=BASE, promotionSettings=COPIES),
}


def scene(stage: Stage, job: Job) -> None:
    """A settled resource where the job needs one; a pushed deployment for those that promote."""
    stage.simulator.set_options(**job.options)
    stage.simulator.add_deployment(CHAIN, active=True, deployment_id="dep123")
    if job.before is not None:
        stage.apply(resource(**job.before))
        stage.wait_settled()


def is_done(seen: Json) -> bool:
    """Settled, and the journal holds no intent whose outcome is not known."""
    return is_settled(seen) and all("finishedAt" in entry for entry in seen["status"].get("operations", ()))


def open_intents(seen: Json) -> list[Json]:
    return [entry for entry in seen["status"].get("operations", ()) if "finishedAt" not in entry]


def effects(simulator: Simulator, job: Job, mark: int) -> int:
    """How often Baseten was changed by calls of this kind."""
    return len(simulator.journal(since=mark, effect=job.effect))
