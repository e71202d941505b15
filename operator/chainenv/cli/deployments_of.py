"""What serves, served and is to serve in an environment, as its resource tells. Pure."""

from __future__ import annotations

from .commands import named
from .errors import CommandError
from .view import Object, deployment_id, items, spec, status


def history(resource: Object) -> list[Object]:
    """Newest first, as the operator keeps it."""
    return items(status(resource), "history")


def rollback_target(resource: Object) -> str | None:
    """The newest deployment of the history that is another one than what serves now."""
    current = deployment_id(resource, "currentDeployment")
    return next((str(each["deploymentID"]) for each in history(resource) if each.get("deploymentID") not in (None, current)), None)


def refuse_promote_from(resource: Object) -> None:
    """Raises CommandError: what follows another environment has no deployment of its own to choose."""
    source = spec(resource).get("promoteFrom")
    if source:
        name = source.get("name") if isinstance(source, dict) else source
        raise CommandError(f"{named(resource)} follows {name} (spec.promoteFrom): change {name}, or remove promoteFrom first")
