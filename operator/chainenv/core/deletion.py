"""What to do about a resource that is being deleted (DESIGN section 2, the last two rows)."""

from __future__ import annotations

from dataclasses import replace

from ..crd.types import JournalEntry
from .actions import REFUSALS, Deactivate, Draft, Operation, Outcome, Plan, Severity
from .attempts import MOST_ATTEMPTS, Verdict, begin, clock, unsettled, verdict
from .reasons import Reason
from .words import names
from .world import FAILED, OFF, Deployment, Environment, World, digest


def keeps_finalizer(deletion_policy: str, management_policy: str) -> bool:
    """Whether there is work on Baseten before the resource may go."""
    return deletion_policy != "Retain" and management_policy != "Observe"


def plan_deletion(world: World) -> Plan:
    """Deactivate current and candidate, wait for INACTIVE or 404, release. Nothing that was never ours is touched."""
    draft = Draft({e.operation: e for e in world.journal})
    desired = world.desired
    if not keeps_finalizer(desired.deletion, desired.management) or not world.ours:
        return draft.done(release=True)
    if world.environment is None:
        return _gone(world, draft)
    on = [d for d in world.environment.deployments if d.status not in OFF and not _given_up(world, d)]
    if not on:
        return _last_look(draft)
    busy = _busy(world.environment) if desired.deletion == "DeactivateWhenIdle" else []
    if busy:
        draft.note(Severity.WAITING, Reason.WAITING_FOR_IDLE, _waiting_for(busy))
        return draft.done()
    for deployment in on:
        _deactivate(world, draft, deployment)
    return draft.done(release=not draft.actions and not draft.findings)


def _gone(world: World, draft: Draft) -> Plan:
    """A single 404 is not believed: the deployments might go on running."""
    if world.missing_since is not None and world.since(world.missing_since).total_seconds() >= world.timing.vanish:
        return draft.done(release=True)
    draft.note(
        Severity.WAITING,
        Reason.ENVIRONMENT_MISSING,
        f"Baseten does not find the environment; released if it is still missing in {world.timing.vanish:g} s",
    )
    return draft.done(missing=True)


def _last_look(draft: Draft) -> Plan:
    """What was started and does not show yet must not go on running unseen."""
    coming = [entry for entry in draft.journal.values() if unsettled(entry)]
    if not coming:
        return draft.done(release=True)
    message = f"being deleted; waits for what {coming[0].operation} of {clock(coming[0])} started"
    draft.note(Severity.WAITING, Reason.DELETING, message)
    return draft.done()


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
