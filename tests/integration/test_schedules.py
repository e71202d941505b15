"""Autoscaling schedules: the values of the time are created, kept and given back; at an edge they change by one call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from .harness.case import RECONCILE, Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.stage import Stage
from .harness.waiting import wait_until

BASE: list[Json] = [chainlet("HelloWorld", minReplica=1, maxReplica=8), chainlet("RandInt", minReplica=0, maxReplica=2)]
WARM: list[Json] = [chainlet("HelloWorld", minReplica=4), chainlet("RandInt", minReplica=1, maxReplica=5)]
AS_DECLARED: dict[str, Any] = {
    "autoscaling": {"HelloWorld": {"min_replica": 1, "max_replica": 8}, "RandInt": {"min_replica": 0, "max_replica": 2}}
}
BY_CHAINLET_WARM = [("HelloWorld", {"min_replica": 4}), ("RandInt", {"min_replica": 1, "max_replica": 5})]
BY_CHAINLET_BASE = [("HelloWorld", {"min_replica": 1}), ("RandInt", {"min_replica": 0, "max_replica": 2})]
ZONE = ZoneInfo("Asia/Kathmandu")
"""Three quarters of an hour beside UTC."""

pytestmark = pytest.mark.usefixtures("each_on_its_own")


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    """Polls are so rare that none of them comes in a test: what happens at an edge happens for it."""
    shared_stage.run_operator(CHAINENV_POLL_SECONDS="1800")
    return shared_stage


def schedule(name: str = "warm", start: str = "00:00", end: str = "00:00", **more: Any) -> Json:
    """Always active unless times are given."""
    return {"name": name, "start": start, "end": end, "chainletSettings": WARM, **more}


def adopted(stage: Stage, name: str) -> Case:
    """As BASE says, and settled."""
    case = Case(stage, name).existing(**AS_DECLARED)
    case.apply(chainletSettings=BASE)
    case.wait_settled()
    return case


def shown(case: Case) -> Json:
    found: Json = case.see()["status"].get("schedule", {})
    return found


def updates(call: Any) -> list[tuple[str, Json]]:
    return sorted((each["chainlet_name"], each["autoscaling_settings"]) for each in call.request["updates"])


def autoscaling(case: Case, since: int) -> list[Any]:
    return [each for each in case.calls(since) if each.method == "PATCH" and "autoscaling" in each.path]


def test_an_environment_is_created_with_the_values_of_the_active_schedule(stage: Stage) -> None:
    case = Case(stage, "made").with_chain()
    case.apply(chainletSettings=BASE, autoscalingSchedules=[schedule()])
    case.wait_sent("create")
    (made,) = (each for each in case.sent() if each.call == "create")
    assert [each["autoscaling_settings"] for each in made.body["chainlet_settings"]] == [
        {"min_replica": 4, "max_replica": 8},
        {"min_replica": 1, "max_replica": 5},
    ]
    case.wait_event("ScheduleActive", "schedule warm became active")
    assert shown(case) == {"active": "warm"}


def test_drift_is_measured_against_the_schedule_and_its_end_gives_the_values_back(stage: Stage) -> None:
    case = adopted(stage, "kept")
    mark = case.mark()
    case.apply(chainletSettings=BASE, autoscalingSchedules=[schedule()])
    case.wait_event("AutoscalingCorrected", "HelloWorld minReplica 1 -> 4", "RandInt maxReplica 2 -> 5")
    case.wait_settled()
    case.by_hand(autoscaling={"HelloWorld": {"min_replica": 1}})
    case.annotate(RECONCILE, "drift")
    case.wait_echo("drift")
    case.wait_settled()
    case.apply(chainletSettings=BASE)
    case.wait_event("ScheduleActive", "schedule warm ended; no schedule is active")
    case.wait_settled()
    assert [updates(each) for each in autoscaling(case, mark)] == [
        BY_CHAINLET_WARM,
        [("HelloWorld", {"min_replica": 4})],
        BY_CHAINLET_BASE,
    ]
    assert shown(case) == {}


def test_a_schedule_is_observed_and_nothing_is_sent(stage: Stage) -> None:
    case = adopted(stage, "watched")
    mark = case.mark()
    case.apply(chainletSettings=BASE, autoscalingSchedules=[schedule()], managementPolicy="Observe")
    case.wait_condition("Synced", "False", "Drifted", "HelloWorld", "wanted 4")
    assert shown(case) == {"active": "warm"}
    assert case.names_sent(mark) == []


def test_an_unknown_time_zone_is_named_and_another_one_mends_it(stage: Stage) -> None:
    case = adopted(stage, "lost")
    case.apply(chainletSettings=BASE, autoscalingSchedules=[schedule(timeZone="Europe/Atlantis")])
    case.wait_condition("Stalled", "True", "InvalidResource", "autoscalingSchedules[warm].timeZone", "Europe/Atlantis")
    case.apply(chainletSettings=BASE, autoscalingSchedules=[schedule(timeZone="Europe/Berlin")])
    case.wait_settled()
    assert shown(case)["active"] == "warm"


def test_at_an_edge_one_call_changes_every_chainlet(stage: Stage) -> None:
    """The edge is a full minute of the machine's own clock, the next one that is not too close."""
    case = adopted(stage, "edged")
    mark, now = case.mark(), datetime.now(UTC)
    edge = (now + timedelta(seconds=70)).replace(second=0, microsecond=0)
    start, end = (moment.astimezone(ZONE).strftime("%H:%M") for moment in (edge, edge + timedelta(hours=2)))
    case.apply(chainletSettings=BASE, autoscalingSchedules=[schedule(start=start, end=end, timeZone=ZONE.key)])
    wait_until("the call at the edge", lambda: autoscaling(case, mark))
    case.wait_event("ScheduleActive", "schedule warm became active")
    case.wait_settled()
    (call,) = autoscaling(case, mark)
    assert updates(call) == BY_CHAINLET_WARM
    assert call.time >= edge.timestamp()
    assert shown(case) == {"active": "warm", "nextChange": (edge + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")}
