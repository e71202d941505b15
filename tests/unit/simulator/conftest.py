from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.baseten.process import start_simulator

CHAIN = "/v1/chains/abcd1234"
STAGING = f"{CHAIN}/environments/staging"


@cache
def _document() -> dict[str, Any]:
    text = (resources.files("chainenv_sandbox.baseten") / "openapi" / "chains.openapi.json").read_text()
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def _validator(schema: str) -> Draft202012Validator:
    registry = Registry().with_resource("urn:api", Resource.from_contents(_document(), default_specification=DRAFT202012))
    return Draft202012Validator({"$ref": f"urn:api#/components/schemas/{schema}"}, registry=registry)


class Api:
    """The public API as a stranger uses it; `get` and the like check the answer against the published schema."""

    def __init__(self, base_url: str, key: str = "sandbox-key") -> None:
        self.http = httpx.Client(base_url=base_url, headers={"Authorization": f"Api-Key {key}"}, trust_env=False, timeout=10.0)

    def ok(self, schema: str, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, path, json=body)
        assert response.status_code == 200, response.text
        _validator(schema).validate(response.json())
        return response.json()

    def refused(self, method: str, path: str, body: Any = None, *, status: int = 400) -> str:
        response = self.http.request(method, path, json=body)
        assert response.status_code == status, response.text
        message: str = response.json()["message"]
        return message

    def create(self, **body: Any) -> Any:
        return self.ok("ChainEnvironmentV1", "POST", f"{CHAIN}/environments", {"name": "staging", **body})

    def staging(self) -> Any:
        return self.ok("ChainEnvironmentV1", "GET", STAGING)


@pytest.fixture(scope="session")
def process() -> Iterator[Simulator]:
    with start_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(process: Simulator) -> Simulator:
    process.reset()
    return process


@pytest.fixture
def api(simulator: Simulator) -> Iterator[Api]:
    api = Api(simulator.base_url)
    with api.http:
        yield api
