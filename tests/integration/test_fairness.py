"""One tenant's slow answers, missing Secrets and endless edits are nobody else's delay. Times are recorded, never asserted."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from ..conftest import MEASURED
from .harness.case import Case
from .harness.manifests import resource
from .harness.observing import audited, secret, together
from .harness.stage import Stage
from .harness.waiting import wait_until

MANY = 300
"""More than there are workers."""
CHANGES = 5


@pytest.fixture
def neighbour(shared_stage: Stage, tmp_path: Path) -> Iterator[Case]:
    """Settled, in another namespace, with a key of its own, under an operator that watches both."""
    keys = {**shared_stage.keys, "neighbour": f"key-of-the-neighbour-{secrets.token_hex(8)}"}
    shared_stage.simulator.add_key("neighbour", keys["neighbour"])
    other = Stage(shared_stage.cluster, shared_stage.simulator, tmp_path, keys)
    try:
        other.apply(secret("neighbour", **{"api-key": keys["neighbour"]}))
        case = Case(other, f"neighbour-{other.namespace}").existing()
        namespaces = f"{shared_stage.namespace},{other.namespace}"
        other.run_operator(CHAINENV_NAMESPACES=namespaces, CHAINENV_POLL_SECONDS="2", CHAINENV_PROGRESS_SECONDS="1")
        case.apply(apiKeySecretRef={"name": "neighbour", "key": "api-key"})
        case.wait_settled()
        yield case
    finally:
        shared_stage.simulator.release()
        other.close()
        shared_stage.cluster.clear(shared_stage.namespace)


def change_seconds(case: Case, first: int) -> float:
    """From a change of the spec until Baseten has the call for it: the median of some."""
    taken = []
    for number in range(CHANGES):
        mark, begun = case.mark(), time.monotonic()
        ref = {"name": "neighbour", "key": "api-key"}
        changed = {"spec": {"apiKeySecretRef": ref, "promotionSettings": {"rampUpDurationSeconds": first + number}}}
        case.stage.cluster.patch(case.namespace, case.name, changed)
        wait_until("the change is sent", lambda mark=mark: "promotion settings" in case.names_sent(mark), interval=0.005)
        taken.append(time.monotonic() - begun)
        case.wait_settled()
    return median(taken)


def crowd(stage: Stage, chain: str) -> None:
    """Many resources of the other tenant, whose answers do not come."""
    stage.simulator.add_chain(chain, ("HelloWorld",))
    stage.simulator.hold(chain, path=f"/chains/{chain}/", times=None)
    stage.apply(together(resource(f"crowd-{n}", chainID=chain, environmentName=f"crowd-{n}") for n in range(MANY)))
    stage.simulator.wait_held(chain, count=50)


def record(record_property: object, what: str, alone: float, beside: float) -> None:
    assert callable(record_property)
    record_property(MEASURED, f"a neighbour's change beside {MANY} {what}: {beside / alone:.1f}x its undisturbed time")


def test_answers_that_never_come_hold_up_nobody_else(shared_stage: Stage, neighbour: Case, record_property: object) -> None:
    alone = change_seconds(neighbour, 100)
    crowd(shared_stage, "of-the-slow")
    record(record_property, "whose answers do not come", alone, change_seconds(neighbour, 200))


def test_missing_secrets_hold_up_nobody_else_and_are_read_ever_less_often(
    shared_stage: Stage, neighbour: Case, record_property: object
) -> None:
    alone = change_seconds(neighbour, 100)
    names = [f"missing-{n}" for n in range(MANY)]
    shared_stage.apply(
        together(
            resource(f"crowd-{n}", chainID="of-nobody", apiKeySecretRef={"name": name, "key": "api-key"}) for n, name in enumerate(names)
        )
    )

    def reads() -> Counter[str]:
        mine = [e["objectRef"] for e in audited(shared_stage.cluster, "secrets")]
        return Counter(ref.get("name") for ref in mine if ref.get("namespace") == shared_stage.namespace and ref.get("name") in names)

    wait_until("each was read twice", lambda: len(seen := reads()) == MANY and min(seen.values()) >= 2)
    record(record_property, "without a Secret", alone, change_seconds(neighbour, 200))


@contextmanager
def touching(stage: Stage) -> Iterator[list[int]]:
    """Somebody annotates all of them over and over; the list grows by one for each round."""
    ended, rounds = threading.Event(), list[int]()

    def touch() -> None:
        while not ended.is_set():
            for number in range(MANY):
                if ended.is_set():
                    return
                note = {"metadata": {"annotations": {"note": f"{len(rounds)}"}}}
                stage.cluster.patch(stage.namespace, f"crowd-{number}", note)
            rounds.append(len(rounds))

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield rounds
    finally:
        ended.set()
        thread.join()


def test_endless_edits_hold_up_nobody_else(shared_stage: Stage, neighbour: Case, record_property: object) -> None:
    alone = change_seconds(neighbour, 100)
    crowd(shared_stage, "of-the-edited")
    with touching(shared_stage) as rounds:
        wait_until("all were touched", lambda: rounds)
        record(record_property, "that are edited without end", alone, change_seconds(neighbour, 200))
