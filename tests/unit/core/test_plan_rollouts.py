"""What starts a deployment: instance types and promotions, one at a time and never twice (docs/behaviour.md, "Nothing twice")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chainenv.core.actions import Plan
from chainenv.core.changes import Promote, UpdateInstanceTypes
from chainenv.core.findings import Severity
from chainenv.core.values import digest
from chainenv.crd.enums import Operation
from chainenv.crd.types import JournalEntry

from .helpers import (
    LARGE,
    SMALL,
    Case,
    ago,
    answered,
    calls,
    decide,
    deployment,
    desired,
    entries,
    environment,
    only,
    opened,
    reasons,
    state,
    table,
    want,
    world,
)

TYPES, PROMOTE = Operation.INSTANCE_TYPES, Operation.PROMOTE
HASH = {"hash": digest({"A": LARGE})}
RUNNING = deployment("dep-new", "BUILDING", created=5)
OLD = environment(state("A", SMALL))


def typed(*journal: JournalEntry, seen: Any = OLD, **more: Any) -> Plan:
    """The decision about chainlet A, wanted LARGE."""
    return decide(world(desired(want("A", LARGE)), seen, *journal, **more))


def asked(*journal: JournalEntry, seen: Any = OLD, target: str | None = "dep-asked", **more: Any) -> Plan:
    """The decision about a spec with this deploymentID."""
    return decide(world(desired(deployment_id=target), seen, *journal, **more))


def promoted(target: str = "dep-asked", **more: Any) -> JournalEntry:
    """A promotion that came to its end."""
    return answered(Operation.PROMOTED, 999, target, **{"target": target, "deployment_id": target, "settled": True, **more})


def attempt(seconds: float = 999, target: str = "dep-asked", outcome: str = "Accepted", **more: Any) -> JournalEntry:
    """A promotion that was answered."""
    said = {"message": "no"} if outcome != "Accepted" else {}
    became = {"deployment_id": target} if outcome in ("Accepted", "Failed") else {}
    return answered(PROMOTE, seconds, target, outcome, **{"target": target, **became, **said, **more})


# -- instance types ------------------------------------------------------------------------------------------------


def test_one_call_for_all_chainlets_that_differ() -> None:
    wanted = desired(want("A", LARGE), want("B", LARGE), want("C", SMALL), want("D"), want("Gone", LARGE))
    seen = environment(state("A", SMALL), state("B", SMALL), state("C", SMALL), state("D", SMALL))
    action = only(decide(world(wanted, seen)))
    assert isinstance(action.change, UpdateInstanceTypes)
    assert dict(action.change.changes) == {"A": LARGE, "B": LARGE}
    assert {d.path: (d.desired, d.actual) for d in action.change.differences} == {
        "chainletSettings[A].instanceTypeID": (LARGE, SMALL),
        "chainletSettings[B].instanceTypeID": (LARGE, SMALL),
    }


def test_its_intent_is_written_first_and_knows_what_was_there() -> None:
    action = only(typed())
    assert action.intent_first
    assert action.entry.known_deployments == ("dep-old",)
    assert action.entry.outcome is None


@table(
    Case("the same", "settled", environment(state("A", LARGE)), 0),
    Case("not shown", "nothing is known of its type", environment(state("A", None)), 0),
    Case("not there", "left out of every batch", environment(state("B", SMALL)), 0),
    Case("a promotion runs", "not while a promotion runs", environment(state("A", SMALL), candidate=RUNNING), 0),
    Case("no deployment", "answered without one", environment(state("A", SMALL), bare=True), 1),
)
def test_types(case: Case) -> None:
    assert len(typed(seen=case.given).actions) == case.expected, case.why


@table(
    Case("open, young", "it may have happened", opened(TYPES, 59, **HASH), (0, ["SettlingIntent"])),
    Case("open, old", "neither shows after the settling time", opened(TYPES, 60, **HASH), (1, [])),
    Case("open, another value", "it may have happened", opened(TYPES, 5, "other"), (0, ["SettlingIntent"])),
    Case("answered", "not seen yet", answered(TYPES, 5, deployment_id="d", **HASH), (0, ["RollingOut"])),
    Case(
        "settled, differs",
        "each costs GPUs: not without a person",
        answered(TYPES, 99999, deployment_id="d", settled=True, **HASH),
        (0, ["NotConverging"]),
    ),
    Case(
        "failed",
        "not repeated by itself",
        answered(TYPES, 99999, outcome="Failed", deployment_id="d", message="m", **HASH),
        (0, ["RolloutFailed"]),
    ),
    Case(
        "failed, another value",
        "the spec has changed",
        answered(TYPES, 5, "other", outcome="Failed", deployment_id="d", message="m"),
        (1, None),
    ),
    Case(
        "refused twice",
        "Stalled until the spec changes",
        answered(TYPES, 5, outcome="Refused", message="no such GPU", attempts=2, **HASH),
        (0, ["Refused"]),
    ),
    Case("a promotion is open", "one at a time", opened(PROMOTE, 5), (0, None)),
    Case("a promotion is under way", "one at a time", answered(PROMOTE, 5, deployment_id="d"), (0, None)),
    Case("a promotion has ended", "nothing is under way", promoted(), (1, [])),
)
def test_types_and_the_journal(case: Case) -> None:
    planned = typed(case.given)
    sends, reported = case.expected
    assert len(planned.actions) == sends, case.why
    assert reported is None or reasons(planned.findings) == reported
    assert planned.actions or planned.findings, "a difference is never passed over in silence"


@table(
    Case("settled", "a person asked for another try", answered(TYPES, 999, deployment_id="d", settled=True, **HASH), 1),
    Case("failed", "a person asked for another try", answered(TYPES, 999, outcome="Failed", deployment_id="d", message="m", **HASH), 1),
    Case("open", "not even then", opened(TYPES, 5, **HASH), 0),
    Case("under way", "not even then", answered(TYPES, 5, deployment_id="d", **HASH), 0),
)
def test_types_when_a_person_asks(case: Case) -> None:
    assert len(typed(case.given, forced=True).actions) == case.expected, case.why


def test_a_failed_update_is_history_once_the_spec_is_back_at_what_baseten_holds() -> None:
    """ "Synced: Baseten holds what the spec says": it does."""
    failed = answered(TYPES, 999, outcome="Failed", deployment_id="d", message="m", **HASH)
    planned = decide(world(desired(want("A", SMALL), generation=2), OLD, failed))
    assert planned.findings == ()


# -- promotion -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale_down", [None, True, False])
def test_a_deployment_is_promoted_with_its_intent_written_first(scale_down: bool | None) -> None:
    action = only(decide(world(desired(deployment_id="dep-asked", scale_down_previous=scale_down), OLD)))
    assert action.change == Promote("dep-asked", scale_down)
    assert action.intent_first
    assert (action.entry.target, action.entry.known_deployments) == ("dep-asked", ("dep-old",))


@table(
    Case("no deploymentID", "nothing is promoted", {"target": None}, 0),
    Case("is current at first sight", "promoted already", {"target": "dep-old"}, 0),
    Case("is candidate at first sight", "being promoted already", {"target": "dep-new", "seen": environment(candidate=RUNNING)}, 0),
    Case("a promotion runs", "not while a promotion runs", {"seen": environment(candidate=RUNNING)}, 0),
    Case("the first deployment", "push or promote one", {"seen": environment(bare=True)}, 1),
)
def test_promote(case: Case) -> None:
    assert len(asked(**case.given).actions) == case.expected, case.why


@table(
    Case("promoted, another serves now", "once for each value", promoted(), (0, [])),
    Case("another one before", "another value", promoted("dep-before"), (1, [])),
    Case("open, young", "it may have happened", opened(PROMOTE, 59, "dep-asked", target="dep-asked"), (0, ["SettlingIntent"])),
    Case("open, old", "it did not happen", opened(PROMOTE, 60, "dep-asked", target="dep-asked"), (1, [])),
    Case("under way", "once", attempt(5), (0, ["RollingOut"])),
    Case("failed", "not repeated by itself", attempt(outcome="Failed"), (0, ["RolloutFailed"])),
    Case("not found", "it may be too new", attempt(5, outcome="NotFound"), (0, ["Correcting"])),
    Case("not found again", "correct deploymentID", attempt(5, outcome="NotFound", attempts=2), (0, ["DeploymentNotFound"])),
    Case("refused", "the environment may be busy", attempt(5, outcome="Refused"), (0, ["Correcting"])),
    Case("refused again", "less and less often", attempt(5, outcome="Refused", attempts=2), (0, ["Refused"])),
    Case("refused an hour ago", "until the spec changes or an hour", attempt(3600, outcome="Refused"), (1, [])),
    Case("the one before is open", "one at a time", opened(PROMOTE, 5, "b", target="b"), (0, ["SettlingIntent"])),
    Case("the one before is under way", "one at a time", attempt(5, "b"), (0, ["RollingOut"])),
    Case("the one before failed", "another value", attempt(5, "b", "Failed"), (1, [])),
    Case("the one before was refused", "another value", attempt(5, "b", "Refused"), (1, [])),
    Case("types are under way", "one at a time", answered(TYPES, 5, deployment_id="d"), (0, ["RollingOut"])),
)
def test_promote_and_the_journal(case: Case) -> None:
    planned = asked(case.given)
    assert (len(planned.actions), reasons(planned.findings)) == case.expected, case.why


def test_only_a_person_repeats_a_failed_promotion() -> None:
    assert calls(asked(attempt(outcome="Failed"), forced=True)) == [Promote("dep-asked", None)]
    assert calls(asked(promoted(), forced=True)) == [], "what was promoted is not promoted again"


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(promoted("dep-before"), id="after another promotion of ours"),
        pytest.param(attempt(4000, outcome="Refused"), id="after ours was refused"),
        pytest.param(attempt(5, "b", "Failed"), id="after another one failed"),
    ],
)
def test_what_somebody_has_promoted_already_is_not_promoted_again(entry: JournalEntry) -> None:
    """A push that promotes, then its id in Git: with redeployOnPromotion another copy."""
    seen = environment(state("A", SMALL), current=deployment("dep-asked", created=5))
    planned = asked(entry, seen=seen)
    assert (planned.actions, planned.findings) == ((), ())


def test_a_deployment_that_somebody_promotes_but_that_fails_is_not_reported_as_promoted() -> None:
    """Seen as candidate, then failed: the spec's deployment does not serve, and Synced must not be True."""
    first = asked(target="dep-new", seen=environment(candidate=RUNNING))
    assert first.actions == ()
    later = asked(*first.journal, target="dep-new", looked_up={"dep-new": deployment("dep-new", "BUILD_FAILED")})
    assert later.actions or later.findings


def test_a_promotion_that_failed_is_not_reported_as_rolling_out_while_its_candidate_stays() -> None:
    """BUILD_FAILED is terminal; "rolling out" would never end."""
    entry = attempt(deployment_id="dep-new")
    planned = asked(entry, seen=environment(candidate=deployment("dep-new", "BUILD_FAILED", created=999)))
    assert "RollingOut" not in reasons(planned.findings)
    assert all(f.severity is not Severity.WAITING for f in planned.findings)
    assert planned.findings


def test_types_come_before_the_promotion_and_one_run_starts_one_deployment() -> None:
    planned = decide(world(desired(want("A", LARGE), deployment_id="dep-asked"), OLD))
    assert sum(action.intent_first for action in planned.actions) == 1
    assert "PromotionRunning" in reasons(planned.findings)


@table(
    Case("under way", "types wait for it, and say so", attempt(5), None),
    Case("open", "types wait for it, and say so", opened(PROMOTE, 5, "b", target="b"), None),
)
def test_a_wait_for_a_promotion_that_the_spec_no_longer_has_is_reported(case: Case) -> None:
    planned = typed(case.given)
    assert planned.actions == ()
    assert planned.findings, f"{case.why}: without a finding Synced is True, but Baseten holds something else"


@table(
    Case("still serves", "the same id again asks for nothing", ("dep-old", None), True),
    Case("its copy still serves", "the same id again asks for nothing", ("dep-asked", "dep-old"), True),
    Case("something else serves", "the same id again is another promotion", ("dep-asked", "dep-asked"), False),
)
def test_without_deployment_id(case: Case) -> None:
    target, became = case.given
    planned = asked(promoted(target, deployment_id=became or target), target=None)
    assert (Operation.PROMOTED in entries(planned)) is case.expected, case.why
    assert (planned.actions, planned.findings) == ((), ())


# -- answers that are lost again and again -------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [desired(want("A", LARGE)), desired(deployment_id="dep-asked")], ids=["types", "promotion"])
def test_a_rollout_whose_answer_is_lost_each_time_is_sent_three_times_an_hour_at_most(wanted: Any) -> None:
    """docs/decisions/0002: not repeated automatically. Each of them may cost GPUs."""
    journal: tuple[JournalEntry, ...] = ()
    sent = 0
    for seconds in range(3500, 0, -70):
        planned = decide(replace(world(wanted, OLD, *journal), now=ago(seconds)))
        sent += len(planned.actions)
        journal = tuple({**entries(planned), **{a.entry.operation: a.entry for a in planned.actions}}.values())
    assert sent <= 3
