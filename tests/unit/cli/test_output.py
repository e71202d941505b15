"""Plain output: columns, trees, and nothing that steers a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chainenv.cli.output import Cell, Node, emit, plain_tree, print_table
from chainenv.cli.text import harmless

HOSTILE = "\x1b[2J\x9b31m\r\nlook\u202eeviL\x07"


def test_columns_are_aligned_and_lines_end_with_their_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "STATE", "NOTE"), [["a", Cell("ACTIVE", "green"), ""], ["longer", "OFF", "why"]])
    assert capsys.readouterr().out == "NAME     STATE    NOTE\na        ACTIVE\nlonger   OFF      why\n"


def test_the_cells_of_neighbours_stand_in_columns() -> None:
    root = Node(["root"], [Node(["a", "b", "c"], [Node(["deep"])]), Node(["long", "x", "y"])])
    assert list(plain_tree([root])) == ["root", "  a     b  c", "    deep", "  long  x  y"]


@given(st.text())
def test_harmless_text_is_one_printable_line(text: str) -> None:
    assert harmless(text).replace("\t", "").isprintable()
    assert harmless(harmless(text)) == harmless(text)


def test_printable_text_and_tabs_stay() -> None:
    assert harmless("Größe\t日本") == "Größe\t日本"


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_data_for_programs_is_whole_and_steers_nothing(
    output: str, read: Callable[[str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    emit(output, {"message": HOSTILE}, lambda: None)
    written = capsys.readouterr().out
    assert read(written) == {"message": HOSTILE}
    assert written.isascii()
    assert written.replace("\n", "").isprintable()
