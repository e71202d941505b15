"""Read me first: the one function that everything runs through.

    observe -> recover -> plan -> execute -> project

Every trigger (a watch event, a due look, a changed Secret, a restart) calls ``reconcile`` for one resource; what the
event said does not matter, only what the world shows now. At most one run is under way for a resource, and only it
writes that resource's status.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ..api import Baseten, BasetenError
from ..core.actions import CreateEnvironment, Operation, Outcome, Plan
from ..core.attempts import clock, next_retry, refusal
from ..core.deletion import plan_deletion
from ..core.plan import plan
from ..core.reasons import Event
from ..core.recover import recover, types_differ
from ..core.schedule import Intervals, next_look
from ..core.status import Report, Told, changes, project, to_json
from ..core.words import names
from ..core.world import OFF, Resource, Timing, World, digest, entry_id
from ..crd.types import JournalEntry
from . import troubles
from .claims import execute_as_owner
from .context import RESOURCE, About, of_last_call
from .execute import Done
from .guards import finalizer_wanted, guard
from .journal import Journal
from .memory import Learned, Memory, Retry, still
from .observe import Before, observe
from .ports import ClusterUnavailableError, Key, KeyUnavailableError, NotLeadingError, Ports, WriteConflictError

log = logging.getLogger(__name__)

CONFLICT_SECONDS = 0.1
"""The object changed under a run: look again, almost at once."""
STANDBY_SECONDS = 5.0
HURRIED_SECONDS = 1.0
"""Between runs of a resource that somebody changes without end."""


class Reconciler:
    """Holds what one run after the other needs; all waiting is done by the caller (the queue)."""

    def __init__(self, ports: Ports, intervals: Intervals, timing: Timing) -> None:
        self._ports = ports
        self._intervals = intervals
        self._timing = timing
        self._memos: dict[Key, Memory] = {}

    async def reconcile(self, key: Key) -> float | None:
        """One run; seconds until the next one is due, None when there is nothing left to look after. Never raises."""
        resource = self._ports.store.get(key)
        if resource is None:
            self._memos.pop(key, None)
            self._ports.measure(key, None, None)
            return None
        RESOURCE.set(About.of(resource))
        memo = self._memo(key, resource)
        if memo.is_hurried(self._ports.monotonic()):
            return HURRIED_SECONDS
        try:
            self._ports.fence()
            delay = await self._guarded(resource, memo)
        except WriteConflictError:
            memo.conflicts += 1
            return min(self._intervals.backoff_max, CONFLICT_SECONDS * 2.0 ** min(memo.conflicts - 1, 30))
        except NotLeadingError:
            return STANDBY_SECONDS
        except ClusterUnavailableError as error:
            log.warning("nothing is done meanwhile: %s", error)
            return self._delay(None, memo)
        except Exception:
            log.exception("internal error; retrying, others are not affected")
            return await self._internal_error(key, memo)
        memo.conflicts = 0
        return delay

    def _memo(self, key: Key, resource: Resource) -> Memory:
        """Another object of the same name starts without a memory."""
        memo = self._memos.get(key)
        if memo is None or memo.uid != resource.uid:
            known, journal = resource.status.environment, resource.status.operations
            memo = self._memos[key] = Memory(
                resource.uid,
                self._ports.now(),
                learned=Learned(journal, journal),
                created_at=known.created_at if known else None,
            )
        return memo

    async def _guarded(self, resource: Resource, memo: Memory) -> float | None:
        if resource.deleting and not resource.has_finalizer:
            return None
        resource = await self._with_finalizer(resource)
        stopped = guard(resource, self._ports.store.owner_of(resource), self._ports.now(), stale=self._stale(memo))
        if stopped is not None:
            if stopped.release:
                await self._release(resource, _last_known(resource) if resource.abandoned else ())
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

    async def _run(self, baseten: Baseten, resource: Resource, memo: Memory) -> float | None:
        opened = self._journal(resource, memo)
        began = self._ports.monotonic()
        observed_for = {entry: began - since for entry, since in memo.observed_since.items()}
        before = Before(opened, memo.created_at, memo.missing_since, observed_for, self._ports.store.contested(resource))
        seen = await observe(baseten, resource, before, self._ports.now, self._timing)
        self._observed(resource, baseten, memo, seen)
        if seen.replaced and (memo.replaced is None or began - memo.replaced.at < self._timing.progress):
            return self._timing.progress  # another environment of this name: believed when a second read shows it
        differs_for = began - memo.differs.at if memo.differs else 0.0
        world = recover(replace(seen, new_key=memo.key not in ("", baseten.key.fingerprint), differs_for=differs_for))
        memo.key = baseten.key.fingerprint
        planned = plan_deletion(world) if resource.deleting else plan(world)
        if planned.release:
            await self._release(resource, planned.left_on)
            return None
        waiting = {operation for operation, retry in memo.retries.items() if began < retry.at}
        memo.retries = {a.entry.operation: memo.retries[a.entry.operation] for a in planned.actions if a.entry.operation in memo.retries}
        planned = replace(planned, actions=tuple(a for a in planned.actions if a.entry.operation not in waiting))
        if world.environment is not None:
            memo.created_at = world.environment.created_at or memo.created_at
        memo.learned = Learned(planned.journal, resource.status.operations)  # and whose it is: both or neither, whatever is written
        journal = Journal(self._ports.store, resource, self._ports.now)
        done = await execute_as_owner(self._ports.store, baseten, world, planned, journal, self._ports.fence)
        if done is None:
            self._tell(resource, *_of_this_run(world, planned, Done(planned.journal, world.environment)))
            return CONFLICT_SECONDS
        memo.learned = Learned(done.journal, journal.resource.status.operations)
        self._note_waits(memo, done)
        self._tell(resource, *_found(opened, world), *_of_this_run(world, planned, done))
        for each in done.told:  # logged at once, by execute
            self._ports.events.emit(resource, each)
        report = self._report(resource, world, planned, done)
        refused = next((error for _, error in done.failed if troubles.is_refused_key(error)), None)
        if refused is not None:
            return await self._failed(baseten, journal.resource, memo, report, refused)
        await self._publish(journal.resource, memo, self._with_failures(report, resource, memo))
        missing = planned.missing and not done.calls
        due = next_look(report, self._intervals, missing=missing, looks=memo.looks, luck=self._ports.luck())
        return min([due, *self._due(memo, world, done)])

    def _journal(self, resource: Resource, memo: Memory) -> tuple[JournalEntry, ...]:
        """What this process knows, unless somebody else has written another journal since; a status that was wiped is no journal."""
        written = resource.status.operations
        if memo.learned is None or written not in ((), memo.learned.base, memo.learned.journal):
            return written
        return memo.learned.journal

    def _observed(self, resource: Resource, baseten: Baseten, memo: Memory, seen: World) -> None:
        self._ports.keys.accepted(resource, baseten.key)
        now = self._ports.monotonic()
        created = seen.environment.created_at if seen.environment else None
        memo.last_observed = seen.now
        memo.missing_since = seen.missing_since
        memo.replaced = still(memo.replaced, str(created) if seen.replaced else None, now)
        memo.differs = still(memo.differs, types_differ(seen), now) if seen.environment else memo.differs
        memo.observed_since = {e: memo.observed_since.get(e, now) for e in map(entry_id, seen.journal)}

    def _note_waits(self, memo: Memory, done: Done) -> None:
        now = self._ports.monotonic()
        failed = {action.entry.operation: error for action, error in done.failed}
        for action in (*done.calls, *done.refused):
            memo.retries.pop(action.entry.operation, None)
        for operation, error in failed.items():
            last = memo.retries.get(operation)
            failures = last.failures + 1 if last else 1
            delay = troubles.delay(error, failures, self._intervals, self._ports.luck())
            log.warning(error.message, extra={**of_last_call(error.endpoint), "retry_seconds": round(delay, 1)})
            memo.retries[operation] = Retry(failures, now + delay, error)

    def _with_failures(self, report: Report, resource: Resource, memo: Memory) -> Report:
        """What is not sent because its last try failed is not in sync either."""
        now = self._ports.monotonic()
        if memo.retries:
            report = replace(report, failing_for=self._failing_for(memo))
            memo.failing_since = now if memo.failing_since is None else memo.failing_since
        for retry in memo.retries.values():
            report = troubles.failed(report, resource, retry.error, retry.failures, max(0.0, retry.at - now))
        return report

    def _due(self, memo: Memory, world: World, done: Done) -> list[float]:
        """Seconds until a refused call, and one that failed in passing, is to be tried again."""
        retry = next_retry(done.journal, world.now, self._timing)
        now = self._ports.monotonic()
        return [*([retry] if retry is not None else []), *(max(0.1, r.at - now) for r in memo.retries.values())]

    def _asked_anew(self, resource: Resource, memo: Memory) -> bool:
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

    async def _release(self, resource: Resource, left_on: tuple[str, ...]) -> None:
        """``left_on``: deployments that may still run."""
        if not resource.has_finalizer:
            return
        try:
            await self._ports.store.set_finalizer(resource, False)
        except WriteConflictError:
            if self._ports.store.get(Key(resource.namespace, resource.name)) is not None:
                raise  # else the watch told of the end before the write was answered
        if left_on:
            message = f"finalizer removed; not deactivated and possibly still running: {names(left_on)}"
            self._tell(resource, Told(Event.NOT_DEACTIVATED, message, warning=True))
        else:
            self._tell(resource, Told(Event.RELEASED, "finalizer removed, cleanup complete"))

    def _tell(self, resource: Resource, *told: Told) -> None:
        for each in told:
            level = logging.WARNING if each.warning else logging.INFO
            log.log(level, "%s: %s", each.reason, each.message, extra={"event": str(each.reason)})
            self._ports.events.emit(resource, each)

    def _blank(self, resource: Resource, memo: Memory) -> Report:
        """The report of a run that could not read Baseten."""
        return Report(
            generation=resource.generation,
            now=self._ports.now(),
            journal=self._journal(resource, memo),
            drift=resource.status.drift,
            complete=False,
            failing_for=self._failing_for(memo),
            stale=self._stale(memo),
            deleting=resource.deleting,
        )

    def _failing_for(self, memo: Memory) -> float:
        return 0.0 if memo.failing_since is None else self._ports.monotonic() - memo.failing_since

    def _stale(self, memo: Memory) -> bool:
        """Whether the last successful read is too old to be shown as the present."""
        seen = memo.last_observed or memo.first_observed
        return (self._ports.now() - seen).total_seconds() >= self._intervals.stale

    def _report(self, resource: Resource, world: World, planned: Plan, done: Done) -> Report:
        return Report(
            generation=resource.generation,
            now=world.now,
            observed=True,
            environment=done.environment,
            findings=troubles.told_of_deletion(
                resource, (*planned.findings, *(refusal(a.entry, self._timing, just_now=True) for a in done.refused))
            ),
            drift=(*planned.drift, *(d for a in done.refused for d in getattr(a.call, "differences", ()))),
            journal=done.journal,
            calls=tuple(action.call for action in done.calls),
            complete=not done.failed,
            managed=planned.ours or world.ours,
            reconcile_request=resource.reconcile_request,
            deleting=resource.deleting,
        )

    async def _publish(self, resource: Resource, memo: Memory, report: Report) -> None:
        """Write the status when a person could see a difference; then tell what happened."""
        status = project(resource.status, report)
        shown = to_json(status)
        hashed = digest(shown)
        changed = shown != to_json(resource.status) and memo.written != (resource.resource_version, hashed)
        memo.looks = 0 if changed else memo.looks + 1
        if changed:  # an older CRD drops what it does not know; writing it again would not help
            after = await self._ports.store.write_status(resource, status)
            memo.written = after.resource_version, hashed
        if memo.learned is not None:
            memo.learned = Learned(memo.learned.journal, status.operations)
        if report.complete:
            memo.failures, memo.failing_since = 0, None
        self._ports.measure(Key(resource.namespace, resource.name), status, report)
        self._tell(resource, *changes(resource.status, status, report.findings))

    async def _failed(self, baseten: Baseten, resource: Resource, memo: Memory, report: Report, error: BasetenError) -> float:
        if troubles.is_refused_key(error):
            self._ports.keys.refused(resource, baseten.key)
        delay = self._delay(error, memo)
        log.warning(error.message, extra={**of_last_call(error.endpoint), "retry_seconds": round(delay, 1)})
        if troubles.worth_showing(error) or report.calls or report.journal != resource.status.operations:
            await self._publish(resource, memo, troubles.failed(report, resource, error, memo.failures, delay))
        return delay

    def _delay(self, error: BasetenError | None, memo: Memory) -> float:
        """Seconds until the next try after one more failure."""
        if memo.failing_since is None:
            memo.failing_since = self._ports.monotonic()
        memo.failures += 1
        return troubles.delay(error, memo.failures, self._intervals, self._ports.luck())

    async def _internal_error(self, key: Key, memo: Memory) -> float:
        resource = self._ports.store.get(key)
        report = troubles.internal_error(self._blank(resource, memo)) if resource is not None else None
        delay = self._delay(None, memo)
        if resource is None or report is None:
            return delay
        try:
            await self._publish(resource, memo, report)
        except WriteConflictError:
            return CONFLICT_SECONDS
        except NotLeadingError:
            return STANDBY_SECONDS
        except Exception:
            log.exception("the status could not be written")
        return delay


def _last_known(resource: Resource) -> tuple[str, ...]:
    """Deployments that were not off when they were last observed."""
    known = (resource.status.current_deployment, resource.status.candidate_deployment)
    return tuple(d.id for d in known if d is not None and d.status not in OFF)


def _found(opened: tuple[JournalEntry, ...], world: World) -> tuple[Told, ...]:
    """Events for what an earlier run did and could not tell any more."""
    open_ = {e.operation for e in opened if e.finished_at is None}
    reasons = {Operation.INSTANCE_TYPES.value: Event.INSTANCE_TYPES_CHANGED, Operation.PROMOTE.value: Event.PROMOTED}
    return tuple(
        Told(
            reasons[e.operation],
            f"sent at {clock(e)} without an answer, observed to have happened: deployment {e.deployment_id or 'not shown yet'}",
        )
        for e in world.journal
        if e.operation in open_ and e.operation in reasons and e.outcome == Outcome.ACCEPTED
    )


def _of_this_run(world: World, planned: Plan, done: Done) -> tuple[Told, ...]:
    """Events for what this run found, other than those of its calls."""
    told: list[Told] = []
    if planned.adopted:
        target = f"environment {world.desired.environment} of chain {world.desired.chain_id}"
        told.append(Told(Event.ADOPTED, f"{target} adopted"))
    if any(isinstance(action.call, CreateEnvironment) and action.call.recreated for action in done.calls):
        told.append(Told(Event.VANISHED, "the environment was not found on Baseten and was created again", warning=True))
    return tuple(told)
