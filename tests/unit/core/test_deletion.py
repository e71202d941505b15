"""What to do about a resource that is being deleted (docs/behaviour.md)."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv.core.actions import Plan
from chainenv.core.changes import Deactivate
from chainenv.core.deletion import plan_deletion
from chainenv.core.desired import keeps_finalizer
from chainenv.core.environment import Deployment
from chainenv.core.findings import Severity
from chainenv.core.recover import recover
from chainenv.core.values import digest
from chainenv.crd.enums import Operation
from chainenv.crd.types import JournalEntry

from .helpers import Case, answered, calls, deployment, desired, environment, opened, reasons, running, state, table, world


def deleted(*journal: JournalEntry, seen: Any = None, policy: str = "Deactivate", management: str = "Reconcile", **more: Any) -> Plan:
    there = world(desired(deletion=policy, management=management), environment() if seen is None else seen, *journal, **more)
    return plan_deletion(recover(there))


def on(current: Deployment | None = None, candidate: Deployment | None = None, *states: Any) -> Any:
    return environment(*states, current=current, candidate=candidate, bare=current is None)


def tried(seconds: float, outcome: str = "Accepted", id_: str = "dep-old", **more: Any) -> JournalEntry:
    entry = answered(Operation.DEACTIVATE, seconds, id_, outcome, target=id_, **more)
    return entry.model_copy(update={"operation": f"Deactivate/{id_}", "hash": digest(id_)})


@pytest.mark.parametrize(
    ("policy", "management", "expected"),
    [
        ("Retain", "Reconcile", False),
        ("Deactivate", "Reconcile", True),
        ("DeactivateWhenIdle", "Reconcile", True),
        ("Deactivate", "Pause", True),
        ("Deactivate", "Observe", False),
    ],
)
def test_a_finalizer_stands_for_work_on_baseten(policy: str, management: str, expected: bool) -> None:
    assert keeps_finalizer(policy, management) is expected


@table(
    Case("retain", "nothing on Baseten", {"policy": "Retain"}, True),
    Case("observe", "never writes", {"management": "Observe"}, True),
    Case("never seen", "adopted and deleted in one: it must not go on running", {"known": False}, False),
    Case("no deployments", "nothing is on", {"seen": on()}, True),
    Case("inactive", "wait for INACTIVE: it is", {"seen": on(deployment(status="INACTIVE"))}, True),
    Case("going off", "wait for INACTIVE", {"seen": on(deployment(status="DEACTIVATING"))}, False),
    Case("active", "deactivate first", {}, False),
    Case("unknown status", "in progress: deactivate first", {"seen": on(deployment(status="ODD"))}, False),
)
def test_release(case: Case) -> None:
    planned = deleted(**case.given)
    assert planned.release is case.expected, case.why
    assert not (planned.release and planned.actions)


def test_current_and_candidate_are_deactivated() -> None:
    planned = deleted(seen=on(deployment("a"), deployment("b", "BUILDING")))
    assert calls(planned) == [Deactivate("a"), Deactivate("b")]
    assert [a.entry.slot for a in planned.actions] == ["Deactivate/a", "Deactivate/b"]


def test_only_what_is_on_is_deactivated() -> None:
    assert calls(deleted(seen=on(deployment("a", "INACTIVE"), deployment("b")))) == [Deactivate("b")]


@table(
    Case("first 404", "a single one is not believed", 0, False),
    Case("no 404 before", "a restart begins again", None, False),
    Case("30 s of 404", "nothing is left", 30, True),
)
def test_the_environment_is_gone(case: Case) -> None:
    there = world(desired(deletion="Deactivate"), None, missing=case.given)
    planned = plan_deletion(there)
    assert (planned.release, planned.missing) == (case.expected, not case.expected), case.why


IDLE = deployment("a", "SCALED_TO_ZERO", running("A", replicas=0))


@table(
    Case("idle", "no replicas, minReplica 0", on(IDLE, None, state("A", min_replica=0)), []),
    Case("replicas", "waits while a chainlet has replicas", on(deployment("a", "ACTIVE", running("A", replicas=2))), ["WaitingForIdle"]),
    Case(
        "candidate's replicas", "waits while a chainlet has replicas", on(IDLE, deployment("b", "ACTIVE", running("A"))), ["WaitingForIdle"]
    ),
    Case("minReplica", "waits while minReplica > 0", on(IDLE, None, state("A", min_replica=1)), ["WaitingForIdle"]),
    Case(
        "minReplica shown by the deployment only",
        "waits while minReplica > 0",
        on(deployment("a", "BUILDING", running("A", replicas=0, autoscaling={"min_replica": 1})), None, state("A")),
        ["WaitingForIdle"],
    ),
    Case("minReplica not shown", "no replicas and nothing else known", on(IDLE, None, state("A")), []),
)
def test_when_idle(case: Case) -> None:
    planned = deleted(seen=case.given, policy="DeactivateWhenIdle")
    assert reasons(planned.findings) == case.expected, case.why
    assert bool(planned.actions) is not bool(case.expected)
    assert not planned.release


def test_waiting_for_idle_names_the_chainlets() -> None:
    planned = deleted(seen=on(deployment("a", "ACTIVE", running("Worker", replicas=3))), policy="DeactivateWhenIdle")
    assert "Worker has 3 replicas" in planned.findings[0].message


@table(
    Case("just sent", "wait for INACTIVE", tried(5), (0, ["Deleting"])),
    Case("a minute ago", "sent once more", tried(60), (1, [])),
    Case("three times", "stop, an hour", tried(60, attempts=3), (0, ["NotConverging"])),
    Case("refused", "an hour", tried(5, "Refused", message="no"), (0, ["Refused"])),
    Case("refused an hour ago", "an hour", tried(3600, "Refused", message="no"), (1, [])),
)
def test_a_deactivation_that_does_not_show(case: Case) -> None:
    planned = deleted(case.given)
    assert (len(planned.actions), reasons(planned.findings)) == case.expected, case.why
    assert not planned.release


def test_a_message_is_whole_and_names_the_deployment() -> None:
    """Nothing differs here in the sense of a setting, so no sentence may end in a colon and nothing."""
    for entry in (tried(5), tried(60, attempts=3), tried(5, "Refused", message="no")):
        for finding in deleted(entry).findings:
            assert ": ." not in finding.message + "."
            assert "dep-old" in finding.message


def test_a_deactivation_answered_404_is_done() -> None:
    """docs/behaviour.md: deactivated and waited for."""
    assert deleted(tried(5, "NotFound", message="404")).release


@pytest.mark.parametrize("entry", [tried(5, "Refused", message="nothing runs"), tried(3600, attempts=3)], ids=["refused", "three times"])
def test_a_failed_deployment_does_not_hold_the_resource_for_ever(entry: JournalEntry) -> None:
    """BUILD_FAILED is terminal and has nothing running: it may never become INACTIVE."""
    assert deleted(entry, seen=on(deployment(status="BUILD_FAILED"))).release


def test_what_a_rollout_under_way_starts_is_not_left_running() -> None:
    """Its deployment may show only in a moment; released now, it would run on with nobody to stop it."""
    off = on(deployment(status="INACTIVE"))
    for entry in (
        opened(Operation.INSTANCE_TYPES, 5),
        opened(Operation.PROMOTE, 5, target="d"),
        answered(Operation.PROMOTE, 5, deployment_id="d"),
    ):
        assert not deleted(entry, seen=off).release, entry.operation


def test_an_environment_that_our_open_create_made_is_ours() -> None:
    """The answer to the create was lost, then the resource was deleted: as in plan, the open intent says whose it is."""
    planned = deleted(opened(Operation.CREATE, 5, known_deployments=()), known=False)
    assert calls(planned) == [Deactivate("dep-old")]


def test_waiting_passes_by_itself() -> None:
    planned = deleted(seen=on(deployment(status="DEACTIVATING")))
    assert [f.severity for f in planned.findings] == [Severity.WAITING]
    assert reasons(planned.findings) == ["Deleting"]
