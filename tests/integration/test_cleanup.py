"""``cleanup``: what served in an environment before goes, and nothing that anybody still needs."""

from __future__ import annotations

import json
from functools import partial

import pytest

from .harness.cluster import Json
from .harness.manifests import CHAIN, resource
from .harness.stage import Stage
from .harness.waiting import wait_until

KEEP_ONE = {"keepLast": 1}


def is_newest(deployment: str, seen: Json) -> bool:
    return bool(seen["status"]["history"][0]["deploymentID"] == deployment)


def pushed(stage: Stage, *deployments: str) -> None:
    """One after the other they serve in staging, and the operator has seen each of them."""
    for each in deployments:
        stage.simulator.add_deployment(CHAIN, environment="staging", active=True, deployment_id=each)
        stage.wait_for(f"{each} stands in the history", partial(is_newest, each))


def observed(stage: Stage, **spec: object) -> None:
    stage.simulator.add_environment(CHAIN, "staging", deployed=True)
    stage.run_operator()
    stage.apply(resource(**spec))
    stage.wait_for("a history", lambda seen: seen["status"].get("history"))


def cleaned(stage: Stage) -> list[str]:
    """Paths of the calls that deactivate or delete a deployment, in order: what each was about."""
    calls = stage.simulator.journal(path=r"/deployments/[^/]+(/deactivate)?$")
    return [e.path.split("/deployments/")[1] for e in calls if e.method in ("POST", "DELETE")]


def test_what_served_before_is_deactivated_once_and_what_is_kept_stays(stage: Stage) -> None:
    observed(stage, cleanup=KEEP_ONE)
    first = stage.see()["status"]["history"][0]["deploymentID"]
    pushed(stage, "one", "two", "three")
    wait_until("two are deactivated", lambda: len(cleaned(stage)) >= 2)
    stage.operators[0].restart()
    stage.wait_polls(4)
    assert cleaned(stage) == [f"{first}/deactivate", "one/deactivate"]
    events = stage.cluster.get(f"/api/v1/namespaces/{stage.namespace}/events")["items"]
    assert {"one" in e["message"] for e in events if e["reason"] == "DeploymentDeactivated"} == {True, False}
    stage.wait_settled()


def test_delete_removes_it_from_baseten(stage: Stage) -> None:
    observed(stage, cleanup={"keepLast": 0, "action": "Delete"})
    pushed(stage, "one", "two")

    wait_until("one is deleted", lambda: "one" in cleaned(stage))
    stage.wait_polls(3)
    assert cleaned(stage).count("one") == 1
    assert "two" not in cleaned(stage)
    stage.wait_settled()


@pytest.mark.parametrize("policy", ["Observe", "Pause"])
def test_observe_and_pause_touch_nothing(stage: Stage, policy: str) -> None:
    observed(stage)
    pushed(stage, "one", "two")
    stage.apply(resource(cleanup={"keepLast": 0}, managementPolicy=policy))
    stage.wait_for("acted on", lambda seen: seen["status"]["observedGeneration"] == seen["metadata"]["generation"])
    if policy == "Observe":
        stage.wait_polls(3)
    assert cleaned(stage) == []


def test_what_another_resource_names_is_left_alone(stage: Stage) -> None:
    observed(stage)
    pushed(stage, "one", "two", "three")
    stage.simulator.add_environment(CHAIN, "canary", deployed=True)
    stage.apply(resource("canary", deploymentID="one"))
    stage.wait_for("the other has promoted it", lambda seen: promoted_from("one", seen), name="canary")
    stage.apply(resource(cleanup={"keepLast": 0}))
    wait_until("two goes", lambda: "two/deactivate" in cleaned(stage))
    stage.wait_polls(3)
    assert not [each for each in cleaned(stage) if each.startswith(("one", "three"))]


def promoted_from(deployment: str, seen: Json) -> bool:
    return any(entry.get("source") == deployment for entry in seen["status"].get("history", ()))


def test_without_cleanup_nothing_is_touched(stage: Stage) -> None:
    observed(stage)
    pushed(stage, "one", "two")
    stage.wait_polls(3)
    assert cleaned(stage) == []
    assert json.dumps(stage.see()["status"]).count("Deactivate") == 0
