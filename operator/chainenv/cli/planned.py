"""What the operator would do about a manifest: its own decision, made from the object that applying it would leave."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, assert_never

from ..api import ApiKey, Baseten, BasetenError, CredentialsRefused, NotFound
from ..core import messages
from ..core.actions import Plan
from ..core.changes import AnyChange, CreateEnvironment, Deactivate, Promote, UpdateAutoscaling, UpdateInstanceTypes
from ..core.changes.budget import DEFAULT_MAX, DEFAULT_TYPE, MAX
from ..core.cost import PriceList, Running, cost
from ..core.environment import Environment
from ..core.gates import rollout_status
from ..core.resource import Resource, resource_of
from ..core.running import running_cost
from ..core.sources import upstream
from ..core.text import camel, shown
from ..core.values import Settings, flat
from ..core.world import Timing
from ..crd.types import CostStatus, Drift, RolloutStatus, ScheduleStatus
from ..engine.decide import Decided, Decision, Doubtful, Guarded, Known, NoKey, Sources, Unchanged, Unread, decide
from ..engine.guards import Blocked
from ..engine.memory import Facts

LONG_SECONDS = 86_400.0
"""On the clock of a second read, so that a difference which the first one showed has been there for long enough."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to Baseten. ``changes``: each field with what it is and what it becomes."""

    operation: str
    text: str
    changes: tuple[Drift, ...]
    starts_deployment: bool


@dataclass(frozen=True, slots=True)
class AtTime:
    """What the schedules come to at a time. ``values``: autoscaling settings, by path in the spec; only for a time that was asked for."""

    at: datetime
    schedule: ScheduleStatus
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Planned:
    """``held``: rollouts that wait at a gate. ``notes``: what else the operator would say. ``problem``: why nothing can be said.
    ``cost``: of what runs now. ``before``, ``after``: its bounds as the environment has them, and with the calls."""

    namespace: str
    name: str
    where: str
    calls: tuple[Call, ...] = ()
    drift: tuple[Drift, ...] = ()
    held: tuple[RolloutStatus, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None
    cost: CostStatus | None = None
    before: CostStatus | None = None
    after: CostStatus | None = None
    starts: int = 0
    clock: AtTime | None = None

    @property
    def differs(self) -> bool:
        """Whether something is to be done, now or once a gate opens."""
        return bool(self.calls or self.held)

    def data(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "name": self.name,
            "target": self.where,
            "calls": [
                {
                    "operation": call.operation,
                    "text": call.text,
                    "startsDeployment": call.starts_deployment,
                    "changes": [_change(each) for each in call.changes],
                }
                for call in self.calls
            ],
            "deploymentsStarted": self.starts,
            "drift": [_change(each) for each in self.drift],
            "held": [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in self.held],
            "notes": list(self.notes),
            "problem": self.problem,
            "cost": {
                "currency": "USD",
                "perHour": self.cost.per_hour if self.cost else None,
                "before": _bounds(self.before),
                "after": _bounds(self.after),
            },
            "schedule": self.clock
            and {
                "at": self.clock.at.isoformat(),
                **self.clock.schedule.model_dump(mode="json", by_alias=True, exclude_none=True),
                "values": dict(self.clock.values),
            },
        }


def _bounds(cost: CostStatus | None) -> dict[str, str | None]:
    return {"minPerHour": cost.min_per_hour if cost else None, "maxPerHour": cost.max_per_hour if cost else None}


def _change(drift: Drift) -> dict[str, str]:
    return {"path": drift.path, "old": drift.actual, "new": drift.desired}


@dataclass(frozen=True, slots=True)
class Rivals:
    """What the other resources of a chain are to one. ``owner``: owns its environment, or will; ``contested``: others want it too;
    ``named``: deployments that they name."""

    owner: Resource | None = None
    contested: bool = False
    named: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Means:
    """How a decision is made: the key of a resource, the API with a key, prices as that key sees them (None: they cannot be read), the
    other resources of a namespace (None: there is none of that name), and what those of its chain are to it.

    ``at``: the time for which it is made; None: now."""

    key: Callable[[Resource], Awaitable[ApiKey]]
    baseten: Callable[[ApiKey], Baseten]
    prices: Callable[[Baseten], Awaitable[PriceList | None]]
    other: Callable[[str, str], Awaitable[Resource | None]]
    rivals: Callable[[Resource], Awaitable[Rivals]]
    at: datetime | None = None

    def now(self) -> datetime:
        return self.at or datetime.now(UTC)


async def planned(raw: Mapping[str, Any], means: Means) -> Planned:
    """Makes only reads. Raises CommandError when there is no key."""
    resource = resource_of(raw)
    base = Planned(resource.namespace, resource.name, f"environment {resource.target[1]} of chain {resource.target[0]}")
    decision = await _decision(resource, means)
    match decision:
        case Guarded(result=Blocked(finding=finding)):
            return replace(base, problem=finding.whole)
        case Guarded():
            return replace(base, notes=("paused: no call is made",))
        case NoKey(error=no_key):
            return replace(base, problem=no_key.message)
        case Unread(error=unread):
            advice = ": give another key (BASETEN_API_KEY or --api-key-file)" if isinstance(unread, CredentialsRefused) else ""
            return replace(base, problem=f"{unread.message.rstrip('.')}{advice}")
        case Doubtful():
            return replace(base, notes=("another environment of this name was observed: it is compared once a second read shows it",))
        case Unchanged():  # only of one that was decided before
            return base
        case Decided():
            if problem := await _no_chain(decision):
                return replace(base, problem=problem)
            return _told(base, decision, means.at)
        case _:
            assert_never(decision)


async def _decision(resource: Resource, means: Means) -> Decision:
    """A difference in instance types is believed by a second read: then that one is made at once."""
    later = 0.0
    prices: PriceList | None = None
    others = await _followed(resource, means)
    upward = upstream(resource, others.get)
    rivals = await means.rivals(resource) if resource.invalid is None else Rivals()

    async def key() -> ApiKey:
        nonlocal prices
        found = await means.key(resource)
        prices = await means.prices(means.baseten(found))
        return found

    sources = Sources(
        key=key,
        baseten=means.baseten,
        now=means.now,
        monotonic=lambda: time.monotonic() + later,
        timing=Timing(),
        prices=lambda _: prices,
        named_by_others=lambda: rivals.named,
    )
    known = Known(resource, resource.status.operations, Facts.of(resource), rivals.owner, rivals.contested, upward)
    decision = await decide(known, sources)
    if isinstance(decision, Decided) and decision.facts.differs and not decision.world.spec_changed:
        later = LONG_SECONDS
        facts = Facts(created_at=decision.facts.created_at, differs=decision.facts.differs)
        decision = await decide(replace(known, facts=facts), sources)
    return decision


async def _followed(resource: Resource, means: Means) -> dict[str, Resource]:
    """Whom it follows with promoteFrom, directly or not, by name."""
    found: dict[str, Resource] = {}
    rule = resource.spec.promote_from
    while rule is not None and rule.name not in found and rule.name != resource.name:
        other = await means.other(resource.namespace, rule.name)
        if other is None:
            break
        found[rule.name], rule = other, other.spec.promote_from
    return found


async def _no_chain(decided: Decided) -> str | None:
    """The operator finds it out by creating; a plan looks first."""
    chain_id = decided.world.desired.chain_id
    if any(isinstance(action.change, CreateEnvironment) for action in decided.plan.actions):
        try:
            await decided.baseten.get_chain(chain_id)
        except NotFound:
            return messages.chain_not_found(chain_id).whole
        except BasetenError:
            return None
    return None


def _told(base: Planned, decided: Decided, at: datetime | None) -> Planned:
    plan, world = decided.plan, decided.world
    environment, prices = world.environment, world.gates.prices
    calls = tuple(_call(action.change, environment) for action in plan.actions)
    before = {
        each.name: _scaled(each.instance_type.id if each.instance_type else None, each.autoscaling or {})
        for each in (environment.chainlets if environment else ())
    }
    gates = {(each.hold.reason, each.hold.message) for each in plan.held}
    return replace(
        base,
        calls=calls,
        drift=plan.drift,
        held=tuple(rollout_status(each.hold, each.plan) for each in plan.held),
        notes=tuple(finding.whole for finding in plan.findings if (finding.reason, finding.message) not in gates),
        cost=running_cost(environment, prices) if environment or not prices else cost((), prices.prices),
        before=cost(before.values(), prices.prices) if prices else None,
        after=cost(_after(plan, before).values(), prices.prices) if prices else None,
        starts=sum(call.starts_deployment for call in calls),
        clock=_clock(decided, at),
    )


def _clock(decided: Decided, at: datetime | None) -> AtTime | None:
    desired = decided.world.desired
    if desired.schedule is None:
        return None
    values = {
        f"chainletSettings[{each.name}].autoscalingSettings.{camel(path)}": shown(value)
        for each in desired.chainlets
        for path, value in (each.autoscaling.items() if at else ())
    }
    return AtTime(decided.world.now, desired.schedule, values)


def _call(change: AnyChange, environment: Environment | None) -> Call:
    starts = change.starts_deployment
    changes: Iterable[Drift]
    match change:
        case CreateEnvironment():
            starts = True
            new = {f"promotionSettings.{camel(path)}": shown(value) for path, value in change.promotion.items()}
            for name, type_id, autoscaling in change.chainlets:
                where = f"chainletSettings[{name}]"
                if type_id is not None:
                    new[f"{where}.instanceTypeID"] = type_id
                new |= {f"{where}.autoscalingSettings.{camel(path)}": shown(value) for path, value in flat(autoscaling).items()}
            changes = (Drift(path=path, desired=value, actual=shown(None)) for path, value in new.items())
        case Promote():
            current = environment.current_id if environment else None
            changes = [Drift(path="deploymentID", desired=change.deployment_id, actual=shown(current))]
        case _:
            changes = change.corrections
    return Call(str(change.operation), change.describe(), tuple(changes), starts)


def _scaled(type_id: str | None, scaling: Settings) -> Running:
    """A chainlet's type and bounds, with Baseten's own where nobody has chosen others; no replica runs yet."""
    return Running(type_id, 0, int(scaling.get("min_replica", 0)), int({**DEFAULT_MAX, **scaling}[MAX]))


def _after(plan: Plan, before: Mapping[str, Running]) -> dict[str, Running]:
    """Each chainlet's bounds and type once the calls have had their effect. A promoted deployment keeps the environment's settings."""
    after = dict(before)
    for action in plan.actions:
        change = action.change
        match change:
            case CreateEnvironment():
                for name, type_id, scaling in change.chainlets:
                    after[name] = _scaled(type_id or DEFAULT_TYPE, scaling)
            case UpdateAutoscaling():
                for name, scaling in change.changes.items():
                    if old := after.get(name):
                        there: Settings = {"min_replica": old.fewest or 0, MAX: old.most or 0}
                        after[name] = _scaled(old.type_id, {**there, **scaling})
            case UpdateInstanceTypes():
                for name, type_id in change.changes.items():
                    if name in after:
                        after[name] = replace(after[name], type_id=type_id)
            case Deactivate(former=False):
                after.clear()
            case _:
                pass
    return after
