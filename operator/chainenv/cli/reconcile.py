"""``chainenv reconcile``."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..crd.base import RECONCILE_ANNOTATION
from .cluster import connected
from .commands import NAME, in_loop, report
from .options import cluster_options, given
from .settled import Duration, until_settled
from .wait import tell_settled


@click.command("reconcile")
@NAME
@click.option("--wait", "waits", is_flag=True, help="Until it is Synced and Ready.")
@click.option("--timeout", type=Duration(), default="30m", show_default=True, help="With --wait: how long at most.")
@cluster_options
@in_loop
async def command(name: str, waits: bool, timeout: float) -> None:
    """Ask for a reconciliation now, another try of what was refused included."""
    async with connected(given()) as resources:
        resource = await resources.get(name)
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        resource = await resources.patch(resource, {"metadata": {"annotations": {RECONCILE_ANNOTATION: now}}})
        if waits:
            tell_settled(await until_settled(resources, resource, timeout, now))
        else:
            report(resource, f"reconciliation requested at {now}", requestedAt=now)
