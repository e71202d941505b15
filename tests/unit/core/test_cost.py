"""Money: sums that are exact, and what a budget holds back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chainenv.core.cost import BudgetResult, Demand, Running, cost, per_hour, price, usd, within_budget, without_raises
from chainenv.core.reasons import Reason

from .helpers import Case, table

PRICES = {"1x2": Decimal("0.001"), "A10G": Decimal("0.02"), "H100": Decimal("0.04")}
"""A minute: 0.06, 1.20 and 2.40 USD an hour."""


@table(
    Case("a number", "", 0.0169, Decimal("0.0169")),
    Case("text", "", "0.0169", Decimal("0.0169")),
    Case("free", "", 0, Decimal(0)),
    Case("below nothing", "", -0.1, None),
    Case("not a number", "", float("nan"), None),
    Case("without end", "", "Infinity", None),
    Case("true", "", True, None),
    Case("a word", "", "cheap", None),
    Case("nothing", "", None, None),
    Case("a list", "", [1], None),
    Case("beyond reason", "", "1e400", None),
    Case("very long", "", "0." + "1" * 10_000, Decimal("0." + "1" * 62)),
)
def test_a_price_is_a_decimal(case: Case) -> None:
    assert price(case.given) == case.expected


@table(
    Case("as money", "", "12.4", "12.40"),
    Case("half a cent", "up", "0.005", "0.01"),
    Case("less", "", "0.0049", "0.00"),
    Case("large", "", "1234567.891", "1234567.89"),
)
def test_money_has_two_digits(case: Case) -> None:
    assert usd(Decimal(case.given)) == case.expected


def shown(*chainlets: Running) -> Any:
    found = cost(chainlets, PRICES)
    return found and (found.currency, found.per_hour, found.min_per_hour, found.max_per_hour)


@table(
    Case("nothing runs", "", (), ("USD", "0.00", "0.00", "0.00")),
    Case("one", "2 of 1 to 5", (Running("H100", 2, 1, 5),), ("USD", "4.80", "2.40", "12.00")),
    Case("two", "", (Running("H100", 2, 1, 5), Running("1x2", 1, 0, 10)), ("USD", "4.86", "2.40", "12.60")),
    Case("scaled to zero", "", (Running("H100", 0, 0, 5),), ("USD", "0.00", "0.00", "12.00")),
    Case("no bounds yet", "it deploys", (Running("H100", 1),), ("USD", "2.40", None, None)),
    Case("an unknown price", "of what runs", (Running("H200", 1, 1, 1),), None),
    Case("an unknown price of nothing", "nothing runs", (Running("H200", 0, 0, 1),), ("USD", "0.00", "0.00", None)),
    Case("an unknown type", "", (Running(None, 1, 1, 1),), None),
)
def test_what_it_costs(case: Case) -> None:
    assert shown(*case.given) == case.expected, case.why


def test_a_thousand_cents_are_ten_dollars() -> None:
    """With floats they are not."""
    hourly = per_hour("x", 1000, {"x": Decimal("0.1")})
    assert hourly == Decimal(6000)
    assert cost([Running("x", 1, 1, 1)] * 10, {"x": Decimal("0.1")}).per_hour == "60.00"  # type: ignore[union-attr]


# -- the budget ----------------------------------------------------------------------------------------------------


def h100(most: int) -> Demand:
    return Demand("H100", most)


def h200(most: int) -> Demand:
    """Without a price."""
    return Demand("H200", most)


LLM, SMALL = h100(4), Demand("1x2", 10)
NOW = {"LLM": LLM, "Small": SMALL}
"""9.60 + 0.60 USD an hour."""


Named = dict[str, Demand]


def check(limit: str | None, after: Named, *, before: Named | None = None, prices: Any = None) -> tuple[set[str], Any]:
    start = {} if before is None else {None: before}
    found = within_budget(None if limit is None else Decimal(limit), PRICES if prices is None else prices, start, {None: after})
    return set(found.held), found.reason


NOTHING: tuple[set[str], None] = (set(), None)
OVER, UNPRICED = Reason.BUDGET_EXCEEDED, Reason.PRICE_UNKNOWN


@table(
    Case("no budget", "", (None, NOW, None), NOTHING),
    Case("a create that fits exactly", "not above", ("10.20", NOW, None), NOTHING),
    Case("a create a cent above", "nothing of it is sent", ("10.19", NOW, None), ({"LLM", "Small"}, OVER)),
    Case("more replicas that fit", "", ("12.60", {**NOW, "LLM": h100(5)}, NOW), NOTHING),
    Case("more replicas above it", "only what could cost more is held", ("12", {**NOW, "LLM": h100(5)}, NOW), ({"LLM"}, OVER)),
    Case("fewer replicas, still above", "what lowers is always sent", ("1", {**NOW, "LLM": h100(3)}, NOW), NOTHING),
    Case("the same, above", "nothing is raised", ("1", NOW, NOW), NOTHING),
    Case(
        "one lower, one higher",
        "the lower one is sent",
        ("1", {"LLM": h100(3), "Small": Demand("1x2", 11)}, NOW),
        ({"Small"}, OVER),
    ),
    Case("a cheaper type", "", ("1", {**NOW, "LLM": Demand("A10G", 4)}, NOW), NOTHING),
    Case("a cheaper type, many more", "the worst case counts", ("10.20", {**NOW, "LLM": Demand("A10G", 9)}, NOW), ({"LLM"}, OVER)),
    Case("a dearer type", "", ("10.20", {**NOW, "Small": Demand("A10G", 10)}, NOW), ({"Small"}, OVER)),
    Case("a chainlet more", "", ("10.20", {**NOW, "New": Demand("1x2", 1)}, NOW), ({"New"}, OVER)),
    Case("an unknown price", "held", ("100", {**NOW, "LLM": h200(4)}, NOW), ({"LLM"}, UNPRICED)),
    Case(
        "an unknown price, fewer replicas",
        "lowers whatever it costs",
        ("1", {"LLM": h200(1)}, {"LLM": h200(2)}),
        NOTHING,
    ),
    Case("an unknown price, more replicas", "", ("100", {"LLM": h200(3)}, {"LLM": h200(2)}), ({"LLM"}, UNPRICED)),
    Case(
        "an unknown price that stays",
        "and a raise",
        ("100", {**NOW, "B": h200(1), "LLM": h100(5)}, {**NOW, "B": h200(1)}),
        ({"LLM"}, UNPRICED),
    ),
    Case("an unknown price above already", "what is known is too much", ("1", {**NOW, "B": h200(1)}, NOW), ({"B"}, OVER)),
    Case("an unknown type", "neither declared nor shown", ("100", {"LLM": Demand(None, 1)}, None), ({"LLM"}, UNPRICED)),
)
def test_what_a_budget_holds(case: Case) -> None:
    limit, after, before = case.given
    assert check(limit, after, before=before) == case.expected, case.why


def test_without_any_price_a_raise_is_held_and_nothing_else() -> None:
    assert check("100", {**NOW, "LLM": h100(5)}, before=NOW, prices={}) == ({"LLM"}, UNPRICED)
    assert check("100", {**NOW, "LLM": h100(3)}, before=NOW, prices={}) == NOTHING


def test_the_worst_schedule_counts() -> None:
    day = {**NOW, "LLM": h100(20)}
    found = within_budget(Decimal("50.00"), PRICES, {}, {None: NOW, "night": NOW, "launch": {**day, "LLM": h100(30)}, "day": day})
    assert found == BudgetResult(
        frozenset({"LLM", "Small"}),
        OVER,
        "the worst case while schedule launch is active is 72.60 USD an hour, above budget.maxUSDPerHour 50.00: LLM 72.00 (30 x H100),"
        " Small 0.60 (10 x 1x2): lower maxReplica or the instance types, or raise the budget",
    )


def test_the_largest_parts_are_named_and_the_rest_counted() -> None:
    many = {f"C{n}": h100(n) for n in range(1, 6)}
    message = within_budget(Decimal(1), PRICES, {}, {None: many}).message
    assert "above budget.maxUSDPerHour 1: C5 12.00 (5 x H100), C4 9.60 (4 x H100), C3 7.20 (3 x H100), 2 more: lower" in message


def test_a_sum_that_is_above_by_less_than_a_cent_is_not_written_as_equal() -> None:
    message = within_budget(Decimal("2.40"), {"x": Decimal("0.0400001")}, {}, {None: {"A": Demand("x", 1)}}).message
    assert "is 2.41 USD an hour, above budget.maxUSDPerHour 2.40" in message


def test_types_without_a_price_are_named() -> None:
    message = within_budget(Decimal(9), PRICES, {}, {None: {"A": h200(1), "B": Demand(None, 1)}}).message
    assert message.startswith("Baseten has no price for instance type (of B, not shown), H200, so the worst case cannot be compared")


def test_what_is_held_leaves_the_rest_of_a_chainlets_settings() -> None:
    changes = {"A": {"max_replica": 9, "min_replica": 2, "scale_down_delay": 60}, "B": {"max_replica": 9}, "C": {"max_replica": 9}}
    kept = without_raises(changes, {"A", "B"}, {"A": 3, "B": 3})
    assert kept == {"A": {"min_replica": 2, "scale_down_delay": 60}, "C": {"max_replica": 9}}


def test_a_least_above_the_most_that_baseten_shows_is_held_with_it() -> None:
    changes = {"A": {"max_replica": 9, "min_replica": 5, "scale_down_delay": 60}}
    assert without_raises(changes, {"A"}, {"A": 3}) == {"A": {"scale_down_delay": 60}}


DEMANDS = st.dictionaries(
    st.sampled_from("ABCD"), st.builds(Demand, st.sampled_from([None, "1x2", "A10G", "H100", "H200"]), st.integers(1, 20)), max_size=4
)


@given(st.decimals("0.01", "200", places=2), DEMANDS, DEMANDS)
def test_what_is_sent_never_raises_the_worst_case_above_the_budget(limit: Decimal, before: Named, after: Named) -> None:
    found = within_budget(limit, PRICES, {None: before}, {None: after})
    assert (found.reason is None) == (not found.held)
    sent = {name: demand for name, demand in after.items() if name not in found.held}
    raised = [name for name, demand in sent.items() if name not in before or _dearer(before[name], demand)]
    if found.held:
        assert raised == []
    elif raised:
        amounts = [per_hour(demand.type_id, demand.most, PRICES) for demand in after.values()]
        assert None not in amounts
        assert sum(amount for amount in amounts if amount is not None) <= limit


def _dearer(old: Demand, new: Demand) -> bool:
    if old == new or (old.type_id == new.type_id and new.most <= old.most):
        return False
    old_cost, new_cost = per_hour(old.type_id, old.most, PRICES), per_hour(new.type_id, new.most, PRICES)
    return old_cost is None or new_cost is None or new_cost > old_cost
