"""What stands beside the chains: environment groups, usage, prices; and the server that has none of it."""

from __future__ import annotations

import pytest

from chainenv_sandbox.baseten.client import Simulator, SimulatorError

from .conftest import CHAIN, STAGING, Api

GROUP = "/v1/environment_groups/staging"
SPAN = "start_date=2026-11-01T00:00:00Z&end_date=2026-11-30T00:00:00Z"
ONLY_NEW = (f"{CHAIN}/audit_logs", GROUP, f"/v1/billing/usage_summary?{SPAN}", "/v1/instance_type_prices")


def test_an_environment_group_is_restricted_to_some_people(api: Api, simulator: Simulator) -> None:
    simulator.add_key("theirs", "theirs", user_id="alex")
    theirs = Api(simulator.base_url, "theirs")
    assert api.ok("EnvironmentGroupV1", "GET", GROUP)["manage_access"] == {"is_restricted": False, "users": []}
    api.create()
    restriction = {"manage_access": {"is_restricted": True, "user_ids": ["alex"]}}
    changed = api.ok("EnvironmentGroupV1", "PATCH", GROUP, restriction)
    assert changed["manage_access"] == {"is_restricted": True, "users": [{"user_id": "alex"}]}
    api.refused("PATCH", STAGING, {}, status=403)
    api.refused("PATCH", GROUP, {"manage_access": {"is_restricted": False}}, status=403)
    api.staging()
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", f"{CHAIN}/environments/production", {})
    with theirs.http:
        theirs.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, {})
        theirs.ok("EnvironmentGroupV1", "PATCH", GROUP, {"manage_access": {"is_restricted": False}})
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, {})
    api.refused("PATCH", GROUP, {"manage_access": {}})
    assert api.ok("EnvironmentGroupV1", "PATCH", GROUP, {})["manage_access"]["is_restricted"] is False


def test_a_restricted_key_sees_why(api: Api, simulator: Simulator) -> None:
    simulator.add_key("partial", "partial", restricted_environments=["staging"])
    partial = Api(simulator.base_url, "partial")
    with partial.http:
        assert partial.ok("EnvironmentGroupV1", "GET", GROUP)["manage_access"]["is_restricted"] is True


@pytest.mark.parametrize(
    "query",
    [
        "",
        "start_date=2026-11-01T00:00:00Z",
        "start_date=yesterday&end_date=today",
        "start_date=2026-10-01T00:00:00Z&end_date=2026-11-02T00:00:00Z",
        "start_date=2026-11-02T00:00:00Z&end_date=2026-11-01T00:00:00Z",
        "start_date=2025-12-20T00:00:00Z&end_date=2026-01-02T00:00:00Z",
    ],
)
def test_usage_of_at_most_a_month(api: Api, query: str) -> None:
    api.refused("GET", f"/v1/billing/usage_summary?{query}")


def test_usage_and_who_one_is(api: Api, simulator: Simulator) -> None:
    api.ok("UsageSummaryV1", "GET", f"/v1/billing/usage_summary?{SPAN}")
    simulator.add_key("theirs", "theirs", user_id="alex")
    with Api(simulator.base_url, "theirs").http as http:
        assert http.get("/v1/users/me").json()["user_id"] == "alex"
    assert api.ok("UserInfoV1", "GET", "/v1/users/me")["user_id"] == "sandbox"


def test_prices_are_what_a_test_sets(api: Api, simulator: Simulator) -> None:
    def shown() -> dict[str, object]:
        found = api.http.get("/v1/instance_type_prices").json()["instance_types"]
        return {one["instance_type"]["id"]: one["price"] for one in found}

    before = shown()
    simulator.set_prices({"1x2": 0.1, "H100": "0.30", "H100:2": None})
    after = shown()
    assert (after.pop("1x2"), after.pop("H100")) == (0.1, "0.30")
    assert before.items() >= after.items()
    assert before.keys() - after.keys() == {"1x2", "H100", "H100:2"}
    with pytest.raises(SimulatorError, match="9x9"):
        simulator.set_prices({"9x9": 1})


@pytest.mark.parametrize("path", ONLY_NEW)
def test_an_older_server_has_none_of_it(api: Api, simulator: Simulator, path: str) -> None:
    assert api.http.get(path).status_code == 200
    simulator.set_options(wire_shape="old")
    api.refused("GET", path, status=404)


def test_an_older_server_deletes_no_deployment(api: Api, simulator: Simulator) -> None:
    spare = simulator.add_deployment("abcd1234")["id"]
    simulator.set_options(wire_shape="old")
    api.refused("DELETE", f"{CHAIN}/deployments/{spare}", status=404)
    assert api.http.get(f"{CHAIN}/deployments/{spare}").status_code == 200
    (listed,) = api.ok("EnvironmentsV1", "GET", f"{CHAIN}/environments")["environments"]
    assert not listed.keys() & {"candidate_deployment", "in_progress_promotion"}
