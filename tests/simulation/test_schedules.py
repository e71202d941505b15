"""Autoscaling schedules through restarts, outages and edits. The simulation begins at 06:00 UTC."""

from __future__ import annotations

from typing import Any

import pytest

from .runner import Simulation, play
from .scenario import HOUR, crash, edit, run, spec, trouble
from .story import Step, draw

Json = dict[str, Any]
MIN = 60.0
SEVEN, EIGHT, NINE = HOUR, 2 * HOUR, 3 * HOUR


def schedule(name: str, start: str, end: str, zone: str = "UTC", **least: int) -> Json:
    chainlets = [{"chainletName": chainlet, "autoscalingSettings": {"minReplica": value}} for chainlet, value in least.items()]
    return {"name": name, "start": start, "end": end, "timeZone": zone, "chainletSettings": chainlets}


def declared(*schedules: Json, **more: Any) -> Json:
    chainlets = [{"chainletName": name, "autoscalingSettings": {"minReplica": 0, "maxReplica": 9}} for name in ("Router", "Llm")]
    return spec(chainletSettings=chainlets, autoscalingSchedules=list(schedules), **more)


DAY = schedule("day", "07:00", "08:00", Router=1, Llm=4)


def sent(done: Simulation) -> list[tuple[str, Json]]:
    """The minute of each call about autoscaling, and the fewest replicas that it asks for."""
    return [
        (clock(call.at), {u["chainlet_name"]: u["autoscaling_settings"].get("min_replica") for u in call.body["updates"]})
        for call in done.invariants.writes
        if call.endpoint == "update_autoscaling" and call.at > 0.5 * HOUR
    ]


def clock(at: float) -> str:
    minute = int(at // 60)
    return f"{6 + minute // 60:02}:{minute % 60:02}"


WARM, COLD = {"Router": 1, "Llm": 4}, {"Router": 0, "Llm": 0}


def test_one_call_at_each_edge_within_two_seconds() -> None:
    done = run(declared(DAY))
    assert sent(done) == [("07:00", WARM), ("08:00", COLD)]
    first = next(call for call in done.invariants.writes if call.at > 0.5 * HOUR)
    assert 0 <= first.at - SEVEN < 2
    events = [line.partition("ScheduleActive: ")[2] for line in done.timeline if "ScheduleActive" in line]
    assert events == ["schedule day became active", "schedule day ended; no schedule is active"]


def test_edges_without_faults_are_asked_about() -> None:
    """Else an invariant would hold because nothing is asked of it."""
    done = run(declared(schedule("late", "10:40", "11:20", Llm=4)))
    assert done.invariants.edges_held == 2


def test_of_two_schedules_the_last_wins_and_its_end_is_an_edge() -> None:
    lunch = schedule("lunch", "07:20", "07:40", Llm=6)
    done = run(declared(DAY, lunch))
    assert sent(done) == [("07:00", WARM), ("07:20", {"Router": 0, "Llm": 6}), ("07:40", WARM), ("08:00", COLD)]


def test_a_zone_beside_the_whole_hour() -> None:
    assert [at for at, _ in sent(run(declared(schedule("day", "12:30", "13:30", "Asia/Kolkata", Llm=4))))] == ["07:00", "08:00"]


@pytest.mark.parametrize("down", [90.0, 5 * MIN])
def test_an_edge_that_passes_while_the_operator_is_down_is_acted_on_at_its_start(down: float) -> None:
    ends = Step(SEVEN - 60, "call", {"does": lambda s: s.process.end()})
    starts = Step(SEVEN - 60 + down, "call", {"does": lambda s: s.start(0.0)})
    done = run(declared(DAY), ends, starts)
    first = next(call for call in done.invariants.writes if call.at > 0.5 * HOUR)
    assert first.at - (SEVEN - 60 + down) < 5
    assert [values for _, values in sent(done)] == [WARM, COLD]


def test_of_edges_that_passed_while_it_was_down_only_what_holds_now_is_sent() -> None:
    ends = Step(SEVEN - 60, "call", {"does": lambda s: s.process.end()})
    starts = Step(EIGHT + 60, "call", {"does": lambda s: s.start(0.0)})
    assert sent(run(declared(DAY), ends, starts)) == []


def test_a_restart_just_before_an_edge_does_not_miss_it() -> None:
    """A settled resource is polled some time after a restart, and yet not later than its edge."""
    done = run(declared(DAY), crash(SEVEN - 5, 1, down=1))
    assert sent(done) == [("07:00", WARM), ("08:00", COLD)]


def test_while_baseten_fails_at_an_edge_the_values_come_when_it_answers_again() -> None:
    done = run(declared(DAY), trouble(SEVEN - 60, "status", 10 * MIN, value=503))
    assert done.conditions["Synced"]["status"] == "True"
    accepted = [values for _, values in sent(done)]
    assert accepted[-1] == COLD
    assert WARM in accepted


def test_a_schedule_that_is_removed_while_active_gives_the_values_back() -> None:
    done = run(declared(DAY), edit(SEVEN + 10 * MIN, "autoscalingSchedules", None))
    assert sent(done) == [("07:00", WARM), ("07:10", COLD)]
    assert any("schedule day ended; no schedule is active" in line for line in done.timeline)


def test_a_schedule_that_is_edited_while_active_is_followed() -> None:
    done = run(declared(DAY), edit(SEVEN + 10 * MIN, "autoscalingSchedules", [{**DAY, "end": "07:30"}]))
    assert sent(done) == [("07:00", WARM), ("07:30", COLD)]


@pytest.mark.parametrize("policy", ["Observe", "Pause"])
def test_nothing_is_sent_while_observed_or_paused_and_what_holds_then_is_sent_after_it(policy: str) -> None:
    held = edit(SEVEN - MIN, "managementPolicy", policy)
    done = run(declared(DAY), held, edit(SEVEN + 30 * MIN, "managementPolicy", "Reconcile"))
    assert sent(done) == [("07:30", WARM), ("08:00", COLD)]


def test_drift_is_put_back_to_the_values_of_the_time() -> None:
    by_hand = Step(SEVEN + 10 * MIN, "stranger", {"does": "autoscale", "source": "d2", "type": "1x2", "number": 3})
    day = schedule("day", "07:00", "08:00", Llm=4)
    day["chainletSettings"][0]["autoscalingSettings"]["maxReplica"] = 7
    done = run(declared(day), by_hand)
    put_back = next(c for c in done.invariants.writes if c.endpoint == "update_autoscaling" and SEVEN + 10 * MIN < c.at < EIGHT)
    assert {u["chainlet_name"]: u["autoscaling_settings"] for u in put_back.body["updates"]} == {
        "Router": {"max_replica": 9},
        "Llm": {"max_replica": 7},
    }


def test_a_resource_deleted_while_a_schedule_is_active_goes() -> None:
    delete = Step(SEVEN + MIN, "delete", {"again_after": None, "abandon": False})
    done = run(declared(DAY, deletionPolicy="Deactivate"), delete)
    assert not done.api.objects
    assert sent(done) == [("07:00", WARM)]


def test_random_days_have_schedules() -> None:
    stories = [draw(seed) for seed in range(1, 31)]
    assert sum("autoscalingSchedules" in story.spec for story in stories) == 10
    assert any(step.more.get("field") == "autoscalingSchedules" for story in stories for step in story.steps)
    assert play(draw(3)).violation is None
