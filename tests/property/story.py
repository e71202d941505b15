"""The operator and Baseten over time: polls, answers that are lost, kills, effects that show later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chainenv.core.actions import Action, Plan
from chainenv.core.changes import AnyChange, CreateEnvironment, Promote, UpdateInstanceTypes
from chainenv.core.desired import Desired
from chainenv.core.environment import Deployment, Environment
from chainenv.core.journal import with_entry
from chainenv.core.plan import plan
from chainenv.core.recover import lookups, recover
from chainenv.core.world import World, entry_id, serving_id
from chainenv.crd.types import JournalEntry

from .model import RefusedError, apply, finish
from .worlds import NOW

ANSWERED, LOST, UNSENT, KILLED_BEFORE, KILLED_AFTER = "answered", "lost", "unsent", "killed before", "killed after"
FATES = (ANSWERED, LOST, UNSENT, KILLED_BEFORE, KILLED_AFTER)
View = Callable[[Environment], Environment]


@dataclass
class Story:
    """One resource. ``stubborn``: Baseten answers and starts deployments, but keeps every value as it was."""

    wanted: Desired
    truth: Environment | None = None
    stubborn: bool = False
    now: datetime = NOW
    journal: tuple[JournalEntry, ...] = ()
    known: bool = False
    missing_since: datetime | None = None
    shows_at: datetime = NOW
    shown: Environment | None = None
    ended: dict[str, Deployment] = field(default_factory=dict)
    sent: list[tuple[datetime, Action]] = field(default_factory=list)
    happened: list[AnyChange] = field(default_factory=list)
    seen_candidate: str | None = None
    acted: Desired | None = None

    def __post_init__(self) -> None:
        self.shown, self.known = self.truth, self.truth is not None

    # -- the operator ------------------------------------------------------------------------------------------------

    def poll(self, fate: str = ANSWERED, *, lag: float = 0, view: View | None = None) -> Plan:
        """One run of the function; ``fate`` of each of its calls; ``lag`` until what they did shows, seconds."""
        seen = self.observed()
        seen = view(seen) if view and seen else seen
        self._remember(seen)
        looked_up = {i: self._deployment(i) for i in lookups(self.journal, seen)}
        world = World(
            self.wanted,
            seen,
            self.now,
            journal=self.journal,
            known=self.known,
            missing_since=self.missing_since,
            observed_for={entry_id(e): (self.now - (e.finished_at or e.started_at)).total_seconds() for e in self.journal}
            | {serving_id(d, seen): 3700.0 for d in looked_up.values() if d},
            looked_up=looked_up,
            chain_deployments=(),
            spec_changed=self.wanted != self.acted,
            differs_for=30,
        )
        planned = plan(recover(world))
        self._execute(planned, fate, lag)
        if fate == ANSWERED:
            self.acted = self.wanted
        return planned

    def observed(self) -> Environment | None:
        if self.now >= self.shows_at:
            self.shown = self.truth
        return self.shown

    def _remember(self, seen: Environment | None) -> None:
        self.missing_since = (self.missing_since or self.now) if seen is None and self.known else None
        self.known = self.known or seen is not None
        self.seen_candidate = seen.candidate.id if seen and seen.candidate else None

    def _execute(self, planned: Plan, fate: str, lag: float) -> None:
        """The journal that a restart would find; a kill loses what this run has not written yet."""
        done = planned.journal
        if not planned.actions:
            self.journal = done
        for action in planned.actions:
            self.sent.append((self.now, action))
            intent = with_entry(done, action.entry) if action.intent_first else None
            if fate != ANSWERED:
                self._without_answer(action, fate, lag, intent, done)
                return
            done = self._answered(action, lag, done)
            self.journal = done

    def _without_answer(
        self, action: Action, fate: str, lag: float, intent: tuple[JournalEntry, ...] | None, done: tuple[JournalEntry, ...]
    ) -> None:
        if fate in (LOST, KILLED_AFTER):
            self._happen(action.change, lag)
        if intent is not None:
            self.journal = intent
        elif fate in (LOST, UNSENT):
            self.journal = done

    def _answered(self, action: Action, lag: float, done: tuple[JournalEntry, ...]) -> tuple[JournalEntry, ...]:
        started, refused = self._happen(action.change, lag)
        if refused:
            update = {"outcome": "Refused", "finished_at": self.now, "message": refused}
            return with_entry(done, action.entry.model_copy(update=update))
        if isinstance(action.change, CreateEnvironment):
            self.known = True
            return ()
        update = {"outcome": "Accepted", "finished_at": self.now, "deployment_id": started}
        return with_entry(done, action.entry.model_copy(update=update))

    # -- Baseten -----------------------------------------------------------------------------------------------------

    def _happen(self, call: AnyChange, lag: float) -> tuple[str | None, str | None]:
        """The deployment that was started, and why the call was refused."""
        self.observed()
        new_id = f"new-{len(self.happened)}"
        try:
            after = apply(self.truth, call, self.wanted, new_id=new_id, now=self.now)
        except RefusedError as no:
            return None, str(no)
        self.happened.append(call)
        if self.stubborn and self.truth is not None:
            after = _as_before(self.truth, after)
        self.truth = after
        self.shows_at = self.now + timedelta(seconds=lag)
        candidate = after.candidate.id if after.candidate else None
        return (new_id if candidate == new_id else None), None

    def finish(self) -> None:
        if self.truth is not None and self.now >= self.shows_at:
            self.truth = finish(self.truth)

    def fail(self) -> None:
        """The candidate's build fails and it is taken away; only once the operator has seen it."""
        seen, truth = self.observed(), self.truth
        if truth is not None and seen is truth and truth.candidate is not None and truth.candidate.id == self.seen_candidate:
            self.ended[truth.candidate.id] = Deployment(truth.candidate.id, "BUILD_FAILED")
            self.truth = Environment(
                truth.name, truth.chain_id, truth.created_at, truth.promotion, truth.cleanup_inside, truth.chainlets, truth.current, None
            )

    def _deployment(self, id_: str) -> Deployment | None:
        """By its id a deployment is found at once."""
        there = {d.id: d for d in self.truth.deployments} if self.truth else {}
        return there.get(id_) or self.ended.get(id_)

    # -- what came of it ---------------------------------------------------------------------------------------------

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def started(self, kind: type[Promote] | type[UpdateInstanceTypes]) -> int:
        """How many deployments of a kind Baseten has really started."""
        return sum(isinstance(call, kind) for call in self.happened)

    def most_in_an_hour(self) -> int:
        """The most often that one correction was sent within any hour."""
        times: dict[tuple[str, str], list[datetime]] = {}
        for moment, action in self.sent:
            times.setdefault((action.entry.operation, action.entry.hash), []).append(moment)
        hour = timedelta(hours=1)
        return max((sum(first <= t < first + hour for t in kind) for kind in times.values() for first in kind), default=0)


def _as_before(before: Environment, after: Environment) -> Environment:
    return Environment(
        before.name,
        before.chain_id,
        before.created_at,
        before.promotion,
        before.cleanup_inside,
        before.chainlets,
        after.current,
        after.candidate,
    )
