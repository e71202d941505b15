"""What is as declared costs nothing but a poll now and then, and what cannot be right costs nothing at all."""

from __future__ import annotations

from itertools import pairwise

from .harness.cluster import SAMPLES
from .harness.manifests import chainlet, resource
from .harness.stage import ENVIRONMENT, Stage, is_settled

POLL = 0.5


def test_a_settled_resource_costs_one_read_a_poll_and_no_write(stage: Stage) -> None:
    stage.run_operator(CHAINENV_POLL_SECONDS=str(POLL))
    stage.apply(SAMPLES / "staging.yaml")
    settled = stage.wait_settled()
    mark = stage.wait_polls(1)
    writes = stage.cluster.writes_of_operator(stage.namespace)
    stage.wait_polls(5)

    polls = stage.simulator.journal(since=mark)
    assert {(each.method, each.endpoint) for each in polls} == {("GET", ENVIRONMENT)}
    apart = [later.time - earlier.time for earlier, later in pairwise(polls)]
    assert min(apart) > POLL / 2, f"more than one read a poll: {apart}"
    assert stage.see()["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]
    assert stage.cluster.writes_of_operator(stage.namespace) == writes


def test_the_operator_writes_status_and_nothing_else_of_a_resource(stage: Stage) -> None:
    stage.run_operator()
    for sample in ("staging.yaml", "staging-new-instance-types.yaml"):
        stage.apply(SAMPLES / sample)
        applied = stage.see()
        settled = stage.wait_settled()
        assert settled["spec"] == applied["spec"]
        assert "finalizers" not in settled["metadata"]
        assert list(settled["metadata"]["annotations"]) == ["kubectl.kubernetes.io/last-applied-configuration"]
    assert set(stage.cluster.writes_of_operator(stage.namespace)) == {"update/status"}


def test_a_restart_changes_nothing(stage: Stage) -> None:
    operator = stage.run_operator()
    stage.apply(SAMPLES / "staging.yaml")
    settled = stage.wait_settled()
    mark = stage.mark()
    operator.restart()
    stage.wait_polls()
    assert stage.sent(mark) == []
    assert stage.see()["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]


def test_a_name_that_baseten_would_not_take_is_reported_and_no_call_is_made(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource("staging.eu", chainletSettings=[chainlet("RandInt", "1x2")]))
    reported = stage.wait_condition("Stalled", "True", "InvalidEnvironmentName", name="staging.eu")
    assert "staging.eu" in reported["message"]
    assert "spec.environmentName" in reported["message"]
    stage.wait_condition("Ready", "False", "InvalidEnvironmentName", name="staging.eu")
    stage.apply(resource("other"))
    stage.wait_settled("other")
    assert [entry.path for entry in stage.simulator.journal() if "eu" in entry.path] == []
    assert [each.body["name"] for each in stage.sent()] == ["other"]


def test_environment_name_is_used_where_metadata_name_would_not_do(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource("staging.eu", environmentName="staging-eu"))
    seen = stage.wait_settled("staging.eu")
    assert seen["status"]["environment"]["name"] == "staging-eu"
    assert [each.body for each in stage.sent()] == [{"name": "staging-eu"}]


def test_a_paused_resource_causes_no_call(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource(managementPolicy="Pause"))
    stage.wait_condition("Synced", "Unknown", "Paused")
    assert stage.simulator.journal() == []
    stage.apply(resource())
    stage.wait_settled()


def test_an_observed_resource_is_read_and_never_changed(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource(environmentName="production", managementPolicy="Observe", promotionSettings={"rollingDeploy": True}))
    reported = stage.wait_condition("Synced", "False", "Drifted")
    assert "rollingDeploy" in reported["message"]
    expected = [{"path": "promotionSettings.rollingDeploy", "desired": "true", "actual": "false"}]
    assert stage.see()["status"]["drift"] == expected
    stage.wait_polls()
    assert stage.sent() == []


def test_of_two_resources_for_one_environment_the_older_one_has_it(stage: Stage) -> None:
    stage.run_operator()
    stage.apply(resource(promotionSettings={"rampUpDurationSeconds": 600}))
    stage.wait_settled()
    mark = stage.mark()
    stage.apply(resource("second", environmentName="staging", promotionSettings={"rampUpDurationSeconds": 5}))
    reported = stage.wait_condition("Stalled", "True", "DuplicateTarget", name="second")
    assert "ChainEnvironment staging" in reported["message"]
    stage.wait_polls()
    assert stage.sent(mark) == []
    assert is_settled(stage.see())
