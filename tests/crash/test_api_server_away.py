"""The API server goes away: no call that starts a deployment is made without its written intent, and nothing is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..integration.harness.manifests import CHAIN, resource
from ..integration.harness.stage import Stage, condition, is_handled
from ..integration.harness.waiting import wait_until
from .jobs import BASE, JOBS, RETYPED, is_done, scene


@contextmanager
def api_server_away(stage: Stage) -> Iterator[None]:
    server = stage.cluster.plane.apiserver
    server.kill()
    try:
        yield
    finally:
        server.start()


def test_what_changed_meanwhile_is_shown_afterwards(stage: Stage) -> None:
    operator = stage.run_operator()
    stage.apply(resource())
    deployment = stage.wait_settled()["status"]["currentDeployment"]["id"]
    with api_server_away(stage):
        stage.simulator.set_deployment(deployment, status="UNHEALTHY")
        wait_until("the status cannot be written", lambda: "cannot be reached" in operator.log)
    stage.wait_for("the status is reported", lambda seen: condition(seen, "Ready").get("reason") == "Unhealthy")


def test_a_spec_changed_after_an_outage_is_acted_on(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource())
    stage.wait_settled()
    with api_server_away(stage):
        stage.wait_polls(2)
    stage.apply(resource(promotionSettings={"rampUpDurationSeconds": 5}))
    stage.wait_for("the change is handled", is_handled)


def test_without_a_written_intent_the_call_is_not_made(stage: Stage) -> None:
    """The spec has changed and Baseten is being polled when the API server goes."""
    job = JOBS["promote a copy"]
    operator = stage.run_operator()
    scene(stage, job)
    mark, started = stage.mark(), stage.started()
    stage.simulator.hold("poll", method="GET", path="/environments/staging$", point="after_effect", times=None)
    stage.simulator.wait_held("poll")
    stage.apply(resource(**job.after))
    with api_server_away(stage):
        stage.simulator.release()
        wait_until("the intent cannot be written", lambda: "cannot be reached" in operator.log)
        assert stage.sent(mark) == []
    stage.wait_for("settled, with no intent open", is_done)
    assert stage.started() == [*started, *job.starts]
    assert [each.call for each in stage.sent(mark)] == [job.call]


def test_an_outcome_that_could_not_be_written_is_found_out(stage: Stage) -> None:
    """The call is under way when the API server goes; its answer arrives before the API server is back."""
    operator = stage.run_operator()
    stage.apply(resource(chainletSettings=BASE))
    stage.wait_settled()
    mark = stage.mark()
    stage.simulator.hold("call", method="POST", path="/instance_types/update$", point="after_effect")
    stage.apply(resource(chainletSettings=RETYPED))
    stage.simulator.wait_held("call")
    with api_server_away(stage):
        stage.simulator.release()
        wait_until("the outcome cannot be written", lambda: "cannot be reached" in operator.log)
    stage.wait_for("settled, with no intent open", is_done)
    assert [each.call for each in stage.sent(mark)] == ["instance types"]
    assert len(stage.simulator.started_deployments(CHAIN)) == 2
