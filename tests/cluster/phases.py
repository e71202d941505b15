"""A ChainEnvironment in each of its phases, as the operator itself shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chainenv.core.actions import CreateEnvironment, Finding, Severity, UpdateInstanceTypes
from chainenv.core.reasons import Reason
from chainenv.core.status import Report, project, to_json
from chainenv.core.world import Environment
from chainenv.crd.types import ChainEnvironmentStatus

from ..unit.core.helpers import deployment, environment, report, running, state

Json = dict[str, Any]

STALLED = (
    Reason.ENVIRONMENT_EXISTS,
    Reason.DUPLICATE_TARGET,
    Reason.INVALID_ENVIRONMENT_NAME,
    Reason.INVALID_RESOURCE,
    Reason.CHAIN_NOT_FOUND,
    Reason.REFUSED,
    Reason.FORBIDDEN,
    Reason.NO_API_KEY,
    Reason.SECRET_NOT_FOUND,
    Reason.SECRET_KEY_NOT_FOUND,
    Reason.INVALID_API_KEY,
    Reason.CREDENTIALS_REFUSED,
)
NOT_SYNCED = (
    Reason.CHAINLET_NOT_FOUND,
    Reason.DEPLOYMENT_NOT_FOUND,
    Reason.NOT_CONVERGING,
    Reason.ROLLOUT_FAILED,
    Reason.DRIFTED,
)
"""The deployment serves, something else is not as declared, and nothing is under way."""
WAITING = (Reason.SETTLING_INTENT, Reason.CORRECTING, Reason.PROMOTION_RUNNING)
PASSING = (Reason.UNAVAILABLE, Reason.RATE_LIMITED, Reason.CONFLICT, Reason.INTERNAL_ERROR)
FAILED = ("BUILD_FAILED", "DEPLOY_FAILED", "FAILED")
COMING = ("BUILDING", "DEPLOYING", "LOADING_MODEL", "UPDATING")


@dataclass(frozen=True)
class Phase:
    """`words` stand in Argo CD's message. kstatus None: it is not asked, because it takes an object without any status for settled."""

    name: str
    thing: Json
    argo: str
    kstatus: str | None
    words: tuple[str, ...] = ()


def shown(*reports: Report, generation: int = 1, **metadata: Any) -> Json:
    status = ChainEnvironmentStatus(observed_generation=-1)
    for each in reports:
        status = project(status, each)
    return thing(to_json(status), generation=generation, **metadata)


def thing(status: Json | None, *, generation: int = 1, **metadata: Any) -> Json:
    found = {
        "apiVersion": "chains.baseten.co/v1alpha1",
        "kind": "ChainEnvironment",
        "metadata": {"name": "staging", "namespace": "team", "generation": generation, **metadata},
        "spec": {"chainID": "abcd1234"},
    }
    return found if status is None else {**found, "status": status}


def with_current(status: str, **more: Any) -> Environment:
    return environment(state("HelloWorld"), current=deployment("dep-1", status, running("HelloWorld", status=status)), **more)


def finding(reason: Reason, severity: Severity) -> Finding:
    return Finding(severity, reason, f"why {reason}")


SERVING = with_current("ACTIVE")
SETTLED = report(SERVING)


def phases() -> Iterator[Phase]:
    yield from _before_and_after()
    yield from _deployments()
    yield from _troubles()


def _before_and_after() -> Iterator[Phase]:
    yield Phase("no status at all", thing(None), "Progressing", None, ("not looked at it yet",))
    yield Phase("nobody has looked yet", thing({"observedGeneration": -1}), "Progressing", "InProgress", ("not looked at it yet",))
    create = CreateEnvironment({}, ())
    yield Phase("created", shown(report(None, calls=(create,))), "Progressing", "InProgress", ("Creating", "create the environment"))
    yield Phase("settled", shown(SETTLED), "Healthy", "Current", ("dep-1 is ACTIVE",))
    stale = shown(SETTLED, generation=2)
    yield Phase("another spec, not looked at yet", stale, "Progressing", "InProgress", ("not acted on this spec yet",))
    for reason in PASSING:
        failing = report(None, finding(reason, Severity.BLOCKED), observed=False, complete=False)
        yield Phase(f"{reason} at first", shown(failing), "Progressing", "InProgress", ("not acted", reason))
        yield Phase(f"{reason} later", shown(SETTLED, failing), "Healthy", "InProgress", ("dep-1 is ACTIVE", reason))
    old = report(None, finding(Reason.UNAVAILABLE, Severity.BLOCKED), observed=False, complete=False, stale=True)
    yield Phase("Baseten is away for long", shown(SETTLED, old), "Progressing", "InProgress")
    paused = report(None, observed=False, paused=True)
    yield Phase("paused", shown(SETTLED, paused), "Suspended", "Current", ("Paused", "no call is made"))
    yield Phase("paused from the start", shown(paused), "Suspended", "InProgress", ("Paused",))
    leaving = {"deletionTimestamp": "2026-03-01T12:00:00Z", "finalizers": ["chains.baseten.co/deactivate"]}
    deleting = report(SERVING, finding(Reason.DELETING, Severity.WAITING), deleting=True)
    yield Phase("being deleted", shown(SETTLED, deleting, **leaving), "Healthy", "Terminating", ("Deleting",))
    idle = report(SERVING, finding(Reason.WAITING_FOR_IDLE, Severity.WAITING), deleting=True)
    yield Phase("waiting until it is idle", shown(SETTLED, idle, **leaving), "Healthy", "Terminating", ("WaitingForIdle",))


def _deployments() -> Iterator[Phase]:
    yield Phase("no deployment", shown(report(environment(bare=True))), "Suspended", "InProgress", ("NoDeployment", "push or promote"))
    for status in ("SCALED_TO_ZERO", "WAKING_UP"):
        yield Phase(status, shown(report(with_current(status))), "Healthy", "Current", (f"dep-1 is {status}",))
    for status in COMING:
        yield Phase(status, shown(report(with_current(status))), "Progressing", "InProgress", (f"dep-1 is {status}",))
    for status in FAILED:
        yield Phase(status, shown(report(with_current(status))), "Degraded", "Failed", ("DeploymentFailed", "look at its logs"))
    yield Phase("UNHEALTHY", shown(report(with_current("UNHEALTHY"))), "Progressing", "InProgress", ("Unhealthy",))
    yield Phase("INACTIVE", shown(report(with_current("INACTIVE"))), "Progressing", "InProgress", ("DeploymentInactive", "activate it"))
    coming = with_current("ACTIVE", candidate=deployment("dep-2", "DEPLOYING"))
    yield Phase("one is being promoted", shown(report(coming)), "Healthy", "InProgress", ("dep-2 is being promoted",))
    types = UpdateInstanceTypes({"HelloWorld": "4x16"}, ())
    yield Phase("instance types were sent", shown(SETTLED, report(SERVING, calls=(types,))), "Healthy", "InProgress", ("RollingOut",))


def _troubles() -> Iterator[Phase]:
    for reason in STALLED:
        seen = None if reason in (Reason.ENVIRONMENT_EXISTS, Reason.CHAIN_NOT_FOUND) else SERVING
        stalled = report(seen, finding(reason, Severity.STALLED), observed=seen is not None)
        yield Phase(reason, shown(stalled), "Degraded", "Failed", (reason, f"why {reason}"))
    for reason in NOT_SYNCED:
        yield Phase(reason, shown(report(SERVING, finding(reason, Severity.BLOCKED))), "Healthy", "Current", ("ACTIVE", f"why {reason}"))
    for reason in WAITING:
        waits = report(SERVING, finding(reason, Severity.WAITING))
        yield Phase(reason, shown(SETTLED, waits), "Healthy", "InProgress", ("ACTIVE", f"why {reason}"))
    would = report(None, finding(Reason.WOULD_CREATE, Severity.BLOCKED))
    yield Phase("observed, and there is none", shown(would), "Progressing", "InProgress", ("why WouldCreate",))
    missing = report(None, finding(Reason.ENVIRONMENT_MISSING, Severity.WAITING))
    yield Phase("the environment is missing", shown(SETTLED, missing), "Progressing", "InProgress", ("why EnvironmentMissing",))
