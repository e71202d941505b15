"""When a poll may be passed over: only what had nothing to do, and would have nothing at any later time either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from chainenv.api import Baseten
from chainenv.core.actions import Plan
from chainenv.core.cost import PriceList
from chainenv.core.environment import Deployment, Environment
from chainenv.core.findings import Finding, Severity
from chainenv.core.reasons import Reason
from chainenv.core.resource import Resource, resource_of
from chainenv.core.status import Observed, Report
from chainenv.core.world import World
from chainenv.crd.enums import Operation, Outcome
from chainenv.crd.types import RECONCILE_ANNOTATION, Drift, JournalEntry
from chainenv.engine.decide import Decided, Known
from chainenv.engine.memory import MOST_PASSED, Facts, Settled, Since
from chainenv.engine.settled import settled

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVING = Environment("staging", "abcd1234", current=Deployment("d1", "ACTIVE"))
PRICES = PriceList()
WINDOW = {"start": "09:00", "end": "16:00", "timeZone": "Europe/Berlin"}
SCHEDULE = {"name": "day", **WINDOW, "chainletSettings": [{"chainletName": "LLM", "autoscalingSettings": {"minReplica": 4}}]}


def resource(annotations: dict[str, str] | None = None, *, deleting: bool = False, **spec: Any) -> Resource:
    meta: dict[str, Any] = {"namespace": "team", "name": "staging", "uid": "u", "generation": 1, "resourceVersion": "7"}
    meta |= {"creationTimestamp": "2026-01-01T00:00:00Z", "annotations": annotations or {}}
    if deleting:
        meta["deletionTimestamp"] = "2026-03-01T11:00:00Z"
    return resource_of({"metadata": meta, "spec": {"chainID": "abcd1234", **spec}})


def entry(**more: Any) -> JournalEntry:
    done: dict[str, Any] = {"finished_at": NOW, "outcome": Outcome.ACCEPTED, "settled": True}
    return JournalEntry(operation=Operation.PROMOTE, hash="h", started_at=NOW, **{**done, **more})


Run = tuple[Known, Decided, Report]


def idle(this: Resource | None = None) -> Run:
    """A run that had nothing to do."""
    this = this or resource()
    world = World(this.desired, SERVING, NOW, answer=b"digest")
    facts = Facts(last_observed=NOW, key="fingerprint")
    decided = Decided(world, Plan(managed=True), facts, cast(Baseten, None), 0.0)
    return Known(this, (), facts), decided, Report(1, NOW, Observed(SERVING, managed=True))


def with_known(**more: Any) -> Callable[[], Run]:
    known, decided, report = idle()
    return lambda: (replace(known, **more), decided, report)


def with_world(**more: Any) -> Callable[[], Run]:
    known, decided, report = idle()
    return lambda: (known, replace(decided, world=replace(decided.world, **more)), report)


def with_plan(**more: Any) -> Callable[[], Run]:
    known, decided, report = idle()
    return lambda: (known, replace(decided, plan=replace(decided.plan, **more)), report)


def with_facts(**more: Any) -> Callable[[], Run]:
    known, decided, report = idle()
    return lambda: (known, replace(decided, facts=replace(decided.facts, **more)), report)


def with_journal(one: JournalEntry) -> Callable[[], Run]:
    this = resource()
    this = replace(this, status=this.status.model_copy(update={"operations": (one,)}))
    known, decided, report = idle(this)
    return lambda: (replace(known, journal=(one,)), replace(decided, plan=replace(decided.plan, journal=(one,))), report)


MOVING = replace(SERVING, candidate=Deployment("d2", "BUILDING"))
FINDING = Finding(Severity.BLOCKED, Reason.NOT_CONVERGING, "still differs")
NOT_SETTLED: dict[str, Callable[[], Run]] = {
    "a schedule": lambda: idle(resource(autoscalingSchedules=[SCHEDULE])),
    "a source to follow": lambda: idle(resource(promoteFrom={"name": "other"})),
    "something to clean up": lambda: idle(resource(cleanup={"keepLast": 1, "action": "Deactivate"})),
    "a budget": lambda: idle(resource(budget={"maxUSDPerHour": "5"})),
    "being deleted": lambda: idle(resource(deleting=True)),
    "a request": lambda: idle(resource({RECONCILE_ANNOTATION: "now"})),
    "another owner": with_known(owner=resource()),
    "contested": with_known(contested=True),
    "another journal": with_known(journal=(entry(),)),
    "not managed": with_plan(managed=False),
    "missing": with_plan(missing=True),
    "just adopted": with_plan(adopted=True),
    "due again": with_plan(due=NOW),
    "a finding": with_plan(findings=(FINDING,)),
    "drift": with_plan(drift=(Drift(path="p", desired="1", actual="2"),)),
    "no environment": with_world(environment=None),
    "another deployment was read": with_world(looked_up={"d2": None}),
    "a former deployment was read": with_world(former={"d0": None}),
    "the chain's deployments were read": with_world(chain_deployments=()),
    "the spec has changed": with_world(spec_changed=True),
    "another key": with_world(new_key=True),
    "perhaps another environment": with_facts(replaced=Since("x", 0.0)),
    "perhaps other instance types": with_facts(differs=Since("x", 0.0)),
    "was missing": with_facts(missing_since=NOW),
    "a rollout without an end": with_journal(entry(settled=None)),
    "a call without an answer": with_journal(entry(outcome=None, finished_at=None)),
    "a refusal": with_journal(entry(outcome=Outcome.REFUSED)),
    "a lost call": with_journal(entry(outcome=Outcome.LOST)),
    "under way": lambda: (*idle()[:2], Report(1, NOW, Observed(MOVING, managed=True))),
}


def test_a_run_that_had_nothing_to_do_is_settled() -> None:
    known, decided, report = idle()
    assert settled(known, decided, report) == Settled(b"digest", "7", "fingerprint", None, known.actors)


def test_a_rollout_that_has_ended_leaves_it_settled() -> None:
    assert settled(*with_journal(entry())()) is not None


@pytest.mark.parametrize("what", NOT_SETTLED)
def test_it_is_not_settled_with(what: str) -> None:
    assert settled(*NOT_SETTLED[what]()) is None


ACTORS: dict[str, str] = {}
AS_IT_WAS = Settled(b"digest", "7", "fingerprint", PRICES, ACTORS)


def test_the_same_holds() -> None:
    assert AS_IT_WAS.holds(resource(), "fingerprint", PRICES, ACTORS)


@pytest.mark.parametrize(
    ("which", "this", "key", "prices", "actors"),
    [
        (AS_IT_WAS, replace(resource(), resource_version="8"), "fingerprint", PRICES, ACTORS),
        (AS_IT_WAS, resource(), "another", PRICES, ACTORS),
        (AS_IT_WAS, resource(), "fingerprint", PriceList(), ACTORS),
        (AS_IT_WAS, resource(), "fingerprint", PRICES, {"d2": "somebody"}),
        (replace(AS_IT_WAS, passed=MOST_PASSED), resource(), "fingerprint", PRICES, ACTORS),
    ],
    ids=["another version of the object", "another key", "other prices", "known who did it", "passed over often enough"],
)
def test_it_does_not_hold_with(which: Settled, this: Resource, key: str, prices: PriceList, actors: dict[str, str]) -> None:
    assert not which.holds(this, key, prices, actors)


def test_nothing_is_passed_over_while_others_want_the_environment() -> None:
    known, _, _ = idle()
    known = replace(known, settled=Settled(b"digest", "7", "fingerprint", PRICES, known.actors))
    assert known.may_pass("fingerprint", lambda: PRICES) is known.settled
    assert replace(known, contested=True).may_pass("fingerprint", lambda: PRICES) is None
    assert replace(known, owner=resource()).may_pass("fingerprint", lambda: PRICES) is None
