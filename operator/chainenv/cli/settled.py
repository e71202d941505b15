"""When an environment is as declared and serves, and when it will not get there by itself."""

from __future__ import annotations

import asyncio
import re
import time

import click

from ..crd.base import RECONCILE_ANNOTATION
from .cluster import Resources
from .commands import named
from .errors import CommandError
from .progress import Progress
from .view import Object, annotation, condition, part, spec, status

POLL_SECONDS = 1.0
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


class Duration(click.ParamType[float]):
    """``30m``, ``1h30m``, ``90s``, ``90``: seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value))
        if not value or found is None:
            self.fail(f"{value!r} is no duration: write it as 30m, 1h30m or 90s", param, ctx)
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return float(hours * 3600 + minutes * 60 + seconds)


def handled(resource: Object, request: str | None) -> bool:
    """Whether the spec as it is now, and the request, have been acted on."""
    seen = status(resource)
    return seen.get("observedGeneration") == resource["metadata"].get("generation") and (
        request is None or seen.get("lastHandledReconcileAt") == request
    )


def settled(resource: Object) -> bool:
    return condition(resource, "Synced").true and condition(resource, "Ready").true


def failure(resource: Object) -> str | None:
    """Why waiting longer helps nobody; None while it may still become settled."""
    stalled = condition(resource, "Stalled")
    if stalled.true:
        return f"{stalled.reason}: {stalled.message}"
    if spec(resource).get("managementPolicy") == "Pause":
        return "paused, so nothing will change: chainenv resume " + str(resource["metadata"]["name"])
    return None


def why(resource: Object) -> str:
    """What is still missing."""
    gate = part(status(resource), "rollout").get("waitsFor")
    if gate:
        return f"waiting for {gate}: {part(status(resource), 'rollout').get('message', '')}".rstrip(": ")
    for kind in ("Synced", "Ready"):
        found = condition(resource, kind)
        if not found.current:
            return "the operator has not acted on this generation yet"
        if not found.true:
            return f"{kind} is {found.status}, {found.reason}: {found.message}"
    return "Synced and Ready"


async def until_settled(resources: Resources, resource: Object, timeout: float, request: str | None = None) -> Object:
    """The resource once it is settled, for the request too. Raises CommandError when it failed, or after ``timeout`` seconds."""
    ends = time.monotonic() + timeout
    with Progress() as progress:
        while True:
            if handled(resource, request):
                if settled(resource):
                    return resource
                if problem := failure(resource):
                    raise CommandError(f"{named(resource)}: {problem}")
            left = ends - time.monotonic()
            if left <= 0:
                raise CommandError(f"{named(resource)} is not Synced and Ready after {timeout:g} s: {why(resource)}")
            progress(f"{named(resource)}: {why(resource)}")
            await asyncio.sleep(min(POLL_SECONDS, left))
            resource = await resources.again(resource)


def requested(resource: Object) -> str | None:
    """A reconciliation that was asked for and not acted on yet."""
    asked = annotation(resource, RECONCILE_ANNOTATION)
    return asked if asked != status(resource).get("lastHandledReconcileAt") else None
