"""What time does. The simulator's clock is moved; nothing waits."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv_sandbox.baseten.client import Simulator, SimulatorError

from .conftest import CHAIN, STAGING, Api

TYPES = f"{STAGING}/chainlet_settings/instance_types/update"
SCALING = f"{STAGING}/chainlet_settings/autoscaling_settings"
PHASE = 100.0


@pytest.fixture(autouse=True)
def _long_phases(simulator: Simulator) -> None:
    names = ("build_seconds", "deploy_seconds", "load_seconds", "promotion_seconds", "autoscaling_seconds", "deactivate_seconds")
    simulator.set_options(**dict.fromkeys(names, PHASE), wake_seconds=PHASE, failed_candidate_seconds=PHASE)


def _active(api: Api, simulator: Simulator, **body: Any) -> Any:
    api.create(**body)
    simulator.advance(3 * PHASE)
    return api.staging()["current_deployment"]


def _types(api: Api, *updates: tuple[str, str]) -> Any:
    body = {"updates": [{"chainlet_name": name, "instance_type_id": kind} for name, kind in updates]}
    return api.ok("UpdateChainletEnvironmentInstanceTypeResponseV1", "POST", TYPES, body)


def _scale(api: Api, **settings: int) -> Any:
    body = {"updates": [{"chainlet_name": "HelloWorld", "autoscaling_settings": settings}]}
    return api.ok("UpdateAutoscalingSettingsResponseV1", "PATCH", SCALING, body)["status"]


def _promote(api: Api, deployment: str, **more: bool) -> Any:
    return api.ok("ChainDeploymentV1", "POST", f"{STAGING}/promote", {"deployment_id": deployment, **more})


def _status(api: Api, deployment: str) -> Any:
    return api.ok("ChainDeploymentV1", "GET", f"{CHAIN}/deployments/{deployment}")["status"]


def test_a_deployment_comes_up(api: Api, simulator: Simulator) -> None:
    simulator.set_options(replica_seconds=PHASE)
    settings = {"chainlet_name": "HelloWorld", "autoscaling_settings": {"min_replica": 2, "max_replica": 3}}
    seen = [api.create(chainlet_settings=[settings])["current_deployment"]["status"]]
    for _ in range(2):
        simulator.advance(PHASE)
        seen.append(api.staging()["current_deployment"]["status"])
    simulator.advance(0.6 * PHASE)
    assert [one["status"] for one in api.staging()["current_deployment"]["chainlets"]] == ["ACTIVE", "LOADING_MODEL"]
    simulator.advance(0.4 * PHASE)
    now = api.staging()
    assert [*seen, now["current_deployment"]["status"]] == ["BUILDING", "DEPLOYING", "LOADING_MODEL", "ACTIVE"]
    assert [one["active_replica_count"] for one in now["current_deployment"]["chainlets"]] == [1, 1]
    assert now["chainlet_settings"][0]["autoscaling_settings"]["min_replica"] == 2
    simulator.advance(PHASE)
    assert [one["active_replica_count"] for one in api.staging()["current_deployment"]["chainlets"]] == [2, 1]
    assert [one["origin"] for one in simulator.started_deployments("abcd1234")] == ["create"]


@pytest.mark.parametrize("status", ["BUILD_FAILED", "BUILD_STOPPED", "DEPLOY_FAILED", "FAILED", "SOMETHING_NEW"])
def test_a_first_deployment_fails_and_stays(api: Api, simulator: Simulator, status: str) -> None:
    simulator.fail_next("abcd1234", status, environment="staging")
    api.create()
    simulator.advance(3 * PHASE)
    seen = api.http.get(STAGING).json()
    assert seen["current_deployment"]["status"] == status
    assert seen["chainlet_settings"][0]["autoscaling_settings"] is None


def test_nothing_pushed_or_not_started(api: Api, simulator: Simulator) -> None:
    simulator.set_options(create_starts_deployment=False)
    assert api.create()["current_deployment"] is None
    answer = _types(api, ("RandInt", "4x16"))
    assert (answer["requires_redeployment"], answer["chain_deployment"]) == (False, None)
    assert answer["chainlet_environment_settings"][1]["instance_type"]["id"] == "4x16"
    simulator.set_options(create_starts_deployment=True)
    simulator.add_chain("bare", ["One"], deployed=False)
    made = api.ok("ChainEnvironmentV1", "POST", "/v1/chains/bare/environments", {"name": "x"})
    assert made["current_deployment"] is None
    assert simulator.started_deployments() == []


def test_new_objects_show_late(api: Api, simulator: Simulator) -> None:
    simulator.set_options(create_visible_after_seconds=PHASE)
    api.create()
    api.refused("GET", STAGING, status=404)
    api.refused("POST", f"{CHAIN}/environments", {"name": "staging"})
    simulator.advance(PHASE)
    assert api.staging()["name"] == "staging"


def test_autoscaling_is_asynchronous(api: Api, simulator: Simulator) -> None:
    api.create()
    assert _scale(api, max_replica=4) == "QUEUED"
    assert _scale(api, max_replica=4) == "UNCHANGED"
    simulator.advance(3 * PHASE)
    assert _scale(api, max_replica=6) == "ACCEPTED"
    assert api.staging()["chainlet_settings"][0]["autoscaling_settings"]["max_replica"] == 4
    simulator.advance(PHASE)
    seen = api.staging()
    assert seen["chainlet_settings"][0]["autoscaling_settings"]["max_replica"] == 6
    assert seen["current_deployment"]["chainlets"][0]["autoscaling_settings"]["max_replica"] == 6
    simulator.set_options(autoscaling_status="QUEUED", clamps={"max_replica": 6})
    assert _scale(api, max_replica=9) == "QUEUED"
    simulator.advance(PHASE)
    assert api.staging()["chainlet_settings"][0]["autoscaling_settings"]["max_replica"] == 6


def test_scale_to_zero_and_back(api: Api, simulator: Simulator) -> None:
    current = _active(api, simulator)["id"]
    simulator.set_options(scale_to_zero_after_seconds=PHASE)
    simulator.advance(PHASE)
    seen = api.staging()["current_deployment"]
    assert (seen["status"], seen["chainlets"][0]["active_replica_count"]) == ("SCALED_TO_ZERO", 0)
    assert simulator.wake(current)["status"] == "WAKING_UP"
    simulator.advance(PHASE)
    assert _status(api, current) == "ACTIVE"
    simulator.set_deployment(current, status="SCALED_TO_ZERO")
    simulator.set_options(autoscaling_seconds=0)
    _scale(api, min_replica=1)
    assert api.staging()["current_deployment"]["status"] == "WAKING_UP"


def test_instance_types_start_one_deployment(api: Api, simulator: Simulator) -> None:
    old = _active(api, simulator)["id"]
    answer = _types(api, ("HelloWorld", "1x4"), ("RandInt", "A10G:2x24x96"))
    new = answer["chain_deployment"]["id"]
    assert answer["requires_redeployment"] is True
    assert [one["instance_type"]["id"] for one in answer["chainlet_environment_settings"]] == ["1x4", "A10G:2x24x96"]
    assert _types(api, ("HelloWorld", "1x4"))["requires_redeployment"] is False
    assert "in progress" in api.refused("POST", TYPES, {"updates": [{"chainlet_name": "RandInt", "instance_type_id": "H100"}]})
    simulator.set_options(busy_status=409)
    api.refused("POST", f"{STAGING}/promote", {"deployment_id": old}, status=409)
    seen = api.staging()
    assert (seen["current_deployment"]["id"], seen["candidate_deployment"]["id"]) == (old, new)
    simulator.advance(4 * PHASE)
    seen = api.staging()
    assert (seen["current_deployment"]["id"], seen["candidate_deployment"]) == (new, None)
    assert _status(api, old) == "SCALED_TO_ZERO"
    assert len(simulator.started_deployments()) == 2
    assert [one.effect["started_deployment"] for one in simulator.journal(endpoint=None, effect="changed_instance_types")] == [new]


@pytest.mark.parametrize(("redeployment", "started"), [("hidden", 1), ("none", 0)])
def test_a_redeployment_that_the_answer_does_not_show(api: Api, simulator: Simulator, redeployment: str, started: int) -> None:
    old = _active(api, simulator)["id"]
    simulator.set_options(redeployment=redeployment)
    answer = _types(api, ("HelloWorld", "1x4"))
    assert (answer["requires_redeployment"], answer["chain_deployment"]) == (True, None)
    assert answer["chainlet_environment_settings"][0]["instance_type"]["id"] == "1x4"
    assert len(simulator.started_deployments()) == 1 + started
    assert (api.staging()["candidate_deployment"] is not None) is bool(started)
    simulator.advance(4 * PHASE)
    assert (api.staging()["current_deployment"]["id"] == old) is not bool(started)


def test_an_inactive_deployment_that_cannot_be_promoted(api: Api, simulator: Simulator) -> None:
    _active(api, simulator)
    spare = simulator.add_deployment("abcd1234", active=True)["id"]
    simulator.deactivate(spare, by="system")
    simulator.advance(PHASE)
    simulator.set_options(promotes_inactive=False)
    assert "INACTIVE" in api.refused("POST", f"{STAGING}/promote", {"deployment_id": spare})
    simulator.activate(spare)
    simulator.advance(2 * PHASE)
    assert _promote(api, spare)["id"] == spare


@pytest.mark.parametrize(("strategy", "end"), [("KEEP", "ACTIVE"), ("SCALE_TO_ZERO", "SCALED_TO_ZERO"), ("DEACTIVATE", "INACTIVE")])
def test_cleanup_of_the_previous(api: Api, simulator: Simulator, strategy: str, end: str) -> None:
    old = _active(api, simulator, promotion_settings={"promotion_cleanup_strategy": strategy})["id"]
    _types(api, ("HelloWorld", "1x4"))
    simulator.advance(6 * PHASE)
    assert _status(api, old) == end


def test_types_that_show_only_when_promoted(api: Api, simulator: Simulator) -> None:
    simulator.set_options(instance_types_visible="when_promoted")
    _active(api, simulator)
    assert _types(api, ("HelloWorld", "1x4"))["chainlet_environment_settings"][0]["instance_type"]["id"] == "1x2"
    simulator.advance(4 * PHASE)
    assert api.staging()["chainlet_settings"][0]["instance_type"]["id"] == "1x4"


@pytest.mark.parametrize(("reverts", "shown"), [(False, "1x4"), (True, "1x2")])
def test_a_failed_candidate_vanishes(api: Api, simulator: Simulator, reverts: bool, shown: str) -> None:
    simulator.set_options(failed_candidate_reverts_types=reverts)
    old = _active(api, simulator)["id"]
    simulator.fail_next("abcd1234", "DEPLOY_FAILED")
    _types(api, ("HelloWorld", "1x4"))
    simulator.advance(2 * PHASE)
    assert api.staging()["candidate_deployment"]["status"] == "DEPLOY_FAILED"
    simulator.advance(PHASE)
    seen = api.staging()
    assert (seen["current_deployment"]["id"], seen["candidate_deployment"]) == (old, None)
    assert seen["chainlet_settings"][0]["instance_type"]["id"] == shown


def test_promote_keeps_the_id_of_an_unattached_push(api: Api, simulator: Simulator) -> None:
    old = _active(api, simulator)["id"]
    pushed = simulator.add_deployment("abcd1234", active=True, deployment_id="dep123")["id"]
    assert _promote(api, pushed, scale_down_previous_deployment=False)["id"] == "dep123"
    assert api.staging()["candidate_deployment"]["id"] == "dep123"
    simulator.advance(PHASE)
    assert api.staging()["current_deployment"]["id"] == "dep123"
    assert _status(api, old) == "ACTIVE"
    assert _promote(api, "dep123")["id"] == "dep123"
    assert api.staging()["candidate_deployment"] is None
    api.refused("POST", f"{STAGING}/promote", {"deployment_id": "nope"}, status=404)


@pytest.mark.parametrize("why", ["other environment", "instance type", "redeploy"])
def test_promote_copies(api: Api, simulator: Simulator, why: str) -> None:
    other = "2x8" if why == "instance type" else "1x2"
    chainlets = [{"chainlet_name": "HelloWorld", "instance_type_id": other}]
    _active(api, simulator, chainlet_settings=chainlets, promotion_settings={"redeploy_on_promotion": why == "redeploy"})
    target = "production" if why == "other environment" else None
    source = simulator.add_deployment("abcd1234", active=True, environment=target)["id"]
    copy = _promote(api, source)["id"]
    assert copy != source
    simulator.advance(4 * PHASE)
    assert api.staging()["current_deployment"]["id"] == copy
    assert simulator.started_deployments()[-1]["origin"] == "promote"


def test_promote_into_an_empty_environment(api: Api, simulator: Simulator) -> None:
    simulator.set_options(create_starts_deployment=False, first_promotion="current")
    api.create()
    pushed = simulator.add_deployment("abcd1234")["id"]
    _promote(api, pushed)
    seen = api.staging()
    assert (seen["current_deployment"]["id"], seen["current_deployment"]["status"]) == (pushed, "BUILDING")


def test_deactivate(api: Api, simulator: Simulator) -> None:
    current = _active(api, simulator)["id"]
    path = f"{CHAIN}/deployments/{current}/deactivate"
    for _ in range(2):
        assert api.ok("DeactivateResponseV1", "POST", path)["success"] is True
    assert _status(api, current) == "DEACTIVATING"
    simulator.advance(PHASE)
    seen = api.staging()["current_deployment"]
    assert (seen["status"], seen["chainlets"][0]["active_replica_count"]) == ("INACTIVE", 0)


def test_statuses_by_hand(api: Api, simulator: Simulator) -> None:
    current = _active(api, simulator)["id"]
    simulator.set_deployment(current, status="UPDATING", for_seconds=PHASE)
    assert _status(api, current) == "UPDATING"
    simulator.advance(PHASE)
    assert _status(api, current) == "ACTIVE"
    simulator.set_deployment(current, status="QUANTUM", chainlets={"RandInt": {"status": "UNHEALTHY", "active_replica_count": 7}})
    seen = api.http.get(STAGING).json()["current_deployment"]
    assert (seen["status"], seen["chainlets"][1]["status"], seen["chainlets"][1]["active_replica_count"]) == ("QUANTUM", "UNHEALTHY", 7)
    simulator.set_deployment(current, status="ACTIVE", chainlets={"RandInt": {"status": None, "active_replica_count": None}})
    assert api.staging()["current_deployment"]["chainlets"][1]["status"] == "ACTIVE"


def test_a_person_edits_and_removes(api: Api, simulator: Simulator) -> None:
    _active(api, simulator)
    simulator.edit_environment(
        "abcd1234",
        "staging",
        autoscaling={"RandInt": {"max_replica": 5}},
        promotion={"rolling_deploy": True},
        instance_types={"RandInt": "H100"},
    )
    seen = api.staging()
    assert seen["chainlet_settings"][1]["autoscaling_settings"]["max_replica"] == 5
    assert seen["chainlet_settings"][1]["instance_type"]["id"] == "H100"
    assert seen["promotion_settings"]["rolling_deploy"] is True
    simulator.delete_environment("abcd1234", "staging")
    api.refused("GET", STAGING, status=404)
    simulator.add_environment("abcd1234", "staging", deployed=True)
    assert api.staging()["current_deployment"]["status"] == "ACTIVE"


def test_a_push_with_other_chainlets(api: Api, simulator: Simulator) -> None:
    _active(api, simulator)
    simulator.add_deployment("abcd1234", environment="staging", chainlets=["HelloWorld", "New"])
    simulator.advance(4 * PHASE)
    assert [one["chainlet_name"] for one in api.staging()["chainlet_settings"]] == ["HelloWorld", "New"]


def test_the_control_api_refuses_nonsense(simulator: Simulator) -> None:
    with pytest.raises(SimulatorError, match="Unknown option"):
        simulator.set_options(speed=1)
    with pytest.raises(SimulatorError, match="build_seconds"):
        simulator.set_options(build_seconds="fast")
    with pytest.raises(SimulatorError, match="wire_shape"):
        simulator.set_options(wire_shape="square")
    with pytest.raises(SimulatorError, match="404"):
        simulator.environment("abcd1234", "nope")


@pytest.mark.parametrize(
    ("status", "shown", "reported"),
    [
        ("BUILDING", "RELEASING", False),
        ("ACTIVE", "RAMPING_UP", False),
        ("FAILED", "FAILED", True),
        ("BUILD_STOPPED", "CANCELED", True),
        ("INACTIVE", "CANCELED", False),
    ],
)
def test_how_far_a_promotion_is(api: Api, simulator: Simulator, status: str, shown: str, reported: bool) -> None:
    _active(api, simulator)
    assert api.staging()["in_progress_promotion"] is None
    simulator.set_options(promotion_seconds=1000, failed_candidate_seconds=1000)
    spare = simulator.add_deployment("abcd1234")["id"]
    candidate = _promote(api, spare)["id"]
    simulator.set_deployment(candidate, status=status)
    progress = api.staging()["in_progress_promotion"]
    assert progress["status"] == shown
    assert (candidate in (progress["error_message"] or "")) is reported
    simulator.set_options(wire_shape="old")
    assert "in_progress_promotion" not in api.staging()


def test_a_promotion_shows_what_a_test_sets(api: Api, simulator: Simulator) -> None:
    api.create()
    simulator.set_promotion("abcd1234", "staging", "PAUSED", percent=30, error="waits", rolling=True)
    shown = {"status": "PAUSED", "percent_traffic_to_new_version": 30, "error_message": "waits", "rolling_deploy": True}
    assert api.staging()["in_progress_promotion"] == shown
    simulator.set_promotion("abcd1234", "staging", None)
    assert api.staging()["in_progress_promotion"] is None


def test_deactivating_twice_does_nothing_the_second_time(api: Api, simulator: Simulator) -> None:
    path = f"{CHAIN}/deployments/{simulator.add_deployment('abcd1234')['id']}/deactivate"
    assert api.ok("DeactivateResponseV1", "POST", path) == {"success": True, "no_op": False}
    assert api.ok("DeactivateResponseV1", "POST", path) == {"success": True, "no_op": True}
    simulator.set_options(wire_shape="old")
    assert api.ok("DeactivateResponseV1", "POST", path) == {"success": True}
