"""What stands beside the chains: the audit log, environment groups, usage."""

import pytest

from chainenv_sandbox.baseten.client import Simulator

from .conftest import CHAIN, STAGING, Api

LOG = f"{CHAIN}/audit_logs"
ALL = (LOG, "/v1/environment_groups/staging", "/v1/billing/usage_summary")


def test_the_audit_log_tells_who_changed_what(api: Api, simulator: Simulator) -> None:
    spare = simulator.add_deployment("abcd1234")["id"]
    api.create()
    production = f"{CHAIN}/environments/production/chainlet_settings/autoscaling_settings"
    update = {"updates": [{"chainlet_name": "HelloWorld", "autoscaling_settings": {"max_replica": 7}}]}
    api.ok("UpdateAutoscalingSettingsResponseV1", "PATCH", production, update)
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, {"promotion_settings": {"redeploy_on_promotion": True}})
    api.ok("DeactivateResponseV1", "POST", f"{CHAIN}/deployments/{spare}/deactivate")
    api.ok("ChainDeploymentTombstoneV1", "DELETE", f"{CHAIN}/deployments/{spare}")
    items = api.ok("ListAuditLogsResponseV1", "GET", f"{LOG}?direction=ASC")["items"]
    assert [one["event_type"] for one in items] == [
        "CHAIN_ENVIRONMENT_CREATED",
        "CHAINLET_AUTOSCALING_SETTINGS_CHANGED",
        "CHAIN_ENVIRONMENT_UPDATED",
        "CHAIN_DEPLOYMENT_DEACTIVATED",
        "CHAIN_DEPLOYMENT_DELETED",
    ]
    assert {(one["source"], one["actor"]["api_key_prefix"]) for one in items} == {("API", "sandbox-")}
    assert (items[1]["event_data"]["previous_settings"]["max_replica"], items[1]["event_data"]["max_replica"]) == (1, 7)
    first = api.ok("ListAuditLogsResponseV1", "GET", f"{LOG}?limit=2")
    assert first["items"] == items[:-3:-1]
    rest = api.ok("ListAuditLogsResponseV1", "GET", f"{LOG}?limit=3&cursor={first['pagination']['cursor']}")
    assert rest["items"] == items[2::-1]
    assert rest["pagination"]["has_more"] is False
    assert len(api.ok("ListAuditLogsResponseV1", "GET", f"{LOG}?environment_names=staging")["items"]) == 2
    assert api.ok("ListAuditLogsResponseV1", "GET", f"{LOG}?sources=UI")["items"] == []


def test_groups_and_usage(api: Api) -> None:
    assert api.ok("EnvironmentGroupV1", "GET", ALL[1])["manage_access"]["is_restricted"] is False
    api.refused("PATCH", ALL[1], {}, status=403)
    api.ok("UsageSummaryV1", "GET", ALL[2])
    api.ok("UserInfoV1", "GET", "/v1/users/me")


@pytest.mark.parametrize("path", ALL)
def test_an_older_server_has_none_of_it(api: Api, simulator: Simulator, path: str) -> None:
    simulator.set_options(wire_shape="old")
    api.refused("GET", path, status=404)
