"""What to do about a resource that is being deleted (docs/behaviour.md)."""

from __future__ import annotations

from dataclasses import replace

from ..crd.types import JournalEntry
from .actions import REFUSALS, Deactivate, Draft, Operation, Outcome, Plan, Severity
from .attempts import MOST_ATTEMPTS, Verdict, at, begin, clock, unsettled, verdict
from .reasons import Reason
from .words import names
from .world import FAILED, OFF, Deployment, Environment, World, digest


def keeps_finalizer(deletion_policy: str, management_policy: str) -> bool:
    """Whether there is work on Baseten before the resource may go."""
    return deletion_policy != "Retain" and management_policy != "Observe"


def plan_deletion(world: World) -> Plan:
    """Deactivate current and candidate, wait for INACTIVE or 404, release.

    An environment that was not observed before is treated as its adoption would have treated it: a deployment must not go on
    running because the resource was deleted a moment too early.
    """
    desired = world.desired
    if not keeps_finalizer(desired.deletion, desired.management):
        return Plan(journal=world.journal, release=True)
    if world.environment is None:
        return _gone(world)
    if not world.ours and desired.adoption == "Fail":
        return Plan(journal=world.journal, release=True)
    shown = {f"{Operation.DEACTIVATE}/{d.id}" for d in world.environment.deployments}
    draft = Draft(
        {
            e.operation: e
            for e in world.journal
            if e.operation in shown or not (e.operation.startswith(f"{Operation.DEACTIVATE}/") or e.operation == Operation.CREATE)
        }
    )
    on = [d for d in world.environment.deployments if d.status not in OFF and not _given_up(world, d)]
    if not on:
        return _last_read(draft, _left_on(world, world.environment))
    busy = _busy(world.environment) if desired.deletion == "DeactivateWhenIdle" else []
    if busy:
        draft.note(Severity.WAITING, Reason.WAITING_FOR_IDLE, _waiting_for(busy))
        return draft.done(ours=True)
    for deployment in on:
        _deactivate(world, draft, deployment)
    return draft.done(ours=True, release=not draft.actions and not draft.findings)


def _gone(world: World) -> Plan:
    """A single 404 is not believed, and none at all with a key that cannot see the chain: the deployments might go on running."""
    draft = Draft({e.operation: e for e in world.journal})
    created = world.entry(Operation.CREATE)
    if world.chain_missing:
        message = (
            f"chain {world.desired.chain_id} not found, or not accessible with this API key, so it is unknown whether deployments"
            " still run: use a key of the chain's workspace"
        )
        draft.note(Severity.STALLED, Reason.CHAIN_NOT_FOUND, message)
        return draft.done()
    doubt = world.timing.vanish
    if created is not None and created.finished_at is None:
        doubt = max(doubt, world.timing.settle)  # the create may still arrive
    if world.missing_since is not None and world.since(world.missing_since).total_seconds() >= doubt:
        return draft.done(release=True)
    until = at(world.missing_since or world.now, doubt)
    draft.note(Severity.WAITING, Reason.ENVIRONMENT_MISSING, f"environment not found (404); the finalizer is removed if confirmed {until}")
    return draft.done(missing=True)


def _left_on(world: World, environment: Environment) -> tuple[str, ...]:
    """Deployments that Baseten refused to deactivate."""
    entries = [(d, _entry(world, d)) for d in environment.deployments if d.status not in OFF]
    return tuple(d.id for d, entry in entries if entry is not None and entry.outcome != Outcome.NOT_FOUND)


def _last_read(draft: Draft, left_on: tuple[str, ...]) -> Plan:
    """What was started and does not show yet must not go on running unseen."""
    coming = [entry for entry in draft.journal.values() if unsettled(entry)]
    if not coming:
        return draft.done(release=True, left_on=left_on)
    message = f"being deleted; waiting for the deployment that {coming[0].operation} of {clock(coming[0])} may have started"
    draft.note(Severity.WAITING, Reason.DELETING, message)
    return draft.done(ours=True)


def _busy(environment: Environment) -> list[str]:
    chainlets = [c for d in environment.deployments for c in d.chainlets]
    running = {c.name: f"{c.name} has {c.active_replicas} replicas" for c in chainlets if c.active_replicas}
    settings = [(c.name, c.autoscaling) for c in chainlets] + [(c.name, c.autoscaling) for c in environment.chainlets]
    kept = {
        name: f"{name} has minReplica {autoscaling['min_replica']}"
        for name, autoscaling in settings
        if autoscaling and int(autoscaling.get("min_replica", 0)) > 0
    }
    return list({**kept, **running}.values())


def _waiting_for(busy: list[str]) -> str:
    return f"being deleted; waits until no chainlet has replicas or a minReplica above 0: {names(busy)}. Or set deletionPolicy to Retain"


def _entry(world: World, deployment: Deployment) -> JournalEntry | None:
    return world.entry(f"{Operation.DEACTIVATE}/{deployment.id}")


def _given_up(world: World, deployment: Deployment) -> bool:
    """404 is as good as INACTIVE; one that failed for good has nothing running, and may never become INACTIVE."""
    entry = _entry(world, deployment)
    if entry is None:
        return False
    over = entry.outcome in REFUSALS or entry.attempts >= MOST_ATTEMPTS
    return entry.outcome == Outcome.NOT_FOUND or (over and deployment.status in FAILED)


def _refused_long_ago(world: World, entry: JournalEntry | None) -> bool:
    """Perhaps refused only because the deployment was busy: it costs money, so it is not left on for an hour."""
    if entry is None or entry.outcome not in REFUSALS or entry.finished_at is None:
        return False
    return world.since(entry.finished_at).total_seconds() >= world.timing.settle


def _deactivate(world: World, draft: Draft, deployment: Deployment) -> None:
    if deployment.status == "DEACTIVATING":
        draft.note(Severity.WAITING, Reason.DELETING, f"being deleted; deployment {deployment.id} is DEACTIVATING")
        return
    entry, judged = _entry(world, deployment), Draft({})
    hashed = digest(deployment.id)
    said = verdict(world, judged, entry, hashed, patience=world.timing.resend)
    if said is Verdict.SEND or _refused_long_ago(world, entry):
        operation = f"{Operation.DEACTIVATE}/{deployment.id}"
        draft.act(Deactivate(deployment.id), begin(world, operation, hashed, entry, target=deployment.id))
    elif said is Verdict.WAIT:
        draft.note(Severity.WAITING, Reason.DELETING, f"being deleted; deployment {deployment.id} is {deployment.status}, wanted INACTIVE")
    else:
        draft.findings += [replace(f, message=f"deployment {deployment.id}: {f.message}") for f in judged.findings]
