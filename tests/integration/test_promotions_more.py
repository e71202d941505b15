"""``deploymentID`` when things overlap, fail, are mistyped, or are taken back."""

from __future__ import annotations

import pytest

from .harness.case import Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.stage import Sent, Stage, condition, is_settled

LONG = 1000.0
"""Baseten's clock is moved on by so much at the end: a candidate is not promoted before, and a failed one stays to be seen."""


pytestmark = pytest.mark.usefixtures("each_on_its_own")


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.simulator.set_options(failed_candidate_seconds=LONG)
    shared_stage.run_operator()
    return shared_stage


def promoted(*deployments: str) -> list[Sent]:
    return [Sent("promote", {"deployment_id": each}) for each in deployments]


def with_pushed(stage: Stage, name: str, *deployments: str) -> Case:
    """The environment serves; these deployments wait to be promoted."""
    case = Case(stage, name).existing()
    case.pushed(*deployments)
    return case


def wait_serves(case: Case, deployment: str) -> Json:
    return case.wait_for(f"{deployment} serves", lambda seen: is_settled(seen) and seen["status"]["currentDeployment"]["id"] == deployment)


def wait_waits(case: Case, deployment: str, running: str) -> None:
    """The one waits until the other has been promoted."""
    case.wait_condition("Synced", "False", "RollingOut", deployment, running)


def candidate(seen: Json) -> Json:
    found: Json = seen["status"].get("candidateDeployment", {})
    return found


def test_a_promotion_under_another_id_survives_restarts_and_other_changes(stage: Stage) -> None:
    case = with_pushed(stage, "copied", "copied-1")
    case.by_hand(promotion={"redeploy_on_promotion": True})
    case.apply(deploymentID="copied-1")
    case.wait_sent("promote")
    (copy,) = stage.simulator.started_deployments(case.chain)
    wait_serves(case, copy["id"])
    (operator,) = stage.operators
    operator.kill()
    operator.start()
    case.apply(deploymentID="copied-1", promotionSettings={"rampUpDurationSeconds": 300})
    case.wait_settled()
    case.wait_looks()
    assert case.names_sent() == ["promote", "promotion settings"]
    assert case.started() == ["promote"]
    assert case.row()["DEPLOYMENT"] == copy["id"]


def test_a_newer_id_waits_until_the_running_promotion_is_over(stage: Stage) -> None:
    case = with_pushed(stage, "queued", "queued-1", "queued-2")
    with stage.options(promotion_seconds=LONG):
        case.apply(deploymentID="queued-1")
        case.wait_for("queued-1 is the candidate", candidate)
        case.apply(deploymentID="queued-2")
        wait_waits(case, "queued-2", "queued-1")
        assert case.condition("Reconciling")["status"] == "True"
        case.wait_looks()
        assert case.condition("Ready")["status"] == "True"
        assert case.sent() == promoted("queued-1")
    stage.simulator.advance(LONG)
    wait_serves(case, "queued-2")
    assert case.sent() == promoted("queued-1", "queued-2")


def test_an_id_that_was_replaced_while_it_waited_is_never_promoted(stage: Stage) -> None:
    case = with_pushed(stage, "skipped", "skipped-1", "skipped-2", "skipped-3")
    with stage.options(promotion_seconds=LONG):
        case.apply(deploymentID="skipped-1")
        case.wait_for("skipped-1 is the candidate", candidate)
        for each in ("skipped-2", "skipped-3"):
            case.apply(deploymentID=each)
            wait_waits(case, each, "skipped-1")
    stage.simulator.advance(LONG)
    wait_serves(case, "skipped-3")
    assert case.sent() == promoted("skipped-1", "skipped-3")


def test_an_id_that_was_replaced_and_put_back_while_it_is_promoted_is_promoted_once(stage: Stage) -> None:
    case = with_pushed(stage, "wavering", "wavering-1", "wavering-2")
    with stage.options(promotion_seconds=LONG):
        case.apply(deploymentID="wavering-1")
        case.wait_for("wavering-1 is the candidate", candidate)
        case.apply(deploymentID="wavering-2")
        wait_waits(case, "wavering-2", "wavering-1")
        case.apply(deploymentID="wavering-1")
        case.wait_condition("Synced", "False", "RollingOut", "wavering-1")
    stage.simulator.advance(LONG)
    wait_serves(case, "wavering-1")
    case.wait_looks(2)
    assert case.sent() == promoted("wavering-1")


def test_a_failed_candidate_is_told_while_the_old_one_serves_and_is_not_tried_again(stage: Stage) -> None:
    case = with_pushed(stage, "failing", "failing-1")
    case.by_hand(promotion={"redeploy_on_promotion": True})
    serving = case.current()
    stage.simulator.fail_next(case.chain, "DEPLOY_FAILED", environment=case.name)
    case.apply(deploymentID="failing-1", promotionSettings={"rampUpDurationSeconds": 300})
    told = case.wait_condition("Synced", "False", "RolloutFailed", "DEPLOY_FAILED")
    assert "the previous deployment keeps serving" in told["message"]
    case.wait_event("RolloutFailed")
    case.wait_event("DeploymentStatusChanged", "candidate deployment", "DEPLOY_FAILED")

    stage.simulator.advance(LONG)
    case.wait_for("the candidate is gone", lambda seen: not candidate(seen))
    case.wait_looks()
    (operator,) = stage.operators
    operator.restart()
    case.wait_looks()
    case.apply(deploymentID="failing-1", promotionSettings={"rampUpDurationSeconds": 200})
    case.wait_for("the rest goes on", lambda seen: seen["status"]["promotionSettings"]["rampUpDurationSeconds"] == 200)
    case.wait_condition("Synced", "False", "RolloutFailed", "DEPLOY_FAILED")
    row = case.row()
    assert (row["DEPLOYMENT"], row["STATUS"], row["READY"], row["SYNCED"]) == (serving, "ACTIVE", "True", "False")
    assert case.condition("Stalled")["reason"] == "RolloutFailed"
    assert case.names_sent().count("promote") == 1
    assert len(case.started()) == 1


def test_another_id_ends_the_story_of_a_failed_one(stage: Stage) -> None:
    case = with_pushed(stage, "mended", "mended-1", "mended-2")
    case.by_hand(promotion={"redeploy_on_promotion": True})
    stage.simulator.fail_next(case.chain, "BUILD_FAILED", environment=case.name)
    case.apply(deploymentID="mended-1")
    case.wait_condition("Synced", "False", "RolloutFailed", "BUILD_FAILED")
    case.apply(deploymentID="mended-2")
    stage.simulator.advance(LONG)
    seen = case.wait_settled()
    case.wait_looks(2)
    assert seen["status"]["currentDeployment"]["id"] == case.current()
    assert list(dict.fromkeys(each.body["deployment_id"] for each in case.sent())) == ["mended-1", "mended-2"], "refused while it lingers"
    assert case.started().count("promote") == 2


def test_going_back_to_an_earlier_id_is_a_promotion(stage: Stage) -> None:
    case = with_pushed(stage, "back", "back-1", "back-2")
    for each in ("back-1", "back-2", "back-1"):
        case.apply(deploymentID=each)
        wait_serves(case, each)
    assert case.sent() == promoted("back-1", "back-2", "back-1")
    assert [each["count"] for each in case.events("Promoted") if "back-1" in each["message"]] == [2]


def test_going_back_to_an_earlier_copy_is_a_promotion_too(stage: Stage) -> None:
    case = with_pushed(stage, "copies", "copies-1", "copies-2")
    case.by_hand(promotion={"redeploy_on_promotion": True})
    for count, each in enumerate(("copies-1", "copies-2", "copies-1"), start=1):
        case.apply(deploymentID=each)
        case.wait_names_sent(["promote"] * count)
        newest = stage.simulator.started_deployments(case.chain)[-1]["id"]
        wait_serves(case, newest)
    assert case.sent() == promoted("copies-1", "copies-2", "copies-1")


def test_with_an_unknown_id_the_rest_of_the_spec_applies_and_going_back_starts_nothing(stage: Stage) -> None:
    case = with_pushed(stage, "mistyped", "mistyped-1")
    case.by_hand(promotion={"redeploy_on_promotion": True})
    case.apply(deploymentID="mistyped-1")
    case.wait_sent("promote")
    case.wait_settled()
    rest = {"promotionSettings": {"rampUpDurationSeconds": 300}, "chainletSettings": [chainlet("HelloWorld", "2x8", maxReplica=5)]}
    case.apply(deploymentID="no-such", **rest)
    told = case.wait_condition("Synced", "False", "DeploymentNotFound", "no-such")
    assert "Correct deploymentID" in told["message"]
    case.wait_sent("instance types")
    case.wait_for("the types are rolled out", lambda seen: case.started() == ["promote", "instance_types"] and not candidate(seen))
    case.wait_condition("Synced", "False", "DeploymentNotFound")
    assert condition(case.see(), "Ready")["status"] == "True"
    assert case.condition("Stalled")["reason"] == "DeploymentNotFound"
    assert {"promotion settings", "autoscaling", "instance types"} <= set(case.names_sent())

    mark = case.mark()
    case.apply(deploymentID="mistyped-1", **rest)
    case.wait_settled()
    case.wait_looks()
    assert case.sent(mark) == []
    assert case.started() == ["promote", "instance_types"]


def test_an_unknown_id_is_not_asked_for_again_at_every_look(stage: Stage) -> None:
    case = with_pushed(stage, "unknown")
    case.apply(deploymentID="no-such-either")
    case.wait_event("DeploymentNotFound", "no-such-either")
    mark = case.mark()
    case.wait_looks(4)
    assert case.sent(mark) == [], "the second refusal is believed for a while"
    assert case.sent() == promoted("no-such-either", "no-such-either")


def test_an_unknown_id_that_is_corrected_is_promoted(stage: Stage) -> None:
    case = with_pushed(stage, "corrected", "corrected-1")
    case.apply(deploymentID="corrected-l")
    case.wait_condition("Synced", "False", "DeploymentNotFound")
    case.apply(deploymentID="corrected-1")
    wait_serves(case, "corrected-1")
    assert case.sent() == promoted("corrected-l", "corrected-l", "corrected-1")


def test_taking_the_id_out_of_the_spec_and_writing_it_again_starts_nothing(stage: Stage) -> None:
    case = with_pushed(stage, "omitted", "omitted-1")
    case.apply(deploymentID="omitted-1")
    wait_serves(case, "omitted-1")
    for spec in ({}, {"deploymentID": "omitted-1"}):
        case.apply(**spec)
        case.wait_settled()
        case.wait_looks(2)
    assert case.sent() == promoted("omitted-1")
