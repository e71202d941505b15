"""How results are written: for people (tables, trees) or for programs (JSON, YAML)."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

import click
import yaml

from .text import harmless

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

GOOD, BAD, DOUBTFUL, FAINT, STRONG = "green", "red", "yellow", "dim", "bold"
TABLE_GAP, TREE_GAP = "   ", "  "


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text with a style that only a terminal shows."""

    text: str
    style: str = ""


Cells = Sequence[Cell | str]


@dataclass(slots=True)
class Node:
    """A line of a tree. The cells of the nodes beside each other stand in columns."""

    cells: Cells
    children: list[Node] = field(default_factory=list)


def emit(output: str, data: Any, show: Callable[[], None]) -> None:
    """``data`` for programs, ``show`` for people. JSON and YAML hold ASCII alone, so nothing in them steers a terminal."""
    if output == "json":
        click.echo(json.dumps(data, indent=2))
    elif output == "yaml":
        click.echo(as_yaml(data), nl=False)
    else:
        show()


class _Dumper(yaml.SafeDumper):
    """With quotes around each text that another reader of YAML takes for a number or a truth: kubectl reads 1e5 and 08912345 so."""


_AMBIGUOUS = re.compile(r"[-+]?(\.?[0-9][0-9_.]*)([eE][-+]?[0-9]+)?|[-+]?0[bBoOxX][0-9a-fA-F_]+|[yYnN]|[-+]?\.?(inf|nan)", re.IGNORECASE)


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, "'" if _AMBIGUOUS.fullmatch(text) else None)
)


def as_yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=120, default_flow_style=False)


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether somebody reads along, on a terminal that can do more than print."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def console(stream: TextIO | None = None) -> Console:
    """Of rich, which heeds NO_COLOR by itself."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)


def _cell(cell: Cell | str) -> Cell:
    cell = Cell(cell) if isinstance(cell, str) else cell
    return Cell(harmless(cell.text), cell.style)


def print_table(columns: Sequence[str], rows: Iterable[Cells]) -> None:
    """Aligned, each row in one line; on a terminal that is too narrow for that, each cell in one line."""
    header = [Cell(column, STRONG) for column in columns]
    cells = [[_cell(cell) for cell in row] for row in rows]
    lines = _aligned([header, *cells])
    if not is_terminal():
        click.echo("\n".join(lines))
        return
    terminal = console()
    if max(map(len, lines)) <= terminal.width:
        for line in _columns([header, *cells], TABLE_GAP):
            terminal.print(line)
        return
    for row in cells:
        for line in _columns([[name, cell] for name, cell in zip(header, row, strict=True) if cell.text], TABLE_GAP):
            terminal.print(line)
        terminal.print()


def _aligned(rows: Sequence[list[Cell]], between: str = TABLE_GAP) -> list[str]:
    widths = _widths(rows)
    return [between.join(cell.text.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def _widths(rows: Sequence[list[Cell]]) -> list[int]:
    """The last cell of a row is as long as it likes."""
    count = max(map(len, rows), default=0)
    return [max((len(row[n].text) for row in rows if len(row) > n + 1), default=0) for n in range(count)]


def print_trees(roots: Sequence[Node]) -> None:
    """With lines between the nodes on a terminal, by indentation elsewhere."""
    if is_terminal():
        console().print(rich_trees(roots))
        return
    for number, root in enumerate(roots):
        if number:
            click.echo()
        for line in plain_tree([root]):
            click.echo(line)


def plain_tree(nodes: Sequence[Node], indent: str = "") -> Iterable[str]:
    lines = _aligned([[_cell(cell) for cell in node.cells] for node in nodes], TREE_GAP)
    for node, line in zip(nodes, lines, strict=True):
        yield indent + line
        yield from plain_tree(node.children, indent + "  ")


def rich_trees(roots: Sequence[Node]) -> Any:
    from rich.console import Group
    from rich.tree import Tree

    def add(parent: Tree, nodes: Sequence[Node]) -> None:
        for node, text in zip(nodes, _columns_of(nodes), strict=True):
            add(parent.add(text), node.children)

    trees = []
    for root in roots:
        tree = Tree(_columns_of([root])[0], guide_style=FAINT)
        add(tree, root.children)
        trees.append(tree)
    return Group(*trees)


def _columns_of(nodes: Sequence[Node]) -> list[Text]:
    return _columns([[_cell(cell) for cell in node.cells] for node in nodes], TREE_GAP)


def _columns(rows: Sequence[list[Cell]], between: str) -> list[Text]:
    """As `_aligned`, with the cells' styles."""
    from rich.text import Text

    widths = _widths(rows)
    lines = []
    for row in rows:
        line = Text()
        for cell, width in zip(row[:-1], widths, strict=False):
            line.append(cell.text, cell.style).append(" " * (width - len(cell.text)) + between)
        lines.append(line.append(row[-1].text, row[-1].style))
    return lines
