"""``deploymentID``: promoted once for each value, whatever id serves afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainenv_sandbox.baseten.client import Simulator

from .harness.cluster import Json
from .harness.manifests import CHAIN, resource
from .harness.stage import Sent, Stage, condition, is_settled
from .harness.waiting import wait_until


def pushed(simulator: Simulator, *deployments: str) -> None:
    """The environment serves; these deployments wait to be promoted."""
    simulator.add_environment(CHAIN, "staging", deployed=True)
    for each in deployments:
        simulator.add_deployment(CHAIN, active=True, deployment_id=each)


def promoted(deployment: str, **more: bool) -> Sent:
    return Sent("promote", {"deployment_id": deployment, **more})


def serves(deployment: str) -> Callable[[Json], bool]:
    """Whether everything is settled and this deployment is the current one."""
    return lambda seen: is_settled(seen) and seen["status"]["currentDeployment"]["id"] == deployment


def test_a_deployment_is_promoted_once(stage: Stage) -> None:
    pushed(stage.simulator, "dep123")
    operator = stage.run_operator()
    stage.apply(resource(deploymentID="dep123"))
    stage.wait_for("dep123 serves", serves("dep123"))
    operator.restart()
    stage.wait_polls()
    assert stage.sent() == [promoted("dep123")]


def test_a_promotion_that_makes_a_copy_is_done_when_the_copy_serves(stage: Stage) -> None:
    pushed(stage.simulator, "dep123")
    stage.simulator.edit_environment(CHAIN, "staging", promotion={"redeploy_on_promotion": True})
    operator = stage.run_operator()
    stage.apply(resource(deploymentID="dep123"))
    stage.wait_sent("promote")
    copy = wait_until("the copy is made", lambda: stage.simulator.started_deployments(CHAIN))[0]
    stage.wait_for("the copy serves", serves(copy["id"]))
    operator.restart()
    stage.wait_polls()
    assert stage.sent() == [promoted("dep123")]
    assert stage.started() == ["promote"]


def test_another_deployment_id_is_another_promotion(stage: Stage) -> None:
    pushed(stage.simulator, "dep123", "dep456")
    stage.run_operator()
    for each in ("dep123", "dep456"):
        stage.apply(resource(deploymentID=each, scaleDownPreviousDeployment=False))
        stage.wait_for(f"{each} serves", serves(each))
    assert stage.sent() == [promoted(each, scale_down_previous_deployment=False) for each in ("dep123", "dep456")]


def test_a_deployment_that_a_person_pushes_later_is_not_promoted_away(stage: Stage) -> None:
    pushed(stage.simulator, "dep123")
    stage.run_operator()
    stage.apply(resource(deploymentID="dep123"))
    stage.wait_for("dep123 serves", serves("dep123"))
    stage.simulator.add_deployment(CHAIN, environment="staging", active=True, deployment_id="hotfix")
    stage.wait_for("the hotfix serves", serves("hotfix"))
    stage.wait_polls()
    assert stage.sent() == [promoted("dep123")]


def test_what_serves_already_is_not_promoted(stage: Stage) -> None:
    stage.simulator.add_environment(CHAIN, "staging")
    stage.simulator.add_deployment(CHAIN, environment="staging", active=True, deployment_id="dep123")
    stage.run_operator()
    stage.apply(resource(deploymentID="dep123"))
    stage.wait_settled()
    stage.wait_polls(2)
    assert stage.sent() == []


@pytest.mark.parametrize("first_promotion", ["candidate", "current"])
def test_an_environment_without_a_deployment_says_so_and_takes_a_promotion(stage: Stage, first_promotion: str) -> None:
    stage.simulator.set_options(create_starts_deployment=False, first_promotion=first_promotion)
    stage.simulator.add_deployment(CHAIN, active=True, deployment_id="dep123")
    stage.run_operator()
    stage.apply(resource())
    none = stage.wait_condition("Ready", "False", "NoDeployment")
    assert "push or promote" in none["message"]
    stage.wait_condition("Synced", "True", "InSync")
    stage.apply(resource(deploymentID="dep123"))
    stage.wait_for("dep123 serves", serves("dep123"))
    assert [each.call for each in stage.sent()] == ["create", "promote"]


def test_a_deployment_that_baseten_does_not_find_is_reported(stage: Stage) -> None:
    pushed(stage.simulator)
    stage.run_operator()
    stage.apply(resource(deploymentID="dep404"))
    reported = stage.wait_condition("Synced", "False", "DeploymentNotFound")
    assert "dep404" in reported["message"]
    assert condition(stage.see(), "Ready")["status"] == "True"
    stage.wait_polls(2)
    assert [each.call for each in stage.sent()] == ["promote", "promote"], "the first may have been too early"
