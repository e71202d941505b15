"""Deactivating a deployment: while its resource is being deleted, or because it served before (``cleanup``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ...crd.enums import Operation
from .. import messages
from ..actions import Change, PlanBuilder
from ..environment import Deployment
from ..findings import EventRecord
from ..journal import REFUSALS, begin
from ..retries import Send, Wait, retry_decision
from ..values import digest
from ..world import World


@dataclass(frozen=True, slots=True)
class Deactivate(Change):
    """``former``: it served before, and is cleaned up."""

    operation: ClassVar[Operation] = Operation.DEACTIVATE
    counted_as: ClassVar[str] = ""
    deployment_id: str
    former: bool = False

    @property
    def aside(self) -> bool:
        return self.former

    def describe(self) -> str:
        return f"deactivate deployment {self.deployment_id}"

    def event(self) -> EventRecord:
        return messages.deactivated(self.deployment_id)


def slot(deployment_id: str) -> str:
    """Of its journal entry."""
    return f"{Operation.DEACTIVATE}/{deployment_id}"


def deactivate(world: World, builder: PlanBuilder, deployment: Deployment) -> None:
    """A refusal is perhaps one of a busy deployment: it costs money, so it is not left on for an hour."""
    if deployment.status == "DEACTIVATING":
        builder.add(messages.deactivating(deployment))
        return
    entry, hashed = world.entry(slot(deployment.id)), digest(deployment.id)
    decision = retry_decision(world, entry, hashed, patience=world.timing.resend)
    refused_at = entry.finished_at if entry is not None and entry.outcome in REFUSALS else None
    refused_long_ago = refused_at is not None and world.since(refused_at).total_seconds() >= world.timing.settle
    if isinstance(decision, Send) or refused_long_ago:
        builder.act(Deactivate(deployment.id), begin(world, Operation.DEACTIVATE, hashed, entry, target=deployment.id))
    elif isinstance(decision, Wait):
        builder.add(messages.deactivating(deployment))
    elif decision.finding is not None:
        builder.add(replace(decision.finding, message=f"deployment {deployment.id}: {decision.finding.message}"))
