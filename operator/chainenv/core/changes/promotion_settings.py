"""The environment's promotion settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...crd.enums import Operation
from ...crd.types import Drift
from .. import messages
from ..actions import Change, PlanBuilder
from ..environment import Environment
from ..findings import EventRecord
from ..journal import begin
from ..reasons import Event
from ..text import camel, changed, shown
from ..values import CLEANUP, ROLLING, SURGE, UNAVAILABLE, Settings, Value, digest
from ..world import World
from .corrections import is_to_be_sent


@dataclass(frozen=True, slots=True)
class UpdatePromotionSettings(Change):
    """``cleanup_inside``: the cleanup strategy in its older place, inside rolling_deploy_config; with ``cleanup_outside`` in both."""

    operation: ClassVar[Operation] = Operation.PROMOTION_SETTINGS
    counted_as: ClassVar[str] = "promotion_settings"
    changes: Settings
    differences: tuple[Drift, ...]
    cleanup_inside: bool = False
    cleanup_outside: bool = False

    @property
    def corrections(self) -> tuple[Drift, ...]:
        return self.differences

    def describe(self) -> str:
        return changed(self.differences)

    def event(self) -> EventRecord:
        return messages.corrected(Event.PROMOTION_SETTINGS_CORRECTED, self.differences)


def promotion_settings(world: World, environment: Environment, builder: PlanBuilder) -> None:
    wanted = world.desired.promotion
    changed = {k: v for k, v in wanted.items() if environment.promotion.get(k) != v}
    differences = tuple(
        Drift(path=f"promotionSettings.{camel(k)}", desired=shown(v), actual=shown(environment.promotion.get(k)))
        for k, v in sorted(changed.items())
    )
    hashed = digest(dict(wanted))
    if not is_to_be_sent(world, builder, Operation.PROMOTION_SETTINGS, hashed, differences, world.timing.progress):
        return
    entry = builder.journal.get(Operation.PROMOTION_SETTINGS)
    tried = entry is not None and entry.attempts % 2 == 1  # a server drops the strategy without a word where it does not know it
    inside = environment.cleanup_inside if CLEANUP in environment.promotion else world.desired.cleanup_inside != tried
    changes = with_rolling_pair(changed, wanted, environment.promotion, inside)
    change = UpdatePromotionSettings(changes, differences, inside, environment.cleanup_twice)
    builder.act(change, begin(world, Operation.PROMOTION_SETTINGS, hashed, entry))


def with_rolling_pair(changed: Settings, wanted: Settings, actual: Settings, cleanup_inside: bool) -> dict[str, Value]:
    """When anything inside rolling_deploy_config is sent, surge and unavailable go too: the server would put an omitted
    surge back to its default (docs/baseten-api.md). Exactly one of the two may be above zero while rolling."""
    out = dict(changed)
    if not any(k.startswith(f"{ROLLING}.") or (k == CLEANUP and cleanup_inside) for k in changed):
        return out
    for mine, other in ((SURGE, UNAVAILABLE), (UNAVAILABLE, SURGE)):
        if mine in wanted:
            out[mine] = wanted[mine]
        elif wanted.get(other):
            out[mine] = 0
        elif mine in actual:
            out[mine] = actual[mine]
    return out
