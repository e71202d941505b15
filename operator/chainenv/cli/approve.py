"""``chainenv approve``."""

from __future__ import annotations

import click

from ..crd.base import GROUP
from .cluster import connected
from .commands import NAME, in_loop, named, report
from .errors import CommandError
from .options import cluster_options, given
from .view import annotation, part, spec, status

ANNOTATION = f"{GROUP}/approve"


@click.command("approve")
@NAME
@click.option("--plan", metavar="HASH", help="Approve only this plan, as status shows it. [the one that waits now]")
@cluster_options
@in_loop
async def command(name: str, plan: str | None) -> None:
    """Approve the rollout that waits. An approval holds for its plan alone, and is used up."""
    async with connected(given()) as resources:
        resource = await resources.get(name)
        rollout = part(status(resource), "rollout")
        waiting = rollout.get("plan")
        if not waiting:
            raise CommandError(f"{named(resource)}: no rollout waits for an approval (see chainenv status {name})")
        gate = rollout.get("waitsFor")
        if part(spec(resource), "rollout").get("approval") != "Manual":
            raise CommandError(f"{named(resource)}: its rollouts need no approval; this one waits for {gate} (see chainenv status {name})")
        if plan and plan != waiting:
            raise CommandError(f"{named(resource)}: plan {waiting} waits, not {plan} (see chainenv status {name})")
        what = f"plan {waiting}" + (f": {rollout['message']}" if rollout.get("message") else "")
        if annotation(resource, ANNOTATION) == waiting:
            report(resource, f"approved already: {what}", plan=waiting, changed=False)
            return
        await resources.patch(resource, {"metadata": {"annotations": {ANNOTATION: str(waiting)}}})
        more = "" if gate in (None, "Approval") else f" (it still waits for {gate})"
        report(resource, f"approved {what}{more}", plan=waiting, changed=True)
