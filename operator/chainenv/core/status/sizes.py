"""A status has an end: etcd refuses objects above about 1.5 MB, and every watcher gets each version of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...crd.types import ChainletStatus, Drift, ObservedChainletSettings, Part

Item = TypeVar("Item", bound=Part)

MOST_DRIFT = 100
MOST_VALUE = 256
"""Characters of a value, a path or a text of Baseten's that is shown as one line."""
SETTINGS_BYTES, CURRENT_BYTES, CANDIDATE_BYTES, DRIFT_BYTES = 130_000, 110_000, 80_000, 60_000
_USUAL_BYTES = 800
"""An item is not measured while it cannot be larger than this without its name."""


def bounded_drift(drift: tuple[Drift, ...]) -> tuple[tuple[Drift, ...], int | None]:
    """The first differences, and how many more there are."""
    most = tuple(
        Drift(path=d.path[: 2 * MOST_VALUE], desired=d.desired[:MOST_VALUE], actual=d.actual[:MOST_VALUE]) for d in drift[:MOST_DRIFT]
    )
    fitting = _prefix(most, DRIFT_BYTES)
    return fitting, len(drift) - len(fitting) or None


def bounded_chainlets(chainlets: tuple[ChainletStatus, ...], budget: int) -> tuple[tuple[ChainletStatus, ...], int | None]:
    """Without their settings where they are too many for the budget (bytes of JSON), then the first that fit, and how many more."""
    return _bounded(chainlets, budget, lambda c: c.name, lambda c: c.model_copy(update={"autoscaling_settings": None}))


def bounded_settings(settings: tuple[ObservedChainletSettings, ...]) -> tuple[tuple[ObservedChainletSettings, ...], int | None]:
    def reduced(one: ObservedChainletSettings) -> ObservedChainletSettings:
        type_ = one.instance_type
        less = type_.model_copy(update=dict.fromkeys(set(type(type_).model_fields) - {"id", "name"})) if type_ else None
        return one.model_copy(update={"instance_type": less})

    return _bounded(settings, SETTINGS_BYTES, lambda s: s.chainlet_name, reduced)


def _bounded(
    items: tuple[Item, ...], budget: int, name: Callable[[Item], str], reduced: Callable[[Item], Item]
) -> tuple[tuple[Item, ...], int | None]:
    if sum(_USUAL_BYTES + 4 * len(name(item)) for item in items) <= budget or len(_prefix(items, budget)) == len(items):
        return items, None
    fitting = _prefix(tuple(map(reduced, items)), budget)
    return fitting, len(items) - len(fitting) or None


def _prefix(items: tuple[Item, ...], budget: int) -> tuple[Item, ...]:
    for count, item in enumerate(items):
        budget -= len(item.model_dump_json(by_alias=True, exclude_none=True).encode()) + 2
        if budget < 0:
            return items[:count]
    return items
