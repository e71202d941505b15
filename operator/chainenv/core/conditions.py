"""The conditions, and which of them matters most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..crd.types import ChainEnvironmentStatus, Condition
from .actions import Call, CreateEnvironment, Deactivate, Finding, Promote, Severity, UpdateInstanceTypes
from .reasons import Reason
from .report import ROLLOUT_REASONS, TRANSIENT, Report
from .words import listed, names, sent
from .world import DEGRADED, ENDING, FAILED, OFF, SERVING, Deployment, Environment, in_progress

UNOWNED = frozenset({Reason.DUPLICATE_TARGET, Reason.ENVIRONMENT_EXISTS, Reason.INVALID_ENVIRONMENT_NAME, Reason.INVALID_RESOURCE})
_KEY = frozenset(
    {Reason.NO_API_KEY, Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND, Reason.INVALID_API_KEY, Reason.CREDENTIALS_REFUSED}
)
_STUCK = frozenset({Reason.ROLLOUT_FAILED, Reason.CHAINLET_NOT_FOUND, Reason.DEPLOYMENT_NOT_FOUND})
"""What nothing mends by itself, though the rest of the spec is applied; a rollout under way may."""
_FACTS = frozenset({Reason.DEPLOYMENT_FAILED, Reason.ROLLOUT_FAILED})
"""Facts of Baseten, whatever the spec says by now."""
MOST_MESSAGE = 2000


def conditions(previous: ChainEnvironmentStatus, report: Report) -> tuple[Condition, ...]:
    """One read that failed changes nothing, unless there is nothing to show yet or what is shown has become stale."""
    old = {c.type: c for c in previous.conditions}
    blip = report.passing and len(report.passing) == len(report.findings) and report.failing_for <= 0
    if blip and not report.observed and not report.stale and {"Ready", "Synced"} <= old.keys():
        return previous.conditions
    return tuple(_conditions(old, report))


def summary(have: tuple[Condition, ...]) -> Condition | None:
    """The condition to read first: Stalled, else Ready or Synced if not True, else Reconciling, else Ready."""
    by_type = {c.type: c for c in have}
    ready = by_type.get("Ready")
    wrong = (c for c in (by_type.get("Stalled"), *_not_true(ready, by_type.get("Synced"))) if c is not None)
    return next(wrong, by_type.get("Reconciling") or ready)


def _not_true(*some: Condition | None) -> Iterable[Condition]:
    return (c for c in some if c is not None and c.status != "True")


def _conditions(old: dict[str, Condition], report: Report) -> Iterable[Condition]:
    yield _ready(old.get("Ready"), report)
    yield _synced(old.get("Synced"), report)
    stalled = _stalled(report) or _still_stalled(old.get("Stalled"), report)
    if stalled is not None:
        yield _condition(old.get("Stalled"), "Stalled", "True", stalled.reason, _whole(stalled), report)
        return
    reconciling = _reconciling(old, report)
    if reconciling is not None:
        yield _condition(old.get("Reconciling"), "Reconciling", "True", *reconciling, report)


def _condition(old: Condition | None, kind: str, status: Any, reason: Reason, message: str, report: Report) -> Condition:
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
    said = _comparison(report)
    if said is not None:
        return _condition(old, "Synced", *said, report)
    if old is not None:
        return old
    why = f": {report.findings[0].message}" if report.findings else ""
    return _condition(None, "Synced", "Unknown", Reason.NOT_OBSERVED, f"not compared with Baseten yet{why}", report)


def _comparison(report: Report) -> tuple[str, Reason, str] | None:
    """Status, reason and message; None when this run learned nothing that lasts."""
    if report.paused:
        told = [f.message for f in report.findings] or ["paused (managementPolicy Pause); showing the last observed state"]
        return "Unknown", Reason.PAUSED, told[0]
    if report.lasting:
        ordered = sorted(report.lasting, key=lambda f: -f.severity)
        under_way = [f"update sent: {sent(report.calls)}"] if report.calls else []
        return "False", ordered[0].reason, ". ".join([*dict.fromkeys(_whole(f) for f in ordered), *under_way])
    if report.calls:
        return "False", _doing(report.calls), f"update sent: {sent(report.calls)}; waiting for confirmation"
    if report.passing or not report.observed:
        return None
    if report.drift:
        return "False", Reason.DRIFTED, f"environment differs from spec: {listed(report.drift)}"
    return "True", Reason.IN_SYNC, "environment matches spec"


def _whole(finding: Finding) -> str:
    return f"{finding.message}; {finding.again}" if finding.again else finding.message


# -- Ready ---------------------------------------------------------------------------------------------------------


def _ready(old: Condition | None, report: Report) -> Condition:
    worst = max(report.lasting, key=lambda f: f.severity, default=None)
    if worst is not None and worst.reason in UNOWNED:
        return _condition(old, "Ready", "False", worst.reason, worst.message, report)
    if report.observed:
        status, reason, message = readiness(report.environment)
        if report.environment is None and worst is not None:
            message = f"{message}: {worst.message}"
        return _condition(old, "Ready", status, reason, message, report)
    if old is None or old.reason == Reason.NOT_OBSERVED:
        why = f": {report.findings[0].message}" if report.findings else ""
        return _condition(old, "Ready", "Unknown", Reason.NOT_OBSERVED, f"not observed yet{why}", report)
    if report.stale:
        message = "no successful observation for more than ten minutes; showing the last known state"
        return _condition(old, "Ready", "Unknown", Reason.OBSERVATION_STALE, message, report)
    return old


def readiness(environment: Environment | None) -> tuple[str, Reason, str]:
    """Status, reason and message of Ready for what Baseten shows: the current deployment alone decides."""
    if environment is None:
        return "False", Reason.ENVIRONMENT_NOT_FOUND, "the environment does not exist on Baseten"
    current, candidate = environment.current, environment.candidate
    if current is None:
        if candidate is not None and environment.promoting:
            return "False", Reason.DEPLOYING, described(candidate)
        return "False", Reason.NO_DEPLOYMENT, "the environment has no deployment yet: push or promote one"
    said = described(current)
    if candidate is not None:
        doing = f"deployment {candidate.id} is being promoted and" if environment.promoting else f"candidate deployment {candidate.id}"
        said += f"; {doing} is {candidate.status}"
    return _group(current.status, said)


def _group(status: str, said: str) -> tuple[str, Reason, str]:
    if status in SERVING:
        reasons = {"SCALED_TO_ZERO": Reason.SCALED_TO_ZERO, "WAKING_UP": Reason.WAKING_UP}
        return "True", reasons.get(status, Reason.ACTIVE), said
    if status in FAILED:
        return "False", Reason.DEPLOYMENT_FAILED, f"{said}: see its logs on Baseten, then push or promote another one"
    if status in DEGRADED:
        return "False", Reason.UNHEALTHY, said
    if status in OFF:
        return "False", Reason.DEPLOYMENT_INACTIVE, f"{said}: activate it on Baseten, or push or promote another one"
    return "False", Reason.DEPLOYING, said


def described(deployment: Deployment) -> str:
    """A deployment with its chainlets: every one, those in trouble first, when it failed or is unhealthy; else those that differ."""
    chainlets = sorted(deployment.chainlets, key=lambda c: (c.status in SERVING, c.name))
    if deployment.status not in FAILED | DEGRADED:
        chainlets = [c for c in chainlets if c.status != deployment.status]
    listing = f" ({names(f'{c.name} is {c.status}' for c in chainlets)})" if chainlets else ""
    return f"deployment {deployment.id} is {deployment.status}{listing}"


# -- Stalled -------------------------------------------------------------------------------------------------------


def _stalled(report: Report) -> Finding | None:
    ordered = sorted(report.lasting, key=lambda f: -f.severity)
    stuck = [f for f in ordered if f.severity == Severity.BLOCKED and f.reason in _STUCK and not report.rolling]
    final = [f for f in ordered if f.severity == Severity.STALLED] + stuck
    if final:
        return _with_chainlets(final[0], report.environment)
    if report.environment is None or report.progressing or report.calls:
        return None
    if report.environment.current is not None and report.environment.current.status in FAILED:
        return Finding(Severity.STALLED, Reason.DEPLOYMENT_FAILED, readiness(report.environment)[2])
    return None if report.deleting else failed_rollout(report.environment)


def failed_rollout(environment: Environment) -> Finding | None:
    """A candidate that failed or was deactivated, or a promotion that Baseten calls failed or cancelled, whoever began it."""
    candidate = environment.candidate
    ended = candidate is not None and candidate.status in FAILED | ENDING
    if environment.promoting or not (ended or environment.promotion_failure):
        return None
    facts = [described(candidate)] if candidate is not None else []
    if environment.promotion_failure:
        facts.append(environment.promotion_failure)
    keeps = "; the previous deployment keeps serving" if environment.current and environment.current.status in SERVING else ""
    return Finding(Severity.STALLED, Reason.ROLLOUT_FAILED, f"rollout failed: {'; '.join(facts)}{keeps}")


def _with_chainlets(finding: Finding, environment: Environment | None) -> Finding:
    """Which chainlets made a rollout fail, as long as Baseten shows its deployment."""
    candidate = environment.candidate if environment else None
    if finding.reason != Reason.ROLLOUT_FAILED or candidate is None or candidate.status not in FAILED:
        return finding
    return Finding(finding.severity, finding.reason, f"{finding.message}; {described(candidate)}", finding.again)


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


def _reconciling(old: dict[str, Condition], report: Report) -> tuple[Reason, str] | None:
    before = old.get("Reconciling")
    if report.paused:
        return _kept(before, ROLLOUT_REASONS)
    if report.calls:
        return _doing(report.calls), f"update sent: {sent(report.calls)}"
    waiting = [f for f in report.findings if f.severity == Severity.WAITING and f.reason not in TRANSIENT]
    if waiting:
        return waiting[0].reason, _whole(waiting[0])
    moving = _under_way(report.environment)
    if moving:
        return Reason.DEPLOYING, moving
    if not report.passing:
        return None
    kept = None if report.observed else _kept(before, frozenset(Reason) - TRANSIENT)
    failing = report.failing_for > 0 or not report.observed
    return kept or ((report.passing[0].reason, _whole(report.passing[0])) if failing else None)


def _kept(before: Condition | None, reasons: frozenset[Reason]) -> tuple[Reason, str] | None:
    """What was under way when it was last observed: nothing says that it has ended."""
    return (Reason(before.reason), before.message) if before is not None and before.reason in reasons else None


def _under_way(environment: Environment | None) -> str:
    if environment is None:
        return ""
    promoted = environment.candidate if environment.promoting else None
    current = environment.current if environment.current and in_progress(environment.current.status) else None
    moving = [described(d) for d in (current, promoted) if d is not None]
    told = environment.promotion_progress
    if environment.promoting and told is not None:
        share = "" if told.traffic_percent is None else f", {told.traffic_percent} % of the traffic"
        moving.append(f"the promotion is {told.status}{share}")
    return "; ".join(moving)


def _doing(calls: tuple[Call, ...]) -> Reason:
    if any(isinstance(c, CreateEnvironment) for c in calls):
        return Reason.CREATING
    if any(isinstance(c, Deactivate) for c in calls):
        return Reason.DELETING
    return Reason.ROLLING_OUT if any(isinstance(c, Promote | UpdateInstanceTypes) for c in calls) else Reason.CORRECTING
