"""Settings that can be corrected again and again: promotion settings and autoscaling (docs/behaviour.md)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from chainenv.core.changes import UpdateAutoscaling, UpdatePromotionSettings
from chainenv.core.environment import ChainletState
from chainenv.core.values import Settings
from chainenv.crd.enums import Operation
from chainenv.crd.types import JournalEntry

from .helpers import Case, ago, calls, decide, deployment, desired, entries, environment, only, plainly, reasons, state, table, want, world

SURGE, UNAVAILABLE = "rolling_deploy_config.max_surge_percent", "rolling_deploy_config.max_unavailable_percent"
STABLE, OVERHEAD = "rolling_deploy_config.stabilization_time_seconds", "rolling_deploy_config.replica_overhead_percent"
CLEANUP = "promotion_cleanup_strategy"


def sent(wanted: Settings, actual: Settings, *, cleanup_inside: bool = False) -> dict[str, Any]:
    """The changes of the one call, {} when there is none."""
    planned = decide(world(desired(promotion=wanted), environment(promotion=actual, cleanup_inside=cleanup_inside)))
    if not planned.actions:
        return {}
    call = only(planned).change
    assert isinstance(call, UpdatePromotionSettings)
    return dict(call.changes)


@table(
    Case("the same", "settled", ({"rolling_deploy": True}, {"rolling_deploy": True}), {}),
    Case("nothing wanted", "not managed: never compared", ({}, {"rolling_deploy": True}), {}),
    Case(
        "one of two",
        "only the fields that differ",
        ({"rolling_deploy": True, "ramp_up_while_promoting": False}, {"rolling_deploy": True}),
        {"ramp_up_while_promoting": False},
    ),
    Case(
        "false for unset",
        "what Baseten does not show cannot be compared: the changed spec's value is sent once",
        ({"redeploy_on_promotion": False}, {}),
        {"redeploy_on_promotion": False},
    ),
    Case(
        "outside the block", "the block is not touched", ({"rolling_deploy": True}, {SURGE: 10, UNAVAILABLE: 0}), {"rolling_deploy": True}
    ),
    Case(
        "inside, both observed",
        "as observed",
        ({STABLE: 60}, {STABLE: 0, SURGE: 25, UNAVAILABLE: 0}),
        {STABLE: 60, SURGE: 25, UNAVAILABLE: 0},
    ),
    Case(
        "inside, surge desired",
        "as desired, the other is 0",
        ({OVERHEAD: 5, SURGE: 30}, {SURGE: 30, UNAVAILABLE: 0}),
        {OVERHEAD: 5, SURGE: 30, UNAVAILABLE: 0},
    ),
    Case("unavailable desired", "exactly one above 0", ({UNAVAILABLE: 20}, {SURGE: 10, UNAVAILABLE: 0}), {UNAVAILABLE: 20, SURGE: 0}),
    Case("both desired", "as desired", ({SURGE: 0, UNAVAILABLE: 20}, {SURGE: 10, UNAVAILABLE: 0}), {SURGE: 0, UNAVAILABLE: 20}),
    Case("surge off", "the other as observed", ({SURGE: 0}, {SURGE: 10, UNAVAILABLE: 20}), {SURGE: 0, UNAVAILABLE: 20}),
    Case("nothing known of the pair", "nothing to send it as", ({STABLE: 60}, {}), {STABLE: 60}),
)
def test_promotion_settings(case: Case) -> None:
    assert sent(*case.given) == case.expected, case.why


def test_the_cleanup_strategy_where_it_is_inside_the_block_takes_the_pair_with_it() -> None:
    actual: dict[str, Any] = {CLEANUP: "KEEP", SURGE: 25, UNAVAILABLE: 0}
    assert sent({CLEANUP: "SCALE_TO_ZERO"}, actual, cleanup_inside=True) == {CLEANUP: "SCALE_TO_ZERO", SURGE: 25, UNAVAILABLE: 0}
    assert sent({CLEANUP: "SCALE_TO_ZERO"}, actual) == {CLEANUP: "SCALE_TO_ZERO"}


@table(
    Case("old server", "where Baseten shows it", (True, {CLEANUP: "KEEP"}, False), True),
    Case("new server", "where Baseten shows it", (False, {CLEANUP: "KEEP"}, True), False),
    Case("not shown", "where the spec has it: both shapes must work", (False, {}, True), True),
    Case("not shown, newer spec", "where the spec has it", (False, {}, False), False),
)
def test_where_the_cleanup_strategy_is_sent(case: Case) -> None:
    inside, actual, spec_inside = case.given
    wanted = desired(promotion={CLEANUP: "SCALE_TO_ZERO"}, cleanup_inside=spec_inside)
    call = only(decide(world(wanted, environment(promotion=actual, cleanup_inside=inside)))).change
    assert isinstance(call, UpdatePromotionSettings)
    assert call.cleanup_inside is case.expected, case.why


def test_a_setting_that_is_sent_is_reported_with_old_and_new() -> None:
    wanted = desired(promotion={"rolling_deploy": True, SURGE: 20})
    call = only(decide(world(wanted, environment(promotion={"rolling_deploy": False})))).change
    assert isinstance(call, UpdatePromotionSettings)
    assert {d.path: (d.desired, d.actual) for d in call.differences} == {
        "promotionSettings.rollingDeploy": ("true", "false"),
        "promotionSettings.rollingDeployConfig.maxSurgePercent": ("20", "unset"),
    }


UNSEEN = desired(promotion={"ramp_up_duration_seconds": 300, "rolling_deploy": True})
ONE_SHOWN = environment(promotion={"rolling_deploy": True})
ALL_SHOWN = environment(promotion={"ramp_up_duration_seconds": 300, "rolling_deploy": True})


def sent_unseen(outcome: str = "Accepted", attempts: int = 1) -> JournalEntry:
    """The last try to set both, an hour ago."""
    entry = only(decide(world(UNSEEN, ONE_SHOWN))).entry
    return entry.model_copy(update={"outcome": outcome, "attempts": attempts, "finished_at": ago(3600), "message": "no"})


@table(
    Case("the spec has changed", "sent", ({}, ()), [{"ramp_up_duration_seconds": 300}]),
    Case("adopted", "a null may last: the spec is acted on once", ({"known": False}, ()), [{"ramp_up_duration_seconds": 300}]),
    Case("acted on", "nothing says that it differs", ({"spec_changed": False}, ()), []),
    Case("sent, another part of the spec has changed", "once for a value", ({}, ("Accepted",)), []),
    Case("refused, and the spec has changed", "tried again", ({}, ("Refused",)), [{"ramp_up_duration_seconds": 300}]),
    Case("refused", "not by itself", ({"spec_changed": False}, ("Refused",)), []),
)
def test_a_promotion_setting_that_baseten_does_not_show_is_unconfirmed_and_sent_once(case: Case) -> None:
    more, outcomes = case.given
    generation = {"generation": 2} if more.get("spec_changed", True) else {}
    planned = decide(world(dataclasses.replace(UNSEEN, **generation), ONE_SHOWN, *map(sent_unseen, outcomes), **more))
    assert [dict(call.changes) for call in calls(planned) if isinstance(call, UpdatePromotionSettings)] == case.expected, case.why
    assert reasons(planned.findings) == ["Unconfirmed"]
    assert "rampUpDurationSeconds" in planned.findings[0].message
    assert planned.drift == ()


def test_what_is_shown_beside_it_is_corrected_alone() -> None:
    planned = decide(world(UNSEEN, environment(promotion={"rolling_deploy": False}), spec_changed=False))
    call = only(planned).change
    assert isinstance(call, UpdatePromotionSettings)
    assert dict(call.changes) == {"rolling_deploy": True}
    assert reasons(planned.findings) == ["Unconfirmed"]


def test_an_unseen_setting_is_not_forgotten_and_is_done_with_when_it_shows() -> None:
    assert Operation.PROMOTION_SETTINGS in entries(decide(world(UNSEEN, ONE_SHOWN, sent_unseen(), spec_changed=False)))
    shown = decide(world(UNSEEN, ALL_SHOWN, sent_unseen(), spec_changed=False))
    assert (shown.actions, shown.findings, shown.journal) == ((), (), ())


def test_an_unseen_setting_is_no_drift_while_observed() -> None:
    planned = decide(world(dataclasses.replace(UNSEEN, management="Observe"), ONE_SHOWN))
    assert (reasons(planned.findings), planned.drift, planned.actions) == (["Unconfirmed"], (), ())


def scaled(*seen: ChainletState) -> dict[str, dict[str, Any]]:
    wanted = desired(want("A", min_replica=1, max_replica=3), want("B", concurrency_target=4), want("C"))
    planned = decide(world(wanted, environment(*seen)))
    autoscaling = [c for c in calls(planned) if isinstance(c, UpdateAutoscaling)]
    assert len(autoscaling) == len(planned.actions) <= 1
    return plainly(autoscaling[0].changes) if autoscaling else {}


A, B, C = state("A", min_replica=1, max_replica=3), state("B", concurrency_target=4), state("C", min_replica=9)


@table(
    Case("the same", "settled; C is not managed", (A, B, C), {}),
    Case("one field", "only what differs", (state("A", min_replica=1, max_replica=9), B, C), {"A": {"max_replica": 3}}),
    Case(
        "two chainlets",
        "one PATCH for all",
        (state("A", min_replica=0, max_replica=0), state("B", concurrency_target=1), C),
        {"A": {"min_replica": 1, "max_replica": 3}, "B": {"concurrency_target": 4}},
    ),
    Case(
        "still deploying",
        "null cannot be compared: the changed spec's values are sent once",
        (state("A"), state("B", concurrency_target=1), C),
        {"A": {"min_replica": 1, "max_replica": 3}, "B": {"concurrency_target": 4}},
    ),
    Case("not there", "left out of the batch, the rest applies", (state("B", concurrency_target=1), C), {"B": {"concurrency_target": 4}}),
    Case("field not shown", "unset differs", (state("A", min_replica=1), B, C), {"A": {"max_replica": 3}}),
)
def test_autoscaling(case: Case) -> None:
    assert scaled(*case.given) == case.expected, case.why


def test_settings_are_corrected_while_a_promotion_runs() -> None:
    wanted = desired(want("A", min_replica=2), promotion={"rolling_deploy": True})
    planned = decide(world(wanted, environment(state("A", min_replica=1), candidate=deployment("dep-new", "BUILDING"))))
    assert [type(c) for c in calls(planned)] == [UpdatePromotionSettings, UpdateAutoscaling]
    assert not any(action.intent_first for action in planned.actions)


# -- sent, and not seen --------------------------------------------------------------------------------------------

WANTED = desired(want("A", min_replica=2))
DIFFERENT = environment(state("A", min_replica=1))


def after(seconds: float, attempts: int = 1, seen: Any = DIFFERENT, wanted: Any = WANTED) -> Any:
    """The decision so many seconds after the correction was answered."""
    entry = only(decide(world(WANTED, DIFFERENT))).entry
    entry = entry.model_copy(update={"outcome": "Accepted", "attempts": attempts, "started_at": ago(seconds), "finished_at": ago(seconds)})
    return decide(world(wanted, seen, entry))


@table(
    Case("at once", "accepted, applied later", (1, 1), (0, ["Correcting"], [])),
    Case("a minute later", "sent once more", (60, 1), (1, [], [])),
    Case(
        "three times",
        "stop, and show what differs",
        (60, 3),
        (0, ["NotConverging"], ["chainletSettings[A].autoscalingSettings.minReplica"]),
    ),
    Case("an hour later", "hourly", (3600, 3), (1, [], [])),
)
def test_a_correction_that_does_not_show(case: Case) -> None:
    planned = after(*case.given)
    assert (len(planned.actions), reasons(planned.findings), [d.path for d in planned.drift]) == case.expected, case.why


def test_another_value_is_sent_at_once() -> None:
    assert len(after(1, wanted=desired(want("A", min_replica=5))).actions) == 1


def test_what_shows_is_forgotten() -> None:
    planned = after(1, seen=environment(state("A", min_replica=2)))
    assert (planned.actions, planned.findings, planned.journal) == ((), (), ())


def test_what_cannot_be_seen_is_not_forgotten() -> None:
    """While a rollout makes autoscaling null nothing is known: the count of tries must not start afresh."""
    planned = after(60, attempts=3, seen=environment(state("A")))
    assert planned.actions == ()
    assert entries(planned)[Operation.AUTOSCALING].attempts == 3


@pytest.mark.parametrize("outcome", ["Refused", "Forbidden"])
def test_what_was_refused_shows_as_drift(outcome: str) -> None:
    entry = only(decide(world(WANTED, DIFFERENT))).entry
    entry = entry.model_copy(update={"outcome": outcome, "finished_at": ago(5), "message": "no"})
    planned = decide(world(WANTED, DIFFERENT, entry))
    assert planned.actions == ()
    assert reasons(planned.findings) == [outcome]
    assert len(planned.drift) == 1
