"""What is shown as nothing, as nonsense or too early, and what is deleted at the wrong moment."""

from __future__ import annotations

from typing import Any

import pytest

from .runner import NAME, Simulation
from .scenario import HOUR, START, call, delete, edit, run, spec, trouble, types
from .story import Step


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


def test_an_instance_type_that_is_not_shown_is_unconfirmed_and_a_changed_one_is_sent_once() -> None:
    """For hours nothing says which types run."""
    seen: list[tuple[str, int]] = []

    def note(done: Simulation) -> None:
        seen.append((done.conditions["Synced"]["reason"], len(done.rollouts())))

    hide = [
        call(at, lambda s, hidden=hidden: setattr(s.baseten, "hides_types", hidden))
        for at, hidden in ((START, True), (START + 3 * HOUR, False))
    ]
    steps = [
        *hide,
        call(START + HOUR - 1, note),
        edit(START + HOUR, "chainlet", *types(Llm="4x16"), "Llm"),
        call(START + 3 * HOUR - 1, note),
    ]
    done = run(spec(chainletSettings=types(Llm="2x8")), *steps)
    assert seen == [("Unconfirmed", 1), ("Unconfirmed", 2)]
    assert done.conditions["Synced"]["status"] == "True"


def test_one_failed_call_changes_no_condition_and_warns_nobody() -> None:
    """For twenty seconds every read fails; a person asks for one just then."""
    steps = [trouble(START, "status", 20, "get_environment", value=500), Step(START + 1, "reconcile")]
    done = run(spec(chainletSettings=types(Llm="2x8")), *steps)
    after = done.timeline[next(n for n, line in enumerate(done.timeline) if "step      reconcile" in line) :]
    assert [line for line in after if "-> 500" in line]
    assert not [line for line in after if "Synced=False" in line or "event Unavailable" in line]


def test_the_corrected_spec_is_tried_at_once_though_the_refusal_could_not_be_written() -> None:
    """Somebody writes the object at every moment."""
    steps = [
        Step(START, "touch", {"every": 0.01, "seconds": 10}),
        trouble(START, "status", 15, "update_environment", value=400),
        edit(START + 1, "promotionSettings", {"rampUpDurationSeconds": 100}),
        edit(START + 20, "promotionSettings", {"rampUpDurationSeconds": 200}),
    ]
    seen: list[int] = []
    note = call(START + 40, lambda s: seen.append(s.baseten.environments["staging"].promotion["ramp_up_duration_seconds"]))
    done = run(spec(), *steps, note)
    assert seen == [200]
    assert len([s for s in done.invariants.writes if s.refused or not s.landed]) <= 3, "a refusal that was learned is kept"


# -- what is deleted -------------------------------------------------------------------------------------------------


def current_status(done: Simulation) -> str:
    current = done.baseten.environments["staging"].current
    assert current is not None
    return current.status


def test_a_resource_that_cannot_be_read_keeps_its_finalizer_until_it_can() -> None:
    there: list[bool] = []
    steps = [
        edit(START, "scaleDownPreviousDeployment", "perhaps"),
        delete(START + 60),
        call(START + HOUR, lambda s: there.append(NAME in s.api.objects)),
        edit(START + HOUR + 1, "scaleDownPreviousDeployment", None),
    ]
    done = run(spec(deletionPolicy="Deactivate"), *steps)
    assert there == [True]
    assert NAME not in done.api.objects
    assert current_status(done) == "INACTIVE"


def test_deleted_after_its_secret_it_uses_the_key_that_was_accepted_last() -> None:
    """As when a namespace is deleted: the Secret has no finalizer, and goes first."""
    there: list[bool] = []
    steps = [Step(START, "key", {"becomes": "secret_gone", "seconds": 3 * HOUR}), delete(START + 60)]
    note = call(START + 900, lambda s: there.append(NAME in s.api.objects))
    declared = spec(deletionPolicy="Deactivate", apiKeySecretRef={"name": "baseten", "key": "token"})
    done = run(declared, *steps, note)
    assert there == [False]
    assert current_status(done) == "INACTIVE"


def test_a_watch_that_tells_of_the_end_before_the_write_is_answered_leaves_nothing_behind() -> None:
    """The object goes at the moment at which a status of it was stored; its answer comes after the watch event."""
    known: list[tuple[int, int]] = []

    def quick(done: Simulation) -> None:
        def gone(kind: str, _: Any) -> None:
            if kind == "MODIFIED":
                done.loop.call_soon(done.api.delete, NAME)

        assert done.process is not None
        done.process.watcher.lag = 0.0001
        done.api.on_change.append(gone)

    def note(done: Simulation) -> None:
        assert done.process is not None
        known.append((len(list(done.process.store.known())), done.network.calls))

    steps = [call(START, quick), edit(START + 1, "promotionSettings", {"rampUpDurationSeconds": 100})]
    for seed in range(1, 6):
        run(spec(), *steps, call(START + 2, note), call(START + 200, note), seed=seed, hours=1)
    assert [count for count, _ in known] == [0] * len(known)
    assert all(before[1] == after[1] for before, after in zip(known[::2], known[1::2], strict=True)), "nobody reads for it any more"


def test_an_unknown_status_on_a_deployment_that_was_superseded_holds_nothing_up() -> None:
    def supersede(done: Simulation) -> None:
        environment = done.baseten.environments["staging"]
        assert environment.candidate is not None
        environment.candidate.status, environment.candidate = "HIBERNATING", None
        environment.progress, environment.current = "SUCCEEDED", done.baseten.deploy("staging", environment.types)

    promoted: list[int] = []
    steps = [
        edit(START, "deploymentID", "d1"),
        call(START + 10, supersede),
        edit(START + 60, "deploymentID", "d2"),
        call(START + HOUR, lambda s: promoted.append(len(s.rollouts("promote")))),
    ]
    run(spec(), *steps, shape={"build_seconds": 180.0})
    assert promoted == [2]
