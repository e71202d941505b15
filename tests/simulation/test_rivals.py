"""Several resources declare one environment (docs/decisions/0009)."""

from __future__ import annotations

import pytest

from .rivals import KINDS, draw_rivals
from .runner import NAME, Simulation, play
from .scenario import HOUR, START, call, crash, delete, edit, rival, run, spec, trouble
from .shrinking import shrink
from .story import Step

SQUATTERS = [kind for kind in KINDS if not kind.startswith("good")]


@pytest.mark.parametrize("first", range(1, 61, 15))
def test_random_rivals(first: int) -> None:
    """Three hours each: created, changed and deleted at any time, with crashes in between."""
    for seed in range(first, first + 15):
        outcome = play(draw_rivals(seed))
        if outcome.violation is not None:
            pytest.fail(shrink(outcome).text)


def reason(done: Simulation, name: tuple[str, str]) -> str:
    conditions = done.api.objects[name]["status"].get("conditions", ())
    return next((c["reason"] for c in conditions if c["type"] == "Synced"), "none")


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("age", [0.0, 7200.0], ids=["younger", "older"])
@pytest.mark.parametrize("kind", SQUATTERS)
def test_a_squatter_holds_nobody_up(kind: str, age: float, existing: bool) -> None:
    declared = spec(deploymentID="d1", deletionPolicy="Deactivate")
    squat = rival(0.0001, kind, age=age, deploymentID="d2", deletionPolicy="Deactivate")
    seen: list[str] = []
    note = call(START + HOUR, lambda s: seen.append(reason(s, NAME)))
    done = run(declared, squat, note, delete(START + HOUR + 1), existing=existing, deployed=existing)
    assert seen == ["InSync"]
    assert [s.body["deployment_id"] for s in done.rollouts("promote")] == ["d1"]
    current = done.baseten.environments["staging"].current
    assert current is not None
    assert current.status == "INACTIVE", "the deletion of the true owner acts"
    assert NAME not in done.api.objects


@pytest.mark.parametrize("age", [0.0, 7200.0], ids=["younger", "older"])
@pytest.mark.parametrize("kind", ["good", "good elsewhere"])
def test_who_comes_second_owns_nothing_and_is_next_when_the_owner_goes(kind: str, age: float) -> None:
    """Also an older one: of two that are proven the older wins, but it never read the environment as its own."""
    steps = [rival(START, kind, age=age, deploymentID="d2"), edit(START + 60, "deploymentID", "d3"), delete(START + HOUR)]
    done = run(spec(deploymentID="d1", deletionPolicy="Retain"), *steps)
    assert [(s.by[1], s.body["deployment_id"]) for s in done.rollouts("promote")] == [("web", "d1"), ("web", "d3"), ("rival-1", "d2")]


@pytest.mark.parametrize("points", range(1, 9))
def test_of_two_that_begin_together_one_acts_whatever_crashes(points: int) -> None:
    """The same value, declared twice: one deployment."""
    steps = [rival(0.0001, "good", deploymentID="d1"), crash(0.001, points)]
    done = run(spec(deploymentID="d1"), *steps)
    assert len(done.rollouts("promote")) == 1
    assert sorted([reason(done, NAME), reason(done, ("apps", "rival-1"))]) == ["DuplicateTarget", "InSync"]


@pytest.mark.parametrize(
    "change", [delete(START + 5), edit(START + 5, "managementPolicy", "Pause"), edit(START + 5, "environmentName", "other")]
)
@pytest.mark.parametrize("kind", ["late", "slow", "gateway"])
def test_another_owner_waits_for_the_call_that_the_last_one_has_under_way(kind: str, change: Step) -> None:
    slow = trouble(START, "late" if kind == "slow" else kind, 40, "promote", value=15)
    steps = [rival(60, "good", deploymentID="d2"), slow, edit(START + 1, "deploymentID", "d1"), change]
    done = run(spec(), *steps)
    sends = [(s.by[1], s.body["deployment_id"]) for s in done.rollouts("promote") if s.parameters["env_name"] == "staging"]
    assert sends in ([("web", "d1"), ("rival-1", "d2")], [("web", "d1")])
