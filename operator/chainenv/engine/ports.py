"""What the engine needs of the world outside: Kubernetes, keys, time. `kube/` provides them; nothing here knows how."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from ..api import ApiKey, Baseten
from ..core.cost import PriceList
from ..core.findings import EventRecord
from ..core.reasons import Reason
from ..core.resource import Resource
from ..core.status import Report
from ..crd.types import ChainEnvironmentStatus


class Key(NamedTuple):
    """A resource's name in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class WriteConflictError(Exception):
    """The object in the cluster is not the one this decision was made from; the newer one is in the store now."""


class ClusterUnavailableError(Exception):
    """The API server did not do what was asked of it, for a reason that is not the object's."""


class NotLeadingError(Exception):
    """Another process acts, or may: nothing is called and nothing written."""


class KeyUnavailableError(Exception):
    """There is no usable API key. `retry_seconds`: when looking again makes sense."""

    def __init__(self, reason: Reason, message: str, retry_seconds: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_seconds = retry_seconds


class ClaimState(NamedTuple):
    """``fresh``: taken in this run, where another one may have acted since the run's read: nothing may be sent in it.
    ``contested``: other resources could own the environment as well."""

    fresh: bool
    contested: bool


class Store(Protocol):
    """The last known objects, and the only way to write them."""

    def get(self, key: Key) -> Resource | None: ...

    def owner_of(self, resource: Resource) -> Resource | None:
        """The other resource that owns the environment which this one declares, if there is one (docs/decisions/0009)."""

    def contested(self, resource: Resource) -> bool:
        """Whether another resource could own the environment as well."""

    def named_by_others(self, resource: Resource) -> frozenset[str]:
        """Deployments that other resources of its chain want, promote or use."""

    def claimed(self, resource: Resource) -> AbstractContextManager[ClaimState]:
        """A resource has read its environment as its own. Inside, no other one of the environment is.

        Raises WriteConflictError when it is not, or not yet, its turn.
        """

    async def write_status(self, resource: Resource, status: ChainEnvironmentStatus) -> Resource:
        """Raises WriteConflictError when the object has changed or is gone, else ClusterUnavailableError."""

    async def set_finalizer(self, resource: Resource, present: bool) -> Resource:
        """Raises as ``write_status`` does."""


class Keys(Protocol):
    """What is known of a resource is known by its uid."""

    async def key_for(self, resource: Resource, *, fresh: bool) -> ApiKey:
        """``fresh``: read the Secret now, and try even a key that Baseten refused. A resource that is being deleted gets the last key
        that was accepted for it where there is no usable one.

        Raises KeyUnavailableError, or ClusterUnavailableError when the Secret could not be read.
        """

    def refused(self, resource: Resource, key: ApiKey) -> None:
        """Baseten did not take the key for this resource: read the Secret again, and try the same value only slowly. Other resources
        with this key go on, unless it is accepted for nobody."""

    def accepted(self, resource: Resource, key: ApiKey) -> None:
        """A call of this resource was answered."""

    def forget(self, uid: str) -> None:
        """The resource is gone."""


class Events(Protocol):
    def emit(self, resource: Resource, event: EventRecord) -> None:
        """Returns at once; writing is somebody else's task and may fail without harm."""


def nobody(_: Key) -> None:
    """Where one run is all there is."""


def no_prices(*_: object) -> None:
    """Where nobody asks what anything costs."""


@dataclass(frozen=True, slots=True)
class Ports:
    """``prices``: what is known by now of the key's prices, for this resource; returns at once, and reads them in the background when
    they are old. ``wake``: run the resource once more when they have been read.
    ``monotonic``: seconds, for waits that decisions depend on. ``jitter``: random, in [0, 1).
    ``fence``: raises NotLeadingError when this process may not act.
    ``again``: run another resource once more, now.
    ``measure``: told what each run came to; a status of None when the resource is gone."""

    store: Store
    keys: Keys
    events: Events
    baseten: Callable[[ApiKey], Baseten]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    jitter: Callable[[], float]
    fence: Callable[[], None]
    measure: Callable[[Key, ChainEnvironmentStatus | None, Report | None], None]
    prices: Callable[[Key, Baseten, bool], PriceList | None] = no_prices
    again: Callable[[Key], None] = nobody
