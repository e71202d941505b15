"""When waiting is over, and why it is not yet."""

from __future__ import annotations

from typing import Any

import click
import pytest

from chainenv.cli.settled import Duration, failure, handled, requested, settled, why

from .helpers import SETTLED, condition, resource

REQUEST = "chains.baseten.co/reconcile-requested-at"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1h", 3600), ("0", 0), ("2h5m7s", 7507)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5h", "30 m", "5m1h", "1d"])
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write it as 30m, 1h30m or 90s"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(resource(**SETTLED), True, id="both are True"),
        pytest.param(resource(conditions=[condition("Ready"), condition("Synced", "False")]), False, id="not Synced"),
        pytest.param(resource(conditions=[condition("Ready", "Unknown"), condition("Synced")]), False, id="Ready is not known"),
        pytest.param(resource(conditions=[condition("Ready"), condition("Synced", generation=0)]), False, id="of an earlier generation"),
        pytest.param(resource(), False, id="no conditions yet"),
    ],
)
def test_settled_is_synced_and_ready_for_this_generation(seen: Any, expected: bool) -> None:
    assert settled(seen) is expected


def test_a_condition_without_a_generation_of_its_own_is_of_the_status_generation() -> None:
    conditions = [{name: value for name, value in each.items() if name != "observedGeneration"} for each in SETTLED["conditions"]]
    assert settled(resource(conditions=conditions))
    assert not settled(resource(conditions=conditions, meta={"generation": 2}))


@pytest.mark.parametrize(
    ("generation", "answered", "request_", "expected"),
    [(1, None, None, True), (2, None, None, False), (1, "a", "a", True), (1, "a", "b", False), (1, None, "b", False)],
)
def test_handled_is_this_generation_and_this_request(generation: int, answered: str | None, request_: str | None, expected: bool) -> None:
    seen = resource(meta={"generation": generation}, lastHandledReconcileAt=answered)
    assert handled(seen, request_) is expected


def test_a_request_that_was_handled_is_not_waited_for_again() -> None:
    assert requested(resource(meta={"annotations": {REQUEST: "now"}}, lastHandledReconcileAt="now")) is None
    assert requested(resource(meta={"annotations": {REQUEST: "now"}})) == "now"
    assert requested(resource()) is None


def test_stalled_is_a_failure_with_its_reason() -> None:
    assert failure(resource(conditions=[condition("Stalled", reason="ChainNotFound", message="no chain")])) == "ChainNotFound: no chain"
    assert failure(resource(conditions=[condition("Stalled", generation=0)])) is None
    assert failure(resource(**SETTLED)) is None


def test_a_pause_never_ends_by_itself() -> None:
    assert failure(resource(spec={"managementPolicy": "Pause"})) == "paused, so nothing will change: chainenv resume staging"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (resource(), "the operator has not acted on this generation yet"),
        (resource(conditions=[condition("Synced", "False", "Progressing", "under way")]), "Synced is False, Progressing: under way"),
        (resource(conditions=[condition("Synced"), condition("Ready", "False", "Deploying", "")]), "Ready is False, Deploying: "),
        (resource(rollout={"waitsFor": "Approval", "message": "1 deployment"}), "waiting for Approval: 1 deployment"),
        (resource(**SETTLED), "Synced and Ready"),
    ],
)
def test_why_names_what_is_missing(seen: Any, expected: str) -> None:
    assert why(seen) == expected
