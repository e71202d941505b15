"""The status's part on rollouts and money: what waits, what served when, what it costs, and what the clock says."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from .base import Part


class RolloutStatus(Part):
    """A rollout that is wanted and not begun."""

    waits_for: Annotated[str, Field(description="What holds it back: Budget, Source, Soak, Window or Approval.")]
    plan: Annotated[
        str | None,
        Field(description="Short hash of what would be sent; the value of the annotation chains.baseten.co/approve that approves it."),
    ] = None
    message: Annotated[str | None, Field(max_length=32768, description="What waits, for what, until when.")] = None
    next_window: Annotated[datetime | None, Field(description="When the next window opens; absent where no window is waited for.")] = None


class HistoryEntry(Part):
    """A deployment that served in this environment."""

    deployment_id: Annotated[str, Field(description="Baseten's id of the deployment.")]
    cause: Annotated[
        str,
        Field(
            description="Why it came to serve. Created: the first one of an environment that this resource created. InstanceTypes, "
            "Promotion: this resource asked for it. External: somebody else did."
        ),
    ]
    source: Annotated[str | None, Field(description="The deployment that was asked for; the one that serves may be a copy of it.")] = None
    since: Annotated[datetime, Field(description="When it was first observed to serve.")]
    until: Annotated[datetime | None, Field(description="When another one was first observed in its place; absent while it serves.")] = None
    by: Annotated[str | None, Field(max_length=1024, description="Who did it, as far as Baseten's audit log may be read and shown.")] = None


class CostStatus(Part):
    """What the replicas of the current and the candidate deployment cost, as decimal text."""

    currency: Annotated[str, Field(description="USD.")]
    per_hour: Annotated[str, Field(description="What the replicas that run now cost an hour.")]
    min_per_hour: Annotated[str | None, Field(description="The same with every chainlet at its fewest replicas.")] = None
    max_per_hour: Annotated[str | None, Field(description="The same with every chainlet at its most replicas.")] = None


class ScheduleStatus(Part):
    """What the clock makes of autoscalingSchedules."""

    active: Annotated[str | None, Field(description="Name of the schedule that is active; absent while none is.")] = None
    next_change: Annotated[datetime | None, Field(description="When another schedule, or none, becomes active.")] = None


class Endpoints(Part):
    """Where the environment is called."""

    run: Annotated[str, Field(description="Waits for the answer.")]
    async_: Annotated[str, Field(alias="async", description="Answers at once; the result comes later.")]


def endpoints(chain_id: str, environment: str) -> Endpoints:
    """The addresses that Baseten documents for an environment of a chain."""
    base = f"https://chain-{chain_id}.api.baseten.co/environments/{environment}"
    return Endpoints(run=f"{base}/run_remote", async_=f"{base}/async_run_remote")
