"""How a chainlet scales, as a spec says it: in chainletSettings, and for a time in autoscalingSchedules."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from .base import Part, Written, checks, rule

ChainletName = Annotated[
    str,
    Written(
        r"[ -~]+",
        "chainletName is the chainlet's name as in the chain's code (for example HelloWorld): ASCII, in one line and not empty",
        128,
    ),
]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class AutoscalingSettings(Part):
    """How a chainlet scales. What is omitted is not managed and stays as it is on Baseten."""

    model_config = ConfigDict(
        json_schema_extra=checks(
            rule(
                "!has(self.minReplica) || !has(self.maxReplica) || self.minReplica <= self.maxReplica",
                "minReplica must not be greater than maxReplica: raise maxReplica or lower minReplica",
            )
        )
    )

    min_replica: Annotated[Count | None, Field(description="Fewest replicas; 0 allows scale to zero. Baseten's own default: 0.")] = None
    max_replica: Annotated[int | None, Field(ge=1, le=1_000_000, description="Most replicas, 1 or more. Baseten's own default: 1.")] = None
    autoscaling_window: Annotated[
        int | None,
        Field(ge=10, le=3600, description="Timeframe of traffic considered for scaling, seconds (10-3600). Baseten's own default: 60."),
    ] = None
    scale_down_delay: Annotated[
        int | None,
        Field(ge=0, le=3600, description="Wait before a replica is taken away, seconds (0-3600). Baseten's own default: 900."),
    ] = None
    concurrency_target: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="Requests per replica before scaling up, 1 or more. Baseten's own default: 1."),
    ] = None
    target_utilization_percentage: Annotated[
        int | None,
        Field(
            ge=1, le=100, description="Share of the concurrency target that triggers scaling, percent (1-100). Baseten's own default: 70."
        ),
    ] = None
    target_in_flight_tokens: Annotated[
        int | None,
        Field(ge=1, le=1_000_000_000, description="Tokens in flight per replica before scaling up, 1 or more. Early access at Baseten."),
    ] = None
    max_scale_down_rate: Annotated[
        int | None,
        Field(ge=1, le=50, description="Most replicas taken away in one autoscaling window, percent of all (1-50)."),
    ] = None
