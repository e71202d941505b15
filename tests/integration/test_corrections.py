"""Settings are corrected where they differ, and nothing else is sent."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv_sandbox.baseten.client import Simulator

from .harness.cluster import Json
from .harness.manifests import CHAIN, chainlet, resource
from .harness.stage import Sent, Stage, condition, is_handled

ROLLING = {
    "rolling_deploy_strategy": "REPLICA",
    "max_surge_percent": 20,
    "max_unavailable_percent": 0,
    "stabilization_time_seconds": 30,
    "replica_overhead_percent": 0,
}
TWO_CHAINLETS = {
    "HelloWorld": {"min_replica": 1, "max_replica": 3, "scale_down_delay": 120},
    "RandInt": {"min_replica": 0, "max_replica": 2},
}


def existing(simulator: Simulator, **settings: Any) -> None:
    """Somebody made the environment ``staging``, it serves, and it has these settings."""
    simulator.add_environment(CHAIN, "staging", deployed=True)
    simulator.edit_environment(CHAIN, "staging", **settings)


def observed(seen: Json, name: str) -> Json:
    """A chainlet's autoscaling settings as status shows them."""
    entry = next(each for each in seen["status"]["chainletSettings"] if each["chainletName"] == name)
    found: Json = entry.get("autoscalingSettings", {})
    return found


def rolling(**config: Any) -> Json:
    return {"rollingDeployConfig": config}


PROMOTION_CASES: dict[str, tuple[Json, Json, Json]] = {
    "one of two fields differs": (
        {"ramp_up_duration_seconds": 600, "redeploy_on_promotion": True},
        {"rampUpDurationSeconds": 300, "redeployOnPromotion": True},
        {"ramp_up_duration_seconds": 300},
    ),
    "false is a value too": (
        {"ramp_up_while_promoting": True},
        {"rampUpWhilePromoting": False},
        {"ramp_up_while_promoting": False},
    ),
    "the cleanup strategy": (
        {"promotion_cleanup_strategy": "KEEP"},
        {"promotionCleanupStrategy": "DEACTIVATE"},
        {"promotion_cleanup_strategy": "DEACTIVATE"},
    ),
    "surge and unavailable go with their neighbours, as observed": (
        {"rolling_deploy": True, "rolling_deploy_config": ROLLING},
        rolling(stabilizationTimeSeconds=60),
        {"rolling_deploy_config": {"stabilization_time_seconds": 60, "max_surge_percent": 20, "max_unavailable_percent": 0}},
    ),
    "surge and unavailable go with their neighbours, as declared": (
        {"rolling_deploy": True, "rolling_deploy_config": ROLLING},
        rolling(stabilizationTimeSeconds=60, maxSurgePercent=20),
        {"rolling_deploy_config": {"stabilization_time_seconds": 60, "max_surge_percent": 20, "max_unavailable_percent": 0}},
    ),
    "an unavailable share takes the place of the surge": (
        {"rolling_deploy": True, "rolling_deploy_config": ROLLING},
        rolling(maxUnavailablePercent=10),
        {"rolling_deploy_config": {"max_surge_percent": 0, "max_unavailable_percent": 10}},
    ),
    "the rolling block is left alone when only others differ": (
        {"ramp_up_duration_seconds": 600, "rolling_deploy": True, "rolling_deploy_config": ROLLING},
        {"rampUpDurationSeconds": 300, **rolling(maxSurgePercent=20, maxUnavailablePercent=0)},
        {"ramp_up_duration_seconds": 300},
    ),
}


@pytest.mark.parametrize(("before", "declared", "sent"), PROMOTION_CASES.values(), ids=PROMOTION_CASES)
def test_only_the_promotion_fields_that_differ_are_sent(stage: Stage, before: Json, declared: Json, sent: Json) -> None:
    existing(stage.simulator, promotion=before)
    stage.run_operator()
    stage.apply(resource(promotionSettings=declared))
    stage.wait_settled()
    stage.wait_polls(2)
    assert stage.sent() == [Sent("promotion settings", {"promotion_settings": sent})]


def test_an_older_baseten_gets_the_cleanup_strategy_in_its_older_place(stage: Stage) -> None:
    stage.simulator.set_options(wire_shape="old")
    existing(stage.simulator, promotion={"promotion_cleanup_strategy": "KEEP"})
    stage.run_operator()
    stage.apply(resource(promotionSettings={"promotionCleanupStrategy": "SCALE_TO_ZERO"}))
    stage.wait_settled()
    config = {"promotion_cleanup_strategy": "SCALE_TO_ZERO", "max_surge_percent": 10, "max_unavailable_percent": 0}
    assert stage.sent() == [Sent("promotion settings", {"promotion_settings": {"rolling_deploy_config": config}})]


def test_only_the_chainlets_and_the_autoscaling_fields_that_differ_are_sent(stage: Stage) -> None:
    existing(stage.simulator, autoscaling=TWO_CHAINLETS)
    stage.run_operator()
    hello = chainlet("HelloWorld", minReplica=1, maxReplica=5, scaleDownDelay=120)
    stage.apply(resource(chainletSettings=[hello, chainlet("RandInt", minReplica=0, maxReplica=2)]))
    seen = stage.wait_settled()
    updates = [{"chainlet_name": "HelloWorld", "autoscaling_settings": {"max_replica": 5}}]
    assert stage.sent() == [Sent("autoscaling", {"updates": updates})]
    assert observed(seen, "HelloWorld")["maxReplica"] == 5


def test_all_chainlets_that_differ_go_in_one_call(stage: Stage) -> None:
    existing(stage.simulator, autoscaling=TWO_CHAINLETS)
    stage.run_operator()
    stage.apply(resource(chainletSettings=[chainlet("RandInt", maxReplica=4), chainlet("HelloWorld", minReplica=2, scaleDownDelay=0)]))
    stage.wait_settled()
    updates = [
        {"chainlet_name": "RandInt", "autoscaling_settings": {"max_replica": 4}},
        {"chainlet_name": "HelloWorld", "autoscaling_settings": {"min_replica": 2, "scale_down_delay": 0}},
    ]
    assert stage.sent() == [Sent("autoscaling", {"updates": updates})]


@pytest.mark.parametrize("status", ["ACCEPTED", "QUEUED"])
def test_autoscaling_is_sent_once_and_polled_until_it_is_applied(stage: Stage, status: str) -> None:
    stage.simulator.set_options(autoscaling_seconds=1000, autoscaling_status=status)
    existing(stage.simulator, autoscaling=TWO_CHAINLETS)
    stage.run_operator(CHAINENV_PROGRESS_SECONDS="0.5", CHAINENV_SETTLE_SECONDS="60")
    stage.apply(resource(chainletSettings=[chainlet("HelloWorld", maxReplica=5)]))
    stage.wait_sent("autoscaling")
    waiting = stage.wait_condition("Synced", "False", "Correcting")
    assert "HelloWorld" in waiting["message"]
    assert "maxReplica" in waiting["message"]
    stage.wait_polls(2)
    stage.simulator.advance(1000)
    seen = stage.wait_settled()
    assert [each.call for each in stage.sent()] == ["autoscaling"]
    assert observed(seen, "HelloWorld")["maxReplica"] == 5


def test_autoscaling_that_is_not_shown_yet_is_unconfirmed_and_a_change_is_sent_once(stage: Stage) -> None:
    stage.simulator.set_options(build_seconds=1000)
    stage.run_operator()
    stage.apply(resource(chainletSettings=[chainlet("HelloWorld", maxReplica=3)]))
    stage.wait_sent("create")
    stage.apply(resource(chainletSettings=[chainlet("HelloWorld", maxReplica=5)]))
    stage.wait_for("the change is handled", is_handled)
    stage.wait_condition("Synced", "False", "Unconfirmed")
    stage.wait_polls()
    stage.simulator.advance(1000)
    stage.wait_settled()
    updates = [{"chainlet_name": "HelloWorld", "autoscaling_settings": {"max_replica": 5}}]
    assert stage.sent()[1:] == [Sent("autoscaling", {"updates": updates})]


@pytest.mark.parametrize("shown", [70.5, None], ids=["unreadable", "null"])
def test_a_promotion_setting_that_cannot_be_read_is_unconfirmed_and_each_value_is_sent_once(stage: Stage, shown: float | None) -> None:
    existing(stage.simulator, promotion={"ramp_up_duration_seconds": shown})
    stage.simulator.set_options(ignored_fields=["ramp_up_duration_seconds"])
    stage.run_operator(CHAINENV_PROGRESS_SECONDS="0.05")
    for count, seconds in enumerate((300, 400), start=1):
        stage.apply(resource(promotionSettings={"rampUpDurationSeconds": seconds}))
        reported = stage.wait_condition("Synced", "False", "Unconfirmed")
        assert "rampUpDurationSeconds" in reported["message"]
        stage.wait_polls(5)
        assert [each.body["promotion_settings"]["ramp_up_duration_seconds"] for each in stage.sent()] == [300, 400][:count]
    stage.simulator.edit_environment(CHAIN, "staging", promotion={"ramp_up_duration_seconds": 400})
    stage.wait_settled()
    assert len(stage.sent()) == 2


def test_an_existing_environment_is_adopted_and_nothing_is_sent_when_nothing_differs(stage: Stage) -> None:
    existing(stage.simulator, autoscaling=TWO_CHAINLETS, promotion={"ramp_up_duration_seconds": 300})
    stage.run_operator()
    settings = [chainlet("RandInt", "1x2", minReplica=0, maxReplica=2)]
    stage.apply(resource(promotionSettings={"rampUpDurationSeconds": 300}, chainletSettings=settings))
    seen = stage.wait_settled()
    stage.wait_polls()
    assert stage.sent() == []
    assert observed(seen, "HelloWorld")["scaleDownDelay"] == 120
    assert seen["status"]["promotionSettings"]["rampUpDurationSeconds"] == 300


def test_production_is_adopted(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource(environmentName="production", promotionSettings={"rampUpDurationSeconds": 300}))
    stage.wait_settled()
    assert [each.call for each in stage.sent()] == ["promotion settings"]


def test_an_existing_environment_is_left_alone_when_adoption_is_to_fail(stage: Stage) -> None:
    existing(stage.simulator)
    stage.run_operator()
    stage.apply(resource(adoptionPolicy="Fail", promotionSettings={"rampUpDurationSeconds": 300}))
    stalled = stage.wait_condition("Stalled", "True", "EnvironmentExists")
    assert "adoptionPolicy" in stalled["message"]
    stage.wait_polls(2)
    assert stage.sent() == []


DRIFTS: dict[str, tuple[Json, Sent]] = {
    "autoscaling": (
        {"autoscaling": {"RandInt": {"max_replica": 9}}},
        Sent("autoscaling", {"updates": [{"chainlet_name": "RandInt", "autoscaling_settings": {"max_replica": 2}}]}),
    ),
    "promotion settings": (
        {"promotion": {"ramp_up_duration_seconds": 10}},
        Sent("promotion settings", {"promotion_settings": {"ramp_up_duration_seconds": 300}}),
    ),
    "instance types": (
        {"instance_types": {"RandInt": "8x32"}},
        Sent("instance types", {"updates": [{"chainlet_name": "RandInt", "instance_type_id": "1x2"}]}),
    ),
}


@pytest.mark.parametrize(("by_hand", "correction"), DRIFTS.values(), ids=DRIFTS)
def test_what_a_person_changes_on_baseten_is_put_back(stage: Stage, by_hand: Json, correction: Sent) -> None:
    stage.run_operator()
    spec: Json = {"promotionSettings": {"rampUpDurationSeconds": 300}, "chainletSettings": [chainlet("RandInt", "1x2", maxReplica=2)]}
    stage.apply(resource(**spec))
    stage.wait_settled()
    mark = stage.mark()
    stage.simulator.edit_environment(CHAIN, "staging", **by_hand)
    stage.wait_sent(correction.call)
    stage.wait_settled()
    stage.wait_polls(2)
    assert stage.sent(mark) == [correction]


def test_what_the_spec_omits_is_not_put_back(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource(chainletSettings=[chainlet("RandInt", maxReplica=2)]))
    stage.wait_settled()
    mark = stage.mark()
    others = {"RandInt": {"scale_down_delay": 5}, "HelloWorld": {"max_replica": 9}}
    stage.simulator.edit_environment(CHAIN, "staging", autoscaling=others, promotion={"rolling_deploy": True})
    stage.wait_for("the change is seen", lambda seen: observed(seen, "HelloWorld").get("maxReplica") == 9)
    stage.wait_polls()
    assert stage.sent(mark) == []


def test_a_chainlet_that_is_not_there_holds_nothing_else_up(stage: Stage) -> None:
    existing(stage.simulator, autoscaling=TWO_CHAINLETS)
    stage.run_operator()
    stage.apply(resource(chainletSettings=[chainlet("HeloWorld", maxReplica=5), chainlet("RandInt", maxReplica=5)]))
    reported = stage.wait_condition("Synced", "False", "ChainletNotFound")
    assert "HeloWorld (did you mean HelloWorld?)" in reported["message"]
    stage.wait_for("the rest is applied", lambda seen: observed(seen, "RandInt").get("maxReplica") == 5)
    assert [[one["chainlet_name"] for one in each.body["updates"]] for each in stage.sent()] == [["RandInt"]]
    assert condition(stage.see(), "Ready")["status"] == "True"
