"""What is to be done about one resource: guard -> key -> observe -> recover -> plan. Nothing is changed here, anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..api import ApiKey, Baseten, BasetenError
from ..core.actions import Plan
from ..core.cost import PriceList
from ..core.deletion import plan_deletion
from ..core.gates import gates_of
from ..core.plan import plan
from ..core.provenance import with_history
from ..core.recover import recover
from ..core.resource import Resource
from ..core.sources import Member, from_source, member_of
from ..core.world import Timing, World
from ..crd.types import JournalEntry
from .guards import GuardResult, guard
from .memory import Facts, Settled
from .observe import Before, observe, with_former
from .ports import KeyUnavailableError


@dataclass(frozen=True, slots=True)
class Guarded:
    """Nothing may be called."""

    result: GuardResult


@dataclass(frozen=True, slots=True)
class NoKey:
    error: KeyUnavailableError


@dataclass(frozen=True, slots=True)
class Unread:
    """The read failed."""

    baseten: Baseten
    error: BasetenError


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Another environment of this name was observed: believed when a second read shows it."""

    facts: Facts
    baseten: Baseten


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Baseten's answer, and all else, is what the last run was made from, which had nothing to do: nothing was decided."""

    settled: Settled
    baseten: Baseten


@dataclass(frozen=True, slots=True)
class Decided:
    """``began``: when the read began, monotonic. ``facts``: what is remembered with this read."""

    world: World
    plan: Plan
    facts: Facts
    baseten: Baseten
    began: float


Decision = Guarded | NoKey | Unread | Doubtful | Unchanged | Decided


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a decision gets what it needs: clocks, the key, the API, and which deployments other resources name. ``prices``: what
    is known by now, without a call."""

    key: Callable[[], Awaitable[ApiKey]]
    baseten: Callable[[ApiKey], Baseten]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    timing: Timing
    prices: Callable[[Baseten], PriceList | None] = lambda _: None
    named_by_others: Callable[[], frozenset[str]] = frozenset


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a resource before it is decided. ``journal``: the newest; ``owner``: the other resource that owns the
    environment; ``contested``: whether others want it too. ``upstream``: the resource and whom it follows, by name.
    ``actors``: who brought a deployment, by its id. ``cleans_up``: whether cleaning up may be tried now. ``settled``: of the last run,
    if it had nothing to do."""

    resource: Resource
    journal: tuple[JournalEntry, ...]
    facts: Facts
    owner: Resource | None = None
    contested: bool = False
    upstream: Mapping[str, Member] = field(default_factory=dict)
    actors: Mapping[str, str] = field(default_factory=dict)
    cleans_up: bool = True
    settled: Settled | None = None

    def may_pass(self, key: str, prices: Callable[[], PriceList | None]) -> Settled | None:
        """What the same answer of Baseten would prove to be as it was."""
        if self.settled is None or self.owner is not None or self.contested:
            return None
        return self.settled if self.settled.holds(self.resource, key, prices(), self.actors) else None


async def decide(known: Known, sources: Sources) -> Decision:
    """Makes no call but reads."""
    resource, facts = known.resource, known.facts
    result = guard(resource, known.owner)
    if result is not None:
        return Guarded(result)
    try:
        key = await sources.key()
    except KeyUnavailableError as error:
        return NoKey(error)
    baseten, began = sources.baseten(key), sources.monotonic()
    observed_for = {entry: began - since for entry, since in facts.observed_since.items()}
    before = Before(known.journal, facts.created_at, facts.missing_since, observed_for, known.contested)
    settled = known.may_pass(key.fingerprint, lambda: sources.prices(baseten))
    try:
        observed = await observe(baseten, resource, before, sources.now, sources.timing, settled.answer if settled else None)
    except BasetenError as error:
        return Unread(baseten, error)
    if observed is None:
        assert settled is not None
        return Unchanged(settled, baseten)
    if not resource.deleting:
        observed = replace(observed, gates=gates_of(resource.spec, resource.annotations, sources.prices(baseten)))
    new_key = facts.key not in ("", key.fingerprint)
    facts = facts.advance(observed, sources.monotonic())
    if facts.replaced is not None and began - facts.replaced.at < sources.timing.progress:
        return Doubtful(facts, baseten)
    differs_for = began - facts.differs.at if facts.differs else 0.0
    world = recover(replace(observed, new_key=new_key, differs_for=differs_for))
    world = with_history(world, resource.status.history, known.journal, known.actors)
    world = from_source(world, member_of(resource), known.upstream)
    if known.cleans_up and not resource.deleting:
        world = await with_former(baseten, world, sources.named_by_others)
    created_at = world.environment.created_at if world.environment else None
    facts = replace(facts, key=key.fingerprint, created_at=created_at or facts.created_at)
    return Decided(world, plan_deletion(world) if resource.deleting else plan(world), facts, baseten, began)
