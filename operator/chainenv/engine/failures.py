"""Failed calls: how a report describes them and when the next try is."""

from __future__ import annotations

import dataclasses

from ..api import BasetenError, Conflict, CredentialsRefused, RateLimited
from ..core import messages
from ..core.findings import Finding, Severity
from ..core.polling import Intervals, backoff
from ..core.reasons import Reason
from ..core.resource import Resource
from ..core.status import Report

SHORT_SECONDS = 30.0


def is_worth_showing(error: BasetenError) -> bool:
    """A refused key is described when the next run finds no other; a short wait for the rate limit is nobody's concern."""
    return not isinstance(error, CredentialsRefused) and not (isinstance(error, RateLimited) and error.retry_after < SHORT_SECONDS)


def delay(error: BasetenError | None, failures: int, intervals: Intervals, jitter: float) -> float:
    """Seconds until the next try. A rate limit's end is spread, so that all who wait do not come at once."""
    if isinstance(error, RateLimited):
        return error.retry_after * (1 + 0.25 * jitter) + jitter
    if isinstance(error, Conflict) and failures <= 2:
        return min(1.0, intervals.progress)
    if isinstance(error, CredentialsRefused):
        return 0.0
    return backoff(failures, intervals, jitter)


def with_failure(report: Report, resource: Resource, error: BasetenError, failures: int, delay_seconds: float) -> Report:
    if isinstance(error, RateLimited):
        finding = messages.rate_limited(report.now, delay_seconds)
    elif isinstance(error, CredentialsRefused):
        finding = messages.credentials_refused(error.message)
    else:
        reason = Reason.CONFLICT if isinstance(error, Conflict) else Reason.UNAVAILABLE
        finding = messages.request_failed(reason, error.message, failures, report.now, delay_seconds)
    return dataclasses.replace(report, findings=(*report.findings, *with_way_out(resource, (finding,))), acted_on=False)


def with_way_out(resource: Resource, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What keeps a resource that is being deleted is described with the way to let it go."""
    if not resource.deleting:
        return findings
    return tuple(
        f
        if f.severity == Severity.WAITING
        else dataclasses.replace(f, message=messages.abandon_hint(resource.namespace, resource.name, f.message))
        for f in findings
    )
