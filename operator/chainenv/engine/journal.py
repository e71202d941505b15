"""The durable part of a run: an intent is written before the call it stands for (DESIGN section 4)."""

from __future__ import annotations

from ..core.actions import with_entry
from ..core.world import Resource
from ..crd.types import JournalEntry
from .ports import Store


class Journal:
    """``resource`` is the object as last written; whatever is written next must start from it."""

    def __init__(self, store: Store, resource: Resource) -> None:
        self._store = store
        self.resource = resource

    async def intend(self, journal: tuple[JournalEntry, ...], entry: JournalEntry) -> None:
        """Only after this returns may the call be made. Raises WriteConflictError or ClusterUnavailableError: then it must not."""
        status = self.resource.status.model_copy(update={"operations": with_entry(journal, entry)})
        self.resource = await self._store.write_status(self.resource, status)
