"""``chainenv rollback``."""

from __future__ import annotations

import click

from .cluster import connected
from .commands import NAME, in_loop, named
from .deployments_of import history, refuse_promote_from, rollback_target
from .edits import Edit, apply, edit_options
from .errors import CommandError
from .options import cluster_options, given
from .view import Object, deployment_id, spec


@click.command("rollback")
@NAME
@click.option("--to", metavar="ID", help="Deployment of the history to go back to. [the one that served before]")
@edit_options
@cluster_options
@in_loop
async def command(name: str, to: str | None, dry_run: bool, force: bool) -> None:
    """Go back to a deployment that served before: writes spec.deploymentID.

    Where Argo CD or Flux keep that field, the patch for Git is printed and nothing is changed (exit code 1).
    """
    async with connected(given()) as resources:
        resource = await resources.get(name)
        target = _target(resource, to)
        why = f"rollback from {deployment_id(resource, 'currentDeployment') or 'nothing'}"
        await apply(resources, resource, Edit("deploymentID", target), dry_run=dry_run, force=force, why=why)


def _target(resource: Object, to: str | None) -> str:
    """Raises CommandError with what to do instead."""
    who, name = named(resource), resource["metadata"]["name"]
    refuse_promote_from(resource, "rollback", to or rollback_target(resource))
    served = [str(each.get("deploymentID")) for each in history(resource)]
    current = deployment_id(resource, "currentDeployment")
    target = to or rollback_target(resource)
    if target is None:
        raise CommandError(f"{who} has no earlier deployment in its history: name one with chainenv promote {name} ID")
    if target == current:
        raise CommandError(f"deployment {target} serves {who} already: see chainenv history {name}")
    if target not in served:
        advice = f"see chainenv history {name}, or use chainenv promote"
        raise CommandError(f"deployment {target} is not in the history of {who}: {advice}")
    if spec(resource).get("deploymentID") == target:
        raise CommandError(f"spec.deploymentID of {who} is {target} already, and a value is promoted once: see chainenv status {name}")
    return target
