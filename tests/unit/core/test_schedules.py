"""Autoscaling schedules at work: what is desired at a time, what is sent at an edge, what is shown, when the next run is."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chainenv.core.calendar import CalendarError
from chainenv.core.changes import CreateEnvironment, UpdateAutoscaling
from chainenv.core.desired import Desired
from chainenv.core.polling import needs_attention, until_edge
from chainenv.core.resource import Resource, resource_of
from chainenv.core.status import Report, changes, project
from chainenv.crd.enums import Operation
from chainenv.crd.types import ChainEnvironmentStatus, Condition, ScheduleStatus
from chainenv.engine.guards import Blocked, guard

from .helpers import Case, answered, calls, decide, entries, environment, only, plainly, reasons, report, state, table, unread, world

DAY: dict[str, Any] = {
    "name": "day",
    "start": "08:00",
    "end": "20:00",
    "timeZone": "Europe/Berlin",
    "chainletSettings": [{"chainletName": "LLM", "autoscalingSettings": {"minReplica": 4}}],
}
LUNCH = {**DAY, "name": "lunch", "start": "12:00", "end": "13:00"}
LUNCH["chainletSettings"] = [
    {"chainletName": "LLM", "autoscalingSettings": {"minReplica": 6}},
    {"chainletName": "Embed", "autoscalingSettings": {"minReplica": 3}},
]
SPEC: dict[str, Any] = {
    "chainID": "abcd1234",
    "chainletSettings": [
        {"chainletName": "LLM", "autoscalingSettings": {"minReplica": 1, "maxReplica": 8}},
        {"chainletName": "Embed", "instanceTypeID": "2x8", "autoscalingSettings": {"minReplica": 2}},
    ],
    "autoscalingSchedules": [DAY, LUNCH],
}


def at(hour: int, minute: int = 0) -> datetime:
    """On a winter's day in Berlin, in UTC."""
    return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hour - 1, minutes=minute)


NIGHT, MORNING, NOON = at(6), at(8), at(12, 30)
NIGHT_STATUS = ScheduleStatus(active=None, next_change=at(8))
DAY_STATUS = ScheduleStatus(active="day", next_change=at(12))


def resource(*, status: dict[str, Any] | None = None, deleting: bool = False, **spec: Any) -> Resource:
    meta: dict[str, Any] = {
        "namespace": "team",
        "name": "staging",
        "uid": "u",
        "generation": 1,
        "creationTimestamp": "2026-03-01T00:00:00Z",
        "finalizers": ["chains.baseten.co/deactivate"],
    }
    if deleting:
        meta["deletionTimestamp"] = "2026-03-02T00:00:00Z"
    return resource_of({"metadata": meta, "spec": {**SPEC, **spec}, "status": {"observedGeneration": 1, **(status or {})}})


def least(desired: Desired) -> dict[str, Any]:
    return {each.name: each.autoscaling.get("min_replica") for each in desired.chainlets}


# -- what is desired -----------------------------------------------------------------------------------------------


@table(
    Case("before all", "the values of chainletSettings", NIGHT, ({"LLM": 1, "Embed": 2}, NIGHT_STATUS)),
    Case("from the start on", "an interval begins at its start", MORNING, ({"LLM": 4, "Embed": 2}, DAY_STATUS)),
    Case(
        "two at once",
        "the last in the list wins",
        NOON,
        ({"LLM": 6, "Embed": 3}, ScheduleStatus(active="lunch", next_change=at(13))),
    ),
    Case("from the end on", "an interval is over at its end", at(20), ({"LLM": 1, "Embed": 2}, ScheduleStatus(next_change=at(32)))),
)
def test_what_is_desired_at_a_time(case: Case) -> None:
    desired = resource().desired_at(case.given)
    assert (least(desired), desired.schedule) == case.expected, case.why
    assert desired.chainlets[0].autoscaling["max_replica"] == 8, "what the schedule does not say stays"
    assert desired.chainlets[1].instance_type_id == "2x8"


def test_without_schedules_there_is_no_schedule_to_show() -> None:
    assert resource(autoscalingSchedules=None).desired_at(NOON).schedule is None


def test_a_resource_that_is_being_deleted_has_no_schedules() -> None:
    going = resource(deleting=True, autoscalingSchedules=[{**DAY, "timeZone": "Europe/Atlantis"}])
    assert going.desired_at(NOON) == going.desired


UNKNOWN = {"deletionPolicy": "Deactivate", "autoscalingSchedules": [{**DAY, "timeZone": "Europe/Atlantis"}]}


def test_an_unknown_time_zone_is_named_and_nothing_is_done() -> None:
    broken = resource(**UNKNOWN)
    with pytest.raises(CalendarError):
        broken.desired_at(NOON)
    result = guard(broken, None)
    assert isinstance(result, Blocked)
    assert result.finding.reason == "InvalidResource"
    assert "spec.autoscalingSchedules[day].timeZone: unknown time zone 'Europe/Atlantis'" in result.finding.message


def test_an_unknown_time_zone_holds_up_no_deletion() -> None:
    assert guard(resource(**UNKNOWN, deleting=True), None) is None


# -- what is sent --------------------------------------------------------------------------------------------------


def wanted(moment: datetime) -> Desired:
    return resource().desired_at(moment)


def shown(llm: int, embed: int) -> Any:
    return environment(state("LLM", min_replica=llm, max_replica=8), state("Embed", min_replica=embed))


def test_one_call_for_all_chainlets_at_an_edge() -> None:
    action = only(decide(world(wanted(NOON), shown(4, 2), spec_changed=False, schedule_changed=True)))
    assert isinstance(action.change, UpdateAutoscaling)
    assert plainly(action.change.changes) == {"LLM": {"min_replica": 6}, "Embed": {"min_replica": 3}}


def test_drift_is_measured_against_the_values_of_the_active_schedule() -> None:
    assert calls(decide(world(wanted(MORNING), shown(4, 2), spec_changed=False))) == []
    action = only(decide(world(wanted(MORNING), shown(1, 2), spec_changed=False)))
    assert isinstance(action.change, UpdateAutoscaling)
    assert plainly(action.change.changes) == {"LLM": {"min_replica": 4}}


def sent_at(moment: datetime, **more: Any) -> Any:
    """The entry of what is sent at a time to an environment that shows the other values."""
    return replace_entry(only(decide(world(wanted(moment), shown(9, 9), spec_changed=False))).entry, **more)


def replace_entry(entry: Any, **more: Any) -> Any:
    return entry.model_copy(update={"finished_at": entry.started_at, "outcome": "Accepted", **more})


def test_tries_are_counted_for_each_set_of_values() -> None:
    """Three tries of the morning's values say nothing of noon's; back in the morning's, they still count."""
    spent = sent_at(MORNING, attempts=3, started_at=world(wanted(NOON), None).now - timedelta(seconds=300))
    spent = spent.model_copy(update={"finished_at": spent.started_at})
    still = decide(world(wanted(MORNING), shown(9, 9), spent, spec_changed=False))
    assert (calls(still), reasons(still.findings)) == ([], ["NotConverging"])
    fresh = only(decide(world(wanted(NOON), shown(9, 9), spent, spec_changed=False, schedule_changed=True)))
    assert fresh.entry.attempts == 1


def test_a_refusal_of_other_values_holds_nothing_up() -> None:
    refused = sent_at(MORNING, outcome="Refused", message="no")
    assert calls(decide(world(wanted(MORNING), shown(9, 9), refused, spec_changed=False))) == []
    assert len(calls(decide(world(wanted(NOON), shown(9, 9), refused, spec_changed=False)))) == 1


HIDDEN = environment(state("LLM"), state("Embed"))


def test_values_that_are_not_shown_are_sent_once_at_an_edge() -> None:
    before = decide(world(wanted(MORNING), HIDDEN, spec_changed=False))
    assert (calls(before), reasons(before.findings)) == ([], ["Unconfirmed"])
    edge = only(decide(world(wanted(NOON), HIDDEN, spec_changed=False, schedule_changed=True)))
    assert isinstance(edge.change, UpdateAutoscaling)
    assert edge.change.changes["LLM"] == {"min_replica": 6, "max_replica": 8}
    for changed in (False, True):  # as the status then has it, and where that write was lost
        again = decide(world(wanted(NOON), HIDDEN, replace_entry(edge.entry), spec_changed=False, schedule_changed=changed))
        assert calls(again) == []


def test_an_edge_makes_no_other_difference_believed() -> None:
    """A difference in instance types is drift, whatever the schedules do: two reads must show it."""
    stale = environment(state("LLM", min_replica=6, max_replica=8), state("Embed", "8x32", min_replica=3))
    planned = decide(world(wanted(NOON), stale, spec_changed=False, schedule_changed=True))
    assert (calls(planned), reasons(planned.findings)) == ([], ["Drifted"])


def test_nothing_is_sent_under_observe() -> None:
    observing = resource(managementPolicy="Observe").desired_at(NOON)
    planned = decide(world(observing, shown(4, 2), spec_changed=False, schedule_changed=True))
    assert calls(planned) == []
    assert [(each.path, each.desired) for each in planned.drift] == [
        ("chainletSettings[LLM].autoscalingSettings.minReplica", "6"),
        ("chainletSettings[Embed].autoscalingSettings.minReplica", "3"),
    ]


def test_an_environment_is_created_with_the_values_of_the_time() -> None:
    change = only(decide(world(wanted(NOON), None, known=False))).change
    assert isinstance(change, CreateEnvironment)
    assert [(name, settings["min_replica"]) for name, _, settings in change.chainlets] == [("LLM", 6), ("Embed", 3)]


def test_an_entry_of_a_settled_edge_is_forgotten() -> None:
    done = sent_at(NOON)
    assert entries(decide(world(wanted(NOON), shown(6, 3), done, spec_changed=False))) == {}
    assert answered(Operation.AUTOSCALING, 0).operation == done.operation


# -- what is shown -------------------------------------------------------------------------------------------------


def after(one: Report, before: ScheduleStatus | None = NIGHT_STATUS) -> tuple[ScheduleStatus | None, list[tuple[str, str]]]:
    """The status's schedule, and the events of its change."""
    previous = ChainEnvironmentStatus(observed_generation=1, schedule=before)
    new = project(previous, one)
    events = [(e.reason.value, e.message) for e in changes(previous, new) if e.reason.value == "ScheduleActive"]
    assert not any(e.warning for e in changes(previous, new) if e.reason.value == "ScheduleActive")
    return new.schedule, events


SEEN = shown(4, 2)
BECAME = ("ScheduleActive", "schedule day became active")


@table(
    Case("an edge", "shown and told", (report(SEEN, schedule=DAY_STATUS), NIGHT_STATUS), (DAY_STATUS, [BECAME])),
    Case("the first run", "active from the start", (report(SEEN, schedule=DAY_STATUS), None), (DAY_STATUS, [BECAME])),
    Case("none at first", "nothing to report", (report(SEEN, schedule=NIGHT_STATUS), None), (NIGHT_STATUS, [])),
    Case("no edge", "nothing to report", (report(SEEN, schedule=DAY_STATUS), DAY_STATUS), (DAY_STATUS, [])),
    Case(
        "from one to the other",
        "both are named",
        (report(SEEN, schedule=DAY_STATUS), ScheduleStatus(active="lunch", next_change=at(13))),
        (DAY_STATUS, [("ScheduleActive", "schedule day became active in place of lunch")]),
    ),
    Case(
        "the end of the last",
        "also when none is active any more",
        (report(SEEN, schedule=NIGHT_STATUS), DAY_STATUS),
        (NIGHT_STATUS, [("ScheduleActive", "schedule day ended; no schedule is active")]),
    ),
    Case(
        "removed from the spec",
        "it is over as well",
        (report(SEEN), DAY_STATUS),
        (None, [("ScheduleActive", "schedule day ended; no schedule is active")]),
    ),
    Case("not acted on", "the call failed: it is not in force yet", (report(SEEN, schedule=DAY_STATUS, acted_on=False), None), (None, [])),
    Case("not observed", "what was last acted on stays", (unread(), DAY_STATUS), (DAY_STATUS, [])),
    Case("being deleted", "what was last acted on stays", (report(SEEN, deleting=True), DAY_STATUS), (DAY_STATUS, [])),
)
def test_the_schedule_is_shown_and_its_changes_are_events(case: Case) -> None:
    assert after(*case.given) == case.expected, case.why


# -- when the next run is ------------------------------------------------------------------------------------------


@table(
    Case("no schedules", "no edge", (None, NIGHT), math.inf),
    Case("always the same", "no edge", (ScheduleStatus(active="day"), NIGHT), math.inf),
    Case("before an edge", "right after it", (DAY_STATUS, at(11)), 3600.3),
    Case("past it", "the run took long: at once", (DAY_STATUS, at(12, 1)), 0.3),
)
def test_a_run_is_due_right_after_the_next_edge(case: Case) -> None:
    assert until_edge(*case.given) == pytest.approx(case.expected), case.why


READY = {"type": "Ready", "status": "True", "reason": "Active", "message": "", "lastTransitionTime": "2026-03-01T00:00:00Z"}
SETTLED: dict[str, Any] = {"conditions": [READY]}


@table(
    Case("acted on", "the edge is in the future", ({"schedule": {"active": "day", "nextChange": "2026-03-02T11:00:00Z"}}, at(11)), False),
    Case("an edge has passed", "at once", ({"schedule": {"active": "day", "nextChange": "2026-03-02T11:00:00Z"}}, at(12)), True),
    Case("never shown", "nobody knows", ({}, at(11)), True),
    Case("never an edge", "always the same", ({"schedule": {"active": "day"}}, at(11)), False),
)
def test_after_a_restart_an_edge_that_has_passed_is_acted_on_at_once(case: Case) -> None:
    status, now = case.given
    assert needs_attention(resource(status={**SETTLED, **status}), now) is case.expected, case.why


def test_after_a_restart_a_resource_without_schedules_waits_for_its_poll() -> None:
    passed = {**SETTLED, "schedule": {"active": "day", "nextChange": "2026-03-02T07:00:00Z"}}
    settled = resource(status=passed, autoscalingSchedules=None)
    assert isinstance(settled.status.conditions[0], Condition)
    assert needs_attention(settled, NOON) is False
