"""The operator's client against the simulator, over HTTP: what history, money, logs and the command line read."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
import pytest_asyncio

from chainenv.api import ApiKey, Baseten, CredentialsRefused, Invalid, NotFound, Transport, models, requests
from chainenv.api.paging import PAGE_LINES, LogReader, audit_entries
from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.baseten.process import start_simulator

CHAIN = "abcd1234"
pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with start_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(process: Simulator) -> Simulator:
    process.reset()
    return process


@pytest_asyncio.fixture
async def baseten(simulator: Simulator) -> AsyncIterator[Baseten]:
    async with Transport(simulator.base_url) as transport:
        yield Baseten(transport, ApiKey("sandbox-key"))


def where(simulator: Simulator) -> tuple[str, str, str]:
    current = simulator.environment(CHAIN, "production")["current_deployment"]
    return CHAIN, current["id"], current["chainlets"][0]["id"]


async def test_prices_are_decimals(simulator: Simulator, baseten: Baseten) -> None:
    simulator.set_prices({"1x2": 0.1, "H100": "0.108330000000000001", "H100:2": "much", "A100": None})
    prices = {one.instance_type.id: one.price for one in await baseten.get_instance_type_prices()}
    assert (prices["1x2"], prices["H100"], prices["H100:2"]) == (Decimal("0.1"), Decimal("0.108330000000000001"), None)
    assert "A100" not in prices
    assert prices.keys() | {"A100"} == {one.id for one in await baseten.list_instance_types()}
    simulator.set_options(wire_shape="old")
    with pytest.raises(NotFound):
        await baseten.get_instance_type_prices()


async def test_what_there_is(simulator: Simulator, baseten: Baseten) -> None:
    simulator.add_chain("other", ["One"], name="My \x1b[31mchain")
    simulator.add_environment(CHAIN, "staging")
    spare = simulator.add_deployment(CHAIN)["id"]
    assert [(one.id, one.name) for one in await baseten.list_chains()] == [(CHAIN, CHAIN), ("other", "My  [31mchain")]
    environments = await baseten.list_environments(CHAIN)
    assert [one.name for one in environments] == ["production", "staging"]
    assert all(one.created_at for one in environments)
    deployments = await baseten.list_deployments(CHAIN)
    assert [(one.environment, one.status) for one in deployments] == [("production", "ACTIVE"), (None, "BUILDING")]
    assert (await baseten.get_deployment(CHAIN, spare)).status == "BUILDING"
    assert await baseten.deactivate(CHAIN, spare)
    assert (await baseten.get_deployment(CHAIN, spare)).status == "DEACTIVATING"
    assert (await baseten.delete_deployment(CHAIN, spare)).id == spare
    with pytest.raises(NotFound):
        await baseten.get_deployment(CHAIN, spare)
    for read in (baseten.list_environments, baseten.list_deployments, baseten.list_audit_logs):
        with pytest.raises(NotFound):
            await read("nope")


async def test_who_did_what(simulator: Simulator, baseten: Baseten) -> None:
    simulator.add_key("pipeline", "pipeline-key")
    simulator.edit_environment(CHAIN, "production", autoscaling={"HelloWorld": {"max_replica": 9}}, by="alex\x07@example.com")
    pushed = simulator.add_deployment(CHAIN, environment="production", by="pipeline")["id"]
    simulator.deactivate(pushed, by="system")
    simulator.edit_environment(CHAIN, "production", instance_types={"RandInt": "H100"})
    typed, off, promoted, _, scaled = (await baseten.list_audit_logs(CHAIN)).items
    assert typed.event_data == models.AuditEvent(
        chain_deployment_id=where(simulator)[1], chainlet_name="RandInt", instance_type_name="H100, 26 vCPUs, 234 GiB RAM"
    )
    assert (off.source, off.actor) == ("SYSTEM", models.AuditActor("BASETEN_SYSTEM"))
    assert (promoted.source, promoted.actor) == ("API", models.AuditActor("API_KEY", None, "pipeline", "pipeline"))
    assert promoted.event_data is not None
    assert (promoted.event_data.chain_deployment_id, promoted.event_data.environment_name) == (pushed, "production")
    assert (scaled.source, scaled.actor) == ("UI", models.AuditActor("USER", "alex @example.com"))
    assert scaled.event_data is not None
    assert scaled.event_data.previous_settings is not None
    assert (scaled.event_data.previous_settings.max_replica, scaled.event_data.max_replica) == (1, 9)
    assert scaled.created is not None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (requests.AuditLogsQuery(sources=("SYSTEM", "UI")), ["d2", "d1"]),
        (requests.AuditLogsQuery(environment_names=("staging",), direction="ASC"), ["d0", "d1"]),
        (requests.AuditLogsQuery(event_type_groups=("PROMOTED",)), ["d1"]),
        (requests.AuditLogsQuery(chain_deployment_ids=("d0", "d2")), ["d2", "d0"]),
        (requests.AuditLogsQuery(user_ids=("person@example.com",)), ["d1"]),
        (requests.AuditLogsQuery(search="{D2}"), []),
        (requests.AuditLogsQuery(search="D2"), ["d2"]),
        (requests.AuditLogsQuery(limit=1), ["d2"]),
        (requests.AuditLogsQuery(end_epoch_millis=1), []),
        (requests.AuditLogsQuery(start_epoch_millis=1), ["d2", "d1", "d0"]),
    ],
)
async def test_filters_of_the_audit_log(simulator: Simulator, baseten: Baseten, query: requests.AuditLogsQuery, found: list[str]) -> None:
    simulator.add_audit_entry(CHAIN, "CHAIN_DEPLOYED", environment="staging", by="default", chain_deployment_id="d0")
    simulator.add_audit_entry(CHAIN, "CHAIN_DEPLOYMENT_PROMOTED", environment="staging", chain_deployment_id="d1")
    simulator.add_audit_entry(CHAIN, "SOMETHING_NEW", by="system", chain_deployment_id="d2")
    page = await baseten.list_audit_logs(CHAIN, query)
    assert [one.event_data.chain_deployment_id for one in page.items if one.event_data] == found


async def test_pages_of_the_audit_log(simulator: Simulator, baseten: Baseten) -> None:
    for number in range(7):
        simulator.add_audit_entry(CHAIN, "CHAIN_DEPLOYED", chain_deployment_id=str(number))
    query = requests.AuditLogsQuery(limit=2)

    async def read(pages: int) -> list[str]:
        entries = audit_entries(baseten, CHAIN, query, pages=pages)
        return [one.event_data.chain_deployment_id async for one in entries if one.event_data]

    assert await read(10) == ["6", "5", "4", "3", "2", "1", "0"]
    assert await read(2) == ["6", "5", "4", "3"]


async def test_a_server_that_shows_one_page_for_ever(simulator: Simulator, baseten: Baseten) -> None:
    body = {"items": [{"id": "a"}], "pagination": {"has_more": True, "cursor": "again"}}
    simulator.add_fault("answer", path="/audit_logs$", status=200, body=body, times=None)
    assert len([one async for one in audit_entries(baseten, CHAIN)]) == 2


async def test_an_audit_log_that_may_not_be_read(simulator: Simulator, baseten: Baseten) -> None:
    simulator.add_key("default", "sandbox-key", audit_logs=False)
    with pytest.raises(CredentialsRefused):
        await baseten.list_audit_logs(CHAIN)


async def test_logs(simulator: Simulator, baseten: Baseten) -> None:
    path = where(simulator)
    simulator.add_log(path[1], "HelloWorld", "Boom\n\tat line 5\x1b[2J\r", level="ERROR", replica="aaaaa", request_id="r1", seconds_ago=600)
    simulator.add_log(path[1], "HelloWorld", "x" * 20_000, seconds_ago=1200)
    simulator.add_log(path[1], "HelloWorld", "long ago", seconds_ago=7200)
    first, boom, long = await baseten.get_chainlet_logs(*path)
    assert first.message == "HelloWorld: ACTIVE"
    assert (boom.message, boom.level, boom.replica, boom.request_id) == ("Boom\n\tat line 5 [2J ", "ERROR", "aaaaa", "r1")
    assert boom.millis is not None
    assert first.millis is not None
    assert 0 < first.millis - boom.millis <= 600_000
    assert long.message == "x" * models.MAX_MESSAGE
    only = requests.LogsQuery(min_level="WARNING", includes=("Boom", "line"), excludes=("other",), search_pattern="a{1}t")
    assert await baseten.get_chainlet_logs(*path, only) == (boom,)
    wide = requests.LogsQuery(start_epoch_millis=boom.millis - 8_000_000, direction="asc", limit=1)
    assert [one.message for one in await baseten.get_chainlet_logs(*path, wide)] == ["long ago"]
    with pytest.raises(Invalid, match="7 days"):
        await baseten.get_chainlet_logs(*path, requests.LogsQuery(start_epoch_millis=0))
    with pytest.raises(NotFound):
        await baseten.get_chainlet_logs(CHAIN, path[1], "nope")


async def test_a_log_that_goes_on(simulator: Simulator, baseten: Baseten) -> None:
    path = where(simulator)
    for number in range(PAGE_LINES + 50):
        simulator.add_log(path[1], "HelloWorld", f"old {number:03}", level="ERROR", seconds_ago=1000 - number)
    reader = LogReader(baseten, *path, requests.LogsQuery(min_level="ERROR"))
    pages = [[one.message for one in await reader.page()] for _ in range(3)]
    assert [len(one) for one in pages] == [PAGE_LINES, 50, 0]
    assert [one for page in pages for one in page] == [f"old {number:03}" for number in range(PAGE_LINES + 50)]
    for _ in range(2):
        simulator.add_log(path[1], "HelloWorld", "new", level="ERROR")
        assert [one.message for one in await reader.page()] == ["new"]
        assert await reader.page() == ()


async def test_more_lines_in_a_millisecond_than_a_page_has(simulator: Simulator, baseten: Baseten) -> None:
    def line(number: int, millis: int) -> dict[str, str | None]:
        return {"timestamp": str(millis * 1_000_000), "message": str(number), "replica": None}

    burst = [line(number, 5) for number in range(PAGE_LINES)]
    simulator.add_fault("answer", path="/logs$", status=200, body={"logs": burst}, times=2)
    simulator.add_fault("answer", path="/logs$", status=200, body={"logs": [line(1, 6)]}, times=None)
    reader = LogReader(baseten, *where(simulator), requests.LogsQuery())
    pages = [await reader.page() for _ in range(3)]
    assert [[one.millis for one in page] for page in pages] == [[5] * PAGE_LINES, [6], []]


async def test_lines_without_a_time_are_read_once(simulator: Simulator, baseten: Baseten) -> None:
    logs = [{"timestamp": "soon", "message": "a"}, {"timestamp": None, "message": "b"}, {"timestamp": "9" * 40, "message": "c"}, 5]
    simulator.add_fault("answer", path="/logs$", status=200, body={"logs": logs}, times=None)
    reader = LogReader(baseten, *where(simulator), requests.LogsQuery())
    assert [one.message for one in await reader.page()] == ["a", "b", "c"]
    assert await reader.page() == ()
