"""A source and its follower, and what is cleaned up behind them, through the faults of random days and some told step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

import pytest

from .clock import wall
from .runner import NAME, Simulation, play
from .scenario import HOUR, START, call, crash, run, spec, stranger, trouble
from .story import DAY, QUIET, SOURCES, Step, Story, draw

FOLLOWS: dict[str, Any] = {"promoteFrom": {"name": "dev", "soakSeconds": 600}, "cleanup": {"keepLast": 1, "afterSeconds": 60}}


def declared(simulation: Simulation) -> None:
    """The source is a resource as well."""
    simulation.api.create("apps", "dev", {"chainID": "chain1", "environmentName": "dev"})


def serves(deployment: str) -> Callable[[Simulation], None]:
    """Somebody makes dev serve another one of its deployments."""

    def move(simulation: Simulation) -> None:
        dev = simulation.baseten.environments["dev"]
        if dev.current is not None and dev.current.id != deployment:
            simulation.invariants.epoch["promote"] += 1
            dev.current = simulation.baseten.deployments[deployment]

    return move


def promoted(done: Simulation) -> list[str]:
    return [sent.body["deployment_id"] for sent in done.rollouts("promote")]


def test_what_the_source_proved_is_promoted_once_each() -> None:
    moves = [call(START * n, serves(each)) for n, each in enumerate(("d1", "d2", "d1"), 1)]
    done = run(spec(**FOLLOWS), call(1, declared), *moves)
    assert promoted(done) == ["d3", "d1", "d2", "d1"]


def test_what_did_not_soak_is_not_promoted() -> None:
    follows = {"promoteFrom": {"name": "dev", "soakSeconds": 3600}}
    flaps = [call(2 * HOUR + 900 * n, serves(SOURCES[n % 2])) for n in range(12)]
    done = run(spec(**follows), call(1, declared), *flaps, hours=6)
    assert promoted(done) == ["d3", "d2"]


ENDS = {"lost_answer": "InSync", "gateway": "InSync", "late": "InSync", "doubled": "InSync", "lost_request": "NotConverging"}
"""After two sends that never arrived only a person makes another try."""


@pytest.mark.parametrize("kind", ENDS)
def test_a_promotion_without_an_answer_is_done_once(kind: str) -> None:
    done = run(spec(**FOLLOWS), call(1, declared), call(START, serves("d1")), trouble(START + 600, kind, 400, "promote", value=20))
    assert promoted(done).count("d1") <= 1
    assert done.conditions["Synced"]["reason"] == ENDS[kind]


def test_a_restart_forgets_neither_the_soak_nor_the_history() -> None:
    crashes = [crash(START + 100 * n, 3, down=60) for n in range(1, 9)]
    done = run(spec(**FOLLOWS), call(1, declared), call(START, serves("d1")), *crashes)
    assert promoted(done) == ["d3", "d1"]
    assert [e["source"] for e in done.api.objects[NAME]["status"]["history"][:2]] == ["d1", "d3"]


def acted_on_at_once(simulation: Simulation) -> None:
    """Somebody edits the source, and what it serves is observed without waiting for its poll."""
    simulation.api.edit(("apps", "dev"), lambda raw: raw["spec"].update(deletionPolicy="Retain"))


def when(done: Simulation, deployment: str) -> float:
    """It was asked for once."""
    calls = (sent for sent, _, _ in done.invariants.rollouts if sent.endpoint == "promote")
    (sent,) = (each for each in calls if each.body["deployment_id"] == deployment)
    return sent.at


def began(done: Simulation) -> float:
    """When the source was first observed with what it serves now."""
    since = datetime.fromisoformat(done.api.objects["apps", "dev"]["status"]["history"][0]["since"])
    return (since - wall(0, 0)).total_seconds()


def becomes(status: str) -> Callable[[Simulation], None]:
    def change(simulation: Simulation) -> None:
        current = simulation.baseten.environments["dev"].current
        assert current is not None
        current.status = status

    return change


SHORT = {"promoteFrom": {"name": "dev", "soakSeconds": 200}}
"""The source is polled every five minutes: not once while it soaks."""


def test_a_source_that_fails_between_two_polls_is_not_promoted() -> None:
    fails = [call(START + 100, becomes("UNHEALTHY")), call(START + 900, becomes("ACTIVE"))]
    done = run(spec(**SHORT), call(1, declared), call(START, serves("d1")), call(START + 1, acted_on_at_once), *fails, hours=1)
    assert when(done, "d1") >= START + 900 + 200


def test_a_source_that_failed_while_the_operator_was_down_is_not_promoted() -> None:
    """What its status shows is of before."""
    fails = [call(START + 600, becomes("UNHEALTHY")), call(2 * HOUR, becomes("ACTIVE"))]
    down = [crash(START + 60, 1, down=1800), call(START + 61, acted_on_at_once)]
    done = run(spec(**SHORT), call(1, declared), call(START, serves("d1")), call(START + 1, acted_on_at_once), *down, *fails, hours=3)
    assert when(done, "d1") >= 2 * HOUR + 200


def test_what_still_serves_at_the_end_of_its_soak_is_promoted_within_seconds() -> None:
    done = run(spec(**SHORT), call(1, declared), call(START, serves("d1")), call(START + 1, acted_on_at_once), hours=1)
    assert 0 <= when(done, "d1") - began(done) - 200 <= 5


def test_strangers_stand_in_the_history_and_are_cleaned_up_behind() -> None:
    pushes = [stranger(START + 1200 * n, "push") for n in range(5)]
    done = run(spec(cleanup={"keepLast": 2, "action": "Delete"}), *pushes)
    history = done.api.objects[NAME]["status"]["history"]
    assert {entry["cause"] for entry in history} == {"External"}
    gone = [entry["deploymentID"] for entry in history if entry["deploymentID"] not in done.baseten.deployments]
    assert gone == [entry["deploymentID"] for entry in history[3:]]


def followed(seed: int) -> Story:
    """A random day of a follower: the source moves between its deployments, also while other things go wrong."""
    story, rng = draw(seed), Random(seed)
    kept = {k: v for k, v in story.spec.items() if k != "deploymentID"}
    steps = [s for s in story.steps if s.more.get("field") != "deploymentID"]
    moves = [call(round(rng.uniform(600, DAY - QUIET - HOUR), 2), serves(rng.choice(SOURCES))) for _ in range(6)]
    rules = {"keepLast": rng.randint(0, 2), "afterSeconds": rng.choice((0, 600)), "action": rng.choice(("Deactivate", "Delete"))}
    follows = {"promoteFrom": {"name": "dev", "soakSeconds": rng.choice((0, 60, 3600))}, "cleanup": rules}
    return replace(
        story, spec={**kept, **follows}, steps=tuple(sorted([Step(1.0, "call", {"does": declared}), *moves, *steps], key=lambda s: s.at))
    )


@pytest.mark.parametrize("seed", range(1, 25))
def test_random_days_of_a_follower(seed: int) -> None:
    outcome = play(followed(seed))
    assert outcome.violation is None, outcome.text
