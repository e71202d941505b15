"""What the operator would do about a manifest: its own decision, made from the object that applying it would leave."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, assert_never

from ..api import ApiKey, Baseten, BasetenError, CredentialsRefused, NotFound
from ..core import messages
from ..core.actions import Plan
from ..core.changes import AnyChange, CreateEnvironment, Deactivate, Promote, UpdateAutoscaling, UpdateInstanceTypes
from ..core.environment import Environment
from ..core.resource import Resource, resource_of
from ..core.text import camel, shown
from ..core.values import flat
from ..core.world import Timing
from ..crd.types import Drift
from ..engine.decide import Decided, Decision, Doubtful, Guarded, Known, NoKey, Sources, Unread, decide
from ..engine.guards import Blocked
from ..engine.memory import Facts
from .cost import DEFAULT_TYPE, Prices, Scale, Span, scale, scales_of, span
from .cost import now as cost_now

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
class Planned:
    """``notes``: gates that hold calls back, and what else the operator would say. ``problem``: why nothing can be said."""

    namespace: str
    name: str
    where: str
    calls: tuple[Call, ...] = ()
    drift: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None
    cost: Decimal | None = None
    before: Span | None = None
    after: Span | None = None
    starts: int = 0

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
            "notes": list(self.notes),
            "problem": self.problem,
            "cost": {
                "currency": "USD",
                "perHour": None if self.cost is None else str(self.cost),
                "before": self.before and self.before.data(),
                "after": self.after and self.after.data(),
            },
        }


def _change(drift: Drift) -> dict[str, str]:
    return {"path": drift.path, "old": drift.actual, "new": drift.desired}


@dataclass(frozen=True, slots=True)
class Means:
    """How a decision is made: the key of a resource, the API with a key, and prices as that key sees them."""

    key: Callable[[Resource], Awaitable[ApiKey]]
    baseten: Callable[[ApiKey], Baseten]
    prices: Callable[[Baseten], Awaitable[Prices]]


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
            return replace(base, problem=f"{unread.message}{_advice(unread)}")
        case Doubtful():
            return replace(base, notes=("another environment of this name was observed: it is compared once a second read shows it",))
        case Decided():
            if problem := await _no_chain(decision):
                return replace(base, problem=problem)
            return _told(base, decision, await means.prices(decision.baseten))
        case _:
            assert_never(decision)


def _advice(error: Exception) -> str:
    return ": give another key (BASETEN_API_KEY or --api-key-file)" if isinstance(error, CredentialsRefused) else ""


async def _decision(resource: Resource, means: Means) -> Decision:
    """A difference in instance types is believed by a second read: then that one is made at once."""
    later = 0.0

    def sources() -> Sources:
        return Sources(
            key=lambda: means.key(resource),
            baseten=means.baseten,
            now=lambda: datetime.now(UTC),
            monotonic=lambda: time.monotonic() + later,
            timing=Timing(),
        )

    decision = await decide(Known(resource, resource.status.operations, Facts.of(resource)), sources())
    if isinstance(decision, Decided) and decision.facts.differs and not decision.world.spec_changed:
        later = LONG_SECONDS
        known_now = Facts(created_at=decision.facts.created_at, differs=decision.facts.differs)
        decision = await decide(Known(resource, resource.status.operations, known_now), sources())
    return decision


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


def _told(base: Planned, decided: Decided, prices: Prices) -> Planned:
    plan, environment = decided.plan, decided.world.environment
    calls = tuple(_call(action.change, environment) for action in plan.actions)
    before = scales_of(environment)
    after = _after(plan, before)
    return replace(
        base,
        calls=calls,
        drift=plan.drift,
        notes=tuple(finding.whole for finding in plan.findings),
        cost=cost_now(environment.deployments if environment else (), prices),
        before=span(before.values(), prices),
        after=span(after.values(), prices),
        starts=sum(call.starts_deployment for call in calls),
    )


def _call(change: AnyChange, environment: Environment | None) -> Call:
    starts = change.starts_deployment or isinstance(change, CreateEnvironment)
    return Call(str(change.operation), change.describe(), tuple(_changes(change, environment)), starts)


def _changes(change: AnyChange, environment: Environment | None) -> Iterator[Drift]:
    match change:
        case CreateEnvironment():
            for path, value in change.promotion.items():
                yield Drift(path=f"promotionSettings.{camel(path)}", desired=shown(value), actual=shown(None))
            for name, type_id, autoscaling in change.chainlets:
                where = f"chainletSettings[{name}]"
                if type_id is not None:
                    yield Drift(path=f"{where}.instanceTypeID", desired=type_id, actual=shown(None))
                for path, value in flat(autoscaling).items():
                    yield Drift(path=f"{where}.autoscalingSettings.{camel(path)}", desired=shown(value), actual=shown(None))
        case Promote():
            current = environment.current.id if environment and environment.current else None
            yield Drift(path="deploymentID", desired=change.deployment_id, actual=shown(current))
        case _:
            yield from change.corrections


def _after(plan: Plan, before: Mapping[str, Scale]) -> dict[str, Scale]:
    """Each chainlet's bounds and type once the calls have had their effect. A promoted deployment keeps the environment's settings."""
    after = dict(before)
    for action in plan.actions:
        change = action.change
        match change:
            case CreateEnvironment():
                for name, type_id, scaling in change.chainlets:
                    after[name] = scale(type_id or DEFAULT_TYPE, scaling)
            case UpdateAutoscaling():
                for name, scaling in change.changes.items():
                    if name in after:
                        old = after[name]
                        least, most = scaling.get("min_replica", old.least), scaling.get("max_replica", old.most)
                        after[name] = Scale(old.type_id, int(least), int(most))
            case UpdateInstanceTypes():
                for name, type_id in change.changes.items():
                    if name in after:
                        after[name] = replace(after[name], type_id=type_id)
            case Deactivate():
                after.clear()
            case _:
                pass
    return after
