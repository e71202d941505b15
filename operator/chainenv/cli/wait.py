"""``chainenv wait``."""

from __future__ import annotations

import click

from .cluster import connected
from .commands import NAME, in_loop, report
from .options import cluster_options, given
from .settled import Duration, requested, until_settled
from .view import Object, deployment_id, part, status


@click.command("wait")
@NAME
@click.option("--timeout", type=Duration(), default="30m", show_default=True, help="How long at most, such as 90s, 30m, 1h30m.")
@cluster_options
@in_loop
async def command(name: str, timeout: float) -> None:
    """Wait until an environment is Synced and Ready for its spec as it is now.

    Exit code 1, with the reason, when it failed or the time is over.
    """
    async with connected(given()) as resources:
        resource = await resources.get(name)
        tell_settled(await until_settled(resources, resource, timeout, requested(resource)))


def tell_settled(resource: Object) -> None:
    current = deployment_id(resource, "currentDeployment")
    state = part(status(resource), "currentDeployment").get("status")
    report(resource, f"Synced and Ready: deployment {current} is {state}", deployment=current, state=state)
