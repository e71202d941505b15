"""One small request function to the API server, on kubernetes.aio's connection, certificates and credentials."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.config.config_exception import ConfigException

from ..engine.ports import ClusterUnavailableError
from ..settings import in_cluster

TIMEOUT = 30.0
"""Longest time one call to the API server may take, seconds, unless the caller knows better."""
WRITE_TIMEOUT = 15.0
"""The same for what writes an object: longer than an admission webhook may take by default (10 s)."""

CONTACT_SECONDS = 15.0
"""Longest time without a call to the API server while nothing is to be done."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class ClusterError(ClusterUnavailableError):
    """The API server refused a call; ``status`` is the HTTP status, 0 when there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class TooLargeError(ClusterError):
    """The answer is longer than the caller allows; the rest of it was not read."""


class NoClusterError(Exception):
    """No cluster is configured; the message names where one is searched for."""


class Cluster:
    """The API server. Paths are made with ``path``, so that a name cannot be anything but a name."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self.last_contact = time.monotonic()

    @classmethod
    async def connect(cls, *, connections: int = 100) -> Cluster:
        """In the cluster, else KUBECONFIG, else the default file. Raises NoClusterError."""
        settings = client.Configuration()
        settings.connection_pool_maxsize = connections
        try:
            if in_cluster():
                config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            else:
                await config.load_kube_config(os.environ.get("KUBECONFIG") or None, client_configuration=settings)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError) as error:
            raise NoClusterError(
                f"no cluster to work with ({error}): run in a cluster, or set KUBECONFIG to a file that `kubectl get chenv` works with"
            ) from error
        # Without a proxy nothing of the environment matters; trusted all the same, each call would search for a .netrc.
        settings.client_session_kwargs = {"trust_env": goes_through_proxy(settings.host)}
        return cls(client.ApiClient(settings))

    @property
    def configuration(self) -> client.Configuration:
        settings: client.Configuration = self._api.configuration
        return settings

    async def authorization(self) -> str | None:
        """The Authorization header's value now; a token from a file or a plugin is renewed by the library."""
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return next((v for k, v in headers.items() if k.lower() == "authorization"), None)

    async def request(
        self,
        method: str,
        path_: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        timeout: float = TIMEOUT,
    ) -> Any:
        """The decoded answer, after ``timeout`` seconds at most. Raises ClusterError."""
        return json.loads(await self.request_bytes(method, path_, query=query, body=body, content_type=content_type, timeout=timeout))

    async def request_bytes(
        self,
        method: str,
        path_: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        timeout: float = TIMEOUT,
        most: int | None = None,
    ) -> bytes:
        """The answer as it came. Raises ClusterError, TooLargeError after more than ``most`` bytes."""
        headers = {"Content-Type": content_type, "Accept": JSON, "User-Agent": "chainenv-operator"}
        url = f"{self.configuration.host}{path_}" + (f"?{urlencode(query)}" if query else "")
        limits = aiohttp.ClientTimeout(None)  # ``timeout`` holds for all of it, a credential plugin included
        try:
            async with asyncio.timeout(timeout):
                authorization = await self.authorization()
                if authorization:
                    headers["Authorization"] = authorization
                answer = await self._api.call_api(method, url, header_params=headers, body=body, _request_timeout=limits)
                data = await _read(answer.response, most)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterError(0, f"the API server cannot be reached: {error or type(error).__name__}") from error
        if answer.status >= 500 or answer.status == 429:
            raise ClusterError(answer.status, f"the API server answered {answer.status}: {_message(data)}")
        self.last_contact = time.monotonic()
        if answer.status >= 400:
            raise ClusterError(answer.status, _message(data))
        return data

    async def keep_in_contact(self) -> None:
        """Without end: asks for something small whenever nothing else was answered for so long, so that ``last_contact`` is true."""
        while True:
            await asyncio.sleep(CONTACT_SECONDS)
            if time.monotonic() - self.last_contact >= CONTACT_SECONDS:
                with contextlib.suppress(Exception):
                    await self.request("GET", "/version")

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]


def goes_through_proxy(host: str) -> bool:
    """Whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for one on the way to this API server."""
    url = urlsplit(host)
    return url.scheme in getproxies() and not proxy_bypass(url.hostname or "")


def path(*parts: str) -> str:
    """``path("api", "v1", "namespaces", name)``: each part is escaped. Raises ClusterError (404) for what is no name but a step."""
    if any(part in ("", ".", "..") for part in parts):
        raise ClusterError(404, "'', '.' and '..' are not names")
    return "/" + "/".join(quote(part, safe="") for part in parts)


async def _read(response: aiohttp.ClientResponse, most: int | None) -> bytes:
    if most is None:
        return await response.read()
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            response.close()
            raise TooLargeError(response.status, f"the answer is longer than {most} bytes")
    return bytes(data)


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data).get("message", ""))[:500]
    except (ValueError, AttributeError):
        return data[:200].decode(errors="replace")
