"""The spec's part on rollouts: what is promoted from where, when a rollout may begin, and what is cleaned up behind it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Part, checks, rule
from .clock import TimeOfDay, TimeZoneName, Weekdays

YEAR = 366 * 86400
"""The longest time that can be asked for, seconds."""

Seconds = Annotated[int, Field(ge=0, le=YEAR)]

ResourceName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        json_schema_extra=checks(
            rule(
                "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",
                "write the metadata.name of another ChainEnvironment of this namespace: lower-case letters, digits, '-' and '.'",
            )
        ),
    ),
]


class PromoteFrom(Part):
    """Which environment's deployment is promoted into this one."""

    name: Annotated[
        ResourceName,
        Field(description="metadata.name of a ChainEnvironment of the same namespace and the same chain, for example staging."),
    ]
    soak_seconds: Annotated[
        Seconds | None,
        Field(
            description="How long that environment must have been Ready with the deployment, without a break, before it is promoted, "
            "seconds. Omitted: 0."
        ),
    ] = None


class Window(Part):
    """A time in which a rollout may begin; past midnight when end is not later than start.

    An edge in an hour that the clocks skip happens right after it; in an hour that they repeat, the first time.
    """

    weekdays: Weekdays | None = None
    start: Annotated[TimeOfDay, Field(description='First moment, HH:MM, for example "09:00".')]
    end: Annotated[TimeOfDay, Field(description="First moment that is no longer in it, HH:MM; on the next day when not later than start.")]
    time_zone: Annotated[TimeZoneName | None, Field(description="IANA name, for example Europe/Berlin. Omitted: UTC.")] = None


class Rollout(Part):
    """What every call that starts a deployment waits for: changes of instance types and promotions, corrections of drift included."""

    approval: Annotated[
        Literal["Automatic", "Manual"] | None,
        Field(
            description="Automatic (when omitted): nobody is asked. Manual: a rollout waits for the annotation "
            "chains.baseten.co/approve with the value of status.rollout.plan."
        ),
    ] = None
    deadline_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=YEAR,
            description="Longest time from the call until its deployment serves, seconds; then the resource is Stalled with "
            "RolloutDeadlineExceeded, and nothing is undone. Omitted: no deadline.",
        ),
    ] = None
    windows: Annotated[
        tuple[Window, ...] | None,
        Field(
            min_length=1,
            max_length=20,
            description="A rollout begins only inside one of them. Omitted: at any time.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None


class Budget(Part):
    """What the environment may cost when every chainlet runs at its most replicas."""

    max_usd_per_hour: Annotated[
        str,
        Field(
            max_length=32,
            description='Most US dollars an hour, as decimal text above 0, for example "50.00". What could cost more is not sent.',
            json_schema_extra=checks(
                rule(
                    "self.matches('^[0-9]{1,9}([.][0-9]{1,6})?$') && self.matches('[1-9]')",
                    'write US dollars an hour as decimal text above 0, for example "50.00"',
                )
            ),
        ),
    ]


class Cleanup(Part):
    """What happens to deployments that served in this environment before."""

    keep_last: Annotated[
        int, Field(ge=0, le=1_000_000, description="So many of the newest that served before are kept to go back to, 0 or more.")
    ]
    after_seconds: Annotated[
        Seconds | None, Field(description="Each is kept for so long after it stopped serving, seconds. Omitted: 0.")
    ] = None
    action: Annotated[
        Literal["Deactivate", "Delete"] | None,
        Field(description="Deactivate (when omitted): it stops and stays listed at Baseten. Delete: it is removed from Baseten."),
    ] = None
