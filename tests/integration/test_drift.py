"""What a person changes on Baseten by hand: put back where the spec says something, left alone where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from .harness.case import Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.stage import Sent, Stage
from .harness.waiting import wait_until

SPEC: dict[str, Any] = {
    "promotionSettings": {"rampUpDurationSeconds": 300, "rampUpWhilePromoting": True},
    "chainletSettings": [
        chainlet("HelloWorld", maxReplica=3, scaleDownDelay=120),
        chainlet("RandInt", "1x2", maxReplica=2, concurrencyTarget=4),
    ],
}
AS_DECLARED: dict[str, Any] = {
    "promotion": {"ramp_up_duration_seconds": 300, "ramp_up_while_promoting": True},
    "autoscaling": {"HelloWorld": {"max_replica": 3, "scale_down_delay": 120}, "RandInt": {"max_replica": 2, "concurrency_target": 4}},
}


pytestmark = pytest.mark.usefixtures("each_on_its_own")


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.run_operator()
    return shared_stage


def settled(stage: Stage, name: str, **spec: Any) -> Case:
    """An environment that is as SPEC (or ``spec``) says, adopted."""
    case = Case(stage, name).existing(**AS_DECLARED)
    case.apply(**(spec or SPEC))
    case.wait_settled()
    return case


BY_HAND: dict[str, tuple[Json, str, str, Sent]] = {
    "one-field": (
        {"autoscaling": {"RandInt": {"max_replica": 9}}},
        "AutoscalingCorrected",
        "RandInt maxReplica 9 -> 2",
        Sent("autoscaling", {"updates": [{"chainlet_name": "RandInt", "autoscaling_settings": {"max_replica": 2}}]}),
    ),
    "taken-away": (
        {"autoscaling": {"RandInt": {"concurrency_target": None}}},
        "AutoscalingCorrected",
        "RandInt concurrencyTarget unset -> 4",
        Sent("autoscaling", {"updates": [{"chainlet_name": "RandInt", "autoscaling_settings": {"concurrency_target": 4}}]}),
    ),
    "two-chainlets": (
        {"autoscaling": {"HelloWorld": {"scale_down_delay": 0}, "RandInt": {"max_replica": 9}}},
        "AutoscalingCorrected",
        "HelloWorld scaleDownDelay 0 -> 120; RandInt maxReplica 9 -> 2",
        Sent(
            "autoscaling",
            {
                "updates": [
                    {"chainlet_name": "HelloWorld", "autoscaling_settings": {"scale_down_delay": 120}},
                    {"chainlet_name": "RandInt", "autoscaling_settings": {"max_replica": 2}},
                ]
            },
        ),
    ),
    "promotion": (
        {"promotion": {"ramp_up_duration_seconds": 10, "ramp_up_while_promoting": False}},
        "PromotionSettingsCorrected",
        "rampUpDurationSeconds 10 -> 300; rampUpWhilePromoting false -> true",
        Sent("promotion settings", {"promotion_settings": {"ramp_up_duration_seconds": 300, "ramp_up_while_promoting": True}}),
    ),
    "instance-type": (
        {"instance_types": {"RandInt": "8x32"}},
        "InstanceTypesChanged",
        "RandInt instanceTypeID 8x32 -> 1x2",
        Sent("instance types", {"updates": [{"chainlet_name": "RandInt", "instance_type_id": "1x2"}]}),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_change_by_hand_is_put_back_and_reported_with_chainlet_field_old_and_new(stage: Stage, name: str) -> None:
    by_hand, event, reported, correction = BY_HAND[name]
    case = settled(stage, name)
    mark = case.mark()
    case.by_hand(**by_hand)
    case.wait_event(event, reported)
    case.wait_settled()
    case.wait_polls(2)
    assert case.sent(mark) == [correction]
    assert reported in case.describe()


def test_everything_changed_at_once_is_put_back_with_one_call_of_each_kind(stage: Stage) -> None:
    case = settled(stage, "everything")
    mark = case.mark()
    case.by_hand(**{kind: value for by_hand, *_ in BY_HAND.values() for kind, value in by_hand.items()})
    case.wait_event("InstanceTypesChanged")
    case.wait_settled()
    case.wait_polls(2)
    assert sorted(case.names_sent(mark)) == ["autoscaling", "instance types", "promotion settings"]


def test_the_same_change_twice_is_put_back_twice_and_the_event_is_counted(stage: Stage) -> None:
    case = settled(stage, "stubborn")
    for times in (1, 2):
        case.by_hand(promotion={"ramp_up_duration_seconds": 10})
        case.wait_names_sent(["promotion settings"] * times)
        case.wait_settled()
    wait_until("the event is counted", lambda: [each["count"] for each in case.events("PromotionSettingsCorrected")] == [2])


def omitted(case: Case) -> Json:
    """What SOME omits, as Baseten holds it."""
    seen = case.on_baseten()
    hello, rand = seen["autoscaling"]["HelloWorld"], seen["autoscaling"]["RandInt"]
    promotion = {name: seen["promotion_settings"][name] for name in ("ramp_up_while_promoting", "promotion_cleanup_strategy")}
    return {"hello": hello, "hello type": seen["instance_types"]["HelloWorld"], "delay": rand["scale_down_delay"], "promotion": promotion}


SOME: dict[str, Any] = {
    "promotionSettings": {"rampUpDurationSeconds": 300},
    "chainletSettings": [chainlet("RandInt", "1x2", maxReplica=2)],
}
OTHERS: dict[str, Any] = {
    "autoscaling": {"RandInt": {"scale_down_delay": 7}, "HelloWorld": {"min_replica": 1, "max_replica": 6}},
    "instance_types": {"HelloWorld": "4x16"},
    "promotion": {"ramp_up_while_promoting": False, "promotion_cleanup_strategy": "KEEP"},
}


def test_what_the_spec_omits_is_left_alone_for_ever_and_shown(stage: Stage) -> None:
    case = settled(stage, "omitted", **SOME)
    case.by_hand(**OTHERS)
    before = omitted(case)
    case.wait_polls(6)
    seen = case.see()
    assert case.sent() == []
    assert omitted(case) == before
    assert "drift" not in seen["status"]
    assert seen["status"]["promotionSettings"]["promotionCleanupStrategy"] == "KEEP"
    assert seen["status"]["chainletSettings"][0]["instanceType"]["id"] == "4x16"
    case.wait_settled()


def test_a_correction_takes_nothing_with_it_that_the_spec_omits(stage: Stage) -> None:
    case = settled(stage, "neighbours", **SOME)
    case.by_hand(**OTHERS)
    before = omitted(case)
    case.by_hand(autoscaling={"RandInt": {"max_replica": 9}}, promotion={"ramp_up_duration_seconds": 10})
    case.wait_event("AutoscalingCorrected")
    case.wait_event("PromotionSettingsCorrected")
    case.wait_settled()
    case.wait_polls(3)
    assert omitted(case) == before
    assert sorted(case.names_sent()) == ["autoscaling", "promotion settings"]


def test_a_field_that_is_taken_out_of_the_spec_is_left_as_it_is(stage: Stage) -> None:
    case = settled(stage, "given-up")
    case.apply(promotionSettings={"rampUpDurationSeconds": 300})
    case.wait_settled()
    case.by_hand(autoscaling={"RandInt": {"max_replica": 9}}, promotion={"ramp_up_while_promoting": False})
    case.wait_polls()
    assert case.sent() == []
    assert case.on_baseten()["autoscaling"]["RandInt"]["max_replica"] == 9


def test_what_was_changed_while_the_operator_was_away_is_put_back(stage: Stage) -> None:
    case = settled(stage, "meanwhile")
    (operator,) = stage.operators
    assert operator.terminate() == 0
    case.by_hand(autoscaling={"HelloWorld": {"max_replica": 8}}, promotion={"ramp_up_duration_seconds": 10})
    operator.start()
    case.wait_event("AutoscalingCorrected", "maxReplica 8 -> 3")
    case.wait_settled()
    assert sorted(case.names_sent()) == ["autoscaling", "promotion settings"]
