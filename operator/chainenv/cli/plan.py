"""``chainenv plan``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ..api import ApiKey, Baseten, Transport
from ..core.cost import PriceList
from ..core.resource import Resource
from ..engine.ports import Key
from .applying import Applied
from .baseten import read_prices, transport
from .cluster import connected
from .commands import in_loop
from .errors import CommandError
from .files import manifests
from .key import given_key, key_of
from .options import given, key_options, no_format
from .output import print_trees
from .plan_text import markdown, nodes, summary
from .planned import Means, Planned, planned
from .progress import Progress
from .refused import refused
from .view import Object, part, spec

AT_ONCE = 20
"""Manifests that are planned at the same time."""
DIFFERS = 2
"""Exit code when there is something to do."""


class Moment(click.ParamType[datetime]):
    """``2026-12-01T08:00Z``; without a zone in UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: write it as 2026-12-01T08:00Z", param, ctx)


@click.command("plan")
@click.option("-f", "--filename", "sources", metavar="FILE|DIR|-", multiple=True, required=True, help="Manifests; - reads from stdin.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text", help="How the plan is written. [text]")
@click.option("--no-cluster", is_flag=True, help="Without the cluster, as if the resources were new: only the API key is needed.")
@click.option("--at", type=Moment(), metavar="TIME", help="As if it were that time: schedules, windows and soaks are those of then. [now]")
@key_options
@no_format
@in_loop
async def command(sources: tuple[str, ...], output: str, no_cluster: bool, at: datetime | None, api_key_file: Path | None) -> None:
    """Show what applying manifests would do on Baseten. Makes only reads.

    Each call with each field, old -> new; how many deployments start; what it costs now and then; what holds it back. It is the operator's
    own decision, made from what is there now.

    Exit code 0: nothing to do; 2: something, or a rollout that waits; 1: an error.
    """
    plans = await _plan(sources, no_cluster, at, api_key_file)
    if output == "json":
        click.echo(json.dumps([each.data() for each in plans], indent=2))
    elif output == "markdown":
        click.echo(markdown(plans), nl=False)
    else:
        print_trees(nodes(plans))
        click.echo(f"\n{summary(plans)}")
    if failed := [each for each in plans if each.problem]:
        raise CommandError(f"{len(failed)} of {len(plans)} could not be planned: {failed[0].name}: {failed[0].problem}")
    if any(each.differs for each in plans):
        click.get_current_context().exit(DIFFERS)


async def _plan(sources: tuple[str, ...], no_cluster: bool, at: datetime | None, key_file: Path | None) -> Sequence[Planned]:
    options, wanted = given(), manifests(sources)
    async with AsyncExitStack() as stack:
        resources = None if no_cluster else await stack.enter_async_context(connected(options))
        connection = await stack.enter_async_context(transport())
        objects = Applied(wanted, resources, options)
        means = _means(objects, connection, key_file, at)
        turn, progress, done = asyncio.Semaphore(AT_ONCE), stack.enter_context(Progress()), 0

        async def one(manifest: Mapping[str, Any]) -> Planned:
            nonlocal done
            async with turn:
                found = await _one(manifest, objects, means)
            done += 1
            progress(f"planned {done} of {len(wanted)}")
            return found

        return await asyncio.gather(*map(one, wanted))


async def _one(manifest: Object, objects: Applied, means: Means) -> Planned:
    """What is wrong with one manifest keeps no other from being planned."""
    key = objects.place(manifest)
    try:
        result = await objects.of(manifest)
        if problems := list(refused(manifest, result)):
            return Planned(*key, "", problem=f"the API server would refuse it: {'; '.join(problems[:5])}")
        found = await planned(result, means)
    except CommandError as error:
        return Planned(*key, "", problem=error.message)
    followed = part(spec(manifest), "promoteFrom").get("name")
    if followed and objects.resources is None and not objects.given(Key(key.namespace, str(followed))):
        note = f"without a cluster nothing is known of {followed}: give its manifest too, or plan without --no-cluster"
        return replace(found, notes=(*found.notes, note))
    return found


def _means(objects: Applied, connection: Transport, key_file: Path | None, at: datetime | None) -> Means:
    """A key that is given serves all; prices are read once for each key."""
    own, resources = given_key(key_file), objects.resources
    prices: dict[str, asyncio.Task[PriceList | None]] = {}

    async def key(resource: Resource) -> ApiKey:
        if own is not None:
            return own.key
        if resources is None:
            raise CommandError("no API key: with --no-cluster set BASETEN_API_KEY, or give --api-key-file")
        written = resource.spec.model_dump(by_alias=True, exclude_none=True)
        named = {"metadata": {"namespace": resource.namespace, "name": resource.name}, "spec": written}
        return (await key_of(resources, named, None)).key

    async def priced(baseten: Baseten) -> PriceList | None:
        name = baseten.key.fingerprint
        if name not in prices:
            prices[name] = asyncio.create_task(read_prices(baseten))
        return await prices[name]

    return Means(key, lambda found: Baseten(connection, found), priced, objects.other, objects.rivals, at)
