"""A ChainEnvironment object as the cluster has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from ..crd.types import ABANDON_ANNOTATION, FINALIZER, RECONCILE_ANNOTATION, ChainEnvironmentSpec, ChainEnvironmentStatus, JournalEntry
from .calendar import CalendarError, schedules_of, windows_of
from .desired import Desired, desired_of
from .effective import desired_at


@dataclass(frozen=True)
class Resource:
    """One ChainEnvironment object as last read or written. ``invalid``: why its spec cannot be read; ``unreadable``: how many
    entries of its journal could not be."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created_at: datetime
    spec: ChainEnvironmentSpec
    status: ChainEnvironmentStatus
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    invalid: str | None = None
    unreadable: int = 0

    @property
    def has_finalizer(self) -> bool:
        return FINALIZER in self.finalizers

    @cached_property
    def desired(self) -> Desired:
        return desired_of(self.spec, name=self.name, generation=self.generation)

    def desired_at(self, now: datetime) -> Desired:
        """As the schedules have it at a time; while it is being deleted they do not matter. Raises CalendarError."""
        return self.desired if self.deleting else desired_at(self.desired, self.spec, now)

    @property
    def calendar_problem(self) -> str | None:
        """A time zone, or a time of day, in the spec that there is not."""
        try:
            schedules_of(self.spec.autoscaling_schedules)
            windows_of(self.spec.rollout.windows if self.spec.rollout else None)
        except CalendarError as error:
            return f"spec.{error}"
        return None

    @property
    def reconcile_request(self) -> str | None:
        return self.annotations.get(RECONCILE_ANNOTATION)

    @property
    def forced(self) -> bool:
        return self.reconcile_request is not None and self.reconcile_request != self.status.last_handled_reconcile_at

    @property
    def abandoned(self) -> bool:
        return self.annotations.get(ABANDON_ANNOTATION, "").lower() == "true"

    @property
    def target(self) -> tuple[str, str]:
        """The environment on Baseten this is about: chain and name."""
        return self.spec.chain_id, self.spec.environment_name or self.name


def resource_of(raw: Mapping[str, Any]) -> Resource:
    """From the object's JSON. Tolerant: a spec that cannot be read is named in ``invalid``; of a status what can be read counts."""
    meta = raw["metadata"]
    invalid = None
    try:
        spec = ChainEnvironmentSpec.model_validate(raw.get("spec") or {})
    except ValidationError as error:
        invalid = "; ".join(f"spec.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        spec = ChainEnvironmentSpec.model_construct(chain_id=str((raw.get("spec") or {}).get("chainID", "")))
    status, unreadable = _status_of(raw.get("status") or {})
    return Resource(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation", 1)),
        resource_version=str(meta.get("resourceVersion", "")),
        created_at=datetime.fromisoformat(meta["creationTimestamp"]),
        spec=spec,
        status=status,
        annotations=meta.get("annotations") or {},
        finalizers=tuple(meta.get("finalizers") or ()),
        deleting="deletionTimestamp" in meta,
        invalid=invalid,
        unreadable=unreadable,
    )


def _status_of(raw: Mapping[str, Any]) -> tuple[ChainEnvironmentStatus, int]:
    """One broken part, or one broken entry of the journal, must not take the rest with it."""
    try:
        return ChainEnvironmentStatus.model_validate(raw), 0
    except ValidationError as error:
        broken = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
    kept = {k: v for k, v in raw.items() if k not in broken} if isinstance(raw, Mapping) else {}
    entries = raw["operations"] if "operations" in broken and isinstance(raw["operations"], list) else []
    readable = []
    for entry in entries:
        try:
            readable.append(JournalEntry.model_validate(entry))
        except ValidationError:
            continue
    if readable:
        kept["operations"] = readable
    return ChainEnvironmentStatus.model_validate(kept), len(entries) - len(readable)
