"""The durable part of a run: an intent is written before the call it stands for (docs/decisions/0002)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..core.environment import Environment
from ..core.journal import with_entry
from ..core.resource import Resource
from ..crd.types import EnvironmentStatus, JournalEntry
from .ports import Store


class JournalWriter:
    """``resource`` is the object as last written; whatever is written next must start from it."""

    def __init__(self, store: Store, resource: Resource, now: Callable[[], datetime]) -> None:
        self._store = store
        self.now = now
        self.resource = resource

    async def intend(self, journal: tuple[JournalEntry, ...], entry: JournalEntry, environment: Environment | None) -> JournalEntry:
        """The entry as written, with the time of writing; with it the environment that it is for, in place of an earlier one.

        Only after this returns may the call be made. Raises WriteConflictError or ClusterUnavailableError: then it must not.
        """
        entry = entry.model_copy(update={"started_at": self.now()})
        update: dict[str, object] = {"operations": with_entry(journal, entry)}
        known = self.resource.status.environment
        if environment is not None and known is not None:
            update["environment"] = known.model_copy(update={"created_at": environment.created_at})
        self.resource = await self._store.write_status(self.resource, self.resource.status.model_copy(update=update))
        return entry

    async def prove(self, environment: Environment) -> None:
        """Writes that the resource manages the environment, unless its status says so. Raises as ``intend``."""
        known = self.resource.status.environment
        if known is not None and known.managed:
            return
        proof = EnvironmentStatus(name=environment.name, chain_id=environment.chain_id, created_at=environment.created_at, managed=True)
        self.resource = await self._store.write_status(self.resource, self.resource.status.model_copy(update={"environment": proof}))
