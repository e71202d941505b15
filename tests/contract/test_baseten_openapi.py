"""The client against Baseten's own OpenAPI document: the server below knows nothing but that document.

It checks each request against the operation's schema, and answers with what the operation's answer schema allows.
"""

import copy
import json
import re
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from unicodedata import category
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError

from chainenv.api import ENDPOINTS, ApiKey, Baseten, BasetenError, Transport, Unavailable, models, requests

DOCUMENT = json.loads(
    (Path(__file__).parents[2] / "operator/chainenv_sandbox/baseten/openapi/chains.openapi.json").read_text(encoding="utf-8")
)
KEY = "s3cr3t.AbCdEf~0123456789"
Json = Any

KNOWN = st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"])
"""Characters that every version of Unicode in use classifies alike."""
SCALARS = {
    "string": st.text(KNOWN, max_size=12),
    "integer": st.integers(-(2**40), 2**40),
    "number": st.floats(0, 1e6),
    "boolean": st.booleans(),
    "null": st.none(),
}
OFFSETS = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30))])
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=OFFSETS).map(lambda moment: moment.isoformat())
ANYTHING: st.SearchStrategy[Json] = st.recursive(
    st.one_of(*SCALARS.values(), st.just(float("nan")), st.integers(10**30, 10**40)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def resolved(schema: Json) -> Json:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        schema = DOCUMENT["components"]["schemas"][name]
    return schema


def allowed(schema: Json) -> st.SearchStrategy[Json]:
    """What a schema of this document allows, with fields that a newer API might add."""
    schema = resolved(schema)
    for either in ("anyOf", "oneOf"):
        if either in schema:
            return st.one_of(*(allowed(option) for option in schema[either]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "array":
        return st.lists(allowed(schema["items"]), max_size=3)
    if schema["type"] == "object":
        properties = {name: allowed(value) for name, value in schema.get("properties", {}).items()}
        required = {name: properties.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=properties | {"added_later": ANYTHING})
    return MOMENTS if schema.get("format") == "date-time" else SCALARS[schema["type"]]


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Every value our request types can hold, each optional field given or not."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return st.integers(1, 50) if arguments[0] is int else values(arguments[0]).filter(len)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(option) for option in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if isinstance(annotation, type) and issubclass(annotation, requests.Body):
        return bodies(annotation)
    return {str: st.text(max_size=12), int: st.integers(0, 10**6), bool: st.booleans(), types.NoneType: st.none()}[annotation]


def bodies(kind: type[requests.Body]) -> st.SearchStrategy[Any]:
    parts = {}
    for name, info in kind.model_fields.items():
        annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        parts[name] = values(annotation)
    required = {name: parts.pop(name) for name, info in kind.model_fields.items() if info.is_required()}
    return st.fixed_dictionaries(required, optional=parts).map(lambda given: kind(**given))


BODIES: dict[str, type[requests.Body]] = {
    "create_environment": requests.CreateChainEnvironmentRequestV1,
    "update_environment": requests.UpdateChainEnvironmentRequestV1,
    "update_autoscaling": requests.UpdateChainletEnvironmentAutoscalingSettingsRequestV1,
    "update_instance_types": requests.UpdateChainletEnvironmentInstanceTypeRequestV1,
    "promote": requests.PromoteToChainEnvironmentRequestV1,
}
QUERIES: dict[str, type[requests.Query]] = {"list_audit_logs": requests.AuditLogsQuery, "get_chainlet_logs": requests.LogsQuery}
ARGUMENTS = {"{chain_id}": "c", "{env_name}": "staging", "{chain_deployment_id}": "d", "{chainlet_id}": "x"}
LOOSELY_TYPED = {
    "list_rollout_audit_logs": "ListAuditLogsResponseV1",
    "list_audit_logs": "ListAuditLogsResponseV1",
    "list_environments": "EnvironmentsV1",
}
"""Of these answers only a part is read."""
LISTS = ("ok", "success", "deployments", "instance_types", "items", "chains", "environments", "logs")


EXAMPLES: dict[str, list[Json]] = {
    "list_audit_logs": [
        {"cursor": "a=&b", "limit": 200, "direction": "ASC", "search": "{dep} ü", "start_epoch_millis": 1, "end_epoch_millis": 2},
        {
            "event_type_groups": list(get_args(requests.AuditLogEventTypeGroup)),
            "user_ids": ["u"],
            "chain_deployment_ids": ["d", "e"],
            "environment_names": ["staging"],
            "sources": ["UI", "API", "MCP", "SYSTEM", "OTHER"],
        },
    ],
    "get_chainlet_logs": [
        {"start_epoch_millis": 1, "end_epoch_millis": 2, "direction": "asc", "limit": 1000, "min_level": "ERROR", "replica": "abcde"},
        {"direction": "desc", "request_id": "r", "component": "c", "search_pattern": "a{2}|b", "includes": ["x", "&"], "excludes": ["y"]},
    ],
}


def operation(name: str) -> Json:
    endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.name == name)
    return DOCUMENT["paths"][endpoint.template][endpoint.method.lower()]


def schema_of(part: Json) -> Json:
    return part["content"]["application/json"]["schema"]


async def call(baseten: Baseten, name: str, body: requests.Body | None) -> Any:
    endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.name == name)
    arguments: list[Any] = [ARGUMENTS[parameter] for parameter in re.findall(r"\{\w+\}", endpoint.template + endpoint.query)]
    method: Callable[..., Awaitable[Any]] = getattr(baseten, name)
    return await method(*arguments, *([body] if body is not None else []))


class Server:
    def __init__(self) -> None:
        self.text = ""
        self.operation: Json = None
        self.body: Json = None

    async def serve(self, request: web.Request) -> web.Response:
        template = request.path
        for parameter, value in ARGUMENTS.items():
            template = re.sub(rf"/{value}(?=/|$)", f"/{parameter}", template)
        self.operation = DOCUMENT["paths"][template][request.method.lower()]
        text = await request.text()
        self.body = json.loads(text) if text else None
        return web.Response(text=self.text, content_type="application/json")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[tuple[Server, Baseten]]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", server.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Transport("http://{}:{}".format(*runner.addresses[0][:2]), rate_limit=1e6) as transport:
        yield server, Baseten(transport, ApiKey(KEY))
    await runner.cleanup()


def unlike(ours: Any, theirs: Json, where: str = "") -> list[str]:
    """Where an answer's document and what we made of it differ."""
    if is_dataclass(ours):
        return [
            problem
            for part in fields(ours)
            if theirs.get(part.name) is not None
            for problem in unlike(getattr(ours, part.name), theirs[part.name], f"{where}.{part.name}")
        ]
    if isinstance(ours, tuple):
        if len(ours) != len(theirs):
            return [where]
        return [problem for one, other in zip(ours, theirs, strict=True) for problem in unlike(one, other, f"{where}[]")]
    if isinstance(ours, datetime):
        theirs = datetime.fromisoformat(theirs)
    if isinstance(ours, str):
        kept = "\n\t" if where.endswith("[].message") else ""
        theirs = "".join(" " if one not in kept and (category(one)[0] == "C" or category(one) in ("Zl", "Zp")) else one for one in theirs)
    if isinstance(ours, Decimal):
        return [] if abs(ours - Decimal(json.dumps(theirs))) <= Decimal("1e-18") else [f"{where}: {ours!r} {theirs!r}"]
    return [] if ours == theirs else [f"{where}: {ours!r} {theirs!r}"]


def places(document: Json) -> list[tuple[Any, Any]]:
    items = list(document.items()) if isinstance(document, dict) else list(enumerate(document)) if isinstance(document, list) else []
    return [(document, name) for name, _ in items] + [place for _, value in items for place in places(value)]


@st.composite
def spoilt(draw: st.DrawFn, name: str) -> str:
    document = copy.deepcopy(draw(allowed(schema_of(operation(name)["responses"]["200"]))))
    for _ in range(draw(st.integers(1, 3))):
        found = places(document)
        if not found:
            break
        holder, at = draw(st.sampled_from(found))
        if draw(st.booleans()):
            holder[at] = draw(ANYTHING)
        else:
            del holder[at]
    text = json.dumps(draw(st.just(document) | ANYTHING))
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 5)) == 0 else text


every_endpoint = pytest.mark.parametrize("name", [endpoint.name for endpoint in ENDPOINTS])
over_the_wire = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@every_endpoint
def test_types_are_those_of_the_document(name: str) -> None:
    spec = operation(name)
    body = spec.get("requestBody")
    assert (BODIES[name].__name__ if name in BODIES else None) == (schema_of(body)["$ref"].rsplit("/", 1)[1] if body else None)
    kind = schema_of(spec["responses"]["200"])["$ref"].rsplit("/", 1)[1]
    assert hasattr(models, kind) or LOOSELY_TYPED.get(name) == kind


@pytest.mark.parametrize("name", QUERIES)
def test_queries_are_those_of_the_document(name: str) -> None:
    """A filter by model deployments is of no use for a chain, and is left out."""
    published = {one["name"]: one for one in operation(name)["parameters"] if one.get("in") == "query"}
    assert set(QUERIES[name].model_fields) == published.keys() - {"deployment_ids"}
    for query in (QUERIES[name].model_validate(one) for one in EXAMPLES[name]):
        sent = parse_qs(query.encoded().removeprefix("?"), strict_parsing=True)
        assert set(sent) == query.model_fields_set
        for parameter, values in sent.items():
            schema = {**published[parameter]["schema"], "components": DOCUMENT["components"]}
            validator = Draft202012Validator(schema)
            assert any(validator.is_valid(one) for one in (values, values[0], *([int(values[0])] if values[0].isdigit() else []))), (
                parameter
            )


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (requests.AuditLogsQuery, {"limit": 201}),
        (requests.AuditLogsQuery, {"sources": ["CLI"]}),
        (requests.AuditLogsQuery, {"event_type_groups": ["ALL"]}),
        (requests.LogsQuery, {"limit": 1001}),
        (requests.LogsQuery, {"min_level": "TRACE"}),
        (requests.LogsQuery, {"replica": "x" * 257}),
        (requests.LogsQuery, {"includes": ["x"] * 9}),
        (requests.LogsQuery, {"color": "red"}),
    ],
)
def test_queries_that_the_document_does_not_allow(kind: type[requests.Query], bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(bad)


@pytest.mark.parametrize("module", [models, requests], ids=["answers", "bodies"])
def test_no_field_is_forgotten(module: types.ModuleType) -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        kind = getattr(module, name, None)
        if kind is not None:
            ours = {part.name for part in fields(kind)} if is_dataclass(kind) else set(kind.model_fields)
            assert ours - {"promotion_cleanup_strategy"} == set(schema["properties"]) - {"promotion_cleanup_strategy"}, name


@every_endpoint
@pytest.mark.asyncio
@over_the_wire
@given(data=st.data())
async def test_what_the_document_allows_is_read_and_what_is_sent_is_allowed(server: Any, name: str, data: st.DataObject) -> None:
    remote, baseten = server
    body = data.draw(bodies(BODIES[name])) if name in BODIES else None
    answer = data.draw(allowed(schema_of(operation(name)["responses"]["200"])))
    remote.text = json.dumps(answer)
    result = await call(baseten, name, body)
    assert remote.operation is operation(name)
    if body is not None:
        schema = {**schema_of(remote.operation["requestBody"]), "components": DOCUMENT["components"]}
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(remote.body)
    else:
        assert remote.body is None
    if isinstance(result, bool | tuple):
        answer = next(iter(answer.get(part) for part in LISTS if part in answer), True)
    assert unlike(result, answer) == []


@every_endpoint
@pytest.mark.asyncio
@over_the_wire
@given(data=st.data())
async def test_any_other_answer_is_read_or_unavailable(server: Any, name: str, data: st.DataObject) -> None:
    remote, baseten = server
    body = data.draw(bodies(BODIES[name])) if name in BODIES else None
    remote.text = data.draw(spoilt(name))
    caught = None
    try:
        await call(baseten, name, body)
    except BasetenError as error:
        caught = error
    assert caught is None or (type(caught) is Unavailable and caught.message.isprintable())
