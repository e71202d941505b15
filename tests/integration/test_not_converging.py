"""A server that does not do as it is asked: three tries, then it is said, and nothing more is sent until there is a reason to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .harness.case import RECONCILE, Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.observing import reported, together, version
from .harness.stage import Stage, condition, is_settled
from .harness.waiting import wait_until

MOST_REPLICAS = 5
LONGEST_RAMP = 100
MAX_REPLICA = "chainletSettings[HelloWorld].autoscalingSettings.maxReplica"
TOO_MANY: Json = {"chainletSettings": [chainlet("HelloWorld", maxReplica=9)]}
TOO_LONG: Json = {"promotionSettings": {"rampUpDurationSeconds": 900}}
SPECS: dict[str, Json] = {
    "scaled": TOO_MANY,
    "ramped": TOO_LONG,
    "allowed": TOO_MANY,
    "another": TOO_MANY,
    "annotated": TOO_MANY,
    "beside": {**TOO_MANY, "promotionSettings": {"rampUpDurationSeconds": 50}},
}

Find = Callable[[str], Case]


@pytest.fixture(scope="module")
def find(shared_stage: Stage) -> Find:
    """Cases by name, all under one operator and a Baseten that clamps what it is sent."""
    shared_stage.simulator.set_options(
        clamps={"max_replica": MOST_REPLICAS, "ramp_up_duration_seconds": LONGEST_RAMP}, failed_candidate_seconds=1000
    )
    cases = {name: Case(shared_stage, name).existing() for name in SPECS}
    shared_stage.run_operator(CHAINENV_PROGRESS_SECONDS="0.05")
    shared_stage.apply(together(case.manifest(**SPECS[name]) for name, case in cases.items()))
    return cases.__getitem__


def given_up(case: Case) -> Json:
    case.wait_condition("Synced", "False", "NotConverging")
    return case.see()


def drift(path: str, desired: Any, actual: Any) -> list[Json]:
    return [{"path": path, "desired": str(desired), "actual": str(actual)}]


@pytest.mark.parametrize(
    ("name", "call", "path", "desired", "actual"),
    [
        ("scaled", "autoscaling", MAX_REPLICA, 9, MOST_REPLICAS),
        ("ramped", "promotion settings", "promotionSettings.rampUpDurationSeconds", 900, LONGEST_RAMP),
    ],
)
def test_a_clamped_value_is_sent_three_times_and_then_reported(
    find: Find, name: str, call: str, path: str, desired: int, actual: int
) -> None:
    case = find(name)
    seen = given_up(case)
    message = condition(seen, "Synced")["message"]
    assert f"{path} is {actual}, wanted {desired}" in message
    assert "3 times" in message
    assert "Change the spec" in message
    assert seen["status"]["drift"] == drift(path, desired, actual)
    assert case.names_sent() == [call] * 3


def test_what_has_been_given_up_is_not_sent_at_later_polls_and_writes_nothing(find: Find) -> None:
    case = find("scaled")
    given_up(case)
    before = version(case)
    case.wait_polls(4)
    assert case.names_sent() == ["autoscaling"] * 3
    assert version(case) == before


def test_a_deployment_that_serves_is_still_ready_and_the_resource_is_not_stalled(find: Find) -> None:
    seen = given_up(find("scaled"))
    assert condition(seen, "Ready")["status"] == "True"
    assert not condition(seen, "Stalled")
    assert not condition(seen, "Reconciling"), "nothing is under way"


def test_it_is_one_warning_with_the_field_in_it(find: Find) -> None:
    case = find("scaled")
    given_up(case)
    case.wait_event("NotConverging", MAX_REPLICA)
    assert [count for text, count in reported(case).items() if "NotConverging" in text] == [1]


def test_the_other_settings_of_the_spec_are_applied(find: Find) -> None:
    case = find("beside")
    given_up(case)
    assert case.on_baseten()["promotion_settings"]["ramp_up_duration_seconds"] == 50


def test_a_spec_with_what_baseten_allows_is_in_sync_at_once(find: Find) -> None:
    case = find("allowed")
    given_up(case)
    case.apply(chainletSettings=[chainlet("HelloWorld", maxReplica=MOST_REPLICAS)])
    seen = case.wait_settled()
    assert "drift" not in seen["status"]
    assert case.names_sent() == ["autoscaling"] * 3


def test_another_spec_is_tried_at_once(find: Find) -> None:
    case = find("another")
    given_up(case)
    case.apply(chainletSettings=[chainlet("HelloWorld", maxReplica=8)])
    seen = case.wait_for("given up again", lambda now: _given_up("wanted 8", now))
    assert seen["status"]["drift"] == drift(MAX_REPLICA, 8, MOST_REPLICAS)
    assert [each.body["updates"][0]["autoscaling_settings"]["max_replica"] for each in case.sent()] == [9, 9, 9, 8, 8, 8]


def _given_up(words: str, seen: Json) -> bool:
    found = condition(seen, "Synced")
    return words in found["message"] and found["reason"] == "NotConverging"


def test_the_annotation_tries_again_at_once_and_is_echoed(find: Find) -> None:
    case = find("annotated")
    given_up(case)
    mark = case.mark()
    case.annotate(RECONCILE, "now")
    case.wait_echo("now")
    wait_until("it is sent again", lambda: case.names_sent(mark))
    given_up(case)
    assert set(case.names_sent(mark)) == {"autoscaling"}
    assert len(case.sent(mark)) <= 3


# -- what starts a deployment is sent once ---------------------------------------------------------------------------


def test_instance_types_that_never_show_are_sent_once(find: Find, shared_stage: Stage) -> None:
    """Baseten makes the deployment and promotes it, and the environment still shows the older type."""
    case = Case(shared_stage, "retyped").existing()
    case.apply(chainletSettings=[chainlet("RandInt", "1x2")]).wait_settled()
    shared_stage.simulator.hold("polls", method="GET", path=f"{case.chain}/environments/", times=None)
    shared_stage.simulator.wait_held("polls")
    case.apply(chainletSettings=[chainlet("RandInt", "4x16")])
    shared_stage.simulator.hold("after", method="GET", path=f"{case.chain}/environments/", times=None, skip=1)
    shared_stage.simulator.release("polls")
    case.wait_sent("instance types")
    shared_stage.simulator.wait_held("after")
    wait_until("it is promoted", lambda: case.on_baseten()["candidate_deployment"] is None)
    case.by_hand(instance_types={"RandInt": "1x2"})
    shared_stage.simulator.release("after")
    seen = given_up(case)
    assert "sent once" in condition(seen, "Synced")["message"]
    assert "reconcile-requested-at" in condition(seen, "Synced")["message"]
    assert seen["status"]["drift"] == drift("chainletSettings[RandInt].instanceTypeID", "4x16", "1x2")
    case.wait_polls(4)
    assert case.started() == ["instance_types"]
    case.annotate(RECONCILE, "again")
    case.wait_for("the annotation starts it again", is_settled)
    assert case.started() == ["instance_types"] * 2


def test_a_promotion_that_fails_is_sent_once(find: Find, shared_stage: Stage) -> None:
    case = Case(shared_stage, "promoted").existing()
    case.pushed("dep-failing")
    shared_stage.simulator.hold("promotion", path=f"{case.chain}/.*/promote$", point="after_effect")
    case.apply(deploymentID="dep-failing")
    shared_stage.simulator.wait_held("promotion")
    shared_stage.simulator.set_deployment("dep-failing", status="FAILED")
    shared_stage.simulator.release("promotion")
    case.wait_condition("Synced", "False", "RolloutFailed", "dep-failing")
    case.wait_polls(4)
    assert case.names_sent() == ["promote"]
    assert case.condition("Ready")["status"] == "True"
