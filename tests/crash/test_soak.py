"""Everything goes wrong at once, at random: see soak.py. Here for half a minute; ``make soak MINUTES=30 SEED=7`` for longer."""

from __future__ import annotations

import os
import random

import pytest

from chainenv_sandbox.proxy.client import Proxy

from ..conftest import MEASURED
from ..integration.harness.stage import Stage
from .soak import EVERY, FAULTS, HURRY, SETTINGS, Ledger, Soak, plan

MINUTES = float(os.environ.get("SOAK_MINUTES") or 25 / 60)
RESOURCES = 12 if MINUTES < 1 else 40
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(2**32))


@pytest.fixture
def soak(stage: Stage, proxy: Proxy, proxied: str) -> Soak:
    stage.simulator.set_options(latency_seconds=0.02)
    operator = stage.run_operator(HURRY, **SETTINGS, KUBECONFIG=proxied)
    return Soak(stage, proxy, operator, seed=SEED, seconds=MINUTES * 60, resources=RESOURCES)


def reported(soak: Soak, lost: list[str], doubled: list[str]) -> str:
    happened = ", ".join(f"{name} {soak.counts[name]}" for name in (*EVERY, *FAULTS))
    asked = soak.counts["lost three times, asked for by a person"]
    return (
        f"soak SEED={SEED}: {soak.counts['seconds'] / 60:.1f} min, {len(soak.tracks)} resources; {happened};"
        f" given up {asked}; lost {len(lost)}, doubled {len(doubled)}; {soak.counts['samples']} samples"
    )


def test_after_everything_went_wrong_nothing_is_lost_and_nothing_doubled(soak: Soak, record_property: object) -> None:
    print(f"soak: SEED={SEED} MINUTES={MINUTES:.2f}", flush=True)
    soak.run()
    ledgers = [Ledger(soak.stage, each) for each in soak.tracks]
    lost = [each for ledger in ledgers for each in ledger.lost()]
    doubled = [each for ledger in ledgers for each in ledger.doubled()]
    print(reported(soak, lost, doubled), flush=True)
    assert callable(record_property)
    record_property(MEASURED, reported(soak, lost, doubled))
    assert lost == []
    assert doubled == []
    assert [each for ledger in ledgers for each in ledger.wrong_keys()] == []
    assert soak.ahead == []


def test_the_same_seed_chooses_the_same() -> None:
    assert plan(SEED, 60) == plan(SEED, 60)
    assert plan(SEED, 60) != plan(SEED + 1, 60)


def test_even_the_short_one_has_something_of_everything() -> None:
    assert {each.kind for each in plan(SEED, 25)} >= set(EVERY)
