"""Cleanup as a part of the plan: what is read, what is sent, what is remembered."""

from __future__ import annotations

from typing import Any

from chainenv.core.changes import DeleteDeployment
from chainenv.core.changes.cleanup import to_read
from chainenv.core.environment import Deployment
from chainenv.core.plan import plan
from chainenv.core.world import World
from chainenv.crd.enums import ManagementPolicy, Operation
from chainenv.crd.types import Cleanup, HistoryEntry

from .helpers import NAME, Case, ago, answered, deployment, desired, environment, opened, table, world

OLD = Deployment("dep-a", "ACTIVE", ago(9000), NAME)
HISTORY = (
    HistoryEntry(deployment_id="dep-old", cause="External", since=ago(600)),
    HistoryEntry(deployment_id="dep-a", cause="External", since=ago(9000), until=ago(600)),
)
DELETED = answered(Operation.DELETE, 60, target="dep-a")
DEACTIVATED = answered(Operation.DEACTIVATE, 60, target="dep-a")


def given(*journal: Any, rules: Any = None, former: Any = None, **more: Any) -> World:
    """dep-old serves; dep-a served before and was read as it is."""
    wanted = desired(
        cleanup=Cleanup.model_validate({"keepLast": 0, **(rules or {})}),
        management=more.pop("management", ManagementPolicy.RECONCILE),
        deployment_id=more.pop("deployment_id", None),
    )
    seen = more.pop("seen", environment())
    found = {"dep-a": OLD} if former is None else former
    return world(wanted, seen, *journal, **{"history": HISTORY, "former": found, "spec_changed": False, **more})


def sent(state: World) -> list[str]:
    return [action.change.describe() for action in plan(state).actions]


GO = ["deactivate deployment dep-a"]


@table(
    Case("due", "nobody needs it", given(), GO),
    Case("delete", "action", given(rules={"action": "Delete"}), ["delete deployment dep-a"]),
    Case("not read", "no call without a read of its own", given(former={}), []),
    Case("kept", "a rollback target", given(rules={"keepLast": 1}), []),
    Case("too early", "", given(rules={"afterSeconds": 3600}), []),
    Case("observed only", "", given(management=ManagementPolicy.OBSERVE), []),
    Case("wanted", "the deploymentID", given(answered(Operation.PROMOTED, 60, target="dep-a"), deployment_id="dep-a"), []),
    Case("what was promoted came of it", "it is the source of what serves", given(answered(Operation.PROMOTED, 60, target="dep-a")), []),
    Case("named by another", "", given(named_by_others=frozenset({"dep-a"})), []),
    Case("a promotion runs", "it may be what it is copied from", given(seen=environment(candidate=deployment("dep-c", "DEPLOYING"))), []),
    Case("an outcome unknown", "", given(opened(Operation.PROMOTE, 5, target="dep-x"), deployment_id="dep-x"), []),
    Case("in another environment", "by its own account", given(former={"dep-a": Deployment("dep-a", "ACTIVE", None, "dev")}), []),
    Case("in no environment", "", given(former={"dep-a": Deployment("dep-a", "ACTIVE", None, None)}), []),
    Case("off already", "", given(former={"dep-a": Deployment("dep-a", "INACTIVE", None, NAME)}), []),
    Case("gone already", "", given(former={"dep-a": None}, rules={"action": "Delete"}), []),
    Case("done", "", given(DEACTIVATED), []),
    Case(
        "done, for another action",
        "deactivated, to be deleted now",
        given(DEACTIVATED, rules={"action": "Delete"}),
        ["delete deployment dep-a"],
    ),
    Case("refused a moment ago", "", given(answered(Operation.DEACTIVATE, 60, outcome="Refused", target="dep-a")), []),
    Case("refused two hours ago", "", given(answered(Operation.DEACTIVATE, 7200, outcome="Refused", target="dep-a")), GO),
    Case("done before it served once more", "", given(answered(Operation.DEACTIVATE, 7200, target="dep-a")), GO),
)
def test_what_is_cleaned_up(case: Case) -> None:
    assert sent(case.given) == case.expected


@table(
    Case(
        "in another environment", "it is not read at every poll", given(former={"dep-a": Deployment("dep-a", "ACTIVE", None, "dev")}), None
    ),
    Case("off", "", given(former={"dep-a": Deployment("dep-a", "INACTIVE", None, NAME)}), None),
    Case("gone", "", given(former={"dep-a": None}), None),
)
def test_what_needs_no_call_is_remembered(case: Case) -> None:
    journal = plan(case.given).journal
    assert [entry.target for entry in journal] == ["dep-a"]
    assert to_read(given(*journal)) == ()


def test_the_journal_is_bounded_by_the_history() -> None:
    assert plan(given(DELETED, DEACTIVATED, rules={"action": "Delete"})).journal == (DELETED,)
    assert plan(given(DEACTIVATED, history=())).journal == ()


def test_it_is_decided_again_when_the_next_one_is_due() -> None:
    assert plan(given(rules={"afterSeconds": 3600})).due == ago(600 - 3600)


def test_no_condition_waits_for_it() -> None:
    assert all(action.change.aside for action in plan(given()).actions)
    assert DeleteDeployment("dep-a").aside
