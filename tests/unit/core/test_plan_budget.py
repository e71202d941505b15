"""What could cost more than the budget is not sent; what lowers it always is (docs/rollouts.md)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chainenv.core.actions import Plan
from chainenv.core.cost import PriceList
from chainenv.core.findings import Severity
from chainenv.core.gates import Gates
from chainenv.core.running import running_cost
from chainenv.crd.enums import ManagementPolicy, Outcome

from .helpers import (
    LARGE,
    NOW,
    SMALL,
    Case,
    calls,
    decide,
    deployment,
    desired,
    environment,
    plainly,
    reasons,
    running,
    state,
    table,
    want,
    world,
)

PRICES = PriceList({SMALL: Decimal("0.01"), LARGE: Decimal("0.05")}, {"2 vCPU": SMALL})
"""0.60 and 3.00 USD an hour."""


def planned(*chainlets: Any, budget: str = "6.00", prices: PriceList | None = PRICES, seen: Any = None, **more: Any) -> Plan:
    base = {c.name: c.autoscaling for c in chainlets}
    gates = Gates(budget=Decimal(budget), prices=prices, settings={None: base, **more.pop("schedules", {})})
    return decide(world(desired(*chainlets, **more.pop("spec", {})), seen, *more.pop("journal", ()), gates=gates, **more))


HELD = environment(state("A", SMALL, min_replica=0, max_replica=4))


@table(
    Case("it fits", "10 x 0.60", (want("A", max_replica=10), {}), ([{"A": {"max_replica": 10}}], [])),
    Case("too many", "11 x 0.60", (want("A", max_replica=11), {}), ([], ["BudgetExceeded"])),
    Case("fewer", "what lowers it is always sent", (want("A", max_replica=3), {"budget": "0.50"}), ([{"A": {"max_replica": 3}}], [])),
    Case("no price", "", (want("A", max_replica=5), {"prices": PriceList()}), ([], ["PriceUnknown"])),
    Case("not read yet", "", (want("A", max_replica=5), {"prices": None}), ([], ["PriceUnknown"])),
    Case(
        "the rest is sent",
        "only what costs more is held",
        (want("A", max_replica=11, scale_down_delay=60), {}),
        ([{"A": {"scale_down_delay": 60}}], ["BudgetExceeded"]),
    ),
)
def test_more_replicas(case: Case) -> None:
    chainlet, more = case.given
    found = planned(chainlet, seen=HELD, **more)
    sent, held = case.expected
    assert [plainly(each.changes) for each in calls(found)] == sent
    assert reasons(found.findings) == held
    assert bool(found.drift) is bool(held)


def test_above_the_budget_is_stalled_and_an_unknown_price_is_not() -> None:
    assert planned(want("A", max_replica=11), seen=HELD).findings[0].severity == Severity.STALLED
    assert planned(want("A", max_replica=11), seen=HELD, prices=None).findings[0].severity == Severity.WAITING


@table(
    Case("they fit", "2 x 3.00", (want("A", LARGE), 2, {}), ["UpdateInstanceTypes"]),
    Case("they do not", "3 x 3.00", (want("A", LARGE), 3, {}), []),
    Case("they are cheaper", "always sent", (want("A", SMALL), 3, {"budget": "0.01"}), ["UpdateInstanceTypes"]),
    Case(
        "a schedule would make them too much", "at any time", (want("A", LARGE), 2, {"schedules": {"day": {"A": {"max_replica": 3}}}}), []
    ),
)
def test_instance_types(case: Case) -> None:
    chainlet, most, more = case.given
    there = SMALL if chainlet.instance_type_id == LARGE else LARGE
    found = planned(chainlet, seen=environment(state("A", there, min_replica=0, max_replica=most)), **more)
    assert [type(each).__name__ for each in calls(found)] == case.expected
    assert [each.hold.waits_for.value for each in found.held] == ([] if case.expected else ["Budget"])


BOTH = environment(state("A", LARGE, min_replica=0, max_replica=4), state("B", SMALL, min_replica=0, max_replica=4))
"""14.40 USD an hour."""


def test_cheaper_types_are_sent_beside_dearer_ones_that_are_held() -> None:
    found = planned(want("A", SMALL), want("B", LARGE), seen=BOTH)
    assert [dict(each.changes) for each in calls(found)] == [{"A": SMALL}]
    assert [each.hold.waits_for.value for each in found.held] == ["Budget"]
    assert "the change of instance types of B is not sent: the worst case is" in found.held[0].hold.message
    assert [each.path for each in found.drift] == ["chainletSettings[B].instanceTypeID"]
    assert found.actions[0].entry.values == (f"A={SMALL}",)


def test_dearer_types_that_fit_together_with_cheaper_ones_are_one_call() -> None:
    found = planned(want("A", SMALL), want("B", LARGE), seen=BOTH, budget="14.40")
    assert [dict(each.changes) for each in calls(found)] == [{"A": SMALL, "B": LARGE}]
    assert found.held == ()


def test_a_price_that_is_not_known_holds_no_cheaper_type() -> None:
    found = planned(want("A", SMALL), want("B", "H200"), seen=BOTH, budget="100")
    assert [dict(each.changes) for each in calls(found)] == [{"A": SMALL}]
    assert reasons(found.findings) == ["PriceUnknown"]


def test_what_is_held_for_money_is_another_rollout_afterwards() -> None:
    """The cheaper type is there, and its rollout is over; then the budget is raised."""
    first = planned(want("A", SMALL), want("B", LARGE), seen=BOTH)
    entry = first.actions[0].entry
    done = entry.model_copy(update={"finished_at": NOW, "outcome": Outcome.ACCEPTED, "settled": True})
    after = environment(state("A", SMALL, min_replica=0, max_replica=4), state("B", SMALL, min_replica=0, max_replica=4))
    held = planned(want("A", SMALL), want("B", LARGE), seen=after, journal=(done,))
    assert (calls(held), [each.hold.waits_for.value for each in held.held]) == ([], ["Budget"])
    raised = planned(want("A", SMALL), want("B", LARGE), seen=after, journal=(done,), budget="20")
    assert [dict(each.changes) for each in calls(raised)] == [{"B": LARGE}]


def test_dearer_types_wait_for_fewer_replicas_and_nothing_is_stalled() -> None:
    found = planned(want("A", LARGE, max_replica=2), seen=HELD)
    assert [type(each).__name__ for each in calls(found)] == ["UpdateAutoscaling"]
    assert [(each.reason, each.severity) for each in found.findings] == [("Correcting", Severity.WAITING)]


def test_more_replicas_wait_for_cheaper_types_and_nothing_is_stalled() -> None:
    dear = environment(state("A", LARGE, min_replica=0, max_replica=2))
    found = planned(want("A", SMALL, max_replica=8), seen=dear)
    assert [type(each).__name__ for each in calls(found)] == ["UpdateInstanceTypes"]
    assert [(each.reason, each.severity) for each in found.findings] == [("Correcting", Severity.WAITING)]


@table(
    Case("it fits", "2 x 3.00", (want("A", LARGE, max_replica=2), {}), 1),
    Case("it does not", "", (want("A", LARGE, max_replica=3), {}), 0),
    Case("a schedule does not", "", (want("A", LARGE, max_replica=1), {"schedules": {"day": {"A": {"max_replica": 3}}}}), 0),
    Case("Baseten's own type has no price", "", (want("A", max_replica=1), {}), 0),
    Case("nothing is known of prices yet", "", (want("A", LARGE, max_replica=1), {"prices": None}), 0),
)
def test_creating_the_environment(case: Case) -> None:
    chainlet, more = case.given
    found = planned(chainlet, known=False, **more)
    assert len(calls(found)) == case.expected
    assert [each.hold.waits_for.value for each in found.held] == ([] if case.expected else ["Budget"])


def test_a_promotion_costs_no_more_than_before() -> None:
    found = planned(want("A", max_replica=4), seen=HELD, budget="0.10", spec={"deployment_id": "dep-b"})
    assert [type(each).__name__ for each in calls(found)] == ["Promote"]


def test_under_observe_it_is_drift_alone() -> None:
    found = planned(want("A", max_replica=11), seen=HELD, spec={"management": ManagementPolicy.OBSERVE})
    assert reasons(found.findings) == ["Drifted"]


def test_what_runs_costs() -> None:
    current = deployment("dep-a", "ACTIVE", running("A", replicas=3, autoscaling={"min_replica": 1, "max_replica": 4}))
    coming = deployment("dep-b", "BUILDING", running("A", replicas=1))
    found = running_cost(environment(state("A", SMALL), current=current, candidate=coming), PRICES)
    assert found is not None
    assert (found.per_hour, found.min_per_hour, found.max_per_hour) == ("2.40", None, None)
    alone = running_cost(environment(state("A", SMALL), current=current), PRICES)
    assert alone is not None
    assert (alone.per_hour, alone.min_per_hour, alone.max_per_hour) == ("1.80", "0.60", "2.40")


def test_without_prices_nothing_is_said_of_cost() -> None:
    assert running_cost(HELD, None) is None
    assert running_cost(HELD, PriceList()) is None
