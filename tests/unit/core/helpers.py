"""Worlds in few words, for the tests of the decision core. Times are seconds before NOW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chainenv.core.actions import Action, Plan
from chainenv.core.changes import AnyChange
from chainenv.core.desired import Desired, DesiredChainlet
from chainenv.core.environment import Chainlet, ChainletState, Deployment, Environment
from chainenv.core.findings import Finding
from chainenv.core.plan import plan
from chainenv.core.recover import recover
from chainenv.core.status import Observed, Paused, Report, Unobserved
from chainenv.core.values import Settings, digest
from chainenv.core.world import World, entry_id
from chainenv.crd.enums import Operation
from chainenv.crd.types import InstanceType, JournalEntry

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHAIN, NAME = "abcd1234", "staging"
SMALL, LARGE = "2x8", "A10Gx8x32"


@dataclass(frozen=True)
class Case:
    """One row of a table: what it is called and why it must be so; the rest is the world and what is expected of it."""

    name: str
    why: str
    given: Any
    expected: Any


def table(*cases: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in cases])


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


# -- what Baseten shows --------------------------------------------------------------------------------------------


def deployment(id_: str = "dep-old", status: str = "ACTIVE", *chainlets: Chainlet, created: float | None = 86400) -> Deployment:
    return Deployment(id_, status, None if created is None else ago(created), NAME, chainlets)


def running(name: str, *, replicas: int = 1, status: str = "ACTIVE", autoscaling: Settings | None = None) -> Chainlet:
    return Chainlet(f"id-{name}", name, status, replicas, "2 vCPU", autoscaling)


def state(name: str, type_id: str | None = SMALL, **autoscaling: int) -> ChainletState:
    """Without autoscaling settings the chainlet has not finished deploying."""
    return ChainletState(name, InstanceType(id=type_id) if type_id else None, autoscaling or None)


def environment(
    *chainlets: ChainletState,
    current: Deployment | None = None,
    candidate: Deployment | None = None,
    promotion: Settings | None = None,
    bare: bool = False,
    cleanup_inside: bool = False,
) -> Environment:
    """With an ACTIVE current deployment dep-old, unless ``bare``."""
    current = current or (None if bare else deployment())
    return Environment(NAME, CHAIN, ago(86400), promotion or {}, cleanup_inside, chainlets, current, candidate)


# -- what the spec says --------------------------------------------------------------------------------------------


def want(name: str, type_id: str | None = None, **autoscaling: int) -> DesiredChainlet:
    return DesiredChainlet(name, type_id, autoscaling)


def desired(*chainlets: DesiredChainlet, **more: Any) -> Desired:
    return Desired(**{"chain_id": CHAIN, "environment": NAME, "chainlets": chainlets, **more})


def world(
    wanted: Desired,
    seen: Environment | None,
    *journal: JournalEntry,
    known: bool = True,
    missing: float | None = None,
    **more: Any,
) -> World:
    """Of an environment that was seen before, unless ``known`` is False. ``missing``: since how many seconds.

    This process has been reading since each entry was written, the chain's deployments as well, and the spec has just changed,
    unless ``more`` says otherwise.
    """
    since = None if missing is None else ago(missing)
    defaults = {"observed_for": reading_since(*journal), "spec_changed": True, "chain_deployments": () if seen else None}
    return World(desired=wanted, environment=seen, now=NOW, journal=journal, known=known, missing_since=since, **{**defaults, **more})


def reading_since(*journal: JournalEntry) -> dict[str, float]:
    return {entry_id(e): (NOW - (e.finished_at or e.started_at)).total_seconds() for e in journal}


# -- the journal ---------------------------------------------------------------------------------------------------


def opened(operation: Operation, seconds: float, value: Any = None, **more: Any) -> JournalEntry:
    """An intent without outcome, written so many seconds ago for ``value``."""
    entry = {"operation": operation, "hash": digest(value), "generation": 1, "started_at": ago(seconds), **more}
    return JournalEntry(**{"known_deployments": ("dep-old",), **entry})


def answered(operation: Operation, seconds: float, value: Any = None, outcome: str = "Accepted", **more: Any) -> JournalEntry:
    return opened(operation, seconds, value, **{"finished_at": ago(seconds), "outcome": outcome, **more})


def entries(plan_or_world: Plan | World) -> dict[str, JournalEntry]:
    return {entry.slot: entry for entry in plan_or_world.journal}


# -- what comes out ------------------------------------------------------------------------------------------------


def decide(given: World) -> Plan:
    """As the engine does: recover, then plan."""
    return plan(recover(given))


def calls(planned: Plan) -> list[AnyChange]:
    return [action.change for action in planned.actions]


def only(planned: Plan) -> Action:
    assert len(planned.actions) == 1, planned.actions
    return planned.actions[0]


def reasons(findings: Iterable[Finding]) -> list[str]:
    return [finding.reason.value for finding in findings]


def plainly(changes: Mapping[str, Settings]) -> dict[str, dict[str, Any]]:
    return {name: dict(settings) for name, settings in changes.items()}


def report(seen: Environment | None = None, *findings: Finding, managed: bool = False, **more: Any) -> Report:
    """Of a run that read Baseten."""
    return Report(**{"generation": 1, "now": NOW, "observation": Observed(seen, managed), "findings": findings, **more})


def unread(*findings: Finding, stale: bool = False, **more: Any) -> Report:
    """Of a run that did not."""
    return Report(**{"generation": 1, "now": NOW, "observation": Unobserved(stale), "findings": findings, **more})


def paused(*findings: Finding) -> Report:
    return Report(generation=1, now=NOW, observation=Paused(), findings=findings)
