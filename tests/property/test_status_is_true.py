"""What must hold of every status, whatever Baseten says."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chainenv.core.deletion import plan_deletion
from chainenv.core.environment import SERVING, Chainlet, ChainletState, Deployment, Environment
from chainenv.core.findings import Finding, Severity
from chainenv.core.plan import plan
from chainenv.core.polling import Intervals, next_poll
from chainenv.core.reasons import Reason
from chainenv.core.recover import recover
from chainenv.core.status import GRACE_SECONDS, Observed, Report, Unobserved, changes, project, to_json
from chainenv.crd.types import ChainEnvironmentStatus, InstanceType

from .worlds import NOW, environment, of, world

FRESH = ChainEnvironmentStatus(observed_generation=-1)
HOSTILE = (
    "",
    " ",
    "\0",
    "a" * 3000,
    "../..",
    "{{7*7}}",
    "%s%n",
    "\u202e",
    "💥",
    "None",
    "]: ;",
    "\n\n",
    "ACTIVE\n",
    "rm -rf /",
    "<b>",
)


def reported(random: Random) -> Report:
    """The report of a run over any world, as the engine makes it; sometimes of one that failed or could not read."""
    given_ = world(random)
    planned = (plan_deletion if random.random() < 0.2 else plan)(recover(given_))
    failed = random.random() < 0.2
    trouble = (Finding(Severity.BLOCKED, Reason.UNAVAILABLE, "a call failed"),) if failed else ()
    return Report(
        generation=given_.desired.generation,
        now=NOW,
        observation=Observed(given_.environment) if not failed or random.random() < 0.5 else Unobserved(random.random() < 0.1),
        findings=(*planned.findings, *trouble),
        drift=planned.drift,
        journal=planned.journal,
        changes=tuple(a.change for a in planned.actions if random.random() < 0.8),
        acted_on=not failed,
        failing_for=random.choice([0.0, 1.0, 59.0, 60.0, 3600.0]) if failed else 0.0,
        reconcile_request="t1" if random.random() < 0.2 else None,
    )


def after_another(random: Random) -> tuple[ChainEnvironmentStatus, Report]:
    previous = FRESH if random.random() < 0.3 else project(FRESH, replace(reported(random), now=NOW - timedelta(hours=1)))
    return previous, reported(random)


pairs = of(after_another)


def have(status: ChainEnvironmentStatus) -> dict[str, Any]:
    return {c.type: c for c in status.conditions}


@given(pairs)
def test_projecting_twice_gives_the_same_status(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    once = project(*pair)
    assert project(once, pair[1]) == once
    assert to_json(project(once, replace(pair[1], now=NOW + timedelta(minutes=5)))) == to_json(once), "an unchanged poll writes nothing"
    assert list(changes(once, once)) == []


@given(pairs)
def test_the_stored_status_reads_back_as_the_same(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    stored = json.loads(json.dumps(to_json(project(*pair))))
    read = ChainEnvironmentStatus.model_validate(stored)
    assert to_json(read) == stored
    assert to_json(project(read, pair[1])) == to_json(project(project(*pair), pair[1]))


@given(pairs)
def test_conditions_are_kstatus_conditions(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    conditions = have(project(*pair))
    assert {"Ready", "Synced"} <= conditions.keys() <= {"Ready", "Synced", "Reconciling", "Stalled"}
    assert not {"Reconciling", "Stalled"} <= conditions.keys()
    assert all(c.reason and c.message for c in conditions.values())
    assert all(conditions[kind].status == "True" for kind in conditions.keys() & {"Reconciling", "Stalled"})
    assert all(set(c.reason) <= set(string.ascii_letters) for c in conditions.values())


@given(pairs)
def test_last_transition_time_moves_exactly_with_status(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    before, after = have(pair[0]), have(project(*pair))
    for kind, condition in after.items():
        old = before.get(kind)
        stays = old is not None and old.status == condition.status
        assert condition.last_transition_time == (old.last_transition_time if stays and old else NOW)


@given(pairs)
def test_ready_is_true_only_for_what_was_observed_to_serve(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    given_ = pair[1]
    if given_.observed and have(project(*pair))["Ready"].status == "True":
        assert given_.environment is not None
        assert given_.environment.current is not None
        assert given_.environment.current.status in SERVING


@given(pairs)
def test_synced_becomes_true_only_by_an_observation_without_findings(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    given_ = pair[1]
    before, synced = have(pair[0]).get("Synced"), have(project(*pair))["Synced"]
    confirmed = given_.observed and not given_.findings and not given_.changes and not given_.drift
    if confirmed:
        assert synced.status == "True"
    elif synced.status == "True":
        assert synced == before, "kept as it was, with the generation that it was confirmed for"
        assert given_.passing == given_.findings
        assert given_.failing_for < GRACE_SECONDS


@given(pairs)
def test_one_read_that_failed_writes_nothing(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    previous = pair[0] if pair[0].conditions else project(*pair)
    trouble = Finding(Severity.BLOCKED, Reason.UNAVAILABLE, "a request failed", "next try by 12:01Z")
    first = Report(
        generation=pair[1].generation,
        now=NOW,
        observation=Unobserved(),
        findings=(trouble,),
        journal=previous.operations,
        drift=previous.drift,
        acted_on=False,
    )
    assert project(previous, first) == previous
    assert list(changes(previous, project(previous, replace(first, failing_for=59)))) == [], "nor does a minute of failures warn anybody"


@given(pairs)
def test_a_rollout_under_way_is_never_settled(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    given_ = pair[1]
    if given_.observed and given_.environment is not None and given_.environment.promoting:
        assert {"Reconciling", "Stalled"} & have(project(*pair)).keys()


@given(pairs)
def test_the_message_is_never_good_news_while_something_is_wrong(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    status = project(*pair)
    conditions = have(status)
    wrong = [
        c
        for c in (conditions.get("Stalled"), conditions["Ready"], conditions["Synced"])
        if c and (c.type == "Stalled") == (c.status == "True")
    ]
    if wrong:
        assert (status.reason, status.message) == (wrong[0].reason, wrong[0].message)


@given(pairs)
def test_what_moves_is_polled_sooner_than_what_is_settled(pair: tuple[ChainEnvironmentStatus, Report]) -> None:
    seconds = next_poll(pair[1], Intervals(), missing=False, unchanged=0, jitter=0.5)
    if "Reconciling" in have(project(*pair)):
        assert seconds <= 60
    assert 0 < seconds <= 330


# -- hostile answers -----------------------------------------------------------------------------------------------


def hostile(random: Random) -> Environment:
    """Any text where Baseten may put any."""

    def text() -> str:
        return random.choice(HOSTILE)

    def deployment() -> Deployment:
        chainlets = tuple(Chainlet(text(), f"{text()}{i}", text(), random.choice([0, 10**12]), text()) for i in range(random.randint(0, 2)))
        return Deployment(text(), text(), random.choice([None, datetime.max.replace(tzinfo=NOW.tzinfo)]), text(), chainlets)

    states = (
        ChainletState(text(), InstanceType(id=text(), name=text(), gpu_type=text()), random.choice([None, {}, {"min_replica": -(10**12)}])),
    )
    seen = environment(random)
    return replace(
        seen,
        name=text(),
        chain_id=text(),
        promotion={**seen.promotion, "promotion_cleanup_strategy": text(), "rolling_deploy_config.rolling_deploy_strategy": text()},
        chainlets=random.choice([states, (*seen.chainlets, *states), ()]),
        current=random.choice([None, deployment()]),
        candidate=random.choice([None, deployment()]),
    )


@given(of(lambda random: (random, hostile(random))), st.booleans())
def test_hostile_answers_never_raise(drawn: tuple[Random, Environment], deleting: bool) -> None:
    random, seen = drawn
    given_ = replace(world(random), environment=seen, missing_since=None)
    planned = (plan_deletion if deleting else plan)(recover(given_))
    report = Report(1, NOW, Observed(seen), planned.findings, planned.drift, planned.journal, tuple(a.change for a in planned.actions))
    status = project(FRESH, report)
    stored = json.loads(json.dumps(to_json(status)))
    assert to_json(ChainEnvironmentStatus.model_validate(stored)) == stored
    assert all(len(c.message) <= 32768 for c in status.conditions)
    list(changes(FRESH, status))
    next_poll(report, Intervals(), missing=planned.missing, unchanged=0, jitter=0.5)
