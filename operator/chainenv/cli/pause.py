"""``chainenv pause``."""

from __future__ import annotations

import click

from ..crd.base import GROUP
from .cluster import connected
from .commands import NAME, in_loop, report
from .edits import Edit, apply, edit_options
from .options import cluster_options, given
from .view import spec

ANNOTATION = f"{GROUP}/policy-before-pause"
"""What managementPolicy was when it was paused by the command; empty when the spec had none."""


@click.command("pause")
@NAME
@edit_options
@cluster_options
@in_loop
async def command(name: str, dry_run: bool, force: bool) -> None:
    """Let the operator leave an environment alone: sets spec.managementPolicy to Pause.

    What it was is kept in an annotation, for chainenv resume. Where Argo CD or Flux keep the field, the patch for Git is printed and
    nothing is changed (exit code 1).
    """
    async with connected(given()) as resources:
        resource = await resources.get(name)
        before = spec(resource).get("managementPolicy")
        if before == "Pause":
            report(resource, "paused already: nothing to change", field="spec.managementPolicy", changed=False)
            return
        edit = Edit("managementPolicy", "Pause", {ANNOTATION: str(before or "")})
        await apply(resources, resource, edit, dry_run=dry_run, force=force, why="paused: the operator makes no call")
