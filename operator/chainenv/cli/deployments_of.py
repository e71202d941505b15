"""What serves, served and is to serve in an environment, as its resource tells. Pure."""

from __future__ import annotations

from .commands import named
from .errors import CommandError
from .view import Object, deployment_id, items, part, spec, status


def history(resource: Object) -> list[Object]:
    """Newest first, as the operator keeps it."""
    return items(status(resource), "history")


def rollback_target(resource: Object) -> str | None:
    """The newest deployment of the history that is another one than what serves now."""
    current = deployment_id(resource, "currentDeployment")
    return next((str(each["deploymentID"]) for each in history(resource) if each.get("deploymentID") not in (None, current)), None)


def refuse_promote_from(resource: Object, command: str, deployment: str | None) -> None:
    """Raises CommandError with what to do: what follows another environment has no deployment of its own to choose."""
    source = part(spec(resource), "promoteFrom").get("name")
    if source:
        instead = f"write deploymentID{f': {deployment}' if deployment else ''} in place of promoteFrom in its manifest"
        there = f"chainenv {command} {source}{f' {deployment}' if command == 'promote' and deployment else ''}"
        raise CommandError(f"{named(resource)} follows {source} (spec.promoteFrom): {there}, which it then follows, or {instead}")
