"""What a resource that is being deleted waits for."""

from __future__ import annotations

from collections.abc import Iterable

from ...crd.types import ABANDON_ANNOTATION, JournalEntry
from ..environment import Deployment, Environment
from ..findings import Finding, Severity
from ..reasons import Reason
from ..text import clock, names

WAITING, BLOCKED, STALLED = Severity.WAITING, Severity.BLOCKED, Severity.STALLED


def unknown_whether_running(chain_id: str) -> Finding:
    message = (
        f"chain {chain_id} not found, or not accessible with this API key, so it is unknown whether deployments still run:"
        " use a key of the chain's workspace"
    )
    return Finding(STALLED, Reason.CHAIN_NOT_FOUND, message)


def missing_while_deleted(confirmed: str) -> Finding:
    return Finding(WAITING, Reason.ENVIRONMENT_MISSING, f"environment not found (404); the finalizer is removed if confirmed {confirmed}")


def may_have_started(entry: JournalEntry) -> Finding:
    message = f"being deleted; waiting for the deployment that {entry.operation}, sent at {clock(entry)}, may have started"
    return Finding(WAITING, Reason.DELETING, message)


def busy(environment: Environment) -> list[str]:
    """Chainlets with replicas, or with a minReplica above 0."""
    chainlets = [c for d in environment.deployments for c in d.chainlets]
    running = {c.name: f"{c.name} has {c.active_replicas} replicas" for c in chainlets if c.active_replicas}
    settings = [(c.name, c.autoscaling) for c in chainlets] + [(c.name, c.autoscaling) for c in environment.chainlets]
    kept = {
        name: f"{name} has minReplica {autoscaling['min_replica']}"
        for name, autoscaling in settings
        if autoscaling and int(autoscaling.get("min_replica", 0)) > 0
    }
    return list({**kept, **running}.values())


def not_idle(chainlets: Iterable[str]) -> Finding:
    message = (
        f"being deleted; waits until no chainlet has replicas or a minReplica above 0: {names(chainlets)}; or set deletionPolicy to Retain"
    )
    return Finding(WAITING, Reason.WAITING_FOR_IDLE, message)


def deactivating(deployment: Deployment) -> Finding:
    wanted = "" if deployment.status == "DEACTIVATING" else "; waiting until it is INACTIVE"
    return Finding(WAITING, Reason.DELETING, f"being deleted; deployment {deployment.id} is {deployment.status}{wanted}")


def abandon_hint(namespace: str, name: str, message: str) -> str:
    """What keeps a resource that is being deleted is described with the way to end that."""
    command = f"kubectl annotate chenv {name} -n {namespace} {ABANDON_ANNOTATION}=true"
    return f"being deleted, but {message}. To remove the finalizer and leave what runs on Baseten as it is: {command}"
