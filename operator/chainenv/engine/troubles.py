"""Failures in words: how the status describes them and when the next try is."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from ..api import BasetenError, Conflict, CredentialsRefused, RateLimited
from ..core.actions import Call, CreateEnvironment, Deactivate, Finding, Promote, Severity, UpdateAutoscaling, UpdateInstanceTypes
from ..core.reasons import Event, Reason
from ..core.schedule import Intervals, backoff
from ..core.status import Report, Told
from ..core.words import changed
from ..core.world import Resource, World
from .ports import KeyUnavailableError

SHORT_SECONDS = 30.0


def is_refused_key(error: BasetenError) -> bool:
    return isinstance(error, CredentialsRefused)


def worth_showing(error: BasetenError) -> bool:
    """A refused key is described when the next run finds no other; a short wait for the rate limit is nobody's concern."""
    return not is_refused_key(error) and not (isinstance(error, RateLimited) and error.retry_after < SHORT_SECONDS)


def delay(error: BasetenError | None, failures: int, intervals: Intervals, luck: float) -> float:
    """Seconds until the next try. A rate limit's end is spread, so that all who wait do not come at once."""
    if isinstance(error, RateLimited):
        return error.retry_after * (1 + 0.25 * luck) + luck
    if isinstance(error, Conflict) and failures <= 2:
        return min(1.0, intervals.progress)
    if isinstance(error, CredentialsRefused):
        return 0.0
    return backoff(failures, intervals, luck)


def failed(report: Report, resource: Resource, error: BasetenError, failures: int, delay_seconds: float) -> Report:
    finding = _finding(report, error, failures, delay_seconds)
    return _with(report, resource, finding, complete=False)


def no_key(report: Report, resource: Resource, error: KeyUnavailableError) -> Report:
    return _with(report, resource, Finding(Severity.STALLED, error.reason, error.message), complete=True)


def internal_error(report: Report) -> Report:
    message = "internal error; retrying (see the operator's logs)"
    return dataclasses.replace(report, findings=(Finding(Severity.BLOCKED, Reason.INTERNAL_ERROR, message),), complete=False)


def _with(report: Report, resource: Resource, finding: Finding, *, complete: bool) -> Report:
    return dataclasses.replace(report, findings=(*report.findings, *told_of_deletion(resource, (finding,))), complete=complete)


def told_of_deletion(resource: Resource, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What keeps a resource that is being deleted is told with the way to let it go."""
    if not resource.deleting:
        return findings
    hint = f"kubectl annotate chenv {resource.name} -n {resource.namespace} chains.baseten.co/abandon=true lets the resource go as it is"
    return tuple(
        f if f.severity == Severity.WAITING else dataclasses.replace(f, message=f"being deleted, but {f.message}. {hint}") for f in findings
    )


def _finding(report: Report, error: BasetenError, failures: int, delay_seconds: float) -> Finding:
    """The message changes with the minute of the next try and each doubling of the count, not at each try."""
    until = report.now + timedelta(seconds=delay_seconds + 59)
    again = f"next try by {until:%H:%M}Z"
    if isinstance(error, RateLimited):
        return Finding(Severity.BLOCKED, Reason.RATE_LIMITED, "rate limit of this API key reached", again)
    if isinstance(error, CredentialsRefused):
        return Finding(Severity.STALLED, Reason.CREDENTIALS_REFUSED, f"API key refused by Baseten: {error.message}")
    reason = Reason.CONFLICT if isinstance(error, Conflict) else Reason.UNAVAILABLE
    many = 1 << (failures.bit_length() - 1)
    count = f"{many} or more times in a row" if many > 1 else "once"
    return Finding(Severity.BLOCKED, reason, f"request to Baseten failed {count}: {error.message}", again)


def event_of(call: Call, world: World) -> Told:
    """The event of a call that was made."""
    match call:
        case CreateEnvironment():
            return Told(Event.CREATED, f"created environment {world.desired.environment} of chain {world.desired.chain_id}")
        case UpdateAutoscaling():
            return Told(Event.AUTOSCALING_CORRECTED, f"corrected {changed(call.differences)}")
        case UpdateInstanceTypes():
            return Told(Event.INSTANCE_TYPES_CHANGED, f"changed {changed(call.differences)}; a deployment was started")
        case Promote():
            return Told(Event.PROMOTED, f"started the promotion of deployment {call.deployment_id}")
        case Deactivate():
            return Told(Event.DEACTIVATED, f"deactivated deployment {call.deployment_id}")
        case _:
            return Told(Event.PROMOTION_SETTINGS_CORRECTED, f"corrected {changed(call.differences)}")
