"""A rollout begins only when every gate is open, and what is named is the first that is not."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given

from chainenv.core.calendar import Hours, is_open
from chainenv.core.cost import BudgetResult
from chainenv.core.gates import Hold, RolloutRules, WaitsFor, Wanted, gate, plan_of, rollout_status
from chainenv.core.reasons import Reason

from .worlds import maybe, of

ORDER = (WaitsFor.BUDGET, WaitsFor.SOURCE, WaitsFor.SOAK, WaitsFor.WINDOW, WaitsFor.APPROVAL)
EXCEEDED = BudgetResult(frozenset({"A"}), Reason.BUDGET_EXCEEDED, "too much")
SOURCE = Hold(WaitsFor.SOURCE, Reason.SOURCE_NOT_FOUND, "not found")


def some_rules(random: Random) -> RolloutRules:
    hours = [(time(random.randrange(24)), time(random.randrange(24))) for _ in range(random.randint(0, 2))]
    windows = tuple(Hours(start, end, ZoneInfo("Europe/Berlin")) for start, end in hours)
    return RolloutRules(random.random() < 0.5, windows)


@given(of(lambda random: random))
def test_nothing_begins_while_a_gate_is_closed(random: Random) -> None:
    now = datetime(2026, 3, 28, tzinfo=UTC) + timedelta(minutes=random.randrange(4000))
    soak = Hold(WaitsFor.SOAK, Reason.WAITING_FOR_SOURCE, "soak", now + timedelta(seconds=5))
    rules, budget, source = some_rules(random), random.choice([None, BudgetResult(), EXCEEDED]), random.choice([None, SOURCE, soak])
    wanted = Wanted("it", plan_of({"a": random.random()}, replaces=maybe(random, "dep"), used=maybe(random, "plan")))
    approval = random.choice([None, "", "other", wanted.plan])
    closed = {
        WaitsFor.BUDGET: budget is EXCEEDED,
        WaitsFor.SOURCE: source is SOURCE,
        WaitsFor.SOAK: source is soak,
        WaitsFor.WINDOW: not is_open(rules.windows, now),
        WaitsFor.APPROVAL: rules.manual and approval != wanted.plan,
    }
    found = gate(wanted, rules, now, approval=approval, budget=budget, source=source)
    assert (found.waits_for if found else None) == next((each for each in ORDER if closed[each]), None)
    if found is None:
        return
    assert found.until is None or found.until > now
    assert (rollout_status(found, wanted.plan).next_window is not None) == (found.waits_for is WaitsFor.WINDOW)
    if found.waits_for is WaitsFor.WINDOW and found.until:
        assert is_open(rules.windows, found.until)
