"""What becomes of an environment's deployments when its resource is deleted."""

from __future__ import annotations

import pytest

from .harness.case import Case
from .harness.stage import Stage, condition
from .harness.waiting import wait_until

LONG = 1000.0
"""Baseten's clock is moved on by so much at the end: what is deactivated before stays DEACTIVATING until then."""


pytestmark = pytest.mark.usefixtures("each_on_its_own")


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.run_operator(CHAINENV_VANISH_SECONDS="0.5")
    return shared_stage


def serving(stage: Stage, name: str, **spec: object) -> Case:
    """An adopted environment that serves."""
    case = Case(stage, name).existing()
    case.apply(**spec)
    case.wait_settled()
    return case


def deactivated(case: Case) -> list[str]:
    """Ids of the deployments that the operator asked to deactivate, in order."""
    return [each.path.split("/")[-2] for each in case.calls() if each.path.endswith("/deactivate")]


def finalizers(case: Case) -> list[str]:
    found: list[str] = case.see()["metadata"].get("finalizers", [])
    return found


def wait_finalizers(case: Case, count: int) -> None:
    wait_until(f"{case.name} has {count} finalizers", lambda: len(finalizers(case)) == count)


# -- the three policies --------------------------------------------------------------------------------------------


def test_retain_leaves_baseten_as_it_is(stage: Stage) -> None:
    for name, spec in {"retained": {}, "retained-too": {"deletionPolicy": "Retain"}}.items():
        case = serving(stage, name, **spec)
        assert finalizers(case) == []
        case.delete()
        case.wait_gone()
        assert case.sent() == []
        assert case.status_of(case.current()) == "ACTIVE"


def test_deactivate_says_what_it_does_until_the_deployment_is_inactive(stage: Stage) -> None:
    case = serving(stage, "switched-off", deletionPolicy="Deactivate")
    assert finalizers(case) == ["chains.baseten.co/deactivate"]
    current = case.current()
    with stage.options(deactivate_seconds=LONG):
        case.delete()
        case.wait_condition("Synced", "False", "Deleting", f"deployment {current} is DEACTIVATING")
        case.wait_condition("Reconciling", "True", "Deleting", current)
        case.wait_event("DeploymentDeactivated", f"deactivated deployment {current}")
        case.wait_polls()
        assert finalizers(case), "it waits for INACTIVE"
        assert case.row()["STATUS"] == "DEACTIVATING"
        stage.simulator.advance(LONG)
    case.wait_gone()
    assert deactivated(case) == [current]
    assert case.status_of(current) == "INACTIVE"
    case.wait_event("Released")


def test_deactivate_takes_the_candidate_as_well_as_the_current_deployment(stage: Stage) -> None:
    case = serving(stage, "both", deletionPolicy="Deactivate")
    candidate = stage.simulator.add_deployment(case.chain, environment=case.name)["id"]
    stage.simulator.set_deployment(candidate, status="BUILDING")
    current = case.current()
    case.wait_for("the candidate is seen", lambda seen: seen["status"].get("candidateDeployment"))
    case.delete()
    case.wait_gone()
    assert sorted(deactivated(case)) == sorted([current, candidate])
    assert case.status_of(current) == case.status_of(candidate) == "INACTIVE"
    for each in (current, candidate):
        case.wait_event("DeploymentDeactivated", each)


def test_deactivate_when_idle_waits_for_the_replicas_and_names_them(stage: Stage) -> None:
    case = serving(stage, "busy", deletionPolicy="DeactivateWhenIdle")
    current = case.current()
    case.by_hand(autoscaling={"HelloWorld": {"min_replica": 2}})
    case.delete()
    reported = case.wait_condition("Synced", "False", "WaitingForIdle", "HelloWorld has 2 replicas", "RandInt has 1 replicas")
    assert "set deletionPolicy to Retain" in reported["message"]
    stage.simulator.set_deployment(current, status="SCALED_TO_ZERO")
    case.wait_condition("Synced", "False", "WaitingForIdle", "HelloWorld has minReplica 2")
    assert "WaitingForIdle" in case.describe()
    assert deactivated(case) == []
    stage.simulator.set_deployment(current, status="SCALED_TO_ZERO")
    case.by_hand(autoscaling={"HelloWorld": {"min_replica": 0}})
    case.wait_gone()
    assert deactivated(case) == [current]


def test_an_environment_without_a_deployment_goes_at_once(stage: Stage) -> None:
    case = Case(stage, "empty").with_chain()
    stage.simulator.add_environment(case.chain, case.name)
    case.apply(deletionPolicy="Deactivate")
    case.wait_condition("Ready", "False", "NoDeployment")
    case.delete()
    case.wait_gone()
    assert case.sent() == []


def test_switching_to_retain_lets_a_waiting_resource_go_at_once(stage: Stage) -> None:
    case = serving(stage, "let-go", deletionPolicy="DeactivateWhenIdle")
    case.delete()
    case.wait_condition("Synced", "False", "WaitingForIdle")
    case.apply(deletionPolicy="Retain")
    case.wait_gone()
    assert case.sent() == []


def test_the_finalizer_comes_and_goes_with_the_policy(stage: Stage) -> None:
    case = serving(stage, "undecided")
    for policy, expected in {"Deactivate": 1, "Retain": 0, "DeactivateWhenIdle": 1}.items():
        case.apply(deletionPolicy=policy)
        wait_finalizers(case, expected)
    case.apply()
    wait_finalizers(case, 0)


# -- what is gone already ------------------------------------------------------------------------------------------


def test_a_deployment_that_baseten_does_not_find_counts_as_off(stage: Stage) -> None:
    case = serving(stage, "deleted-there", deletionPolicy="Deactivate")
    fault = case.fault("answer", path="deactivate$", status=404, body={"message": "not found"})
    case.delete()
    case.wait_gone()
    stage.simulator.clear_faults(fault)
    assert len(deactivated(case)) == 1


@pytest.mark.parametrize("what", ["environment", "chain"])
def test_an_environment_or_chain_that_is_gone_is_looked_for_twice(stage: Stage, what: str) -> None:
    case = serving(stage, f"lost-{what}", managementPolicy="Reconcile", deletionPolicy="Deactivate")
    with stage.options(deactivate_seconds=LONG):
        case.delete()
        case.wait_condition("Synced", "False", "Deleting")
        if what == "chain":
            stage.simulator.delete_chain(case.chain)
            reported = case.wait_condition("Stalled", "True", "ChainNotFound")
            abandon(case, reported["message"])
        else:
            with case.read_once_after(lambda: stage.simulator.delete_environment(case.chain, case.name)):
                case.wait_condition("Synced", "False", "EnvironmentMissing")
    case.wait_gone()
    assert len(case.calls()) > 2
    assert len(deactivated(case)) == 1


# -- why it waits, and what to do ----------------------------------------------------------------------------------


def abandon(case: Case, message: str) -> None:
    """Types what the message says."""
    command = f"kubectl annotate chenv {case.name} -n {case.namespace} chains.baseten.co/abandon=true"
    assert command in message
    case.stage.cluster.kubectl(*command.split()[1:])
    case.wait_gone()


def test_while_baseten_is_down_it_says_so_and_how_to_let_go(stage: Stage) -> None:
    case = serving(stage, "outage", deletionPolicy="Deactivate")
    fault = case.fault("answer", status=503, body={"message": "we are down"})
    case.wait_for("the outage is seen", lambda seen: condition(seen, "Synced")["reason"] == "Unavailable")
    case.delete()
    found = case.wait_for("it says why it waits", lambda seen: "being deleted, but" in condition(seen, "Synced")["message"])
    assert condition(found, "Synced")["reason"] == "Unavailable"
    assert "we are down" in condition(found, "Synced")["message"]
    abandon(case, condition(found, "Synced")["message"])
    stage.simulator.clear_faults(fault)
    assert case.sent() == []


def test_after_an_outage_the_deletion_goes_on_by_itself(stage: Stage) -> None:
    case = serving(stage, "recovered", deletionPolicy="Deactivate")
    fault = case.fault("answer", status=503)
    case.delete()
    case.wait_for("it says why it waits", lambda seen: "being deleted, but" in condition(seen, "Synced")["message"])
    stage.simulator.clear_faults(fault)
    case.wait_gone()
    assert len(deactivated(case)) == 1


@pytest.mark.parametrize(("status", "reason"), [(400, "Refused"), (403, "Forbidden")])
def test_a_refused_deactivation_says_how_to_let_go(stage: Stage, status: int, reason: str) -> None:
    case = serving(stage, reason.lower(), deletionPolicy="Deactivate")
    fault = case.fault("answer", path="deactivate$", status=status, body={"message": "not now"})
    case.delete()
    reported = case.wait_condition("Synced", "False", reason, "being deleted", "not now")
    abandon(case, reported["message"])
    stage.simulator.clear_faults(fault)


def test_a_paused_resource_waits_and_says_what_to_do(stage: Stage) -> None:
    case = serving(stage, "paused", deletionPolicy="Deactivate")
    case.apply(managementPolicy="Pause", deletionPolicy="Deactivate")
    case.wait_condition("Synced", "Unknown", "Paused")
    mark = case.mark()
    case.delete()
    case.wait_condition("Synced", "Unknown", "Paused", "being deleted", "set managementPolicy to Reconcile", "abandon=true")
    assert case.calls(mark) == []
    case.apply(managementPolicy="Reconcile", deletionPolicy="Deactivate")
    case.wait_gone()
    assert len(deactivated(case)) == 1


def with_secret(stage: Stage, apart: Stage, name: str, **spec: object) -> Case:
    """Serves, in the other namespace, with the key of the Secret there."""
    case = Case(stage, name, namespace=apart.namespace).existing()
    case.apply(apiKeySecretRef={"name": "baseten", "key": "api-key"}, **spec)
    return case


def test_a_namespace_whose_secret_goes_first_is_emptied_or_says_what_to_do(stage: Stage, apart: Stage) -> None:
    secret = ("create", "secret", "generic", "baseten", f"--from-literal=api-key={stage.keys['team']}")
    stage.cluster.kubectl(*secret, namespace=apart.namespace)
    apart.run_operator(BASETEN_API_KEY="")
    retained = with_secret(stage, apart, "space-retained")
    kept = with_secret(stage, apart, "space-deactivated", deletionPolicy="Deactivate")
    idle = with_secret(stage, apart, "space-idle", deletionPolicy="DeactivateWhenIdle")
    never = Case(stage, "space-never", namespace=apart.namespace).with_chain()
    never.apply(apiKeySecretRef={"name": "no-such", "key": "api-key"}, deletionPolicy="Deactivate")
    for case in (retained, kept, idle):
        case.wait_settled()
    never.wait_condition("Stalled", "True", "SecretNotFound")

    idle.delete()
    idle.wait_condition("Synced", "False", "WaitingForIdle")
    stage.cluster.kubectl("delete", "secret", "baseten", namespace=apart.namespace)
    apart.operators[0].restart()  # or a minute, for as long as a key is kept
    stage.cluster.kubectl("delete", "chenv", "--all", "--wait=false", namespace=apart.namespace)
    retained.wait_gone()
    for case in (kept, idle, never):
        reported = case.wait_condition("Stalled", "True", "SecretNotFound", "being deleted, but Secret ")
        abandon(case, reported["message"])
    assert [case.sent() for case in (retained, kept, idle, never)] == [[], [], [], []]


def test_a_key_that_is_put_back_lets_the_deletion_go_on(stage: Stage, apart: Stage) -> None:
    stage.simulator.add_key("leaving", "key-that-leaves")
    secret = ("create", "secret", "generic", "baseten", "--from-literal=api-key=key-that-leaves")
    stage.cluster.kubectl(*secret, namespace=apart.namespace)
    apart.run_operator(BASETEN_API_KEY="")
    case = with_secret(stage, apart, "revoked", deletionPolicy="Deactivate")
    case.wait_settled()
    stage.simulator.revoke_key("leaving")
    case.delete()
    reported = case.wait_condition("Stalled", "True", "CredentialsRefused", "being deleted, but")
    assert "abandon=true" in reported["message"]
    patch = f'{{"stringData": {{"api-key": "{stage.keys["team"]}"}}}}'
    stage.cluster.kubectl("patch", "secret", "baseten", "--type=merge", "-p", patch, namespace=apart.namespace)
    case.wait_gone()
    assert len(deactivated(case)) == 1


# -- what was never ours -------------------------------------------------------------------------------------------


def test_an_environment_that_was_there_before_and_not_adopted_is_not_deactivated(stage: Stage) -> None:
    case = Case(stage, "not-adopted").existing().apply(adoptionPolicy="Fail", deletionPolicy="Deactivate")
    case.wait_condition("Stalled", "True", "EnvironmentExists")
    case.delete()
    case.wait_gone()
    assert case.sent() == []


def test_an_environment_that_an_older_resource_manages_is_not_deactivated(stage: Stage) -> None:
    owner = serving(stage, "owner")
    created = owner.see()["metadata"]["creationTimestamp"]
    other = Case(stage, "second", chain=owner.chain)
    spec = {"environmentName": "owner", "deletionPolicy": "Deactivate"}
    while other.apply(**spec).see()["metadata"]["creationTimestamp"] == created:  # to the second
        other.apply(environmentName="owner")
        other.delete()
        other.wait_gone()
    other.wait_condition("Stalled", "True", "DuplicateTarget")
    other.delete()
    other.wait_gone()
    owner.wait_polls()
    assert owner.sent() == []


@pytest.mark.parametrize("before", ["Observe", "Reconcile"])
def test_an_environment_that_is_only_observed_is_not_deactivated(stage: Stage, before: str) -> None:
    case = serving(stage, f"watched-{before.lower()}", managementPolicy=before, deletionPolicy="Deactivate")
    case.apply(managementPolicy="Observe", deletionPolicy="Deactivate")
    wait_finalizers(case, 0)
    case.delete()
    case.wait_gone()
    assert case.sent() == []


def test_an_environment_that_was_seen_under_observe_and_then_refused_is_not_deactivated(stage: Stage) -> None:
    case = serving(stage, "seen-refused", managementPolicy="Observe", deletionPolicy="Deactivate")
    case.apply(adoptionPolicy="Fail", deletionPolicy="Deactivate")
    case.wait_condition("Stalled", "True", "EnvironmentExists")
    case.delete()
    case.wait_gone()
    assert case.sent() == []


# -- while the operator is down ------------------------------------------------------------------------------------


def test_while_the_operator_is_down_retain_goes_and_deactivate_waits_for_it(stage: Stage) -> None:
    (operator,) = stage.operators
    retained = serving(stage, "down-retained")
    kept = serving(stage, "down-deactivated", deletionPolicy="Deactivate")
    current = kept.current()
    operator.kill()
    stage.cluster.kubectl("delete", "chenv", retained.name, "--timeout=10s", namespace=stage.namespace)
    assert retained.is_gone()
    kept.delete()
    assert not kept.is_gone()
    operator.start()
    kept.wait_gone()
    assert deactivated(kept) == [current]
    assert retained.sent() == []
