"""The audit log of a chain: every change is in it, with who made it, and every published filter and page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from chainenv_sandbox.baseten.audit import DIRECTIONS, GROUPS, SOURCES
from chainenv_sandbox.baseten.client import Simulator, SimulatorError

from .conftest import CHAIN, STAGING, Api, _document

LOG = f"{CHAIN}/audit_logs"
SETTINGS = f"{CHAIN}/environments/production/chainlet_settings"
HELLO = {"chainlet_name": "HelloWorld"}


def log(api: Api, **query: Any) -> list[Any]:
    page = api.ok("ListAuditLogsResponseV1", "GET", f"{LOG}?{urlencode(query, doseq=True)}")
    assert page["pagination"] == {"has_more": False, "cursor": None}
    items: list[Any] = page["items"]
    return items


def kinds(api: Api, **query: Any) -> list[str]:
    return [one["event_type"] for one in log(api, direction="ASC", **query)]


def _current(simulator: Simulator) -> Any:
    return simulator.environment("abcd1234", "production")["current_deployment"]


def test_filters_are_those_of_the_document() -> None:
    schemas = _document()["components"]["schemas"]
    allowed = {name: set(schemas[f"AuditLog{name}V1"]["enum"]) for name in ("EventTypeGroup", "Source", "SortDirection")}
    assert allowed == {"EventTypeGroup": set(GROUPS), "Source": set(SOURCES), "SortDirection": set(DIRECTIONS)}
    assert {kind for group in GROUPS.values() for kind in group} <= set(schemas["AuditLogEventTypeV1"]["enum"])


def test_every_change_by_the_api(api: Api, simulator: Simulator) -> None:
    old = _current(simulator)["id"]
    spare = simulator.add_deployment("abcd1234", by="default")["id"]
    api.create()
    scaling = {"updates": [{**HELLO, "autoscaling_settings": {"max_replica": 7}}]}
    api.ok("UpdateAutoscalingSettingsResponseV1", "PATCH", f"{SETTINGS}/autoscaling_settings", scaling)
    types = {"updates": [{**HELLO, "instance_type_id": "4x16"}]}
    new = api.ok("UpdateChainletEnvironmentInstanceTypeResponseV1", "POST", f"{SETTINGS}/instance_types/update", types)
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", STAGING, {"promotion_settings": {"redeploy_on_promotion": True}})
    api.ok("ChainDeploymentV1", "POST", f"{STAGING}/promote", {"deployment_id": old})
    api.ok("DeactivateResponseV1", "POST", f"{CHAIN}/deployments/{spare}/deactivate")
    api.ok("ChainDeploymentTombstoneV1", "DELETE", f"{CHAIN}/deployments/{spare}")
    assert kinds(api) == [
        "CHAIN_DEPLOYED",
        "CHAIN_ENVIRONMENT_CREATED",
        "CHAIN_DEPLOYED",
        "CHAINLET_AUTOSCALING_SETTINGS_CHANGED",
        "CHAIN_DEPLOYED",
        "CHAINLET_INSTANCE_TYPE_CHANGED",
        "CHAIN_ENVIRONMENT_UPDATED",
        "CHAIN_DEPLOYED",
        "CHAIN_DEPLOYMENT_PROMOTED",
        "CHAIN_DEPLOYMENT_DEACTIVATED",
        "CHAIN_DEPLOYMENT_DELETED",
    ]
    assert {(one["source"], one["actor"]["type"], one["actor"]["api_key_prefix"]) for one in log(api)} == {("API", "API_KEY", "sandbox-")}
    (scaled,) = log(api, event_type_groups="AUTOSCALING_SETTINGS")
    assert (scaled["event_data"]["previous_settings"]["max_replica"], scaled["event_data"]["max_replica"]) == (1, 7)
    (typed,) = log(api, event_type_groups="INSTANCE_TYPE_CHANGED")
    assert typed["event_data"]["chain_deployment_id"] == new["chain_deployment"]["id"]
    assert typed["event_data"]["instance_type_name"] == "4 vCPUs, 16 GiB RAM"


def test_what_changes_nothing_is_not_in_it(api: Api, simulator: Simulator) -> None:
    current = _current(simulator)["id"]
    api.ok("UpdateChainEnvironmentResponseV1", "PATCH", f"{CHAIN}/environments/production", {})
    update = {"updates": [{**HELLO, "instance_type_id": "1x2"}]}
    api.ok("UpdateChainletEnvironmentInstanceTypeResponseV1", "POST", f"{SETTINGS}/instance_types/update", update)
    api.refused("POST", f"{CHAIN}/environments", {"name": "production"})
    api.refused("DELETE", f"{CHAIN}/deployments/{current}")
    assert log(api) == []


def test_who_did_it_elsewhere(api: Api, simulator: Simulator) -> None:
    simulator.add_key("pipeline", "pipe.line-secret")
    current = _current(simulator)["id"]
    simulator.edit_environment(
        "abcd1234", "production", autoscaling={"HelloWorld": {"max_replica": 3}}, promotion={"rolling_deploy": False}, by="alex@example.com"
    )
    simulator.edit_environment("abcd1234", "production", instance_types={"RandInt": "H100"})
    simulator.add_deployment("abcd1234", environment="production", by="pipeline")
    simulator.add_environment("abcd1234", "dev", by="pipeline")
    simulator.deactivate(current, by="system")
    simulator.activate(current)
    assert [
        (one["event_type"], one["source"], one["actor"]["email"] or one["actor"]["api_key_name"]) for one in log(api, direction="ASC")
    ] == [
        ("CHAINLET_AUTOSCALING_SETTINGS_CHANGED", "UI", "alex@example.com"),
        ("CHAIN_ENVIRONMENT_UPDATED", "UI", "alex@example.com"),
        ("CHAINLET_INSTANCE_TYPE_CHANGED", "UI", "person@example.com"),
        ("CHAIN_DEPLOYED", "API", "pipeline"),
        ("CHAIN_DEPLOYMENT_PROMOTED", "API", "pipeline"),
        ("CHAIN_ENVIRONMENT_CREATED", "API", "pipeline"),
        ("CHAIN_DEPLOYMENT_DEACTIVATED", "SYSTEM", None),
        ("CHAIN_DEPLOYMENT_ACTIVATED", "UI", "person@example.com"),
    ]
    assert "pipe.line-secret" not in str(log(api))
    with pytest.raises(SimulatorError, match="Key nobody"):
        simulator.add_deployment("abcd1234", by="nobody")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "abcd"),
        ({"sources": "UI"}, "b"),
        ({"sources": ["UI", "SYSTEM"]}, "bd"),
        ({"environment_names": "staging"}, "bc"),
        ({"environment_names": ["staging", "dev"]}, "bcd"),
        ({"chain_deployment_ids": "dep2"}, "bd"),
        ({"chain_deployment_ids": "dep2", "environment_names": "dev"}, "d"),
        ({"deployment_ids": "model1"}, "c"),
        ({"event_type_groups": "PROMOTED"}, "b"),
        ({"event_type_groups": ["PROMOTED", "ACTIVATED_DEACTIVATED"]}, "bd"),
        ({"event_type_groups": "SECRETS"}, ""),
        ({"user_ids": "sam@example.com"}, "b"),
        ({"search": "DEP2"}, "bd"),
        ({"search": "AGING"}, "bc"),
        ({"search": "nothing"}, ""),
        ({"direction": "DESC"}, "dcba"),
        ({"unheard_of": "1"}, "abcd"),
    ],
)
def test_filters(api: Api, simulator: Simulator, query: dict[str, Any], found: str) -> None:
    def add(kind: str, mark: str, **more: Any) -> str:
        entry: str = simulator.add_audit_entry("abcd1234", kind, **more)["id"]
        marks[entry] = mark
        return entry

    marks: dict[str, str] = {}
    about = {"chain_deployment_name": None, "environment_id": None}
    add("CHAIN_DEPLOYED", "a", by="default", chain_deployment_id="dep1")
    add("CHAIN_DEPLOYMENT_PROMOTED", "b", by="sam@example.com", environment="staging", chain_deployment_id="dep2", **about)
    add("CHAIN_ENVIRONMENT_UPDATED", "c", by="default", environment="staging", deployment_id="model1")
    add("CHAIN_DEPLOYMENT_DEACTIVATED", "d", by="system", environment="dev", chain_deployment_id="dep2")
    response = api.http.get(LOG, params={"direction": "ASC", **query})
    assert response.status_code == 200
    assert "".join(marks[one["id"]] for one in response.json()["items"]) == found


def test_a_window_of_time(api: Api, simulator: Simulator) -> None:
    for ago in (7200.0, 3600.0, 60.0):
        simulator.add_audit_entry("abcd1234", "CHAIN_DEPLOYED", seconds_ago=ago, chain_deployment_id=str(int(ago)))
    now = int(simulator.state()["now"] * 1000)

    def found(**query: int) -> list[str]:
        return [one["event_data"]["chain_deployment_id"] for one in api.http.get(LOG, params=query).json()["items"]]

    assert found() == ["60", "3600", "7200"]
    assert found(start_epoch_millis=now - 3700_000) == ["60", "3600"]
    assert found(start_epoch_millis=now - 3700_000, end_epoch_millis=now - 1000_000) == ["3600"]


def test_environments_that_an_event_does_not_name(api: Api, simulator: Simulator) -> None:
    simulator.edit_environment("abcd1234", "production", instance_types={"RandInt": "H100"})
    assert kinds(api, environment_names="production") == ["CHAINLET_INSTANCE_TYPE_CHANGED"]
    simulator.set_options(audit_environments="named")
    assert kinds(api, environment_names="production") == []
    assert kinds(api) == ["CHAINLET_INSTANCE_TYPE_CHANGED"]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_pages_stay_whole_while_more_comes(api: Api, simulator: Simulator, direction: str) -> None:
    """A cursor keeps its direction, and what happens meanwhile moves nothing from one page to another."""
    made = [simulator.add_audit_entry("abcd1234", "CHAIN_DEPLOYED", chain_deployment_id=str(at))["id"] for at in range(5)]
    expected = made if direction == "ASC" else made[::-1]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = api.http.get(
            LOG, params={"limit": 2, **({"cursor": cursor, "direction": "ASC"} if cursor else {"direction": direction})}
        ).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["pagination"]["cursor"]
        simulator.add_audit_entry("abcd1234", "CHAIN_DEPLOYED", chain_deployment_id="late")
    assert seen[:5] == expected
    assert (cursor is None) is (direction == "DESC")


def test_twenty_on_a_page_unless_asked(api: Api, simulator: Simulator) -> None:
    for _ in range(21):
        simulator.add_audit_entry("abcd1234", "CHAIN_DEPLOYED")
    assert len(api.http.get(LOG).json()["items"]) == 20
    assert len(api.http.get(LOG, params={"limit": 200}).json()["items"]) == 21


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "direction=UP",
        "sources=CLI",
        "event_type_groups=ALL",
        "cursor=%21",
        "cursor=YQ",
        "start_epoch_millis=x",
    ],
)
def test_it_refuses(api: Api, query: str) -> None:
    api.refused("GET", f"{LOG}?{query}")


def test_an_entry_shows_late(api: Api, simulator: Simulator) -> None:
    simulator.set_options(audit_delay_seconds=1000)
    simulator.add_environment("abcd1234", "dev")
    assert log(api) == []
    assert [one["environment"] for one in simulator.audit_log("abcd1234")] == ["dev"]
    simulator.advance(1000)
    assert kinds(api) == ["CHAIN_ENVIRONMENT_CREATED"]


def test_a_key_that_may_not_read_it(api: Api, simulator: Simulator) -> None:
    simulator.add_key("plain", "plain-key", audit_logs=False)
    with Api(simulator.base_url, "plain-key").http as http:
        assert http.get(LOG).status_code == 403
        assert http.get(CHAIN).status_code == 200
    api.refused("GET", "/v1/chains/nope/audit_logs", status=404)


def test_a_chain_that_is_made_anew_begins_with_an_empty_log(api: Api, simulator: Simulator) -> None:
    simulator.add_environment("abcd1234", "dev")
    simulator.delete_chain("abcd1234")
    simulator.add_chain("abcd1234", ["HelloWorld"])
    assert log(api) == []
