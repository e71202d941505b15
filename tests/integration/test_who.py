"""Who did it: the audit log names the source, and with ``CHAINENV_AUDIT=full`` the actor, in events and in the history."""

from __future__ import annotations

import pytest

from .harness.case import Case
from .harness.manifests import CHAIN, chainlet
from .harness.stage import Stage

SETTINGS = [chainlet("HelloWorld", maxReplica=3)]
AUDIT_LOG = r"/audit_logs"


def case(stage: Stage, **settings: str) -> Case:
    stage.simulator.add_environment(CHAIN, "staging", deployed=True)
    stage.run_operator(**settings)
    found = Case(stage, "staging", chain=CHAIN)
    found.apply(chainletSettings=SETTINGS)
    found.wait_settled()
    found.wait_for("a history", lambda seen: seen["status"].get("history"))
    return found


def disturb(found: Case) -> None:
    found.by_hand(autoscaling={"HelloWorld": {"max_replica": 9}})


@pytest.mark.parametrize(("audit", "words"), [("full", "person@example.com via UI"), ("source", "changed by UI")])
def test_drift_and_a_strangers_deployment_have_somebody(stage: Stage, audit: str, words: str) -> None:
    found = case(stage, CHAINENV_AUDIT=audit)
    disturb(found)
    found.wait_event("AutoscalingCorrected", "maxReplica 9 -> 3", words)
    stage.simulator.add_deployment(CHAIN, environment="staging", active=True, deployment_id="hotfix")
    seen = found.wait_for("who it was", lambda seen: seen["status"]["history"][0].get("by"))
    newest = seen["status"]["history"][0]
    assert (newest["deploymentID"], newest["cause"]) == ("hotfix", "External")
    assert newest["by"] == ("person@example.com via UI" if audit == "full" else "UI")
    assert len(stage.simulator.journal(path=AUDIT_LOG)) == 2


def test_switched_off_nothing_is_asked(stage: Stage) -> None:
    found = case(stage, CHAINENV_AUDIT="off")
    disturb(found)
    event = found.wait_event("AutoscalingCorrected", "maxReplica 9 -> 3")
    assert "changed by" not in event["message"]
    assert stage.simulator.journal(path=AUDIT_LOG) == []


def test_a_key_that_may_not_read_the_log_is_asked_once_an_hour(stage: Stage) -> None:
    stage.simulator.add_key("default", stage.keys["default"], audit_logs=False)
    found = case(stage)
    for _ in range(2):
        disturb(found)
        found.wait_event("AutoscalingCorrected", "maxReplica 9 -> 3")
        found.wait_settled()
    assert [entry.status for entry in stage.simulator.journal(path=AUDIT_LOG)] == [403]


def test_a_log_that_does_not_answer_holds_nothing_up(stage: Stage) -> None:
    found = case(stage)
    stage.simulator.hold("the audit log", method="GET", path=AUDIT_LOG)
    disturb(found)
    stage.simulator.wait_held("the audit log")
    found.wait_settled()
    found.apply(chainletSettings=[chainlet("HelloWorld", maxReplica=4)])
    found.wait_settled()
    assert found.on_baseten()["chainlet_settings"][0]["autoscaling_settings"]["max_replica"] == 4
    stage.simulator.release("the audit log")
    found.wait_event("AutoscalingCorrected", "maxReplica 9 -> 3", "changed by UI")
