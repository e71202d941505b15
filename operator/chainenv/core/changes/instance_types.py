"""Instance types: one call for all chainlets that differ, and each call starts a deployment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...crd.enums import Operation, Outcome
from ...crd.types import Drift, JournalEntry
from .. import messages
from ..actions import Correction, PlanBuilder
from ..environment import Environment
from ..findings import EventRecord
from ..journal import begin_rollout, unsettled
from ..reasons import Reason
from ..retries import Send, retry_decision
from ..text import names, shown
from ..values import digest
from ..world import World
from .budget import types_budget, types_fit_later
from .gated import Passage, Request, passage
from .rollouts import is_held_back

_OF_TYPES = re.compile(r"chainletSettings\[(.+)\]\.instanceTypeID")


@dataclass(frozen=True, slots=True)
class UpdateInstanceTypes(Correction):
    """``changes``: instance type ids by chainlet."""

    operation: ClassVar[Operation] = Operation.INSTANCE_TYPES
    counted_as: ClassVar[str] = "instance_types"
    starts_deployment: ClassVar[bool] = True
    changes: Mapping[str, str]
    differences: tuple[Drift, ...]

    def event(self) -> EventRecord:
        return messages.instance_types_changed(self.differences)


# -- what is declared and what is observed -------------------------------------------------------------------------


def wanted_types(world: World, environment: Environment) -> dict[str, str]:
    """The declared instance type of each managed chainlet that the environment has."""
    return {c.name: c.instance_type_id for c in world.desired.chainlets if c.instance_type_id and environment.state_of(c.name)}


def observed_types(environment: Environment) -> dict[str, str]:
    return {c.name: c.instance_type.id for c in environment.chainlets if c.instance_type and c.instance_type.id}


def as_values(types: Mapping[str, str]) -> tuple[str, ...]:
    """As a journal entry keeps them."""
    return tuple(sorted(f"{name}={type_id}" for name, type_id in types.items()))


def types_match(world: World, environment: Environment) -> bool:
    """Whether Baseten holds the declared instance types of the chainlets that are there."""
    wanted = wanted_types(world, environment)
    return bool(wanted) and wanted.items() <= observed_types(environment).items()


def is_reached(world: World, environment: Environment, entry: JournalEntry) -> bool:
    """Whether the environment shows what the entry was to reach; what is not shown proves nothing."""
    declared = {c.name: c.instance_type_id for c in world.desired.chainlets if c.instance_type_id}
    values = entry.values or as_values(declared)
    return bool(values) and set(values) <= set(as_values(observed_types(environment)))


def fingerprint(world: World) -> str | None:
    """A short hash of the difference in instance types that this read shows; None when it shows none."""
    if world.environment is None:
        return None
    observed = observed_types(world.environment)
    differences = {n: [t, observed[n]] for n, t in wanted_types(world, world.environment).items() if observed.get(n, t) != t}
    return digest(differences) if differences else None


def fingerprint_shown(drift: Iterable[Drift]) -> str | None:
    """The same of the drift that a status shows."""
    found = [(_OF_TYPES.fullmatch(each.path), each) for each in drift]
    differences = {match[1]: [each.desired, each.actual] for match, each in found if match}
    return digest(differences) if differences else None


# -- rules ---------------------------------------------------------------------------------------------------------


def forget_instance_types(world: World, environment: Environment, builder: PlanBuilder) -> None:
    """An attempt is over when Baseten holds the declared types, or none are declared any more; a failed rollout to these very
    types is not."""
    entry = builder.journal.get(Operation.INSTANCE_TYPES)
    if entry is None or unsettled(entry):
        return
    wanted = wanted_types(world, environment)
    failed = entry.outcome == Outcome.FAILED and _is_for(entry, wanted, digest(wanted))
    if not any(c.instance_type_id for c in world.desired.chainlets) or (types_match(world, environment) and not failed):
        del builder.journal[Operation.INSTANCE_TYPES]


def _is_for(entry: JournalEntry, types: Mapping[str, str], hashed: str) -> bool:
    return set(as_values(types)) <= set(entry.values) if entry.values else entry.hash == hashed


def instance_types(world: World, environment: Environment, builder: PlanBuilder) -> None:
    wanted, observed = wanted_types(world, environment), observed_types(environment)
    changes = {name: type_id for name, type_id in wanted.items() if observed.get(name, type_id) != type_id}
    changes |= _hidden_changes(world, environment, builder, {n: t for n, t in wanted.items() if n not in observed})
    if not changes:
        return
    doubted = world.differs_for < world.timing.progress and any(name in observed for name in changes)
    doubted = doubted and not world.spec_changed and not world.forced
    entry = builder.journal.get(Operation.INSTANCE_TYPES)
    begins = not doubted and not (entry and unsettled(entry))
    if begins and (raising := _too_dear(world, environment, entry, wanted, changes)):
        held = {name: type_id for name, type_id in changes.items() if name in raising}
        passage(world, builder, _request(environment, held), budget=types_budget(world, environment, held))
        changes = {name: type_id for name, type_id in changes.items() if name not in raising}
        wanted = {name: type_id for name, type_id in wanted.items() if name not in raising}
    hashed = _hash(entry, wanted, changes)
    request = _request(environment, changes, entry if entry and entry.hash == hashed else None)
    what, differences = request.what, request.drift
    decision = retry_decision(world, entry, hashed, patience=world.timing.settle, differences=differences)
    passed = Passage()
    if isinstance(decision, Send) and begins:
        found = _passage(world, environment, builder, request, changes)
        if found is None:
            return
        passed = found
    if is_held_back(world, environment, builder, what):
        return
    if doubted:
        builder.add(messages.differs_once(differences))
        builder.drift += differences
        return
    if isinstance(decision, Send):
        begun = begin_rollout(world, Operation.INSTANCE_TYPES, hashed, entry, values=as_values(wanted))
        begun = begun.model_copy(update={"plan": passed.plan})
        builder.act(UpdateInstanceTypes(changes, differences), begun, approved=passed.approved)
        return
    builder.add(decision.finding)
    builder.drift += differences


def _request(environment: Environment, changes: Mapping[str, str], last: JournalEntry | None = None) -> Request:
    observed = observed_types(environment)
    drift = tuple(
        Drift(path=f"chainletSettings[{name}].instanceTypeID", desired=type_id, actual=shown(observed.get(name)))
        for name, type_id in changes.items()
    )
    call = {"operation": Operation.INSTANCE_TYPES, "changes": dict(changes)}
    return Request(f"the change of instance types of {names(changes)}", call, last, drift)


def _hash(entry: JournalEntry | None, wanted: Mapping[str, str], changes: Mapping[str, str]) -> str:
    return entry.hash if entry and _is_for(entry, changes, digest(wanted)) else digest(wanted)


def _too_dear(
    world: World, environment: Environment, entry: JournalEntry | None, wanted: Mapping[str, str], changes: Mapping[str, str]
) -> frozenset[str]:
    """Of chainlets that change, those that the budget holds while others lower the worst case, which is always sent. None when all
    of them wait for the same: one call is one deployment."""
    if not isinstance(retry_decision(world, entry, _hash(entry, wanted, changes), patience=world.timing.settle), Send):
        return frozenset()
    budget = types_budget(world, environment, changes)
    later = budget.reason == Reason.BUDGET_EXCEEDED and types_fit_later(world, environment, changes)
    return frozenset() if later or budget.held >= changes.keys() else budget.held


def _passage(world: World, environment: Environment, builder: PlanBuilder, request: Request, changes: Mapping[str, str]) -> Passage | None:
    budget = types_budget(world, environment, changes)
    if budget.reason == Reason.BUDGET_EXCEEDED and types_fit_later(world, environment, changes):
        builder.add(messages.after_the_other(request.what, "maxReplica"))
        return None
    return passage(world, builder, request, budget=budget)


def _hidden_changes(world: World, environment: Environment, builder: PlanBuilder, hidden: Mapping[str, str]) -> dict[str, str]:
    """Of the declared types that Baseten does not show: those that the spec has changed since they were last shown or sent.

    What was declared when a type first was not shown is remembered as an entry that was never sent.
    """
    if not hidden:
        return {}
    builder.add(messages.unconfirmed(f"the instance types of {names(hidden)}", environment))
    entry = builder.journal.get(Operation.INSTANCE_TYPES)
    values = entry.values if entry else as_values({name: world.last_types.get(name, type_id) for name, type_id in hidden.items()})
    if entry is None:
        builder.journal[Operation.INSTANCE_TYPES] = JournalEntry(
            operation=Operation.INSTANCE_TYPES,
            hash=digest(list(values)),
            generation=world.desired.generation,
            started_at=world.now,
            finished_at=world.now,
            attempts=0,
            outcome=Outcome.ACCEPTED,
            values=values,
            settled=True,
        )
    sent = dict(value.partition("=")[::2] for value in values)
    return {name: type_id for name, type_id in hidden.items() if sent.get(name, type_id) != type_id}


# -- settling ------------------------------------------------------------------------------------------------------


def settled_types(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """Remembered only while the types do not show."""
    if is_reached(world, environment, entry):
        return None
    return entry.model_copy(update={"settled": True, "outcome": Outcome.ACCEPTED, "message": None})
