"""Looking at once because a person asks for it. Looks are five minutes apart here: what happens, happens on demand."""

from __future__ import annotations

import pytest

from .harness.case import RECONCILE, Case
from .harness.manifests import chainlet
from .harness.stage import Stage, condition, is_settled
from .harness.waiting import wait_until

RAMP = {"rampUpDurationSeconds": 300}
LONG = 1000.0
"""Seconds that a failed candidate stays to be seen; Baseten's clock is moved on by so much then."""


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.simulator.set_options(failed_candidate_seconds=LONG)
    shared_stage.run_operator(CHAINENV_POLL_SECONDS="300", CHAINENV_SETTLE_SECONDS="0.3")
    return shared_stage


def ask(case: Case, value: str = "now") -> None:
    """As the documentation says."""
    case.annotate(RECONCILE, value)


def test_a_settled_resource_is_looked_at_at_once_and_says_so(stage: Stage) -> None:
    case = Case(stage, "settled").existing().apply(promotionSettings=RAMP)
    case.wait_settled()
    mark = case.mark()
    case.by_hand(promotion={"ramp_up_duration_seconds": 10})
    ask(case, "2026-01-01T00:00:00Z")
    case.wait_echo("2026-01-01T00:00:00Z")
    case.wait_settled()
    assert case.names_sent(mark) == ["promotion settings"]
    assert "2026-01-01T00:00:00Z" in case.describe()


def test_each_new_value_is_one_more_look(stage: Stage) -> None:
    case = Case(stage, "again").existing().apply(promotionSettings=RAMP)
    case.wait_settled()
    for value in ("first", "second", "first"):
        mark = case.mark()
        ask(case, value)
        case.wait_echo(value)
        assert {each.method for each in case.calls(mark)} == {"GET"}


def test_a_request_from_before_is_not_repeated_by_another_change(stage: Stage) -> None:
    case = Case(stage, "not-again").existing().apply(deploymentID="no-such")
    case.wait_condition("Synced", "False", "DeploymentNotFound")
    ask(case)
    case.wait_echo("now")
    asked = len(case.names_sent())
    assert set(case.names_sent()) == {"promote"}
    case.apply(deploymentID="no-such", promotionSettings=RAMP)
    case.wait_for("the change is seen", lambda seen: seen["status"]["promotionSettings"]["rampUpDurationSeconds"] == 300)
    case.wait_condition("Synced", "False", "DeploymentNotFound")
    assert case.see()["status"]["lastHandledReconcileAt"] == "now"
    assert case.names_sent().count("promote") <= asked + 3, "another spec is tried, and what was refused is, more and more rarely"


def test_a_resource_stalled_by_an_existing_environment_looks_again(stage: Stage) -> None:
    case = Case(stage, "exists").existing().apply(adoptionPolicy="Fail")
    case.wait_condition("Stalled", "True", "EnvironmentExists")
    ask(case, "still there?")
    case.wait_echo("still there?")
    case.wait_condition("Stalled", "True", "EnvironmentExists")
    stage.simulator.delete_environment(case.chain, case.name)
    ask(case, "and now?")
    case.wait_settled()
    assert case.names_sent() == ["create"]


def test_a_refused_change_is_tried_again(stage: Stage) -> None:
    case = Case(stage, "refused").existing()
    with stage.options(refused_instance_types=["H100"]):
        case.apply(chainletSettings=[chainlet("RandInt", "H100")])
        case.wait_condition("Stalled", "True", "Refused", "does not have access to H100")
        ask(case, "denied")
        case.wait_echo("denied")
        case.wait_condition("Stalled", "True", "Refused", "does not have access to H100")
    ask(case, "granted")
    case.wait_settled()
    assert set(case.names_sent()) == {"instance types"}
    assert case.started() == ["instance_types"]


def test_a_refused_create_is_tried_again(stage: Stage) -> None:
    case = Case(stage, "refused-create").with_chain()
    with stage.options(refused_instance_types=["H100"]):
        case.apply(chainletSettings=[chainlet("RandInt", "H100")])
        case.wait_condition("Stalled", "True", "Refused", "H100")
    ask(case)
    case.wait_settled()
    assert case.started() == ["create"]


def test_what_does_not_converge_is_tried_again(stage: Stage) -> None:
    case = Case(stage, "clamped").existing()
    with stage.options(clamps={"target_utilization_percentage": 50}):
        case.apply(chainletSettings=[chainlet("RandInt", targetUtilizationPercentage=90)])
        case.wait_condition("Synced", "False", "NotConverging")
        assert len(case.sent()) == 3
        path = "chainletSettings[RandInt].autoscalingSettings.targetUtilizationPercentage"
        assert case.see()["status"]["drift"] == [{"path": path, "desired": "90", "actual": "50"}]
    ask(case)
    seen = case.wait_settled()
    assert len(case.sent()) == 4
    assert seen["status"]["lastHandledReconcileAt"] == "now"
    assert "drift" not in seen["status"]


def test_what_still_does_not_converge_gets_three_more_tries(stage: Stage) -> None:
    case = Case(stage, "clamped-for-good").existing()
    with stage.options(clamps={"target_utilization_percentage": 50}):
        case.apply(chainletSettings=[chainlet("RandInt", targetUtilizationPercentage=90)])
        case.wait_condition("Synced", "False", "NotConverging")
        ask(case)
        case.wait_echo("now")
        wait_until("three more tries", lambda: len(case.sent()) == 6)
        case.wait_condition("Synced", "False", "NotConverging")
    assert len(case.sent()) == 6


def test_a_failed_promotion_is_tried_again(stage: Stage) -> None:
    case = Case(stage, "failed").existing(promotion={"redeploy_on_promotion": True})
    case.pushed("failed-1")
    stage.simulator.fail_next(case.chain, "DEPLOY_FAILED", environment=case.name)
    case.apply(deploymentID="failed-1")
    case.wait_condition("Synced", "False", "RolloutFailed", "DEPLOY_FAILED")
    stage.simulator.advance(LONG)  # Baseten lets go of the candidate
    ask(case)
    seen = case.wait_for("it serves", lambda seen: is_settled(seen) and seen["status"]["currentDeployment"]["id"] == case.current())
    assert case.started() == ["promote", "promote"]
    assert seen["status"]["currentDeployment"]["id"] == stage.simulator.started_deployments(case.chain)[-1]["id"]


def test_an_unknown_deployment_is_asked_for_again(stage: Stage) -> None:
    case = Case(stage, "pushed-later").existing().apply(deploymentID="pushed-later-1")
    case.wait_condition("Synced", "False", "DeploymentNotFound")
    case.pushed("pushed-later-1")
    ask(case)
    case.wait_settled()
    assert case.row()["DEPLOYMENT"] == "pushed-later-1"


def test_a_chain_that_was_not_found_is_looked_for_again(stage: Stage) -> None:
    case = Case(stage, "no-chain-yet").apply()
    case.wait_condition("Stalled", "True", "ChainNotFound")
    case.with_chain()
    ask(case)
    case.wait_settled()


def test_a_request_without_a_secret_is_answered_when_there_is_one(stage: Stage) -> None:
    case = Case(stage, "no-secret").existing()
    case.apply(apiKeySecretRef={"name": "no-such", "key": "api-key"})
    case.wait_condition("Stalled", "True", "SecretNotFound")
    ask(case)
    assert "lastHandledReconcileAt" not in case.see()["status"]
    assert case.calls() == []
    secret = ("create", "secret", "generic", "no-such", f"--from-literal=api-key={stage.keys['team']}")
    stage.cluster.kubectl(*secret, namespace=stage.namespace)
    case.wait_echo("now")


def test_a_request_with_a_refused_key_tries_it_and_is_answered_when_it_is_good(stage: Stage) -> None:
    secret = ("create", "secret", "generic", "wrong", "--from-literal=api-key=not-a-good-key")
    stage.cluster.kubectl(*secret, namespace=stage.namespace)
    case = Case(stage, "wrong-key").existing()
    case.apply(apiKeySecretRef={"name": "wrong", "key": "api-key"})
    case.wait_condition("Stalled", "True", "CredentialsRefused")
    mark = case.mark()
    ask(case)
    wait_until("the key is tried", lambda: case.calls(mark))
    assert "lastHandledReconcileAt" not in case.see()["status"]
    stage.simulator.add_key("late", "not-a-good-key")
    ask(case, "again")
    case.wait_echo("again")


def test_during_an_outage_a_request_is_echoed_when_it_was_possible_to_look(stage: Stage) -> None:
    case = Case(stage, "outage").existing().apply(promotionSettings=RAMP)
    case.wait_settled()
    fault = case.fault("answer", status=503)
    ask(case)
    case.wait_for("the outage is told", lambda seen: condition(seen, "Synced")["reason"] == "Unavailable")
    assert "lastHandledReconcileAt" not in case.see()["status"]
    stage.simulator.clear_faults(fault)
    case.wait_echo("now")
    case.wait_settled()


def test_a_request_while_observed_is_a_look_and_nothing_more(stage: Stage) -> None:
    case = Case(stage, "observed").existing().apply(managementPolicy="Observe", promotionSettings=RAMP)
    case.wait_condition("Synced", "False", "Drifted")
    case.by_hand(promotion={"ramp_up_duration_seconds": 300})
    ask(case)
    case.wait_settled()
    assert {each.method for each in case.calls()} == {"GET"}


def test_a_paused_resource_that_is_resumed_does_not_wait_for_a_poll(stage: Stage) -> None:
    case = Case(stage, "paused").existing().apply(managementPolicy="Pause", promotionSettings=RAMP)
    case.wait_condition("Synced", "Unknown", "Paused")
    case.apply(promotionSettings=RAMP)
    case.wait_settled()
    assert case.names_sent() == ["promotion settings"]


def test_an_observed_resource_that_is_to_be_reconciled_does_not_wait_for_a_poll(stage: Stage) -> None:
    case = Case(stage, "watched").existing().apply(managementPolicy="Observe", promotionSettings=RAMP)
    case.wait_condition("Synced", "False", "Drifted")
    case.apply(promotionSettings=RAMP)
    case.wait_settled()
    assert case.names_sent() == ["promotion settings"]
