"""``promoteFrom``: what one environment has proven is promoted into the next, once, whatever id serves there; and the history says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .harness.cluster import Json
from .harness.manifests import CHAIN, resource
from .harness.stage import Stage, is_handled, is_settled
from .harness.waiting import wait_until

CHAINED = ("dev", "staging", "production")


def environments(stage: Stage, *names: str) -> None:
    """They are there and serve; production is on every chain."""
    for each in names:
        if each == "production":
            stage.simulator.add_deployment(CHAIN, environment=each, active=True)
        else:
            stage.simulator.add_environment(CHAIN, each, deployed=True)


def pushed(stage: Stage, environment: str, deployment: str) -> None:
    """A person pushes to the environment: it serves the deployment."""
    stage.simulator.add_deployment(CHAIN, environment=environment, active=True, deployment_id=deployment)


def promoted(stage: Stage, environment: str) -> list[str]:
    """What was promoted into it, in order."""
    return [each.body["deployment_id"] for each in stage.sent(path=f"/environments/{environment}/promote$")]


def from_source(deployment: str) -> Callable[[Json], bool]:
    """Whether all is settled, and what serves came of the promotion of this deployment."""

    def fits(seen: Json) -> bool:
        newest: dict[str, Any] = next(iter(seen["status"].get("history", ())), {})
        return is_settled(seen) and (newest.get("cause"), newest.get("source")) == ("Promotion", deployment)

    return fits


def waits(waits_for: str, reason: str) -> Callable[[Json], bool]:
    def fits(seen: Json) -> bool:
        synced: Json = next((c for c in seen["status"].get("conditions", ()) if c["type"] == "Synced"), {})
        shown = seen["status"].get("rollout", {}).get("waitsFor") == waits_for
        return is_handled(seen) and shown and (synced.get("status"), synced.get("reason")) == ("False", reason)

    return fits


def test_what_serves_in_the_source_goes_on_to_the_next_once(stage: Stage) -> None:
    environments(stage, *CHAINED)
    operator = stage.run_operator()
    stage.apply(resource("dev"))
    stage.wait_settled("dev")
    for name, source in (("staging", "dev"), ("production", "staging")):
        stage.apply(resource(name, promoteFrom={"name": source}))
    pushed(stage, "dev", "fresh")
    stage.wait_for("staging serves what dev has proven", from_source("fresh"), name="staging")
    copy = stage.see("staging")["status"]["currentDeployment"]["id"]
    stage.wait_for("production serves what staging has proven", from_source(copy), name="production")
    assert copy != "fresh"
    operator.restart()
    stage.wait_polls(6)
    assert (promoted(stage, "staging").count("fresh"), promoted(stage, "production").count(copy)) == (1, 1)
    assert stage.see("production")["status"]["endpoints"]["run"].endswith("/environments/production/run_remote")


def test_a_source_that_goes_back_is_followed(stage: Stage) -> None:
    environments(stage, "dev", "staging")
    stage.run_operator()
    stage.apply(resource("dev"))
    stage.apply(resource("staging", promoteFrom={"name": "dev"}))
    for each in ("one", "two"):
        pushed(stage, "dev", each)
        stage.wait_for(f"staging serves {each}", from_source(each), name="staging")
    stage.apply(resource("dev", deploymentID="one"))
    stage.wait_for(
        "staging serves what dev went back to", lambda seen: len(promoted(stage, "staging")) > 2 and is_settled(seen), name="staging"
    )
    assert stage.see("staging")["status"]["history"][0]["source"] == stage.see("dev")["status"]["currentDeployment"]["id"]


def test_the_soak_is_waited_for_and_then_acted_on(stage: Stage) -> None:
    environments(stage, "dev", "staging")
    stage.run_operator(CHAINENV_POLL_SECONDS="600")
    stage.apply(resource("dev"))
    stage.wait_settled("dev")
    stage.apply(resource("staging", promoteFrom={"name": "dev", "soakSeconds": 86400}))
    seen = stage.wait_for("the soak is shown", waits("Soak", "WaitingForSource"), name="staging")
    serving = stage.see("dev")["status"]["currentDeployment"]["id"]
    assert serving in seen["status"]["rollout"]["message"]
    assert promoted(stage, "staging") == []
    stage.apply(resource("staging", promoteFrom={"name": "dev", "soakSeconds": 3}))
    stage.wait_for("promoted after the soak", from_source(serving), name="staging")
    since = stage.see("staging")["status"]["history"][0]["since"]
    assert since > stage.see("dev")["status"]["history"][0]["since"]
    assert "rollout" not in stage.see("staging")["status"]


def test_a_source_that_cannot_be_followed_is_named(stage: Stage) -> None:
    environments(stage, "dev", "staging")
    stage.run_operator()
    stage.apply(resource("staging", promoteFrom={"name": "dev"}))
    seen = stage.wait_for("no such resource", waits("Source", "SourceNotFound"), name="staging")
    assert seen["status"]["reason"] == "SourceNotFound"
    stage.apply(resource("dev", managementPolicy="Pause"))
    stage.wait_for("paused", waits("Source", "WaitingForSource"), name="staging")
    stage.apply(resource("dev", promoteFrom={"name": "staging"}))
    for name in ("dev", "staging"):
        assert "circle" in stage.wait_for("a circle", waits("Source", "SourceNotFound"), name=name)["status"]["rollout"]["message"]
    stage.apply(resource("elsewhere", chainID="another"))
    stage.apply(resource("staging", promoteFrom={"name": "elsewhere"}))
    stage.wait_for("another chain", lambda seen: "chain another" in seen["status"].get("rollout", {}).get("message", ""), name="staging")
    assert promoted(stage, "staging") == []
    stage.cluster.kubectl("delete", "chenv", "elsewhere", namespace=stage.namespace)
    wait_until("gone again", lambda: "not found" in stage.see("staging")["status"]["rollout"]["message"])


def test_a_created_environment_has_a_history_from_its_first_deployment_on(stage: Stage) -> None:
    operator = stage.run_operator()
    stage.apply(resource("fresh", chainletSettings=[{"chainletName": "HelloWorld", "instanceTypeID": "2x8"}]))
    stage.wait_settled("fresh")
    stage.wait_for("created", lambda seen: [e["cause"] for e in seen["status"]["history"]] == ["Created"], name="fresh")
    stage.apply(resource("fresh", chainletSettings=[{"chainletName": "HelloWorld", "instanceTypeID": "1x4"}]))
    stage.wait_for("types", lambda seen: [e["cause"] for e in seen["status"]["history"]] == ["InstanceTypes", "Created"], name="fresh")
    stage.wait_settled("fresh")
    pushed(stage, "fresh", "hotfix")
    stage.wait_for("pushed", lambda seen: seen["status"]["history"][0]["cause"] == "External", name="fresh")
    before = stage.see("fresh")["status"]["history"]
    assert [each.get("until") is None for each in before] == [True, False, False]
    operator.restart()
    stage.wait_polls()
    seen = stage.see("fresh")
    assert seen["status"]["history"] == before
    mark = seen["metadata"]["resourceVersion"]
    stage.wait_polls(4)
    assert stage.see("fresh")["metadata"]["resourceVersion"] == mark
