"""What a run has to say: findings become conditions, event records become Kubernetes Events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .reasons import Event, Reason


class Severity(IntEnum):
    """WAITING passes by itself; BLOCKED needs attention, the rest goes on; STALLED: nothing goes on until something changes."""

    WAITING = 1
    BLOCKED = 2
    STALLED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Why the resource is not, or not yet, as its spec says.

    ``again``: when the next try is; for conditions only, because an event that names a time could not be counted.
    """

    severity: Severity
    reason: Reason
    message: str
    again: str = ""

    @property
    def whole(self) -> str:
        return f"{self.message}; {self.again}" if self.again else self.message


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One Kubernetes Event to be written."""

    reason: Event | Reason
    message: str
    warning: bool = False
