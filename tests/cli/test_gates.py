"""Rollouts that are held back, on the command line: planned, shown, approved, aborted, rolled back; what the operator then does."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from ..integration.harness.cluster import Json
from ..integration.harness.fixtures import KEYS
from ..integration.harness.manifests import CHAIN, chainlet, resource
from ..integration.harness.stage import Stage, is_settled
from .typed import Typed, set_status

KEY = {"BASETEN_API_KEY": KEYS["default"]}
DAY: Json = {
    "name": "day",
    "start": "08:00",
    "end": "18:00",
    "timeZone": "UTC",
    "chainletSettings": [{"chainletName": "HelloWorld", "autoscalingSettings": {"minReplica": 4, "maxReplica": 9}}],
}


def plan(typed: Typed, *manifests: Json, arguments: tuple[str, ...] = (), code: int = 2) -> list[dict[str, Any]]:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    done = typed("plan", "-f", "-", "-o", "json", *arguments, code=code, input=json.dumps(listed), **KEY)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def existing(stage: Stage, *deployments: str) -> str:
    """The environment is there and serves, and these deployments wait to be promoted; the id of the one that serves."""
    stage.simulator.add_environment(CHAIN, "staging", deployed=True)
    for each in deployments:
        stage.simulator.add_deployment(CHAIN, active=True, deployment_id=each)
    current: str = stage.simulator.environment(CHAIN, "staging")["current_deployment"]["id"]
    return current


def rollout(stage: Stage, gate: str) -> Json:
    """``status.rollout`` once it waits for this gate."""
    seen = stage.wait_for(f"it waits for {gate}", lambda seen: seen["status"].get("rollout", {}).get("waitsFor") == gate)
    found: Json = seen["status"]["rollout"]
    return found


def serves(stage: Stage, deployment: str) -> Json:
    def fits(seen: Json) -> bool:
        return is_settled(seen) and seen["status"]["currentDeployment"]["id"] == deployment

    return stage.wait_for(f"{deployment} serves", fits)


def test_an_approval_is_planned_shown_given_and_used_up(stage: Stage, typed: Typed) -> None:
    before = existing(stage, "dep-new")
    manifest = resource(deploymentID="dep-new", rollout={"approval": "Manual"})
    (planned,) = plan(typed, manifest)
    (held,) = planned["held"]
    assert (planned["calls"], planned["notes"], held["waitsFor"]) == ([], [], "Approval")
    text = typed("plan", "-f", "-", code=2, input=json.dumps(manifest), **KEY).stdout
    assert f"  rollout waits for Approval, plan {held['plan']}\n    {held['message']}\n" in text
    assert "1 environment, 0 calls, 0 deployments started, 1 rollout held back" in text
    stage.run_operator()
    stage.apply(manifest)
    waiting = rollout(stage, "Approval")
    assert (held["plan"], held["message"]) == (waiting["plan"], waiting["message"])
    shown = typed("status", "staging").stdout
    for part in (
        "waits for Approval",
        f"plan {held['plan']}",
        f"chainenv approve staging -n {stage.namespace}",
        "WaitingForApproval",
        "History",
        "USD an hour (from ",
        f"https://chain-{CHAIN}.api.baseten.co/environments/staging/run_remote",
    ):
        assert part in shown
    assert f"approved plan {held['plan']}" in typed("approve", "staging").stdout
    serves(stage, "dep-new")
    annotations = stage.see()["metadata"]["annotations"]
    assert annotations["chains.baseten.co/approve"] == held["plan"]
    assert "no rollout waits for an approval" in typed.fails("approve", "staging")
    newest, older = typed.read("history", "staging")
    assert (newest["deploymentID"], newest["cause"], newest["source"]) == ("dep-new", "Promotion", "dep-new")
    assert (older["deploymentID"], older["until"]) == (before, newest["since"])
    assert typed("history", "staging").stdout.splitlines()[1].split()[:3] == ["dep-new", "Promotion", "dep-new"]
    assert typed.read("rollback", "staging")["new"] == before
    assert rollout(stage, "Approval")["plan"] != held["plan"]


def test_a_window_is_planned_and_needs_no_approval(stage: Stage, typed: Typed) -> None:
    existing(stage, "dep-new")
    manifest = resource(deploymentID="dep-new", rollout={"windows": [{"weekdays": ["Mon"], "start": "08:00", "end": "09:00"}]})
    sunday, monday = ("--at", "2026-12-06T12:00Z"), ("--at", "2026-12-07T08:30Z")
    (held,) = plan(typed, manifest, arguments=sunday)[0]["held"]
    assert (held["waitsFor"], datetime.fromisoformat(held["nextWindow"])) == ("Window", datetime.fromisoformat("2026-12-07T08:00Z"))
    assert [each["operation"] for each in plan(typed, manifest, arguments=monday)[0]["calls"]] == ["Promote"]
    stage.apply(manifest)
    set_status(stage, rollout={"waitsFor": "Window", "plan": held["plan"], "message": "it waits"})
    assert "need no approval; this one waits for Window" in typed.fails("approve", "staging")


def test_the_budget_is_planned_with_the_prices_that_plan_reads(stage: Stage, typed: Typed) -> None:
    stage.simulator.set_prices({"1x2": "0.01"})
    types = [{"chainletName": "HelloWorld", "instanceTypeID": "H100"}]
    (planned,) = plan(typed, resource(budget={"maxUSDPerHour": "1.00"}, chainletSettings=types))
    (held,) = planned["held"]
    assert (held["waitsFor"], planned["calls"]) == ("Budget", [])
    assert "above budget.maxUSDPerHour 1.00" in held["message"]
    assert [each["operation"] for each in plan(typed, resource(budget={"maxUSDPerHour": "99"}, chainletSettings=types))[0]["calls"]] == [
        "CreateEnvironment"
    ]
    existing(stage)
    scaling = [chainlet("HelloWorld", maxReplica=9)]
    (planned,) = plan(typed, resource(budget={"maxUSDPerHour": "2.00"}, chainletSettings=scaling), code=0)
    assert "6.00 USD" in planned["notes"][0]
    (planned,) = plan(typed, resource(budget={"maxUSDPerHour": "6.00"}, chainletSettings=scaling))
    assert (planned["cost"]["before"]["maxPerHour"], planned["cost"]["after"]["maxPerHour"]) == ("1.20", "6.00")
    stage.simulator.add_fault("answer", status=404, path="/v1/instance_type_prices", times=None)
    (planned,) = plan(typed, resource(budget={"maxUSDPerHour": "6.00"}, chainletSettings=scaling), code=0)
    assert "has no price" in planned["notes"][0]


def test_schedules_at_a_time(stage: Stage, typed: Typed) -> None:
    existing(stage)
    base = [chainlet("HelloWorld", minReplica=1, maxReplica=2)]
    manifest = resource(chainletSettings=base, autoscalingSchedules=[DAY])
    for hour, active, least in (("12", "day", "4"), ("20", None, "1")):
        (planned,) = plan(typed, manifest, arguments=("--at", f"2026-12-07T{hour}:00"))
        assert planned["schedule"].get("active") == active
        assert planned["schedule"]["values"]["chainletSettings[HelloWorld].autoscalingSettings.minReplica"] == least
        (change,) = (each for call in planned["calls"] for each in call["changes"] if each["path"].endswith("minReplica"))
        assert change["new"] == least
    assert "is no time: write it as" in typed.fails("plan", "-f", "-", "--at", "noon", **KEY)
    stage.run_operator()
    stage.apply(manifest)
    stage.wait_settled()
    shown = typed("status", "staging").stdout.split("Schedule", 1)[1]
    assert shown.splitlines()[0].strip().startswith(("day, next change ", "none active, next change "))
    edges = [line for line in shown.splitlines()[1:] if line.startswith("    20")]
    assert (len(edges), {line.split("Z", 1)[1].strip() for line in edges}) == (5, {"day", "none active"})


def test_a_source_of_the_same_plan_or_of_the_cluster_is_known(stage: Stage, typed: Typed) -> None:
    existing(stage)
    follower = resource("production", promoteFrom={"name": "staging"})
    (held,) = plan(typed, follower)[0]["held"]
    assert (held["waitsFor"], "not found in this namespace" in held["message"]) == ("Source", True)
    (held,) = plan(typed, resource(), follower)[1]["held"]
    assert "its status does not describe its generation" in held["message"]
    assert "without a cluster nothing is known of staging" in plan(typed, follower, arguments=("--no-cluster",))[0]["notes"][0]
    stage.run_operator()
    stage.apply(resource())
    current = stage.wait_settled()["status"]["currentDeployment"]["id"]
    (planned,) = plan(typed, follower)
    assert [(call["operation"], call["changes"][0]["new"]) for call in planned["calls"]] == [("Promote", current)]


@pytest.mark.parametrize("arguments", [("rollback", "staging", "--to", "dep1"), ("promote", "staging", "dep1")])
def test_what_follows_another_is_rolled_back_there(stage: Stage, typed: Typed, arguments: tuple[str, ...]) -> None:
    stage.apply(resource(promoteFrom={"name": "dev"}))
    before = stage.see()
    line = typed.fails(*arguments)
    assert f"follows dev (spec.promoteFrom): chainenv {arguments[0]} dev" in line
    assert "write deploymentID: dep1 in place of promoteFrom" in line
    assert stage.see() == before


def test_abort_deactivates_the_candidate_of_a_real_rollout(stage: Stage, typed: Typed) -> None:
    current = existing(stage)
    stage.run_operator()
    stage.apply(resource(chainletSettings=[{"chainletName": "HelloWorld", "instanceTypeID": "1x2"}]))
    stage.wait_settled()
    assert "there is no candidate" in typed.fails("abort", "staging")
    stage.simulator.set_options(build_seconds=1000.0, deploy_seconds=1000.0)
    stage.apply(resource(chainletSettings=[{"chainletName": "HelloWorld", "instanceTypeID": "4x16"}]))
    seen = stage.wait_for("a candidate", lambda seen: seen["status"].get("candidateDeployment"))
    candidate = seen["status"]["candidateDeployment"]["id"]
    assert any(line.split()[0] == "Candidate" and candidate in line for line in typed("status", "staging").stdout.splitlines())
    assert typed.read("abort", "staging")["candidate"] == candidate
    stage.wait_condition("Stalled", "True", "RolloutAborted")
    assert stage.simulator.deployment(candidate)["status"] in ("DEACTIVATING", "INACTIVE")
    assert stage.see()["status"]["currentDeployment"]["id"] == current


def test_a_cleanup_is_planned_as_far_as_nobody_names_the_deployment(stage: Stage, typed: Typed) -> None:
    before = existing(stage)
    stage.run_operator()
    stage.apply(resource())
    stage.wait_settled()
    stage.simulator.add_deployment(CHAIN, environment="staging", active=True, deployment_id="dep-new")
    stage.wait_for("both stand in the history", lambda seen: len(seen["status"]["history"]) == 2 and is_settled(seen))
    manifest = resource(cleanup={"keepLast": 0})
    (planned,) = plan(typed, manifest)
    assert [(call["operation"], before in call["text"]) for call in planned["calls"]] == [("Deactivate", True)]
    assert planned["cost"]["after"] == planned["cost"]["before"], "what serves stays"
    stage.apply(resource("another", managementPolicy="Pause", deploymentID=before))
    assert plan(typed, manifest, code=0)[0]["calls"] == []
