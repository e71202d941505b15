"""What a plan is made of: changes (data, nothing here calls anything), their journal entries, findings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from ..crd.enums import Operation
from ..crd.types import Drift, JournalEntry
from .findings import EventRecord, Finding, Severity
from .gates import Hold
from .text import changed

if TYPE_CHECKING:
    from .changes import AnyChange


class Change(ABC):
    """One call that changes something on Baseten, as data.

    Each kind is one module of ``core.changes``: how it differs, is journaled, settled, described and counted; the one that
    sends it is ``engine.send``, which does not type-check while a kind is missing there.
    """

    __slots__ = ()
    operation: ClassVar[Operation]
    counted_as: ClassVar[str]
    """The ``kind`` of the drift metrics; empty where nothing is corrected."""
    starts_deployment: ClassVar[bool] = False
    """Whether it starts a deployment: then its intent is durable before it is sent."""

    @property
    def corrections(self) -> tuple[Drift, ...]:
        """The differences that it is meant to end."""
        return ()

    @property
    def aside(self) -> bool:
        """Whether it is no part of what the spec declares of the environment: then no condition waits for it, or for its failure."""
        return False

    @abstractmethod
    def describe(self) -> str:
        """In words, with chainlets and fields, old and new."""

    @abstractmethod
    def event(self) -> EventRecord:
        """After Baseten took it."""


class Correction(Change):
    """A change that ends differences between what is declared and what is observed."""

    __slots__ = ()
    differences: tuple[Drift, ...]

    @property
    def corrections(self) -> tuple[Drift, ...]:
        return self.differences

    def describe(self) -> str:
        return changed(self.differences)


@dataclass(frozen=True, slots=True)
class Action:
    """One call to make and its journal entry. ``intent_first``: the entry must be durable before the call is made.
    ``approved``: the entry of the approval that is used up when it is made."""

    change: AnyChange
    entry: JournalEntry
    intent_first: bool = False
    approved: JournalEntry | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A change that waits. ``plan``: the hash of what would be sent, which an approval names."""

    hold: Hold
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """``journal`` is the journal before the actions. ``release``: the finalizer may go; ``left_on``: though these
    deployments may still run. ``adopted``: with this plan the environment becomes the resource's own; ``managed``: it is.
    ``held``: changes that wait at a gate. ``due``: when to decide again at the latest."""

    actions: tuple[Action, ...] = ()
    findings: tuple[Finding, ...] = ()
    drift: tuple[Drift, ...] = ()
    journal: tuple[JournalEntry, ...] = ()
    adopted: bool = False
    managed: bool = False
    missing: bool = False
    release: bool = False
    left_on: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()
    due: datetime | None = None


@dataclass(slots=True)
class PlanBuilder:
    """A plan under construction: the rules add to it, in order."""

    journal: dict[str, JournalEntry]
    actions: list[Action] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    due: datetime | None = None

    def act(self, change: AnyChange, entry: JournalEntry, *, intent_first: bool = False, approved: JournalEntry | None = None) -> None:
        self.actions.append(Action(change, entry, intent_first or change.starts_deployment, approved))

    def hold(self, hold: Hold, plan: str | None = None, drift: tuple[Drift, ...] = ()) -> None:
        """The change waits; ``drift`` is what it would correct."""
        self.held.append(Held(hold, plan))
        self.findings.append(Finding(Severity.BLOCKED if hold.stuck else Severity.WAITING, hold.reason, hold.message))
        self.drift += drift

    def add(self, finding: Finding | None) -> None:
        if finding is not None:
            self.findings.append(finding)

    def decide_again(self, at: datetime | None) -> None:
        self.due = min((moment for moment in (self.due, at) if moment is not None), default=None)

    def build(self, *, left_on: tuple[str, ...] = (), **more: bool) -> Plan:
        return Plan(
            tuple(self.actions),
            tuple(self.findings),
            tuple(self.drift),
            tuple(self.journal.values()),
            left_on=left_on,
            held=tuple(self.held),
            due=self.due,
            **more,
        )
