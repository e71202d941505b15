"""A journal that another version wrote: kinds of operations that this one does not know are kept, and stop nothing in silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chainenv.core.actions import Plan
from chainenv.core.desired import Desired, DesiredChainlet
from chainenv.core.environment import ChainletState, Deployment, Environment
from chainenv.core.plan import plan
from chainenv.core.recover import recover
from chainenv.core.world import World
from chainenv.crd.types import InstanceType, JournalEntry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=1)
UNKNOWN = JournalEntry(operation="Teleport", hash="abc", started_at=OLD)
WORLD = World(
    desired=Desired("abcd1234", "staging", chainlets=(DesiredChainlet("HelloWorld", "2x8"),)),
    environment=Environment(
        name="staging",
        chain_id="abcd1234",
        chainlets=(ChainletState("HelloWorld", InstanceType(id="1x2"), {}),),
        current=Deployment("dep1", "ACTIVE"),
    ),
    now=NOW,
    known=True,
    managed=True,
    spec_changed=True,
)


def planned(entry: JournalEntry) -> Plan:
    return plan(recover(replace(WORLD, journal=(entry,))))


@pytest.mark.parametrize("outcome", ["Accepted", "Refused", "Teleported", None])
@pytest.mark.parametrize("finished", [None, OLD])
def test_an_entry_of_an_unknown_kind_is_kept_as_it_is(finished: datetime | None, outcome: str | None) -> None:
    entry = UNKNOWN.model_copy(update={"finished_at": finished, "outcome": outcome})
    assert entry in planned(entry).journal


@pytest.mark.parametrize("outcome", ["Accepted", "Refused", "Teleported"])
def test_one_that_is_over_stops_nothing(outcome: str) -> None:
    assert len(planned(UNKNOWN.model_copy(update={"finished_at": OLD, "outcome": outcome})).actions) == 1


def test_an_open_one_stops_nothing_or_the_resource_says_what_it_waits_for() -> None:
    found = planned(UNKNOWN)
    assert found.actions or found.findings
