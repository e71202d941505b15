"""What a log line is about: the resource whose run this is, and the last call made in it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from ..api import CallRecord
from ..core.resource import Resource


@dataclass(frozen=True, slots=True)
class About:
    """``chain`` and ``environment`` are those of the spec, whatever there is on Baseten."""

    namespace: str
    name: str
    chain: str
    environment: str
    generation: int

    @classmethod
    def of(cls, resource: Resource) -> About:
        chain, environment = resource.target
        return cls(resource.namespace, resource.name, chain, environment, resource.generation)


RESOURCE: ContextVar[About | None] = ContextVar("resource", default=None)
"""None outside of a run."""

LAST_CALL: ContextVar[CallRecord | None] = ContextVar("last_call", default=None)
"""Set by whoever records calls (api.Hooks), before the caller has the answer."""


def of_last_call(endpoint: str | None = None) -> dict[str, str | float]:
    """Fields for a log line about what a call came to; ``endpoint`` when it is known, as that of a call that was held
    back. The duration is without the wait for a turn."""
    call = LAST_CALL.get()
    if call is None or endpoint not in (None, call.endpoint):
        return {} if endpoint is None else {"call": endpoint}
    return {"call": call.endpoint, "duration_seconds": round(call.seconds, 3)}
