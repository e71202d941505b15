"""What served in an environment, as a fold over observations; and what of it may be cleaned up. It lives in the status alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ..crd.types import Cleanup, HistoryEntry

MOST_ENTRIES = 10

History = tuple[HistoryEntry, ...]
"""Newest first; only the first one may have no ``until``, and then serves."""


class Cause(StrEnum):
    """Why a deployment came to serve."""

    CREATED = "Created"
    INSTANCE_TYPES = "InstanceTypes"
    PROMOTION = "Promotion"
    EXTERNAL = "External"


@dataclass(frozen=True, slots=True)
class Origin:
    """A rollout of this resource's own that a deployment came of. ``began``: when its intent was written. ``source``: the deployment
    that was asked for."""

    cause: Cause
    began: datetime
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """One read of the environment.

    ``current``: the current deployment, None when there is none. ``serves``: whether it does, or has; a first deployment that
    still builds does not. ``created``: this resource has created the environment. ``origins``: by deployment, what the journal
    knows. ``actors``: by deployment, who did it.
    """

    now: datetime
    current: str | None
    serves: bool = True
    created: bool = False
    origins: Mapping[str, Origin] = field(default_factory=dict)
    actors: Mapping[str, str] = field(default_factory=dict)


def fold(history: History, observed: Observed) -> History:
    """The history after one more observation; the same one again changes nothing. A history that was lost starts anew.

    Times are whole seconds, as in all of Kubernetes.
    """
    now = observed.now.replace(microsecond=0)
    newest = history[0] if history else None
    if newest and newest.until is None:
        if newest.deployment_id == observed.current:
            return (_explained(newest, observed), *history[1:])
        history = (newest.model_copy(update={"until": max(now, newest.since)}), *history[1:])
    if observed.current is None or not observed.serves:
        return history
    since = max(now, history[0].until or now) if history else now
    cause = Cause.CREATED if observed.created and not history else Cause.EXTERNAL
    entry = HistoryEntry(deployment_id=observed.current, cause=cause.value, since=since)
    return (_explained(entry, observed), *history)[:MOST_ENTRIES]


def newcomer(before: History, now: History) -> str | None:
    """The deployment of somebody else that this read was the first to show; what was there when a history begins is none."""
    if not before or not now or now[0].cause != Cause.EXTERNAL:
        return None
    same = (now[0].deployment_id, now[0].since) == (before[0].deployment_id, before[0].since)
    return None if same else now[0].deployment_id


def _explained(entry: HistoryEntry, observed: Observed) -> HistoryEntry:
    """With what is known of it by now: an answer of the audit log, or of a rollout that was lost, may come later.

    A wish for what serves already explains nothing: a rollout that something came of began before.
    """
    changes: dict[str, str | None] = {}
    origin = observed.origins.get(entry.deployment_id)
    if origin and origin.began <= entry.since and entry.cause in (Cause.EXTERNAL, Cause.CREATED):
        changes |= {"cause": origin.cause.value, "source": origin.source}
    if entry.by is None and entry.deployment_id in observed.actors:
        changes["by"] = observed.actors[entry.deployment_id]
    return entry.model_copy(update=changes) if changes else entry


# -- cleanup -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Needed:
    """What is never cleaned up: what serves, the candidate, what this spec wants or is about to promote, and what other resources
    name: their ``deploymentID``, and what their ``promoteFrom`` has found."""

    current: str | None
    candidate: str | None = None
    wanted: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def __contains__(self, deployment: str) -> bool:
        return deployment in (self.current, self.candidate) or deployment in self.wanted | self.sources


def due(history: History, rules: Cleanup | None, needed: Needed, now: datetime, done: Collection[str] = ()) -> tuple[str, ...]:
    """Deployments to be cleaned up now, oldest first. Each is read before, and left alone unless ``is_here`` (see there).

    ``done``: those that were cleaned up already. While nothing is current nothing is due: what served last may be all there is.
    """
    return tuple(deployment for deployment, at in _later(history, rules, needed) if at <= now and deployment not in done)[::-1]


def next_due(history: History, rules: Cleanup | None, needed: Needed, now: datetime) -> datetime | None:
    """When the next one becomes due."""
    return min((at for _, at in _later(history, rules, needed) if at > now), default=None)


def is_here(environment: str, shown: str | None) -> bool:
    """Whether a deployment belongs to this environment by its own account, when read: one that another environment uses does not."""
    return shown == environment


def _later(history: History, rules: Cleanup | None, needed: Needed) -> Iterator[tuple[str, datetime]]:
    """Deployments that are not kept, and when each becomes due; newest first."""
    if rules is None or needed.current is None:
        return
    after = timedelta(seconds=rules.after_seconds or 0)
    previous: dict[str, datetime | None] = {}
    for entry in history:
        if entry.deployment_id != needed.current:
            previous.setdefault(entry.deployment_id, entry.until)  # the newest entry of each says when it stopped
    for position, (deployment, until) in enumerate(previous.items()):
        if position >= rules.keep_last and until is not None and deployment not in needed:
            yield deployment, until + after
