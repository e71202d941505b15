"""The environment's promotion settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...crd.enums import Operation
from ...crd.types import Drift
from .. import messages
from ..actions import Correction, PlanBuilder
from ..environment import Environment
from ..findings import EventRecord
from ..journal import begin
from ..reasons import Event
from ..text import camel, names, shown
from ..values import CLEANUP, ROLLING, SURGE, UNAVAILABLE, Settings, Value, digest
from ..world import World
from .corrections import has_changed_unseen, is_to_be_sent


@dataclass(frozen=True, slots=True)
class UpdatePromotionSettings(Correction):
    """``cleanup_inside``: the cleanup strategy in its older place, inside rolling_deploy_config; with ``cleanup_outside`` in both."""

    operation: ClassVar[Operation] = Operation.PROMOTION_SETTINGS
    counted_as: ClassVar[str] = "promotion_settings"
    changes: Settings
    differences: tuple[Drift, ...]
    cleanup_inside: bool = False
    cleanup_outside: bool = False

    def event(self) -> EventRecord:
        return messages.corrected(Event.PROMOTION_SETTINGS_CORRECTED, self.differences)


def promotion_settings(world: World, environment: Environment, builder: PlanBuilder) -> None:
    wanted, actual = world.desired.promotion, environment.promotion
    hashed = digest(dict(wanted))
    hidden = {k: v for k, v in wanted.items() if k not in actual}
    differing = {k: v for k, v in wanted.items() if k in actual and actual[k] != v}
    if hidden:
        builder.add(messages.unconfirmed(f"the promotion settings {names(sorted(map(camel, hidden)))}", environment))
        if has_changed_unseen(world, builder, Operation.PROMOTION_SETTINGS, hashed, changed=world.spec_changed):
            differing |= hidden
        elif not differing:
            return  # nothing to compare, and nothing to forget
    differences = tuple(
        Drift(path=f"promotionSettings.{camel(k)}", desired=shown(v), actual=shown(actual.get(k))) for k, v in sorted(differing.items())
    )
    if not is_to_be_sent(world, builder, Operation.PROMOTION_SETTINGS, hashed, differences, world.timing.progress):
        return
    entry = builder.journal.get(Operation.PROMOTION_SETTINGS)
    inside = environment.cleanup_inside if CLEANUP in actual else world.desired.cleanup_inside
    changes = with_rolling_pair(differing, wanted, actual, inside)
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
