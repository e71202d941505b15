"""Read me first: the one function that everything runs through.

    decide (guard -> key -> observe -> recover -> plan) -> execute -> report -> status

Every trigger (a watch event, a due poll, a changed Secret, a restart) calls ``reconcile`` for one resource; what the
event said does not matter, only what the world shows now. At most one run is under way for a resource, and only it
writes that resource's status.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import assert_never

from ..api import Baseten, BasetenError, CredentialsRefused
from ..core import messages
from ..core.changes import CreateEnvironment, UpdateAutoscaling
from ..core.cost import PriceList
from ..core.environment import OFF
from ..core.findings import EventRecord, Finding, Severity
from ..core.history import newcomer
from ..core.journal import next_retry
from ..core.polling import Intervals, next_poll, until_edge, until_gate
from ..core.resource import Resource
from ..core.sources import upstream
from ..core.status import Observed, Paused, Report, Unobserved, changes, project, to_json
from ..core.values import digest
from ..core.world import Timing
from ..crd.enums import Outcome
from . import failures
from .awaited import AwaitedReads
from .claims import execute_as_owner
from .context import RESOURCE, About, of_last_call
from .decide import Decided, Doubtful, Guarded, Known, NoKey, Sources, Unchanged, Unread, decide
from .execute import Execution
from .guards import Blocked, PauseRequested, Release, finalizer_wanted
from .journal import JournalWriter
from .memory import Facts, Learned, Memory, Retry
from .ports import ClusterUnavailableError, Key, NotLeadingError, Ports, WriteConflictError
from .reporting import concluded, report_of
from .settled import settled
from .who import Audit, Inquiries

log = logging.getLogger(__name__)

CONFLICT_SECONDS = 0.1
"""The object changed under a run: the next one comes almost at once."""
STANDBY_SECONDS = 5.0
HURRIED_SECONDS = 1.0
"""Between runs of a resource that somebody changes without end."""
NEVER = datetime.min.replace(tzinfo=UTC)


class Reconciler:
    """Holds what one run after the other needs; all waiting is done by the caller (the queue)."""

    def __init__(self, ports: Ports, intervals: Intervals, timing: Timing, audit: Audit = Audit.OFF) -> None:
        self._ports = ports
        self._who = Inquiries(audit, ports.events, ports.monotonic)
        self._intervals = intervals
        self._timing = timing
        self._memories: dict[Key, Memory] = {}
        self._awaited = AwaitedReads(ports.again)

    async def reconcile(self, key: Key) -> float | None:
        """One run; seconds until the next one is due, None when there is nothing left to look after. Never raises."""
        resource = self._ports.store.get(key)
        if resource is None:
            self._memories.pop(key, None)
            self._awaited.forget(key)
            self._ports.measure(key, None, None)
            return None
        RESOURCE.set(About.of(resource))
        memory = self._memory(key, resource)
        if memory.is_hurried(self._ports.monotonic()):
            return HURRIED_SECONDS
        try:
            self._ports.fence()
            delay = await self._run(resource, memory)
        except WriteConflictError:
            memory.conflicts += 1
            return min(self._intervals.backoff_max, CONFLICT_SECONDS * 2.0 ** min(memory.conflicts - 1, 30))
        except NotLeadingError:
            return STANDBY_SECONDS
        except ClusterUnavailableError as error:
            log.warning("API server unavailable; retrying: %s", error)
            return self._delay(None, memory)
        except Exception:
            log.exception("internal error; retrying, others are not affected")
            return await self._internal_error(key, memory)
        memory.conflicts = 0
        return delay

    def _memory(self, key: Key, resource: Resource) -> Memory:
        """Another object of the same name starts without a memory."""
        memory = self._memories.get(key)
        if memory is None or memory.uid != resource.uid:
            journal = resource.status.operations
            memory = self._memories[key] = Memory(resource.uid, self._ports.now(), Learned(journal, journal), Facts.of(resource))
            if resource.unreadable:
                log.warning("%d entries of the journal cannot be read and are left out", resource.unreadable)
        return memory

    async def _run(self, resource: Resource, memory: Memory) -> float | None:
        if resource.deleting and not resource.has_finalizer:
            return None
        wanted = finalizer_wanted(resource)
        if not resource.deleting and wanted != resource.has_finalizer:
            resource = await self._ports.store.set_finalizer(resource, wanted)
        resource = memory.once(resource)
        fresh = resource.forced and memory.request != resource.reconcile_request  # once for each value of the annotation
        memory.request = resource.reconcile_request
        opened = memory.learned.newest(resource.status.operations)
        sources = Sources(
            key=partial(self._ports.keys.key_for, resource, fresh=fresh),
            baseten=self._ports.baseten,
            now=self._ports.now,
            monotonic=self._ports.monotonic,
            timing=self._timing,
            prices=partial(self._prices, resource),
            named_by_others=partial(self._ports.store.named_by_others, resource),
        )
        store = self._ports.store
        upward = upstream(resource, lambda name: store.get(Key(resource.namespace, name)), self._confirmed)
        known = Known(
            resource,
            opened,
            memory.facts,
            store.owner_of(resource),
            store.contested(resource),
            upward,
            memory.actors,
            cleans_up=not memory.cleanup_waits(self._ports.monotonic()),
            settled=memory.settled,
        )
        memory.settled = None
        decision = await decide(known, sources)
        match decision:
            case Guarded():
                return await self._guarded(resource, memory, decision)
            case NoKey(error=no_key):
                finding = Finding(Severity.STALLED, no_key.reason, no_key.message)
                await self._publish(resource, memory, self._unobserved(resource, memory, finding))
                return no_key.retry_seconds
            case Unread(baseten=baseten, error=error):
                report = replace(self._unobserved(resource, memory), acted_on=False)
                return await self._failed(baseten, resource, memory, report, error)
            case Doubtful(facts=facts, baseten=baseten):
                self._ports.keys.accepted(resource, baseten.key)
                memory.facts = facts
                return self._timing.progress
            case Unchanged():
                return self._pass_over(resource, memory, decision)
            case Decided():
                self._ports.keys.accepted(resource, decision.baseten.key)
                memory.facts = decision.facts
                if not decision.plan.release:
                    return await self._carry_out(resource, memory, decision, known)
                await self._release(resource, decision.plan.left_on)
                return None
            case _:
                assert_never(decision)

    def _confirmed(self, resource: Resource) -> datetime:
        """When a read last confirmed the status of another resource."""
        memory = self._memories.get(Key(resource.namespace, resource.name))
        return NEVER if memory is None or memory.uid != resource.uid or memory.confirmed is None else memory.confirmed

    def _confirm(self, resource: Resource, memory: Memory, report: Report) -> None:
        """What the status shows is what was just read: whoever waits for that may go on."""
        memory.confirmed = report.now
        self._awaited.confirmed(Key(resource.namespace, resource.name))

    def _await_source(self, resource: Resource) -> None:
        if resource.spec.promote_from is not None:
            source = Key(resource.namespace, resource.spec.promote_from.name)
            memory = self._memories.get(source)
            failing = memory is not None and memory.failing_since is not None
            self._awaited.wait(Key(resource.namespace, resource.name), source, failing=failing)

    async def _guarded(self, resource: Resource, memory: Memory, guarded: Guarded) -> float | None:
        report = self._unobserved(resource, memory)
        match guarded.result:
            case Release():
                known = (resource.status.current_deployment, resource.status.candidate_deployment) if resource.abandoned else ()
                await self._release(resource, tuple(d.id for d in known if d is not None and d.status not in OFF))
                return None
            case Blocked(finding=finding):
                report = replace(report, findings=(finding,), failing_for=0.0)
            case PauseRequested(finding=waiting):
                findings = (waiting,) if waiting else ()
                report = replace(report, observation=Paused(self._is_stale(memory)), findings=findings, failing_for=0.0)
        await self._publish(resource, memory, report)
        return next_poll(report, self._intervals, missing=False, unchanged=0, jitter=self._ports.jitter())

    async def _carry_out(self, resource: Resource, memory: Memory, decided: Decided, known: Known) -> float:
        world, planned = decided.world, decided.plan
        planned = replace(planned, actions=memory.due(planned.actions, decided.began))
        memory.learned = Learned(planned.journal, resource.status.operations)  # and whose it is: both or neither, whatever is written
        journal = JournalWriter(self._ports.store, resource, self._ports.now)
        execution = await execute_as_owner(self._ports.store, decided.baseten, world, planned, journal, self._ports.fence)
        if planned.adopted:
            self._record(resource, messages.adopted(world.desired))
        if execution is None:
            return CONFLICT_SECONDS
        memory.learned = Learned(execution.journal, journal.resource.status.operations)
        if execution.environment is not None:  # it may have been created just now; a stale read may still show its predecessor
            memory.facts = replace(memory.facts, created_at=execution.environment.created_at or memory.facts.created_at)
        self._note_retries(memory, execution)
        self._record(resource, *concluded(known.journal, world))
        self._announce(resource, memory, decided, execution)
        report = report_of(resource, decided, execution, self._timing)
        refused_key = next((error for _, error in execution.failed if isinstance(error, CredentialsRefused)), None)
        if refused_key is not None:
            return await self._failed(decided.baseten, journal.resource, memory, report, refused_key)
        now = self._ports.monotonic()
        failing = [retry for retry in memory.retries.values() if not retry.aside]
        if failing:  # what is not sent because its last try failed is not in sync either
            report = replace(report, failing_for=memory.failing_for(now))
            memory.failing_since = now if memory.failing_since is None else memory.failing_since
        for retry in failing:
            report = failures.with_failure(report, resource, retry.error, retry.failures, max(0.0, retry.at - now))
        await self._publish(journal.resource, memory, report)
        if memory.unchanged and not memory.retries:
            memory.settled = settled(known, decided, report)
        if any(each.hold.awaits_read for each in planned.held):
            self._await_source(resource)
        return self._due_again(memory, decided, execution, report)

    def _announce(self, resource: Resource, memory: Memory, decided: Decided, execution: Execution) -> None:
        """Events of what was done. Where somebody else may have been the cause, who it was is asked first."""
        world, may_ask = decided.world, self._who.may_ask(decided.baseten)
        if any(isinstance(a.change, CreateEnvironment) and a.change.recreated for a in execution.accepted):
            self._record(resource, messages.recreated())
        drifted = world.known and not world.spec_changed and may_ask
        corrected: list[EventRecord] = []
        for action, event in zip(execution.accepted, execution.events, strict=True):  # logged at once, by execute
            by_the_clock = world.schedule_changed and isinstance(action.change, UpdateAutoscaling)  # an edge is nobody's drift
            if drifted and action.change.corrections and not by_the_clock:
                corrected.append(event)
            else:
                self._ports.events.emit(resource, event)
        stranger = newcomer(resource.status.history, world.history) if may_ask else None
        self._who.ask(decided.baseten, resource, memory, corrected, stranger)
        aside = [a for a in execution.refused if a.change.aside and a.entry.outcome != Outcome.NOT_FOUND]
        self._record(resource, *(messages.not_cleaned_up(a.entry) for a in aside))

    def _due_again(self, memory: Memory, decided: Decided, execution: Execution, report: Report) -> float:
        """Seconds until the next run: a poll, a retry, an edge of a schedule, the opening of a gate, or what the plan asks for."""
        world, planned, now = decided.world, decided.plan, self._ports.now()
        missing = planned.missing and not execution.accepted
        waits = [next_poll(report, self._intervals, missing=missing, unchanged=memory.unchanged, jitter=self._ports.jitter())]
        waits += [max(0.1, retry.at - self._ports.monotonic()) for retry in memory.retries.values()]
        waits.append(until_edge(world.desired.schedule, now))
        waits.append(until_gate(planned.held, execution.journal, world.gates.rules.deadline, now))
        refused = next_retry(execution.journal, world.now, self._timing)
        if refused is not None:
            waits.append(refused)
        if planned.due is not None:
            waits.append(max(0.1, (planned.due - now).total_seconds()))
        return min(waits)

    def _pass_over(self, resource: Resource, memory: Memory, decision: Unchanged) -> float:
        """What a run would do that finds all as it was."""
        self._ports.keys.accepted(resource, decision.baseten.key)
        report = Report(generation=resource.generation, now=self._ports.now(), observation=Observed(managed=True))
        memory.facts = replace(memory.facts, last_observed=report.now)
        memory.settled = replace(decision.settled, passed=decision.settled.passed + 1)
        memory.unchanged += 1
        self._confirm(resource, memory, report)
        self._ports.measure(Key(resource.namespace, resource.name), resource.status, report)
        return next_poll(report, self._intervals, missing=False, unchanged=memory.unchanged, jitter=self._ports.jitter())

    def _prices(self, resource: Resource, baseten: Baseten) -> PriceList | None:
        return self._ports.prices(Key(resource.namespace, resource.name), baseten, resource.spec.budget is not None)

    def _note_retries(self, memory: Memory, execution: Execution) -> None:
        now = self._ports.monotonic()
        for action in (*execution.accepted, *execution.refused):
            memory.retries.pop(action.entry.slot, None)
        for action, error in execution.failed:
            count = memory.failures_of(action) + 1
            delay = failures.delay(error, count, self._intervals, self._ports.jitter())
            log.warning(error.message, extra={**of_last_call(error.endpoint), "retry_seconds": round(delay, 1)})
            memory.retry_later(action, Retry(count, now + delay, error, action.change.aside))

    # -- parts of a run --------------------------------------------------------------------------------------------

    async def _release(self, resource: Resource, left_on: tuple[str, ...]) -> None:
        """``left_on``: deployments that may still run."""
        if not resource.has_finalizer:
            return
        try:
            await self._ports.store.set_finalizer(resource, False)
        except WriteConflictError:
            if self._ports.store.get(Key(resource.namespace, resource.name)) is not None:
                raise  # else the watch delivered the end before the write was answered
        self._record(resource, messages.released(left_on))

    def _record(self, resource: Resource, *events: EventRecord) -> None:
        for event in events:
            level = logging.WARNING if event.warning else logging.INFO
            log.log(level, "%s: %s", event.reason, event.message, extra={"event": str(event.reason)})
            self._ports.events.emit(resource, event)

    def _unobserved(self, resource: Resource, memory: Memory, *findings: Finding) -> Report:
        """The report of a run that did not read Baseten."""
        return Report(
            generation=resource.generation,
            now=self._ports.now(),
            observation=Unobserved(self._is_stale(memory)),
            findings=failures.with_way_out(resource, findings),
            journal=memory.learned.newest(resource.status.operations),
            drift=resource.status.drift,
            failing_for=memory.failing_for(self._ports.monotonic()),
            deleting=resource.deleting,
        )

    def _is_stale(self, memory: Memory) -> bool:
        """Whether the last successful read is too old to be shown as the present."""
        last = memory.facts.last_observed or memory.first_observed
        return (self._ports.now() - last).total_seconds() >= self._intervals.stale

    async def _publish(self, resource: Resource, memory: Memory, report: Report) -> None:
        """Write the status when a person could see a difference; then record what changed."""
        status = project(resource.status, report)
        changed = False
        if status != resource.status:  # most polls observe what is written already
            shown = to_json(status)
            changed = shown != to_json(resource.status) and not memory.was_cut(resource, shown)
        memory.unchanged = 0 if changed else memory.unchanged + 1
        if changed:
            after = await self._ports.store.write_status(resource, status)
            memory.cut = None if after.status == status else (after.resource_version, digest(shown))
        memory.learned = Learned(memory.learned.journal, status.operations)
        if report.acted_on:
            memory.failures, memory.failing_since = 0, None
            memory.handled = status.last_handled_reconcile_at
        if report.observed:
            self._confirm(resource, memory, report)
        self._ports.measure(Key(resource.namespace, resource.name), status, report)
        self._record(resource, *changes(resource.status, status, report.findings))

    # -- failures --------------------------------------------------------------------------------------------------

    async def _failed(self, baseten: Baseten, resource: Resource, memory: Memory, report: Report, error: BasetenError) -> float:
        if isinstance(error, CredentialsRefused):
            self._ports.keys.refused(resource, baseten.key)
        delay = self._delay(error, memory)
        log.warning(error.message, extra={**of_last_call(error.endpoint), "retry_seconds": round(delay, 1)})
        if failures.is_worth_showing(error) or report.changes or report.journal != resource.status.operations:
            await self._publish(resource, memory, failures.with_failure(report, resource, error, memory.failures, delay))
        return delay

    def _delay(self, error: BasetenError | None, memory: Memory) -> float:
        """Seconds until the next try after one more failure."""
        count = memory.note_failure(self._ports.monotonic())
        return failures.delay(error, count, self._intervals, self._ports.jitter())

    async def _internal_error(self, key: Key, memory: Memory) -> float:
        resource = self._ports.store.get(key)
        report = self._unobserved(resource, memory) if resource is not None else None
        delay = self._delay(None, memory)
        if resource is None or report is None:
            return delay
        report = replace(report, findings=(messages.internal_error(),), acted_on=False)
        try:
            await self._publish(resource, memory, report)
        except WriteConflictError:
            return CONFLICT_SECONDS
        except NotLeadingError:
            return STANDBY_SECONDS
        except Exception:
            log.exception("the status could not be written")
        return delay
