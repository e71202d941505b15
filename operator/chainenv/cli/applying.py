"""What the resources are once manifests are applied: the objects, and which of them owns an environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ..core.resource import Resource, resource_of
from ..core.sources import deployments_named
from ..engine.ports import Key
from ..kube.claims import Claims, claim_of
from .applied import applied
from .cluster import Resources
from .errors import CommandError
from .options import Options
from .planned import Rivals
from .view import Object, part, spec


class Applied:
    """Each resource is read once, and those of a chain are listed once."""

    def __init__(self, manifests: Sequence[Object], resources: Resources | None, options: Options) -> None:
        self.resources = resources
        self._namespace = resources.namespace if resources else options.namespace or "default"
        self._began = datetime.now(UTC)
        self._manifests: dict[Key, Object] = {}
        self._live: dict[Key, asyncio.Task[Object | None]] = {}
        self._chains: dict[tuple[str, str], asyncio.Task[Sequence[Object]]] = {}
        for each in manifests:
            if self._manifests.setdefault(self.place(each), each) is not each:
                raise CommandError(f"{self.place(each)} is declared twice: keep one of the manifests")

    def place(self, manifest: Object) -> Key:
        meta = part(manifest, "metadata")
        return Key(str(meta.get("namespace") or self._namespace), str(meta["name"]))

    def given(self, key: Key) -> bool:
        return key in self._manifests

    async def of(self, manifest: Object) -> Object:
        """Raises CommandError, also where the API server would refuse another target."""
        key = self.place(manifest)
        live = await self._read(key)
        for name in ("chainID", "environmentName"):
            if live is not None and spec(manifest).get(name) != spec(live).get(name):
                raise CommandError(f"{name} cannot be changed, removed or added later: create another ChainEnvironment")
        return applied(manifest, live, key.namespace, self._began)

    async def other(self, namespace: str, name: str) -> Resource | None:
        """Raises CommandError."""
        key = Key(namespace, name)
        manifest = self._manifests.get(key)
        found = await self._read(key) if manifest is None else await self.of(manifest)
        return None if found is None else resource_of(found)

    async def rivals(self, resource: Resource) -> Rivals:
        """Of the other resources of its chain, as far as one may list them. Raises CommandError."""
        mine = Key(resource.namespace, resource.name)
        objects = await self._of_chain(resource.spec.chain_id, resource.namespace)
        claims = Claims()
        for key, each in objects.items():
            claims.put(claim_of(key, each, has_key=True))
        owner = claims.expected_owner(mine)
        return Rivals(
            owner=None if owner in (None, mine) else resource_of(objects[owner]),
            contested=claims.contested(mine),
            named=frozenset(name for key, each in objects.items() if key != mine for name in deployments_named(resource_of(each))),
        )

    async def _of_chain(self, chain_id: str, namespace: str) -> Mapping[Key, Object]:
        """Those that are given first, in their order: of equally old ones the first applied is the first to act. One that the API server
        would refuse stays as it is."""
        found: dict[Key, Object | None] = {}
        for key, each in self._manifests.items():
            if spec(each).get("chainID") == chain_id:
                try:
                    found[key] = await self.of(each)
                except CommandError:
                    found[key] = await self._read(key)
        if self.resources is not None:
            if (chain_id, namespace) not in self._chains:
                self._chains[chain_id, namespace] = asyncio.create_task(self.resources.of_chain(chain_id, namespace))
            for each in await self._chains[chain_id, namespace]:
                found.setdefault(self.place(each), each)
        return {key: each for key, each in found.items() if each is not None}

    async def _read(self, key: Key) -> Object | None:
        if self.resources is None:
            return None
        if key not in self._live:
            self._live[key] = asyncio.create_task(self.resources.find(key.namespace, key.name))
        return await self._live[key]
