"""What replicas cost, in USD an hour. Decimals throughout: prices are a minute's, and small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..api import Baseten, BasetenError
from ..core.environment import Deployment, Environment
from ..core.values import Settings

MINUTES = 60
Prices = Mapping[str, Decimal]
"""USD a minute of one replica, by the instance type's id and name."""

LEAST, MOST, DEFAULT_TYPE = 0, 1, "1x2"
"""Baseten's own minReplica, maxReplica and instance type, where nobody has chosen others."""


@dataclass(frozen=True, slots=True)
class Span:
    """From the fewest to the most replicas. None: a price is not known."""

    least: Decimal | None
    most: Decimal | None

    def __str__(self) -> str:
        return f"{usd(self.least)}-{usd(self.most)}"

    def data(self) -> dict[str, str | None]:
        return {"minPerHour": None if self.least is None else str(self.least), "maxPerHour": None if self.most is None else str(self.most)}


@dataclass(frozen=True, slots=True)
class Scale:
    """A chainlet's instance type and its bounds."""

    type_id: str | None
    least: int
    most: int


def usd(cost: Decimal | None) -> str:
    return "?" if cost is None else f"{cost:.2f}"


async def read_prices(baseten: Baseten) -> Prices:
    """None where they cannot be read: nothing else waits for money."""
    try:
        listed = await baseten.get_instance_type_prices()
    except BasetenError:
        return {}
    return {
        word: each.price for each in listed if each.price is not None for word in (each.instance_type.id, each.instance_type.name) if word
    }


def hourly(counted: Iterable[tuple[str | None, int]], prices: Prices) -> Decimal | None:
    """Of so many replicas of each instance type (id or name)."""
    total = Decimal(0)
    for type_, count in counted:
        price = prices.get(type_ or "")
        if count and price is None:
            return None
        total += count * (price or 0) * MINUTES
    return total


def now(deployments: Iterable[Deployment], prices: Prices) -> Decimal | None:
    return hourly(((c.instance_type_name, c.active_replicas) for d in deployments for c in d.chainlets), prices)


def span(scales: Iterable[Scale], prices: Prices) -> Span:
    listed = list(scales)
    return Span(hourly(((s.type_id, s.least) for s in listed), prices), hourly(((s.type_id, s.most) for s in listed), prices))


def scale(type_id: str | None, scaling: Settings) -> Scale:
    return Scale(type_id, int(scaling.get("min_replica", LEAST)), int(scaling.get("max_replica", MOST)))


def scales_of(environment: Environment | None) -> dict[str, Scale]:
    """As Baseten shows them, by chainlet."""
    found = {}
    for state in environment.chainlets if environment else ():
        found[state.name] = scale(state.instance_type.id if state.instance_type else None, state.autoscaling or {})
    return found
