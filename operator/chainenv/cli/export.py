"""``chainenv export``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import ValidationError

from ..api import Baseten, NotFound
from ..core.manifests import Manifest, NotDeclarableError, Origin, manifest_of
from ..crd.types import SecretKeyRef
from ..engine.observe import environment_of
from .baseten import calling
from .commands import in_loop
from .errors import CommandError
from .key import key_for_chain
from .options import CHAIN_ID, BasetenID, given, key_options, no_format
from .output import as_yaml, emit
from .progress import Progress
from .text import harmless

AT_ONCE = 10
"""Environments that are read at the same time."""
ENVIRONMENT_NAME = BasetenID("the name of an environment", hint="'--environment'")


class SecretName(click.ParamType[SecretKeyRef]):
    """``NAME/KEY``."""

    name = "secret"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> SecretKeyRef:
        if isinstance(value, SecretKeyRef):
            return value
        name, _, key = str(value).partition("/")
        try:
            return SecretKeyRef(name=name, key=key)
        except ValidationError:
            text = f"{value!r} is no Secret: write it as NAME/KEY, such as baseten/api-key"
            raise click.BadParameter(text, ctx, param, "--secret") from None


@click.command("export")
@click.option("--chain", "chain_id", type=CHAIN_ID, metavar="ID", required=True, help="Baseten's id of the chain.")
@click.option("--environment", "names", type=ENVIRONMENT_NAME, metavar="NAME ...", multiple=True, help="Environments to export.")
@click.argument("more", type=ENVIRONMENT_NAME, metavar="", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Export every environment of the chain.")
@click.option("--policy", type=click.Choice(["Reconcile", "Observe", "Pause"]), help="The managementPolicy that is written.")
@click.option("--secret", type=SecretName(), metavar="NAME/KEY", help="The apiKeySecretRef that is written.")
@click.option("--prefix", metavar="TEXT", default="", help="Before each resource's name, so that chains can share a namespace.")
@click.option("-o", "--output", "target", metavar="DIR|-", default="-", help="A file each in DIR, or all to stdout (-, yaml, json). [-]")
@key_options
@no_format
@in_loop
async def command(
    chain_id: str,
    names: tuple[str, ...],
    more: tuple[str, ...],
    everything: bool,
    policy: str | None,
    secret: SecretKeyRef | None,
    prefix: str,
    target: str,
    api_key_file: Path | None,
) -> None:
    """Write manifests of environments as Baseten has them. Applying them makes the operator send nothing.

    Without a key of your own, the Secret of --secret is read in the namespace.
    """
    wanted = tuple(dict.fromkeys([*names, *more]))
    if everything == bool(wanted) or (more and not names):
        raise click.UsageError("name environments with --environment NAME, or give --all")
    origin = Origin(chain_id, given().namespace, prefix, policy, secret)
    await _export(wanted, origin, target, api_key_file)


async def _export(wanted: tuple[str, ...], origin: Origin, target: str, key_file: Path | None) -> None:
    found = await key_for_chain(given(), origin.chain_id, key_file, origin.secret)
    with Progress() as progress:
        async with calling(found, origin.chain_id) as baseten:
            names = wanted or tuple(sorted(each.name for each in await baseten.list_environments(origin.chain_id)))
            if not names:
                raise CommandError(f"chain {origin.chain_id} has no environments")
            made, problems = await _manifests(baseten, names, origin, progress)
    for manifest in made:
        for omitted in manifest.omitted:
            click.echo(harmless(f"warning: {manifest.name}: no resource can have {omitted}; left out, so it stays as it is"), err=True)
    _write(made, target)
    if problems:
        raise CommandError("; ".join(problems))


async def _manifests(baseten: Baseten, names: Sequence[str], origin: Origin, progress: Progress) -> tuple[list[Manifest], list[str]]:
    """In the order of the names, and what cannot be exported."""
    turn = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(name: str) -> Manifest | str:
        nonlocal done
        async with turn:
            try:
                seen = environment_of(await baseten.get_environment(origin.chain_id, name))
                return manifest_of(seen, origin)
            except NotFound:
                return f"environment {name} of chain {origin.chain_id} not found, or not accessible with this API key"
            except NotDeclarableError as error:
                return str(error)
            finally:
                done += 1
                progress(f"read {done} of {len(names)} environments")

    results = await asyncio.gather(*map(one, names))
    return [each for each in results if isinstance(each, Manifest)], [each for each in results if isinstance(each, str)]


def _write(made: Sequence[Manifest], target: str) -> None:
    documents = [manifest.document for manifest in made]
    if target in ("-", "json", "yaml"):
        listed = {"apiVersion": "v1", "kind": "List", "items": documents}
        emit("json" if target == "json" else "table", listed, lambda: click.echo("---\n".join(map(as_yaml, documents)), nl=False))
        return
    directory = Path(target)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for manifest in made:
            file = directory / f"{manifest.name}.yaml"
            file.write_text(as_yaml(manifest.document), encoding="utf-8")
            click.echo(str(file))
    except OSError as error:
        raise CommandError(f"{error.filename or directory} cannot be written: {error.strerror}") from error
