"""Rollouts wait for their window, a person's approval and the budget, and nothing else does (docs/rollouts.md)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from .harness.case import CHAINLETS, RECONCILE, Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.stage import Stage, is_settled
from .harness.waiting import wait_until

APPROVE, ABORT = "chains.baseten.co/approve", "chains.baseten.co/abort-rollout"
PRICES = "/v1/instance_type_prices"


def window(start: timedelta, end: timedelta) -> Json:
    """From then to then, from now on, in UTC."""
    now = datetime.now(UTC)
    return {"start": f"{now + start:%H:%M}", "end": f"{now + end:%H:%M}"}


CLOSED = {"windows": [window(timedelta(hours=4), timedelta(hours=5))]}
OPEN = {"windows": [window(timedelta(hours=-1), timedelta(hours=4))]}


def waiting(case: Case, reason: str) -> Json:
    """``status.rollout``, once the rollout waits for this reason."""
    case.wait_condition("Synced", "False", reason)
    found: Json = case.see()["status"]["rollout"]
    return found


def serves(case: Case, deployment: str) -> Json:
    return case.wait_for(
        f"{deployment} serves, settled", lambda seen: is_settled(seen) and seen["status"]["currentDeployment"]["id"] == deployment
    )


def test_a_promotion_waits_for_its_window_and_nothing_else_does(stage: Stage) -> None:
    case = Case(stage, "windows").existing()
    case.pushed("dep-w")
    stage.run_operator()
    case.apply(deploymentID="dep-w", rollout=CLOSED, chainletSettings=[chainlet(CHAINLETS[0], maxReplica=4)])
    found = waiting(case, "WaitingForWindow")
    assert found["waitsFor"] == "Window"
    assert datetime.fromisoformat(found["nextWindow"]) > datetime.now(UTC)
    case.wait_condition("Reconciling", "True", "WaitingForWindow")
    assert case.condition("Stalled") == {}
    assert case.names_sent() == ["autoscaling"]
    case.apply(deploymentID="dep-w", rollout=OPEN, chainletSettings=[chainlet(CHAINLETS[0], maxReplica=4)])
    assert "rollout" not in serves(case, "dep-w")["status"]
    assert case.names_sent() == ["autoscaling", "promote"]


def test_an_approval_is_for_one_plan_and_is_used_up_over_a_restart(stage: Stage) -> None:
    case = Case(stage, "approval").existing()
    case.pushed("dep-a", "dep-b")
    before = case.current()
    operator = stage.run_operator()
    case.apply(deploymentID="dep-a", rollout={"approval": "Manual"})
    first = waiting(case, "WaitingForApproval")["plan"]
    case.annotate(APPROVE, "another")
    case.annotate(RECONCILE, "1")
    case.wait_echo("1")
    assert case.names_sent() == []
    case.annotate(APPROVE, first)
    serves(case, "dep-a")
    case.apply(deploymentID=before, rollout={"approval": "Manual"})
    back = waiting(case, "WaitingForApproval")["plan"]
    case.annotate(APPROVE, back)
    serves(case, before)
    operator.restart()
    case.apply(deploymentID="dep-a", rollout={"approval": "Manual"})
    again = waiting(case, "WaitingForApproval")["plan"]
    assert len({first, back, again}) == 3
    case.annotate(APPROVE, first)  # it was used
    case.annotate(RECONCILE, "2")
    case.wait_echo("2")
    assert case.names_sent() == ["promote", "promote"]
    case.annotate(APPROVE, again)
    serves(case, "dep-a")


def test_a_correction_of_drift_waits_for_approval(stage: Stage) -> None:
    case = Case(stage, "drifted").existing()
    stage.run_operator()
    case.apply(rollout={"approval": "Manual"}, chainletSettings=[{"chainletName": CHAINLETS[0], "instanceTypeID": "1x2"}])
    case.wait_settled()
    case.by_hand(instance_types={CHAINLETS[0]: "2x8"})
    plan = waiting(case, "WaitingForApproval")["plan"]
    assert [each["path"] for each in case.see()["status"]["drift"]] == [f"chainletSettings[{CHAINLETS[0]}].instanceTypeID"]
    assert case.names_sent() == []
    case.annotate(APPROVE, plan)
    case.wait_settled()
    assert case.names_sent() == ["instance types"]


def test_a_created_environment_asks_for_no_approval(stage: Stage) -> None:
    case = Case(stage, "created").with_chain()
    stage.run_operator()
    case.apply(rollout={"approval": "Manual", **CLOSED}, chainletSettings=[chainlet(CHAINLETS[0], maxReplica=2)])
    case.wait_names_sent(["create"])


def test_the_budget_holds_back_what_costs_more(stage: Stage) -> None:
    case = Case(stage, "budget").existing()
    stage.simulator.set_prices({"1x2": "0.01"})  # 0.60 an hour
    stage.run_operator()
    case.apply(budget={"maxUSDPerHour": "2.00"}, chainletSettings=[chainlet(CHAINLETS[0], maxReplica=9)])
    case.wait_condition("Stalled", "True", "BudgetExceeded", "6.00 USD")
    assert case.names_sent() == []
    case.apply(budget={"maxUSDPerHour": "6.00"}, chainletSettings=[chainlet(CHAINLETS[0], maxReplica=9)])
    seen = case.wait_settled()
    assert case.names_sent() == ["autoscaling"]
    assert seen["status"]["cost"]["currency"] == "USD"
    assert seen["status"]["cost"]["maxPerHour"] == "6.00"


def test_a_create_above_the_budget_is_not_sent(stage: Stage) -> None:
    case = Case(stage, "dear").with_chain()
    stage.run_operator()
    types = [{"chainletName": CHAINLETS[0], "instanceTypeID": "H100"}]
    case.apply(budget={"maxUSDPerHour": "1.00"}, chainletSettings=types)
    case.wait_condition("Stalled", "True", "BudgetExceeded", "H100")
    assert case.see()["status"]["rollout"]["waitsFor"] == "Budget"
    case.apply(budget={"maxUSDPerHour": "10.00"}, chainletSettings=types)
    case.wait_names_sent(["create"])


def test_prices_are_waited_for_and_a_server_without_them_has_none(stage: Stage) -> None:
    case = Case(stage, "unpriced").existing()
    stage.simulator.hold("prices", path=PRICES)
    stage.run_operator()
    case.apply(budget={"maxUSDPerHour": "100.00"}, chainletSettings=[chainlet(CHAINLETS[0], maxReplica=3)])
    stage.simulator.wait_held("prices")
    case.wait_condition("Synced", "False", "PriceUnknown", "not been read")
    assert case.condition("Stalled") == {}
    stage.simulator.release("prices")
    case.wait_settled()
    assert len(stage.simulator.journal(path=PRICES)) == 1


def test_a_server_without_prices_holds_back_what_costs_more(stage: Stage) -> None:
    case = Case(stage, "old").existing()
    stage.simulator.add_fault("answer", status=404, path=PRICES, times=None)
    stage.run_operator()
    case.apply(budget={"maxUSDPerHour": "100.00"}, chainletSettings=[chainlet(CHAINLETS[0], maxReplica=3)])
    case.wait_condition("Synced", "False", "PriceUnknown", "has no price")
    case.apply(chainletSettings=[chainlet(CHAINLETS[0], maxReplica=3)])
    seen = case.wait_settled()
    assert "cost" not in seen["status"]


def rolling(case: Case) -> str:
    """The candidate that this resource's promotion has made, held while it builds."""
    case.wait_sent("promote")
    seen = case.wait_for("a candidate", lambda seen: seen["status"].get("candidateDeployment"))
    found: str = seen["status"]["candidateDeployment"]["id"]
    return found


@pytest.fixture
def slow(stage: Stage) -> Case:
    """A promotion that takes for ever."""
    stage.simulator.set_options(build_seconds=1000.0, deploy_seconds=1000.0)
    case = Case(stage, "slow").existing(promotion={"redeploy_on_promotion": True})
    case.pushed("dep-s")
    stage.run_operator()
    return case


def test_a_rollout_that_takes_too_long_is_stalled_and_nothing_is_undone(slow: Case) -> None:
    slow.apply(deploymentID="dep-s", rollout={"deadlineSeconds": 1})
    candidate = rolling(slow)
    slow.wait_condition("Stalled", "True", "RolloutDeadlineExceeded", candidate)
    assert slow.condition("Ready")["status"] == "True"
    assert slow.names_sent() == ["promote"]


def test_an_aborted_rollout_is_not_retried(slow: Case) -> None:
    current = slow.current()
    slow.apply(deploymentID="dep-s")
    candidate = rolling(slow)
    slow.annotate(ABORT, current)
    slow.annotate(RECONCILE, "1")
    slow.wait_echo("1")
    assert slow.names_sent() == ["promote"]
    slow.annotate(ABORT, candidate)
    slow.wait_event("RolloutAborted", candidate)
    slow.wait_condition("Stalled", "True", "RolloutAborted", candidate)
    wait_until("it is off", lambda: slow.status_of(candidate) == "INACTIVE")
    slow.wait_looks()
    assert len(slow.sent()) == 2
    assert slow.current() == current
