"""One change: sent, refused, without effect; and requests that failed."""

from __future__ import annotations

from datetime import datetime

from ...crd.enums import Operation, Outcome
from ...crd.types import RECONCILE_ANNOTATION, Drift, JournalEntry
from ..findings import Finding, Severity
from ..journal import ROLLOUTS, ended, retry_seconds
from ..reasons import Reason
from ..text import at, clock, listed
from ..world import Timing

WAITING, BLOCKED, STALLED = Severity.WAITING, Severity.BLOCKED, Severity.STALLED


def outcome_unknown(entry: JournalEntry) -> Finding:
    return Finding(WAITING, Reason.SETTLING_INTENT, f"update sent at {clock(entry)}, outcome unknown; observing whether it happened")


def waiting_for_confirmation(entry: JournalEntry, differences: tuple[Drift, ...]) -> Finding:
    remaining = f": {listed(differences)}" if differences else ""
    return Finding(WAITING, Reason.CORRECTING, f"update sent at {clock(entry)}; waiting for confirmation{remaining}")


def not_converging(entry: JournalEntry, differences: tuple[Drift, ...], timing: Timing, *, final: bool = False) -> Finding:
    """``final``: only a person, or another spec, can change it."""
    times = "once" if entry.attempts == 1 else f"{entry.attempts} times"
    effect = f"but the environment still differs: {listed(differences)}" if differences else "without effect"
    if entry.outcome == Outcome.LOST:
        effect = f"without an answer, {effect}"
    again = f"only with the annotation {RECONCILE_ANNOTATION}" if entry.operation in ROLLOUTS else at(ended(entry), timing.retry_refused)
    message = f"update sent {times}, {effect}. Change the spec to what Baseten allows; next try {again}"
    return Finding(STALLED if final else BLOCKED, Reason.NOT_CONVERGING, message)


def refused(entry: JournalEntry, timing: Timing, *, just_now: bool = False, may_still_run: bool = False) -> Finding:
    """What a refused call means for people. ``just_now``: by this run; a cause is looked for before it is called one.
    ``may_still_run``: an earlier try without an answer."""
    answer = (entry.message or "").rstrip(".")
    answer = f"{entry.cause} ({answer})" if entry.cause else answer
    retry = f"next try {at(ended(entry), retry_seconds(entry, timing))}"
    action = _ACTIONS.get(entry.operation)
    if action is None:
        reason = Reason.FORBIDDEN if entry.outcome == Outcome.FORBIDDEN else Reason.REFUSED
        return Finding(STALLED, reason, f"Baseten refused to deactivate deployment {entry.target}: {answer}; {retry}")
    if entry.outcome == Outcome.FORBIDDEN:
        message = f"the API key may read but not {action}: {answer}. Use a key that may, or managementPolicy Observe"
        return Finding(STALLED, Reason.FORBIDDEN, message)
    if may_still_run or (just_now and entry.unconfirmed):
        unsure = "An earlier try without an answer may still be running; observing whether it happened"
        return Finding(WAITING, Reason.SETTLING_INTENT, f"Baseten refused to {action}: {answer}. {unsure}; {retry}")
    if just_now and entry.operation == Operation.CREATE and not entry.cause:
        return Finding(WAITING, Reason.CREATING, f"Baseten refused to {action}: {answer}; reading the chain to find the cause")
    if entry.operation in ROLLOUTS and entry.attempts == 1 and not entry.cause:
        target = f" {entry.target}" if entry.target else ""
        message = f"Baseten refused to {action}{target}: {answer}. It may be too new, or the environment busy; {retry}"
        return Finding(WAITING, Reason.CORRECTING, message)
    if entry.operation == Operation.PROMOTE and entry.outcome == Outcome.NOT_FOUND:
        message = f"deployment {entry.target} not found, or not accessible with this API key: {answer}. Correct deploymentID; {retry}"
        return Finding(BLOCKED, Reason.DEPLOYMENT_NOT_FOUND, message)
    return Finding(STALLED, Reason.REFUSED, f"Baseten refused to {action}: {answer}. Correct the spec; {retry}")


_ACTIONS: dict[str, str] = {
    Operation.CREATE: "create the environment",
    Operation.PROMOTION_SETTINGS: "change the promotion settings",
    Operation.AUTOSCALING: "change the autoscaling settings",
    Operation.INSTANCE_TYPES: "change the instance types",
    Operation.PROMOTE: "promote the deployment",
}


def rate_limited(now: datetime, seconds: float) -> Finding:
    return Finding(BLOCKED, Reason.RATE_LIMITED, "rate limit of this API key reached", _next_try(now, seconds))


def credentials_refused(answer: str) -> Finding:
    return Finding(STALLED, Reason.CREDENTIALS_REFUSED, f"API key refused by Baseten: {answer}. Correct the key")


def request_failed(reason: Reason, error: str, failures: int, now: datetime, seconds: float) -> Finding:
    """The message changes with the minute of the next try and each doubling of the count, not at each try."""
    many = 1 << (failures.bit_length() - 1)
    count = f"{many} or more times in a row" if many > 1 else "once"
    return Finding(BLOCKED, reason, f"request to Baseten failed {count}: {error}", _next_try(now, seconds))


def _next_try(now: datetime, seconds: float) -> str:
    return f"next try {at(now, seconds).replace('at ', 'by ', 1)}"


def internal_error() -> Finding:
    return Finding(BLOCKED, Reason.INTERNAL_ERROR, "internal error; retrying (see the operator's logs)")
