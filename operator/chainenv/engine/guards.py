"""What stops a run before any call to Baseten is made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from ..core.actions import Finding, Severity
from ..core.deletion import keeps_finalizer
from ..core.reasons import Reason
from ..core.status import Report
from ..core.world import Resource
from ..crd.types import ENVIRONMENT_NAME_PATTERN


@dataclass(frozen=True, slots=True)
class Stop:
    """``release``: being deleted, and nothing on Baseten is to be done about it."""

    report: Report
    release: bool = False


def finalizer_wanted(resource: Resource) -> bool:
    """A resource that cannot be read keeps what it has: what its policy is cannot be known."""
    if resource.invalid is not None:
        return resource.has_finalizer
    return keeps_finalizer(resource.desired.deletion, resource.desired.management)


def guard(resource: Resource, owner: Resource | None, now: datetime, *, stale: bool) -> Stop | None:
    """None: go on. ``owner`` is the other resource that owns the environment (Store.owner_of). ``stale``: see Report."""
    nothing_to_do = resource.abandoned or owner is not None or not finalizer_wanted(resource)
    if resource.deleting and nothing_to_do:
        return Stop(_report(resource, now), release=True)
    finding = _problem(resource, owner)
    if finding is not None:
        return Stop(_report(resource, now, finding))
    if resource.desired.management == "Pause":
        waiting = Finding(Severity.WAITING, Reason.PAUSED, _PAUSED_DELETION) if resource.deleting else None
        return Stop(_report(resource, now, waiting, paused=True, stale=stale))
    return None


_PAUSED_DELETION = (
    "being deleted, but managementPolicy is Pause and its deletionPolicy needs calls to Baseten: set managementPolicy to Reconcile,"
    " deletionPolicy to Retain, or the annotation chains.baseten.co/abandon=true"
)


def _report(resource: Resource, now: datetime, finding: Finding | None = None, *, paused: bool = False, stale: bool = False) -> Report:
    return Report(
        generation=resource.generation,
        now=now,
        findings=(finding,) if finding else (),
        journal=resource.status.operations,
        drift=resource.status.drift,
        paused=paused,
        stale=stale,
        deleting=resource.deleting,
    )


def _problem(resource: Resource, owner: Resource | None) -> Finding | None:
    if resource.invalid is not None:
        return Finding(Severity.STALLED, Reason.INVALID_RESOURCE, f"the resource cannot be read: {resource.invalid}")
    name = resource.desired.environment
    if not re.fullmatch(ENVIRONMENT_NAME_PATTERN, name):
        return Finding(
            Severity.STALLED,
            Reason.INVALID_ENVIRONMENT_NAME,
            f"{name} is not a name for an environment on Baseten (lower-case letters, digits and '-', no '-' at either end):"
            " create the resource again with spec.environmentName",
        )
    if owner is None or resource.desired.management == "Observe":  # who only reads is in nobody's way
        return None
    return _duplicate(resource, owner)


def _duplicate(resource: Resource, owner: Resource) -> Finding:
    """Names in other namespaces are not for this namespace's eyes."""
    who = f"ChainEnvironment {owner.name}" if owner.namespace == resource.namespace else "a ChainEnvironment in another namespace"
    why = "is older" if owner.created_at <= resource.created_at else "was the first to read it"
    chain_id, name = resource.target
    return Finding(
        Severity.STALLED,
        Reason.DUPLICATE_TARGET,
        f"environment {name} of chain {chain_id} is managed by {who}, which {why}: delete one of the two",
    )
