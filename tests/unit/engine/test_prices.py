"""Prices are read in the background, once an hour for each key."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chainenv.api import ApiKey, NotFound, Unavailable
from chainenv.api import models as m
from chainenv.engine.ports import Key
from chainenv.engine.prices import KEPT_SECONDS, RETRY_SECONDS, PriceBook

WEB, SHOP = Key("team", "web"), Key("team", "shop")
LISTED = (
    m.InstanceTypeWithPriceV1(m.InstanceTypeV1("1x2", "1 vCPU"), Decimal("0.01")),
    m.InstanceTypeWithPriceV1(m.InstanceTypeV1("H100")),
)


class Priced:
    """What one key reads of prices: an answer, or an error to raise."""

    def __init__(self, key: str = "key-of-a-team") -> None:
        self.key = ApiKey(key)
        self.answer: Any = LISTED
        self.reads = 0

    async def get_instance_type_prices(self) -> tuple[m.InstanceTypeWithPriceV1, ...]:
        self.reads += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        found: tuple[m.InstanceTypeWithPriceV1, ...] = self.answer
        return found


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.woken: list[tuple[Key, float]] = []
        self.book = PriceBook(lambda: self.now, lambda key, seconds: self.woken.append((key, seconds)))

    async def ask(self, who: Any, key: Key = WEB, *, waits: bool = True) -> Any:
        """What is known at once; then what is being read has time to arrive."""
        found = self.book(key, who, waits)
        for _ in range(5):
            await asyncio.sleep(0)
        return found


def run(story: Any) -> None:
    asyncio.run(story())


def test_prices_are_there_after_the_first_question_and_kept_for_an_hour() -> None:
    async def story() -> None:
        clock, team = Clock(), Priced()
        assert await clock.ask(team) is None
        assert clock.woken == [(WEB, 0.0)]
        found = await clock.ask(team)
        assert (found.prices, found.ids) == ({"1x2": Decimal("0.01")}, {"1 vCPU": "1x2"})
        clock.now += KEPT_SECONDS - 1
        await clock.ask(team)
        assert team.reads == 1
        clock.now += 1
        assert (await clock.ask(team)).prices  # the old ones meanwhile
        assert team.reads == 2

    run(story)


def test_each_key_has_its_own() -> None:
    async def story() -> None:
        clock, team, other = Clock(), Priced(), Priced("key-of-others")
        await clock.ask(team)
        assert await clock.ask(other) is None
        assert (team.reads, other.reads) == (1, 1)

    run(story)


def test_only_who_waits_is_woken() -> None:
    async def story() -> None:
        clock, team = Clock(), Priced()
        await clock.ask(team, SHOP, waits=False)
        assert clock.woken == []

    run(story)


def test_a_server_without_prices_has_none() -> None:
    async def story() -> None:
        clock, team = Clock(), Priced()
        team.answer = NotFound("no such page", endpoint="get_instance_type_prices", status=404)
        await clock.ask(team)
        assert (await clock.ask(team)).prices == {}
        assert team.reads == 1

    run(story)


@pytest.mark.parametrize("known", [False, True])
def test_a_read_that_fails_is_repeated_and_takes_nothing_away(known: bool) -> None:
    async def story() -> None:
        clock, team = Clock(), Priced()
        if known:
            await clock.ask(team)
            clock.now += KEPT_SECONDS
        clock.woken.clear()
        team.answer = Unavailable("it broke", endpoint="get_instance_type_prices", status=500)
        await clock.ask(team)
        assert clock.woken == ([] if known else [(WEB, RETRY_SECONDS)])
        before = team.reads
        assert bool(await clock.ask(team)) is known
        assert team.reads == before
        clock.now += RETRY_SECONDS
        await clock.ask(team)
        assert team.reads == before + 1

    run(story)
