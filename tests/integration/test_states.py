"""What Baseten can show of an environment, and what is made of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness.case import RECONCILE, Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.observing import reported, together, version
from .harness.stage import Stage, condition, is_settled
from .harness.waiting import wait_until

STRANGE = {"strange": "HIBERNATING", "stranger": "REBALANCING_2"}
ASLEEP = {"asleep": ("SCALED_TO_ZERO", "ScaledToZero"), "waking": ("WAKING_UP", "WakingUp")}
RETYPED: Json = {"chainletSettings": [chainlet("RandInt", "4x16")]}
SERVING: dict[str, Json] = {
    **{name: {} for name in ("blinking", *STRANGE, "strange-chainlet", *ASLEEP, "ailing", "off")},
    "vanishing": RETYPED,
    "updated": {"chainletSettings": [chainlet("RandInt", "1x2")]},
}
"""Environments that serve before the tests begin, and what is declared of each."""


@pytest.fixture(scope="module")
def running(shared_stage: Stage) -> Stage:
    """One operator. A second read that finds nothing, a second later, is believed."""
    cases = {name: Case(shared_stage, name).existing() for name in SERVING}
    shared_stage.run_operator(CHAINENV_VANISH_SECONDS="1.2")
    shared_stage.apply(together(case.manifest(**SERVING[name]) for name, case in cases.items()))
    return shared_stage


@pytest.fixture(scope="module")
def fresh(running: Stage) -> Case:
    """A resource whose new environment was not found by the first read after its creation."""
    case = Case(running, "fresh").with_chain()
    running.simulator.hold("fresh", method="POST", path=f"{case.chain}/environments$")
    case.apply()
    running.simulator.wait_held("fresh")
    running.simulator.add_fault("answer", method="GET", path=f"{case.chain}/environments/fresh$", status=404, body={"message": "No."})
    running.simulator.release("fresh")
    case.wait_settled()
    return case


def settled(stage: Stage, name: str) -> Case:
    """One of those that serve."""
    case = Case(stage, name)
    case.wait_settled()
    return case


def shows(case: Case, **status: object) -> Json:
    """The resource, once its current deployment shows this."""

    def fits(seen: Json) -> bool:
        return bool(status.items() <= seen["status"].get("currentDeployment", {}).items())

    return case.wait_for(f"status shows {status}", fits)


# -- there, and gone -------------------------------------------------------------------------------------------------


def test_an_environment_without_a_deployment_is_as_declared_and_not_ready(running: Stage) -> None:
    case = Case(running, "bare").with_chain()
    running.simulator.add_environment(case.chain, case.name)
    case.apply()
    assert "push or promote" in case.wait_condition("Ready", "False", "NoDeployment")["message"]
    case.wait_condition("Synced", "True", "InSync")
    assert not case.condition("Stalled")
    assert not case.condition("Reconciling"), "nothing is under way"
    assert case.row()["STATUS"] == "NoDeployment"
    assert case.sent() == []


def test_an_environment_that_vanished_is_looked_for_once_more_and_then_created_again(running: Stage) -> None:
    case = settled(running, "vanishing")
    mark = case.mark()
    with case.read_once_after(lambda: running.simulator.delete_environment(case.chain, case.name)):
        seen = case.wait_for("it is missed", lambda now: condition(now, "Synced")["reason"] == "EnvironmentMissing")
    assert "environment vanishing" in condition(seen, "Synced")["message"]
    assert condition(seen, "Ready")["status"] == "False"
    case.wait_event("EnvironmentVanished")
    case.wait_settled()
    before = [entry for entry in case.calls(mark) if entry.seq < next(e.seq for e in case.calls(mark) if e.method == "POST")]
    assert [entry.status for entry in before].count(404) >= 2
    assert case.names_sent(mark) == ["create"]
    assert case.sent(mark)[0].body["chainlet_settings"] == [{"chainlet_name": "RandInt", "instance_type_id": "4x16"}]
    assert case.started()[-1:] == ["create"]


def test_one_answer_that_does_not_find_it_is_not_believed(running: Stage) -> None:
    case = settled(running, "blinking")
    running.simulator.add_fault("answer", method="GET", path=f"/environments/{case.name}$", status=404, body={"message": "No."})
    case.wait_event("EnvironmentMissing")
    case.wait_settled()
    case.wait_polls(2)
    assert case.sent() == []
    assert case.events("EnvironmentVanished") == []


def test_a_new_environment_that_is_not_found_for_a_while_is_not_created_again(fresh: Case) -> None:
    assert 404 in [entry.status for entry in fresh.calls(_created(fresh))], "it was hidden after its creation"
    assert fresh.names_sent() == ["create"]
    assert fresh.started() == ["create"]


def test_a_new_environment_that_is_not_found_yet_is_no_cause_for_alarm(fresh: Case) -> None:
    assert [text for text in reported(fresh) if "EnvironmentMissing" in text] == []


def _created(case: Case) -> int:
    return next(entry.seq for entry in case.calls() if entry.method == "POST")


# -- statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "status"), STRANGE.items())
def test_a_status_never_heard_of_is_shown_and_counts_as_under_way(running: Stage, name: str, status: str) -> None:
    case = settled(running, name)
    running.simulator.set_deployment(case.current(), status=status)
    seen = shows(case, status=status)
    assert (condition(seen, "Ready")["status"], condition(seen, "Ready")["reason"]) == ("False", "Deploying")
    assert status in condition(seen, "Ready")["message"]
    assert condition(seen, "Reconciling")["status"] == "True"
    assert condition(seen, "Synced")["status"] == "True"
    assert case.row()["STATUS"] == status
    running.simulator.set_deployment(case.current(), status="ACTIVE")
    case.wait_settled()
    assert case.sent() == []


def test_a_chainlet_status_never_heard_of_is_shown(running: Stage) -> None:
    case = settled(running, "strange-chainlet")
    running.simulator.set_deployment(case.current(), chainlets={"RandInt": {"status": "MIGRATING", "active_replica_count": 7}})

    def fits(seen: Json) -> bool:
        found = {each["name"]: each["status"] for each in seen["status"]["currentDeployment"]["chainlets"]}
        return found == {"HelloWorld": "ACTIVE", "RandInt": "MIGRATING"}

    seen = case.wait_for("it is shown", fits)
    assert seen["status"]["activeReplicas"] == 8
    assert "RandInt is MIGRATING" in condition(seen, "Ready")["message"]


@pytest.mark.parametrize("name", ASLEEP)
def test_a_deployment_that_sleeps_or_wakes_is_ready(running: Stage, name: str) -> None:
    case, (status, reason) = settled(running, name), ASLEEP[name]
    running.simulator.set_deployment(case.current(), status=status)
    case.wait_condition("Ready", "True", reason, status)
    assert is_settled(case.see())
    assert case.row()["READY"] == "True"


def test_a_deployment_that_baseten_updates_unasked_is_waited_for(running: Stage) -> None:
    case = settled(running, "updated")
    running.simulator.set_deployment(case.current(), status="UPDATING")
    case.wait_condition("Ready", "False", "Deploying", "UPDATING")
    case.wait_condition("Reconciling", "True", "Deploying")
    running.simulator.set_deployment(case.current(), status="ACTIVE")
    case.wait_settled()
    case.wait_event("DeploymentStatusChanged", "from UPDATING to ACTIVE")
    assert case.sent() == []


def test_an_unhealthy_deployment_is_reported_with_its_chainlets_and_may_recover(running: Stage) -> None:
    case = settled(running, "ailing")
    deployment = case.current()
    running.simulator.set_deployment(deployment, status="UNHEALTHY", chainlets={"HelloWorld": {"status": "ACTIVE"}})
    case.wait_condition("Ready", "False", "Unhealthy", "HelloWorld is ACTIVE")
    assert not case.condition("Stalled"), "it may recover"
    assert case.wait_event("DeploymentStatusChanged", "UNHEALTHY")["type"] == "Warning"
    before = version(case)
    case.wait_polls(4)
    assert version(case) == before
    running.simulator.set_deployment(deployment, status="ACTIVE", chainlets={"HelloWorld": {"status": None}})
    case.wait_settled()
    assert case.sent() == []


@pytest.mark.parametrize("status", ["BUILD_FAILED", "DEPLOY_FAILED", "BUILD_STOPPED"])
def test_a_first_deployment_that_fails_is_reported_and_not_repeated(running: Stage, status: str) -> None:
    case = Case(running, f"first-{status.lower().replace('_', '-')}").with_chain()
    running.simulator.fail_next(case.chain, status, environment=case.name)
    case.apply(chainletSettings=[chainlet("RandInt", maxReplica=3)])
    case.wait_condition("Stalled", "True", "DeploymentFailed", status)
    case.wait_condition("Ready", "False", "DeploymentFailed", status, "logs")
    case.wait_condition("Synced", "False", "Unconfirmed")
    assert case.see()["status"]["currentDeployment"]["status"] == status
    case.wait_polls(3)
    assert case.names_sent() == ["create"]
    assert case.started() == ["create"]


def test_a_push_after_a_failed_first_deployment_makes_it_ready(running: Stage) -> None:
    case = Case(running, "mended").with_chain()
    running.simulator.fail_next(case.chain, "BUILD_FAILED", environment=case.name)
    case.apply().wait_condition("Stalled", "True", "DeploymentFailed")
    running.simulator.add_deployment(case.chain, environment=case.name)
    case.wait_settled()
    assert case.names_sent() == ["create"]


def test_a_deployment_that_somebody_switched_off_is_reported(running: Stage) -> None:
    case = settled(running, "off")
    running.simulator.set_deployment(case.current(), status="INACTIVE")
    case.wait_condition("Ready", "False", "DeploymentInactive")
    case.wait_polls(2)
    assert case.sent() == []


# -- an older Baseten ------------------------------------------------------------------------------------------------


@pytest.fixture
def older(running: Stage) -> Iterator[Stage]:
    """Answers come in the shape of the older documents."""
    running.simulator.set_options(wire_shape="old")
    yield running
    running.simulator.set_options(wire_shape="new")


OUTER: Json = {"promotionCleanupStrategy": "KEEP"}
INNER: Json = {"rollingDeployConfig": {"promotionCleanupStrategy": "KEEP"}}


@pytest.mark.parametrize("declared", [OUTER, INNER], ids=["in the newer place", "in the older place"])
def test_an_environment_of_an_older_baseten_is_adopted_as_it_is(older: Stage, declared: Json) -> None:
    case = Case(older, "older-outer" if declared is OUTER else "older-inner")
    case.existing(promotion={"promotion_cleanup_strategy": "KEEP"}, autoscaling={"RandInt": {"max_replica": 4}})
    case.apply(promotionSettings=declared, chainletSettings=[chainlet("RandInt", "1x2", maxReplica=4)])
    seen = case.wait_settled()
    case.wait_polls(2)
    assert case.sent() == []
    assert seen["status"]["promotionSettings"]["promotionCleanupStrategy"] == "KEEP"
    case.wait_event("EnvironmentAdopted")


@pytest.mark.parametrize("declared", [OUTER, INNER], ids=["in the newer place", "in the older place"])
def test_a_cleanup_strategy_is_corrected_wherever_the_spec_has_it(older: Stage, declared: Json) -> None:
    case = Case(older, "strategy-outer" if declared is OUTER else "strategy-inner").existing()
    case.apply(promotionSettings=declared)
    seen = case.wait_settled()
    assert case.names_sent() == ["promotion settings"]
    assert case.on_baseten()["promotion_settings"]["promotion_cleanup_strategy"] == "KEEP"
    assert seen["status"]["promotionSettings"]["promotionCleanupStrategy"] == "KEEP"


def test_a_baseten_that_becomes_newer_under_way_makes_no_difference(older: Stage) -> None:
    case = Case(older, "becoming-newer").existing(promotion={"promotion_cleanup_strategy": "KEEP"})
    case.apply(promotionSettings=INNER).wait_settled()
    older.simulator.set_options(wire_shape="new")
    case.wait_polls(2)
    case.annotate(RECONCILE, "newer")
    case.wait_echo("newer")
    assert is_settled(case.wait_settled())
    assert case.sent() == []


def test_a_promotion_that_an_older_baseten_does_not_show_is_followed_to_its_end(older: Stage) -> None:
    """The older shape has no candidate: between the call and its effect nothing is to be seen."""
    case = Case(older, "unseen").existing()
    case.apply(chainletSettings=[chainlet("RandInt", "1x2")]).wait_settled()
    older.simulator.set_options(instance_types_visible="when_promoted")
    try:
        case.apply(chainletSettings=[chainlet("RandInt", "4x16")])
        case.wait_sent("instance types")
        wait_until("it is promoted", lambda: case.on_baseten()["instance_types"]["RandInt"] == "4x16" and _alone(case))
        case.wait_settled()
        case.wait_polls(2)
    finally:
        older.simulator.set_options(instance_types_visible="at_once")
    assert case.started() == ["instance_types"]


def _alone(case: Case) -> bool:
    return case.on_baseten()["candidate_deployment"] is None
