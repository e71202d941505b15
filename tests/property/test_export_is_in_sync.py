"""A manifest made of an environment, whatever Baseten answers for it, declares what is there: the operator has nothing to send."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from chainenv.api import models as m
from chainenv.core.desired import desired_of
from chainenv.core.environment import Environment
from chainenv.core.manifests import NotDeclarableError, Origin, manifest_of
from chainenv.core.plan import plan
from chainenv.core.recover import recover
from chainenv.core.world import World
from chainenv.crd.types import ChainEnvironmentSpec, SecretKeyRef
from chainenv.engine.observe import environment_of

from .worlds import NOW, environment, of

NUMBERS = st.none() | st.integers(-5, 120) | st.sampled_from([3600, 3601, 10**6, 10**9 + 1, 2**63 - 1])
SCALING = st.dictionaries(st.sampled_from(list(m.AutoscalingSettingsV1.__dataclass_fields__)), NUMBERS)
ROLLING = st.dictionaries(
    st.sampled_from(list(m.RollingDeployConfigV1.__dataclass_fields__)), NUMBERS | st.sampled_from(["KEEP", "REPLICA"])
)
PROMOTION = st.fixed_dictionaries(
    {},
    optional={
        "rolling_deploy": st.none() | st.booleans(),
        "redeploy_on_promotion": st.none() | st.booleans(),
        "ramp_up_while_promoting": st.none() | st.booleans(),
        "ramp_up_duration_seconds": NUMBERS,
        "promotion_cleanup_strategy": st.sampled_from([None, "KEEP", "SCALE_TO_ZERO", "DEACTIVATE", "NEVER_HEARD_OF"]),
        "rolling_deploy_config": st.none() | ROLLING,
    },
)
CHAINLET = st.fixed_dictionaries(
    {"chainlet_name": st.sampled_from(["Alpha", "Beta", "", "two words", "x" * 256])},
    optional={
        "autoscaling_settings": st.none() | SCALING,
        "instance_type": st.none() | st.fixed_dictionaries({"id": st.sampled_from(["2x8", "A10G:2x24x96", "", "y" * 200])}),
    },
)
ANSWERS = st.fixed_dictionaries(
    {"name": st.just("staging"), "promotion_settings": st.none() | PROMOTION, "chainlet_settings": st.lists(CHAINLET, max_size=4)}
)
SECRET = SecretKeyRef(name="baseten", key="api-key")


def nothing_to_send(seen: Environment, policy: str | None) -> None:
    made = manifest_of(seen, Origin("abcd1234", policy=policy, secret=SECRET))
    document = yaml.safe_load(yaml.safe_dump(made.document))
    spec = ChainEnvironmentSpec.model_validate(document["spec"])
    wanted = desired_of(spec, name=document["metadata"]["name"], generation=1)
    planned = plan(recover(World(wanted, seen, NOW)))
    assert (wanted.environment, wanted.deployment_id, wanted.management) == ("staging", None, policy or "Reconcile")
    assert (planned.actions, planned.drift) == ((), ())


@given(ANSWERS, st.sampled_from([None, "Reconcile", "Observe"]))
@example(
    {
        "name": "staging",
        "promotion_settings": {"rolling_deploy": True, "rolling_deploy_config": {"max_surge_percent": 0, "max_unavailable_percent": 0}},
        "chainlet_settings": [],
    },
    None,
)
@example(
    {
        "name": "staging",
        "promotion_settings": None,
        "chainlet_settings": [{"chainlet_name": "Alpha", "autoscaling_settings": {"min_replica": 5, "max_replica": 2}}],
    },
    None,
)
def test_of_any_answer(answer: dict[str, Any], policy: str | None) -> None:
    nothing_to_send(environment_of(m.ENVIRONMENT.validate_python(answer)), policy)


@given(of(environment), st.sampled_from([None, "Observe"]))
def test_of_any_environment(seen: Environment, policy: str | None) -> None:
    nothing_to_send(seen, policy)


def test_every_value_that_a_resource_can_say_is_in_it() -> None:
    seen = m.ENVIRONMENT.validate_python(
        {
            "name": "staging",
            "promotion_settings": {
                "redeploy_on_promotion": True,
                "ramp_up_duration_seconds": 600,
                "rolling_deploy_config": {"max_surge_percent": 20, "promotion_cleanup_strategy": "KEEP"},
            },
            "chainlet_settings": [
                {
                    "chainlet_name": "Alpha",
                    "instance_type": {"id": "2x8"},
                    "autoscaling_settings": {"min_replica": 1, "max_replica": 5000000},
                },
                {"chainlet_name": "Beta", "autoscaling_settings": None},
            ],
        }
    )
    made = manifest_of(environment_of(seen), Origin("abcd1234", "team-a", "shop-", "Observe", SECRET))
    assert made.document == {
        "apiVersion": "chains.baseten.co/v1alpha1",
        "kind": "ChainEnvironment",
        "metadata": {"name": "shop-staging", "namespace": "team-a"},
        "spec": {
            "chainID": "abcd1234",
            "environmentName": "staging",
            "managementPolicy": "Observe",
            "apiKeySecretRef": {"name": "baseten", "key": "api-key"},
            "promotionSettings": {
                "redeployOnPromotion": True,
                "rampUpDurationSeconds": 600,
                "promotionCleanupStrategy": "KEEP",
                "rollingDeployConfig": {"maxSurgePercent": 20},
            },
            "chainletSettings": [
                {"chainletName": "Alpha", "instanceTypeID": "2x8", "autoscalingSettings": {"minReplica": 1}},
                {"chainletName": "Beta"},
            ],
        },
    }
    assert made.omitted == ("chainletSettings[Alpha].autoscalingSettings.maxReplica 5000000",)


@pytest.mark.parametrize(
    ("name", "prefix", "chain", "says"),
    [
        ("Staging", "", "abcd1234", "no resource can have the name 'Staging'"),
        ("staging_eu", "", "abcd1234", "no resource can have the name 'staging_eu'"),
        ("Staging", "shop-", "abcd1234", "no resource can have the name 'shop-Staging'"),
        ("staging", "Shop-", "abcd1234", "no resource can have the name 'Shop-staging'"),
        ("staging", "x" * 250, "abcd1234", "no resource can have the name"),
        ("staging", "", "https://app.baseten.co/chains/abcd1234", "no resource can have chainID 'https://app"),
    ],
)
def test_what_cannot_be_declared_says_why(name: str, prefix: str, chain: str, says: str) -> None:
    with pytest.raises(NotDeclarableError, match=says):
        manifest_of(Environment(name, "abcd1234"), Origin(chain, prefix=prefix))


def test_more_chainlets_than_a_resource_has_room_for_are_named() -> None:
    answer = {"name": "staging", "chainlet_settings": [{"chainlet_name": f"C{n}"} for n in range(203)]}
    made = manifest_of(environment_of(m.ENVIRONMENT.validate_python(answer)), Origin("abcd1234"))
    assert len(made.document["spec"]["chainletSettings"]) == 200
    assert made.omitted == ("chainletSettings[C200]", "chainletSettings[C201]", "chainletSettings[C202]")
