"""Faults with a history: each was once a defect, played here step by step. The invariants are asked throughout, as on random days."""

from __future__ import annotations

from typing import Any

import pytest

from .runner import NAME, Simulation
from .scenario import HOUR, SHAPES, START, call, crash, edit, run, spec, stranger, trouble, types
from .story import Step
from .wire import Sent, Trouble

# -- a second deployment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("becomes", ["wrong", "secret_gone", "refused"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_key_of_another_workspace_repeats_no_promotion(becomes: str, shape: dict[str, Any]) -> None:
    incidents = [Step(START + n * 1500, "key", {"becomes": becomes, "seconds": 900}) for n in range(5)]
    declared = spec(deploymentID="d1", chainletSettings=types(Llm="2x8"), apiKeySecretRef={"name": "baseten", "key": "token"})
    done = run(declared, *incidents, shape=shape)
    assert len(done.rollouts("promote")) == 1
    assert len(done.rollouts("update_instance_types")) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_404_incident_longer_than_the_vanish_time_repeats_no_promotion(shape: dict[str, Any]) -> None:
    incidents = [trouble(START + n * 1500, "status", 200, "get_environment", value=404) for n in range(5)]
    done = run(spec(deploymentID="d1", chainletSettings=types(Llm="2x8")), *incidents, shape=shape)
    assert len(done.rollouts()) == 2


def test_a_failed_rollout_is_not_repeated_after_a_404_incident() -> None:
    incidents = [trouble(START + n * 1500, "status", 200, "get_environment", value=404) for n in range(1, 5)]
    done = run(spec(), Step(START, "doom", {"count": 1}), edit(START + 1, "deploymentID", "d1"), *incidents)
    assert len(done.rollouts("promote")) == 1
    assert done.conditions["Synced"]["reason"] == "RolloutFailed"


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_declared_is_promoted_into_an_environment_that_somebody_made_anew(shape: dict[str, Any]) -> None:
    done = run(spec(deploymentID="d1"), stranger(START, "recreate", number=9), shape=shape)
    assert len(done.rollouts("promote")) == 2
    assert "d1" in done.baseten.environments["staging"].promoted


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stale_read_of_the_environment_that_was_there_before_is_not_believed(shape: dict[str, Any]) -> None:
    """Its successor has been created a second ago, and the next read is answered as before the end of the first."""

    def arm(done: Simulation) -> None:
        def stale(sent: Sent) -> None:
            if sent.endpoint == "create_environment":
                done.network.troubles.append(Trouble("stale", done.loop.now + 5, ("get_environment",), value=900))

        done.network.on_land.append(stale)

    done = run(spec(deploymentID="d1"), call(START, arm), stranger(START + 1, "vanish"), shape={**shape, "fresh_seconds": 0.5})
    assert len(done.rollouts("promote")) == 2
    assert done.conditions["Synced"]["status"] == "True"


@pytest.mark.parametrize("kind", ["lost_answer", "gateway", "late", "lost_request", "doubled"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_promotion_without_an_answer_is_done_once(kind: str, shape: dict[str, Any]) -> None:
    """Also on a server that shows no candidate and refuses the second one because it is busy with the first."""
    done = run(
        spec(),
        trouble(START, kind, 60, "promote", value=20),
        edit(START + 1, "deploymentID", "d1"),
        shape={"build_seconds": 600.0, **shape},
    )
    assert len(done.rollouts("promote")) == 1
    assert done.conditions["Synced"]["status"] == "True"


@pytest.mark.parametrize("skew", [60.0, 600.0, -600.0])
@pytest.mark.parametrize("points", range(1, 9))
def test_a_new_leader_with_another_clock_does_not_believe_an_intent_settled(skew: float, points: int) -> None:
    steps = [trouble(START, "late", 20, "promote", value=25), edit(START + 1, "deploymentID", "d1"), crash(START + 1, points, skew=skew)]
    done = run(spec(), *steps, shape={"skew": -skew})
    assert len(done.rollouts("promote")) == 1


@pytest.mark.parametrize("shape", [{"normal_form": True}, {"normal_form": True, "silent_types": True}, {"normal_form": True, "old": True}])
def test_a_type_in_another_normal_form_behind_a_gateway_that_gives_up(shape: dict[str, Any]) -> None:
    done = run(spec(chainletSettings=types(Llm="A10G:2x24x96")), trouble(1, "gateway", 12 * HOUR, "writes"), hours=12, shape=shape)
    assert 1 <= len(done.rollouts()) <= 2
    assert done.conditions["Synced"]["reason"] == "NotConverging"


@pytest.mark.parametrize("shape", [{"silent_types": True, **shape} for shape in SHAPES])
def test_a_rollout_that_names_no_deployment_is_one(shape: dict[str, Any]) -> None:
    done = run(spec(chainletSettings=types(Llm="2x8")), hours=24, shape=shape)
    assert len(done.rollouts()) == 1
    assert done.conditions["Synced"]["status"] == "True"


@pytest.mark.parametrize("kind", ["lost_answer", "late"])
def test_a_slow_read_proves_no_absence_that_it_did_not_see(kind: str) -> None:
    reads = trouble(START, "slow", 1200, "get_environment", value=28)
    done = run(spec(), reads, trouble(START, kind, 120, "promote", value=29), edit(START + 1, "deploymentID", "d1"))
    assert len(done.rollouts("promote")) == 1


@pytest.mark.parametrize("seed", range(1, 6))
def test_nothing_leaves_after_the_fence_has_fallen(seed: int) -> None:
    """It fell while the call was waiting for its turn."""
    steps = [trouble(START, "queued", 300, "promote", value=60), edit(START + 1, "deploymentID", "d1")]
    done = run(spec(), *steps, Step(START + 5, "takeover", {"skew": 0}), seed=seed)
    assert len(done.rollouts("promote")) == 1


@pytest.mark.parametrize("seconds", [30, 90])
def test_a_stale_read_starts_no_other_rollout(seconds: float) -> None:
    """Long after a rollout is proved, a read is answered once more as it was before; the next one is right."""
    reads = [trouble(START + 300 + n * 60, "stale", 8, "get_environment", value=HOUR) for n in range(110)]
    done = run(spec(), edit(START, "chainlet", *types(Llm="2x8"), "Llm"), *reads, shape={"build_seconds": seconds})
    assert len(done.invariants.rollouts) == 1  # sent: what comes of another one is the server's affair


@pytest.mark.parametrize("after", [5, 0.0001])
def test_a_resource_that_is_made_again_inherits_nothing(after: float) -> None:
    steps = [Step(START, "delete", {"again_after": after, "abandon": False})]
    done = run(spec(deploymentID="d1"), *steps)
    assert len(done.rollouts("promote")) == 2, "another object, another wish"
    assert done.conditions["Synced"]["status"] == "True"


@pytest.mark.parametrize("does", ["pause", "resume"])
def test_a_promotion_that_somebody_halts_is_waited_for_and_not_repeated(does: str) -> None:
    """For hours; a change of the spec meanwhile waits its turn."""
    steps = [edit(START, "deploymentID", "d1"), stranger(START + 5, "pause"), edit(START + 60, "chainlet", *types(Llm="2x8"), "Llm")]
    seen: list[tuple[str, int]] = []

    def note(done: Simulation) -> None:
        seen.append((done.conditions["Synced"]["status"], len(done.rollouts("update_instance_types"))))

    done = run(spec(), *steps, Step(START + 2 * HOUR, "call", {"does": note}), stranger(START + 2 * HOUR + 1, does))
    assert seen == [("False", 0)]
    assert len(done.rollouts("promote")) == len(done.rollouts("update_instance_types")) == 1
    assert done.conditions["Synced"]["status"] == "True"


@pytest.mark.parametrize("ramp", [0.0, 900.0])
@pytest.mark.parametrize("kind", ["", "lost_answer", "gateway"])
@pytest.mark.parametrize("build", [30.0, 600.0])
def test_a_promotion_that_waits_behind_a_strangers_is_not_taken_for_done(kind: str, ramp: float, build: float) -> None:
    """The server takes a second promotion, and begins it when the first is over: the stranger's success is not ours."""
    steps = [stranger(START, "push"), edit(START + 1, "deploymentID", "d1"), *([trouble(START, kind, 60, "promote")] if kind else [])]
    early: list[float] = []

    def sample(done: Simulation) -> None:
        environment = done.baseten.environments["staging"]
        ours = {d for s in done.rollouts() if s.answered for d in s.started}
        under_way = {d.id for d in (*environment.queue, environment.candidate) if d is not None}
        if done.conditions["Synced"]["status"] == "True" and ours & under_way:
            early.append(done.loop.now)

    samples = [] if ramp else [call(START + 10 * n, sample) for n in range(1, 300)]  # an old server does not show the traffic
    done = run(spec(), *steps, *samples, shape={"queues": True, "old": True, "ramp_seconds": ramp, "build_seconds": build})
    assert early == []
    assert len(done.rollouts("promote")) == 1
    assert "d1" in done.baseten.environments["staging"].promoted
    assert done.conditions["Synced"]["status"] == "True"


AUDITS = ["refused", "absent", "broken", "empty", "garbage", "true", "late"]


@pytest.mark.parametrize("audit", AUDITS)
@pytest.mark.parametrize("kind", ["lost_request", "lost_answer", "late", "dropped"])
@pytest.mark.parametrize("shape", [{}, {"old": True, "types_at_once": False}])
def test_whatever_the_audit_log_answers_a_lost_rollout_is_made_once(audit: str, kind: str, shape: dict[str, Any]) -> None:
    """Others have begun rollouts of the same environment before; only what this key did counts."""
    steps = [trouble(START, kind, 40, "promote", value=45), edit(START + 1, "deploymentID", "d1"), stranger(START - 900, "push")]
    done = run(spec(), *steps, stranger(START - 600, "promote"), shape={"audit": audit, "fresh_seconds": 10.0, **shape})
    assert len(done.rollouts("promote")) == 1
    assert done.conditions["Synced"]["status"] == "True"


def test_the_audit_log_settles_what_the_environment_does_not_show() -> None:
    """Nothing else shows the promotion for longer than the settling time: a gateway gave up, and the list of deployments is stale."""
    steps = [trouble(START, "gateway", 40, "promote"), trouble(START, "stale", 600, "get_environment", value=HOUR)]
    hidden = trouble(START, "status", 600, "list_deployments", value=403)
    done = run(spec(), *steps, hidden, edit(START + 1, "deploymentID", "d1"), shape={"audit": "true", "build_seconds": 300.0})
    assert len(done.invariants.rollouts) == 1


# -- left on, or stuck -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["Deactivate", "DeactivateWhenIdle"])
@pytest.mark.parametrize("kind", ["lost_request", "lost_answer", "late"])
def test_a_create_without_an_answer_holds_no_deletion_up_for_ever(policy: str, kind: str) -> None:
    steps = [trouble(0.0, kind, 60, "create_environment", value=40), Step(5, "delete", {"again_after": None, "abandon": False})]
    done = run(spec(deletionPolicy=policy), *steps, existing=False, deployed=False)
    assert NAME not in done.api.objects


@pytest.mark.parametrize("after", [0.01, 0.05, 0.2, 1.0])
def test_deleted_before_it_was_observed_nothing_goes_on_running(after: float) -> None:
    done = run(spec(deletionPolicy="Deactivate"), Step(after, "delete", {"again_after": None, "abandon": False}))
    current = done.baseten.environments["staging"].current
    assert NAME not in done.api.objects
    assert current is not None
    assert current.status == "INACTIVE" or after < 0.05  # without a finalizer yet, the API server deletes it at once


def test_deleted_with_a_key_of_another_workspace_it_waits_for_a_better_one() -> None:
    declared = spec(deletionPolicy="Deactivate", apiKeySecretRef={"name": "baseten", "key": "token"})
    steps = [Step(START, "key", {"becomes": "wrong", "seconds": 3000}), Step(START + 1, "delete", {"again_after": None, "abandon": False})]
    done = run(declared, *steps)
    current = done.baseten.environments["staging"].current
    assert NAME not in done.api.objects
    assert current is not None
    assert current.status == "INACTIVE"


@pytest.mark.parametrize("shape", [*SHAPES, {"tells": False}])
def test_a_candidate_that_somebody_deactivates_has_failed(shape: dict[str, Any]) -> None:
    steps = [edit(START, "deploymentID", "d1"), stranger(START + 20, "deactivate_candidate"), edit(START + 600, "deploymentID", "d2")]
    done = run(spec(), *steps, shape={"build_seconds": 180.0, **shape})
    assert len(done.rollouts("promote")) == 2
    assert done.conditions["Synced"]["status"] == "True"


@pytest.mark.parametrize("status", [500, 409, 400, 404])
def test_one_kind_of_change_that_always_fails_starves_no_other(status: int) -> None:
    declared = spec(
        deploymentID="d1",
        promotionSettings={"rampUpDurationSeconds": 60},
        chainletSettings=[{**types(Llm="2x8")[0], "autoscalingSettings": {"maxReplica": 7}}],
    )
    seen: list[tuple[int, Any]] = []

    def note(done: Simulation) -> None:
        environment = done.baseten.environments["staging"]
        seen.append((len(done.rollouts()), environment.autoscaling["Llm"]["max_replica"]))

    run(declared, trouble(0.0, "status", 4 * HOUR, "update_environment", value=status), Step(3 * HOUR, "call", {"does": note}))
    assert seen == [(2, 7)]


def test_a_promotion_refused_because_the_environment_is_busy_is_tried_again_soon() -> None:
    seen: list[int] = []
    steps = [
        stranger(START, "push"),
        edit(START + 0.01, "deploymentID", "d1"),
        Step(START + 600, "call", {"does": lambda s: seen.append(len(s.rollouts("promote")))}),
    ]
    run(spec(), *steps, shape={"build_seconds": 60.0, "old": True})
    assert seen == [1]


# -- standing faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 500, 409])
@pytest.mark.parametrize("call", ["status", "metadata", "read"])
def test_while_the_api_server_refuses_calls_to_baseten_stay_few(status: int, call: str) -> None:
    declared = spec(deploymentID="d1", chainletSettings=[{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 7}}])
    steps = [Step(START, "api", {"call": call, "status": status, "message": "no", "seconds": 5 * HOUR}), stranger(START + 60, "autoscale")]
    run(declared, *steps, hours=6)


@pytest.mark.parametrize("kind", ["lost_request", "lost_answer", "gateway", "unsent"])
@pytest.mark.parametrize("endpoints", [(), ("writes",), ("get_environment",), ("promote",), ("update_autoscaling",)])
def test_while_baseten_does_not_answer_calls_stay_few(kind: str, endpoints: tuple[str, ...]) -> None:
    declared = spec(deploymentID="d1", chainletSettings=[{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 7}}])
    done = run(declared, trouble(0.0, kind, 5 * HOUR, *endpoints), hours=6)
    assert len(done.rollouts()) <= 2


# -- a status that lies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_not_shown_is_not_in_sync(shape: dict[str, Any]) -> None:
    """Nothing is deployed: autoscaling settings are null, a change of them is sent once all the same."""
    settings = {"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 7}}
    done = run(spec(), edit(START, "chainlet", settings, "Llm"), deployed=False, shape=shape)
    assert done.conditions["Synced"]["reason"] == "Unconfirmed"
    assert done.baseten.environments["staging"].autoscaling["Llm"]["max_replica"] == 7


def test_endless_edits_make_no_call_each() -> None:
    """Somebody writes an annotation ten times a second."""
    run(spec(deploymentID="d1"), Step(START, "touch", {"every": 0.1, "seconds": 900}), hours=1)


def test_a_status_of_two_hundred_chainlets_stays_small() -> None:
    names = [f"Chainlet{n:03}" + "x" * 116 for n in range(200)]
    settings = {"minReplica": 1, "maxReplica": 8, "autoscalingWindow": 100, "scaleDownDelay": 7, "concurrencyTarget": 3}
    declared = spec(
        managementPolicy="Observe", chainletSettings=[{**types(**{n: "2x8"})[0], "autoscalingSettings": settings} for n in names]
    )
    sizes: list[int] = []

    def grow(done: Simulation) -> None:
        done.baseten.chainlets = dict.fromkeys(names, "1x2")
        done.baseten.add_environment("staging", deployed=True)

    def measure(done: Simulation) -> None:
        sizes.append(len(str(done.api.objects[NAME]["status"])))

    steps = [Step(1, "call", {"does": grow}), Step(START, "stranger", {"does": "push", "source": "d1", "type": "1x2", "number": 1})]
    run(declared, *steps, Step(START + 400, "call", {"does": measure}), hours=1, existing=False, shape={"build_seconds": 3000.0})
    assert sizes
    assert sizes[0] < 500_000
