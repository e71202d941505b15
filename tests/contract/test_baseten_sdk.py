"""Baseten's own SDK drives the simulator: an independent client that reads every answer by types of its own."""

from collections.abc import Iterator

import pytest
from baseten.client import ManagementClient
from baseten.client.managementapi import _models as theirs

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.baseten.process import start_simulator

CHAIN = "abcd1234"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with start_simulator() as simulator:
        yield simulator


@pytest.mark.parametrize("promoting", [False, True])
def test_every_read_of_the_sdk(simulator: Simulator, promoting: bool) -> None:
    simulator.set_options(build_seconds=1000)
    current = simulator.environment(CHAIN, "production")["current_deployment"]
    if promoting:
        simulator.add_deployment(CHAIN, environment="production")
    with ManagementClient(api_key="sandbox-key", base_url_override=simulator.base_url) as client:
        api = client.api
        environment = api.get_chains_environments_env_name(chain_id=CHAIN, env_name="production")
        assert (environment.in_progress_promotion is not None) is promoting
        assert (environment.candidate_deployment is not None) is promoting
        assert [one.name for one in api.get_chains_environments(chain_id=CHAIN).environments] == ["production"]
        assert [one.id for one in api.get_chains().chains] == [CHAIN]
        assert api.get_chains_chain_id(chain_id=CHAIN).id == CHAIN
        assert len(api.get_chains_deployments(chain_id=CHAIN).deployments) == 1 + promoting
        found = api.get_chains_deployments_chain_deployment_id(chain_id=CHAIN, chain_deployment_id=current["id"])
        assert found.status == "ACTIVE"
        chainlet = current["chainlets"][0]["id"]
        assert api.get_chains_deployments_chainlets_logs(chain_id=CHAIN, chain_deployment_id=current["id"], chainlet_id=chainlet).logs
        assert api.get_instance_types().instance_types
        assert api.get_instance_type_prices().instance_types
        assert api.get_environment_groups_env_name(env_name="production").name == "production"
        api.post_chains_deployments_deactivate(chain_id=CHAIN, chain_deployment_id=current["id"])
        entries = api.get_chains_audit_logs(chain_id=CHAIN).items
        pushed = ["CHAIN_DEPLOYMENT_PROMOTED", "CHAIN_DEPLOYED"] if promoting else []
        assert [one.event_type for one in entries] == ["CHAIN_DEPLOYMENT_DEACTIVATED", *pushed]


@pytest.mark.parametrize("promoting", [False, True])
def test_every_other_call_of_the_sdk(simulator: Simulator, promoting: bool) -> None:
    """While a promotion runs, what starts another deployment is refused; everything else is answered as at any time."""
    simulator.set_options(build_seconds=1000)
    if promoting:
        simulator.add_deployment(CHAIN, environment="production")
    name = simulator.environment(CHAIN, "production")["chainlet_settings"][0]["chainlet_name"]
    scaling = theirs.UpdateChainletEnvironmentAutoscalingSettingsRequest.model_validate(
        {"updates": [{"chainlet_name": name, "autoscaling_settings": {"max_replica": 3}}]}
    )
    types = theirs.UpdateChainletEnvironmentInstanceTypeRequest.model_validate(
        {"updates": [{"chainlet_name": name, "instance_type_id": "4x16"}]}
    )
    span = {"start_date": "2026-11-01T00:00:00Z", "end_date": "2026-11-02T00:00:00Z"}
    group = theirs.UpdateEnvironmentGroupRequest.model_validate({"manage_access": {"is_restricted": False}})
    where = {"chain_id": CHAIN, "env_name": "production"}
    with ManagementClient(api_key="sandbox-key", base_url_override=simulator.base_url) as client:
        api = client.api
        assert api.get_users_me()
        assert api.get_billing_usage_summary(params=theirs.GetBillingUsageSummaryParams.model_validate(span))
        assert api.patch_environment_groups(env_name="production", request=group).manage_access.is_restricted is False
        assert api.patch_chains_environments_chainlet_settings_autoscaling_settings(**where, request=scaling).status
        change = api.post_chains_environments_chainlet_settings_instance_types_update
        if promoting:
            with pytest.raises(Exception, match=r"400|409"):
                change(**where, request=types)
        else:
            answer = change(**where, request=types)
            assert answer.requires_redeployment
            assert answer.chain_deployment is not None
        assert api.delete_chains(chain_id=CHAIN).id == CHAIN


def test_writes_of_the_sdk(simulator: Simulator) -> None:
    simulator.set_options(build_seconds=1000)
    spare, unused = (simulator.add_deployment(CHAIN)["id"] for _ in range(2))
    with ManagementClient(api_key="sandbox-key", base_url_override=simulator.base_url) as client:
        api = client.api
        made = api.post_chains_environments(chain_id=CHAIN, request=theirs.CreateChainEnvironmentRequest(name="staging"))
        assert made.name == "staging"
        update = theirs.UpdateChainEnvironmentRequest.model_validate({"promotion_settings": {"redeploy_on_promotion": False}})
        assert api.patch_chains_environments(chain_id=CHAIN, env_name="staging", request=update).ok
        promotion = theirs.PromoteToChainEnvironmentRequest(deployment_id=spare)
        promoted = api.post_chains_environments_promote(chain_id=CHAIN, env_name="production", request=promotion)
        assert promoted.environment == "production"
        assert api.delete_chains_deployments(chain_id=CHAIN, chain_deployment_id=unused).id == unused


def test_it_reads_an_unknown_status_but_no_broken_date() -> None:
    """What decision 7 rests on."""
    shown = {"id": "d", "created_at": "2023-11-07T05:31:56Z", "chain_id": "c", "environment": None, "chainlets": [], "status": "DREAMING"}
    assert theirs.ChainDeployment.model_validate(shown).status == "DREAMING"
    for name, value in {"created_at": "yesterday", "chainlets": None, "status": None}.items():
        with pytest.raises(ValueError, match=name):
            theirs.ChainDeployment.model_validate({**shown, name: value})
