"""The bill of a week on the page about schedules is what the sample comes to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from chainenv.core.calendar import next_edges, schedules_of
from chainenv.core.cost import per_hour, usd
from chainenv.core.desired import desired_of
from chainenv.core.effective import desired_at
from chainenv.crd.types import ChainEnvironmentSpec
from chainenv_sandbox.baseten.catalogue import CATALOGUE

from .pages import ROOT

PAGE = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")
SAMPLE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "samples" / "office-hours.yaml").read_text(encoding="utf-8"))["spec"]
MONDAY = datetime(2026, 11, 23, tzinfo=ZoneInfo("Europe/Berlin"))
PRICES = {each.id: Decimal(str(each.price)) for each in CATALOGUE.values()}


def bill(spec: Mapping[str, Any], field: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Of a week: replica-hours and US dollars of each chainlet at its fewest or its most replicas."""
    parsed = ChainEnvironmentSpec.model_validate(spec)
    edges = [edge.at for edge in next_edges(schedules_of(parsed.autoscaling_schedules), MONDAY, count=100, days=7)]
    out: defaultdict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for begins, ends in pairwise([MONDAY, *edges, MONDAY + timedelta(days=7)]):
        hours = Decimal((ends - begins) / timedelta(hours=1))
        for chainlet in desired_at(desired_of(parsed, name="", generation=1), parsed, begins).chainlets:
            replicas = int(chainlet.autoscaling[field])
            price = per_hour(chainlet.instance_type_id, replicas, PRICES)
            assert price is not None
            before = out[chainlet.name]
            out[chainlet.name] = (before[0] + hours * replicas, before[1] + hours * price)
    return out


def rows() -> dict[str, list[str]]:
    """Of the bill, by the first cell."""
    table = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in table}


def cells(spec: Mapping[str, Any]) -> list[str]:
    """Replica-hours of LLM, and what the chainlets and all of them cost."""
    found = bill(spec, "min_replica")
    total = sum((amount for _, amount in found.values()), Decimal(0))
    return [f"{found['LLM'][0]:.2f}".removesuffix(".00"), usd(found["LLM"][1]), usd(found["Router"][1]), usd(total)]


def test_the_bill_of_a_week() -> None:
    always_warm = {**SAMPLE, "chainletSettings": [_at_most(each) for each in SAMPLE["chainletSettings"]], "autoscalingSchedules": None}
    assert rows()["as the sample says"] == cells(SAMPLE)
    assert rows()["without schedules, always warm (4 to 20 replicas)"] == cells(always_warm)
    saved = Decimal(cells(always_warm)[-1]) - Decimal(cells(SAMPLE)[-1])
    assert f"{usd(saved)} USD a week" in PAGE


def _at_most(chainlet: Mapping[str, Any]) -> dict[str, Any]:
    return {**chainlet, **({"autoscalingSettings": {"minReplica": 4, "maxReplica": 20}} if chainlet["chainletName"] == "LLM" else {})}


def test_the_page_shows_the_schedules_of_the_sample() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert yaml.safe_load(shown)["autoscalingSchedules"] == SAMPLE["autoscalingSchedules"]


def test_prices_on_the_page_are_those_it_was_computed_with() -> None:
    assert f"`H100` {PRICES['H100']}, `1x2` {PRICES['1x2']}" in PAGE
