"""The rows and the columns of the crash matrix: every kind of work, and every boundary in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chainenv_sandbox.baseten.client import Method
from chainenv_sandbox.baseten.holds import IfGone
from chainenv_sandbox.baseten.matching import Point

from ..integration.harness.case import Case
from ..integration.harness.manifests import chainlet
from ..integration.harness.stage import condition, is_settled

FINALIZER = "chains.baseten.co/deactivate"
CHAINLETS = [chainlet("HelloWorld", "2x8", minReplica=1, maxReplica=3), chainlet("RandInt", "1x2")]

Wrote = Literal["status", "finalizer"]


# -- rows ----------------------------------------------------------------------------------------------------------


def no_environment(case: Case) -> None:
    case.with_chain()


def serving(case: Case, **spec: object) -> None:
    """Adopted, and as declared."""
    case.existing().apply(**spec)
    _wait_at_rest(case)


def _wait_at_rest(case: Case) -> None:
    """Also what it costs is there, so that the next status is the work's own."""
    case.wait_for("settled, and its cost is known", lambda seen: is_settled(seen) and "cost" in seen["status"])


def serving_to_be_switched_off(case: Case) -> None:
    serving(case, deletionPolicy="Deactivate")


def serving_with_a_push(case: Case) -> None:
    case.existing().pushed(f"dep-{case.name}")
    case.apply()
    _wait_at_rest(case)


def serving_with_a_push_to_copy(case: Case) -> None:
    case.existing().pushed(f"dep-{case.name}")
    case.apply(promotionSettings={"redeployOnPromotion": True})
    _wait_at_rest(case)


def applied(**spec: object) -> Callable[[Case], object]:
    return lambda case: case.apply(**spec)


def promoted(**spec: object) -> Callable[[Case], object]:
    return lambda case: case.apply(deploymentID=f"dep-{case.name}", **spec)


def unhealthy(case: Case) -> None:
    case.stage.simulator.set_deployment(case.current(), status="UNHEALTHY")


def wait_settled(case: Case) -> None:
    """Settled, and the journal holds no intent whose outcome is not known."""
    case.wait_for("settled, no intent open", lambda seen: is_settled(seen) and not open_intents(seen["status"]))


def wait_reported(case: Case) -> None:
    case.wait_for("the status is reported", lambda seen: condition(seen, "Ready").get("reason") == "Unhealthy")


def wait_guarded(case: Case) -> None:
    case.wait_for("one finalizer, settled", lambda seen: seen["metadata"].get("finalizers") == [FINALIZER] and is_settled(seen))


def wait_gone_and_off(case: Case) -> None:
    case.wait_gone()
    assert case.status_of(case.current()) == "INACTIVE"


@dataclass(frozen=True)
class Work:
    """``call``: method and path (below the chain) on Baseten, None where only Kubernetes is written to; ``effect`` is its
    name in the simulator's journal. ``starts``: the deployments that Baseten starts for it. ``sends``: calls that change
    something on Baseten while nothing is lost.
    """

    prepare: Callable[[Case], object]
    change: Callable[[Case], object]
    wait_done: Callable[[Case], object] = wait_settled
    call: tuple[Method, str] | None = None
    effect: str | None = None
    intent: bool = False
    starts: tuple[str, ...] = ()
    wrote: Wrote = "status"
    sends: int = 1


CREATE: tuple[Method, str] = ("POST", "/environments$")
PROMOTE: tuple[Method, str] = ("POST", "/promote$")
SWITCH_OFF: tuple[Method, str] = ("POST", "/deactivate$")

WORKS: dict[str, Work] = {
    "create": Work(no_environment, applied(chainletSettings=CHAINLETS), call=CREATE, effect="created_environment", starts=("create",)),
    "create, adoption is to fail": Work(
        no_environment,
        applied(chainletSettings=CHAINLETS, adoptionPolicy="Fail"),
        call=CREATE,
        effect="created_environment",
        intent=True,
        starts=("create",),
    ),
    "promotion settings": Work(
        serving,
        applied(promotionSettings={"rampUpDurationSeconds": 60}),
        call=("PATCH", "/environments/[^/]*$"),
        effect="changed_promotion_settings",
    ),
    "autoscaling": Work(
        serving,
        applied(chainletSettings=[chainlet("HelloWorld", minReplica=1, maxReplica=5)]),
        call=("PATCH", "/autoscaling_settings$"),
        effect="changed_autoscaling",
    ),
    "instance types": Work(
        serving,
        applied(chainletSettings=[chainlet("HelloWorld", "1x4"), chainlet("RandInt", "A10Gx4x16")]),
        call=("POST", "/instance_types/update$"),
        effect="changed_instance_types",
        intent=True,
        starts=("instance_types",),
    ),
    "promote": Work(serving_with_a_push, promoted(), call=PROMOTE, effect="promoted", intent=True),
    "promote a copy": Work(
        serving_with_a_push_to_copy,
        promoted(promotionSettings={"redeployOnPromotion": True}),
        call=PROMOTE,
        effect="promoted",
        intent=True,
        starts=("promote",),
    ),
    "deactivate": Work(serving_to_be_switched_off, Case.delete, wait_gone_and_off, call=SWITCH_OFF, effect="deactivated"),
    "status write": Work(serving, unhealthy, wait_reported, sends=0),
    "finalizer set": Work(serving, applied(deletionPolicy="Deactivate"), wait_guarded, wrote="finalizer", sends=0),
    "finalizer removal": Work(serving_to_be_switched_off, Case.delete, wait_gone_and_off, wrote="finalizer"),
}


# -- columns -------------------------------------------------------------------------------------------------------

Step = Literal["intent", "call", "outcome", "write"]


@dataclass(frozen=True)
class Boundary:
    """``step`` is stopped at ``point``; ``if_gone``: its fate when its sender dies there. ``lost``: so that it has to be made again."""

    step: Step
    point: Point
    if_gone: IfGone = "effect"

    @property
    def lost(self) -> bool:
        return self.point == "before_effect" and self.if_gone == "drop"


BOUNDARIES: dict[str, Boundary] = {
    "before the intent": Boundary("intent", "before_effect", "drop"),
    "after the intent": Boundary("intent", "after_effect"),
    "while the request is sent, and it is lost": Boundary("call", "before_effect", "drop"),
    "while the request is sent, and it arrives": Boundary("call", "before_effect", "effect"),
    "after the effect and before the answer": Boundary("call", "after_effect"),
    "after the answer and before the outcome": Boundary("outcome", "before_effect", "drop"),
    "after the outcome": Boundary("outcome", "after_effect"),
    "while it is written, and it is lost": Boundary("write", "before_effect", "drop"),
    "while it is written, and it arrives": Boundary("write", "before_effect", "effect"),
    "after it is written and before the answer": Boundary("write", "after_effect"),
}


def exists(work: Work, boundary: Boundary) -> bool:
    if work.call is None:
        return boundary.step == "write"
    return boundary.step in ("call", "outcome") or (boundary.step == "intent" and work.intent)


# -- what a status says --------------------------------------------------------------------------------------------


def open_intents(status: dict[str, object]) -> list[str]:
    return [each["operation"] for each in operations(status) if "finishedAt" not in each]


def outcomes(status: dict[str, object]) -> list[str]:
    return [each["outcome"] for each in operations(status) if "finishedAt" in each]


def operations(status: dict[str, object]) -> list[dict[str, str]]:
    found = status.get("operations", [])
    assert isinstance(found, list)
    return found
