"""The status never lies, and every write of it shows something."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from chainenv_sandbox.baseten.client import Method

from .harness.case import RECONCILE, Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.observing import edit_status, reported, status_writes, together, version
from .harness.stage import Stage, condition, is_settled
from .harness.waiting import wait_until

MANY = [f"Chainlet{number:03}" for number in range(100)]
LIMIT_BYTES = 256 * 1024
"""An API server takes objects of 1.5 MB; a status of 100 chainlets has to stay well under."""


DECLARED: Json = {"chainletSettings": [chainlet("RandInt", "1x2", maxReplica=1)]}
LIES: dict[str, Json | None] = {
    "conditions": {"conditions": []},
    "ready": {
        "conditions": [{"type": "Ready", "status": "False", "reason": "Mine", "message": "x", "lastTransitionTime": "2020-01-01T00:00:00Z"}]
    },
    "stranger": {
        "conditions": [{"type": "Mine", "status": "True", "reason": "Mine", "message": "x", "lastTransitionTime": "2020-01-01T00:00:00Z"}]
    },
    "generation": {"observedGeneration": 999},
    "deployment": {"currentDeployment": {"id": "mine", "status": "BUILDING"}},
    "candidate": {"candidateDeployment": {"id": "mine", "status": "BUILDING"}},
    "environment": {"environment": {"name": "mine", "chainID": "mine"}},
    "drift": {"drift": [{"path": "mine", "desired": "1", "actual": "2"}]},
    "settings": {"chainletSettings": None, "promotionSettings": None, "state": "MINE", "activeReplicas": 99},
    "handled": {"environment": None},
    "everything": None,
}
"""What a person might make of a status."""


@pytest.fixture(scope="module")
def running(shared_stage: Stage) -> Stage:
    names = [*(f"edited-{lie}" for lie in LIES), "transitions", "held-poll", "held-patch", "conflict", "intent"]
    cases = [Case(shared_stage, name).existing() for name in names]
    shared_stage.run_operator()
    shared_stage.apply(together(case.manifest(**DECLARED) for case in cases))
    return shared_stage


def settled(stage: Stage, name: str) -> Case:
    """One of those that serve before the tests begin."""
    case = Case(stage, name)
    case.wait_settled()
    return case


def since(case: Case, kind: str = "Ready") -> str:
    found: str = case.condition(kind)["lastTransitionTime"]
    return found


def wait_later_than(moment: str) -> None:
    """Times in a status are whole seconds."""
    wait_until("the clock has gone on", lambda: datetime.now(UTC).replace(microsecond=0) > datetime.fromisoformat(moment))


# -- lastTransitionTime ----------------------------------------------------------------------------------------------


def test_the_transition_time_stays_when_only_the_reason_changes_and_moves_with_the_status(running: Stage) -> None:
    case = settled(running, "transitions")
    first = since(case)
    wait_later_than(first)
    running.simulator.set_deployment(case.current(), status="SCALED_TO_ZERO")
    case.wait_condition("Ready", "True", "ScaledToZero")
    assert since(case) == first
    running.simulator.set_deployment(case.current(), status="UNHEALTHY")
    case.wait_condition("Ready", "False", "Unhealthy")
    second = since(case)
    assert second > first
    wait_later_than(second)
    running.simulator.set_deployment(case.current(), status="INACTIVE")
    case.wait_condition("Ready", "False", "DeploymentInactive")
    assert since(case) == second
    assert since(case, "Synced") <= first, "Synced was True all the time"


# -- somebody edits the status ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", LIES)
def test_a_status_that_somebody_edited_is_healed_and_nothing_is_sent(running: Stage, lie: str) -> None:
    case = settled(running, f"edited-{lie}")
    before = _without_times(case.see())
    edit_status(case, LIES[lie])
    case.wait_for("it says what is", lambda seen: _without_times(seen) == before)
    case.wait_polls(2)
    assert _without_times(case.see()) == before
    assert case.sent() == []


def _without_times(seen: Json) -> Json:
    """The status as it has to come back; since when a condition or a deployment was observed is another matter."""
    status = {**seen["status"]}
    status["history"] = [{k: v for k, v in each.items() if k != "since"} for each in status.get("history", ())]
    status["conditions"] = [{k: v for k, v in each.items() if k != "lastTransitionTime"} for each in status.get("conditions", ())]
    return status


# -- observedGeneration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [("held-poll", "GET", "/environments/held-poll$"), ("held-patch", "PATCH", "/environments/held-patch$")],
    ids=["while it polls", "while it corrects"],
)
def test_the_observed_generation_is_never_ahead_of_what_was_acted_on(running: Stage, name: str, method: Method, path: str) -> None:
    case = settled(running, name)
    running.simulator.hold(name, method=method, path=path)
    case.apply(promotionSettings={"rampUpDurationSeconds": 30})
    running.simulator.wait_held(name)
    acted_on = case.see()["metadata"]["generation"]
    case.apply(promotionSettings={"rampUpDurationSeconds": 40})
    seen = case.see()
    assert seen["metadata"]["generation"] == acted_on + 1
    assert seen["status"]["observedGeneration"] < acted_on
    assert all(each["observedGeneration"] < acted_on for each in seen["status"]["conditions"])
    running.simulator.release(name)
    seen = case.wait_settled()
    assert {each["observedGeneration"] for each in seen["status"]["conditions"]} == {seen["metadata"]["generation"]}
    assert case.sent()[-1].body == {"promotion_settings": {"ramp_up_duration_seconds": 40}}


# -- somebody else writes the object during a run --------------------------------------------------------------------


def label(case: Case) -> None:
    case.kubectl("label", "chenv", case.name, "edited=meanwhile")


def test_an_object_that_changed_during_a_poll_is_polled_again(running: Stage) -> None:
    case = settled(running, "conflict")
    running.simulator.set_deployment(case.current(), status="UNHEALTHY", for_seconds=1000)
    running.simulator.hold("conflict", method="GET", path="/environments/conflict$", point="after_effect")
    running.simulator.wait_held("conflict")
    label(case)
    running.simulator.release("conflict")
    case.wait_condition("Ready", "False", "Unhealthy")
    case.wait_polls(2)
    case.wait_event("DeploymentStatusChanged", "UNHEALTHY")
    assert [count for text, count in reported(case).items() if "UNHEALTHY" in text] == [1]
    assert case.see()["metadata"]["labels"] == {"edited": "meanwhile"}


@pytest.mark.parametrize("adoption", ["Adopt", "Fail"])
def test_an_object_that_changed_during_its_creation_is_created_once(running: Stage, adoption: str) -> None:
    case = Case(running, f"created-{adoption.lower()}").with_chain()
    running.simulator.hold(case.name, method="POST", path=f"{case.chain}/environments$", point="after_effect")
    case.apply(adoptionPolicy=adoption)
    running.simulator.wait_held(case.name)
    label(case)
    running.simulator.release(case.name)
    case.wait_settled()
    assert case.names_sent() == ["create"]


def test_an_object_that_changed_before_an_intent_is_written_is_observed_again_first(running: Stage) -> None:
    case = settled(running, "intent")
    case.apply(managementPolicy="Pause", chainletSettings=[chainlet("RandInt", "1x2")]).wait_condition("Synced", "Unknown", "Paused")
    running.simulator.hold("intent", method="GET", path="/environments/intent$", point="after_effect")
    case.apply(chainletSettings=[chainlet("RandInt", "4x16")])
    running.simulator.wait_held("intent")
    case.apply(chainletSettings=[chainlet("RandInt", "8x32")])
    running.simulator.release("intent")
    case.wait_settled()
    assert [each.body["updates"][0]["instance_type_id"] for each in case.sent()] == ["8x32"]


# -- every write is for something that can be seen -------------------------------------------------------------------


def unhealthy(case: Case) -> None:
    case.existing().apply()
    case.stage.simulator.set_deployment(case.current(), status="UNHEALTHY")
    case.wait_condition("Ready", "False", "Unhealthy")


def strange(case: Case) -> None:
    case.existing().apply()
    case.stage.simulator.set_deployment(case.current(), status="HIBERNATING")
    case.wait_condition("Ready", "False", "Deploying")


def building(case: Case) -> None:
    case.with_chain()
    case.apply().wait_settled()
    case.stage.simulator.set_options(build_seconds=1000)
    case.stage.simulator.add_deployment(case.chain, environment=case.name)
    case.stage.simulator.set_options(build_seconds=0.15)
    case.wait_for("the candidate is shown", lambda seen: seen["status"].get("candidateDeployment"))


def misnamed(case: Case) -> None:
    case.existing().apply(chainletSettings=[chainlet("RandomInt", maxReplica=3)])
    case.wait_condition("Synced", "False", "ChainletNotFound")


def refused(case: Case) -> None:
    case.existing().apply(chainletSettings=[chainlet("RandInt", "9x9")])
    case.wait_condition("Stalled", "True", "Refused")
    case.wait_for("what differs is shown", lambda seen: seen["status"].get("drift"))


def drifted(case: Case) -> None:
    case.existing().apply(managementPolicy="Observe", promotionSettings={"rollingDeploy": True})
    case.wait_condition("Synced", "False", "Drifted")


def asked(case: Case) -> None:
    case.existing().apply().wait_settled()
    case.annotate(RECONCILE, "once")
    case.wait_echo("once")


@pytest.mark.parametrize("standing", [unhealthy, strange, building, misnamed, refused, drifted, asked], ids=lambda each: each.__name__)
def test_what_stays_as_it_is_is_written_once(running: Stage, standing: Callable[[Case], None]) -> None:
    case = Case(running, f"standing-{standing.__name__}")
    standing(case)
    case.wait_polls(2)
    before, writes = version(case), status_writes(running, case.name)
    case.wait_polls(4)
    assert version(case) == before
    assert status_writes(running, case.name) == writes


def test_a_resource_that_settles_is_written_a_handful_of_times(running: Stage) -> None:
    """Created, the phases that were seen, settled: nothing in between."""
    case = Case(running, "counted").with_chain()
    case.apply().wait_settled()
    phases = {text for text in reported(case) if "DeploymentStatusChanged" in text}
    assert status_writes(running, case.name) <= len(phases) + 3


# -- size ------------------------------------------------------------------------------------------------------------


def test_a_status_of_100_chainlets_stays_small_and_its_journal_bounded(running: Stage) -> None:
    case = Case(running, "large").with_chain(MANY)
    case.apply(chainletSettings=_many("2x8", 1)).wait_settled()
    running.simulator.add_deployment(case.chain, active=True, deployment_id="pushed")
    case.apply(chainletSettings=_many("4x16", 2), promotionSettings={"rampUpDurationSeconds": 30}, deploymentID="pushed")
    seen = case.wait_for("the spec holds", lambda now: is_settled(now) and _type(now) == "4x16")
    assert len(seen["status"]["currentDeployment"]["chainlets"]) == len(MANY)
    assert len(seen["status"].get("operations", ())) <= 7, "one entry for each kind of call"
    assert len(json.dumps(seen["status"])) < LIMIT_BYTES
    assert len(json.dumps(seen)) < 2 * LIMIT_BYTES


def _many(kind: str, most: int) -> list[Json]:
    return [chainlet(name, kind, minReplica=0, maxReplica=most, scaleDownDelay=60) for name in MANY]


def _type(seen: Json) -> str:
    found: str = seen["status"]["chainletSettings"][-1]["instanceType"]["id"]
    return found


def test_a_failure_that_names_100_chainlets_is_a_message_that_people_can_read(running: Stage) -> None:
    case = Case(running, "unreadable").existing()
    case.apply(chainletSettings=_many("2x8", 1))
    case.wait_condition("Synced", "False", "ChainletNotFound", "Chainlet000", "and 90 more")
    assert len(condition(case.see(), "Synced")["message"]) < 1000
