"""What the environment could cost with a change, in ``budget.maxUSDPerHour`` (docs/rollouts.md)."""

from __future__ import annotations

from collections.abc import Mapping

from .. import messages
from ..actions import PlanBuilder
from ..cost import BudgetResult, Demand, Demands, Variants, within_budget
from ..environment import Environment
from ..reasons import Reason
from ..values import Settings
from ..world import World

DEFAULT_TYPE = "1x2"
"""What Baseten takes where a create names no instance type (docs/baseten-api.md, "Ranges and defaults")."""

MAX = "max_replica"
DEFAULT_MAX = {MAX: 1}
"""Baseten's own, where nothing says how many."""


def compare(world: World, before: Variants, after: Variants) -> BudgetResult:
    """``within_budget`` with what is known of prices."""
    prices = world.gates.prices
    result = within_budget(world.gates.budget, prices.prices if prices else {}, before, after)
    if prices is None and result.reason is not None:
        return BudgetResult(result.held, Reason.PRICE_UNKNOWN, messages.PRICES_NOT_READ)
    return result


def _applies(world: World) -> bool:
    return world.gates.budget is not None and not world.desired.observing


def _demands(environment: Environment, types: Mapping[str, str], most: Mapping[str, Settings]) -> Demands:
    """Of every chainlet of the environment: ``types`` and ``most`` in place of what Baseten shows."""
    found = {}
    for each in environment.chainlets:
        there = each.instance_type.id if each.instance_type else None
        settings = {**DEFAULT_MAX, **(each.autoscaling or {}), **most.get(each.name, {})}
        found[each.name] = Demand(types.get(each.name, there), int(settings[MAX]))
    return found


def autoscaling_budget(world: World, environment: Environment, builder: PlanBuilder, changes: Mapping[str, Settings]) -> BudgetResult:
    """What of a change of autoscaling settings is held, in the prices of the instance types that are there."""
    if not _applies(world):
        return BudgetResult()
    schedule = world.desired.schedule.active if world.desired.schedule else None
    now = _demands(environment, {}, {})
    result = compare(world, {schedule: now}, {schedule: _demands(environment, {}, changes)})
    if result.reason is None:
        return result
    types = {c.name: c.instance_type_id for c in world.desired.chainlets if c.instance_type_id}
    if compare(world, {schedule: now}, {schedule: _demands(environment, types, changes)}).reason is None:
        builder.add(messages.after_the_other("the change of maxReplica", "instance types"))
    else:
        builder.add(messages.over_budget("the change of maxReplica", result))
    return result


def types_budget(world: World, environment: Environment, types: Mapping[str, str]) -> BudgetResult:
    """Of a change of instance types, at any time of the schedules. A maxReplica that is about to be lowered counts as it is."""
    if not _applies(world):
        return BudgetResult()
    before, after = {}, {}
    for schedule, settings in world.gates.settings.items():
        most = {name: values for name, values in settings.items() if schedule is not None or not _is_higher(environment, name, values)}
        before[schedule], after[schedule] = _demands(environment, {}, most), _demands(environment, types, most)
    return compare(world, before, after)


def types_fit_later(world: World, environment: Environment, types: Mapping[str, str]) -> bool:
    """Whether they do once the declared maxReplica are there."""
    settings = world.gates.settings.items()
    before = {schedule: _demands(environment, {}, values) for schedule, values in settings}
    after = {schedule: _demands(environment, types, values) for schedule, values in settings}
    return compare(world, before, after).reason is None


def _is_higher(environment: Environment, chainlet: str, declared: Settings) -> bool:
    """Whether Baseten holds a higher maxReplica than is declared."""
    state = environment.state_of(chainlet)
    there = (state.autoscaling if state else None) or {}
    return MAX in declared and MAX in there and int(there[MAX]) > int(declared[MAX])


def create_budget(world: World, types: Mapping[str, str | None]) -> BudgetResult:
    """Of creating the environment with these chainlets."""
    if not _applies(world):
        return BudgetResult()
    after = {
        schedule: {
            name: Demand(type_id or DEFAULT_TYPE, int({**DEFAULT_MAX, **settings.get(name, {})}[MAX])) for name, type_id in types.items()
        }
        for schedule, settings in world.gates.settings.items()
    }
    return compare(world, {}, after)
