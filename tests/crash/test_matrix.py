"""The crash matrix: SIGKILL at each boundary of each kind of work, then another life. Nothing happens twice, nothing is lost.

A cell stops one call exactly at its boundary, on its way to Baseten or to the API server, kills the operator there, and
decides what becomes of the call. work.py has the rows and the columns; what a run covered is reported at its end.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainenv_sandbox.baseten.journal import Entry
from chainenv_sandbox.proxy.client import Proxy

from ..conftest import CELL
from ..integration.harness.case import Case
from ..integration.harness.stage import Stage
from ..integration.harness.waiting import wait_until
from .work import BOUNDARIES, WORKS, Boundary, Work, exists, open_intents, outcomes

CELLS = {
    f"{row}: {column}": (work, boundary) for row, work in WORKS.items() for column, boundary in BOUNDARIES.items() if exists(work, boundary)
}
STOP = "here"


@pytest.fixture
def case(apart: Stage) -> Iterator[Case]:
    """Each cell has a chain and a namespace of its own under the one API server and the one simulator.

    Settings show as soon as they are taken: while they do not, another life sends them again, which changes nothing.
    """
    with apart.options(autoscaling_seconds=0):
        yield Case(apart, f"cell-{apart.namespace}")


def stop_there(case: Case, proxy: Proxy, work: Work, boundary: Boundary) -> None:
    """The next call of the kind will be caught at the boundary."""
    if boundary.step == "call":
        assert work.call is not None
        method, path = work.call
        case.stage.simulator.hold(
            STOP, method=method, path=f"/chains/{case.chain}/.*{path.lstrip('/')}", point=boundary.point, if_gone=boundary.if_gone
        )
        return
    method_, path = ("PATCH", "") if work.wrote == "finalizer" else ("PUT", "/status")
    before = 1 if boundary.step == "outcome" and work.intent else 0
    where = f"/{case.namespace}/chainenvironments/{case.name}{path}$"
    proxy.hold(STOP, method=method_, path=where, skip=before, point=boundary.point, if_gone=boundary.if_gone)  # type: ignore[arg-type]


def wait_stopped(case: Case, proxy: Proxy, boundary: Boundary, *, gone: int = 0) -> None:
    if boundary.step == "call":
        case.stage.simulator.wait_held(STOP, gone=gone)
    else:
        proxy.wait_held(STOP, gone=gone)


def last_write(case: Case, proxy: Proxy) -> Entry:
    return proxy.calls(path=f"/{case.namespace}/chainenvironments/{case.name}(/status)?$")[-1]


def check_it_is_there(case: Case, proxy: Proxy, work: Work, boundary: Boundary, mark: int) -> None:
    """The call that was caught is the one that was meant."""
    sent = len(case.sent(mark))
    if boundary.step == "call":
        assert sent == 1
        assert bool(open_intents(case.see()["status"])) == work.intent, "the intent is written before the call is made"
        return
    held = last_write(case, proxy)
    if boundary.step == "intent":
        assert sent == 0, "the call is not made before its intent is written"
        assert len(open_intents(held.request["status"])) == 1
    elif boundary.step == "outcome":
        assert sent == 1
        assert "Accepted" in outcomes(held.request["status"])
        assert not open_intents(held.request["status"])
    elif work.wrote == "finalizer":
        assert "finalizers" in held.request["metadata"]


@pytest.mark.parametrize(("work", "boundary"), CELLS.values(), ids=CELLS)
def test_killed_exactly_there_it_ends_settled_and_nothing_is_doubled(
    case: Case, proxy: Proxy, proxied: str, work: Work, boundary: Boundary, request: pytest.FixtureRequest, record_property: object
) -> None:
    assert callable(record_property)
    record_property(CELL, request.node.callspec.id)
    operator = case.stage.run_operator(KUBECONFIG=proxied)
    work.prepare(case)
    mark, started = case.mark(), case.started()

    stop_there(case, proxy, work, boundary)
    work.change(case)
    wait_stopped(case, proxy, boundary)
    check_it_is_there(case, proxy, work, boundary, mark)
    operator.kill()
    wait_stopped(case, proxy, boundary, gone=1)
    case.stage.simulator.release()
    proxy.release()
    operator.start()

    wait_until("it has begun another life", lambda: operator.log.count("ChainEnvironments found") == 2)
    work.wait_done(case)
    if not case.is_gone():
        case.wait_polls(2)
    assert case.started() == [*started, *work.starts]
    again = boundary.step == "call" and boundary.lost
    assert len(case.sent(mark)) == work.sends + again, case.names_sent(mark)
    if work.effect is not None:
        assert len(case.stage.simulator.journal(since=mark, path=f"/chains/{case.chain}/", effect=work.effect)) == 1
