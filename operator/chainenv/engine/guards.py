"""What stops a run before any call to Baseten is made."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core import messages
from ..core.desired import keeps_finalizer
from ..core.findings import Finding
from ..core.resource import Resource
from ..crd.enums import ManagementPolicy
from ..crd.types import ENVIRONMENT_NAME_PATTERN


@dataclass(frozen=True, slots=True)
class Release:
    """Being deleted, and nothing on Baseten is to be done about it."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing may be done; the finding says why."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Nothing is to be done. ``finding``: what waits for its end."""

    finding: Finding | None = None


GuardResult = Release | Blocked | PauseRequested | None
"""None: go on."""


def finalizer_wanted(resource: Resource) -> bool:
    """A resource that cannot be read keeps what it has: what its policy is cannot be known."""
    if resource.invalid is not None:
        return resource.has_finalizer
    return keeps_finalizer(resource.desired.deletion, resource.desired.management)


def guard(resource: Resource, owner: Resource | None) -> GuardResult:
    """``owner``: the other resource that owns the environment (Store.owner_of); who only observes is in nobody's way."""
    if resource.deleting and (resource.abandoned or owner is not None or not finalizer_wanted(resource)):
        return Release()
    if resource.invalid is not None:
        return Blocked(messages.invalid_resource(resource.invalid))
    if not resource.deleting and (problem := resource.calendar_problem) is not None:
        return Blocked(messages.invalid_resource(problem))
    desired = resource.desired
    if not re.fullmatch(ENVIRONMENT_NAME_PATTERN, desired.environment):
        return Blocked(messages.invalid_environment_name(desired.environment))
    if owner is not None and not desired.observing:
        name = owner.name if owner.namespace == resource.namespace else None
        return Blocked(messages.duplicate_target(desired, name, older=owner.created_at <= resource.created_at))
    if desired.management == ManagementPolicy.PAUSE:
        return PauseRequested(messages.paused_deletion() if resource.deleting else None)
    return None
