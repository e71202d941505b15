"""Which run proves that the next one would do nothing, as long as nothing that a decision is made from changes."""

from __future__ import annotations

from ..core.journal import unsettled
from ..core.status import Report
from ..crd.enums import Outcome
from .decide import Decided, Known
from .memory import Settled


def settled(known: Known, decided: Decided, report: Report) -> Settled | None:
    """Of a run that called, wrote and retries nothing. None where time alone, or another object, may make the next one different."""
    time_decides = _has_clocks(known) or decided.plan.due is not None or report.moving
    if time_decides or known.owner is not None or known.contested or not _is_idle(decided) or not _is_plain(known, decided):
        return None
    return Settled(decided.world.answer, known.resource.resource_version, decided.facts.key, decided.world.gates.prices, known.actors)


def _has_clocks(known: Known) -> bool:
    resource, spec = known.resource, known.resource.spec
    return bool(spec.autoscaling_schedules or spec.promote_from or spec.cleanup or spec.budget or resource.deleting or resource.forced)


def _is_idle(decided: Decided) -> bool:
    """Nothing was done, and nothing waits."""
    plan = decided.plan
    return plan.managed and not (plan.missing or plan.adopted or plan.actions or plan.held or plan.findings or plan.drift)


def _is_plain(known: Known, decided: Decided) -> bool:
    """One read of the environment was all that the decision was made from, and nothing in it is on its way."""
    world, facts, journal = decided.world, decided.facts, decided.plan.journal
    more = world.looked_up or world.former or world.chain_deployments is not None
    doubts = facts.replaced or facts.differs or facts.missing_since or world.spec_changed or world.new_key
    open_ = any(unsettled(entry) or entry.outcome != Outcome.ACCEPTED for entry in journal)
    return world.environment is not None and not (more or doubts or open_) and known.journal == journal == known.resource.status.operations
