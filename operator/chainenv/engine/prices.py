"""What instance types cost, for each API key: read in the background, kept for an hour, never on the way of anything else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from ..api import Baseten, BasetenError, CredentialsRefused, NotFound
from ..api import models as m
from ..core.cost import PriceList, price
from .context import of_last_call
from .ports import Key

log = logging.getLogger(__name__)

KEPT_SECONDS = 3600.0
RETRY_SECONDS = 60.0
"""After a read that failed."""


@dataclass(slots=True)
class _Known:
    """``due``: when it is read again, monotonic. ``waiting``: resources that have something to send and need to know."""

    prices: PriceList | None = None
    due: float = float("-inf")
    asked: float = 0.0
    waiting: set[Key] = field(default_factory=set)
    reading: asyncio.Task[None] | None = None


class PriceBook:
    """Implements engine.ports.Ports.prices. ``wake``: called for each waiting resource when prices have been read, or are to be read
    again in so many seconds."""

    def __init__(self, monotonic: Callable[[], float], wake: Callable[[Key, float], None]) -> None:
        self._monotonic = monotonic
        self._wake = wake
        self._known: dict[str, _Known] = {}

    def __call__(self, key: Key, baseten: Baseten, waits: bool) -> PriceList | None:
        """What is known now; None: nothing yet. ``waits``: the resource is woken if that is so."""
        now = self._monotonic()
        known = self._known.setdefault(baseten.key.fingerprint, _Known())
        known.asked = now
        if known.prices is None and waits:
            known.waiting.add(key)
        if now >= known.due and known.reading is None:
            self._forget(now)
            known.reading = asyncio.get_running_loop().create_task(self._read(baseten, known), name="prices")
        return known.prices

    def _forget(self, now: float) -> None:
        """Keys that nobody has used for two hours."""
        self._known = {name: each for name, each in self._known.items() if now - each.asked < 2 * KEPT_SECONDS or each.reading}

    async def _read(self, baseten: Baseten, known: _Known) -> None:
        known.due = self._monotonic() + RETRY_SECONDS
        try:
            found = price_list(await baseten.get_instance_type_prices())
            if found.prices or known.prices is None:  # a list without any price takes no known ones away
                known.prices = found
                known.due = self._monotonic() + KEPT_SECONDS
        except (NotFound, CredentialsRefused) as error:  # an older server, or a key that may not ask
            log.debug("no prices: %s", error.message, extra=of_last_call(error.endpoint))
            known.prices = known.prices or PriceList()
            known.due = self._monotonic() + KEPT_SECONDS
        except BasetenError as error:
            log.debug("prices were not read: %s", error.message, extra=of_last_call(error.endpoint))
        finally:
            known.reading = None
        waiting, known.waiting = known.waiting, set()
        for key in waiting:
            self._wake(key, 0.0 if known.prices is not None else RETRY_SECONDS)


def price_list(wire: tuple[m.InstanceTypeWithPriceV1, ...]) -> PriceList:
    found = {each.instance_type.id: amount for each in wire if (amount := price(each.price)) is not None}
    return PriceList(found, {each.instance_type.name: each.instance_type.id for each in wire if each.instance_type.name})
