"""Faults with a history: each was once a defect, played here step by step. The invariants are asked throughout, as on random days."""

from __future__ import annotations

from typing import Any

import pytest

from .runner import NAME, Outcome, Simulation, play
from .story import Step, Story

HOUR = 3600.0
START = 1800.0
"""By then what was declared at the start is so."""


def spec(**more: Any) -> dict[str, Any]:
    return {"chainID": "chain1", "environmentName": "staging", **more}


def types(**of: str) -> list[dict[str, Any]]:
    return [{"chainletName": name, "instanceTypeID": type_id} for name, type_id in of.items()]


def trouble(at: float, kind: str, seconds: float, *endpoints: str, value: float = 0, share: float = 1.0) -> Step:
    return Step(at, "trouble", {"trouble": kind, "endpoints": endpoints, "share": share, "value": value, "seconds": seconds})


def edit(at: float, field: str, value: Any, name: str = "") -> Step:
    return Step(at, "edit", {"field": field, "value": value, "name": name})


def stranger(at: float, does: str, number: int = 1) -> Step:
    return Step(at, "stranger", {"does": does, "source": "d2", "type": "H100:2", "number": number})


def crash(at: float, points: int, *, down: float = 1, skew: float = 0) -> Step:
    return Step(at, "crash", {"points": points, "down": down, "skew": skew})


def run(declared: dict[str, Any], *steps: Step, hours: float = 4, seed: int = 1, **more: Any) -> Simulation:
    """The last two hours have no faults."""
    shape = {"build_seconds": 30.0, **more.pop("shape", {})}
    story = Story(
        seed, declared, tuple(steps), shape, **{"existing": True, "deployed": True, **more}, seconds=(hours + 2) * HOUR, quiet=2 * HOUR
    )
    outcome: Outcome = play(story)
    assert outcome.violation is None, outcome.text
    return outcome.simulation


SHAPES = [{"old": False}, {"old": True}, {"old": True, "busy": 409, "types_at_once": False}]


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


def test_a_resource_that_is_made_again_inherits_nothing() -> None:
    steps = [Step(START, "delete", {"again_after": 5, "abandon": False})]
    done = run(spec(deploymentID="d1"), *steps)
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
def test_a_promotion_that_waits_behind_a_strangers_is_not_taken_for_done(kind: str, ramp: float) -> None:
    """The server takes a second promotion, and begins it when the first is over: the stranger's success is not ours."""
    steps = [stranger(START, "push"), edit(START + 1, "deploymentID", "d1"), *([trouble(START, kind, 60, "promote")] if kind else [])]
    done = run(spec(), *steps, shape={"queues": True, "old": True, "ramp_seconds": ramp})
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


@pytest.mark.parametrize("shape", SHAPES)
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


# -- one resource harms the others -----------------------------------------------------------------------------------


def restrict(at: float, becomes: str, seconds: float, environment: str = "staging") -> Step:
    return Step(at, "restrict", {"environment": environment, "becomes": becomes, "seconds": seconds})


@pytest.mark.parametrize("secret", [{}, {"apiKeySecretRef": {"name": "baseten", "key": "token"}}], ids=["own key", "from a Secret"])
@pytest.mark.parametrize("becomes", ["unreadable", "unwritable", "reader"])
def test_a_credential_that_is_refused_for_one_is_its_own_affair(becomes: str, secret: dict[str, Any]) -> None:
    """Nine others with the same key go on, whatever is corrected in them: an invariant asks each half hour."""
    declared = spec(chainletSettings=[{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 7}}], **secret)
    steps = [restrict(START, becomes, 9 * HOUR), *(stranger(START + n * 600, "autoscale") for n in range(1, 40))]
    seen: list[str] = []

    def note(done: Simulation) -> None:
        for name, raw in done.api.objects.items():
            synced = next(c for c in raw["status"]["conditions"] if c["type"] == "Synced")
            seen.append(synced["reason"] if name == NAME else "" if synced["status"] == "True" else f"{name}: {synced}")

    done = run(declared, *steps, Step(START + 4 * HOUR - 60, "call", {"does": note}), hours=10, neighbours=9)
    assert seen[0] in ("CredentialsRefused", "Forbidden")
    assert set(seen[1:]) == {""}
    assert done.conditions["Synced"]["status"] == "True"


def test_two_that_are_refused_do_not_put_the_key_in_doubt_for_the_others() -> None:
    steps = [restrict(START + n, "unreadable", 9 * HOUR, name) for n, name in enumerate(("staging", "beside-1", "beside-2", "beside-3"))]
    run(spec(), *steps, hours=10, neighbours=7)


# -- the Lease -------------------------------------------------------------------------------------------------------


def hang(at: float, seconds: float, *endpoints: str, share: float = 1.0) -> Step:
    return trouble(at, "hang", seconds, *endpoints, share=share)


def test_a_renewal_that_hangs_does_not_cost_the_lease() -> None:
    """One request of each kind without an answer, again and again."""
    steps = [hang(START + n * 60, 1.9, "kube_lease") for n in range(20)]
    done = run(spec(deploymentID="d1"), *steps, hours=1, elects=True)
    assert not [line for line in done.timeline if "has lost the Lease" in line]
    assert len(done.rollouts()) == len(done.processes) == 1


@pytest.mark.parametrize("kind", ["lost_request", "lost_answer", "hang"])
@pytest.mark.parametrize("points", range(1, 6))
def test_a_leader_cut_off_from_its_lease_acts_no_more_and_the_next_one_repeats_nothing(kind: str, points: int) -> None:
    """The real Lease decides; the stand-by waits for its whole duration, and the old leader has ended by then."""
    acting: list[list[str]] = []

    def sample(done: Simulation) -> None:
        acting.append([p.name for p in done.processes if p.alive and p.leader is not None and p.leader.leading])

    watch = [Step(START + n, "call", {"does": sample}) for n in range(120)]
    steps = [
        Step(START - 60, "call", {"does": lambda s: s.start(600.0)}),
        trouble(START + points, kind, 60, "kube_lease op-1"),
        trouble(START, "gateway", 60, "promote"),
        edit(START + points + 1, "deploymentID", "d1"),
    ]
    done = run(spec(), *steps, *watch, hours=1, elects=True)
    assert max(map(len, acting)) == 1, "never two at once"
    assert ["op-2"] in acting
    assert len(done.rollouts("promote")) == 1
    assert done.conditions["Synced"]["status"] == "True"


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
    names = [f"Chainlet{n:03}" + "x" * 120 for n in range(200)]
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


@pytest.mark.parametrize("value", [70.5, None, "soon"])
def test_a_promotion_setting_that_cannot_be_read_is_unconfirmed_and_each_value_is_sent_once(value: Any) -> None:
    garbled = Step(START, "garble", {"field": "ramp_up_duration_seconds", "value": value, "seconds": 3 * HOUR})
    edits = [edit(START + HOUR * n, "promotionSettings", {"rampUpDurationSeconds": 100 * n}) for n in (1, 2)]
    seen: list[str] = []
    note = Step(START + 3 * HOUR - 60, "call", {"does": lambda s: seen.append(s.conditions["Synced"]["reason"])})
    done = run(spec(promotionSettings={"rampUpDurationSeconds": 60}), garbled, *edits, note)
    assert seen == ["Unconfirmed"]
    assert [s.body["promotion_settings"] for s in done.invariants.writes if s.endpoint == "update_environment"] == [
        {"ramp_up_duration_seconds": seconds} for seconds in (60, 100, 200)
    ]


def test_a_promotion_setting_that_the_server_does_not_know_is_unconfirmed() -> None:
    declared = spec(promotionSettings={"rampUpDurationSeconds": 60, "rampUpWhilePromoting": True})
    done = run(declared, shape={"old": True, "hides": ("ramp_up_duration_seconds",)})
    assert done.conditions["Synced"]["reason"] == "Unconfirmed"
    assert done.baseten.environments["staging"].promotion["ramp_up_while_promoting"] is True
    assert len(done.invariants.writes) == 1
