"""Changes of one field of a spec: by the command, or as a patch for Git where Git keeps the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from ..crd.base import API_VERSION, KIND
from .cluster import Resources
from .commands import named, report
from .errors import CommandError
from .options import given
from .output import as_yaml, emit
from .owners import git_owner
from .view import Object, spec

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Edit:
    """``name``: the field of the spec; ``value`` None removes the field. ``annotations`` are set with it, None removes one."""

    name: str
    value: Any
    annotations: dict[str, str | None] = field(default_factory=dict)


def edit_options(command: F) -> F:
    """--dry-run and --force."""
    force = click.option("--force", is_flag=True, help="Also where Argo CD or Flux keep the field; they put Git's value back.")
    dry = click.option("--dry-run", is_flag=True, help="Let the API server check the change, and change nothing.")
    return dry(force(command))


async def apply(resources: Resources, resource: Object, edit: Edit, *, dry_run: bool, force: bool, why: str) -> None:
    """Raises CommandError where Git keeps the field and ``force`` is not given: then the patch for Git is printed, nothing is changed."""
    owner = git_owner(resource, edit.name)
    if owner and not force:
        _print_patch(resource, edit, owner)
        raise CommandError(
            f"{named(resource)} is not changed: {owner} keeps spec.{edit.name}; commit the patch above to Git, or give --force"
        )
    changes: dict[str, Any] = {"spec": {edit.name: edit.value}}
    if edit.annotations:
        changes["metadata"] = {"annotations": edit.annotations}
    await resources.patch(resource, changes, dry_run=dry_run)
    before = spec(resource).get(edit.name)
    change = f"spec.{edit.name} {_shown(before)} -> {_shown(edit.value)}"
    text = f"dry run, nothing changed: {change} ({why})" if dry_run else f"{change} ({why})"
    report(resource, text, field=f"spec.{edit.name}", old=before, new=edit.value, changed=not dry_run, gitOwner=owner)
    if owner and not dry_run:
        click.echo(f"warning: {owner} keeps spec.{edit.name} and puts Git's value back at its next sync", err=True)


def _print_patch(resource: Object, edit: Edit, owner: str) -> None:
    meta = resource["metadata"]
    patch: Object = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "spec": {edit.name: edit.value},
    }
    about = f"# {owner} keeps spec.{edit.name} of {named(resource)}: commit this to Git\n"
    emit(given().output, patch, lambda: click.echo(about + as_yaml(patch), nl=False))


def _shown(value: Any) -> str:
    return "unset" if value is None else str(value)
