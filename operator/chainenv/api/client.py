"""The endpoints of the Baseten management API that chain environments need."""

import hashlib
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar, cast

from pydantic import TypeAdapter

from . import models as m
from . import requests as r
from .keys import ApiKey
from .transport import Departing, Endpoint, Transport

T = TypeVar("T")

_CHAIN: Final = "/v1/chains/{chain_id}"
_ENVIRONMENT: Final = f"{_CHAIN}/environments/{{env_name}}"
_DEPLOYMENT: Final = f"{_CHAIN}/deployments/{{chain_deployment_id}}"

GET_ENVIRONMENT: Final = Endpoint("get_environment", "GET", _ENVIRONMENT)
CREATE_ENVIRONMENT: Final = Endpoint("create_environment", "POST", f"{_CHAIN}/environments")
UPDATE_ENVIRONMENT: Final = Endpoint("update_environment", "PATCH", _ENVIRONMENT)
UPDATE_AUTOSCALING: Final = Endpoint("update_autoscaling", "PATCH", f"{_ENVIRONMENT}/chainlet_settings/autoscaling_settings")
UPDATE_INSTANCE_TYPES: Final = Endpoint("update_instance_types", "POST", f"{_ENVIRONMENT}/chainlet_settings/instance_types/update")
PROMOTE: Final = Endpoint("promote", "POST", f"{_ENVIRONMENT}/promote")
GET_DEPLOYMENT: Final = Endpoint("get_deployment", "GET", _DEPLOYMENT)
LIST_DEPLOYMENTS: Final = Endpoint("list_deployments", "GET", f"{_CHAIN}/deployments")
DEACTIVATE: Final = Endpoint("deactivate", "POST", f"{_DEPLOYMENT}/deactivate")
DELETE_DEPLOYMENT: Final = Endpoint("delete_deployment", "DELETE", _DEPLOYMENT)
LIST_ROLLOUT_AUDIT_LOGS: Final = Endpoint(
    "list_rollout_audit_logs",
    "GET",
    f"{_CHAIN}/audit_logs",
    "?limit=50&event_type_groups=PROMOTED&event_type_groups=INSTANCE_TYPE_CHANGED&environment_names={env_name}",
)
LIST_AUDIT_LOGS: Final = Endpoint("list_audit_logs", "GET", f"{_CHAIN}/audit_logs")
GET_CHAINLET_LOGS: Final = Endpoint("get_chainlet_logs", "GET", f"{_DEPLOYMENT}/chainlets/{{chainlet_id}}/logs")
LIST_ENVIRONMENTS: Final = Endpoint("list_environments", "GET", f"{_CHAIN}/environments")
LIST_CHAINS: Final = Endpoint("list_chains", "GET", "/v1/chains")
GET_CHAIN: Final = Endpoint("get_chain", "GET", _CHAIN)
LIST_INSTANCE_TYPES: Final = Endpoint("list_instance_types", "GET", "/v1/instance_types")
GET_INSTANCE_TYPE_PRICES: Final = Endpoint("get_instance_type_prices", "GET", "/v1/instance_type_prices")

ENDPOINTS: Final = (
    GET_ENVIRONMENT,
    CREATE_ENVIRONMENT,
    UPDATE_ENVIRONMENT,
    UPDATE_AUTOSCALING,
    UPDATE_INSTANCE_TYPES,
    PROMOTE,
    GET_DEPLOYMENT,
    LIST_DEPLOYMENTS,
    DEACTIVATE,
    DELETE_DEPLOYMENT,
    LIST_ROLLOUT_AUDIT_LOGS,
    LIST_AUDIT_LOGS,
    GET_CHAINLET_LOGS,
    LIST_ENVIRONMENTS,
    LIST_CHAINS,
    GET_CHAIN,
    LIST_INSTANCE_TYPES,
    GET_INSTANCE_TYPE_PRICES,
)


class EnvironmentRead(NamedTuple):
    """``environment`` None: it is the one with that digest."""

    digest: bytes
    environment: m.ChainEnvironmentV1 | None


class _Unless:
    def __init__(self, digest: bytes | None) -> None:
        self._digest: Final = digest

    def validate_json(self, data: bytes) -> EnvironmentRead:
        """Raises ValidationError."""
        digest = hashlib.blake2b(data, digest_size=16).digest()
        return EnvironmentRead(digest, None if digest == self._digest else m.ENVIRONMENT.validate_json(data))


@dataclass(frozen=True, slots=True)
class Baseten:
    """The API as one key sees it. Every method raises BasetenError; making one costs nothing, the transport is shared.

    `departing` is called right before each call leaves, reads and writes alike: see `transport.Departing`.
    """

    transport: Transport
    key: ApiKey
    departing: Departing | None = None

    async def _call(self, endpoint: Endpoint, answer: TypeAdapter[T], *, body: r.Body | None = None, **parameters: str) -> T:
        return await self.transport.request(self.key, endpoint, answer, body=body, departing=self.departing, **parameters)

    async def get_environment(self, chain_id: str, name: str) -> m.ChainEnvironmentV1:
        return await self._call(GET_ENVIRONMENT, m.ENVIRONMENT, chain_id=chain_id, env_name=name)

    async def read_environment(self, chain_id: str, name: str, unless: bytes | None = None) -> EnvironmentRead:
        """The same, parsed only if the answer is not, byte for byte, the one with the digest ``unless``."""
        reader = cast(TypeAdapter[EnvironmentRead], _Unless(unless))  # a TypeAdapter admits no subclass
        return await self._call(GET_ENVIRONMENT, reader, chain_id=chain_id, env_name=name)

    async def create_environment(self, chain_id: str, body: r.CreateChainEnvironmentRequestV1) -> m.ChainEnvironmentV1:
        return await self._call(CREATE_ENVIRONMENT, m.ENVIRONMENT, body=body, chain_id=chain_id)

    async def update_environment(self, chain_id: str, name: str, body: r.UpdateChainEnvironmentRequestV1) -> bool:
        """The answer's `ok`; read the environment to see what became of it."""
        answer = await self._call(UPDATE_ENVIRONMENT, m.ENVIRONMENT_UPDATED, body=body, chain_id=chain_id, env_name=name)
        return answer.ok

    async def update_autoscaling(
        self, chain_id: str, name: str, body: r.UpdateChainletEnvironmentAutoscalingSettingsRequestV1
    ) -> m.UpdateAutoscalingSettingsResponseV1:
        return await self._call(UPDATE_AUTOSCALING, m.AUTOSCALING_UPDATED, body=body, chain_id=chain_id, env_name=name)

    async def update_instance_types(
        self, chain_id: str, name: str, body: r.UpdateChainletEnvironmentInstanceTypeRequestV1
    ) -> m.UpdateChainletEnvironmentInstanceTypeResponseV1:
        """Not idempotent: each call can start a deployment."""
        return await self._call(UPDATE_INSTANCE_TYPES, m.INSTANCE_TYPES_UPDATED, body=body, chain_id=chain_id, env_name=name)

    async def promote(self, chain_id: str, name: str, body: r.PromoteToChainEnvironmentRequestV1) -> m.ChainDeploymentV1:
        """Not idempotent. The deployment that is answered can be a copy with another id than the one asked for."""
        return await self._call(PROMOTE, m.DEPLOYMENT, body=body, chain_id=chain_id, env_name=name)

    async def get_deployment(self, chain_id: str, deployment_id: str) -> m.ChainDeploymentV1:
        return await self._call(GET_DEPLOYMENT, m.DEPLOYMENT, chain_id=chain_id, chain_deployment_id=deployment_id)

    async def list_deployments(self, chain_id: str) -> tuple[m.ChainDeploymentV1, ...]:
        return (await self._call(LIST_DEPLOYMENTS, m.DEPLOYMENTS, chain_id=chain_id)).deployments

    async def deactivate(self, chain_id: str, deployment_id: str) -> bool:
        answer = await self._call(DEACTIVATE, m.DEACTIVATED, chain_id=chain_id, chain_deployment_id=deployment_id)
        return answer.success

    async def delete_deployment(self, chain_id: str, deployment_id: str) -> m.ChainDeploymentTombstoneV1:
        """For good. Baseten refuses it for a deployment that an environment uses."""
        return await self._call(DELETE_DEPLOYMENT, m.DEPLOYMENT_DELETED, chain_id=chain_id, chain_deployment_id=deployment_id)

    async def list_rollout_audit_logs(self, chain_id: str, name: str) -> tuple[m.AuditEntry, ...]:
        """The newest promotions and changes of instance types of an environment. Many keys may not read them (403)."""
        return (await self._call(LIST_ROLLOUT_AUDIT_LOGS, m.AUDIT_LOGS, chain_id=chain_id, env_name=name)).items

    async def list_audit_logs(self, chain_id: str, query: r.AuditLogsQuery | None = None) -> m.AuditLogs:
        """One page; `paging.audit_entries` follows the cursors. Many keys may not read them (403)."""
        return await self._call(_with(LIST_AUDIT_LOGS, query), m.AUDIT_LOGS, chain_id=chain_id)

    async def get_chainlet_logs(
        self, chain_id: str, deployment_id: str, chainlet_id: str, query: r.LogsQuery | None = None
    ) -> tuple[m.LogV1, ...]:
        """The newest lines first, unless the query says otherwise; `paging.LogReader` reads on. They may hold customers' data."""
        endpoint = _with(GET_CHAINLET_LOGS, query)
        answer = await self._call(endpoint, m.LOGS, chain_id=chain_id, chain_deployment_id=deployment_id, chainlet_id=chainlet_id)
        return answer.logs

    async def list_environments(self, chain_id: str) -> tuple[m.ListedEnvironment, ...]:
        """Only their names and when they were created: read each one for the rest."""
        return (await self._call(LIST_ENVIRONMENTS, m.ENVIRONMENTS, chain_id=chain_id)).environments

    async def list_chains(self) -> tuple[m.ChainV1, ...]:
        return (await self._call(LIST_CHAINS, m.CHAINS)).chains

    async def get_chain(self, chain_id: str) -> m.ChainV1:
        return await self._call(GET_CHAIN, m.CHAIN, chain_id=chain_id)

    async def list_instance_types(self) -> tuple[m.InstanceTypeV1, ...]:
        return (await self._call(LIST_INSTANCE_TYPES, m.INSTANCE_TYPES)).instance_types

    async def get_instance_type_prices(self) -> tuple[m.InstanceTypeWithPriceV1, ...]:
        """USD per minute of one replica. Older servers have none (404)."""
        return (await self._call(GET_INSTANCE_TYPE_PRICES, m.PRICES)).instance_types


def _with(endpoint: Endpoint, query: r.Query | None) -> Endpoint:
    return replace(endpoint, query=query.encoded()) if query else endpoint
