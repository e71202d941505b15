"""Why a call was refused: after the other calls of the run, and the only place that reads the instance types."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from ..api import Baseten, BasetenError
from ..core.actions import Action
from ..core.refusals import cause, fields_named, types_sent
from ..core.world import World
from ..crd.enums import Outcome


async def explained(baseten: Baseten, world: World, action: Action) -> Action:
    """The refused action with the cause in its entry, or else with the fields of the spec that Baseten's answer names.

    Raises NotLeadingError. When the instance types cannot be read, the answer has to speak for itself.
    """
    entry, answer = action.entry, action.entry.message or ""
    if entry.outcome == Outcome.FORBIDDEN:
        return action
    found = cause(action.change, world, {})
    if found is None and types_sent(action.change):
        with contextlib.suppress(BasetenError):
            found = cause(action.change, world, {each.id: each.name for each in await baseten.list_instance_types()})
    if found:
        return replace(action, entry=entry.model_copy(update={"cause": found}))
    if named := fields_named(action.change, answer):
        message = f"{answer.rstrip('.')} (in the spec: {named})"
        return replace(action, entry=entry.model_copy(update={"message": message[:1024]}))
    return action
