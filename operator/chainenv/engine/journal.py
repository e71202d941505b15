"""The durable part of a run: an intent is written before the call it stands for (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..core.actions import with_entry
from ..core.world import Resource
from ..crd.types import JournalEntry
from .ports import Store


class Journal:
    """``resource`` is the object as last written; whatever is written next must start from it."""

    def __init__(self, store: Store, resource: Resource, now: Callable[[], datetime]) -> None:
        self._store = store
        self.now = now
        self.resource = resource

    async def intend(self, journal: tuple[JournalEntry, ...], entry: JournalEntry) -> JournalEntry:
        """The entry as written, with the time of writing: the settling time counts from there, not from when the run began.

        Only after this returns may the call be made. Raises WriteConflictError or ClusterUnavailableError: then it must not.
        """
        entry = entry.model_copy(update={"started_at": self.now()})
        status = self.resource.status.model_copy(update={"operations": with_entry(journal, entry)})
        self.resource = await self._store.write_status(self.resource, status)
        return entry
