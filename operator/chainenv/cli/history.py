"""``chainenv history``."""

from __future__ import annotations

import click

from .cluster import connected
from .commands import NAME, in_loop, named
from .deployments_of import history
from .options import cluster_options, given
from .output import GOOD, Cell, emit, print_table
from .view import Object, deployment_id, moment

_COLUMNS = ("DEPLOYMENT", "CAUSE", "SOURCE", "SINCE", "UNTIL", "BY")


@click.command("history")
@NAME
@cluster_options
@in_loop
async def command(name: str) -> None:
    """List what served in an environment, newest first."""
    async with connected(given()) as resources:
        resource = await resources.get(name)
    found = history(resource)

    def show() -> None:
        if found:
            print_table(_COLUMNS, [row(resource, each) for each in found])
        else:
            click.echo(f"{named(resource)}: no history yet", err=True)

    emit(given().output, found, show)


def row(resource: Object, entry: Object) -> list[Cell | str]:
    """One deployment that served; the one that serves now has no end."""
    id_ = str(entry.get("deploymentID", ""))
    now = id_ == deployment_id(resource, "currentDeployment") and not entry.get("until")
    until = "" if now else moment(entry.get("until"))
    texts = (str(entry.get(name) or "") for name in ("cause", "source"))
    return [Cell(id_, GOOD if now else ""), *texts, moment(entry.get("since")), until, str(entry.get("by") or "")]
