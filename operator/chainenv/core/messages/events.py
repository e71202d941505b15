"""Events: what happened, in the past tense."""

from __future__ import annotations

from ...crd.enums import Operation
from ...crd.types import Drift, JournalEntry
from ..desired import Desired
from ..environment import DEGRADED, FAILED
from ..findings import EventRecord
from ..reasons import Event, Reason
from ..text import changed, clock, names


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
    message = f"cleanup: Baseten refused to {verb} deployment {entry.target}: {(entry.message or '').rstrip('.')}; retried hourly"
    return EventRecord(event, message, warning=True)


def concluded(event: Event | Reason, entry: JournalEntry) -> EventRecord:
    """Of what an earlier run sent and could not report any more."""
    deployment = f": deployment {entry.deployment_id}" if entry.deployment_id else ""
    return EventRecord(event, f"the update sent at {clock(entry)} had no answer, and was observed to have happened{deployment}")


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
