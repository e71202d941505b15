"""``chainenv resume``."""

from __future__ import annotations

import click

from .cluster import connected
from .commands import NAME, in_loop, report
from .edits import Edit, apply, edit_options
from .options import cluster_options, given
from .pause import ANNOTATION
from .view import annotation, spec


@click.command("resume")
@NAME
@edit_options
@cluster_options
@in_loop
async def command(name: str, dry_run: bool, force: bool) -> None:
    """End a pause: spec.managementPolicy becomes what it was before chainenv pause, else Reconcile.

    Where Argo CD or Flux keep the field, the patch for Git is printed and nothing is changed (exit code 1).
    """
    async with connected(given()) as resources:
        resource = await resources.get(name)
        now = spec(resource).get("managementPolicy")
        if now != "Pause":
            report(resource, f"not paused, managementPolicy is {now or 'Reconcile'}: nothing to change", changed=False)
            return
        before = annotation(resource, ANNOTATION)
        policy = before if before in ("Reconcile", "Observe") else None if before == "" else "Reconcile"
        edit = Edit("managementPolicy", policy, {ANNOTATION: None})
        await apply(resources, resource, edit, dry_run=dry_run, force=force, why=f"resumed: {policy or 'Reconcile'}")
