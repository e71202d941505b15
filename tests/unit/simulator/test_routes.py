"""Every public route answers as published; every wrong request is refused."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.baseten.operations import TABLE

from .conftest import CHAIN, STAGING, Api, _document


def test_routes_are_the_published_ones() -> None:
    published = {(m.upper(), path) for path, item in _document()["paths"].items() for m in item if m != "parameters"}
    assert set(TABLE) == published


def test_reads(api: Api) -> None:
    assert [one["id"] for one in api.ok("ChainsV1", "GET", "/v1/chains")["chains"]] == ["abcd1234"]
    assert api.ok("ChainV1", "GET", CHAIN)["deployments_count"] == 1
    types = {one["id"] for one in api.ok("InstanceTypesV1", "GET", "/v1/instance_types")["instance_types"]}
    assert types >= {"1x2", "1x4", "2x8", "4x16", "T4x4x16", "A10Gx8x32", "A10G:2x24x96", "H100", "H100:2"}
    prices = api.ok("InstanceTypePricesV1", "GET", "/v1/instance_type_prices")["instance_types"]
    assert all(one["price"] > 0 for one in prices)
    (deployment,) = api.ok("ChainDeploymentsV1", "GET", f"{CHAIN}/deployments")["deployments"]
    assert api.ok("ChainDeploymentV1", "GET", f"{CHAIN}/deployments/{deployment['id']}") == deployment
    assert deployment["environment"] == "production"
    listed = api.ok("EnvironmentsV1", "GET", f"{CHAIN}/environments")["environments"]
    assert [one["name"] for one in listed] == ["production"]


def test_logs(api: Api, simulator: Simulator) -> None:
    deployment = api.ok("ChainEnvironmentV1", "GET", f"{CHAIN}/environments/production")["current_deployment"]
    simulator.add_log(deployment["id"], "HelloWorld", "boom", level="ERROR")
    path = f"{CHAIN}/deployments/{deployment['id']}/chainlets/{deployment['chainlets'][0]['id']}/logs"
    assert [one["message"] for one in api.ok("GetLogsResponseV1", "GET", path)["logs"]] == ["boom", "HelloWorld: ACTIVE"]
    assert len(api.ok("GetLogsResponseV1", "GET", f"{path}?min_level=ERROR&includes=oo&limit=1")["logs"]) == 1
    assert api.ok("GetLogsResponseV1", "GET", f"{path}?excludes=o")["logs"] == []
    api.refused("GET", f"{path}?limit=5000")
    api.refused("GET", f"{path}?start_epoch_millis=0")
    api.refused("GET", f"{path}?direction=up")
    api.refused("GET", f"{path}?{'&'.join(['includes=o'] * 9)}")
    api.refused("GET", f"{path}?replica={'x' * 257}")
    api.refused("GET", f"{path}x", status=404)


def test_logs_of_one_replica_request_or_component(api: Api, simulator: Simulator) -> None:
    deployment = simulator.environment("abcd1234", "production")["current_deployment"]
    simulator.add_log(deployment["id"], "HelloWorld", "one", replica="aaaaa", request_id="r1", component="server")
    simulator.add_log(deployment["id"], "HelloWorld", "two", replica="bbbbb", seconds_ago=60)
    path = f"{CHAIN}/deployments/{deployment['id']}/chainlets/{deployment['chainlets'][0]['id']}/logs"

    def found(**query: str) -> list[str]:
        response = api.http.get(path, params=query)
        return [one["message"] for one in response.json()["logs"] if one["message"] in ("one", "two")]

    assert found() == ["one", "two"]
    assert found(direction="asc") == ["two", "one"]
    assert found(replica="aaaaa") == found(request_id="r1") == found(component="server") == ["one"]
    assert found(replica="bbbbb") == ["two"]
    simulator.set_options(logs_rate_limit=1)
    assert 429 in [api.http.get(path).status_code for _ in range(20)]
    assert [api.http.get(CHAIN).status_code for _ in range(3)] == [200] * 3


def test_deletes(api: Api, simulator: Simulator) -> None:
    spare = simulator.add_deployment("abcd1234")["id"]
    used = simulator.environment("abcd1234", "production")["current_deployment"]["id"]
    api.ok("ChainDeploymentTombstoneV1", "DELETE", f"{CHAIN}/deployments/{spare}")
    api.refused("GET", f"{CHAIN}/deployments/{spare}", status=404)
    api.refused("DELETE", f"{CHAIN}/deployments/{used}")
    api.ok("ChainTombstoneV1", "DELETE", CHAIN)
    api.refused("GET", CHAIN, status=404)


def test_create_takes_what_the_document_shows(api: Api) -> None:
    scaling = {"autoscaling_window": 800, "concurrency_target": 4, "max_replica": 3, "min_replica": 2, "scale_down_delay": 63}
    made = api.create(
        promotion_settings={"ramp_up_duration_seconds": 600, "redeploy_on_promotion": True, "rolling_deploy": None},
        chainlet_settings=[
            {
                "autoscaling_settings": {**scaling, "target_utilization_percentage": None},
                "chainlet_name": "HelloWorld",
                "instance_type_id": "2x8",
            },
            {"chainlet_name": "RandInt"},
        ],
    )
    assert made["current_deployment"]["status"] == "BUILDING"
    assert made["promotion_settings"]["redeploy_on_promotion"] is True
    assert [one["instance_type"]["id"] for one in made["chainlet_settings"]] == ["2x8", "1x2"]
    assert [one["autoscaling_settings"] for one in made["chainlet_settings"]] == [None, None]


_CHAINLET = {"chainlet_name": "HelloWorld"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": None},
        {"name": "Staging"},
        {"name": "-x"},
        {"name": "x" * 64},
        {"name": "production"},
        {"name": "x", "color": "red"},
        {"name": "x", "chainlet_settings": {}},
        {"name": "x", "chainlet_settings": [{}]},
        {"name": "x", "chainlet_settings": [_CHAINLET, _CHAINLET]},
        {"name": "x", "chainlet_settings": [{"chainlet_name": "Nope"}]},
        {"name": "x", "chainlet_settings": [{**_CHAINLET, "instance_type_id": "9x9"}]},
        {"name": "x", "chainlet_settings": [{**_CHAINLET, "instance_type_id": None}]},
        {"name": "x", "chainlet_settings": [{**_CHAINLET, "autoscaling_settings": {"min_replica": 2}}]},
        {"name": "x", "promotion_settings": {"rolling_deploy": 1}},
        {"name": "x", "promotion_settings": {"promotion_cleanup_strategy": "BURN"}},
        {"name": "x", "promotion_settings": {"rolling_deploy": True, "rolling_deploy_config": {"max_unavailable_percent": 5}}},
        {"name": "x", "promotion_settings": {"rolling_deploy": True, "rolling_deploy_config": {"max_surge_percent": 0}}},
        {"name": "x", "promotion_settings": {"rolling_deploy_config": {"promotion_cleanup_strategy": "KEEP"}}},
        {"name": "x", "promotion_settings": {"rolling_deploy_config": {"max_surge_percent": 51}}},
    ],
)
def test_create_refuses(api: Api, simulator: Simulator, body: dict[str, Any]) -> None:
    api.refused("POST", f"{CHAIN}/environments", body)
    assert simulator.started_deployments() == []
    assert simulator.journal(effect="any") == []


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("min_replica", -1),
        ("max_replica", 0),
        ("autoscaling_window", 9),
        ("autoscaling_window", 3601),
        ("scale_down_delay", 3601),
        ("concurrency_target", 0),
        ("concurrency_target", True),
        ("concurrency_target", "1"),
        ("target_utilization_percentage", 101),
        ("max_scale_down_rate", 51),
        ("target_in_flight_tokens", 0),
        ("wibble", 1),
    ],
)
def test_autoscaling_ranges(api: Api, field: str, bad: Any) -> None:
    api.create()
    update = {"chainlet_name": "HelloWorld", "autoscaling_settings": {field: bad}}
    assert field in api.refused("PATCH", f"{STAGING}/chainlet_settings/autoscaling_settings", {"updates": [update]})


def test_bodies_that_are_not_json_objects(api: Api) -> None:
    assert api.http.post(f"{CHAIN}/environments", content=b"{").status_code == 400
    assert api.http.post(f"{CHAIN}/environments", content=b"[]").status_code == 400
    assert api.http.get("/v1/nothing").status_code == 404


def test_statuses_nobody_documents_are_configurable(api: Api, simulator: Simulator) -> None:
    api.create()
    types = f"{STAGING}/chainlet_settings/instance_types/update"
    simulator.set_options(exists_status=409, unknown_chainlet_status=404, unknown_instance_type_status=404)
    api.refused("POST", f"{CHAIN}/environments", {"name": "staging"}, status=409)
    api.refused("POST", types, {"updates": [{"chainlet_name": "Nope", "instance_type_id": "1x2"}]}, status=404)
    api.refused("POST", types, {"updates": [{"chainlet_name": "RandInt", "instance_type_id": "Nope"}]}, status=404)
    simulator.set_options(refused_instance_types=["H100"])
    assert "access" in api.refused("POST", types, {"updates": [{"chainlet_name": "RandInt", "instance_type_id": "H100"}]})


def test_patch_is_partial_but_for_surge(api: Api) -> None:
    api.create(promotion_settings={"rolling_deploy_config": {"max_surge_percent": 30, "stabilization_time_seconds": 7}})
    body = {"promotion_settings": {"rolling_deploy_config": {"replica_overhead_percent": 5}, "ramp_up_duration_seconds": None}}
    assert api.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, body) == {"ok": True}
    settings = api.staging()["promotion_settings"]
    assert settings["rolling_deploy_config"] == {
        "rolling_deploy_strategy": "REPLICA",
        "max_surge_percent": 25,
        "max_unavailable_percent": 0,
        "stabilization_time_seconds": 7,
        "replica_overhead_percent": 5,
    }
    assert settings["ramp_up_duration_seconds"] == 600


@pytest.mark.parametrize(
    ("options", "surge"), [({"wire_shape": "old"}, 10), ({"wire_shape": "both"}, 25), ({"omitted_max_surge": "kept"}, 30)]
)
def test_what_becomes_of_an_omitted_surge(api: Api, simulator: Simulator, options: dict[str, str], surge: int) -> None:
    api.create(promotion_settings={"rolling_deploy_config": {"max_surge_percent": 30}})
    simulator.set_options(**options)
    body = {"promotion_settings": {"rolling_deploy_config": {"stabilization_time_seconds": 7}}}
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, body)
    assert api.staging()["promotion_settings"]["rolling_deploy_config"]["max_surge_percent"] == surge


def test_only_promotion_settings_drop_what_they_do_not_know(api: Api, simulator: Simulator) -> None:
    simulator.set_options(unknown_fields="ignore_promotion", wire_shape="old")
    api.create()
    body = {"promotion_settings": {"promotion_cleanup_strategy": "KEEP", "rolling_deploy_config": {"replica_overhead_percent": 5}}}
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, body)
    config = api.staging()["promotion_settings"]["rolling_deploy_config"]
    assert config["promotion_cleanup_strategy"] == "SCALE_TO_ZERO"
    assert "replica_overhead_percent" not in config
    api.refused("PATCH", STAGING, {"color": "red"})
    scaling = {"updates": [{"chainlet_name": "HelloWorld", "autoscaling_settings": {"max_scale_down_rate": 5}}]}
    api.refused("PATCH", f"{STAGING}/chainlet_settings/autoscaling_settings", scaling)
    api.refused("POST", f"{CHAIN}/environments", {"name": "x", "color": "red"})


def test_instance_types_in_another_normal_form(api: Api, simulator: Simulator) -> None:
    """Both forms are understood, as one type; one of them is shown."""
    simulator.set_options(shown_instance_types={"4x16": "CPU:4x16"})
    made = api.create(chainlet_settings=[{"chainlet_name": "HelloWorld", "instance_type_id": "4x16"}])
    assert made["chainlet_settings"][0]["instance_type"]["id"] == "CPU:4x16"
    types = f"{STAGING}/chainlet_settings/instance_types/update"
    for written in ("4x16", "CPU:4x16"):
        body = {"updates": [{"chainlet_name": "HelloWorld", "instance_type_id": written}]}
        answer = api.ok("UpdateChainletEnvironmentInstanceTypeResponseV1", "POST", types, body)
        assert answer["requires_redeployment"] is False
    for path in ("/v1/instance_types", "/v1/instance_type_prices"):
        assert "CPU:4x16" in api.http.get(path).text
        assert '"4x16"' not in api.http.get(path).text


def test_rolling_deploy_trap(api: Api) -> None:
    config = {"max_surge_percent": 0, "max_unavailable_percent": 20}
    api.create(promotion_settings={"rolling_deploy": True, "rolling_deploy_config": config})
    patch = {"promotion_settings": {"rolling_deploy_config": {"stabilization_time_seconds": 5}}}
    assert "Exactly one" in api.refused("PATCH", STAGING, patch)
    patch["promotion_settings"]["rolling_deploy_config"] |= config
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, patch)


def test_old_and_both_shapes(api: Api, simulator: Simulator) -> None:
    simulator.set_options(wire_shape="old")
    api.refused("POST", f"{CHAIN}/environments", {"name": "x", "promotion_settings": {"promotion_cleanup_strategy": "KEEP"}})
    made = api.create(promotion_settings={"rolling_deploy_config": {"promotion_cleanup_strategy": "KEEP"}})
    assert "candidate_deployment" not in made
    assert "promotion_cleanup_strategy" not in made["promotion_settings"]
    assert made["promotion_settings"]["rolling_deploy_config"]["promotion_cleanup_strategy"] == "KEEP"
    simulator.set_options(wire_shape="both")
    both = api.staging()["promotion_settings"]
    assert both["promotion_cleanup_strategy"] == both["rolling_deploy_config"]["promotion_cleanup_strategy"] == "KEEP"


def test_clamped_and_ignored_fields(api: Api, simulator: Simulator) -> None:
    simulator.set_options(clamps={"ramp_up_duration_seconds": 300}, ignored_fields=["rolling_deploy"])
    api.create(promotion_settings={"ramp_up_duration_seconds": 900, "rolling_deploy": True})
    settings = api.staging()["promotion_settings"]
    assert (settings["ramp_up_duration_seconds"], settings["rolling_deploy"]) == (300, False)
