"""``chainenv promote``."""

from __future__ import annotations

import click

from .cluster import connected
from .commands import NAME, in_loop, report
from .deployments_of import refuse_promote_from
from .edits import Edit, apply, edit_options
from .errors import CommandError
from .options import cluster_options, given
from .view import spec


@click.command("promote")
@NAME
@click.argument("deployment", metavar="ID")
@edit_options
@cluster_options
@in_loop
async def command(name: str, deployment: str, dry_run: bool, force: bool) -> None:
    """Promote a deployment of the chain into an environment: writes spec.deploymentID.

    Where Argo CD or Flux keep that field, the patch for Git is printed and nothing is changed (exit code 1).
    """
    if not deployment.strip():
        raise CommandError("the deployment's ID is empty: see chainenv deployments --chain ID")
    async with connected(given()) as resources:
        resource = await resources.get(name)
        refuse_promote_from(resource, "promote", deployment)
        if spec(resource).get("deploymentID") == deployment:
            report(resource, f"spec.deploymentID is {deployment} already: nothing to change", field="spec.deploymentID", changed=False)
            return
        await apply(resources, resource, Edit("deploymentID", deployment), dry_run=dry_run, force=force, why="promotion")
