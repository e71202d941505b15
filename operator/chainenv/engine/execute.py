"""Doing what a plan says: one call after the other, each with its journal entry."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..api import Baseten, BasetenError, CredentialsRefused, Forbidden, Invalid, NotFound, Unavailable
from ..api import requests as r
from ..api.errors import NotSent
from ..core.actions import (
    ROLLOUTS,
    Action,
    CreateEnvironment,
    Deactivate,
    Outcome,
    Plan,
    Promote,
    UpdateAutoscaling,
    UpdateInstanceTypes,
    UpdatePromotionSettings,
    with_entry,
)
from ..core.status import Told, told
from ..core.world import CLEANUP, ROLLING, Environment, Settings, World
from ..crd.types import JournalEntry
from .context import of_last_call
from .explain import explained
from .journal import Journal
from .observe import environment_of
from .troubles import event_of

log = logging.getLogger(__name__)

Fence = Callable[[], None]
"""Raises NotLeadingError when this process may not act (any more)."""


@dataclass(slots=True)
class Done:
    """What came of a plan. ``told``: the events of its calls. ``failed``: what failed in passing, to be tried again."""

    journal: tuple[JournalEntry, ...]
    environment: Environment | None
    calls: list[Action] = field(default_factory=list)
    refused: list[Action] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    failed: list[tuple[Action, BasetenError]] = field(default_factory=list)


async def execute(baseten: Baseten, world: World, plan: Plan, journal: Journal, fence: Fence) -> Done:
    """Each kind of change is tried on its own: one that is refused or fails holds up no other, unless the key itself is refused."""
    done = Done(journal=plan.journal, environment=world.environment)
    for planned in plan.actions:
        action = planned
        if action.intent_first:
            action = replace(action, entry=await journal.intend(done.journal, action.entry, world.environment))
        fence()
        try:
            answer = await _send(baseten, world, action)
            _say(event_of(action.call, world), action, done)
            _accept(action, answer, journal.now(), done)
        except (Invalid, NotFound, Forbidden) as error:
            _refuse(action, error, journal.now(), done)
        except BasetenError as error:
            if action.intent_first and isinstance(error, Unavailable) and not isinstance(error, NotSent):
                done.journal = with_entry(done.journal, action.entry)
            done.failed.append((action, error))
            if isinstance(error, CredentialsRefused):
                break
    done.refused = [await explained(baseten, world, action) for action in done.refused]
    for action in done.refused:
        done.journal = with_entry(done.journal, action.entry)
    return done


def _say(event: Told, action: Action, done: Done) -> None:
    """The one line of a call that Baseten took; written before anything else can go wrong."""
    log.info("%s: %s", event.reason, event.message, extra={**of_last_call(), "event": str(event.reason), "attempt": action.entry.attempts})
    done.told.append(event)


def _accept(action: Action, answer: Answer, now: datetime, done: Done) -> None:
    done.calls.append(action)
    update: dict[str, Any] = {"outcome": Outcome.ACCEPTED.value, "finished_at": now}
    if answer.environment is not None:
        done.environment = answer.environment
        done.journal = (action.entry.model_copy(update=update),)  # of an environment that was there before, nothing counts any more
        return
    if action.entry.operation in ROLLOUTS:
        update |= {"deployment_id": answer.deployment_id, "started": answer.started}
        if not answer.started:
            update["unconfirmed"] = (action.entry.unconfirmed or 0) + 1
    done.journal = with_entry(done.journal, action.entry.model_copy(update=update))


def _refuse(action: Action, error: BasetenError, now: datetime, done: Done) -> None:
    outcomes = {Forbidden: Outcome.FORBIDDEN, NotFound: Outcome.NOT_FOUND}
    outcome = outcomes.get(type(error), Outcome.REFUSED)
    entry = action.entry.model_copy(update={"outcome": outcome.value, "finished_at": now, "message": error.message[:1024]})
    log.warning("refused: %s: %s", told(action.call), error.message, extra=of_last_call(error.endpoint))
    done.journal = with_entry(done.journal, entry)
    done.refused.append(replace(action, entry=entry))


@dataclass(frozen=True, slots=True)
class Answer:
    """``environment``: the created one. ``started``: Baseten says that a deployment starts, also when it does not name it."""

    environment: Environment | None = None
    deployment_id: str | None = None
    started: bool = False


async def _send(baseten: Baseten, world: World, action: Action) -> Answer:
    """Raises BasetenError."""
    chain_id, name = world.desired.chain_id, world.desired.environment
    match action.call:
        case CreateEnvironment() as call:
            return Answer(environment_of(await baseten.create_environment(chain_id, create_body(name, call))))
        case UpdatePromotionSettings() as call:
            settings = promotion_body(call.changes, cleanup_inside=call.cleanup_inside, cleanup_outside=call.cleanup_outside)
            await baseten.update_environment(chain_id, name, r.UpdateChainEnvironmentRequestV1(promotion_settings=settings))
        case UpdateAutoscaling() as call:
            await baseten.update_autoscaling(chain_id, name, autoscaling_body(call.changes))
        case UpdateInstanceTypes() as call:
            answer = await baseten.update_instance_types(chain_id, name, instance_types_body(call.changes))
            started = answer.chain_deployment
            return Answer(deployment_id=started.id if started else None, started=bool(started or answer.requires_redeployment))
        case Promote() as call:
            return Answer(deployment_id=(await baseten.promote(chain_id, name, promote_body(call))).id, started=True)
        case Deactivate() as call:
            await baseten.deactivate(chain_id, call.deployment_id)
    return Answer()


# -- from actions to bodies ----------------------------------------------------------------------------------------


def create_body(name: str, call: CreateEnvironment) -> r.CreateChainEnvironmentRequestV1:
    body: dict[str, Any] = {"name": name}
    if call.promotion:
        body["promotion_settings"] = promotion_body(call.promotion, cleanup_inside=call.cleanup_inside)
    if call.chainlets:
        body["chainlet_settings"] = tuple(_chainlet(*chainlet) for chainlet in call.chainlets)
    return r.CreateChainEnvironmentRequestV1(**body)


def _chainlet(name: str, instance_type_id: str | None, autoscaling: Settings) -> r.ChainletEnvironmentSettingsRequestV1:
    body: dict[str, Any] = {"chainlet_name": name}
    if autoscaling:
        body["autoscaling_settings"] = r.UpdateAutoscalingSettingsV1.model_validate(dict(autoscaling))
    if instance_type_id:
        body["instance_type_id"] = instance_type_id
    return r.ChainletEnvironmentSettingsRequestV1(**body)


def promotion_body(settings: Settings, *, cleanup_inside: bool, cleanup_outside: bool = False) -> r.UpdatePromotionSettingsV1:
    """``cleanup_inside``: the older place of the cleanup strategy, inside rolling_deploy_config; with ``cleanup_outside`` both."""
    outer: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for path, value in settings.items():
        block, _, field_name = path.partition(".")
        if field_name and block == ROLLING:
            inner[field_name] = value
        elif path == CLEANUP and cleanup_inside:
            inner[CLEANUP] = value
            if cleanup_outside:
                outer[CLEANUP] = value
        else:
            outer[path] = value
    if inner:
        outer[ROLLING] = r.UpdateRollingDeployConfigV1.model_validate(inner)
    return r.UpdatePromotionSettingsV1(**outer)


def autoscaling_body(changes: Mapping[str, Settings]) -> r.UpdateChainletEnvironmentAutoscalingSettingsRequestV1:
    updates = tuple(
        r.ChainletEnvironmentAutoscalingSettingsUpdateV1(
            chainlet_name=name, autoscaling_settings=r.UpdateAutoscalingSettingsV1.model_validate(dict(settings))
        )
        for name, settings in changes.items()
    )
    return r.UpdateChainletEnvironmentAutoscalingSettingsRequestV1(updates=updates)


def instance_types_body(changes: Mapping[str, str]) -> r.UpdateChainletEnvironmentInstanceTypeRequestV1:
    updates = tuple(r.ChainletEnvironmentInstanceTypeUpdateV1(chainlet_name=n, instance_type_id=t) for n, t in changes.items())
    return r.UpdateChainletEnvironmentInstanceTypeRequestV1(updates=updates)


def promote_body(call: Promote) -> r.PromoteToChainEnvironmentRequestV1:
    if call.scale_down_previous is None:
        return r.PromoteToChainEnvironmentRequestV1(deployment_id=call.deployment_id)
    return r.PromoteToChainEnvironmentRequestV1(deployment_id=call.deployment_id, scale_down_previous_deployment=call.scale_down_previous)
