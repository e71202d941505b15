"""What a plan is made of: actions (data, nothing here calls anything), findings, and what they mean for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from ..crd.types import Drift, JournalEntry
from .reasons import Reason
from .world import Settings


class Operation(StrEnum):
    """Kinds of journal entries; each kind has at most one entry (Deactivate: one a deployment), so the journal is bounded.

    PROMOTE is a promotion under way, refused or failed; PROMOTED is the last one that was done with, so that each
    deploymentID is promoted once.
    """

    CREATE = "CreateEnvironment"
    PROMOTION_SETTINGS = "UpdatePromotionSettings"
    AUTOSCALING = "UpdateAutoscaling"
    INSTANCE_TYPES = "UpdateInstanceTypes"
    PROMOTE = "Promote"
    PROMOTED = "Promoted"
    DEACTIVATE = "Deactivate"


ROLLOUTS = (Operation.INSTANCE_TYPES, Operation.PROMOTE)
"""Operations that start a deployment: never sent before their intent is written."""


class Outcome(StrEnum):
    """What came of a call. FAILED: accepted, but the rollout it started did not succeed. LOST: no answer, and no effect to be seen."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    NOT_FOUND = "NotFound"
    FORBIDDEN = "Forbidden"
    FAILED = "Failed"
    LOST = "Lost"


MOST_UNCONFIRMED = 2
"""So many sends of the same values may start a deployment without an answer that says so; then only a person makes another try."""

REFUSALS = (Outcome.REFUSED, Outcome.NOT_FOUND, Outcome.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class CreateEnvironment:
    promotion: Settings
    chainlets: tuple[tuple[str, str | None, Settings], ...]
    recreated: bool = False
    cleanup_inside: bool = False


@dataclass(frozen=True, slots=True)
class UpdatePromotionSettings:
    changes: Settings
    differences: tuple[Drift, ...]
    cleanup_inside: bool = False
    cleanup_outside: bool = False


@dataclass(frozen=True, slots=True)
class UpdateAutoscaling:
    changes: Mapping[str, Settings]
    differences: tuple[Drift, ...]


@dataclass(frozen=True, slots=True)
class UpdateInstanceTypes:
    changes: Mapping[str, str]
    differences: tuple[Drift, ...]


@dataclass(frozen=True, slots=True)
class Promote:
    deployment_id: str
    scale_down_previous: bool | None


@dataclass(frozen=True, slots=True)
class Deactivate:
    deployment_id: str


Correction = UpdatePromotionSettings | UpdateAutoscaling | UpdateInstanceTypes
Call = CreateEnvironment | Correction | Promote | Deactivate


@dataclass(frozen=True, slots=True)
class Action:
    """One call to make and its journal entry. ``intent_first``: the entry must be durable before the call is made."""

    call: Call
    entry: JournalEntry
    intent_first: bool = False


class Severity(IntEnum):
    """WAITING passes by itself; BLOCKED needs a look, the rest goes on; STALLED: nothing goes on until something changes."""

    WAITING = 1
    BLOCKED = 2
    STALLED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Why the resource is not, or not yet, as its spec says.

    ``again``: when the next try is; for conditions only, because an event that names a time could not be counted.
    """

    severity: Severity
    reason: Reason
    message: str
    again: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """``journal`` is the journal before the actions. ``release``: the finalizer may go; ``left_on``: though these
    deployments may still run."""

    actions: tuple[Action, ...] = ()
    findings: tuple[Finding, ...] = ()
    drift: tuple[Drift, ...] = ()
    journal: tuple[JournalEntry, ...] = ()
    adopted: bool = False
    ours: bool = False
    missing: bool = False
    release: bool = False
    left_on: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """A plan being put together by the rules, in order."""

    journal: dict[str, JournalEntry]
    actions: list[Action] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)

    def act(self, call: Call, entry: JournalEntry, *, intent_first: bool = False) -> None:
        self.actions.append(Action(call, entry, intent_first))

    def note(self, severity: Severity, reason: Reason, message: str) -> None:
        self.findings.append(Finding(severity, reason, message))

    def done(self, *, left_on: tuple[str, ...] = (), **more: bool) -> Plan:
        return Plan(tuple(self.actions), tuple(self.findings), tuple(self.drift), tuple(self.journal.values()), left_on=left_on, **more)


def with_entry(journal: tuple[JournalEntry, ...], entry: JournalEntry) -> tuple[JournalEntry, ...]:
    """The journal with the entry in the place of the older one of its kind."""
    return (*(e for e in journal if e.operation != entry.operation), entry)
