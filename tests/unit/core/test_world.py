"""What the spec and Baseten's answers become before anything is decided."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv.core.desired import desired_of
from chainenv.core.environment import in_progress
from chainenv.core.resource import Resource
from chainenv.core.values import digest, flat, nested
from chainenv.core.world import Timing
from chainenv.crd.enums import Operation
from chainenv.crd.types import ChainEnvironmentSpec, ChainEnvironmentStatus

from .helpers import CHAIN, NOW, Case, ago, deployment, desired, environment, opened, state, table, world

SETTLED = ("ACTIVE", "SCALED_TO_ZERO", "WAKING_UP", "BUILD_FAILED", "DEPLOY_FAILED", "FAILED", "BUILD_STOPPED", "UNHEALTHY", "INACTIVE")
MOVING = ("BUILDING", "DEPLOYING", "LOADING_MODEL", "UPDATING", "DEACTIVATING")


def spec(**more: Any) -> ChainEnvironmentSpec:
    return ChainEnvironmentSpec.model_validate({"chainID": CHAIN, **more})


@pytest.mark.parametrize("status", SETTLED)
def test_a_status_that_does_not_pass_by_itself_is_not_in_progress(status: str) -> None:
    assert not in_progress(status)


@pytest.mark.parametrize("status", [*MOVING, "MIGRATING_TO_MARS", "", "active", "UNKNOWN"])
def test_what_the_table_of_statuses_does_not_hold_is_in_progress(status: str) -> None:
    assert in_progress(status)


@table(
    Case("nothing", "an absent block manages nothing", None, {}),
    Case("null", "null is what was omitted", {"a": None, "b": {"c": None}}, {}),
    Case("falsy", "0, false and the empty string are values", {"a": 0, "b": False, "c": ""}, {"a": 0, "b": False, "c": ""}),
    Case("nested", "one level, as paths", {"a": 1, "b": {"c": {"d": 2}}}, {"a": 1, "b.c.d": 2}),
)
def test_flat(case: Case) -> None:
    assert flat(case.given) == case.expected, case.why


@table(
    Case("nothing", "", {}, {}),
    Case("deep", "a path is an object within an object", {"a": 1, "b.c.d": 2, "b.e": 0}, {"a": 1, "b": {"c": {"d": 2}, "e": 0}}),
)
def test_nested_is_the_inverse_of_flat(case: Case) -> None:
    assert nested(case.given) == case.expected, case.why
    assert flat(nested(case.given)) == case.given


def test_the_order_of_a_mapping_does_not_change_its_digest() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})


def test_defaults_of_the_policies_live_in_the_operator() -> None:
    wanted = desired_of(spec(), name="prod-eu", generation=7)
    assert (wanted.management, wanted.adoption, wanted.deletion) == ("Reconcile", "Adopt", "Retain")
    assert (wanted.environment, wanted.generation, wanted.chain_id) == ("prod-eu", 7, CHAIN)
    assert (wanted.deployment_id, wanted.scale_down_previous, dict(wanted.promotion), wanted.chainlets) == (None, None, {}, ())


def test_the_spec_names_the_environment_when_it_does() -> None:
    assert desired_of(spec(environmentName="staging"), name="other", generation=1).environment == "staging"


def test_what_a_chainlet_omits_is_not_wanted_of_it() -> None:
    wanted = desired_of(
        spec(
            chainletSettings=[
                {"chainletName": "A", "autoscalingSettings": {"minReplica": 0}},
                {"chainletName": "B", "instanceTypeID": "2x8"},
            ]
        ),
        name="x",
        generation=1,
    )
    first, second = wanted.chainlets
    assert (first.name, first.instance_type_id, dict(first.autoscaling)) == ("A", None, {"min_replica": 0})
    assert (second.name, second.instance_type_id, dict(second.autoscaling)) == ("B", "2x8", {})


@table(
    Case("outer", "the newer place", {"promotionCleanupStrategy": "KEEP"}, ("KEEP", False)),
    Case("inner", "the older place is the same setting", {"rollingDeployConfig": {"promotionCleanupStrategy": "KEEP"}}, ("KEEP", True)),
    Case("neither", "not managed", {"rollingDeploy": True}, (None, False)),
)
def test_the_cleanup_strategy_is_one_setting_in_two_places(case: Case) -> None:
    wanted = desired_of(spec(promotionSettings=case.given), name="x", generation=1)
    assert (wanted.promotion.get("promotion_cleanup_strategy"), wanted.cleanup_inside) == case.expected, case.why
    assert "rolling_deploy_config.promotion_cleanup_strategy" not in wanted.promotion


def test_an_environments_deployments_are_current_then_candidate() -> None:
    both = environment(state("A"), current=deployment("one"), candidate=deployment("two"))
    assert [d.id for d in both.deployments] == ["one", "two"]
    assert environment(bare=True).deployments == ()
    found = both.state_of("A")
    assert found is not None
    assert found.name == "A"
    assert both.state_of("B") is None


def test_a_world_finds_its_entries_and_counts_from_its_own_now() -> None:
    entry = opened(Operation.PROMOTE, 5)
    there = world(desired(), None, entry)
    assert there.entry(Operation.PROMOTE) is entry
    assert there.entry(Operation.CREATE) is None
    assert there.since(ago(5)).total_seconds() == 5


@pytest.mark.parametrize(("progress", "settle", "expected"), [(10, 60, 60), (1, 60, 10), (10, 5, 5)])
def test_an_accepted_correction_is_sent_again_only_after_the_settling_time(progress: float, settle: float, expected: float) -> None:
    assert Timing(progress=progress, settle=settle).resend == expected


def _resource(**more: Any) -> Any:
    given = {
        "namespace": "team",
        "name": "chat",
        "uid": "u",
        "generation": 3,
        "resource_version": "9",
        "created_at": NOW,
        "spec": spec(),
        "status": ChainEnvironmentStatus(last_handled_reconcile_at="then"),
    }
    return Resource(**{**given, **more})


@table(
    Case("no annotation", "nobody asked", {}, False),
    Case("the same as handled", "it was done", {"chains.baseten.co/reconcile-requested-at": "then"}, False),
    Case("another one", "a person asks for another try", {"chains.baseten.co/reconcile-requested-at": "now"}, True),
)
def test_forced(case: Case) -> None:
    assert _resource(annotations=case.given).forced is case.expected, case.why


def test_a_resource_knows_its_target_finalizer_and_whether_it_is_given_up() -> None:
    plain = _resource()
    assert plain.target == (CHAIN, "chat")
    assert not plain.has_finalizer
    assert not plain.abandoned
    assert plain.desired.generation == 3
    marked = _resource(finalizers=("chains.baseten.co/deactivate",), annotations={"chains.baseten.co/abandon": "True"})
    assert marked.has_finalizer
    assert marked.abandoned
    assert _resource(spec=spec(environmentName="eu")).target == (CHAIN, "eu")
