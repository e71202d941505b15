"""Who did what was found: one call to the chain's audit log, after the run and beside everything else. Its failure changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from itertools import takewhile

from ..api import ApiKey, Baseten, BasetenError, CredentialsRefused, Forbidden
from ..api import models as m
from ..api import requests as r
from ..core.findings import EventRecord
from ..core.reasons import Event, Reason
from ..core.resource import Resource
from .memory import Memory
from .ports import Events

ASK_SECONDS = 20.0
"""Longest time a question may take; an event waits for its answer no longer."""
REFUSED_SECONDS = 3600.0
"""So long a key that may not read audit logs is not tried again."""
MOST_ENTRIES = 100
_DEPLOYING = ("CHAIN_DEPLOYED", "CHAIN_DEPLOYMENT_PROMOTED", "CHAINLET_INSTANCE_TYPE_CHANGED")
_KINDS: dict[Event | Reason, tuple[str, ...]] = {
    Event.AUTOSCALING_CORRECTED: ("CHAINLET_AUTOSCALING_SETTINGS_CHANGED",),
    Event.PROMOTION_SETTINGS_CORRECTED: ("CHAIN_ENVIRONMENT_UPDATED",),
    Event.INSTANCE_TYPES_CHANGED: _DEPLOYING,
}
"""By the event of a correction: what may have made the drift."""
ONE_CALL = timedelta(seconds=60)
"""One call is an entry a chainlet; they are of the same moment."""


class Audit(StrEnum):
    """CHAINENV_AUDIT: how much is shown. SOURCE: through which surface, no person's name."""

    FULL = "full"
    SOURCE = "source"
    OFF = "off"


class Inquiries:
    """Questions under way. ``monotonic``: seconds."""

    def __init__(self, shown: Audit, events: Events, monotonic: Callable[[], float]) -> None:
        self._shown = shown
        self._events = events
        self._monotonic = monotonic
        self._refused: dict[str, float] = {}
        """By the key's fingerprint: when it was refused."""
        self._running: set[asyncio.Task[None]] = set()

    def may_ask(self, baseten: Baseten) -> bool:
        refused = self._refused.get(baseten.key.fingerprint)
        return self._shown != Audit.OFF and (refused is None or self._monotonic() - refused >= REFUSED_SECONDS)

    def ask(self, baseten: Baseten, resource: Resource, memory: Memory, corrected: list[EventRecord], stranger: str | None) -> None:
        """Emits the events with who made the drift that they corrected, and remembers who brought the deployment ``stranger``."""
        if corrected or stranger:
            task = asyncio.get_running_loop().create_task(self._answer(baseten, resource, memory, corrected, stranger))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer(
        self, baseten: Baseten, resource: Resource, memory: Memory, corrected: list[EventRecord], stranger: str | None
    ) -> None:
        entries: tuple[m.AuditEntry, ...] = ()
        try:
            entries = await self._entries(baseten, resource)
        finally:  # also when the process ends: the event is written
            for event in corrected:
                changed_by = self._words(of_correction(entries, event, baseten.key, resource.target[1], _deployments(resource)))
                told = replace(event, message=f"{event.message} (changed by {changed_by})") if changed_by else event
                self._events.emit(resource, told)
        if stranger and (brought_by := self._words(_of_deployment(entries, baseten, resource.target[1], stranger))):
            memory.actors = {stranger: brought_by}

    async def _entries(self, baseten: Baseten, resource: Resource) -> tuple[m.AuditEntry, ...]:
        groups: tuple[r.AuditLogEventTypeGroup, ...] = (
            "DEPLOYED",
            "PROMOTED",
            "AUTOSCALING_SETTINGS",
            "INSTANCE_TYPE_CHANGED",
            "ENVIRONMENT_SETTINGS",
        )
        try:
            async with asyncio.timeout(ASK_SECONDS):
                answer = await baseten.list_audit_logs(resource.target[0], r.AuditLogsQuery(limit=MOST_ENTRIES, event_type_groups=groups))
        except (CredentialsRefused, Forbidden):
            self._refused[baseten.key.fingerprint] = self._monotonic()
            return ()
        except (BasetenError, TimeoutError):
            return ()
        return answer.items

    def _words(self, entry: m.AuditEntry | None) -> str | None:
        """None when nothing may, or can, be said."""
        if entry is None:
            return None
        source, actor = entry.source, entry.actor
        if self._shown == Audit.SOURCE or actor is None:
            return source or None
        name = actor.email or (f"API key {actor.api_key_name}" if actor.api_key_name else actor.type)
        return " via ".join(part for part in (name, source) if part) or None


def _deployments(resource: Resource) -> frozenset[str]:
    """Those of the environment: entries about chainlets name the deployment, not the environment."""
    status = resource.status
    now = (each.id for each in (status.current_deployment, status.candidate_deployment) if each is not None)
    return frozenset((*now, *(each.deployment_id for each in status.history)))


def of_correction(
    entries: Iterable[m.AuditEntry], event: EventRecord, key: ApiKey, environment: str, deployments: Collection[str]
) -> m.AuditEntry | None:
    """Who made what was corrected: the newest change of its kind to this environment, before the correction itself. None when that
    was the operator's own too: nobody else has changed anything since, and what is older has been corrected before.
    """
    kinds, about = _KINDS.get(event.reason, ()), [(e, e.event_data) for e in entries if e.event_data]
    here = (e for e, data in about if e.event_type in kinds and _is_of(data, environment, deployments))
    made = sorted(((e.created, e.id, e) for e in here if e.created), key=lambda each: each[:2], reverse=True)
    itself = sum(1 for _ in takewhile(lambda each: _is_own(each[2], key) and made[0][0] - each[0] <= ONE_CALL, made))
    found = made[itself][2] if itself < len(made) else None
    return None if found is None or _is_own(found, key) else found


def _is_of(data: m.AuditEvent, environment: str, deployments: Collection[str]) -> bool:
    if data.environment_name is not None:
        return data.environment_name == environment
    return data.chain_deployment_id in deployments


def _of_settings(entries: Iterable[m.AuditEntry], baseten: Baseten, environment: str) -> m.AuditEntry | None:
    """The newest change of this environment that the operator's own key did not make."""
    return _newest(e for e in entries if e.event_data and e.event_data.environment_name == environment and not _is_own(e, baseten.key))


def _of_deployment(entries: tuple[m.AuditEntry, ...], baseten: Baseten, environment: str, deployment: str) -> m.AuditEntry | None:
    """What names the deployment itself, else the newest that brought one into this environment: a copy has another id."""
    named = _newest(e for e in entries if e.event_data and e.event_data.chain_deployment_id == deployment)
    deploying = [e for e in entries if e.event_type in _DEPLOYING]
    return named or _of_settings(deploying, baseten, environment)


def _newest(entries: Iterable[m.AuditEntry]) -> m.AuditEntry | None:
    return max((e for e in entries if e.created), key=lambda e: (e.created, e.id), default=None)


def _is_own(entry: m.AuditEntry, key: ApiKey) -> bool:
    prefix = entry.actor.api_key_prefix if entry.actor else None
    return bool(prefix) and key.begins_with(prefix or "")
