"""Events for what is different in a new status; nothing for what stayed."""

from __future__ import annotations

from collections.abc import Iterable

from ...crd.types import ChainEnvironmentStatus
from .. import messages
from ..environment import KNOWN_PROGRESS
from ..findings import EventRecord, Finding
from ..reasons import Reason
from .report import TRANSIENT

_WORTH_AN_EVENT = TRANSIENT | {
    Reason.CHAINLET_NOT_FOUND,
    Reason.DEPLOYMENT_NOT_FOUND,
    Reason.NOT_CONVERGING,
    Reason.ROLLOUT_FAILED,
    Reason.WOULD_CREATE,
    Reason.DRIFTED,
    Reason.SOURCE_NOT_FOUND,
    Reason.ENVIRONMENT_MISSING,
}


def changes(previous: ChainEnvironmentStatus, new: ChainEnvironmentStatus, findings: tuple[Finding, ...] = ()) -> Iterable[EventRecord]:
    """Of deployments, and a Warning with the condition's own reason: once when it begins, not again when it becomes final.

    That the first deployment of an environment is on its way is the same fact as the environment's creation, which has an event; the
    next one is of what becomes of it.
    """
    for which, before, after in (
        ("current", previous.current_deployment, new.current_deployment),
        ("candidate", previous.candidate_deployment, new.candidate_deployment),
    ):
        begins = which == "current" and before is None and after is not None and after.status in KNOWN_PROGRESS
        if after is not None and not begins and (before is None or (before.id, before.status) != (after.id, after.status)):
            same = before is not None and before.id == after.id
            yield messages.status_changed(which, after.id, after.status, before.status if before is not None and same else None)
    was, is_ = (status.schedule.active if status.schedule else None for status in (previous, new))
    if was != is_:
        yield messages.schedule_active(was, is_)
    texts = {f.reason.value: f.message for f in findings}
    earlier = {c.type: c.reason for c in previous.conditions}
    now = {c.type: c for c in new.conditions}
    stalled, synced = now.get("Stalled"), now.get("Synced")
    reported = earlier.get("Synced") if earlier.get("Synced") in _WORTH_AN_EVENT else None
    if stalled is not None:
        if stalled.reason not in (earlier.get("Stalled"), reported, Reason.ROLLOUT_ABORTED):  # that was recorded when it was done
            yield EventRecord(Reason(stalled.reason), texts.get(stalled.reason, stalled.message), warning=True)
    elif synced is not None and synced.status == "False" and synced.reason in _WORTH_AN_EVENT and earlier.get("Synced") != synced.reason:
        yield EventRecord(Reason(synced.reason), texts.get(synced.reason, synced.message), warning=True)
