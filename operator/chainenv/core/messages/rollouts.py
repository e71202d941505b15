"""Rollouts: under way, failed, held back."""

from __future__ import annotations

from datetime import datetime

from ...crd.enums import Operation
from ...crd.types import ABORT_ANNOTATION, RECONCILE_ANNOTATION, Drift, JournalEntry
from ..cost import BudgetResult
from ..environment import SERVING, Environment
from ..findings import Finding, Severity
from ..reasons import Reason
from ..text import absolute, clock, listed, names
from .conditions import described

WAITING, BLOCKED, STALLED = Severity.WAITING, Severity.BLOCKED, Severity.STALLED


_ROLLOUTS: dict[str, str] = {Operation.INSTANCE_TYPES: "the change of instance types", Operation.PROMOTE: "the promotion"}
_PREVIOUS_SERVES = "the previous deployment keeps serving; not retried automatically"


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
        f"rollout failed: {_ROLLOUTS[entry.operation]} sent at {clock(entry)}: {entry.message}; {_PREVIOUS_SERVES}:"
        " fix the chain and push or promote a deployment, or change the spec",
    )


def rollout_aborted(entry: JournalEntry) -> Finding:
    return Finding(
        BLOCKED,
        Reason.ROLLOUT_ABORTED,
        f"rollout aborted: {_ROLLOUTS[entry.operation]} sent at {clock(entry)}: deployment {entry.deployment_id} was deactivated;"
        f" {_PREVIOUS_SERVES}: change the spec, or set the annotation {RECONCILE_ANNOTATION}",
    )


def deadline_exceeded(entry: JournalEntry, deadline: datetime) -> Finding:
    deployment = f"deployment {entry.deployment_id}" if entry.deployment_id else "its deployment"
    abort = f"; to abort it, annotate {ABORT_ANNOTATION}={entry.deployment_id}" if entry.deployment_id else ""
    return Finding(
        STALLED,
        Reason.ROLLOUT_DEADLINE_EXCEEDED,
        f"{_ROLLOUTS[entry.operation]} sent at {clock(entry)}: {deployment} did not serve by {absolute(deadline)}"
        f" (rollout.deadlineSeconds); nothing is rolled back, and it may still become current{abort}",
    )


PRICES_NOT_READ = "the prices of instance types have not been read from Baseten yet"


def over_budget(what: str, budget: BudgetResult) -> Finding:
    """What is held back by the budget, when it starts no deployment."""
    severity = STALLED if budget.reason == Reason.BUDGET_EXCEEDED else WAITING
    return Finding(
        severity, budget.reason or Reason.BUDGET_EXCEEDED, f"{what} of {names(sorted(budget.held))} is not sent: {budget.message}"
    )


def after_the_other(what: str, other: str) -> Finding:
    message = f"{what} waits until the change of {other} has been observed, to stay within budget.maxUSDPerHour"
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
