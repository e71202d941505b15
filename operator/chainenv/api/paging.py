"""Answers that come in pages, read on to an end that the caller sets."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from . import models as m
from . import requests as r
from .client import Baseten

PAGE_LINES: Final = 200
"""Of a log. An answer has at most 2 MiB, and a line up to 10 KiB of it."""


async def audit_entries(
    baseten: Baseten, chain_id: str, query: r.AuditLogsQuery | None = None, *, pages: int = 10
) -> AsyncIterator[m.AuditEntry]:
    """Raises BasetenError. At most so many pages, and no page twice."""
    query = query or r.AuditLogsQuery(limit=200)
    cursors = {query.cursor}
    for _ in range(pages):
        page = await baseten.list_audit_logs(chain_id, query)
        for entry in page.items:
            yield entry
        cursor = page.pagination.cursor
        if not page.pagination.has_more or not cursor or cursor in cursors:
            return
        cursors.add(cursor)
        query = query.model_copy(update={"cursor": cursor})


class LogReader:
    """A chainlet's log from a moment on, the oldest line first, and no line twice.

    The API has no cursor for logs: the next page starts in the millisecond of the last line, without the lines that were read of it.
    More lines of one millisecond than a page has cannot be reached; the rest of that millisecond is passed over.
    """

    def __init__(self, baseten: Baseten, chain_id: str, deployment_id: str, chainlet_id: str, query: r.LogsQuery) -> None:
        """`query`: direction and limit count for nothing."""
        self._baseten: Final = baseten
        self._path: Final = (chain_id, deployment_id, chainlet_id)
        self._query = query.model_copy(update={"direction": "asc", "limit": PAGE_LINES})
        self._last: Counter[m.LogV1] = Counter()

    async def page(self) -> tuple[m.LogV1, ...]:
        """The lines that follow, none when there are no more at present. Raises BasetenError."""
        while True:
            found = await self._baseten.get_chainlet_logs(*self._path, self._query)
            new = tuple((Counter(found) - self._last).elements())
            start = self._query.start_epoch_millis or 0
            end = max([start, *(one.millis for one in found if one.millis is not None)])
            stuck = not new and len(found) >= PAGE_LINES
            self._last = Counter(one for one in found if not stuck and one.millis in (None, end))
            if found:
                self._query = self._query.model_copy(update={"start_epoch_millis": end + stuck})
            if not stuck:
                return new
