"""``managementPolicy`` and ``adoptionPolicy``: what may be written, and to what."""

from __future__ import annotations

import pytest

from .harness.case import RECONCILE, Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.stage import Stage, condition, is_settled

RAMP = {"rampUpDurationSeconds": 300}


pytestmark = pytest.mark.usefixtures("each_on_its_own")


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.run_operator()
    return shared_stage


def bystander(stage: Stage, name: str) -> Case:
    """It is polled all the time: as often as it is, another one could have been, too."""
    case = Case(stage, name).existing().apply()
    case.wait_settled()
    return case


def methods(case: Case, since: int = 0) -> set[str]:
    return {each.method for each in case.calls(since)}


# -- Observe -------------------------------------------------------------------------------------------------------


def test_observe_lists_every_difference_as_text_and_sends_nothing_but_reads(stage: Stage) -> None:
    case = Case(stage, "watched").existing(autoscaling={"RandInt": {"max_replica": 9}}, promotion={"ramp_up_while_promoting": True})
    case.pushed("watched-2")
    case.apply(
        managementPolicy="Observe",
        deploymentID="watched-2",
        promotionSettings={**RAMP, "rampUpWhilePromoting": False, "rollingDeployConfig": {"maxSurgePercent": 20}},
        chainletSettings=[chainlet("HelloWorld", "2x8"), chainlet("RandInt", "1x2", maxReplica=2, targetInFlightTokens=100)],
    )
    reported = case.wait_condition("Synced", "False", "Drifted")
    seen = case.see()
    case.wait_polls()

    assert {each["path"]: (each["desired"], each["actual"]) for each in seen["status"]["drift"]} == {
        "promotionSettings.rampUpDurationSeconds": ("300", "600"),
        "promotionSettings.rampUpWhilePromoting": ("false", "true"),
        "chainletSettings[HelloWorld].instanceTypeID": ("2x8", "1x2"),
        "chainletSettings[RandInt].autoscalingSettings.maxReplica": ("2", "9"),
        "chainletSettings[RandInt].autoscalingSettings.targetInFlightTokens": ("100", "unset"),
        "deploymentID": ("watched-2", "not promoted"),
    }
    assert methods(case) == {"GET"}
    assert "managementPolicy is Observe" in reported["message"]
    assert condition(seen, "Ready")["status"] == "True"
    assert not condition(seen, "Stalled")
    assert not condition(seen, "Reconciling")
    assert case.row()["STATUS"] == "ACTIVE"


def test_describe_shows_an_observed_difference_to_a_person(stage: Stage) -> None:
    case = Case(stage, "described").existing(autoscaling={"RandInt": {"max_replica": 9}})
    case.apply(managementPolicy="Observe", chainletSettings=[chainlet("RandInt", maxReplica=2)])
    case.wait_event("Drifted")
    text = case.describe()
    for words in ("chainletSettings[RandInt].autoscalingSettings.maxReplica", "Drifted", "is 9, wanted 2", "Warning  Drifted"):
        assert words in text


def test_observe_of_what_is_as_declared_is_in_sync(stage: Stage) -> None:
    case = Case(stage, "agreed").existing()
    case.apply(managementPolicy="Observe", promotionSettings={"rampUpDurationSeconds": 600})
    seen = case.wait_settled()
    case.wait_polls()
    assert "drift" not in seen["status"]
    assert methods(case) == {"GET"}


def test_observed_differences_go_when_baseten_is_changed_and_come_back(stage: Stage) -> None:
    case = Case(stage, "moving").existing()
    case.apply(managementPolicy="Observe", promotionSettings=RAMP)
    case.wait_condition("Synced", "False", "Drifted")
    case.by_hand(promotion={"ramp_up_duration_seconds": 300})
    assert "drift" not in case.wait_settled()["status"]
    case.by_hand(promotion={"ramp_up_duration_seconds": 5})
    case.wait_condition("Synced", "False", "Drifted")
    assert [(each["desired"], each["actual"]) for each in case.see()["status"]["drift"]] == [("300", "5")]
    assert methods(case) == {"GET"}


def test_observe_says_that_it_would_create_an_absent_environment(stage: Stage) -> None:
    case = Case(stage, "absent").with_chain()
    case.apply(managementPolicy="Observe", promotionSettings=RAMP)
    reported = case.wait_condition("Synced", "False", "WouldCreate")
    assert "environment absent of chain of-absent does not exist" in reported["message"]
    assert case.condition("Ready")["reason"] == "EnvironmentNotFound"
    case.wait_event("WouldCreate")
    case.wait_polls()
    assert methods(case) == {"GET"}
    assert case.row()["STATUS"] == "EnvironmentNotFound"


def test_what_observe_would_create_is_created_under_reconcile(stage: Stage) -> None:
    case = Case(stage, "would").with_chain()
    case.apply(managementPolicy="Observe")
    case.wait_condition("Synced", "False", "WouldCreate")
    case.apply(adoptionPolicy="Fail")
    case.wait_settled()
    assert case.names_sent() == ["create"]


def test_observe_changed_to_reconcile_adopts_and_corrects(stage: Stage) -> None:
    case = Case(stage, "taken-over").existing()
    case.apply(managementPolicy="Observe", promotionSettings=RAMP)
    case.wait_condition("Synced", "False", "Drifted")
    assert not case.see()["status"]["environment"].get("managed")
    assert not case.events("EnvironmentAdopted")
    case.apply(promotionSettings=RAMP)
    seen = case.wait_settled()
    assert case.names_sent() == ["promotion settings"]
    assert "drift" not in seen["status"]
    assert seen["status"]["environment"]["managed"] is True
    case.wait_event("EnvironmentAdopted", "taken-over")


def test_having_observed_an_environment_does_not_make_it_ours(stage: Stage) -> None:
    case = Case(stage, "only-seen").existing()
    case.apply(managementPolicy="Observe", promotionSettings=RAMP)
    case.wait_condition("Synced", "False", "Drifted")
    case.apply(managementPolicy="Reconcile", adoptionPolicy="Fail", promotionSettings=RAMP)
    case.wait_condition("Stalled", "True", "EnvironmentExists", "only-seen", "adoptionPolicy")
    case.wait_polls()
    assert methods(case) == {"GET"}


def test_what_is_ours_stays_ours_when_it_is_only_observed_for_a_while(stage: Stage) -> None:
    case = Case(stage, "ours").with_chain().apply(adoptionPolicy="Fail")
    case.wait_settled()
    case.apply(managementPolicy="Observe", adoptionPolicy="Fail", promotionSettings=RAMP)
    case.wait_condition("Synced", "False", "Drifted")
    case.apply(adoptionPolicy="Fail", promotionSettings=RAMP)
    case.wait_settled()
    assert case.names_sent() == ["create", "promotion settings"]


# -- Pause ---------------------------------------------------------------------------------------------------------


def shown(seen: Json) -> Json:
    kept = ("currentDeployment", "chainletSettings", "promotionSettings", "environment", "activeReplicas")
    return {name: seen["status"][name] for name in kept}


def test_pause_makes_no_call_keeps_what_was_seen_and_is_visible(stage: Stage) -> None:
    case = Case(stage, "paused").existing().apply(promotionSettings=RAMP)
    before = case.wait_settled()
    case.apply(managementPolicy="Pause", promotionSettings=RAMP)
    case.wait_condition("Synced", "Unknown", "Paused")
    mark = case.mark()
    case.by_hand(promotion={"ramp_up_duration_seconds": 5})
    case.annotate(RECONCILE, "while paused")
    bystander(stage, "beside-paused").wait_polls()
    assert "lastHandledReconcileAt" not in case.see()["status"], "what was not done is asked for still"

    after = case.see()
    assert case.calls(mark) == []
    assert shown(after) == shown(before)
    assert condition(after, "Ready")["status"] == "True"
    assert not condition(after, "Reconciling")
    assert not condition(after, "Stalled")
    row = case.row()
    assert (row["STATUS"], row["READY"], row["SYNCED"]) == ("Paused", "True", "Unknown")
    assert "Paused" in case.describe()


def test_a_resource_that_is_paused_from_the_start_says_so_and_nothing_more(stage: Stage) -> None:
    case = Case(stage, "paused-early").existing().apply(managementPolicy="Pause", promotionSettings=RAMP)
    case.wait_condition("Synced", "Unknown", "Paused")
    case.wait_condition("Ready", "Unknown", "NotObserved")
    bystander(stage, "beside-paused-early").wait_polls()
    assert case.calls() == []
    row = case.row()
    assert row["STATUS"] == "Paused"
    assert "DEPLOYMENT" not in row


def test_a_paused_resource_goes_on_where_it_stopped(stage: Stage) -> None:
    case = Case(stage, "resumed").existing().apply(promotionSettings=RAMP)
    case.wait_settled()
    case.apply(managementPolicy="Pause", promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_condition("Synced", "Unknown", "Paused")
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_settled()
    assert case.names_sent() == ["promotion settings", "promotion settings"]
    assert case.row()["STATUS"] == "ACTIVE"
    assert len(case.events("EnvironmentAdopted")) == 1


def test_pausing_while_something_moves_is_not_reported_as_moving(stage: Stage) -> None:
    case = Case(stage, "paused-building").existing()
    stage.simulator.set_deployment(case.current(), status="UPDATING")
    case.apply()
    case.wait_for("it moves", lambda seen: condition(seen, "Reconciling"))
    case.apply(managementPolicy="Pause")
    case.wait_condition("Synced", "Unknown", "Paused")
    assert case.condition("Reconciling")["reason"] == "Deploying", "nothing says that it has ended"
    assert case.condition("Ready")["reason"] == "Deploying", "the last thing that was observed"


# -- adoption ------------------------------------------------------------------------------------------------------


def test_an_adoption_is_reported_once(stage: Stage) -> None:
    case = Case(stage, "adopted").existing().apply()
    case.wait_settled()
    case.wait_polls()
    event = case.wait_event("EnvironmentAdopted", "environment adopted of chain of-adopted")
    assert (event["type"], event["count"]) == ("Normal", 1)
    assert case.sent() == []


def test_fail_is_seen_in_kubectl_get_and_ends_with_adopt(stage: Stage) -> None:
    case = Case(stage, "refused").existing().apply(adoptionPolicy="Fail", promotionSettings=RAMP)
    case.wait_condition("Stalled", "True", "EnvironmentExists")
    row = case.row()
    assert (row["STATUS"], row["READY"], row["SYNCED"]) == ("EnvironmentExists", "False", "False")
    assert "set adoptionPolicy to Adopt" in row["MESSAGE"]
    case.wait_event("EnvironmentExists")
    case.apply(adoptionPolicy="Adopt", promotionSettings=RAMP)
    case.wait_settled()
    assert case.names_sent() == ["promotion settings"]
    assert case.row()["STATUS"] == "ACTIVE"


def test_fail_concerns_the_first_sight_only(stage: Stage) -> None:
    case = Case(stage, "created").with_chain().apply(adoptionPolicy="Fail")
    case.wait_settled()
    case.apply(adoptionPolicy="Fail", promotionSettings=RAMP)
    case.wait_settled()
    assert case.names_sent() == ["create", "promotion settings"]
    assert not case.events("EnvironmentAdopted")


def test_production_with_fail_is_left_alone(stage: Stage) -> None:
    case = Case(stage, "fail-production").with_chain()
    case.apply(environmentName="production", adoptionPolicy="Fail", promotionSettings=RAMP)
    case.wait_condition("Stalled", "True", "EnvironmentExists", "production")
    assert methods(case) == {"GET"}


def test_production_is_never_created(stage: Stage) -> None:
    case = Case(stage, "no-chain").apply(environmentName="production")
    reported = case.wait_condition("Stalled", "True", "ChainNotFound")
    assert "of-no-chain" in reported["message"]
    vanished = Case(stage, "lost-production").with_chain().apply(environmentName="production")
    vanished.wait_for("it is adopted", is_settled)
    stage.simulator.delete_environment(vanished.chain, "production")
    vanished.wait_condition("Stalled", "True", "ChainNotFound")
    assert methods(case) | methods(vanished) == {"GET"}
