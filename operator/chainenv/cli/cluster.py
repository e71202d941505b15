"""The cluster as the user's own kubeconfig shows it."""

from __future__ import annotations

import builtins
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import yaml
from kubernetes.aio import client, config
from kubernetes.aio.config.config_exception import ConfigException

from ..crd.base import API_VERSION, GROUP, KIND, PLURAL, VERSION
from ..kube.cluster import MERGE_PATCH, Cluster, ClusterError, goes_through_proxy, path
from ..settings import in_cluster, own_namespace
from .errors import CommandError
from .options import Options
from .view import Object, spec

FIELD_MANAGER = "chainenv"
PAGE = 500
"""Objects of one answer to a list."""
_UNREADABLE = (ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError)
"""What kubernetes' loader raises for a kubeconfig that says something else than it should."""


class Resources:
    """ChainEnvironments, with the user's rights. Everything raises CommandError."""

    def __init__(self, cluster: Cluster, namespace: str, options: Options) -> None:
        self._cluster = cluster
        self._all = options.all_namespaces
        self.namespace = options.namespace or namespace

    async def get(self, name: str) -> Object:
        """From the namespace; with -A from the one that has it."""
        if not self._all:
            return await self._read(self.namespace, name)
        found = [each for each in await self.list() if each["metadata"]["name"] == name]
        if len(found) == 1:
            return found[0]
        if not found:
            raise CommandError(f"{KIND} {name} not found in any namespace: see chainenv status -A")
        where = ", ".join(each["metadata"]["namespace"] for each in found)
        raise CommandError(f"{KIND} {name} is in several namespaces ({where}): name one with -n")

    async def find(self, namespace: str, name: str) -> Object | None:
        """None when there is none, or when the cluster does not know the kind yet."""
        try:
            found: Object = await self._cluster.request("GET", _path(namespace, name))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise _explained(error, f"get {KIND} {name} in namespace {namespace}") from error
        return found

    async def again(self, resource: Object) -> Object:
        """The same one as it is now; CommandError also when another one has taken its name."""
        meta = resource["metadata"]
        found = await self._read(meta["namespace"], meta["name"])
        if found["metadata"].get("uid") != meta.get("uid"):
            raise CommandError(f"{KIND} {meta['name']} was deleted and created anew: start the command again")
        return found

    async def _read(self, namespace: str, name: str) -> Object:
        try:
            found: Object = await self._cluster.request("GET", _path(namespace, name))
        except ClusterError as error:
            raise _explained(error, f"get {KIND} {name} in namespace {namespace}") from error
        return found

    async def list(self) -> Sequence[Object]:
        """Of the namespace, or of all with -A; by namespace and name."""
        where = "all namespaces" if self._all else f"namespace {self.namespace}"
        try:
            items = await self._listed(None if self._all else self.namespace)
        except ClusterError as error:
            raise _explained(error, f"list {KIND}s in {where}") from error
        named = [{"apiVersion": API_VERSION, "kind": KIND, **item} for item in items]
        return sorted(named, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"]))

    async def of_chain(self, chain_id: str, namespace: str) -> Sequence[Object]:
        """In all namespaces, or in this one where only it may be listed. Raises CommandError."""
        for where in (None, namespace):
            try:
                return await self._selected(where, chain_id)
            except ClusterError as error:
                if error.status == 404:
                    return ()
                if where is not None or error.status not in (401, 403):
                    raise _explained(error, f"list {KIND}s in {f'namespace {where}' if where else 'all namespaces'}") from error
        raise AssertionError("unreachable")

    async def _selected(self, namespace: str | None, chain_id: str) -> Sequence[Object]:
        """An API server before 1.31 knows no field of a custom resource to select by. Raises ClusterError."""
        escaped = "".join(f"\\{c}" if c in "\\,=" else c for c in chain_id)
        try:
            return await self._listed(namespace, fieldSelector=f"spec.chainID={escaped}")
        except ClusterError as error:
            if error.status != 400:
                raise
        return [each for each in await self._listed(namespace) if spec(each).get("chainID") == chain_id]

    async def _listed(self, namespace: str | None, **more: str) -> Sequence[Object]:
        """Raises ClusterError."""
        base = path("apis", GROUP, VERSION, *(("namespaces", namespace) if namespace else ()), PLURAL)
        found: builtins.list[Object] = []
        query = {"limit": str(PAGE), **more}
        while True:
            page = await self._cluster.request("GET", base, query=query)
            found += page["items"]
            if not (token := page["metadata"].get("continue")):
                return found
            query["continue"] = token

    async def patch(self, resource: Object, changes: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """A merge patch; it fails if somebody else has changed the resource since it was read."""
        meta = resource["metadata"]
        body = {**changes, "metadata": {**changes.get("metadata", {}), "resourceVersion": meta["resourceVersion"]}}
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        try:
            found: Object = await self._cluster.request(
                "PATCH", _path(meta["namespace"], meta["name"]), query=query, body=body, content_type=MERGE_PATCH
            )
        except ClusterError as error:
            raise _explained(error, f"change {KIND} {meta['name']} in namespace {meta['namespace']}") from error
        return found

    async def secret(self, namespace: str, name: str) -> Object:
        """Raises ClusterError, so that the caller can say what the Secret is wanted for."""
        found: Object = await self._cluster.request("GET", path("api", "v1", "namespaces", namespace, "secrets", name))
        return found


def _path(namespace: str, name: str) -> str:
    return path("apis", GROUP, VERSION, "namespaces", namespace, PLURAL, name)


def _explained(error: ClusterError, attempt: str) -> CommandError:
    match error.status:
        case 0:
            advice = "check the kubeconfig and --context"
        case 401:
            advice = "the kubeconfig's credentials are not accepted: renew them"
        case 403:
            where = "in all namespaces, or leave out -A" if "all namespaces" in attempt else "in this namespace"
            advice = f"ask for the ClusterRole {'view' if attempt.startswith(('get', 'list')) else 'edit'} {where}"
        case 404 if KIND.lower() not in error.message and PLURAL not in error.message:
            advice = f"this cluster does not know {KIND}: chainenv crd | kubectl apply --server-side -f -"
        case 404:
            advice = "see chainenv status, or name another namespace with -n"
        case 409:
            advice = "somebody else changed it at the same time: try again"
        case _:
            advice = ""
    reason = error.message.rstrip(".") or f"HTTP {error.status}"
    return CommandError(f"cannot {attempt}: {reason}" + (f" ({advice})" if advice else ""))


@asynccontextmanager
async def connected(options: Options) -> AsyncIterator[Resources]:
    """--kubeconfig, else KUBECONFIG, else ~/.kube/config, else the cluster this runs in. Raises CommandError."""
    settings = client.Configuration()
    namespace = await _configure(settings, options)
    settings.client_session_kwargs = {"trust_env": goes_through_proxy(settings.host)}
    cluster = Cluster(client.ApiClient(settings))
    try:
        yield Resources(cluster, namespace, options)
    finally:
        await cluster.close()


async def _configure(settings: client.Configuration, options: Options) -> str:
    """The context's namespace. KUBECONFIG may name several files, of which some exist."""
    files = options.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        if any(map(os.path.exists, map(os.path.expanduser, files.split(os.pathsep)))):
            loader = await config.load_kube_config(files, options.context, settings, persist_config=False)  # type: ignore[no-untyped-call]
            return str(loader.current_context["context"].get("namespace") or "default")
        if in_cluster() and not options.context:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            return own_namespace()
    except _UNREADABLE as error:
        where = f", context {options.context}" if options.context else ""
        problem = error.strerror if isinstance(error, OSError) else None
        problem = problem or (str(error) if isinstance(error, ConfigException) else "it is not a kubeconfig")
        raise CommandError(f"the kubeconfig {files}{where} cannot be used: {problem} (see kubectl config view)") from error
    raise CommandError(f"no cluster to work with: there is no kubeconfig {files}; set KUBECONFIG or give --kubeconfig")
