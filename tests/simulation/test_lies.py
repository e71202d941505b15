"""Answers that name something else than what was asked for, and what is decided between two reads."""

from __future__ import annotations

from typing import Any

import pytest

from .hostile import draw_hostile
from .runner import Simulation, play
from .scenario import HOUR, START, call, edit, run, spec, stranger, trouble, types

KEEPS: dict[str, Any] = {"promotionSettings": {"promotionCleanupStrategy": "KEEP"}}


def reasons(at: float, into: list[str]) -> Any:
    return call(at, lambda simulation: into.append(simulation.conditions["Synced"]["reason"]))


def test_a_promotion_is_not_done_because_its_answer_names_what_served_before() -> None:
    told: list[str] = []
    lie = trouble(START - 1, "lie", 5, "promote", value="another")
    polls = reasons(START + 20, told), reasons(START + 50, told)
    declared = spec(chainletSettings=types(Llm="1x2"))
    run(declared, edit(START, "deploymentID", "d1"), lie, *polls, shape={"old": True, "build_seconds": 600.0})
    assert told == ["RollingOut", "RollingOut"]


def test_a_candidate_that_serves_already_holds_nothing_back() -> None:
    """A server goes on showing it after the promotion."""
    steps = trouble(START, "lie", 2 * HOUR, "get_environment", value="twice"), edit(START + 600, "deploymentID", "d1")
    done = run(spec(), *steps)
    assert [sent.at < 2 * START for sent in done.rollouts("promote")] == [True]


def test_an_answer_about_another_environment_changes_nothing() -> None:
    lie = trouble(START, "lie", HOUR, "get_environment", value="elsewhere")
    reads: list[str] = []
    name = call(START + 1800, lambda s: reads.append(s.api.objects[s.NAME]["status"]["environment"]["name"]))
    done = run(spec(chainletSettings=types(Llm="2x8")), lie, name)
    assert reads == ["staging"]
    assert len(done.rollouts()) == 1


@pytest.mark.parametrize("action", ["Deactivate", "Delete"])
def test_what_somebody_goes_back_to_while_it_is_read_is_not_cleaned_up(action: str) -> None:
    """The deployment is read as one that served before; until the call leaves it is a candidate again."""

    def go_back(simulation: Simulation) -> None:
        simulation.baseten.handle("promote", {"chain_id": "chain1", "env_name": "staging"}, {"deployment_id": "d4"})

    steps = (
        stranger(START, "push"),
        trouble(HOUR - 1, "slow", 60, "get_deployment", value=20),
        edit(HOUR, "cleanup", {"keepLast": 0, "action": action}),
        call(HOUR + 10, go_back),
    )
    done = run(spec(**KEEPS), *steps)
    assert done.baseten.environments["staging"].current.id == "d4"  # type: ignore[union-attr]
    assert done.baseten.deployments["d4"].status == "ACTIVE"


def test_a_list_without_prices_takes_no_prices_away() -> None:
    """Within a budget, what was known goes on to be known."""
    values = [{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 2}}]
    more = [{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 4}}]
    empty = call(START, lambda simulation: setattr(simulation.baseten.shape, "prices", "empty"))
    steps = empty, edit(2 * HOUR, "chainletSettings", more)
    done = run(spec(chainletSettings=values, budget={"maxUSDPerHour": "40"}), *steps)
    assert done.baseten.environments["staging"].autoscaling["Llm"]["max_replica"] == 4


@pytest.mark.parametrize("first", range(1, 31, 10))
def test_random_days_of_lies(first: int) -> None:
    for seed in range(first, first + 10):
        outcome = play(draw_hostile(seed))
        assert outcome.violation is None, outcome.text
