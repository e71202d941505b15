"""Money: what an environment costs, and whether a change keeps to the budget. Decimals only; prices are US dollars a minute a replica."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext

from ..crd.types import CostStatus
from .calendar import Settings
from .reasons import Reason

MINUTES = 60
CENT = Decimal("0.01")
HIGHEST = 1_000_000
"""No price is as high: a number above it is a mistake."""

EXACT = Context(prec=60)
"""Digits enough for every sum here without rounding."""

Prices = Mapping[str, Decimal]
"""By instance type id."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """What a key's workspace pays. ``ids``: by display name, which is all that a deployment's chainlet shows of its type."""

    prices: Prices = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)


def price(value: object) -> Decimal | None:
    """A price as JSON has it, number or text; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        found = Decimal(str(value)[:64])
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found <= HIGHEST else None


def usd(amount: Decimal, rounding: str = ROUND_HALF_UP) -> str:
    """``12.40``."""
    return str(amount.quantize(CENT, rounding=rounding, context=EXACT))


# -- what it costs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Running:
    """A chainlet of a deployment. ``fewest``, ``most``: replicas; None while the deployment has no autoscaling settings yet."""

    type_id: str | None
    replicas: int
    fewest: int | None = None
    most: int | None = None


def cost(chainlets: Iterable[Running], prices: Prices) -> CostStatus | None:
    """Of the chainlets of the current and the candidate deployment.

    None when a replica runs whose price is not known; without bounds when they, or a price that they need, are not known.
    """
    all_ = tuple(chainlets)
    now = _sum(((each.type_id, each.replicas) for each in all_), prices)
    if now is None:
        return None
    low = _sum(((each.type_id, each.fewest) for each in all_), prices)
    high = _sum(((each.type_id, each.most) for each in all_), prices)
    return CostStatus(
        currency="USD",
        per_hour=usd(now),
        min_per_hour=None if low is None else usd(low),
        max_per_hour=None if high is None else usd(high),
    )


def _sum(parts: Iterable[tuple[str | None, int | None]], prices: Prices) -> Decimal | None:
    amounts = [per_hour(type_id, count, prices) for type_id, count in parts]
    known = [amount for amount in amounts if amount is not None]
    with localcontext(EXACT):
        return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def per_hour(type_id: str | None, replicas: int | None, prices: Prices) -> Decimal | None:
    """None when it is not known. No replicas cost nothing, whatever their type."""
    if replicas == 0:
        return Decimal(0)
    if replicas is None or type_id is None or type_id not in prices:
        return None
    with localcontext(EXACT):
        return prices[type_id] * MINUTES * replicas


# -- the budget ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demand:
    """What a chainlet may come to: ``most`` replicas of a type. ``type_id`` None: neither declared nor shown."""

    type_id: str | None
    most: int

    def exceeds(self, before: Demand | None, prices: Prices) -> bool:
        """Whether it could cost more than ``before``; a price that is not known could be any."""
        if before is None:
            return self.most > 0
        if before.type_id == self.type_id:
            return self.most > before.most
        old, new = (per_hour(each.type_id, each.most, prices) for each in (before, self))
        return old is None or new is None or new > old


Demands = Mapping[str, Demand]
"""By chainlet."""

Variants = Mapping[str | None, Demands]
"""By schedule; None: while none is active."""


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """``held``: chainlets whose change is not sent. Without any, everything may be sent and there is no reason."""

    held: frozenset[str] = frozenset()
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Excess:
    schedule: str | None
    raising: frozenset[str]
    amounts: Mapping[str, Decimal]
    unknown: tuple[str, ...] = ()
    total: Decimal = field(default=Decimal(0))


def within_budget(limit: Decimal | None, prices: Prices, before: Variants, after: Variants) -> BudgetResult:
    """Whether a change from ``before`` (what may be reached now) to ``after`` (what could be reached then) may be sent.

    Above the limit, or with a price that is not known, what could cost more is held, and only that: what lowers the worst case,
    or leaves it, is always sent. A create comes from nothing: ``before`` is empty.
    """
    if limit is None:
        return BudgetResult()
    found = [_excess(limit, prices, schedule, before.get(schedule, {}), demands) for schedule, demands in after.items()]
    excesses = [each for each in found if each is not None]
    if not excesses:
        return BudgetResult()
    held = frozenset().union(*(each.raising for each in excesses))
    worst = max(excesses, key=lambda each: each.total)
    reason = Reason.BUDGET_EXCEEDED if worst.total > limit else Reason.PRICE_UNKNOWN
    shown = worst if worst.total > limit else next(each for each in excesses if each.unknown)
    return BudgetResult(held, reason, _described(reason, limit, shown, after[shown.schedule]))


def _excess(limit: Decimal, prices: Prices, schedule: str | None, before: Demands, after: Demands) -> _Excess | None:
    """None when it fits, or nothing in it could cost more than before."""
    each = {name: per_hour(demand.type_id, demand.most, prices) for name, demand in after.items()}
    amounts = {name: amount for name, amount in each.items() if amount is not None}
    unknown = tuple(name for name in each if name not in amounts)
    with localcontext(EXACT):
        total = sum(amounts.values(), Decimal(0))
    raising = frozenset(name for name, demand in after.items() if demand.exceeds(before.get(name), prices))
    if not raising or (total <= limit and not unknown):
        return None
    return _Excess(schedule, raising, amounts, unknown, total)


def _described(reason: Reason, limit: Decimal, found: _Excess, demands: Demands) -> str:
    case = f"the worst case while schedule {found.schedule} is active" if found.schedule else "the worst case"
    if reason == Reason.BUDGET_EXCEEDED:
        largest = sorted(found.amounts, key=lambda name: (-found.amounts[name], name))
        parts = [f"{name} {usd(found.amounts[name])} ({demands[name].most} x {demands[name].type_id})" for name in largest[:3]]
        more = [f"{len(largest) - 3} more"] if len(largest) > 3 else []
        return (
            f"{case} is {usd(found.total, ROUND_CEILING)} USD an hour, above budget.maxUSDPerHour {limit}: {', '.join([*parts, *more])}:"
            " lower maxReplica or the instance types, or raise the budget"
        )
    types = sorted({demands[name].type_id or f"(of {name}, not shown)" for name in found.unknown})
    some = ", ".join(types[:5]) + (f" and {len(types) - 5} more" if len(types) > 5 else "")
    return (
        f"Baseten has no price for instance type {some}, so {case} cannot be compared with"
        " budget.maxUSDPerHour: choose an instance type with a price, or remove the budget"
    )


def without_raises(changes: Mapping[str, Settings], held: Collection[str], shown: Mapping[str, int | None]) -> dict[str, Settings]:
    """The changes of autoscaling without what the budget holds: ``max_replica`` of the held chainlets, and a ``min_replica`` above
    the most that is ``shown`` by Baseten, which would be refused without it. Chainlets with nothing left are left out."""
    out: dict[str, Settings] = {}
    for chainlet, settings in changes.items():
        dropped = {"max_replica"} if chainlet in held else set()
        if dropped and int(settings.get("min_replica", 0)) > (shown.get(chainlet) or HIGHEST):
            dropped.add("min_replica")
        if kept := {name: value for name, value in settings.items() if name not in dropped}:
            out[chainlet] = kept
    return out
