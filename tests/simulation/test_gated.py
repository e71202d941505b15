"""Scripted days with windows, approvals, budgets, deadlines and aborts; the invariants watch all the while."""

from __future__ import annotations

import pytest

from . import gated
from .runner import Simulation
from .scenario import HOUR, SHAPES, call, crash, edit, run, spec, trouble, types
from .story import Step

NIGHT = {"windows": [{"start": "09:00", "end": "09:30"}]}
"""Three hours after a run begins, by its clock."""
MANUAL = {"approval": "Manual"}


def approve(at: float) -> Step:
    return Step(at, "approve", {"what": "right"})


def begun(simulation: Simulation) -> list[float]:
    return [round(sent.at) for sent in simulation.rollouts()]


def test_a_rollout_begins_when_its_window_opens() -> None:
    simulation = run(spec(deploymentID="d1", rollout=NIGHT), hours=4)
    assert begun(simulation) == [3 * HOUR]


def test_what_a_new_spec_asks_for_waits_without_being_doubted_by_the_next_read() -> None:
    """It was declared, not found: a read within a progress interval of the first one does not take the wait back."""
    shown: list[str] = []

    def note(simulation: Simulation) -> None:
        waiting = simulation.api.objects["apps", "web"]["status"].get("rollout", {})
        shown.append(f"{simulation.conditions['Synced']['reason']} {waiting.get('waitsFor')}")

    typed = edit(600, "chainletSettings", types(Llm="H100:2"))
    touches = [Step(600.0 + at, "approve", {"what": "wrong"}) for at in (2, 4, 6)]
    run(spec(rollout=NIGHT), typed, *touches, *(call(600.5 + at, note) for at in (1, 3, 5, 7, 30)), hours=4)
    assert shown == ["WaitingForWindow Window"] * 5


def test_a_restart_does_not_doubt_what_waits() -> None:
    """What somebody else changed was believed by the process before."""
    shown: list[str] = []
    drifted = Step(600.0, "stranger", {"does": "types", "source": "d2", "type": "H100:2", "number": 1})
    reads = [call(3600.0 + at, lambda s: shown.append(s.conditions["Synced"]["reason"])) for at in range(400)]
    run(spec(rollout=NIGHT, chainletSettings=types(Llm="1x2")), drifted, crash(3500, 1, down=100), *reads, hours=4)
    assert set(shown) == {"WaitingForWindow"}


def test_a_restart_while_it_waits_changes_nothing() -> None:
    simulation = run(spec(deploymentID="d1", rollout=NIGHT), crash(2 * HOUR, 1, down=5), crash(3 * HOUR - 3, 1, down=1), hours=4)
    assert len(begun(simulation)) == 1
    assert 3 * HOUR <= begun(simulation)[0] < 3 * HOUR + 60


@pytest.mark.parametrize("points", range(1, 9))
def test_an_approval_is_used_once_wherever_the_process_ends(points: int) -> None:
    """The same promotion is wanted again later, with the annotation still there."""
    back = edit(2 * HOUR, "deploymentID", "d2"), approve(2 * HOUR + 60), edit(3 * HOUR, "deploymentID", "d1")
    simulation = run(spec(deploymentID="d1", rollout=MANUAL), crash(1799, points, down=20), approve(1800), *back, hours=4)
    assert {sent.body["deployment_id"] for sent in simulation.rollouts("promote")} == {"d1", "d2"}


@pytest.mark.parametrize("kind", ["lost_request", "lost_answer", "gateway", "late"])
def test_an_approval_holds_for_the_repeats_of_its_call(kind: str) -> None:
    story = trouble(1790, kind, 60, "promote", value=35), approve(1800)
    simulation = run(spec(deploymentID="d1", rollout=MANUAL), *story, hours=2)
    assert 1 <= len(simulation.rollouts("promote")) <= 2
    assert simulation.conditions["Synced"]["reason"] == "InSync"


def test_what_is_lost_is_sent_again_only_in_a_window() -> None:
    """The first call leaves in the last minute of one day's window; the invariant fails if its repeat leaves outside."""
    lost = trouble(3 * HOUR + 1500, "lost_request", 400, "promote")
    simulation = run(spec(rollout=NIGHT), edit(3 * HOUR + 1780, "deploymentID", "d1"), lost, hours=26)
    assert len(simulation.rollouts("promote")) == 1
    assert simulation.rollouts("promote")[0].at >= 27 * HOUR - 1


@pytest.mark.parametrize("shape", SHAPES)
def test_an_aborted_rollout_is_not_begun_again(shape: dict[str, object]) -> None:
    def abort(simulation: Simulation) -> None:
        gated.abort(simulation, "right")

    simulation = run(spec(deploymentID="d1"), call(600, abort), hours=4, shape={"build_seconds": 1800.0, **shape})
    assert len(simulation.rollouts()) == 1
    assert simulation.conditions["Stalled"]["reason"] == "RolloutAborted"


def test_what_serves_by_now_is_left_alone() -> None:
    """The annotation comes in the very second in which the candidate becomes the current deployment, and later."""
    for late in (0, 1, 30, 600):
        names: list[str] = []

        def named(simulation: Simulation, names: list[str] = names) -> None:
            names[:] = [simulation.baseten.environments["staging"].current.id]  # type: ignore[union-attr]
            gated.abort(simulation, "wrong")

        simulation = run(spec(deploymentID="d1"), call(1800 + late, named), hours=3)
        assert simulation.baseten.deployments[names[0]].status == "ACTIVE"


def test_a_deadline_is_reported_when_it_passes_and_ends_with_the_rollout() -> None:
    slow = {"build_seconds": 1800.0}
    reported: list[str] = []
    polls = [call(at, lambda s: reported.append(s.conditions.get("Stalled", {}).get("reason", ""))) for at in (500, 700, 3.5 * HOUR)]
    run(spec(deploymentID="d1", rollout={"deadlineSeconds": 600}), *polls, hours=4, shape=slow)
    assert reported == ["", "RolloutDeadlineExceeded", ""]


def test_instance_types_above_the_budget_wait_until_it_is_raised() -> None:
    dear = spec(chainletSettings=types(Llm="H100:2"), budget={"maxUSDPerHour": "5"})
    simulation = run(dear, edit(2 * HOUR, "budget", {"maxUSDPerHour": "500"}), hours=4)
    assert [sent.at >= 2 * HOUR for sent in simulation.rollouts()] == [True]
