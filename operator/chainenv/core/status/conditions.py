"""The conditions, and which of them matters most."""

from __future__ import annotations

from typing import Literal

from ...crd.types import ChainEnvironmentStatus, Condition
from .. import messages
from ..changes import AnyChange, CreateEnvironment, Deactivate
from ..environment import DEGRADED, ENDING, FAILED, OFF, SERVING, Environment
from ..findings import Finding, Severity
from ..gates import STUCK as HELD_FOR_GOOD
from ..reasons import Reason
from .report import GATES, ROLLOUT_REASONS, TRANSIENT, Report

UNOWNED = frozenset({Reason.DUPLICATE_TARGET, Reason.ENVIRONMENT_EXISTS, Reason.INVALID_ENVIRONMENT_NAME, Reason.INVALID_RESOURCE})
_KEY = frozenset(
    {Reason.NO_API_KEY, Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND, Reason.INVALID_API_KEY, Reason.CREDENTIALS_REFUSED}
)
_STUCK = HELD_FOR_GOOD | {Reason.ROLLOUT_FAILED, Reason.ROLLOUT_ABORTED, Reason.CHAINLET_NOT_FOUND, Reason.DEPLOYMENT_NOT_FOUND}
"""What nothing mends by itself, though the rest of the spec is applied; a rollout under way may."""
_FACTS = frozenset({Reason.DEPLOYMENT_FAILED, Reason.ROLLOUT_FAILED, Reason.ROLLOUT_ABORTED})
"""Facts of Baseten, whatever the spec says by now."""
MOST_MESSAGE = 2000

Status = Literal["True", "False", "Unknown"]
Text = tuple[Reason, str]


def conditions(previous: ChainEnvironmentStatus, report: Report) -> tuple[Condition, ...]:
    """One read that failed changes nothing, unless there is nothing to show yet or what is shown has become stale."""
    old = {c.type: c for c in previous.conditions}
    blip = report.passing and len(report.passing) == len(report.findings) and report.failing_for <= 0
    if blip and not report.observed and not report.stale and {"Ready", "Synced"} <= old.keys():
        return previous.conditions
    have = [_ready(old.get("Ready"), report), _synced(old.get("Synced"), report)]
    stalled = _stalled(report) or _still_stalled(old.get("Stalled"), report)
    if stalled is not None:
        have.append(_condition(old.get("Stalled"), "Stalled", "True", stalled.reason, stalled.whole, report))
    elif (reconciling := _reconciling(old.get("Reconciling"), report)) is not None:
        have.append(_condition(old.get("Reconciling"), "Reconciling", "True", *reconciling, report))
    return tuple(have)


def summary(have: tuple[Condition, ...]) -> Condition | None:
    """The condition to read first: Stalled, else Ready or Synced if not True, else Reconciling, else Ready."""
    by_type = {c.type: c for c in have}
    first = (by_type.get("Stalled"), *(c for c in (by_type.get("Ready"), by_type.get("Synced")) if c is None or c.status != "True"))
    return next((c for c in first if c is not None), by_type.get("Reconciling") or by_type.get("Ready"))


def _condition(old: Condition | None, kind: str, status: Status, reason: Reason, message: str, report: Report) -> Condition:
    """``lastTransitionTime`` moves only when status does."""
    since = old.last_transition_time if old is not None and old.status == status else report.now.replace(microsecond=0)
    return Condition(
        type=kind,
        status=status,
        reason=reason.value,
        message=message[:MOST_MESSAGE],
        last_transition_time=since,
        observed_generation=report.generation,
    )


# -- Synced --------------------------------------------------------------------------------------------------------


def _synced(old: Condition | None, report: Report) -> Condition:
    """Kept as it was, generation included, while nothing lasting is known."""
    update = messages.update_sent(c.describe() for c in report.changes)
    if report.paused:
        message = report.findings[0].message if report.findings else messages.PAUSED
        return _condition(old, "Synced", "Unknown", Reason.PAUSED, message, report)
    if report.lasting:
        texts = [*dict.fromkeys(f.whole for f in report.lasting), *([update] if report.changes else [])]
        return _condition(old, "Synced", "False", report.lasting[0].reason, ". ".join(texts), report)
    if report.changes:
        return _condition(old, "Synced", "False", _doing(report.changes), f"{update}; waiting for confirmation", report)
    if report.observed and not report.passing:
        if report.drift:
            return _condition(old, "Synced", "False", Reason.DRIFTED, messages.differs(report.drift), report)
        return _condition(old, "Synced", "True", Reason.IN_SYNC, messages.IN_SYNC, report)
    if old is not None:
        return old
    return _condition(None, "Synced", "Unknown", Reason.NOT_OBSERVED, messages.not_compared(report.findings), report)


# -- Ready ---------------------------------------------------------------------------------------------------------


def _ready(old: Condition | None, report: Report) -> Condition:
    worst = next(iter(report.lasting), None)
    if worst is not None and worst.reason in UNOWNED:
        return _condition(old, "Ready", "False", worst.reason, worst.message, report)
    if report.observed:
        status, reason, message = readiness(report.environment)
        if report.environment is None and worst is not None:
            message = f"{message}: {worst.message}"
        return _condition(old, "Ready", status, reason, message, report)
    if old is None or old.reason == Reason.NOT_OBSERVED:
        return _condition(old, "Ready", "Unknown", Reason.NOT_OBSERVED, messages.not_observed(report.findings), report)
    if report.stale:
        return _condition(old, "Ready", "Unknown", Reason.OBSERVATION_STALE, messages.STALE, report)
    return old


def readiness(environment: Environment | None) -> tuple[Status, Reason, str]:
    """Status, reason and message of Ready for what Baseten shows: the current deployment alone decides."""
    if environment is None:
        return "False", Reason.ENVIRONMENT_NOT_FOUND, messages.NO_ENVIRONMENT
    current, candidate = environment.current, environment.candidate
    if current is None:
        if candidate is not None and environment.promoting:
            return "False", Reason.DEPLOYING, messages.described(candidate)
        return "False", Reason.NO_DEPLOYMENT, messages.NO_DEPLOYMENT
    message = messages.serving(environment, current)
    if current.status in SERVING:
        reasons = {"SCALED_TO_ZERO": Reason.SCALED_TO_ZERO, "WAKING_UP": Reason.WAKING_UP}
        return "True", reasons.get(current.status, Reason.ACTIVE), message
    if current.status in FAILED:
        return "False", Reason.DEPLOYMENT_FAILED, f"{message}: {messages.SEE_LOGS}"
    if current.status in OFF:
        return "False", Reason.DEPLOYMENT_INACTIVE, f"{message}: {messages.ACTIVATE}"
    return "False", Reason.UNHEALTHY if current.status in DEGRADED else Reason.DEPLOYING, message


# -- Stalled -------------------------------------------------------------------------------------------------------


def _stalled(report: Report) -> Finding | None:
    environment = report.environment
    stuck = [f for f in report.lasting if f.severity == Severity.BLOCKED and f.reason in _STUCK and not report.rolling]
    final = [f for f in report.lasting if f.severity == Severity.STALLED] + stuck
    if final:
        candidate = environment.candidate if environment else None
        if final[0].reason != Reason.ROLLOUT_FAILED or candidate is None or candidate.status not in FAILED:
            return final[0]
        message = f"{final[0].message}; {messages.described(candidate)}"  # which chainlets made it fail, as long as Baseten shows it
        return Finding(final[0].severity, final[0].reason, message, final[0].again)
    if environment is None or report.progressing or report.changes:
        return None
    if environment.current is not None and environment.current.status in FAILED:
        return Finding(Severity.STALLED, Reason.DEPLOYMENT_FAILED, readiness(environment)[2])
    return None if report.deleting else failed_rollout(environment)


def failed_rollout(environment: Environment) -> Finding | None:
    """A candidate that failed or was deactivated, or a promotion that Baseten calls failed or cancelled, whoever began it."""
    candidate = environment.candidate
    ended = candidate is not None and candidate.status in FAILED | ENDING
    return messages.failed_rollout(environment) if not environment.promoting and (ended or environment.promotion_failure) else None


def _still_stalled(old: Condition | None, report: Report) -> Finding | None:
    """A read that did not succeed makes nothing better."""
    if old is None or report.observed:
        return None
    known = next((reason for reason in Reason if reason.value == old.reason), None)
    same = bool(report.passing) and old.observed_generation == report.generation and known not in UNOWNED | _KEY
    if known is None or not (known in _FACTS or same):
        return None
    return Finding(Severity.STALLED, known, old.message)


# -- Reconciling ---------------------------------------------------------------------------------------------------


def _reconciling(old: Condition | None, report: Report) -> Text | None:
    if report.paused:
        return _kept(old, ROLLOUT_REASONS)
    if report.changes:
        return _doing(report.changes), messages.update_sent(c.describe() for c in report.changes)
    waiting = [f for f in report.findings if f.severity == Severity.WAITING and f.reason not in TRANSIENT]
    first = next((f for f in waiting if f.reason not in GATES), None)
    if first is not None:
        return first.reason, first.whole
    moving = messages.under_way(report.environment) if report.environment else ""
    if moving:
        return Reason.DEPLOYING, moving
    if waiting:
        return waiting[0].reason, waiting[0].whole
    if not report.passing:
        return None
    kept = None if report.observed else _kept(old, frozenset(Reason) - TRANSIENT)
    failing = report.failing_for > 0 or not report.observed
    return kept or ((report.passing[0].reason, report.passing[0].whole) if failing else None)


def _kept(before: Condition | None, reasons: frozenset[Reason]) -> Text | None:
    """What was under way when it was last observed: nothing says that it has ended."""
    return (Reason(before.reason), before.message) if before is not None and before.reason in reasons else None


def _doing(changes: tuple[AnyChange, ...]) -> Reason:
    if any(isinstance(c, CreateEnvironment) for c in changes):
        return Reason.CREATING
    if any(isinstance(c, Deactivate) for c in changes):
        return Reason.DELETING
    return Reason.ROLLING_OUT if any(c.starts_deployment for c in changes) else Reason.CORRECTING
