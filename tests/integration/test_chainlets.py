"""Chainlets that the spec names and the environment does not have."""

from __future__ import annotations

from typing import Any

import pytest

from .harness.case import Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.stage import Sent, Stage, condition, is_settled

pytestmark = pytest.mark.usefixtures("each_on_its_own")


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.run_operator()
    return shared_stage


def named(sent: Sent) -> list[str]:
    """The chainlets in a call's body."""
    body: Json = sent.body
    return [each["chainlet_name"] for each in body.get("updates") or body.get("chainlet_settings") or ()]


def observed(seen: Json, name: str) -> Json:
    """A chainlet's settings as status shows them; empty when it is not there."""
    return next((each for each in seen["status"].get("chainletSettings", ()) if each["chainletName"] == name), {})


def max_replica(seen: Json, name: str) -> int | None:
    found: int | None = observed(seen, name).get("autoscalingSettings", {}).get("maxReplica")
    return found


@pytest.mark.parametrize("status", [400, 404])
def test_an_environment_is_created_without_the_chainlets_that_the_chain_does_not_have(stage: Stage, status: int) -> None:
    stage.simulator.set_options(unknown_chainlet_status=status)
    case = Case(stage, f"created-{status}").with_chain()
    settings = [chainlet("HeloWorld", "2x8", maxReplica=5), chainlet("RandInt", "1x4", maxReplica=3)]
    case.apply(promotionSettings={"rampUpDurationSeconds": 300}, chainletSettings=settings)
    case.wait_condition("Synced", "False", "ChainletNotFound", "HeloWorld (did you mean HelloWorld?)", "HelloWorld, RandInt")
    seen = case.wait_for("it serves", lambda seen: condition(seen, "Ready")["status"] == "True")
    assert condition(seen, "Stalled")["reason"] == "ChainletNotFound"
    assert case.sent()[-1].call == "create"
    assert named(case.sent()[-1]) == ["RandInt"]
    assert observed(seen, "RandInt")["instanceType"]["id"] == "1x4"
    assert observed(seen, "RandInt")["autoscalingSettings"]["maxReplica"] == 3
    assert seen["status"]["promotionSettings"]["rampUpDurationSeconds"] == 300
    assert case.started() == ["create"]


def test_an_environment_whose_every_chainlet_is_mistaken_is_created_all_the_same(stage: Stage) -> None:
    case = Case(stage, "all-unknown").with_chain()
    case.apply(chainletSettings=[chainlet("Nobody", maxReplica=3)])
    case.wait_condition("Synced", "False", "ChainletNotFound", "Nobody", "HelloWorld, RandInt")
    case.wait_for("it serves", lambda seen: condition(seen, "Ready")["status"] == "True")
    assert named(case.sent()[-1]) == []


def test_every_batch_goes_without_the_unknown_ones_and_the_rest_applies(stage: Stage) -> None:
    case = Case(stage, "batches").existing()
    unknown: list[Json] = [chainlet("Randint", "4x16", maxReplica=5), chainlet("Zzz", maxReplica=5)]
    known = [chainlet("HelloWorld", "2x8", maxReplica=4), chainlet("RandInt", "1x4", minReplica=1)]
    case.apply(promotionSettings={"rampUpDurationSeconds": 300}, chainletSettings=[*unknown, *known])

    def applied(seen: Json) -> bool:
        types = [observed(seen, name).get("instanceType", {}).get("id") for name in ("HelloWorld", "RandInt")]
        promotion = seen["status"].get("promotionSettings", {}).get("rampUpDurationSeconds")
        return (types, promotion) == (["2x8", "1x4"], 300) and "candidateDeployment" not in seen["status"]

    case.wait_for("the rest is applied", applied)
    reported = case.wait_condition("Synced", "False", "ChainletNotFound")
    assert "chainlets not found: Randint (did you mean RandInt?), Zzz; the environment has HelloWorld, RandInt" in reported["message"]
    assert "the rest of the spec is applied" in reported["message"]
    case.wait_polls(2)
    assert sorted(case.names_sent()) == ["autoscaling", "instance types", "promotion settings"]
    assert [sorted(named(each)) for each in case.sent() if each.call != "promotion settings"] == [["HelloWorld", "RandInt"]] * 2


def test_an_unknown_chainlet_alone_makes_no_call_and_is_reported_once(stage: Stage) -> None:
    case = Case(stage, "alone").existing()
    case.apply(chainletSettings=[chainlet("HeloWorld", "2x8", maxReplica=5)])
    case.wait_condition("Synced", "False", "ChainletNotFound")
    event = case.wait_event("ChainletNotFound", "HeloWorld")
    case.wait_polls()
    assert case.sent() == []
    assert event["type"] == "Warning"
    assert [each["count"] for each in case.events("ChainletNotFound")] == [1]
    row = case.row()
    assert (row["STATUS"], row["READY"], row["SYNCED"]) == ("ACTIVE", "True", "False")
    assert "HeloWorld" in row["MESSAGE"]
    assert case.condition("Stalled")["reason"] == "ChainletNotFound"
    assert not case.condition("Reconciling")


def test_a_corrected_name_gets_its_settings(stage: Stage) -> None:
    case = Case(stage, "mended").existing()
    case.apply(chainletSettings=[chainlet("HeloWorld", maxReplica=5)])
    case.wait_condition("Synced", "False", "ChainletNotFound")
    case.apply(chainletSettings=[chainlet("HelloWorld", maxReplica=5)])
    seen = case.wait_settled()
    assert observed(seen, "HelloWorld")["autoscalingSettings"]["maxReplica"] == 5
    assert case.names_sent() == ["autoscaling"]


def with_coming(stage: Stage, name: str, *, instance_type: str | None = None, **autoscaling: Any) -> Case:
    """The spec has settings for a chainlet that only a later deployment will have."""
    case = Case(stage, name).existing()
    case.apply(chainletSettings=[chainlet("HelloWorld", maxReplica=3), chainlet("Newcomer", instance_type, **autoscaling)])
    case.wait_condition("Synced", "False", "ChainletNotFound", "Newcomer")
    case.wait_for("the rest is applied", lambda seen: max_replica(seen, "HelloWorld") == 3)
    return case


def push(case: Case, *, active: bool) -> None:
    case.stage.simulator.add_deployment(case.chain, environment=case.name, chainlets=["HelloWorld", "RandInt", "Newcomer"], active=active)


@pytest.mark.parametrize("active", [True, False], ids=["at once", "after a promotion"])
def test_a_chainlet_that_comes_with_a_later_deployment_gets_its_settings_then(stage: Stage, active: bool) -> None:
    case = with_coming(stage, f"later-{active}".lower(), instance_type="2x8", maxReplica=7)
    mark = case.mark()
    push(case, active=active)
    seen = case.wait_for("the newcomer is as declared", lambda seen: is_settled(seen) and observed(seen, "Newcomer"))
    assert observed(seen, "Newcomer")["instanceType"]["id"] == "2x8"
    assert observed(seen, "Newcomer")["autoscalingSettings"]["maxReplica"] == 7
    assert sorted(case.names_sent(mark)) == ["autoscaling", "instance types"]
    assert {name for each in case.sent(mark) for name in named(each)} == {"Newcomer"}
    case.wait_event("AutoscalingCorrected", "Newcomer maxReplica 1 -> 7")


def test_a_chainlet_that_a_later_deployment_lacks_is_named(stage: Stage) -> None:
    case = (
        Case(stage, "dropped").existing().apply(chainletSettings=[chainlet("RandInt", maxReplica=3), chainlet("HelloWorld", maxReplica=3)])
    )
    case.wait_settled()
    stage.simulator.add_deployment(case.chain, environment=case.name, chainlets=["HelloWorld"], active=True)
    case.wait_condition("Synced", "False", "ChainletNotFound", "chainlets not found: RandInt; the environment has HelloWorld.")
    case.by_hand(autoscaling={"HelloWorld": {"max_replica": 9}})
    case.wait_event("AutoscalingCorrected", "HelloWorld maxReplica 9 -> 3")
    assert case.condition("Ready")["status"] == "True"
