"""The environment as a whole: create, adopt, vanish, Observe (docs/behaviour.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chainenv.core.actions import Plan
from chainenv.core.changes import CreateEnvironment, Promote
from chainenv.core.findings import Severity
from chainenv.core.plan import plan
from chainenv.crd.enums import Operation
from chainenv.crd.types import JournalEntry

from .helpers import (
    LARGE,
    NOW,
    SMALL,
    Case,
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
    running,
    state,
    table,
    want,
    world,
)

CREATE = Operation.CREATE
FULL = desired(want("A", LARGE, min_replica=1), want("B"), promotion={"rolling_deploy": True, "promotion_cleanup_strategy": "KEEP"})


def created(planned: Plan) -> CreateEnvironment:
    call = only(planned).change
    assert isinstance(call, CreateEnvironment)
    return call


# -- absent --------------------------------------------------------------------------------------------------------


def test_an_absent_environment_is_created_with_all_settings() -> None:
    call = created(decide(world(FULL, None, known=False)))
    assert call.chainlets == (("A", LARGE, {"min_replica": 1}), ("B", None, {}))
    assert call.promotion == FULL.promotion
    assert not call.recreated


def test_create_sends_only_what_the_spec_has() -> None:
    call = created(decide(world(desired(), None, known=False)))
    assert (dict(call.promotion), call.chainlets) == ({}, ())


def test_create_sends_the_surge_with_the_rest_of_its_block() -> None:
    """Left out, the surge is 10 by its published default; with unavailable above 0 the server would refuse both."""
    wanted = desired(promotion={"rolling_deploy": True, "rolling_deploy_config.max_unavailable_percent": 20})
    assert created(decide(world(wanted, None, known=False))).promotion.get("rolling_deploy_config.max_surge_percent") == 0


@table(
    Case("first sight", "never there", {"known": False}, []),
    Case("first 404", "confirmed by a second read", {"missing": 0}, ["EnvironmentMissing"]),
    Case("29 s", "at least 30 s later", {"missing": 29}, ["EnvironmentMissing"]),
    Case("30 s", "believed", {"missing": 30}, []),
    Case("after a restart", "the first 404 is not known: wait", {"missing": None}, ["EnvironmentMissing"]),
)
def test_vanished(case: Case) -> None:
    planned = decide(world(desired(), None, **case.given))
    assert reasons(planned.findings) == case.expected, case.why
    assert len(planned.actions) == (not case.expected)
    assert planned.missing is (case.expected == ["EnvironmentMissing"])


def test_what_had_vanished_is_created_as_recreated() -> None:
    assert created(decide(world(desired(), None, missing=31))).recreated


OLD_PROMOTION = answered(Operation.PROMOTED, 9999, "dep-asked", target="dep-asked", deployment_id="dep-asked", settled=True)


def test_an_absence_is_no_proof_that_what_was_done_is_undone() -> None:
    """A long 404 incident, or a key of another workspace: the create is refused, and the promotion must not be made again."""
    planned = decide(world(desired(deployment_id="dep-asked"), None, OLD_PROMOTION, missing=31))
    assert created(planned).recreated
    assert entries(planned)[Operation.PROMOTED] == OLD_PROMOTION


def test_a_promotion_into_another_environment_of_the_name_does_not_count_for_this_one() -> None:
    """Another createdAt: somebody made it anew, and nothing has been promoted there yet."""
    wanted = desired(deployment_id="dep-asked")
    assert decide(world(wanted, environment(), OLD_PROMOTION)).actions == ()
    assert only(decide(world(wanted, environment(), OLD_PROMOTION, replaced=True))).change == Promote("dep-asked", None)


def test_production_cannot_be_created() -> None:
    planned = decide(world(desired(environment="production"), None, known=False))
    assert not planned.actions
    assert reasons(planned.findings) == ["ChainNotFound"]


def test_nothing_is_created_in_a_chain_that_does_not_exist() -> None:
    refused = answered(CREATE, 1, outcome="NotFound", message="404")
    planned = decide(world(desired(), None, refused, known=False, chain_missing=True))
    assert not planned.actions
    assert [(f.severity, f.reason.value) for f in planned.findings] == [(Severity.STALLED, "ChainNotFound")]


# -- a create whose answer is not known, or was no -----------------------------------------------------------------


def again(entry: Any, **more: Any) -> Plan:
    return decide(world(desired(**more), None, entry, known=False))


def hash_of_create() -> str:
    return only(decide(world(desired(), None, known=False))).entry.hash


@table(
    Case("young", "a new object can answer 404 for a few seconds", 59, 0),
    Case("old", "it did not happen", 60, 1),
)
def test_an_open_create(case: Case) -> None:
    entry = opened(CREATE, case.given).model_copy(update={"hash": hash_of_create()})
    assert len(again(entry).actions) == case.expected, case.why


def test_no_second_create_while_the_first_is_open_even_when_the_spec_has_changed() -> None:
    """The second would be refused ("exists"), and with adoptionPolicy Fail our own environment would be a stranger's."""
    assert again(opened(CREATE, 5, "other settings"), adoption="Fail").actions == ()


def test_a_refused_create_is_repeated_more_and_more_rarely_or_for_another_spec() -> None:
    refused = answered(CREATE, 5, outcome="Refused", message="no").model_copy(update={"hash": hash_of_create()})
    assert reasons(again(refused).findings) == ["Refused"]
    assert not again(refused).actions
    assert again(refused, generation=2).actions
    assert again(refused.model_copy(update={"finished_at": refused.finished_at and refused.finished_at.replace(hour=10)})).actions


def test_after_a_refusal_chainlets_that_the_chain_does_not_have_are_left_out() -> None:
    wanted = desired(want("HelloWorld", LARGE), want("HelloWrld", LARGE))
    first = only(decide(world(wanted, None, known=False)))
    refused = first.entry.model_copy(update={"outcome": "Refused", "finished_at": first.entry.started_at, "message": "no such chainlet"})
    planned = decide(world(wanted, None, refused, known=False, chain_deployments=(deployment("d", "ACTIVE", running("HelloWorld")),)))
    assert [name for name, _, _ in created(planned).chainlets] == ["HelloWorld"]
    assert reasons(planned.findings) == ["ChainletNotFound"]
    assert "did you mean HelloWorld" in planned.findings[0].message


# -- there at first sight ------------------------------------------------------------------------------------------

CREATED = answered(CREATE, 5)


@table(
    Case("adopt", "compare and correct", ("Adopt", False, None), (True, True)),
    Case("fail", "Stalled EnvironmentExists, no writes", ("Fail", False, None), (False, False)),
    Case("fail, known", "seen before: ours", ("Fail", True, None), (True, False)),
    Case("fail, our open create", "the answer was lost, it happened", ("Fail", False, opened(CREATE, 5)), (True, False)),
    Case("fail, our create", "it was answered", ("Fail", False, CREATED), (True, False)),
    Case("fail, refused create", "it was there before us", ("Fail", False, answered(CREATE, 5, outcome="Refused")), (False, False)),
)
def test_there_at_first_sight(case: Case) -> None:
    policy, known, entry = case.given
    wanted = desired(promotion={"rolling_deploy": True}, adoption=policy)
    planned = decide(world(wanted, environment(promotion={"rolling_deploy": False}), *([entry] if entry else []), known=known))
    assert (bool(planned.actions), planned.adopted) == case.expected, case.why
    assert reasons(planned.findings) == ([] if planned.actions else ["EnvironmentExists"])


def test_no_current_deployment_yet_is_as_declared() -> None:
    wanted = desired(want("A", SMALL))
    planned = decide(world(wanted, environment(state("A", SMALL), bare=True)))
    assert (planned.actions, planned.findings, planned.drift) == ((), (), ())


def test_what_baseten_does_not_show_is_unconfirmed_and_a_changed_value_is_sent_once() -> None:
    wanted = desired(want("A", SMALL, min_replica=1))
    hidden = environment(state("A", SMALL), bare=True)
    first = decide(world(wanted, hidden))
    assert reasons(first.findings) == ["Unconfirmed"]
    sent = only(first).entry.model_copy(update={"outcome": "Accepted", "finished_at": NOW})
    later = decide(world(wanted, hidden, sent, spec_changed=False))
    assert (later.actions, reasons(later.findings)) == ((), ["Unconfirmed"])
    assert decide(world(wanted, hidden, spec_changed=False)).actions == (), "the create had these values"


# -- Observe -------------------------------------------------------------------------------------------------------

ASKED = desired(want("A", LARGE, min_replica=2), promotion={"rolling_deploy": True}, deployment_id="dep-asked", management="Observe")
PATHS = [
    "chainletSettings[A].autoscalingSettings.minReplica",
    "chainletSettings[A].instanceTypeID",
    "deploymentID",
    "promotionSettings.rollingDeploy",
]
TARGET = {"target": "dep-asked"}


CANDIDATE = deployment("dep-new", "BUILDING")
SEEN = state("A", SMALL, min_replica=1)
OFF = {"rolling_deploy": False}


def left(operation: Operation, **more: Any) -> JournalEntry:
    """What a time under Reconcile has left in the journal for the same values."""
    reconciled = replace(ASKED, management="Reconcile")
    sent = [decide(world(wanted, environment(SEEN, promotion=OFF))) for wanted in (reconciled, replace(reconciled, chainlets=()))]
    hashes = {a.entry.operation: a.entry.hash for planned in sent for a in planned.actions}
    return answered(operation, 5, **more).model_copy(update={"hash": hashes[operation]})


@table(
    Case("plain", "read, report drift, never write", [], None),
    Case("a promotion runs", "what differs differs all the same", [], CANDIDATE),
    Case("settings sent", "what differs differs all the same", [(Operation.PROMOTION_SETTINGS, {}), (Operation.AUTOSCALING, {})], None),
    Case("settings refused", "it differs", [(Operation.AUTOSCALING, {"outcome": "Refused", "message": "no"})], None),
    Case("types sent", "what differs differs all the same", [(Operation.INSTANCE_TYPES, {"deployment_id": "x", "settled": True})], None),
    Case("promotion refused", "it is not promoted", [(Operation.PROMOTE, {**TARGET, "outcome": "NotFound", "message": "no"})], None),
    Case("promotion failed", "it is not promoted", [(Operation.PROMOTE, {**TARGET, "outcome": "Failed", "message": "no"})], None),
)
def test_observe_tells_every_difference_once_and_sends_nothing(case: Case) -> None:
    journal = [left(operation, **more) for operation, more in case.given]
    planned = decide(world(ASKED, environment(SEEN, candidate=case.expected, promotion=OFF), *journal))
    assert planned.actions == ()
    assert sorted(d.path for d in planned.drift) == PATHS, case.why
    assert reasons(planned.findings) == ["Drifted"], "Synced must not be True"


@table(
    Case("absent", "would create", {"known": False}, "WouldCreate"),
    Case("vanished", "would create again", {"missing": 31}, "WouldCreate"),
    Case("doubted", "observe again first", {"missing": 3}, "EnvironmentMissing"),
)
def test_observe_creates_nothing(case: Case) -> None:
    planned = plan(world(desired(management="Observe"), None, **case.given))
    assert planned.actions == ()
    assert reasons(planned.findings) == [case.expected], case.why


def test_observe_reads_an_environment_whatever_the_adoption_policy() -> None:
    planned = decide(world(desired(management="Observe", adoption="Fail"), environment(), known=False))
    assert (planned.findings, planned.adopted) == ((), False)


@pytest.mark.parametrize("management", ["Reconcile", "Observe"])
def test_a_chainlet_that_is_not_there_is_reported(management: str) -> None:
    planned = decide(world(desired(want("Helo"), management=management), environment(state("Hello"))))
    assert reasons(planned.findings) == ["ChainletNotFound"]
    assert "did you mean Hello" in planned.findings[0].message
    assert calls(planned) == []
