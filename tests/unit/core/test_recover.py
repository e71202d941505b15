"""The journal brought up to date with what is seen (docs/behaviour.md, "Nothing twice")."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv.core.changes.instance_types import types_match
from chainenv.core.environment import Deployment, Environment
from chainenv.core.journal import unsettled
from chainenv.core.recover import lookups, recover
from chainenv.core.world import entry_id, serving_id
from chainenv.crd.enums import Operation
from chainenv.crd.types import JournalEntry

from .helpers import LARGE, NOW, SMALL, Case, ago, answered, deployment, desired, entries, environment, opened, state, table, want, world

TYPES, PROMOTE = Operation.INSTANCE_TYPES, Operation.PROMOTE
OLD = environment(state("A", SMALL))
SHOWN = environment(state("A", LARGE))
ROLLING = environment(state("A", LARGE), candidate=deployment("dep-new", "BUILDING", created=1))
ROLLED = environment(state("A", LARGE), current=deployment("dep-new", created=1))
GONE: dict[str, Deployment | None] = {"d": None}


def after(
    entry: JournalEntry, seen: Environment | None, looked_up: dict[str, Deployment | None] | None = None, **more: Any
) -> JournalEntry | None:
    """The entry after a poll, None when it is gone; the spec wants chainlet A on LARGE and deployment dep-asked."""
    there = world(desired(want("A", LARGE), deployment_id="dep-asked", **more), seen, entry, looked_up=looked_up or {})
    journal = entries(recover(there))
    return journal.get(entry.operation) or journal.get(Operation.PROMOTED)


def reported(entry: JournalEntry | None) -> Any:
    """Outcome, deployment, whether settled; None when the entry is gone."""
    return None if entry is None else (entry.outcome, entry.deployment_id, bool(entry.settled))


OPEN = (None, None, False)


@table(
    Case("young, nothing shows", "it may still happen", (opened(TYPES, 59), OLD), OPEN),
    Case("candidate", "a deployment that was not there before", (opened(TYPES, 5), ROLLING), ("Accepted", "dep-new", False)),
    Case("current", "it has come to its end already", (opened(TYPES, 5), ROLLED), ("Accepted", "dep-new", False)),
    Case("old, candidate", "however late the poll", (opened(TYPES, 9999), ROLLING), ("Accepted", "dep-new", False)),
    Case("the types show", "it happened, the deployment will show", (opened(TYPES, 5), SHOWN), ("Accepted", None, False)),
    Case("promotion, types show", "types say nothing of a promotion", (opened(PROMOTE, 5), SHOWN), OPEN),
    Case(
        "known candidate",
        "it was there before",
        (opened(TYPES, 5, known_deployments=("dep-old", "dep-new")), environment(state("A"), candidate=deployment("dep-new"))),
        OPEN,
    ),
    Case(
        "promotion, the asked one",
        "the target itself, older than the intent",
        (opened(PROMOTE, 5, target="dep-asked"), environment(candidate=deployment("dep-asked"))),
        ("Accepted", "dep-asked", False),
    ),
    Case(
        "promotion, a copy",
        "a deployment younger than the intent",
        (opened(PROMOTE, 5, target="dep-asked"), environment(candidate=deployment("copy", created=4))),
        ("Accepted", "copy", False),
    ),
    Case("no environment", "one cannot tell", (opened(TYPES, 9999), None), OPEN),
)
def test_an_open_intent(case: Case) -> None:
    assert reported(after(*case.given)) == case.expected, case.why


@pytest.mark.parametrize("intent", [opened(TYPES, 60), opened(PROMOTE, 60, target="dep-asked")], ids=["types", "promotion"])
def test_an_intent_older_than_the_settling_time_that_shows_nothing_did_not_happen(intent: JournalEntry) -> None:
    entry = after(intent, OLD)
    assert entry is None or not unsettled(entry)


def test_a_deployment_older_than_the_intent_that_was_not_asked_for_is_no_proof_of_a_promotion() -> None:
    """Somebody promoted another one; ours was never sent."""
    rolled_back = environment(candidate=deployment("dep-of-last-week", created=7 * 86400))
    assert reported(after(opened(PROMOTE, 5, target="dep-asked"), rolled_back)) == OPEN


@pytest.mark.parametrize("wanted", [(), (want("A"),), (want("B", LARGE),)], ids=["no chainlets", "no types", "another chainlet"])
def test_a_spec_that_no_longer_wants_types_is_no_proof_that_the_update_happened(wanted: Any) -> None:
    """Nothing shows: neither a type that was asked for nor a deployment."""
    there = world(desired(*wanted), OLD, opened(TYPES, 5))
    assert reported(entries(recover(there)).get(TYPES)) == OPEN


def test_types_that_are_not_shown_are_no_proof_that_the_update_happened() -> None:
    assert reported(after(opened(TYPES, 5), environment(state("A", None)))) == OPEN
    assert reported(after(opened(TYPES, 5), environment())) == OPEN


@table(
    Case("candidate", "the promotion runs", (answered(TYPES, 5, deployment_id="dep-new"), ROLLING), ("Accepted", "dep-new", False)),
    Case("someone else's candidate", "one at a time", (answered(PROMOTE, 999, deployment_id="d"), ROLLING), ("Accepted", "d", False)),
    Case(
        "young, nothing shows",
        "the API needs a moment",
        (answered(TYPES, 59, deployment_id="dep-new"), OLD),
        ("Accepted", "dep-new", False),
    ),
    Case("types, rolled out", "reached: forget", (answered(TYPES, 5, deployment_id="dep-new"), ROLLED), None),
    Case(
        "promoted",
        "remembered: once for each value",
        (answered(PROMOTE, 5, deployment_id="dep-new"), ROLLED),
        ("Accepted", "dep-new", True),
    ),
    Case(
        "a copy was promoted",
        "current id == asked id is not the test",
        (answered(PROMOTE, 5, target="dep-asked", deployment_id="dep-asked"), ROLLED, {"dep-asked": deployment("dep-asked")}),
        ("Accepted", "dep-asked", True),
    ),
    Case("nothing to deploy", "types show, no deployment was started", (answered(TYPES, 5), SHOWN), None),
    Case("no deployment, nothing shows", "the API needs a moment", (answered(TYPES, 59), OLD), ("Accepted", None, False)),
    Case("no deployment, still nothing", "not under way any more", (answered(TYPES, 60), OLD), ("Accepted", None, True)),
)
def test_an_answered_rollout(case: Case) -> None:
    assert reported(after(*case.given)) == case.expected, case.why


def looked_at(operation: Operation, status: str | None, serving: float = 3600.0) -> Any:
    """An hour after its answer, the deployment that came of it is nowhere in the environment, and looked up by id. ``serving``: for so
    many seconds it has been found serving."""
    entry = answered(operation, 3600, deployment_id="dep-new")
    seen = None if status is None else deployment("dep-new", status)
    observed_for = {entry_id(entry): 3600.0} | ({serving_id(seen, OLD): serving} if seen else {})
    there = world(desired(want("A", LARGE)), OLD, entry, looked_up={"dep-new": seen}, observed_for=observed_for)
    return reported(entries(recover(there)).get(operation))


@table(
    Case("building", "under way, slowly", (TYPES, "BUILDING"), ("Accepted", "dep-new", False)),
    Case("unknown status", "in progress, but not for ever", (PROMOTE, "ODD"), ("Failed", "dep-new", False)),
    Case("build failed", "it ended", (TYPES, "BUILD_FAILED"), ("Failed", "dep-new", False)),
    Case("promotion failed", "it ended", (PROMOTE, "DEPLOY_FAILED"), ("Failed", "dep-new", False)),
    Case("promotion inactive", "it did not become current", (PROMOTE, "INACTIVE"), ("Failed", "dep-new", False)),
    Case("promotion gone", "404: it did not become current", (PROMOTE, None), ("Failed", "dep-new", False)),
    Case("types, gone", "what shows decides", (TYPES, None), ("Accepted", "dep-new", True)),
    Case("types, active elsewhere", "what shows decides", (TYPES, "ACTIVE"), ("Accepted", "dep-new", True)),
    Case("ramping up", "built slowly, it has only begun to serve", (PROMOTE, "ACTIVE", 659), ("Accepted", "dep-new", False)),
    Case("ramped up elsewhere", "it did not become current", (PROMOTE, "ACTIVE", 660), ("Failed", "dep-new", False)),
)
def test_a_rollout_whose_deployment_is_not_in_the_environment(case: Case) -> None:
    assert looked_at(*case.given) == case.expected, case.why


def test_a_failed_rollout_says_which_deployment_and_how() -> None:
    entry = after(answered(TYPES, 3600, deployment_id="dep-new"), OLD, {"dep-new": deployment("dep-new", "BUILD_FAILED")})
    assert entry is not None
    assert "dep-new" in str(entry.message)
    assert "BUILD_FAILED" in str(entry.message)


@table(
    Case(
        "types, still the old one",
        "what failed stays reported",
        (answered(TYPES, 5, outcome="Failed", deployment_id="d"), OLD),
        ("Failed", "d", False),
    ),
    Case(
        "types, another one since", "the failure is history", (answered(TYPES, 5, outcome="Failed", deployment_id="d"), ROLLED, GONE), None
    ),
    Case(
        "promotion, another one since",
        "the failure is history",
        (answered(PROMOTE, 5, outcome="Failed", deployment_id="d"), ROLLED, GONE),
        ("Accepted", "d", True),
    ),
    Case(
        "promotion, a later one since",
        "what serves was made after it",
        (answered(PROMOTE, 5, outcome="Failed", deployment_id="d"), ROLLED, {"d": deployment("d", created=2)}),
        ("Accepted", "d", True),
    ),
    Case(
        "promotion, an earlier one since",
        "another late one of ours: this one may still wait behind it",
        (answered(PROMOTE, 5, outcome="Failed", deployment_id="d"), ROLLED, {"d": deployment("d", created=0)}),
        ("Failed", "d", False),
    ),
    Case(
        "promotion, not looked up",
        "one cannot tell yet",
        (answered(PROMOTE, 5, outcome="Failed", deployment_id="d"), ROLLED),
        ("Failed", "d", False),
    ),
    Case("refused, a promotion runs", "that explains the refusal", (answered(PROMOTE, 5, outcome="Refused"), ROLLING), None),
    Case("refused", "stays reported", (answered(PROMOTE, 5, outcome="Refused"), OLD), ("Refused", None, False)),
    Case("promoted", "remembered", (answered(Operation.PROMOTED, 5, deployment_id="d", settled=True), OLD), ("Accepted", "d", True)),
)
def test_a_rollout_that_has_come_to_its_end(case: Case) -> None:
    assert reported(after(*case.given)) == case.expected, case.why


@pytest.mark.parametrize(
    "seen", [environment(), environment(state("A", None)), environment(state("B", LARGE))], ids=["none", "no type", "other"]
)
def test_a_rollout_is_not_forgotten_because_its_types_are_not_shown_for_a_moment(seen: Environment) -> None:
    """Forgotten, it would be sent again as soon as the old types show: another deployment for the same values."""
    entry = answered(TYPES, 3600, deployment_id="dep-new", settled=None)
    assert after(entry, seen, {"dep-new": None}) is not None


def test_a_promotion_is_remembered_as_promoted_with_what_was_asked_for() -> None:
    entry = after(answered(PROMOTE, 5, target="dep-asked", deployment_id="dep-new"), ROLLED)
    assert entry is not None
    assert (entry.operation, entry.target, entry.deployment_id) == (Operation.PROMOTED, "dep-asked", "dep-new")


def test_a_later_promotion_takes_the_place_of_the_one_before_it() -> None:
    before = answered(Operation.PROMOTED, 999, target="dep-before", deployment_id="dep-old", settled=True)
    there = recover(world(desired(), ROLLED, before, answered(PROMOTE, 5, target="dep-asked", deployment_id="dep-new")))
    assert [(e.operation, e.target) for e in there.journal] == [("Promoted", "dep-asked")]


LOST_PROMOTION = answered(PROMOTE, 70, outcome="Lost", target="dep-asked")


@pytest.mark.parametrize("seen", [ROLLING, ROLLED], ids=["candidate", "current"])
def test_what_came_of_a_change_of_types_is_no_proof_of_a_promotion_that_was_lost_before(seen: Environment) -> None:
    """Else the promotion would be remembered as done, and never sent."""
    wanted = desired(want("A", LARGE), deployment_id="dep-asked")
    there = recover(world(wanted, seen, LOST_PROMOTION, answered(TYPES, 5, deployment_id="dep-new")))
    assert reported(entries(there)[PROMOTE]) == ("Lost", None, False)
    later = recover(world(wanted, ROLLED, *(e for e in there.journal if e.operation == PROMOTE)))
    assert reported(entries(later)[PROMOTE]) == ("Lost", None, False), "also when the change of types has been forgotten"
    asked_for = environment(state("A", LARGE), current=deployment("dep-asked", created=9))
    assert reported(entries(recover(world(wanted, asked_for, *later.journal)))[PROMOTE]) == ("Accepted", "dep-asked", False)


def test_of_two_intents_without_answer_the_later_one_made_what_came_after_both() -> None:
    wanted = desired(want("A", LARGE), deployment_id="dep-asked")
    there = recover(world(wanted, ROLLING, LOST_PROMOTION, opened(TYPES, 5)))
    assert reported(entries(there)[TYPES]) == ("Accepted", "dep-new", False)
    assert reported(entries(there)[PROMOTE]) == ("Lost", None, False)


def test_settings_are_none_of_its_business() -> None:
    for operation in (Operation.AUTOSCALING, Operation.PROMOTION_SETTINGS, Operation.CREATE):
        entry = answered(operation, 5)
        assert after(entry, OLD) == entry


def test_the_time_of_what_happened_meanwhile_is_now() -> None:
    entry = after(opened(TYPES, 30), ROLLING)
    assert entry is not None
    assert (entry.started_at, entry.finished_at) == (ago(30), NOW)


@table(
    Case("not shown", "it is waited for", (answered(TYPES, 5, deployment_id="d"), OLD), ("d",)),
    Case("candidate", "shown by the environment", (answered(TYPES, 5, deployment_id="dep-new"), ROLLING), ()),
    Case("current", "shown by the environment", (answered(TYPES, 5, deployment_id="dep-new"), ROLLED), ()),
    Case("some candidate", "nothing is decided while one runs", (answered(TYPES, 5, deployment_id="d"), ROLLING), ()),
    Case("no id", "nothing to look up", (answered(TYPES, 5), OLD), ()),
    Case("promoted", "steady state is one GET per poll", (answered(Operation.PROMOTED, 5, deployment_id="d", settled=True), OLD), ()),
    Case("failed", "known to have failed", (answered(PROMOTE, 5, outcome="Failed", deployment_id="d"), OLD), ()),
    Case("open", "no id yet", (opened(PROMOTE, 5), OLD), ()),
    Case("no environment", "nothing to compare with", (answered(TYPES, 5, deployment_id="d"), None), ()),
)
def test_lookups(case: Case) -> None:
    entry, seen = case.given
    assert lookups((entry,), seen) == case.expected, case.why


@table(
    Case("the same", "by instance_type.id", state("A", LARGE), True),
    Case("another", "by instance_type.id", state("A", SMALL), False),
)
def test_types_match(case: Case) -> None:
    seen = environment(case.given)
    assert types_match(world(desired(want("A", LARGE)), seen), seen) is case.expected, case.why
