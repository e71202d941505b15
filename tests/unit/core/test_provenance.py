"""Where the current deployment comes from, by what the journal knew before and after the read."""

from __future__ import annotations

from typing import Any

from chainenv.core.environment import Deployment, Environment
from chainenv.core.provenance import with_history
from chainenv.core.recover import recover
from chainenv.core.world import World
from chainenv.crd.enums import Operation
from chainenv.crd.types import HistoryEntry, JournalEntry

from .helpers import LARGE, NAME, SMALL, Case, ago, answered, deployment, desired, environment, opened, state, table, want, world

BEFORE = (HistoryEntry(deployment_id="dep-old", cause="External", since=ago(86400)),)
SENT = {"started": True, "deployment_id": "dep-new", "target": "dep-src"}


def serving(id_: str, type_id: str = SMALL) -> Environment:
    return environment(state("Llm", type_id, max_replica=1), current=Deployment(id_, "ACTIVE", ago(5), NAME))


def read(seen: Environment | None, *journal: JournalEntry, history: Any = BEFORE, **more: Any) -> World:
    """The world after a read, with its history."""
    given = world(desired(want("Llm", LARGE), **more), seen, *journal)
    return with_history(recover(given), history, journal, {"dep-new": "UI"})


def newest(state_: World) -> tuple[str, str, str | None]:
    entry = state_.history[0]
    return entry.deployment_id, entry.cause, entry.source


@table(
    Case("a push", "nothing was asked for", read(serving("dep-new")), ("dep-new", "External", None)),
    Case(
        "a promotion",
        "its answer named the deployment",
        read(serving("dep-new"), answered(Operation.PROMOTE, 60, target="dep-src", started=True, deployment_id="dep-new")),
        ("dep-new", "Promotion", "dep-src"),
    ),
    Case(
        "a copy with another id",
        "Baseten's answer named the source",
        read(serving("dep-new"), answered(Operation.PROMOTE, 60, target="dep-src", started=True)),
        ("dep-new", "Promotion", "dep-src"),
    ),
    Case(
        "a lost answer",
        "observed",
        read(serving("dep-new"), opened(Operation.PROMOTE, 60, target="dep-src")),
        ("dep-new", "Promotion", "dep-src"),
    ),
    Case(
        "instance types",
        "",
        read(serving("dep-new", LARGE), answered(Operation.INSTANCE_TYPES, 60, values=(f"Llm={LARGE}",), started=True)),
        ("dep-new", "InstanceTypes", None),
    ),
    Case(
        "a push after a promotion",
        "the promotion came to its end before",
        read(serving("dep-x"), answered(Operation.PROMOTED, 600, settled=True, **SENT)),
        ("dep-x", "External", None),
    ),
    Case(
        "a push after a refusal",
        "",
        read(serving("dep-x"), answered(Operation.PROMOTE, 60, outcome="Refused", target="dep-src")),
        ("dep-x", "External", None),
    ),
    Case(
        "a push after a failure",
        "",
        read(serving("dep-x"), answered(Operation.PROMOTE, 60, outcome="Failed", **SENT)),
        ("dep-x", "External", None),
    ),
    Case(
        "a wish for what serves",
        "nothing was sent",
        read(serving("dep-old"), answered(Operation.PROMOTED, 60, target="dep-old", deployment_id="dep-old")),
        ("dep-old", "External", None),
    ),
    Case("gone", "an incident proves no end", read(None), ("dep-old", "External", None)),
)
def test_the_cause_of_what_serves(case: Case) -> None:
    assert newest(case.given) == case.expected


def test_who_brought_it_is_known_when_it_was_asked() -> None:
    assert read(serving("dep-new")).history[0].by == "UI"


def test_the_first_deployment_of_a_created_environment_is_remembered_until_it_serves() -> None:
    building = environment(state("Llm"), current=deployment("dep-1", "BUILDING"))
    created = read(building, answered(Operation.CREATE, 5), history=())
    assert created.history == ()
    [kept] = [entry for entry in created.journal if entry.operation == Operation.CREATED]
    assert kept.deployment_id == "dep-1"
    serves = read(serving("dep-1"), kept, history=())
    assert newest(serves) == ("dep-1", "Created", None)
    assert [entry.operation for entry in serves.journal] == []


def test_an_environment_that_was_there_was_not_created() -> None:
    assert newest(read(serving("dep-1"), answered(Operation.CREATE, 5, outcome="Refused"), history=())) == ("dep-1", "External", None)
