"""Rollouts and money as metrics."""

from __future__ import annotations

import pytest

from chainenv import metrics
from chainenv.crd.enums import Operation
from chainenv.crd.types import ChainEnvironmentStatus, CostStatus, JournalEntry, RolloutStatus
from chainenv.engine.ports import Key
from chainenv.kube.rollouts import OUTCOMES, RolloutMeasures

from ..core.helpers import answered

KEY = Key("team", "web")
LABELS = {"resource_namespace": "team", "resource": "web"}
RUNNING = answered(Operation.PROMOTE, 60, "dep-b", target="dep-b", deployment_id="dep-n")


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def status(*journal: JournalEntry, waits_for: str | None = None, cost: CostStatus | None = None) -> ChainEnvironmentStatus:
    rollout = RolloutStatus(waits_for=waits_for) if waits_for else None
    return ChainEnvironmentStatus(operations=journal, rollout=rollout, cost=cost)


def counted() -> dict[str, float]:
    return {outcome: value("chainenv_rollouts_total", outcome=outcome) or 0.0 for outcome in OUTCOMES}


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        ((RUNNING.model_copy(update={"operation": Operation.PROMOTED, "settled": True}),), "succeeded"),
        ((RUNNING.model_copy(update={"outcome": "Failed"}),), "failed"),
        ((RUNNING.model_copy(update={"outcome": "Failed"}), answered(Operation.ABORT, 5, "dep-n", target="dep-n")), "aborted"),
        ((RUNNING.model_copy(update={"outcome": "Refused"}),), None),
    ],
)
def test_a_rollout_counts_once_when_it_ends(after: tuple[JournalEntry, ...], outcome: str | None) -> None:
    measures, before = RolloutMeasures(resources=True), counted()
    for journal in ((), (RUNNING,), (RUNNING,), after, after):
        measures(KEY, status(*journal))
    assert counted() == {**before, **({outcome: before[outcome] + 1} if outcome else {})}


def test_the_one_under_way_has_an_age() -> None:
    measures = RolloutMeasures(resources=True)
    measures(KEY, status(RUNNING))
    assert (value("chainenv_rollout_age_seconds", **LABELS) or 0) > 60
    measures(KEY, status())
    assert value("chainenv_rollout_age_seconds", **LABELS) is None


def test_what_waits_is_counted_by_what_it_waits_for() -> None:
    measures = RolloutMeasures(resources=True)

    def waiting(waits_for: str) -> float:
        return value("chainenv_rollouts_waiting", waits_for=waits_for) or 0.0

    window, approval = waiting("Window"), waiting("Approval")
    measures(KEY, status(waits_for="Window"))
    measures(KEY, status(waits_for="Approval"))
    assert (waiting("Window"), waiting("Approval")) == (window, approval + 1)
    measures(KEY, None)
    assert waiting("Approval") == approval


def test_cost_is_shown_while_it_is_known_and_the_resource_there() -> None:
    measures = RolloutMeasures(resources=True)
    measures(KEY, status(cost=CostStatus(currency="USD", per_hour="12.40", max_per_hour="31.00")))
    shown = {kind: value("chainenv_cost_usd_per_hour", **LABELS, kind=kind) for kind in ("now", "min", "max")}
    assert shown == {"now": 12.4, "min": None, "max": 31.0}
    measures(KEY, None)
    assert value("chainenv_cost_usd_per_hour", **LABELS, kind="now") is None


def test_without_series_of_resources_there_are_only_counts() -> None:
    RolloutMeasures(resources=False)(KEY, status(RUNNING, cost=CostStatus(currency="USD", per_hour="1.00")))
    assert value("chainenv_rollout_age_seconds", **LABELS) is None
    assert value("chainenv_cost_usd_per_hour", **LABELS, kind="now") is None
