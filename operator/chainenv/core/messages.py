"""Every text that the operator writes into conditions and events, by reason, so that it can be read in a row.

The words are the field's own; times are absolute; a message that asks for something says what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime

from ..crd.enums import Operation, Outcome
from ..crd.types import ABORT_ANNOTATION, Drift, JournalEntry
from .cost import BudgetResult
from .desired import Desired
from .environment import DEGRADED, FAILED, SERVING, Deployment, Environment, in_progress
from .findings import EventRecord, Finding, Severity
from .gates import absolute
from .journal import ROLLOUTS, ended, retry_seconds
from .reasons import Event, Reason
from .text import at, changed, clock, listed, names
from .world import Timing

WAITING, BLOCKED, STALLED = Severity.WAITING, Severity.BLOCKED, Severity.STALLED


# -- the environment as a whole ------------------------------------------------------------------------------------


def environment_exists(desired: Desired) -> Finding:
    return Finding(
        STALLED,
        Reason.ENVIRONMENT_EXISTS,
        f"{desired.where} exists already and adoptionPolicy is Fail: set adoptionPolicy to Adopt to manage it, or choose another"
        " environmentName in a new resource",
    )


def chain_not_found(chain_id: str) -> Finding:
    return Finding(STALLED, Reason.CHAIN_NOT_FOUND, _no_chain(chain_id))


def production_not_found(chain_id: str) -> Finding:
    message = f"environment production exists on every chain, but was not found: {_no_chain(chain_id)}"
    return Finding(STALLED, Reason.CHAIN_NOT_FOUND, message)


def _no_chain(chain_id: str) -> str:
    return f"chain {chain_id} not found, or not accessible with this API key: correct chainID or the key"


def not_visible_yet(desired: Desired) -> Finding:
    return Finding(WAITING, Reason.CREATING, f"{desired.where} was created a moment ago and is not visible yet")


def environment_missing(desired: Desired, confirmed: str) -> Finding:
    return Finding(WAITING, Reason.ENVIRONMENT_MISSING, f"{desired.where} not found (404); will be recreated if confirmed {confirmed}")


def would_create(desired: Desired) -> Finding:
    return Finding(BLOCKED, Reason.WOULD_CREATE, f"{desired.where} does not exist; managementPolicy Observe does not create it")


def not_corrected(differences: tuple[Drift, ...]) -> Finding:
    return Finding(BLOCKED, Reason.DRIFTED, f"Baseten differs and managementPolicy Observe corrects nothing: {listed(differences)}")


def chainlets_not_found(unknown: Iterable[str], there: Iterable[str]) -> Finding:
    existing = sorted(there)
    hints = [f"{name} (did you mean {near[0]}?)" if (near := difflib.get_close_matches(name, existing, 1)) else name for name in unknown]
    exist = f"its chainlets are {names(existing)}" if existing else "it shows no chainlets"
    message = f"not in the environment: {names(hints)}; {exist}. Everything else of the spec is applied"
    return Finding(BLOCKED, Reason.CHAINLET_NOT_FOUND, message)


def unconfirmed(what: str, environment: Environment) -> Finding:
    """What cannot be compared is never called in sync. It passes by itself only while something deploys."""
    message = f"Baseten does not show {what}, so they could not be compared with the spec"
    return Finding(WAITING if environment.deploying else BLOCKED, Reason.UNCONFIRMED, message)


# -- one change ----------------------------------------------------------------------------------------------------


def outcome_unknown(entry: JournalEntry) -> Finding:
    return Finding(WAITING, Reason.SETTLING_INTENT, f"sent at {clock(entry)}, outcome unknown; observing whether it happened")


def waiting_for_confirmation(entry: JournalEntry, differences: tuple[Drift, ...]) -> Finding:
    remaining = f": {listed(differences)}" if differences else ""
    return Finding(WAITING, Reason.CORRECTING, f"update sent at {clock(entry)}; waiting for confirmation{remaining}")


def not_converging(entry: JournalEntry, differences: tuple[Drift, ...], timing: Timing, *, final: bool = False) -> Finding:
    """``final``: nothing mends it by itself."""
    times = "once" if entry.attempts == 1 else f"{entry.attempts} times"
    effect = f"but Baseten shows something else: {listed(differences)}" if differences else "without effect"
    if entry.outcome == Outcome.LOST:
        effect = f"without an answer, {effect}"
    again = "only with the annotation reconcile-requested-at" if entry.operation in ROLLOUTS else at(ended(entry), timing.retry_refused)
    message = f"sent {times}, {effect}. Change the spec to what Baseten allows; next try {again}"
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
        return Finding(WAITING, Reason.SETTLING_INTENT, f"refused to {action}: {answer}. {unsure}; {retry}")
    if just_now and entry.operation == Operation.CREATE and not entry.cause:
        return Finding(WAITING, Reason.CREATING, f"refused to {action}: {answer}; reading the chain to find the cause")
    if entry.operation in ROLLOUTS and entry.attempts == 1 and not entry.cause:
        target = f" {entry.target}" if entry.target else ""
        message = f"refused to {action}{target}: {answer}. It may be too new, or the environment busy; {retry}"
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


# -- rollouts ------------------------------------------------------------------------------------------------------

_ROLLOUTS: dict[str, str] = {Operation.INSTANCE_TYPES: "the change of instance types", Operation.PROMOTE: "the promotion"}


def differs_once(differences: tuple[Drift, ...]) -> Finding:
    return Finding(WAITING, Reason.DRIFTED, f"{listed(differences)}; corrected if the next read confirms it")


def rollout_outcome_unknown(entry: JournalEntry) -> Finding:
    message = f"{_ROLLOUTS[entry.operation]} was sent at {clock(entry)}, outcome unknown; observing whether it happened"
    return Finding(WAITING, Reason.SETTLING_INTENT, message)


def rolling_out(entry: JournalEntry) -> Finding:
    deployment = f" to deployment {entry.deployment_id}" if entry.deployment_id else ""
    message = f"rolling out{deployment}, started by {_ROLLOUTS[entry.operation]} at {clock(entry)}"
    return Finding(WAITING, Reason.ROLLING_OUT, message)


def rollout_failed(entry: JournalEntry) -> Finding:
    return Finding(
        BLOCKED,
        Reason.ROLLOUT_FAILED,
        f"rollout failed: {_ROLLOUTS[entry.operation]} of {clock(entry)}: {entry.message}; the previous deployment keeps serving;"
        " not retried automatically: fix the chain and push or promote a deployment, or change the spec",
    )


def rollout_aborted(entry: JournalEntry) -> Finding:
    return Finding(
        BLOCKED,
        Reason.ROLLOUT_ABORTED,
        f"rollout aborted: {_ROLLOUTS[entry.operation]} of {clock(entry)}: deployment {entry.deployment_id} was deactivated; the previous"
        " deployment keeps serving; not retried automatically: change the spec, or set the annotation reconcile-requested-at",
    )


def deadline_exceeded(entry: JournalEntry, deadline: datetime) -> Finding:
    deployment = f"deployment {entry.deployment_id}" if entry.deployment_id else "its deployment"
    abort = f" The annotation {ABORT_ANNOTATION}={entry.deployment_id} ends it" if entry.deployment_id else ""
    return Finding(
        STALLED,
        Reason.ROLLOUT_DEADLINE_EXCEEDED,
        f"{_ROLLOUTS[entry.operation]} of {clock(entry)}: {deployment} did not serve by {absolute(deadline)} (rollout.deadlineSeconds);"
        f" nothing is undone, and it may still come to serve.{abort}",
    )


PRICES_NOT_READ = "the prices of instance types have not been read from Baseten yet"


def over_budget(what: str, budget: BudgetResult) -> Finding:
    """What is held back by the budget, when it starts no deployment."""
    severity = STALLED if budget.reason == Reason.BUDGET_EXCEEDED else WAITING
    return Finding(
        severity, budget.reason or Reason.BUDGET_EXCEEDED, f"{what} of {names(sorted(budget.held))} is not sent: {budget.message}"
    )


def after_the_other(what: str, other: str) -> Finding:
    message = f"{what} waits until the change of {other} is there, to stay within budget.maxUSDPerHour"
    return Finding(WAITING, Reason.CORRECTING, message)


def failed_rollout(environment: Environment) -> Finding:
    """Of a rollout that failed on Baseten, whoever began it."""
    facts = [described(environment.candidate)] if environment.candidate is not None else []
    if environment.promotion_failure:
        facts.append(environment.promotion_failure)
    keeps = "; the previous deployment keeps serving" if environment.current and environment.current.status in SERVING else ""
    return Finding(STALLED, Reason.ROLLOUT_FAILED, f"rollout failed: {'; '.join(facts)}{keeps}")


def promotion_running(what: str, environment: Environment) -> Finding:
    running = f"deployment {environment.candidate.id}" if environment.candidate else "the deployment that is being promoted"
    return Finding(WAITING, Reason.PROMOTION_RUNNING, f"{what} waits until {running} has been promoted")


def instance_types_first(what: str) -> Finding:
    return Finding(WAITING, Reason.PROMOTION_RUNNING, f"{what} waits until the change of instance types has rolled out")


# -- deletion ------------------------------------------------------------------------------------------------------


def unknown_whether_running(chain_id: str) -> Finding:
    message = (
        f"chain {chain_id} not found, or not accessible with this API key, so it is unknown whether deployments still run:"
        " use a key of the chain's workspace"
    )
    return Finding(STALLED, Reason.CHAIN_NOT_FOUND, message)


def missing_while_deleted(confirmed: str) -> Finding:
    return Finding(WAITING, Reason.ENVIRONMENT_MISSING, f"environment not found (404); the finalizer is removed if confirmed {confirmed}")


def may_have_started(entry: JournalEntry) -> Finding:
    message = f"being deleted; waiting for the deployment that {entry.operation} of {clock(entry)} may have started"
    return Finding(WAITING, Reason.DELETING, message)


def not_idle(busy: Iterable[str]) -> Finding:
    message = f"being deleted; waits until no chainlet has replicas or a minReplica above 0: {names(busy)}. Or set deletionPolicy to Retain"
    return Finding(WAITING, Reason.WAITING_FOR_IDLE, message)


def deactivating(deployment: Deployment) -> Finding:
    wanted = "" if deployment.status == "DEACTIVATING" else ", wanted INACTIVE"
    return Finding(WAITING, Reason.DELETING, f"being deleted; deployment {deployment.id} is {deployment.status}{wanted}")


def abandon_hint(namespace: str, name: str, message: str) -> str:
    """What keeps a resource that is being deleted is described with the way to let it go."""
    command = f"kubectl annotate chenv {name} -n {namespace} chains.baseten.co/abandon=true"
    return f"being deleted, but {message}. {command} lets the resource go as it is"


# -- the resource itself -------------------------------------------------------------------------------------------


def invalid_resource(why: str) -> Finding:
    return Finding(STALLED, Reason.INVALID_RESOURCE, f"the resource cannot be read: {why}")


def invalid_environment_name(name: str) -> Finding:
    return Finding(
        STALLED,
        Reason.INVALID_ENVIRONMENT_NAME,
        f"{name} is not a name for an environment on Baseten (lower-case letters, digits and '-', no '-' at either end):"
        " create the resource again with spec.environmentName",
    )


def duplicate_target(desired: Desired, owner: str | None, *, older: bool) -> Finding:
    """``owner``: the other resource's name, None where it is in another namespace: names there are not for this one's eyes."""
    who = f"ChainEnvironment {owner}" if owner else "a ChainEnvironment in another namespace"
    why = "is older" if older else "was the first to read it"
    return Finding(STALLED, Reason.DUPLICATE_TARGET, f"{desired.where} is managed by {who}, which {why}: delete one of the two")


PAUSED = "paused (managementPolicy Pause); showing the last observed state"


def paused_deletion() -> Finding:
    return Finding(
        WAITING,
        Reason.PAUSED,
        "being deleted, but managementPolicy is Pause and its deletionPolicy needs calls to Baseten: set managementPolicy to Reconcile,"
        " deletionPolicy to Retain, or the annotation chains.baseten.co/abandon=true",
    )


# -- failures ------------------------------------------------------------------------------------------------------


def rate_limited(now: datetime, seconds: float) -> Finding:
    return Finding(BLOCKED, Reason.RATE_LIMITED, "rate limit of this API key reached", _next_try(now, seconds))


def credentials_refused(answer: str) -> Finding:
    return Finding(STALLED, Reason.CREDENTIALS_REFUSED, f"API key refused by Baseten: {answer}")


def request_failed(reason: Reason, error: str, failures: int, now: datetime, seconds: float) -> Finding:
    """The message changes with the minute of the next try and each doubling of the count, not at each try."""
    many = 1 << (failures.bit_length() - 1)
    count = f"{many} or more times in a row" if many > 1 else "once"
    return Finding(BLOCKED, reason, f"request to Baseten failed {count}: {error}", _next_try(now, seconds))


def _next_try(now: datetime, seconds: float) -> str:
    return f"next try {at(now, seconds).replace('at ', 'by ', 1)}"


def internal_error() -> Finding:
    return Finding(BLOCKED, Reason.INTERNAL_ERROR, "internal error; retrying (see the operator's logs)")


# -- conditions ----------------------------------------------------------------------------------------------------

IN_SYNC = "environment matches spec"
STALE = "no successful observation for more than ten minutes; showing the last known state"
NO_ENVIRONMENT = "the environment does not exist on Baseten"
NO_DEPLOYMENT = "the environment has no deployment yet: push or promote one"


def update_sent(changes: Iterable[str]) -> str:
    return f"update sent: {'; '.join(changes)}"


def differs(differences: tuple[Drift, ...]) -> str:
    return f"environment differs from spec: {listed(differences)}"


def not_observed(findings: tuple[Finding, ...]) -> str:
    return "not observed yet" + (f": {findings[0].message}" if findings else "")


def not_compared(findings: tuple[Finding, ...]) -> str:
    return "not compared with Baseten yet" + (f": {findings[0].message}" if findings else "")


def described(deployment: Deployment) -> str:
    """A deployment with its chainlets: every one, those in trouble first, when it failed or is unhealthy; else those that differ."""
    chainlets = sorted(deployment.chainlets, key=lambda c: (c.status in SERVING, c.name))
    if deployment.status not in FAILED | DEGRADED:
        chainlets = [c for c in chainlets if c.status != deployment.status]
    listing = f" ({names(f'{c.name} is {c.status}' for c in chainlets)})" if chainlets else ""
    return f"deployment {deployment.id} is {deployment.status}{listing}"


def serving(environment: Environment, current: Deployment) -> str:
    candidate = environment.candidate
    if candidate is None:
        return described(current)
    doing = f"deployment {candidate.id} is being promoted and" if environment.promoting else f"candidate deployment {candidate.id}"
    return f"{described(current)}; {doing} is {candidate.status}"


def under_way(environment: Environment) -> str:
    """What deploys or is promoted; empty when nothing does."""
    promoted = environment.candidate if environment.promoting else None
    current = environment.current if environment.current and in_progress(environment.current.status) else None
    moving = [described(d) for d in (current, promoted) if d is not None]
    progress = environment.promotion_progress
    if environment.promoting and progress is not None:
        share = "" if progress.traffic_percent is None else f", {progress.traffic_percent} % of the traffic"
        moving.append(f"the promotion is {progress.status}{share}")
    return "; ".join(moving)


SEE_LOGS = "see its logs on Baseten, then push or promote another one"
ACTIVATE = "activate it on Baseten, or push or promote another one"


# -- events --------------------------------------------------------------------------------------------------------


def created(where: str) -> EventRecord:
    return EventRecord(Event.CREATED, f"created {where}")


def adopted(desired: Desired) -> EventRecord:
    return EventRecord(Event.ADOPTED, f"adopted {desired.where}")


def recreated() -> EventRecord:
    return EventRecord(Event.VANISHED, "the environment was not found on Baseten and was created again", warning=True)


def corrected(event: Event, differences: tuple[Drift, ...]) -> EventRecord:
    return EventRecord(event, f"corrected {changed(differences)}")


def instance_types_changed(differences: tuple[Drift, ...]) -> EventRecord:
    return EventRecord(Event.INSTANCE_TYPES_CHANGED, f"changed {changed(differences)}; a deployment was started")


def promotion_started(deployment_id: str) -> EventRecord:
    return EventRecord(Event.PROMOTED, f"started the promotion of deployment {deployment_id}")


def deactivated(deployment_id: str) -> EventRecord:
    return EventRecord(Event.DEACTIVATED, f"deactivated deployment {deployment_id}")


def rollout_aborting(deployment_id: str) -> EventRecord:
    return EventRecord(Reason.ROLLOUT_ABORTED, f"aborted the rollout of deployment {deployment_id}: it was deactivated")


def deleted(deployment_id: str) -> EventRecord:
    return EventRecord(Event.DELETED, f"deleted deployment {deployment_id}")


def not_cleaned_up(entry: JournalEntry) -> EventRecord:
    """Of a refusal: nothing else waits for it, so no condition has it."""
    event, verb = (Event.NOT_DELETED, "delete") if entry.operation == Operation.DELETE else (Event.NOT_DEACTIVATED, "deactivate")
    message = (
        f"cleanup: Baseten refused to {verb} deployment {entry.target}: {(entry.message or '').rstrip('.')}; tried again after an hour"
    )
    return EventRecord(event, message, warning=True)


def concluded(event: Event | Reason, entry: JournalEntry) -> EventRecord:
    """Of what an earlier run sent and could not report any more."""
    deployment = entry.deployment_id or "not shown yet"
    return EventRecord(event, f"sent at {clock(entry)} without an answer, observed to have happened: deployment {deployment}")


def status_changed(which: str, deployment_id: str, status: str, before: str | None) -> EventRecord:
    """``which``: current or candidate; ``before``: its status before, None where it is new."""
    was = f"changed from {before} to" if before is not None else "is"
    return EventRecord(Event.DEPLOYMENT_STATUS, f"{which} deployment {deployment_id} {was} {status}", status in FAILED | DEGRADED)


def schedule_active(before: str | None, now: str | None) -> EventRecord:
    """Names of schedules; None: none."""
    if now is None:
        return EventRecord(Event.SCHEDULE_ACTIVE, f"schedule {before} ended; no schedule is active")
    instead = f" in place of {before}" if before else ""
    return EventRecord(Event.SCHEDULE_ACTIVE, f"schedule {now} became active{instead}")


def released(left_on: tuple[str, ...]) -> EventRecord:
    """``left_on``: deployments that may still run."""
    if not left_on:
        return EventRecord(Event.RELEASED, "finalizer removed, cleanup complete")
    message = f"finalizer removed; not deactivated and possibly still running: {names(left_on)}"
    return EventRecord(Event.NOT_DEACTIVATED, message, warning=True)
