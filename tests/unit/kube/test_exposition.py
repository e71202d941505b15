"""A scrape holds up nobody: the text is made in a thread, once for all who ask within some seconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chainenv.metrics import KEPT_SECONDS, Exposition

pytestmark = pytest.mark.asyncio


class Slow(Collector):
    """Comes to an end when the event loop says so; ``in_time``: whether it did, for each time it was asked."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.in_time: list[bool] = []

    def collect(self) -> Iterator[Metric]:
        self.in_time.append(self.go_on.wait(30))
        yield GaugeMetricFamily("slow", "Slow.", value=len(self.in_time))


@pytest.fixture
def slow() -> Slow:
    return Slow()


def exposition(slow: Slow, now: list[float], refreshed: list[None]) -> Exposition:
    registry = CollectorRegistry()
    registry.register(slow)
    slow.in_time.clear()  # registering asks for the names
    return Exposition(lambda: refreshed.append(None), registry, lambda: now[0])


async def test_the_loop_goes_on_while_the_text_is_made_and_all_who_ask_share_it(slow: Slow) -> None:
    slow.go_on.set()
    now, refreshed = [100.0], list[None]()
    page = exposition(slow, now, refreshed)
    slow.go_on.clear()
    asked = [asyncio.create_task(page.text()) for _ in range(5)]
    await asyncio.sleep(0)
    slow.go_on.set()  # only a loop that goes on comes here before the collector gives up
    texts = await asyncio.gather(*asked)
    assert slow.in_time == [True]
    assert set(texts) == {b"# HELP slow Slow.\n# TYPE slow gauge\nslow 1.0\n"}
    now[0] += KEPT_SECONDS - 0.1
    assert await page.text() == texts[0]
    now[0] += 0.2
    assert b"slow 2.0" in await page.text()
    assert len(refreshed) == 2


async def test_one_who_hangs_up_spoils_nothing_and_a_failure_is_not_kept() -> None:
    registry, now = CollectorRegistry(), [0.0]
    value = Gauge("some", "Some.", registry=registry)
    broken = True

    def read() -> float:
        if broken:
            raise ValueError("broken")
        return 1.0

    value.set_function(read)
    page = Exposition(lambda: None, registry, lambda: now[0])
    with pytest.raises(ValueError, match="broken"):
        await page.text()
    broken = False
    hung_up = asyncio.create_task(page.text())
    await asyncio.sleep(0)
    hung_up.cancel()
    assert b"some 1.0" in await page.text()
