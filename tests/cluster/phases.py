"""A ChainEnvironment in each of its phases, as the operator itself shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from chainenv.core.changes import CreateEnvironment, UpdateInstanceTypes
from chainenv.core.environment import Environment, PromotionProgress
from chainenv.core.findings import Finding, Severity
from chainenv.core.reasons import Reason
from chainenv.core.status import Report, project, to_json
from chainenv.crd.types import ChainEnvironmentStatus

from ..unit.core.helpers import deployment, environment, report, running, state, unread
from ..unit.core.helpers import paused as paused_report

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
    Reason.SOURCE_NOT_FOUND,
    Reason.BUDGET_EXCEEDED,
    Reason.ROLLOUT_DEADLINE_EXCEEDED,
)
STUCK = (Reason.CHAINLET_NOT_FOUND, Reason.DEPLOYMENT_NOT_FOUND, Reason.ROLLOUT_FAILED, Reason.ROLLOUT_ABORTED)
"""The deployment serves, and something of the spec will not come about by itself."""
NOT_SYNCED = (Reason.NOT_CONVERGING, Reason.DRIFTED, Reason.UNCONFIRMED)
"""The deployment serves, something else is not as declared, and nothing is under way."""
WAITING = (
    Reason.SETTLING_INTENT,
    Reason.CORRECTING,
    Reason.PROMOTION_RUNNING,
    Reason.UNCONFIRMED,
    Reason.WAITING_FOR_SOURCE,
    Reason.PRICE_UNKNOWN,
)
HALTED = (Reason.WAITING_FOR_APPROVAL, Reason.WAITING_FOR_WINDOW)
"""A rollout waits for a person or the clock, and nothing moves."""
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
    progress = more.pop("promotion_progress", None)
    found = environment(state("HelloWorld"), current=deployment("dep-1", status, running("HelloWorld", status=status)), **more)
    return replace(found, promotion_progress=progress)


def finding(reason: Reason, severity: Severity) -> Finding:
    return Finding(severity, reason, f"why {reason}")


SERVING = with_current("ACTIVE")
SETTLED = report(SERVING)
ROLLING = report(with_current("ACTIVE", candidate=deployment("dep-2", "DEPLOYING")))


def phases() -> Iterator[Phase]:
    yield from _before_and_after()
    yield from _deployments()
    yield from _troubles()


def _before_and_after() -> Iterator[Phase]:
    yield Phase("no status at all", thing(None), "Progressing", None, ("not observed",))
    yield Phase("nobody has looked yet", thing({"observedGeneration": -1}), "Progressing", "InProgress", ("not observed",))
    create = CreateEnvironment("environment staging of chain abcd1234", {}, ())
    yield Phase("created", shown(report(None, changes=(create,))), "Progressing", "InProgress", ("Creating", "create the environment"))
    yield Phase("settled", shown(SETTLED), "Healthy", "Current", ("dep-1 is ACTIVE",))
    stale = shown(SETTLED, generation=2)
    yield Phase("another spec, not looked at yet", stale, "Progressing", "InProgress", ("not acted on this spec yet",))
    for reason in PASSING:
        yield from _failing(reason)
    old = unread(finding(Reason.UNAVAILABLE, Severity.BLOCKED), acted_on=False, stale=True, failing_for=900)
    yield Phase("Baseten is away for long", shown(SETTLED, old), "Progressing", "InProgress")
    paused = paused_report()
    yield Phase("paused", shown(SETTLED, paused), "Suspended", "Current", ("Paused", "last observed state"))
    yield Phase("paused from the start", shown(paused), "Suspended", "InProgress", ("Paused",))
    leaving = {"deletionTimestamp": "2026-03-01T12:00:00Z", "finalizers": ["chains.baseten.co/deactivate"]}
    deleting = report(SERVING, finding(Reason.DELETING, Severity.WAITING), deleting=True)
    yield Phase("being deleted", shown(SETTLED, deleting, **leaving), "Progressing", "Terminating", ("Deleting",))
    idle = report(SERVING, finding(Reason.WAITING_FOR_IDLE, Severity.WAITING), deleting=True)
    yield Phase("waiting until it is idle", shown(SETTLED, idle, **leaving), "Progressing", "Terminating", ("WaitingForIdle",))


def _failing(reason: Reason) -> Iterator[Phase]:
    """Once, for less than a minute, for longer; at first, when settled, during a rollout, after one that failed."""
    trouble = finding(reason, Severity.BLOCKED)

    def failing(seconds: float) -> Report:
        return unread(trouble, acted_on=False, failing_for=seconds)

    yield Phase(f"{reason} at first", shown(failing(0)), "Progressing", "InProgress", ("not acted", reason))
    yield Phase(f"{reason} once", shown(SETTLED, failing(0)), "Healthy", "Current", ("dep-1 is ACTIVE",))
    yield Phase(f"{reason} twice", shown(SETTLED, failing(1)), "Healthy", "InProgress", ("dep-1 is ACTIVE", reason))
    yield Phase(f"{reason} later", shown(SETTLED, failing(0), failing(90)), "Healthy", "InProgress", ("dep-1 is ACTIVE", reason))
    rolling = shown(ROLLING, failing(0), failing(90))
    yield Phase(f"{reason} during a rollout", rolling, "Progressing", "InProgress", ("dep-2 is DEPLOYING",))
    failed = shown(report(SERVING, finding(Reason.ROLLOUT_FAILED, Severity.BLOCKED)), failing(0), failing(90))
    yield Phase(f"{reason} after a failed rollout", failed, "Degraded", "Failed", ("RolloutFailed",))


def _deployments() -> Iterator[Phase]:
    yield Phase("no deployment", shown(report(environment(bare=True))), "Suspended", "InProgress", ("NoDeployment", "push or promote"))
    for status in ("SCALED_TO_ZERO", "WAKING_UP"):
        yield Phase(status, shown(report(with_current(status))), "Healthy", "Current", (f"dep-1 is {status}",))
    for status in COMING:
        yield Phase(status, shown(report(with_current(status))), "Progressing", "InProgress", (f"dep-1 is {status}",))
    for status in FAILED:
        yield Phase(status, shown(report(with_current(status))), "Degraded", "Failed", ("DeploymentFailed", "see its logs"))
    yield Phase("UNHEALTHY", shown(report(with_current("UNHEALTHY"))), "Progressing", "InProgress", ("Unhealthy",))
    yield Phase("INACTIVE", shown(report(with_current("INACTIVE"))), "Progressing", "InProgress", ("DeploymentInactive", "activate it"))
    for status in (*COMING, "ACTIVE", "SCALED_TO_ZERO", "ODD"):
        coming = with_current("ACTIVE", candidate=deployment("dep-2", status))
        yield Phase(f"one that is {status} is being promoted", shown(report(coming)), "Progressing", "InProgress", (f"dep-2 is {status}",))
    yield Phase("paused during a rollout", shown(ROLLING, paused_report()), "Suspended", "InProgress")
    for status in (*FAILED, "BUILD_STOPPED", "INACTIVE", "DEACTIVATING"):
        candidate = deployment("dep-2", status, running("HelloWorld", status=status))
        yield Phase(
            f"a candidate that is {status}",
            shown(report(with_current("ACTIVE", candidate=candidate))),
            "Degraded",
            "Failed",
            ("RolloutFailed", f"dep-2 is {status}", "previous deployment keeps serving"),
        )
    for status in ("FAILED", "CANCELED"):
        ended = with_current("ACTIVE", promotion_progress=PromotionProgress(status, 30, "no capacity"))
        yield Phase(f"a promotion that is {status}", shown(report(ended)), "Degraded", "Failed", ("RolloutFailed", "no capacity"))
    ramping = with_current("ACTIVE", promotion_progress=PromotionProgress("RAMPING_UP", 30))
    yield Phase("ramping up", shown(report(ramping)), "Progressing", "InProgress", ("RAMPING_UP, 30 %",))
    types = UpdateInstanceTypes({"HelloWorld": "4x16"}, ())
    yield Phase("instance types were sent", shown(SETTLED, report(SERVING, changes=(types,))), "Progressing", "InProgress", ("RollingOut",))
    next_one = with_current("FAILED", candidate=deployment("dep-2", "BUILDING"))
    yield Phase("failed, and the next one is coming", shown(report(next_one)), "Progressing", "InProgress", ("dep-2 is BUILDING",))


def _troubles() -> Iterator[Phase]:
    for reason in STALLED:
        seen = None if reason in (Reason.ENVIRONMENT_EXISTS, Reason.CHAIN_NOT_FOUND) else SERVING
        why = finding(reason, Severity.STALLED)
        stalled = report(seen, why) if seen is not None else unread(why)
        yield Phase(reason, shown(stalled), "Degraded", "Failed", (reason, f"why {reason}"))
    for reason in NOT_SYNCED:
        yield Phase(reason, shown(report(SERVING, finding(reason, Severity.BLOCKED))), "Healthy", "Current", ("ACTIVE", f"why {reason}"))
    for reason in STUCK:
        stuck = finding(reason, Severity.BLOCKED)
        yield Phase(reason, shown(report(SERVING, stuck)), "Degraded", "Failed", (reason, f"why {reason}"))
        mended = with_current("ACTIVE", candidate=deployment("dep-2", "BUILDING"))
        yield Phase(f"{reason}, and a rollout is under way", shown(report(mended, stuck)), "Progressing", "InProgress", ("dep-2",))
    for reason in WAITING:
        waits = report(SERVING, finding(reason, Severity.WAITING))
        yield Phase(f"waiting: {reason}", shown(SETTLED, waits), "Progressing", "InProgress", ("ACTIVE", f"why {reason}"))
    for reason in HALTED:
        waits = finding(reason, Severity.WAITING)
        yield Phase(f"waiting: {reason}", shown(SETTLED, report(SERVING, waits)), "Suspended", "InProgress", (f"why {reason}",))
        empty = report(environment(bare=True), waits)
        yield Phase(f"waiting without a deployment: {reason}", shown(empty), "Suspended", "InProgress", (f"why {reason}",))
        rolling = report(
            with_current("ACTIVE", candidate=deployment("dep-2", "BUILDING")), finding(Reason.ROLLING_OUT, Severity.WAITING), waits
        )
        yield Phase(f"another one rolls out: {reason}", shown(rolling), "Progressing", "InProgress", ("RollingOut",))
        strangers = report(with_current("ACTIVE", candidate=deployment("dep-2", "BUILDING")), waits)
        yield Phase(f"a stranger's rolls out: {reason}", shown(strangers), "Progressing", "InProgress", ("dep-2",))
    late = report(
        with_current("ACTIVE", candidate=deployment("dep-2", "BUILDING")), finding(Reason.ROLLOUT_DEADLINE_EXCEEDED, Severity.STALLED)
    )
    yield Phase("late, and still coming", shown(late), "Degraded", "Failed", ("RolloutDeadlineExceeded",))
    would = report(None, finding(Reason.WOULD_CREATE, Severity.BLOCKED))
    yield Phase("observed, and there is none", shown(would), "Progressing", "InProgress", ("why WouldCreate",))
    missing = report(None, finding(Reason.ENVIRONMENT_MISSING, Severity.WAITING))
    yield Phase("the environment is missing", shown(SETTLED, missing), "Progressing", "InProgress", ("why EnvironmentMissing",))
