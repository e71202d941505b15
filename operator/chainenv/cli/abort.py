"""``chainenv abort``."""

from __future__ import annotations

import click

from ..crd.base import GROUP
from .cluster import connected
from .commands import NAME, in_loop, named, report
from .errors import CommandError
from .options import cluster_options, given
from .view import deployment_id, part, status

ANNOTATION = f"{GROUP}/abort-rollout"


@click.command("abort")
@NAME
@cluster_options
@in_loop
async def command(name: str) -> None:
    """Abort the rollout under way: the operator deactivates its candidate, never what serves."""
    async with connected(given()) as resources:
        resource = await resources.get(name)
        candidate, current = (deployment_id(resource, which) for which in ("candidateDeployment", "currentDeployment"))
        if candidate is None or candidate == current:
            raise CommandError(f"{named(resource)}: no rollout is under way, there is no candidate (see chainenv status {name})")
        await resources.patch(resource, {"metadata": {"annotations": {ANNOTATION: candidate}}})
        state = part(status(resource), "candidateDeployment").get("status")
        report(resource, f"asked the operator to deactivate candidate {candidate} ({state})", candidate=candidate, changed=True)
