"""Times of day and days of the week, as people write them in a spec."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import checks, rule

TimeOfDay = Annotated[
    str,
    Field(
        max_length=32,
        json_schema_extra=checks(
            rule(
                "self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",
                'write the time of day as HH:MM, from "00:00" to "23:59", for example "09:00"',
            )
        ),
    ),
]
"""``HH:MM``, on the clocks of a time zone. The end of a day is the ``00:00`` of the next."""

TimeZoneName = Annotated[
    str,
    Field(
        max_length=128,
        json_schema_extra=checks(
            rule(
                "self.matches('^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')",
                "write the IANA name of the time zone, for example Europe/Berlin or UTC",
            )
        ),
    ),
]
"""Whether the IANA's database has it is only known to the operator."""

Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

Weekdays = Annotated[
    tuple[Weekday, ...],
    Field(
        min_length=1,
        max_length=7,
        description="Days on which it starts: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Omitted: every day.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    ),
]
