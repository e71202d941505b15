"""``chainenv logs``: from Baseten to the terminal, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from ..api import Baseten
from ..api import models as m
from ..api.paging import LogReader
from ..api.requests import LogsQuery
from .baseten import calling
from .cluster import connected
from .commands import NAME, in_loop, named
from .errors import CommandError
from .key import key_of
from .options import BasetenID, cluster_options, given, key_options
from .output import as_yaml
from .settled import Duration
from .text import harmless
from .view import Object, environment_name, spec

FOLLOW_SECONDS = 2.0
LONGEST_SECONDS = 7 * 24 * 3600
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

Line = tuple[str, m.LogV1]
"""A chainlet's name and what it logged."""


@click.command("logs")
@NAME
@click.argument("chainlet", metavar="[CHAINLET]", required=False)
@click.option("--candidate", is_flag=True, help="Of the deployment that is being promoted.")
@click.option("--deployment", type=BasetenID("the ID of a deployment"), metavar="ID", help="Of another deployment of the chain.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--since", type=Duration(), default="30m", show_default=True, help="How far back, at most 168h.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only lines of this level or above.")
@key_options
@cluster_options
@in_loop
async def command(
    name: str,
    chainlet: str | None,
    candidate: bool,
    deployment: str | None,
    follow: bool,
    since: float,
    level: str | None,
    api_key_file: Path | None,
) -> None:
    """Print the logs of an environment's chainlets, oldest line first.

    They come from Baseten and may hold customers' data. Characters that could steer a terminal are written as escapes.
    """
    if candidate and deployment:
        raise click.UsageError("--candidate and --deployment exclude each other")
    if since > LONGEST_SECONDS:
        raise click.BadParameter("Baseten keeps logs for seven days: write 168h at most", param_hint="--since")
    start = int((time.time() - since) * 1000)
    query = LogsQuery.model_validate({"start_epoch_millis": start, **({"min_level": level.upper()} if level else {})})
    async with connected(given()) as resources:
        resource = await resources.get(name)
        found = await key_of(resources, resource, api_key_file)
    async with calling(found, str(spec(resource).get("chainID"))) as baseten:
        readers = await _readers(baseten, resource, "candidate" if candidate else deployment, chainlet, query)
        async for line in _lines(readers, follow):
            _write(line, given().output, max(map(len, readers)))


async def _readers(
    baseten: Baseten, resource: Object, which: str | None, chainlet: str | None, query: LogsQuery
) -> Mapping[str, LogReader]:
    """Of the chainlets that are asked for, by name. ``which``: a deployment's id, or "candidate"; None is the current one."""
    chain_id = str(spec(resource).get("chainID"))
    if which not in (None, "candidate"):
        deployment = await baseten.get_deployment(chain_id, which)
    else:
        environment = await baseten.get_environment(chain_id, environment_name(resource))
        found = environment.candidate_deployment if which else environment.current_deployment
        if found is None:
            name = resource["metadata"]["name"]
            raise CommandError(f"{named(resource)} has no {which or 'current'} deployment: see chainenv status {name}")
        deployment = found
    chosen = [each for each in deployment.chainlets if chainlet in (None, each.name)]
    if not chosen:
        names = ", ".join(each.name for each in deployment.chainlets) or "none"
        raise CommandError(f"deployment {deployment.id} has no chainlet {chainlet or ''}: it has {names}")
    return {each.name: LogReader(baseten, chain_id, deployment.id, each.id, query) for each in chosen}


async def _lines(readers: Mapping[str, LogReader], follow: bool) -> AsyncIterator[Line]:
    """What there is now, in order, holding one page of each chainlet; then what is new at each read, where it is followed."""
    pages = {name: deque(await reader.page()) for name, reader in readers.items()}
    while waiting := [(_when((name, page[0])), n, name) for n, (name, page) in enumerate(pages.items()) if page]:
        _, _, first = min(waiting)
        yield first, pages[first].popleft()
        if not pages[first]:
            pages[first].extend(await readers[first].page())
    while follow:
        await asyncio.sleep(FOLLOW_SECONDS)
        new = [(name, each) for name, reader in readers.items() for each in await reader.page()]
        for line in sorted(new, key=_when):
            yield line


def _when(line: Line) -> int:
    """Nanoseconds: within a millisecond the lines of several chainlets are in order as well."""
    return int(line[1].timestamp) if line[1].millis is not None else 0


def _write(line: Line, output: str, width: int) -> None:
    """``width``: of the longest chainlet's name. What follows the first line of a message is indented: no message can look like another
    line."""
    chainlet, entry = line
    if output == "table":
        first, *more = map(harmless, entry.message.split("\n"))
        head = "  ".join([_time(entry) or "-", harmless(chainlet).ljust(width), harmless(entry.level or "-").ljust(7), first])
        click.echo("\n    ".join([head, *more]))
        return
    data = {
        "time": _time(entry),
        "chainlet": chainlet,
        "level": entry.level,
        "replica": entry.replica,
        "requestID": entry.request_id,
        "message": entry.message,
    }
    if output == "json":
        click.echo(json.dumps(data))
    else:
        click.echo(f"---\n{as_yaml(data)}", nl=False)


def _time(entry: m.LogV1) -> str | None:
    if entry.millis is None:
        return None
    try:
        return datetime.fromtimestamp(entry.millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError, OSError):
        return None
