"""Autoscaling settings: one call for all chainlets that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...crd.enums import Operation
from ...crd.types import Drift
from .. import messages
from ..actions import Correction, PlanBuilder
from ..cost import HIGHEST, without_raises
from ..desired import DesiredChainlet
from ..environment import Environment
from ..findings import EventRecord
from ..journal import begin
from ..reasons import Event
from ..text import camel, names, shown
from ..values import Settings, digest
from ..world import World
from .budget import autoscaling_budget
from .corrections import has_changed_unseen, is_to_be_sent


@dataclass(frozen=True, slots=True)
class UpdateAutoscaling(Correction):
    """``changes``: by chainlet."""

    operation: ClassVar[Operation] = Operation.AUTOSCALING
    counted_as: ClassVar[str] = "autoscaling"
    changes: Mapping[str, Settings]
    differences: tuple[Drift, ...]

    def event(self) -> EventRecord:
        return messages.corrected(Event.AUTOSCALING_CORRECTED, self.differences)


def _differences(managed: Sequence[tuple[DesiredChainlet, Settings | None]], changes: Mapping[str, Settings]) -> tuple[Drift, ...]:
    return tuple(
        Drift(
            path=f"chainletSettings[{chainlet.name}].autoscalingSettings.{camel(setting)}",
            desired=shown(value),
            actual=shown((actual or {}).get(setting)),
        )
        for chainlet, actual in managed
        for setting, value in changes.get(chainlet.name, {}).items()
    )


def autoscaling(world: World, environment: Environment, builder: PlanBuilder) -> None:
    managed = [(c, s.autoscaling) for c in world.desired.chainlets if c.autoscaling and (s := environment.state_of(c.name))]
    changes: dict[str, Settings] = {}
    for chainlet, actual in managed:
        differing = {} if actual is None else {k: v for k, v in chainlet.autoscaling.items() if actual.get(k) != v}
        if differing:
            changes[chainlet.name] = differing
    hidden = [c for c, actual in managed if actual is None]
    hashed = digest({c.name: dict(c.autoscaling) for c, _ in managed})
    if hidden:
        builder.add(messages.unconfirmed(f"the autoscaling settings of {names(c.name for c in hidden)}", environment))
        changed_since = world.spec_changed or world.schedule_changed
        if world.known and has_changed_unseen(world, builder, Operation.AUTOSCALING, hashed, changed=changed_since):
            changes |= {c.name: c.autoscaling for c in hidden}  # one that was just found will show them, or has none yet
        elif not changes:
            return  # nothing to compare, and nothing to forget
    differences = _differences(managed, changes)
    budget = autoscaling_budget(world, environment, builder, changes)
    if budget.held:
        most = {c.name: None if actual is None else int(actual.get("max_replica", HIGHEST)) for c, actual in managed}
        changes = without_raises(changes, budget.held, most)
        sent = _differences(managed, changes)
        builder.drift += [each for each in differences if each not in sent]
        differences = sent
    patience = world.timing.retry_refused if environment.deploying else world.timing.resend  # a change may be queued behind a rollout
    if is_to_be_sent(world, builder, Operation.AUTOSCALING, hashed, differences, patience):
        entry = builder.journal.get(Operation.AUTOSCALING)
        builder.act(UpdateAutoscaling(changes, differences), begin(world, Operation.AUTOSCALING, hashed, entry))
