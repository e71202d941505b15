"""What to do about a resource that is being deleted (DESIGN section 2, the last two rows)."""

from __future__ import annotations

from .actions import REFUSALS, Deactivate, Draft, Operation, Plan, Severity
from .attempts import Verdict, begin, verdict
from .reasons import Reason
from .words import names
from .world import FAILED, OFF, Deployment, Environment, World, digest

ABANDON_HINT = "kubectl annotate chenv {name} chains.baseten.co/abandon=true lets the resource go without it"


def keeps_finalizer(deletion_policy: str, management_policy: str) -> bool:
    """Whether there is work on Baseten before the resource may go."""
    return deletion_policy != "Retain" and management_policy != "Observe"


def plan_deletion(world: World) -> Plan:
    """Deactivate current and candidate, wait for INACTIVE or 404, release. Nothing that was never ours is touched."""
    draft = Draft({e.operation: e for e in world.journal})
    desired = world.desired
    if not keeps_finalizer(desired.deletion, desired.management) or not world.known:
        return draft.done(release=True)
    if world.environment is None:
        return _gone(world, draft)
    on = [d for d in world.environment.deployments if d.status not in OFF]
    if not on:
        return draft.done(release=True)
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


def _busy(environment: Environment) -> list[str]:
    running = {
        c.name: f"{c.name} has {c.active_replicas} replicas" for d in environment.deployments for c in d.chainlets if c.active_replicas
    }
    kept = {
        c.name: f"{c.name} has minReplica {c.autoscaling['min_replica']}"
        for c in environment.chainlets
        if c.autoscaling and int(c.autoscaling.get("min_replica", 0)) > 0
    }
    return list({**kept, **running}.values())


def _waiting_for(busy: list[str]) -> str:
    return f"being deleted; waits until no chainlet has replicas or a minReplica above 0: {names(busy)}. Or set deletionPolicy to Retain"


def _deactivate(world: World, draft: Draft, deployment: Deployment) -> None:
    if deployment.status == "DEACTIVATING":
        draft.note(Severity.WAITING, Reason.DELETING, f"being deleted; deployment {deployment.id} is DEACTIVATING")
        return
    operation = f"{Operation.DEACTIVATE}/{deployment.id}"
    entry = draft.journal.get(operation)
    hashed = digest(deployment.id)
    if entry is not None and entry.outcome in REFUSALS and deployment.status in FAILED:
        return
    said = verdict(world, draft, entry, hashed, patience=world.timing.resend)
    if said is Verdict.SEND:
        draft.act(Deactivate(deployment.id), begin(world, operation, hashed, entry, target=deployment.id))
    elif said is Verdict.WAIT:
        draft.note(
            Severity.WAITING, Reason.DELETING, f"being deleted; waits until deployment {deployment.id} ({deployment.status}) is INACTIVE"
        )
