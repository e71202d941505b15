"""What time does to deployments and environments. Everything here is computed from moments, on demand."""

from __future__ import annotations

from chainenv_sandbox.baseten.model import Autoscaling, ChainletSettings, Deployment, Environment
from chainenv_sandbox.baseten.options import Options
from chainenv_sandbox.baseten.timeline import FAILED, OFF, Timeline

SERVES = frozenset({"ACTIVE"})


def launch(options: Options, at: float, failure: str | None = None) -> Timeline:
    """A new deployment's life. A failure comes where its kind belongs: FAILED and the like at the end of loading."""
    built = at + options.build_seconds
    deployed = built + options.deploy_seconds
    loaded = deployed + options.load_seconds
    if failure in ("BUILD_FAILED", "BUILD_STOPPED"):
        return Timeline((at, "BUILDING"), (built, failure))
    if failure == "DEPLOY_FAILED":
        return Timeline((at, "BUILDING"), (built, "DEPLOYING"), (deployed, failure))
    return Timeline((at, "BUILDING"), (built, "DEPLOYING"), (deployed, "LOADING_MODEL"), (loaded, failure or "ACTIVE"))


def wake(deployment: Deployment, options: Options, at: float) -> None:
    """Back from zero, or from off (which goes through deploying and loading again)."""
    status = deployment.status(at)
    if status == "SCALED_TO_ZERO":
        deployment.timeline.then((at, "WAKING_UP"), (at + options.wake_seconds, "ACTIVE"))
    elif status in OFF:
        deployed = at + options.deploy_seconds
        deployment.timeline.then((at, "DEPLOYING"), (deployed, "LOADING_MODEL"), (deployed + options.load_seconds, "ACTIVE"))


def deactivate(deployment: Deployment, options: Options, at: float) -> None:
    if deployment.status(at) not in OFF:
        deployment.timeline.then((at, "DEACTIVATING"), (at + options.deactivate_seconds, "INACTIVE"))


def fall_idle(deployment: Deployment, options: Options, now: float) -> None:
    """Scales to zero when that is switched on, nothing keeps a replica and the idle time is over."""
    after = options.scale_to_zero_after_seconds
    if after is None or deployment.status(now) != "ACTIVE":
        return
    begin, _ = deployment.timeline.span(now)
    if now >= begin + after and not any(one.autoscaling["min_replica"] for one in deployment.chainlets):
        deployment.timeline.then((begin + after, "SCALED_TO_ZERO"))


def settle(environment: Environment, options: Options, now: float) -> None:
    """Everything that time has done to the environment since it was last read."""
    for name, settings in environment.chainlets.items():
        while settings.pending and settings.pending[0][0] <= now:
            at, values = settings.pending.pop(0)
            _apply_autoscaling(environment, name, values, options, at)
    if environment.candidate is not None:
        _advance_promotion(environment, environment.candidate, options, now)
    if environment.current is not None:
        fall_idle(environment.current, options, now)
        environment.activated = environment.activated or environment.current.activated(now)


def _apply_autoscaling(environment: Environment, name: str, values: Autoscaling, options: Options, at: float) -> None:
    environment.chainlets[name].autoscaling = values
    for deployment in (environment.current, environment.candidate):
        for chainlet in deployment.chainlets if deployment else ():
            if chainlet.name == name:
                chainlet.autoscaling = values.copy()
    if values["min_replica"] and environment.current and environment.current.status(at) == "SCALED_TO_ZERO":
        wake(environment.current, options, at)


def _advance_promotion(environment: Environment, candidate: Deployment, options: Options, now: float) -> None:
    since = environment.candidate_since
    ready = candidate.timeline.first(SERVES, since, now)
    failed = candidate.timeline.first(FAILED | OFF, since, now)
    if ready is not None and (failed is None or ready + options.promotion_seconds <= failed):
        if now >= ready + options.promotion_seconds:
            become_current(environment, candidate, options, ready + options.promotion_seconds)
    elif failed is not None and now >= failed + options.failed_candidate_seconds:
        _give_up(environment, options)


def become_current(environment: Environment, deployment: Deployment, options: Options, at: float) -> None:
    previous = environment.current
    environment.current, environment.candidate = deployment, None
    for chainlet in deployment.chainlets:
        settings = environment.chainlets.setdefault(chainlet.name, ChainletSettings(instance_type=chainlet.instance_type))
        settings.instance_type, settings.next_instance_type = chainlet.instance_type, None
    for name in environment.chainlets.keys() - deployment.types().keys():
        del environment.chainlets[name]
    if previous is not None and previous is not deployment and environment.scale_down_previous:
        strategy = environment.promotion["promotion_cleanup_strategy"]
        if strategy == "DEACTIVATE":
            deactivate(previous, options, at)
        elif strategy == "SCALE_TO_ZERO" and previous.status(at) in ("ACTIVE", "WAKING_UP", "UNHEALTHY", "UPDATING"):
            previous.timeline.then((at, "SCALED_TO_ZERO"))


def _give_up(environment: Environment, options: Options) -> None:
    environment.candidate = None
    types = environment.current.types() if environment.current else {}
    for name, settings in environment.chainlets.items():
        settings.next_instance_type = None
        if options.failed_candidate_reverts_types:
            settings.instance_type = types.get(name, settings.instance_type)
