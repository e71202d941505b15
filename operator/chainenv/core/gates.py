"""What a rollout waits for before it begins. The gates, in order: budget, source and soak, window, approval."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ..crd.types import ABORT_ANNOTATION, APPROVE_ANNOTATION, ChainEnvironmentSpec, Rollout, RolloutStatus
from .calendar import Hours, is_open, next_opening, schedules_of, windows_of
from .cost import BudgetResult, PriceList
from .effective import Autoscaling, variants
from .reasons import Reason
from .text import absolute
from .values import flat

STUCK = frozenset({Reason.SOURCE_NOT_FOUND, Reason.BUDGET_EXCEEDED})
"""Reasons that do not pass by themselves."""

PLAN_LENGTH = 8


class WaitsFor(StrEnum):
    """``status.rollout.waitsFor``."""

    BUDGET = "Budget"
    SOURCE = "Source"
    SOAK = "Soak"
    WINDOW = "Window"
    APPROVAL = "Approval"


@dataclass(frozen=True, slots=True)
class RolloutRules:
    """Of ``spec.rollout``. ``manual``: each rollout is approved by a person. ``deadline``: from the call until the deployment serves."""

    manual: bool = False
    windows: tuple[Hours, ...] = ()
    deadline: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rollout that could begin. ``what`` names it in a message: ``the promotion of deployment abc``."""

    what: str
    plan: str


@dataclass(frozen=True, slots=True)
class Hold:
    """What a rollout waits for. ``until``: when to decide again at the latest; None: when something changes."""

    waits_for: WaitsFor
    reason: Reason
    message: str
    until: datetime | None = None

    @property
    def stuck(self) -> bool:
        return self.reason in STUCK

    @property
    def awaits_read(self) -> bool:
        """Whether it is over with the next read of the source."""
        return self.waits_for is WaitsFor.SOAK and self.until is None


@dataclass(frozen=True, slots=True)
class Gates:
    """What rollouts wait for, as the resource has it. ``approval``, ``abort``: values of the annotations, empty where there are none.

    ``prices`` None: not known yet. ``settings``: the declared autoscaling settings at any time, by schedule (only with a budget).
    """

    rules: RolloutRules = field(default_factory=RolloutRules)
    approval: str = ""
    abort: str = ""
    budget: Decimal | None = None
    prices: PriceList | None = None
    settings: Mapping[str | None, Autoscaling] = field(default_factory=dict)


def gates_of(spec: ChainEnvironmentSpec, annotations: Mapping[str, str], prices: PriceList | None) -> Gates:
    """Raises CalendarError."""
    settings: dict[str | None, Autoscaling] = {}
    if spec.budget is not None:
        declared = ((c.chainlet_name, c.autoscaling_settings) for c in spec.chainlet_settings or ())
        base = {name: flat(autoscaling.model_dump() if autoscaling else None) for name, autoscaling in declared}
        settings |= variants(base, schedules_of(spec.autoscaling_schedules))
    return Gates(
        rules=rules_of(spec.rollout),
        approval=annotations.get(APPROVE_ANNOTATION, "").strip(),
        abort=annotations.get(ABORT_ANNOTATION, "").strip(),
        budget=Decimal(spec.budget.max_usd_per_hour) if spec.budget else None,
        prices=prices,
        settings=settings,
    )


def rules_of(rollout: Rollout | None) -> RolloutRules:
    """Raises CalendarError."""
    if rollout is None:
        return RolloutRules()
    deadline = None if rollout.deadline_seconds is None else timedelta(seconds=rollout.deadline_seconds)
    return RolloutRules(rollout.approval == "Manual", windows_of(rollout.windows), deadline)


def plan_of(call: Mapping[str, Any], *, replaces: str | None, used: str | None) -> str:
    """The short hash of what would be sent, as JSON values, in place of the deployment ``replaces``.

    ``used``: the plan that was last approved and begun. It is part of the hash, so that the same call, wanted once more, is
    another plan: an approval is used up. It has to be remembered for as long as its annotation may be there.
    """
    text = json.dumps([call, replaces, used], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:PLAN_LENGTH]


def gate(
    wanted: Wanted,
    rules: RolloutRules,
    now: datetime,
    *,
    approval: str | None = None,
    budget: BudgetResult | None = None,
    source: Hold | None = None,
) -> Hold | None:
    """The first thing that holds the rollout back; None: it may begin.

    ``approval``: the value of the annotation. ``budget``, ``source``: what ``within_budget`` and ``resolve`` have found.
    """
    if budget and budget.reason:
        return Hold(WaitsFor.BUDGET, budget.reason, f"{wanted.what} is not sent: {budget.message}")
    if source:
        return source
    if not is_open(rules.windows, now):
        opens = next_opening(rules.windows, now)
        when = f"the next one opens at {absolute(opens)}" if opens else "none opens within two weeks: correct them"
        return Hold(WaitsFor.WINDOW, Reason.WAITING_FOR_WINDOW, f"{wanted.what} waits for a window of rollout.windows; {when}", opens)
    given = (approval or "").strip()
    if rules.manual and given != wanted.plan:
        other = f"; {given[:20]!r} approves another plan, or was used" if given else ""
        message = f"{wanted.what} waits for approval: annotate {APPROVE_ANNOTATION}={wanted.plan}{other}"
        return Hold(WaitsFor.APPROVAL, Reason.WAITING_FOR_APPROVAL, message)
    return None


def rollout_status(hold: Hold, plan: str | None) -> RolloutStatus:
    """``plan`` None: what would be sent is not known yet."""
    next_window = hold.until if hold.waits_for is WaitsFor.WINDOW else None
    return RolloutStatus(waits_for=hold.waits_for.value, plan=plan, message=hold.message, next_window=next_window)
