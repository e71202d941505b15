"""``chainenv plan``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from ..api import ApiKey, Baseten, Transport
from ..core.resource import Resource
from .applied import applied
from .baseten import transport
from .cluster import Resources, connected
from .commands import run
from .cost import Prices, read_prices
from .errors import CommandError
from .files import manifests
from .key import given_key, key_of
from .options import Options, given, key_options, no_format
from .output import print_trees
from .plan_text import markdown, nodes, summary
from .planned import Means, Planned, planned
from .progress import Progress
from .view import Object, part, spec

AT_ONCE = 20
"""Manifests that are planned at the same time."""
DIFFERS = 2
"""Exit code when there is something to do."""


@click.command("plan")
@click.option("-f", "--filename", "sources", metavar="FILE|DIR|-", multiple=True, required=True, help="Manifests; - reads from stdin.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text", help="How the plan is written. [text]")
@click.option("--no-cluster", is_flag=True, help="Without the cluster, as if the resources were new: only the API key is needed.")
@key_options
@no_format
def command(sources: tuple[str, ...], output: str, no_cluster: bool, api_key_file: Path | None) -> None:
    """Show what applying manifests would do on Baseten. Makes only reads.

    Each call with each field, old -> new; how many deployments start; what it costs now and then; what holds it back. It is the operator's
    own decision, made from what is there now.

    Exit code 0: nothing to do; 2: something; 1: an error.
    """
    plans = run(_plan(sources, no_cluster, api_key_file))
    if output == "json":
        click.echo(json.dumps([each.data() for each in plans], indent=2))
    elif output == "markdown":
        click.echo(markdown(plans), nl=False)
    else:
        print_trees(nodes(plans))
        click.echo(f"\n{summary(plans)}")
    if failed := [each for each in plans if each.problem]:
        raise CommandError(f"{len(failed)} of {len(plans)} could not be planned: {failed[0].name}: {failed[0].problem}")
    if any(each.calls for each in plans):
        click.get_current_context().exit(DIFFERS)


async def _plan(sources: tuple[str, ...], no_cluster: bool, key_file: Path | None) -> Sequence[Planned]:
    options, wanted = given(), manifests(sources)
    async with AsyncExitStack() as stack:
        resources = None if no_cluster else await stack.enter_async_context(connected(options))
        connection = await stack.enter_async_context(transport())
        means = _means(resources, connection, key_file)
        turn, progress, done = asyncio.Semaphore(AT_ONCE), stack.enter_context(Progress()), 0

        async def one(manifest: Mapping[str, Any]) -> Planned:
            nonlocal done
            async with turn:
                found = await _one(manifest, resources, options, means)
            done += 1
            progress(f"planned {done} of {len(wanted)}")
            return found

        return await asyncio.gather(*map(one, wanted))


async def _one(manifest: Mapping[str, Any], resources: Resources | None, options: Options, means: Means) -> Planned:
    """What is wrong with one manifest keeps no other from being planned."""
    meta = part(manifest, "metadata")
    namespace = str(meta.get("namespace") or (resources.namespace if resources else options.namespace or "default"))
    try:
        live = await resources.find(namespace, str(meta["name"])) if resources else None
        _refuse_another_target(manifest, live)
        return await planned(applied(manifest, live, namespace), means)
    except CommandError as error:
        return Planned(namespace, str(meta["name"]), "", problem=error.message)


def _refuse_another_target(manifest: Object, live: Object | None) -> None:
    """As the API server does. Raises CommandError."""
    for name in ("chainID", "environmentName"):
        if live is not None and spec(manifest).get(name) != spec(live).get(name):
            raise CommandError(f"{name} cannot be changed, removed or added later: create another ChainEnvironment")


def _means(resources: Resources | None, connection: Transport, key_file: Path | None) -> Means:
    """A key that is given serves all; prices are read once for each key."""
    own = given_key(key_file)
    prices: dict[str, asyncio.Task[Prices]] = {}

    async def key(resource: Resource) -> ApiKey:
        if own is not None:
            return own.key
        if resources is None:
            raise CommandError("no API key: with --no-cluster set BASETEN_API_KEY, or give --api-key-file")
        written = resource.spec.model_dump(by_alias=True, exclude_none=True)
        named = {"metadata": {"namespace": resource.namespace, "name": resource.name}, "spec": written}
        return (await key_of(resources, named, None)).key

    async def priced(baseten: Baseten) -> Prices:
        name = baseten.key.fingerprint
        if name not in prices:
            prices[name] = asyncio.create_task(read_prices(baseten))
        return await prices[name]

    return Means(key, lambda found: Baseten(connection, found), priced)
