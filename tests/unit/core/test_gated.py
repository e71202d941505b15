"""What starts a deployment waits at its gates; nothing else does (docs/rollouts.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chainenv.core.actions import Plan
from chainenv.core.gates import Gates, Hold, WaitsFor, gates_of
from chainenv.core.reasons import Reason
from chainenv.core.values import digest
from chainenv.core.world import World
from chainenv.crd.enums import ManagementPolicy, Operation
from chainenv.crd.types import ChainEnvironmentSpec, JournalEntry

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
    reasons,
    state,
    table,
    want,
    world,
)

APPROVE, ABORT, PROMOTE, TYPES = Operation.APPROVE, Operation.ABORT, Operation.PROMOTE, Operation.INSTANCE_TYPES
MANUAL = {"approval": "Manual"}
CLOSED = {"windows": [{"start": "13:00", "end": "14:00"}]}
"""Of NOW, 12:00 UTC."""
CURRENT = environment(state("A", SMALL, min_replica=0, max_replica=2))
TYPED = {"A": LARGE}


def gates(rollout: Any = None, *, approve: str = "", abort: str = "") -> Gates:
    spec = ChainEnvironmentSpec.model_validate({"chainID": "abcd1234", **({"rollout": rollout} if rollout else {})})
    return gates_of(spec, {"chains.baseten.co/approve": approve, "chains.baseten.co/abort-rollout": abort}, None)


def given(*journal: JournalEntry, seen: Any = CURRENT, target: str | None = "dep-b", **more: Any) -> World:
    return world(desired(deployment_id=target), seen, *journal, **more)


def asked(*journal: JournalEntry, rollout: Any = None, approve: str = "", source: Hold | None = None, **more: Any) -> Plan:
    return decide(given(*journal, gates=gates(rollout, approve=approve), source=source, **more))


def waits(planned: Plan) -> list[str]:
    return [each.hold.waits_for.value for each in planned.held]


def plan_shown(*journal: JournalEntry, **more: Any) -> str:
    (held,) = asked(*journal, rollout=MANUAL, **more).held
    assert held.plan is not None
    return held.plan


# -- windows and approval --------------------------------------------------------------------------------------------

SOAK = Hold(WaitsFor.SOAK, Reason.WAITING_FOR_SOURCE, "waits until 13:00Z", NOW + timedelta(hours=1))
GONE = Hold(WaitsFor.SOURCE, Reason.SOURCE_NOT_FOUND, "no such resource")


@table(
    Case("no rules", "at once", {}, []),
    Case("an open window", "", {"rollout": {"windows": [{"start": "11:00", "end": "13:00"}]}}, []),
    Case("a closed window", "", {"rollout": CLOSED}, ["Window"]),
    Case("nobody approved", "", {"rollout": MANUAL}, ["Approval"]),
    Case("the source soaks", "before the window", {"rollout": CLOSED, "source": SOAK}, ["Soak"]),
    Case("the source is gone", "before approval", {"rollout": MANUAL, "source": GONE}, ["Source"]),
)
def test_a_promotion_waits(case: Case) -> None:
    planned = asked(**case.given)
    assert waits(planned) == case.expected
    assert (calls(planned) == []) is bool(case.expected)


def test_what_soaks_shows_its_plan_and_can_be_approved_before_its_time() -> None:
    soaking = plan_shown(source=SOAK)
    assert soaking == plan_shown()
    assert [each.operation for each in calls(asked(rollout=MANUAL, approve=soaking))] == [PROMOTE]
    assert waits(asked(rollout=MANUAL, approve=soaking, source=SOAK)) == ["Soak"]


def test_a_source_without_a_known_deployment_has_no_plan() -> None:
    (held,) = asked(rollout=MANUAL, source=GONE, target=None).held
    assert held.plan is None


def test_a_change_of_instance_types_waits_and_is_drift() -> None:
    planned = decide(world(desired(want("A", LARGE)), CURRENT, gates=gates(CLOSED)))
    assert waits(planned) == ["Window"]
    assert reasons(planned.findings) == ["WaitingForWindow"]
    assert [each.path for each in planned.drift] == ["chainletSettings[A].instanceTypeID"]


def test_a_correction_of_drift_waits_too() -> None:
    """Somebody else changed the type, and it was read twice."""
    planned = decide(world(desired(want("A", LARGE)), CURRENT, gates=gates(CLOSED), spec_changed=False, differs_for=60.0))
    assert (calls(planned), waits(planned)) == ([], ["Window"])


def test_a_difference_that_is_not_believed_yet_waits_for_nothing() -> None:
    planned = decide(world(desired(want("A", LARGE)), CURRENT, gates=gates(CLOSED), spec_changed=False))
    assert (reasons(planned.findings), planned.held) == (["Drifted"], ())


def test_nothing_else_of_the_spec_waits() -> None:
    wanted = desired(want("A", LARGE, max_replica=5), promotion={"rolling_deploy": True})
    seen = environment(state("A", SMALL, min_replica=0, max_replica=2), promotion={"rolling_deploy": False})
    planned = decide(world(wanted, seen, gates=gates({**MANUAL, **CLOSED})))
    assert [type(each).__name__ for each in calls(planned)] == ["UpdatePromotionSettings", "UpdateAutoscaling"]


def test_under_observe_nothing_is_gated() -> None:
    planned = decide(world(desired(deployment_id="dep-b", management=ManagementPolicy.OBSERVE), CURRENT, gates=gates(MANUAL)))
    assert (planned.held, [each.path for each in planned.drift]) == ((), ["deploymentID"])


def test_a_gate_comes_before_one_rollout_at_a_time() -> None:
    rolling = replace(CURRENT, candidate=deployment("dep-x", "BUILDING"))
    assert reasons(asked(seen=rolling, rollout=CLOSED).findings) == ["WaitingForWindow"]
    assert reasons(asked(seen=rolling).findings) == ["PromotionRunning"]


def test_what_waits_starves_nothing_else_that_starts_a_deployment() -> None:
    """Instance types and a promotion: the one that is approved begins."""
    wanted = desired(want("A", LARGE), deployment_id="dep-b")
    first, second = decide(world(wanted, CURRENT, gates=gates(MANUAL))).held
    assert first.plan != second.plan
    planned = decide(world(wanted, CURRENT, gates=gates(MANUAL, approve=second.plan or "")))
    assert [each.operation for each in calls(planned)] == [PROMOTE]


# -- approvals -------------------------------------------------------------------------------------------------------


def begun(**more: Any) -> tuple[JournalEntry, JournalEntry]:
    """The approved promotion and the entry that uses its approval up."""
    plan = plan_shown(**more)
    action = only(asked(rollout=MANUAL, approve=plan, **more))
    assert action.approved is not None
    assert action.entry.plan == action.approved.hash == plan
    return action.entry, action.approved


def test_an_approval_lets_that_plan_begin_and_is_used_up() -> None:
    plan = plan_shown()
    _, used = begun()
    done = answered(Operation.PROMOTED, 60, "dep-b", target="dep-b", deployment_id="dep-b", settled=True)
    back = answered(Operation.PROMOTED, 60, "dep-c", target="dep-c", deployment_id="dep-c", settled=True)
    assert calls(asked(used, done, rollout=MANUAL, approve=plan)) == []
    again = asked(used, back, rollout=MANUAL, approve=plan)
    assert (calls(again), waits(again)) == ([], ["Approval"])
    assert again.held[0].plan != plan
    assert "was used" in again.held[0].hold.message
    assert len(calls(asked(used, back, rollout=MANUAL, approve=again.held[0].plan or ""))) == 1


@table(
    Case("another deployment", "", {"target": "dep-c"}, None),
    Case("another one serves by now", "it would replace that", {"seen": environment(current=deployment("dep-z"))}, None),
)
def test_an_approval_is_for_the_shown_plan_alone(case: Case) -> None:
    planned = asked(rollout=MANUAL, approve=plan_shown(), **case.given)
    assert (calls(planned), waits(planned)) == ([], ["Approval"])


@table(
    Case("refused by a busy environment", "tried again within a minute", ("Refused", {}), 1),
    Case("lost", "nothing shows that it happened", ("Lost", {"unconfirmed": 1}), 1),
    Case("failed, and a person asks again", "it began: that is another rollout", ("Failed", {"deployment_id": "dep-n"}), 0),
)
def test_what_never_began_needs_no_second_approval(case: Case) -> None:
    entry, used = begun()
    outcome, more = case.given
    tried = entry.model_copy(update={"outcome": outcome, "finished_at": NOW - timedelta(seconds=300), **more})
    forced = outcome == "Failed"
    planned = asked(tried, used, rollout=MANUAL, forced=forced, spec_changed=False)
    assert len(calls(planned)) == case.expected
    if case.expected:
        assert only(planned).approved is None
        assert only(planned).entry.plan == entry.plan


def test_a_repeat_waits_for_its_window_all_the_same() -> None:
    """Nothing is half done: what was lost did not happen, as far as can be known."""
    entry, used = begun()
    lost = entry.model_copy(update={"outcome": "Lost", "finished_at": NOW - timedelta(seconds=300), "unconfirmed": 1})
    planned = asked(lost, used, rollout={**MANUAL, **CLOSED})
    assert (calls(planned), waits(planned)) == ([], ["Window"])


def test_a_repeat_of_what_nobody_approved_is_approved_first() -> None:
    refused = answered(PROMOTE, 300, "dep-b", "Refused", target="dep-b")
    assert waits(asked(refused, rollout=MANUAL)) == ["Approval"]


def test_what_has_begun_is_followed_whatever_the_gates_say() -> None:
    entry = answered(PROMOTE, 60, "dep-b", target="dep-b", deployment_id="dep-n")
    rolling = replace(CURRENT, candidate=deployment("dep-n", "BUILDING", created=50))
    planned = asked(entry, seen=rolling, rollout={**MANUAL, **CLOSED})
    assert (reasons(planned.findings), planned.held) == (["RollingOut"], ())
    served = environment(current=deployment("dep-n", created=50))
    assert entries(asked(entry, seen=served, rollout={**MANUAL, **CLOSED}))[Operation.PROMOTED].target == "dep-b"


def test_a_used_approval_outlives_the_environment() -> None:
    _, used = begun()
    planned = asked(used, replaced=True, rollout=MANUAL)
    assert entries(planned)[APPROVE] == used


# -- the deadline ----------------------------------------------------------------------------------------------------

ROLLING = answered(PROMOTE, 120, "dep-b", target="dep-b", deployment_id="dep-n")


@table(
    Case("in time", "", (121, "BUILDING"), "RollingOut"),
    Case("at the deadline", "", (120, "BUILDING"), "RolloutDeadlineExceeded"),
    Case("late, and its traffic ramps up", "it does not serve yet", (60, "ACTIVE"), "RolloutDeadlineExceeded"),
)
def test_a_rollout_has_a_deadline(case: Case) -> None:
    deadline, status = case.given
    seen = replace(CURRENT, candidate=deployment("dep-n", status, created=110))
    planned = asked(ROLLING, seen=seen, rollout={"deadlineSeconds": deadline})
    assert (reasons(planned.findings), calls(planned)) == ([case.expected], [])


def test_the_deadline_counts_until_the_deployment_serves() -> None:
    """The first deployment of an environment is the current one at once."""
    seen = environment(current=deployment("dep-n", "BUILDING", created=110))
    assert reasons(asked(ROLLING, seen=seen, rollout={"deadlineSeconds": 60}).findings) == ["RolloutDeadlineExceeded"]
    served = environment(current=deployment("dep-n", "ACTIVE", created=110))
    assert asked(ROLLING, seen=served, rollout={"deadlineSeconds": 60}).findings == ()


# -- aborting --------------------------------------------------------------------------------------------------------


def aborting(*journal: JournalEntry, seen: Any, name: str = "dep-n", **more: Any) -> Plan:
    return decide(given(*journal, seen=seen, gates=gates(abort=name), **more))


CANDIDATE = replace(CURRENT, candidate=deployment("dep-n", "BUILDING", created=110))


@table(
    Case("the candidate", "", (CANDIDATE, "dep-n"), ["dep-n"]),
    Case("the current one", "never", (CANDIDATE, "dep-old"), []),
    Case("another one", "it is not what is being promoted", (CANDIDATE, "dep-x"), []),
    Case("it is off already", "", (replace(CURRENT, candidate=deployment("dep-n", "DEACTIVATING")), "dep-n"), []),
    Case("it serves by now", "too late", (environment(current=deployment("dep-n")), "dep-n"), []),
    Case("no annotation", "", (CANDIDATE, ""), []),
)
def test_only_the_named_candidate_is_deactivated(case: Case) -> None:
    seen, name = case.given
    found = [each.deployment_id for each in calls(aborting(ROLLING, seen=seen, name=name)) if each.operation == ABORT]
    assert found == case.expected


def test_an_abort_is_sent_once() -> None:
    done = answered(ABORT, 5, "dep-n", target="dep-n")
    assert calls(aborting(ROLLING, done, seen=CANDIDATE)) == []


def test_an_abort_without_an_answer_is_sent_again_while_it_is_a_candidate() -> None:
    sent = answered(ABORT, 5, "dep-n", target="dep-n").model_copy(update={"outcome": None, "finished_at": None})
    assert [each.operation for each in calls(aborting(ROLLING, sent, seen=CANDIDATE))] == [ABORT]
    off = replace(CURRENT, candidate=deployment("dep-n", "INACTIVE", created=110))
    planned = aborting(ROLLING, sent, seen=off)
    assert (calls(planned), entries(planned)[ABORT].outcome) == ([], "Accepted")


def test_under_observe_nothing_is_aborted() -> None:
    planned = decide(world(desired(management=ManagementPolicy.OBSERVE), CANDIDATE, gates=gates(abort="dep-n")))
    assert calls(planned) == []


def test_an_aborted_promotion_is_not_retried() -> None:
    done = answered(ABORT, 5, "dep-n", target="dep-n")
    off = replace(CURRENT, candidate=deployment("dep-n", "INACTIVE", created=110))
    planned = aborting(ROLLING, done, seen=off)
    assert (reasons(planned.findings), calls(planned)) == (["RolloutAborted"], [])
    later = decide(given(*planned.journal, seen=CURRENT, gates=gates()))  # the annotation is gone, and the candidate as well
    assert (reasons(later.findings), calls(later)) == (["RolloutAborted"], [])


def test_an_aborted_change_of_instance_types_is_not_retried_where_no_candidate_is_shown() -> None:
    done = answered(ABORT, 5, "dep-n", target="dep-n")
    rolling = answered(TYPES, 120, None, deployment_id="dep-n", started=True, values=(f"A={LARGE}",), hash=digest(TYPED))
    off = {"dep-n": deployment("dep-n", "INACTIVE", created=110)}
    planned = decide(world(desired(want("A", LARGE)), CURRENT, rolling, done, looked_up=off, spec_changed=False, differs_for=60.0))
    assert (reasons(planned.findings), calls(planned)) == (["RolloutAborted"], [])


def test_an_abort_is_forgotten_with_its_rollout() -> None:
    done = answered(ABORT, 5, "dep-n", target="dep-n")
    assert ABORT not in entries(decide(given(done, target=None, gates=gates())))
    assert ABORT in entries(decide(given(done, target=None, gates=gates(abort="dep-n"))))
