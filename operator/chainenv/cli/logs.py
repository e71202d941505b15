"""``chainenv logs``: from Baseten to the terminal, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from ..api import Baseten
from ..api import models as m
from ..api.paging import LogReader
from ..api.requests import LogsQuery
from .baseten import calling
from .cluster import connected
from .commands import NAME, named, run
from .errors import CommandError
from .key import key_of
from .options import cluster_options, given, key_options
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
@click.option("--deployment", metavar="ID", help="Of another deployment of the chain.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--since", type=Duration(), default="30m", show_default=True, help="How far back, at most 168h.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only lines of this level or above.")
@key_options
@cluster_options
def command(
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
    run(_logs(name, chainlet, "candidate" if candidate else deployment, query, follow, api_key_file))


async def _logs(name: str, chainlet: str | None, which: str | None, query: LogsQuery, follow: bool, key_file: Path | None) -> None:
    async with connected(given()) as resources:
        resource = await resources.get(name)
        found = await key_of(resources, resource, key_file)
    chain_id = str(spec(resource).get("chainID"))
    async with calling(found, chain_id) as baseten:
        deployment = await _deployment(baseten, chain_id, resource, which)
        chainlets = _chosen(deployment, chainlet)
        readers = {each.name: LogReader(baseten, chain_id, deployment.id, each.id, query) for each in chainlets}
        write = _writer(given().output, max(map(len, readers)))
        async for line in _in_order([_lines(name, reader) for name, reader in readers.items()]):
            write(line)
        while follow:
            await asyncio.sleep(FOLLOW_SECONDS)
            new = [(name, each) for name, reader in readers.items() for each in await reader.page()]
            for line in sorted(new, key=_when):
                write(line)


async def _deployment(baseten: Baseten, chain_id: str, resource: Object, which: str | None) -> m.ChainDeploymentV1:
    if which not in (None, "candidate"):
        return await baseten.get_deployment(chain_id, which)
    environment = await baseten.get_environment(chain_id, environment_name(resource))
    found = environment.candidate_deployment if which else environment.current_deployment
    if found is None:
        raise CommandError(f"{named(resource)} has no {which or 'current'} deployment: see chainenv status {resource['metadata']['name']}")
    return found


def _chosen(deployment: m.ChainDeploymentV1, chainlet: str | None) -> Sequence[m.ChainletV1]:
    chosen = [each for each in deployment.chainlets if chainlet in (None, each.name)]
    if not chosen:
        names = ", ".join(each.name for each in deployment.chainlets) or "none"
        raise CommandError(f"deployment {deployment.id} has no chainlet {chainlet or ''}: it has {names}")
    return chosen


async def _lines(name: str, reader: LogReader) -> AsyncIterator[Line]:
    """What there is now."""
    while page := await reader.page():
        for each in page:
            yield name, each


async def _in_order(sources: Sequence[AsyncIterator[Line]]) -> AsyncIterator[Line]:
    """Of several that are in order each, holding one line of each."""
    heads = [(source, await anext(source, None)) for source in sources]
    while waiting := [(_when(line), n) for n, (_, line) in enumerate(heads) if line is not None]:
        _, first = min(waiting)
        source, line = heads[first]
        assert line is not None
        yield line
        heads[first] = (source, await anext(source, None))


def _when(line: Line) -> int:
    """Nanoseconds: within a millisecond the lines of several chainlets are in order as well."""
    return int(line[1].timestamp) if line[1].millis is not None else 0


def _writer(output: str, width: int) -> Callable[[Line], None]:
    """``width``: of the longest chainlet's name."""
    if output == "table":
        return lambda line: click.echo(_text(line, width))
    if output == "json":
        return lambda line: click.echo(json.dumps(_data(line)))
    return lambda line: click.echo(f"---\n{as_yaml(_data(line))}", nl=False)


def _data(line: Line) -> dict[str, str | None]:
    chainlet, entry = line
    return {
        "time": _time(entry),
        "chainlet": chainlet,
        "level": entry.level,
        "replica": entry.replica,
        "requestID": entry.request_id,
        "message": entry.message,
    }


def _text(line: Line, width: int) -> str:
    """What follows the first line of a message is indented: no message can look like another line."""
    chainlet, entry = line
    first, *more = entry.message.split("\n")
    head = "  ".join([_time(entry) or "-", harmless(chainlet).ljust(width), harmless(entry.level or "-").ljust(7), harmless(first)])
    return "\n".join([head, *(f"    {harmless(each)}" for each in more)])


def _time(entry: m.LogV1) -> str | None:
    if entry.millis is None:
        return None
    try:
        return datetime.fromtimestamp(entry.millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError, OSError):
        return None
