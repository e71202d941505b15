"""The main job: an environment is created as declared, followed until it serves, and its instance types are changed in one go."""

from __future__ import annotations

from collections.abc import Callable

from chainenv_sandbox.baseten.client import Simulator

from .harness.cluster import SAMPLES, Json
from .harness.manifests import CHAIN, SEED_CREATE, SEED_INSTANCE_TYPES, chainlet, resource
from .harness.stage import Sent, Stage, condition, is_settled

CREATE = SAMPLES / "staging.yaml"
NEW_TYPES = SAMPLES / "staging-new-instance-types.yaml"
A_PHASE = 1000.0
"""Seconds that each phase of a deployment takes when the test moves Baseten's clock itself."""


def by_hand(simulator: Simulator) -> None:
    """From now on a deployment's phases pass only with ``simulator.advance(A_PHASE)``."""
    simulator.set_options(build_seconds=A_PHASE, deploy_seconds=A_PHASE, load_seconds=A_PHASE, promotion_seconds=A_PHASE)


def current(seen: Json) -> Json:
    found: Json = seen["status"].get("currentDeployment", {})
    return found


def candidate(seen: Json) -> Json:
    found: Json = seen["status"].get("candidateDeployment", {})
    return found


def shows(phase: str) -> Callable[[Json], bool]:
    return lambda seen: current(seen).get("status") == phase


def types(seen: Json) -> Json:
    return {each["chainletName"]: each["instanceType"]["id"] for each in seen["status"]["chainletSettings"]}


def test_the_documented_create_example_sends_exactly_that_body(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(CREATE)
    stage.wait_settled()
    assert stage.sent() == [Sent("create", SEED_CREATE)]
    assert stage.started() == ["create"]


def test_what_the_create_returned_stands_in_status_before_anything_is_read_again(stage: Stage) -> None:
    by_hand(stage.simulator)
    stage.simulator.hold("second poll", method="GET", path="/environments/staging$", skip=1, times=None)
    stage.run_operator()
    stage.apply(CREATE)
    stage.simulator.wait_held("second poll")
    status = stage.see()["status"]
    (made,) = stage.simulator.started_deployments(CHAIN)
    assert (status["currentDeployment"]["id"], status["currentDeployment"]["status"]) == (made["id"], "BUILDING")
    shown = [(each["name"], each["status"], each["instanceTypeName"]) for each in status["currentDeployment"]["chainlets"]]
    assert shown == [("HelloWorld", "BUILDING", "2 vCPUs, 8 GiB RAM"), ("RandInt", "BUILDING", "A10G, 8 vCPUs, 32 GiB RAM")]
    assert status["environment"]["name"] == "staging"
    assert status["environment"]["chainID"] == CHAIN
    stage.simulator.release()


def test_status_follows_a_deployment_from_building_to_active(stage: Stage) -> None:
    by_hand(stage.simulator)
    stage.run_operator()
    stage.apply(CREATE)
    for phase in ("BUILDING", "DEPLOYING", "LOADING_MODEL"):
        seen = stage.wait_for(f"status shows {phase}", shows(phase))
        assert {each["status"] for each in current(seen)["chainlets"]} <= {phase, "ACTIVE"}
        assert condition(seen, "Ready")["status"] == "False"
        assert condition(seen, "Reconciling")["status"] == "True"
        stage.simulator.advance(A_PHASE)
    seen = stage.wait_settled()
    shown = {each["name"]: (each["status"], each["activeReplicaCount"]) for each in current(seen)["chainlets"]}
    assert shown == {"HelloWorld": ("ACTIVE", 2), "RandInt": ("ACTIVE", 3)}
    assert current(seen)["chainlets"][0]["autoscalingSettings"]["autoscalingWindow"] == 800
    assert condition(seen, "Ready")["reason"] == "Active"


def test_kubectl_wait_returns_when_the_environment_serves(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(CREATE)
    stage.cluster.kubectl("wait", "--for=condition=Ready", "chenv/staging", "--timeout=120s", namespace=stage.namespace)
    assert current(stage.see())["status"] == "ACTIVE"
    row = stage.cluster.kubectl("get", "chenv", "--no-headers", namespace=stage.namespace).stdout.split()
    assert row[:7] == ["staging", CHAIN, "staging", current(stage.see())["id"], "ACTIVE", "5", "True"]


def test_two_instance_types_changed_in_one_apply_start_one_deployment(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(CREATE)
    before = stage.wait_settled()
    by_hand(stage.simulator)
    mark = stage.mark()
    stage.apply(NEW_TYPES)

    coming = stage.wait_for("a candidate is shown", candidate)
    assert candidate(coming)["status"] == "BUILDING"
    assert current(coming)["id"] == current(before)["id"]
    assert condition(coming, "Ready")["status"] == "True", "what served before goes on serving"
    assert {each["name"] for each in candidate(coming)["chainlets"]} == {"HelloWorld", "RandInt"}

    for _ in range(4):
        stage.simulator.advance(A_PHASE)
    after = stage.wait_settled()
    assert current(after)["id"] == candidate(coming)["id"]
    assert not candidate(after)
    assert types(after) == {"HelloWorld": "1x4", "RandInt": "A10G:2x24x96"}
    assert after["status"]["chainletSettings"][1]["instanceType"]["gpuCount"] == 2
    assert stage.sent(mark) == [Sent("instance types", SEED_INSTANCE_TYPES)]
    assert stage.started() == ["create", "instance_types"]


def test_a_third_apply_without_a_change_makes_no_call_but_reads(stage: Stage) -> None:
    stage.run_operator()
    for manifest in (CREATE, NEW_TYPES):
        stage.apply(manifest)
        settled = stage.wait_settled()
    mark = stage.mark()
    stage.apply(NEW_TYPES)
    stage.wait_polls(4)
    assert stage.sent(mark) == []
    assert stage.see()["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]


def test_one_chainlet_of_two_is_sent_when_only_its_instance_type_differs(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource(chainletSettings=[chainlet("HelloWorld", "2x8"), chainlet("RandInt", "1x2")]))
    stage.wait_settled()
    mark = stage.mark()
    stage.apply(resource(chainletSettings=[chainlet("RandInt", "T4x4x16"), chainlet("HelloWorld", "2x8")]))
    stage.wait_for("the new type serves", lambda seen: is_settled(seen) and types(seen)["RandInt"] == "T4x4x16")
    updates = {"updates": [{"chainlet_name": "RandInt", "instance_type_id": "T4x4x16"}]}
    assert stage.sent(mark) == [Sent("instance types", updates)]


def test_instance_types_that_show_only_after_promotion_are_sent_once(stage: Stage) -> None:
    stage.simulator.set_options(instance_types_visible="when_promoted")
    stage.run_operator()
    for manifest in (CREATE, NEW_TYPES):
        stage.apply(manifest)
        stage.wait_settled()
    stage.wait_polls()
    assert stage.started() == ["create", "instance_types"]


def test_instance_types_wait_while_a_promotion_runs(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(CREATE)
    stage.wait_settled()
    by_hand(stage.simulator)
    stage.simulator.add_deployment(CHAIN, environment="staging")
    stage.wait_for("the promotion is seen", candidate)
    mark = stage.mark()
    stage.apply(NEW_TYPES)
    stage.wait_condition("Synced", "False", "PromotionRunning")
    assert stage.sent(mark) == []
    stage.simulator.set_options(build_seconds=0.2, deploy_seconds=0.2, load_seconds=0.2, promotion_seconds=0.2)
    stage.simulator.advance(4 * A_PHASE)
    stage.wait_settled()
    assert [each.call for each in stage.sent(mark)] == ["instance types"]


def test_a_failed_rollout_is_reported_and_not_repeated(stage: Stage) -> None:
    stage.simulator.set_options(failed_candidate_seconds=A_PHASE)
    stage.run_operator()
    stage.apply(CREATE)
    before = stage.wait_settled()
    stage.simulator.fail_next(CHAIN, "BUILD_FAILED", environment="staging")
    stage.apply(NEW_TYPES)
    reported = stage.wait_condition("Synced", "False", "RolloutFailed")
    assert "BUILD_FAILED" in reported["message"]
    stage.simulator.advance(A_PHASE)  # Baseten lets go of the candidate
    stage.wait_polls(4)
    assert stage.started() == ["create", "instance_types"]
    assert current(stage.see())["id"] == current(before)["id"]
    assert condition(stage.see(), "Ready")["status"] == "True"


def test_what_was_done_is_reported_as_events(stage: Stage) -> None:
    stage.run_operator()
    for manifest in (CREATE, NEW_TYPES):
        stage.apply(manifest)
        stage.wait_settled()
    wanted = {"EnvironmentCreated", "DeploymentStatusChanged", "InstanceTypesChanged"}

    def reported(_: Json) -> bool:
        items = stage.cluster.get(f"/api/v1/namespaces/{stage.namespace}/events")["items"]
        return wanted <= {each["reason"] for each in items}

    stage.wait_for(f"events {sorted(wanted)}", reported)


def test_a_resource_in_any_namespace_is_served_by_default(stage: Stage) -> None:
    stage.run_operator(CHAINENV_NAMESPACES="")
    stage.apply(CREATE)
    stage.wait_settled()
    assert stage.started() == ["create"]


def test_a_resource_with_its_own_secret_is_served_with_that_key(stage: Stage) -> None:
    secret = ("create", "secret", "generic", "baseten", f"--from-literal=api-key={stage.keys['team']}")
    stage.cluster.kubectl(*secret, namespace=stage.namespace)
    stage.run_operator(BASETEN_API_KEY="")
    stage.apply(resource(apiKeySecretRef={"name": "baseten", "key": "api-key"}))
    stage.wait_settled()
    assert {entry.key for entry in stage.simulator.journal()} == {"team"}
