"""Whatever a cluster holds can be read: objects of other versions, Secrets of any bytes, names of any characters."""

from __future__ import annotations

import asyncio
import base64
import json
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kubernetes.aio import client

from chainenv.api import ApiKey
from chainenv.core.reasons import Reason
from chainenv.core.resource import Resource
from chainenv.crd.types import ChainEnvironmentSpec, ChainEnvironmentStatus, SecretKeyRef
from chainenv.engine.ports import Key, KeyUnavailableError
from chainenv.kube.cluster import Cluster, path
from chainenv.kube.secrets import SecretKeys
from chainenv.kube.store import ObjectStore, key_of, object_path
from chainenv.settings import BadSettingError, KeyGrants, Settings, load

ENTRY: dict[str, Any] = {"operation": "UpdateInstanceTypes", "hash": "abc", "startedAt": "2026-01-01T00:00:00Z", "attempts": 1}
FIELDS = sorted(field.alias or name for name, field in ChainEnvironmentStatus.model_fields.items())
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)
ANY_OBJECT = st.dictionaries(st.text(max_size=8), ANY_JSON, max_size=3)
ANY_STATUS = {field: ANY_OBJECT if field == "environment" else ANY_JSON for field in FIELDS if field != "operations"}
SUBDOMAIN = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?)*", fullmatch=True)
"""Every character that Kubernetes allows in a name."""
ANYTHING = st.text(min_size=1, max_size=40)


def raw(status: Any = None, spec: Any = None, name: str = "staging") -> dict[str, Any]:
    meta = {
        "namespace": "team",
        "name": name,
        "uid": "u",
        "generation": 2,
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": meta, "spec": spec or {"chainID": "abcd1234"}, "status": status}


def read(given_: dict[str, Any]) -> Resource:
    """As a run gets it: through the store, which keeps it as text."""
    store = ObjectStore(_no_cluster(), lambda _: None, lambda: None)
    store.put(given_)
    found = store.get(key_of(given_))
    assert found is not None
    return found


def _no_cluster() -> Any:
    return None


# -- objects of other versions -------------------------------------------------------------------------------------


@given(status=st.fixed_dictionaries({}, optional={**ANY_STATUS, "operations": ANY_JSON, "unknown": ANY_JSON}))
def test_any_status_can_be_read(status: dict[str, Any]) -> None:
    assert read(raw(status)).invalid is None


@given(status=st.fixed_dictionaries({"operations": st.just([ENTRY])}, optional=ANY_STATUS))
def test_whatever_else_is_broken_the_journal_is_kept(status: dict[str, Any]) -> None:
    assert [each.operation for each in read(raw(status)).status.operations] == ["UpdateInstanceTypes"]


@pytest.mark.parametrize("environment", [True, 1, "text", ["list"]])
def test_an_environment_in_the_status_that_is_no_object_can_be_read(environment: Any) -> None:
    assert read(raw({"environment": environment})).invalid is None


@pytest.mark.parametrize(
    "broken", [{}, {"operation": "Promote"}, {**ENTRY, "startedAt": "soon"}, {**ENTRY, "attempts": "many"}, "text", None]
)
def test_one_entry_that_cannot_be_read_does_not_take_the_others_with_it(broken: Any) -> None:
    found = read(raw({"operations": [ENTRY, broken]})).status.operations
    assert [each.operation for each in found][:1] == ["UpdateInstanceTypes"]


def test_an_entry_of_an_unknown_kind_with_unknown_fields_is_kept() -> None:
    newer = {**ENTRY, "operation": "Teleport", "beam": {"colour": "blue"}}
    assert [each.operation for each in read(raw({"operations": [ENTRY, newer]})).status.operations] == ["UpdateInstanceTypes", "Teleport"]


@given(
    spec=st.dictionaries(
        st.sampled_from(["chainID", "chainletSettings", "promotionSettings", "deletionPolicy", "new"]), ANY_JSON, min_size=1
    )
)
def test_a_spec_that_cannot_be_read_says_so_and_raises_nothing(spec: dict[str, Any]) -> None:
    found = read(raw(spec=spec))
    assert found.invalid is None or "spec." in found.invalid


# -- names ---------------------------------------------------------------------------------------------------------


@given(namespace=SUBDOMAIN, name=SUBDOMAIN)
def test_a_name_that_kubernetes_allows_is_one_step_of_the_path_as_it_stands(namespace: str, name: str) -> None:
    at = object_path(Key(namespace, name), "status")
    assert at == f"/apis/chains.baseten.co/v1alpha1/namespaces/{namespace}/chainenvironments/{name}/status"


@given(parts=st.lists(ANYTHING.filter(lambda text: text not in (".", "..")), min_size=1, max_size=4))
@example(parts=["../secrets", "a/b", "x?watch=1", "y#z", "a%2fb", "\r\nHost: evil"])
def test_a_name_of_any_characters_is_one_step_of_the_path(parts: list[str]) -> None:
    made = path(*parts)
    assert set(made) <= set(string.ascii_letters + string.digits + "-._~%/")
    assert [unquote(step) for step in made.split("/")[1:]] == parts


# -- Secrets -------------------------------------------------------------------------------------------------------


class ApiServer:
    """One Secret, whatever name is asked for, over real HTTP."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.paths: list[str] = []

    async def _answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.raw_path)
        return web.Response(body=json.dumps(self.document).encode(), content_type="application/json")

    @asynccontextmanager
    async def keys(self) -> AsyncIterator[SecretKeys]:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        cluster = Cluster(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")))
        try:
            yield SecretKeys(cluster, None, KeyGrants())
        finally:
            await cluster.close()
            await runner.cleanup()


def using(name: str = "baseten", key: str = "api-key") -> Resource:
    """As an API server without our schema would let it through."""
    ref = SecretKeyRef.model_construct(name=name, key=key)
    spec = ChainEnvironmentSpec.model_construct(chain_id="abcd1234", api_key_secret_ref=ref)
    return replace(read(raw()), spec=spec)


def poll(document: Any, resource: Resource | None = None) -> tuple[ApiKey | KeyUnavailableError, list[str]]:
    async def ask() -> ApiKey | KeyUnavailableError:
        async with server.keys() as keys:
            try:
                first = await keys.key_for(resource or using(), fresh=False)
                again = await keys.key_for(resource or using(), fresh=False)
                assert first == again
                return first
            except KeyUnavailableError as error:
                with pytest.raises(KeyUnavailableError):
                    await keys.key_for(resource or using(), fresh=False)
                return error

    server = ApiServer(document)
    return asyncio.run(ask()), server.paths


MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(value=st.binary(max_size=60) | st.text(alphabet=string.printable, max_size=30).map(str.encode))
@example(value=b"")
@example(value=b"good-key\n")
@example(value=b"k" * 1024 * 1024)
@example(value=b"key\r\nX-Injected: 1")
def test_a_secret_of_any_bytes_is_a_key_or_says_why_not(value: bytes) -> None:
    found, _ = poll({"data": {"api-key": base64.b64encode(value).decode()}})
    if isinstance(found, ApiKey):
        assert found.reveal() == value.decode().rstrip()
        assert all("!" <= each <= "~" for each in found.reveal())
    else:
        assert found.reason == Reason.INVALID_API_KEY
        assert len(value) < 8 or value.decode(errors="replace") not in found.message
        assert len(found.message) < 300


@pytest.mark.parametrize(
    "document", [{}, {"data": None}, {"data": {}}, {"data": {"other": "eA=="}}, {"kind": "Secret", "stringData": {"api-key": "x"}}]
)
def test_a_secret_without_the_key_says_so(document: Any) -> None:
    found, _ = poll(document)
    assert isinstance(found, KeyUnavailableError)
    assert found.reason == Reason.SECRET_KEY_NOT_FOUND


@pytest.mark.parametrize("value", ["not base64!", "eA", "=", "\u00e9"])
def test_a_value_that_is_not_base64_says_so(value: str) -> None:
    found, _ = poll({"data": {"api-key": value}})
    assert isinstance(found, KeyUnavailableError)
    assert found.reason == Reason.INVALID_API_KEY


@MANY
@given(name=SUBDOMAIN)
def test_the_secret_that_is_read_is_the_one_that_was_named(name: str) -> None:
    _, paths = poll({"data": {"api-key": "eA=="}}, using(name))
    assert set(paths) == {f"/api/v1/namespaces/team/secrets/{name}"}


HOSTILE_NAMES = ["../configmaps/x", "a/b", "x?watch=1", "y#z", "a%2Fb", "%2e%2e", "a b", "\r\nHost: evil", "ü"]
DOTS = [".", ".."]


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, *DOTS])
def test_a_secret_name_that_kubernetes_would_not_allow_leads_nowhere_else(name: str) -> None:
    """The schema keeps such a name out of spec.apiKeySecretRef; this is for what got in without it."""
    _, paths = poll({"data": {"api-key": "eA=="}}, using(name))
    assert {unquote(each.removeprefix("/api/v1/namespaces/team/secrets/")) for each in paths} <= {name}
    assert all(each.count("/") == 6 for each in paths)


# -- where the key goes --------------------------------------------------------------------------------------------

LOOPBACK = ["http://localhost", "http://localhost:8080", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:8080"]
ELSEWHERE = [
    "http://api.baseten.co",
    "HTTP://api.baseten.co",
    "http://10.0.0.1",
    "http://0.0.0.0",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://127.0.0.1@api.baseten.co",
    "http://[::ffff:10.0.0.1]",
    "ftp://localhost",
    "file:///etc/passwd",
    "//api.baseten.co",
    "https://",
    "https://user:secret@api.baseten.co",
]


@pytest.mark.parametrize("url", [*LOOPBACK, "https://api.baseten.co", "https://gateway.example/baseten"])
def test_https_and_loopback_are_taken(url: str) -> None:
    assert load(BASETEN_BASE_URL=url).baseten_base_url == url


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_base_url_that_would_show_keys_is_refused(url: str) -> None:
    with pytest.raises(BadSettingError, match="BASETEN_BASE_URL"):
        load(BASETEN_BASE_URL=url)


@given(
    host=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?", fullmatch=True).filter(
        lambda host: host != "localhost" and not host.startswith("127.")
    )
)
def test_http_to_any_other_host_is_refused(host: str) -> None:
    with pytest.raises(BadSettingError):
        load(BASETEN_BASE_URL=f"http://{host}")


def test_no_setting_switches_the_verification_of_certificates_off() -> None:
    assert not [each for each in Settings.model_fields if "verify" in each or "insecure" in each]
