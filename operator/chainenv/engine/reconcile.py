"""Read me first: the one function that everything runs through.

    observe -> recover -> plan -> execute -> project

Every trigger (a watch event, a due look, a changed Secret, a restart) calls ``reconcile`` for one resource; what the
event said does not matter, only what the world shows now. At most one run is under way for a resource, and only it
writes that resource's status.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from ..api import Baseten, BasetenError
from ..core.actions import CreateEnvironment, Operation, Outcome, Plan
from ..core.attempts import clock, refusal
from ..core.deletion import plan_deletion
from ..core.plan import plan
from ..core.reasons import Event
from ..core.recover import recover
from ..core.schedule import Intervals, next_look
from ..core.status import Report, Told, changes, project, to_json
from ..core.world import Resource, Timing, World, digest
from ..crd.types import JournalEntry
from . import troubles
from .context import RESOURCE, About, of_last_call
from .execute import Done, execute
from .guards import finalizer_wanted, guard
from .journal import Journal
from .observe import observe
from .ports import ClusterUnavailableError, Key, KeyUnavailableError, NotLeadingError, Ports, WriteConflictError

log = logging.getLogger(__name__)

CONFLICT_SECONDS = 0.1
"""The object changed under a run: look again, almost at once."""
STANDBY_SECONDS = 5.0


@dataclass(slots=True)
class Memo:
    """What is remembered of a resource between runs, and may be lost: a restart only makes the operator more careful."""

    first_look: datetime
    last_observed: datetime | None = None
    missing_since: datetime | None = None
    failures: int = 0
    looks: int = 0
    unwritten: tuple[JournalEntry, ...] | None = None
    """The journal after calls whose outcome could not be written to the status yet."""
    key: str = ""
    """Fingerprint of the key that the last plan was made with."""
    request: str | None = None
    """The last reconcile annotation for which the key was looked at anew."""
    written: tuple[str, str] | None = None
    """The last status written: the resourceVersion that came of it, and its hash."""


class Reconciler:
    """Holds what one run after the other needs; all waiting is done by the caller (the queue)."""

    def __init__(self, ports: Ports, intervals: Intervals, timing: Timing) -> None:
        self._ports = ports
        self._intervals = intervals
        self._timing = timing
        self._memos: dict[Key, Memo] = {}

    async def reconcile(self, key: Key) -> float | None:
        """One run; seconds until the next one is due, None when there is nothing left to look after. Never raises."""
        resource = self._ports.store.get(key)
        if resource is None:
            self._memos.pop(key, None)
            self._ports.measure(key, None, None)
            return None
        RESOURCE.set(About.of(resource))
        memo = self._memos.setdefault(key, Memo(first_look=self._ports.now()))
        try:
            self._ports.fence()
            return await self._guarded(resource, memo)
        except WriteConflictError:
            return CONFLICT_SECONDS
        except NotLeadingError:
            return STANDBY_SECONDS
        except ClusterUnavailableError as error:
            log.warning("nothing is done meanwhile: %s", error)
            return self._delay(None, memo)
        except Exception:
            log.exception("a bug in handling this resource; others are not affected")
            return await self._internal_error(key, memo)

    async def _guarded(self, resource: Resource, memo: Memo) -> float | None:
        if resource.deleting and not resource.has_finalizer:
            return None
        resource = await self._with_finalizer(resource)
        stopped = guard(resource, self._ports.store.owner_of(resource), self._ports.now(), stale=self._stale(memo))
        if stopped is not None:
            if stopped.release:
                await self._release(resource)
                return None
            await self._publish(resource, memo, stopped.report)
            return next_look(stopped.report, self._intervals, missing=False, looks=0, luck=self._ports.luck())
        try:
            key = await self._ports.keys.key_for(resource, fresh=self._asked_anew(resource, memo))
        except KeyUnavailableError as error:
            await self._publish(resource, memo, troubles.no_key(self._blank(resource, memo), resource, error))
            return error.retry_seconds
        baseten = self._ports.baseten(key)
        try:
            return await self._run(baseten, resource, memo)
        except BasetenError as error:
            return await self._failed(baseten, resource, memo, self._blank(resource, memo), error)

    async def _run(self, baseten: Baseten, resource: Resource, memo: Memo) -> float | None:
        opened = resource.status.operations if memo.unwritten is None else memo.unwritten
        seen = await observe(baseten, resource, opened, self._ports.now, self._timing, memo.missing_since)
        world = recover(replace(seen, new_key=memo.key not in ("", baseten.key.fingerprint)))
        memo.key = baseten.key.fingerprint
        self._seen(resource, baseten, memo, world)
        planned = plan_deletion(world) if resource.deleting else plan(world)
        if planned.release:
            await self._release(resource)
            return None
        journal = Journal(self._ports.store, resource, self._ports.now)
        done = await execute(baseten, world, planned, journal, self._ports.fence)
        memo.unwritten = done.journal if done.calls else memo.unwritten
        self._tell(resource, *_found(opened, world), *_of_this_run(world, planned, done))
        for each in done.told:  # logged at once, by execute
            self._ports.events.emit(resource, each)
        report = self._report(resource, world, planned, done)
        if done.error is not None:
            return await self._failed(baseten, journal.resource, memo, report, done.error)
        await self._publish(journal.resource, memo, report)
        missing = planned.missing and not done.calls
        return next_look(report, self._intervals, missing=missing, looks=memo.looks, luck=self._ports.luck())

    def _asked_anew(self, resource: Resource, memo: Memo) -> bool:
        """Once for each value of the reconcile annotation."""
        asked = resource.forced and memo.request != resource.reconcile_request
        memo.request = resource.reconcile_request
        return asked

    # -- parts of a run --------------------------------------------------------------------------------------------

    async def _with_finalizer(self, resource: Resource) -> Resource:
        wanted = finalizer_wanted(resource)
        if resource.deleting or wanted == resource.has_finalizer:
            return resource
        return await self._ports.store.set_finalizer(resource, wanted)

    async def _release(self, resource: Resource) -> None:
        if resource.has_finalizer:
            await self._ports.store.set_finalizer(resource, False)
            self._tell(resource, Told(Event.RELEASED, "nothing is left to do on Baseten for this resource; it may go"))

    def _tell(self, resource: Resource, *told: Told) -> None:
        for each in told:
            level = logging.WARNING if each.warning else logging.INFO
            log.log(level, "%s: %s", each.reason, each.message, extra={"event": str(each.reason)})
            self._ports.events.emit(resource, each)

    def _seen(self, resource: Resource, baseten: Baseten, memo: Memo, world: World) -> None:
        self._ports.keys.accepted(resource, baseten.key)
        memo.last_observed = world.now
        memo.missing_since = world.missing_since

    def _blank(self, resource: Resource, memo: Memo) -> Report:
        """The report of a run that could not look."""
        return Report(
            generation=resource.generation,
            now=self._ports.now(),
            journal=resource.status.operations if memo.unwritten is None else memo.unwritten,
            drift=resource.status.drift,
            complete=False,
            stale=self._stale(memo),
            reconcile_request=resource.reconcile_request,
            deleting=resource.deleting,
        )

    def _stale(self, memo: Memo) -> bool:
        """Whether the last successful look is too old to be told as the present."""
        seen = memo.last_observed or memo.first_look
        return (self._ports.now() - seen).total_seconds() >= self._intervals.stale

    def _report(self, resource: Resource, world: World, planned: Plan, done: Done) -> Report:
        return Report(
            generation=resource.generation,
            now=world.now,
            observed=True,
            environment=done.environment,
            findings=troubles.told_of_deletion(resource, (*planned.findings, *(refusal(a.entry) for a in done.refused))),
            drift=(*planned.drift, *(d for a in done.refused for d in getattr(a.call, "differences", ()))),
            journal=done.journal,
            calls=tuple(action.call for action in done.calls),
            complete=done.error is None,
            managed=planned.ours or world.ours,
            reconcile_request=resource.reconcile_request,
            deleting=resource.deleting,
        )

    async def _publish(self, resource: Resource, memo: Memo, report: Report) -> None:
        """Write the status when a person could see a difference; then tell what happened."""
        status = project(resource.status, report)
        shown = to_json(status)
        hashed = digest(shown)
        changed = shown != to_json(resource.status) and memo.written != (resource.resource_version, hashed)
        memo.looks = 0 if changed else memo.looks + 1
        if report.complete:
            memo.failures = 0
        if changed:  # an older CRD drops what it does not know; writing it again would not help
            memo.written = (await self._ports.store.write_status(resource, status)).resource_version, hashed
        if report.observed:
            memo.unwritten = None
        self._ports.measure(Key(resource.namespace, resource.name), status, report)
        self._tell(resource, *changes(resource.status, status, report.findings))

    async def _failed(self, baseten: Baseten, resource: Resource, memo: Memo, report: Report, error: BasetenError) -> float:
        if troubles.is_refused_key(error):
            self._ports.keys.refused(resource, baseten.key)
        delay = self._delay(error, memo)
        log.warning(error.message, extra={**of_last_call(error.endpoint), "retry_seconds": round(delay, 1)})
        if troubles.worth_showing(error) or report.calls or report.journal != resource.status.operations:
            await self._publish(resource, memo, troubles.failed(report, resource, error, memo.failures, delay))
        return delay

    def _delay(self, error: BasetenError | None, memo: Memo) -> float:
        """Seconds until the next try after one more failure."""
        memo.failures += 1
        return troubles.delay(error, memo.failures, self._intervals, self._ports.luck())

    async def _internal_error(self, key: Key, memo: Memo) -> float:
        delay = self._delay(None, memo)
        resource = self._ports.store.get(key)
        if resource is None:
            return delay
        try:
            await self._publish(resource, memo, troubles.internal_error(self._blank(resource, memo)))
        except WriteConflictError:
            return CONFLICT_SECONDS
        except NotLeadingError:
            return STANDBY_SECONDS
        except Exception:
            log.exception("the status could not be written")
        return delay


def _found(opened: tuple[JournalEntry, ...], world: World) -> tuple[Told, ...]:
    """Events for what an earlier run did and could not tell any more."""
    open_ = {e.operation for e in opened if e.finished_at is None}
    reasons = {Operation.INSTANCE_TYPES.value: Event.INSTANCE_TYPES_CHANGED, Operation.PROMOTE.value: Event.PROMOTED}
    return tuple(
        Told(reasons[e.operation], f"begun at {clock(e)}, and found to have happened: deployment {e.deployment_id or 'not shown yet'}")
        for e in world.journal
        if e.operation in open_ and e.operation in reasons and e.outcome == Outcome.ACCEPTED
    )


def _of_this_run(world: World, planned: Plan, done: Done) -> tuple[Told, ...]:
    """Events for what this run found, other than those of its calls."""
    told: list[Told] = []
    if planned.adopted:
        target = f"environment {world.desired.environment} of chain {world.desired.chain_id}"
        told.append(Told(Event.ADOPTED, f"{target} exists and is managed from now on"))
    if any(isinstance(action.call, CreateEnvironment) and action.call.recreated for action in done.calls):
        told.append(Told(Event.VANISHED, "the environment was gone from Baseten and is created again", warning=True))
    return tuple(told)
