"""What people leave behind: annotations that stay, a status that they write in, a schedule that nobody has to answer for."""

from __future__ import annotations

from typing import Any

import pytest

from . import gated
from .runner import NAME, Simulation
from .scenario import HOUR, START, call, edit, run, spec, stranger, types
from .schedules import DAYS
from .story import Step


def reconcile(at: float) -> Step:
    return Step(at, "reconcile", {})


def wipe(at: float) -> Step:
    return Step(at, "wipe", {})


def events(done: Simulation, reason: str) -> list[str]:
    return [line for line in done.timeline if f"event {reason}:" in line]


def test_an_abort_that_came_too_late_aborts_no_later_rollout_to_the_same_deployment() -> None:
    """The annotation stays on the object for ever; the deployment that it names serves, then another one, then is promoted again."""
    served: list[str] = []

    def abort_what_serves(simulation: Simulation) -> None:
        served.append(simulation.baseten.environments["staging"].current.id)  # type: ignore[union-attr]
        gated.annotate(simulation, gated.ABORT, served[0])

    def go_back(simulation: Simulation) -> None:
        simulation.api.edit(NAME, lambda raw: raw["spec"].update(deploymentID=served[0]))

    steps = call(START, abort_what_serves), edit(2 * HOUR, "deploymentID", "d2"), call(3 * HOUR, go_back)
    done = run(spec(deploymentID="d1", promotionSettings={"promotionCleanupStrategy": "KEEP"}), *steps, hours=5)
    assert done.baseten.environments["staging"].current.id == served[0]  # type: ignore[union-attr]
    assert events(done, "RolloutAborted") == []


def test_a_request_that_was_handled_is_not_handled_again_when_the_status_is_emptied() -> None:
    """Else a rollout that failed would be repeated, because the annotation is still there."""
    doom = Step(2 * HOUR - 1, "doom", {"count": 1})
    steps = reconcile(HOUR), doom, edit(2 * HOUR, "chainletSettings", types(Llm="2x8")), wipe(3 * HOUR)
    done = run(spec(chainletSettings=types(Llm="1x2")), *steps, hours=5, shape={"types_at_once": False})
    assert len(done.rollouts("update_instance_types")) == 1
    assert done.conditions["Stalled"]["reason"] == "RolloutFailed"


def test_nobody_is_named_for_what_a_schedule_did() -> None:
    """Somebody changed the settings once; the schedule's own edges are not their doing."""
    values: list[dict[str, Any]] = [{"chainletName": "Llm", "autoscalingSettings": {"minReplica": 0, "maxReplica": 4}}]
    schedule = {"name": "noon", "weekdays": list(DAYS), "start": "09:00", "end": "10:00", "timeZone": "UTC"}
    over = [{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 9}}]
    declared = spec(chainletSettings=values, autoscalingSchedules=[{**schedule, "chainletSettings": over}])

    def pushed(simulation: Simulation) -> None:
        simulation.baseten.audited.append((simulation.loop.now, "CHAINLET_AUTOSCALING_SETTINGS_CHANGED", "staging", "d4", "stranger-key"))

    drift = call(2 * HOUR, pushed), stranger(2 * HOUR, "autoscale", 7)
    done = run(declared, *drift, hours=6, shape={"audit": "true"}, audit="full")
    attributed = ["changed by" in line for line in events(done, "AutoscalingCorrected")]
    assert attributed == [False, True, False, False]  # adopted, corrected, and the two edges


@pytest.mark.parametrize("old", [False, True])
def test_settings_of_a_chainlet_that_is_not_shown_are_not_in_sync(old: bool) -> None:
    """The environment has no deployment, and knows nothing of the chainlet."""
    values: list[dict[str, Any]] = [{"chainletName": "Misspelt", "instanceTypeID": "1x2", "autoscalingSettings": {"maxReplica": 4}}]
    done = run(spec(chainletSettings=values), deployed=False, shape={"old": old})
    assert done.conditions["Synced"]["reason"] == "Unconfirmed"
