"""Keys, limits, faults and holds."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from chainenv_sandbox.baseten.client import Simulator, SimulatorError

from .conftest import CHAIN, STAGING, Api

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ENVIRONMENTS = f"{CHAIN}/environments"
PRODUCTION = f"{ENVIRONMENTS}/production"


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """httpx leaves the socket of a connection that was reset to the garbage collector, which would warn in whatever test runs then."""
    yield
    gc.collect()


@pytest.mark.parametrize("header", [None, "Api-Key wrong", "Basic sandbox-key", "sandbox-key", "Bearer"])
def test_bad_keys(simulator: Simulator, header: str | None) -> None:
    for status in (403, 401):
        simulator.set_options(auth_status=status)
        response = httpx.get(simulator.base_url + PRODUCTION, headers={"Authorization": header} if header else {})
        assert (response.status_code, response.json()["code"]) == (status, "PERMISSION_DENIED")
    assert [(one.key, one.key_ok) for one in simulator.journal()] == [(None, False)] * 2


def test_both_schemes_and_rotation(simulator: Simulator) -> None:
    def status(value: str, scheme: str = "Bearer") -> int:
        return httpx.get(simulator.base_url + PRODUCTION, headers={"Authorization": f"{scheme} {value}"}).status_code

    assert (status("sandbox-key"), status("sandbox-key", "Api-Key")) == (200, 200)
    simulator.add_key("default", "rotated-value")
    assert (status("sandbox-key"), status("rotated-value")) == (403, 200)
    simulator.revoke_key("default")
    assert status("rotated-value") == 403
    assert all("rotated-value" not in str(one) for one in simulator.journal())


def test_restricted_keys(simulator: Simulator) -> None:
    simulator.add_key("reader", "r", read_only=True)
    simulator.add_key("partial", "p", restricted_environments=["staging"])
    for key in ("r", "p"):
        api = Api(simulator.base_url, key)
        with api.http:
            assert api.http.get(PRODUCTION).status_code == 200
            api.refused("POST", ENVIRONMENTS, {"name": "staging"}, status=403)
    assert Api(simulator.base_url, "p").http.patch(PRODUCTION, json={}).status_code == 200


def test_journal(api: Api, simulator: Simulator) -> None:
    api.create()
    api.staging()
    created, read = simulator.journal()
    assert created.effect["created_environment"] == "staging"
    assert created.effect["started_deployment"] == simulator.started_deployments()[0]["id"]
    assert (created.endpoint, created.request, created.status) == ("/v1/chains/{chain_id}/environments", {"name": "staging"}, 200)
    assert (read.key, read.key_ok, read.effect, read.seq) == ("default", True, {}, created.seq + 1)
    assert [one.seq for one in simulator.journal(since=created.seq)] == [read.seq]
    assert [one.seq for one in simulator.journal(method="GET", path="stag", status=200)] == [read.seq]
    simulator.clear_journal()
    assert simulator.journal() == []
    with pytest.raises(SimulatorError, match="in time"):
        simulator.wait_journal(timeout=0.01)


def test_rate_limit_for_each_key_and_endpoint(api: Api, simulator: Simulator) -> None:
    simulator.add_key("other", "o")
    simulator.set_rate_limit(3)
    assert [api.http.get(PRODUCTION).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert api.http.get(CHAIN).status_code == 200
    assert Api(simulator.base_url, "o").http.get(PRODUCTION).status_code == 200
    refused = api.http.get(PRODUCTION)
    assert refused.json() == {"error": "Rate limit exceeded. Please try again later.", "retry_after": 1}
    assert "Retry-After" not in refused.headers
    simulator.set_options(retry_after=37, retry_after_header="seconds")
    assert api.http.get(PRODUCTION).headers["Retry-After"] == "37"
    simulator.set_options(retry_after_header="date")
    before = int(time.time())
    at = parsedate_to_datetime(api.http.get(PRODUCTION).headers["Retry-After"]).timestamp()
    assert before + 37 <= at <= time.time() + 38
    assert simulator.state()["rate_limited"] == 4


def test_fault_answer_is_counted_and_filtered(api: Api, simulator: Simulator) -> None:
    simulator.add_fault("answer", method="POST", path="/environments$", status=503, body={"message": "later"}, times=2, skip=1)
    assert api.http.get(PRODUCTION).status_code == 200
    api.ok("ChainEnvironmentV1", "POST", ENVIRONMENTS, {"name": "first"})
    statuses = [api.http.post(ENVIRONMENTS, json={"name": "staging"}).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert [one.faults for one in simulator.journal(status=503)] == [["answer before_effect"]] * 2


def test_fault_after_effect(api: Api, simulator: Simulator) -> None:
    simulator.add_fault("answer", status=500, body="oops", point="after_effect", headers={"X-Why": "test"})
    response = api.http.post(ENVIRONMENTS, json={"name": "staging"})
    assert (response.status_code, response.text, response.headers["X-Why"]) == (500, "oops", "test")
    assert api.staging()["name"] == "staging"


@pytest.mark.parametrize(("point", "happened"), [("before_effect", 404), ("after_effect", 200)])
def test_fault_reset(api: Api, simulator: Simulator, point: Any, happened: int) -> None:
    simulator.add_fault("reset", method="POST", point=point)
    with pytest.raises(httpx.TransportError):
        api.http.post(ENVIRONMENTS, json={"name": "staging"})
    assert api.http.get(STAGING).status_code == happened
    assert simulator.journal(method="POST")[0].status is None


@pytest.mark.parametrize("garbage", ["html", "truncated_json", "huge", "empty", "wrong_json"])
def test_fault_garbage(api: Api, simulator: Simulator, garbage: Any) -> None:
    simulator.add_fault("garbage", garbage=garbage, size=100_000)
    response = api.http.get(PRODUCTION)
    assert response.status_code == 200
    if garbage in ("huge", "wrong_json"):
        assert len(response.content) > 100_000 or isinstance(response.json(), list)
    else:
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            response.json()


def test_fault_cut_body(api: Api, simulator: Simulator) -> None:
    simulator.add_fault("garbage", garbage="cut")
    with pytest.raises(httpx.RemoteProtocolError):
        api.http.get(PRODUCTION)


def test_fault_redirect_delay_and_trickle(api: Api, simulator: Simulator) -> None:
    simulator.add_fault("redirect", location="http://127.0.0.1:1/x")
    response = api.http.get(PRODUCTION)
    assert (response.status_code, response.headers["Location"]) == (307, "http://127.0.0.1:1/x")
    simulator.add_fault("delay", seconds=5.0, times=2)
    simulator.add_fault("delay", seconds=5.0, point="after_effect", method="POST", skip=1)
    with pytest.raises(httpx.ReadTimeout):
        api.http.get(PRODUCTION, timeout=0.05)
    simulator.clear_faults()
    simulator.add_fault("trickle", seconds=0.0)
    assert api.http.get(PRODUCTION).json()["name"] == "production"


def test_fault_probability_is_repeatable(api: Api, simulator: Simulator) -> None:
    def run() -> list[int]:
        fault = simulator.add_fault("answer", times=None, probability=0.5, seed=3)
        statuses = [api.http.get(CHAIN).status_code for _ in range(12)]
        simulator.clear_faults(fault)
        return statuses

    first = run()
    assert set(first) == {200, 500}
    assert run() == first
    with pytest.raises(SimulatorError):
        simulator.add_fault("answer", path="(")


def _post_raw(simulator: Simulator) -> socket.socket:
    host, port = simulator.base_url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)))
    body = b'{"name": "staging"}'
    head = f"POST {ENVIRONMENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Api-Key sandbox-key\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


@pytest.mark.parametrize("point", ["before_effect", "after_effect"])
def test_hold_and_release(api: Api, simulator: Simulator, point: Any) -> None:
    simulator.hold("here", method="POST", point=point)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(api.http.post(ENVIRONMENTS, json={"name": "staging"}).status_code))
    thread.start()
    assert simulator.wait_held("here")["held"] == 1
    assert bool(simulator.started_deployments()) is (point == "after_effect")
    simulator.release("here")
    thread.join(10)
    assert answers == [200]


@pytest.mark.parametrize(("if_gone", "started", "released"), [("effect", 1, 1), ("drop", 0, 0), ("wait", 0, 1)])
def test_a_client_dies_while_held(simulator: Simulator, if_gone: Any, started: int, released: int) -> None:
    simulator.hold("here", method="POST", if_gone=if_gone)
    client = _post_raw(simulator)
    simulator.wait_held("here")
    client.close()
    simulator.wait_held("here", gone=1)
    if if_gone != "wait":
        simulator.wait_journal(method="POST")
    assert len(simulator.started_deployments()) == started
    simulator.release()
    simulator.wait_journal(method="POST")
    assert len(simulator.started_deployments()) == released


def test_waiting_for_what_does_not_come(simulator: Simulator) -> None:
    simulator.hold("here")
    with pytest.raises(SimulatorError, match="in time"):
        simulator.wait_held("here", timeout=0.01)
    with pytest.raises(SimulatorError, match="404"):
        simulator.wait_held("there")


def test_latency_applies_to_public_calls(api: Api, simulator: Simulator) -> None:
    simulator.set_options(latency_seconds=0.05)
    api.http.get(PRODUCTION)
    seconds = simulator.wait_journal()[0].seconds
    assert seconds is not None
    assert seconds >= 0.05
