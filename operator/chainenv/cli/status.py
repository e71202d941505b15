"""``chainenv status``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

import click

from .cluster import Resources, connected
from .commands import in_loop
from .errors import CommandError
from .options import RESOURCE_NAME, Options, cluster_options, given
from .output import Node, console, emit, is_terminal, print_trees, rich_trees
from .tree import tree
from .view import Object

WATCH_SECONDS = 2.0


@click.command("status")
@click.argument("name", metavar="[NAME]", type=RESOURCE_NAME, required=False)
@click.option("-w", "--watch", is_flag=True, help="Show changes until Ctrl-C.")
@cluster_options
@in_loop
async def command(name: str | None, watch: bool) -> None:
    """Show environments as a tree: conditions, current and candidate deployment, replicas, rollout, history, cost.

    With a NAME also the next five edges of its schedules. The state is what the operator last observed; no call to Baseten is made.
    """
    options = given()
    async with connected(options) as resources:
        if watch and options.output == "table" and is_terminal():
            await _live(resources, name)
        last: list[Object] | None = None
        while True:
            found = await _read(resources, name)
            if found != last:
                _show(options, name, found)
            if not watch:
                return
            last = found
            await asyncio.sleep(WATCH_SECONDS)


async def _read(resources: Resources, name: str | None) -> list[Object]:
    return [await resources.get(name)] if name else list(await resources.list())


def _show(options: Options, name: str | None, found: Sequence[Object]) -> None:
    plain = [
        {**each, "metadata": {field: value for field, value in each["metadata"].items() if field != "managedFields"}} for each in found
    ]
    data = plain[0] if name else {"apiVersion": "v1", "kind": "List", "items": plain}
    emit(options.output, data, lambda: print_trees(_trees(found, name)) if found else click.echo(_none(options), err=True))


def _none(options: Options) -> str:
    return "No ChainEnvironments found" + ("." if options.all_namespaces else " in this namespace (-A: in all namespaces).")


def _trees(found: Sequence[Object], name: str | None) -> list[Node]:
    """Of one resource with the next edges of its schedules."""
    now = datetime.now(UTC) if name else None
    return [tree(each, now) for each in found]


async def _live(resources: Resources, name: str | None) -> NoReturn:
    """Redrawn in place; a failed read is shown below the last state, and does not end it."""
    from rich.live import Live

    found = await _read(resources, name)
    with Live(
        rich_trees(_trees(found, name) or [Node([_none(given())])]), console=console(), auto_refresh=False, vertical_overflow="visible"
    ) as live:
        while True:
            live.refresh()
            await asyncio.sleep(WATCH_SECONDS)
            try:
                found, problem = await _read(resources, name), []
            except CommandError as error:
                problem = [Node([f"last read failed: {error.message}"])]
            live.update(rich_trees([*(_trees(found, name) or [Node([_none(given())])]), *problem]))
