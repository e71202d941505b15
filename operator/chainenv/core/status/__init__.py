"""From what was observed and done to what people read: the resource's status and the events of its changes."""

from .conditions import readiness
from .events import changes
from .projection import project, to_json, waiting_rollout
from .report import GRACE_SECONDS, TRANSIENT, Observation, Observed, Paused, Report, Unobserved

__all__ = [
    "GRACE_SECONDS",
    "TRANSIENT",
    "Observation",
    "Observed",
    "Paused",
    "Report",
    "Unobserved",
    "changes",
    "project",
    "readiness",
    "to_json",
    "waiting_rollout",
]
