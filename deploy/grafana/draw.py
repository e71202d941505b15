"""python deploy/grafana/draw.py STORY PNG: draws what record.py wrote, each panel at its place (make dashboard-picture).

Of Grafana's ways to show something only those are here that the dashboard uses.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

Json = dict[str, Any]

WIDTH, COLUMNS = 12.0, 24
UNIT, HEAD, GAP, PADDING = 0.32, 0.52, 0.06, 0.11
"""Inches: a unit of height, the dashboard's title, between panels, within a panel."""
LINE = 0.175
"""Inches: a line of a legend."""
DOTS = 130
"""An inch."""
GROUND, PANEL, BORDER, GRID, TEXT, FAINT = "#101217", "#181b20", "#2a2e36", "#2a2e36", "#d6d9de", "#979da8"
OTHERS = ("#56b870", "#e8c547", "#5b9bf5", "#f0924a", "#ec5f67", "#b08df0", "#3fc1c0", "#d98cc4", "#a3c45a", "#8b96a5", "#c9a27e")
"""For series to which the dashboard gives no colour."""
SIGNS = {"ops": " ops/s", "reqps": " req/s", "short": "", "s": " s"}


@dataclass(frozen=True)
class Line:
    """`values` at `times`, seconds; NaN where there is none."""

    name: str
    colour: str
    times: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Box:
    """Inches from the figure's lower left corner."""

    left: float
    bottom: float
    width: float
    height: float

    def inner(self, *, top: float = 0.0, bottom: float = 0.0, left: float = 0.0, right: float = 0.0) -> Box:
        return Box(self.left + left, self.bottom + bottom, self.width - left - right, self.height - top - bottom)


class Picture:
    def __init__(self, height: float, seconds: float) -> None:
        self.height = height
        self.seconds = seconds
        self.figure = Figure(figsize=(WIDTH, height), dpi=DOTS, facecolor=GROUND)
        self.canvas = FigureCanvasAgg(self.figure)

    def text(self, x: float, y: float, text: str, **more: Any) -> float:
        """Its width. Coordinates in inches."""
        drawn = self.figure.text(x / WIDTH, y / self.height, text, **{"color": TEXT, "fontsize": 9, **more})
        return float(drawn.get_window_extent(self.canvas.get_renderer()).width / DOTS)

    def axes(self, box: Box) -> Axes:
        place = (box.left / WIDTH, box.bottom / self.height, box.width / WIDTH, box.height / self.height)
        axes = self.figure.add_axes(place, facecolor="none")
        axes.set_xlim(0, self.seconds)
        return axes

    def frame(self, box: Box) -> None:
        """Of a panel."""
        corner = (box.left / WIDTH, box.bottom / self.height)
        shape = FancyBboxPatch(
            corner,
            box.width / WIDTH,
            box.height / self.height,
            boxstyle="round,pad=0,rounding_size=0.004",
            mutation_aspect=WIDTH / self.height,
            facecolor=PANEL,
            edgecolor=BORDER,
            linewidth=0.8,
            transform=self.figure.transFigure,
            zorder=-1,
        )
        self.figure.add_artist(shape)

    def place(self, grid: Json) -> Box:
        """Where Grafana's grid has it; y counts from above there."""
        column = (WIDTH - GAP) / COLUMNS
        bottom = self.height - HEAD - (grid["y"] + grid["h"]) * UNIT
        return Box(GAP + grid["x"] * column, bottom + GAP, grid["w"] * column - GAP, grid["h"] * UNIT - GAP)


# -- what is drawn -------------------------------------------------------------------------------------------------


def lines(panel: Json) -> Iterator[Line]:
    others = cycle(OTHERS)
    for target in panel["targets"]:
        for each in target["lines"]:
            times, values = np.array(each["points"], dtype=float).T
            yield Line(each["name"], colour(panel, each["name"]) or next(others), times, values)


def colour(panel: Json, name: str) -> str | None:
    for override in panel["fieldConfig"]["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), name):
            found: str = override["properties"][0]["value"]["fixedColor"]
            return found
    return None


def said(value: float, unit: str) -> str:
    """As on the axis."""
    return f"{value * 1000:g} ms" if unit == "s" and 0 < value < 1 else f"{value:g}{SIGNS[unit]}"


def dashboard(story: Json) -> Picture:
    panels = story["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    picture = Picture(HEAD + rows * UNIT + GAP, story["seconds"])
    picture.text(GAP + PADDING, picture.height - HEAD * 0.62, story["title"], fontsize=14, fontweight="bold")
    about = f"a story of {story['seconds'] / 60:.0f} minutes, recorded by Prometheus and drawn without Grafana"
    picture.text(WIDTH - GAP - PADDING, picture.height - HEAD * 0.6, about, color=FAINT, ha="right")
    for panel in panels:
        DRAWN[panel["type"]](picture, panel, picture.place(panel["gridPos"]))
    return picture


def row(picture: Picture, panel: Json, box: Box) -> None:
    picture.text(box.left + PADDING, box.bottom + 0.06, f"⌄  {panel['title']}", fontsize=11, fontweight="bold")


def stat(picture: Picture, panel: Json, box: Box) -> None:
    """The last value in the colour of its limit, or the series' name; below it how it came about."""
    title(picture, panel, box)
    [line] = lines(panel)
    value = line.values[-1]
    named = panel["options"].get("textMode") == "name"
    shade = limit(panel, value)
    text = line.name if named else said(value, panel["fieldConfig"]["defaults"]["unit"])
    picture.text(box.left + box.width / 2, box.bottom + box.height * 0.36, text, color=shade, fontsize=21, fontweight="bold", ha="center")
    if panel["options"].get("graphMode") == "none":
        return
    axes = picture.axes(box.inner(top=box.height * 0.72, bottom=0.02, left=0.02, right=0.02))
    axes.axis("off")
    axes.set_ylim(0, max(1.0, float(np.nanmax(line.values))) * 1.1)
    axes.fill_between(line.times, line.values, step="post", color=shade, alpha=0.2, linewidth=0)
    axes.step(line.times, line.values, where="post", color=shade, linewidth=1)


def limit(panel: Json, value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    found: str = [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]
    return found


def timeseries(picture: Picture, panel: Json, box: Box) -> None:
    title(picture, panel, box)
    shown = list(lines(panel))
    below = legend(picture, shown, box)
    axes = picture.axes(box.inner(top=0.36, bottom=below + 0.26, left=0.66, right=0.16))
    defaults = panel["fieldConfig"]["defaults"]
    highest = stacked(axes, shown) if "stacking" in defaults["custom"] else apart(axes, shown)
    axes.set_ylim(0, highest * 1.12 or 1)
    scales(axes, defaults["unit"])


def title(picture: Picture, panel: Json, box: Box) -> None:
    picture.frame(box)
    picture.text(box.left + PADDING, box.bottom + box.height - 0.22, panel["title"], fontsize=9.5)


def apart(axes: Axes, shown: Iterable[Line]) -> float:
    """The greatest value."""
    highest = 0.0
    for line in shown:
        axes.plot(line.times, line.values, color=line.colour, linewidth=1.3, solid_capstyle="round", clip_on=False)
        highest = max(highest, float(np.nanmax(line.values, initial=0)))
    return highest


def stacked(axes: Axes, shown: Sequence[Line]) -> float:
    """The greatest sum."""
    times = np.unique(np.concatenate([line.times for line in shown]))
    floor = np.zeros(len(times))
    for line in shown:
        values = np.zeros(len(times))
        values[np.searchsorted(times, line.times)] = np.nan_to_num(line.values)
        top = floor + values
        axes.fill_between(times, floor, top, step="post", color=line.colour, alpha=0.45, linewidth=0)
        axes.step(times, np.where(values > 0, top, np.nan), where="post", color=line.colour, linewidth=1.1)
        floor = top
    return float(floor.max())


def scales(axes: Axes, unit: str) -> None:
    axes.xaxis.set_major_locator(MultipleLocator(60))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 60:.0f} min" if value else ""))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: said(value, unit)))
    axes.tick_params(colors=FAINT, labelsize=8, length=0, pad=4)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def legend(picture: Picture, shown: Iterable[Line], box: Box) -> float:
    """From left to right and in as many lines as it takes, from below; its height."""
    labels = flowed(picture, list(shown), box.width - 2 * PADDING)
    for number, entries in enumerate(reversed(labels)):
        y = box.bottom + 0.09 + number * LINE
        for x, line in entries:
            left = box.left + PADDING + x
            picture.text(left, y - 0.005, "━", color=line.colour, fontweight="bold")
            picture.text(left + MARK, y, line.name, color=FAINT, fontsize=LABEL)
    return LINE * len(labels)


MARK, LABEL = 0.16, 8.0
"""Inches before a name; its size in points."""


def flowed(picture: Picture, shown: Sequence[Line], width: float) -> list[list[tuple[float, Line]]]:
    """Lines of entries, each with where it begins."""
    found: list[list[tuple[float, Line]]] = [[]]
    x = 0.0
    for line in shown:
        needs = MARK + wide(picture, line.name)
        if found[-1] and x + needs > width:
            found.append([])
            x = 0.0
        found[-1].append((x, line))
        x += needs + 0.14
    return found


def wide(picture: Picture, text: str) -> float:
    """Inches; nothing is left of it in the picture."""
    probe = picture.figure.text(0, 0, text, fontsize=LABEL)
    extent = probe.get_window_extent(picture.canvas.get_renderer()).width
    probe.remove()
    return float(extent / DOTS)


DRAWN = {"row": row, "stat": stat, "timeseries": timeseries}


def main(story: Path, target: Path) -> None:
    told = json.loads(story.read_text(encoding="utf-8"))
    picture = dashboard(told)
    picture.canvas.draw()
    marked = PngInfo()
    marked.add_text("Comment", told["mark"])
    image = Image.fromarray(np.asarray(picture.canvas.buffer_rgba())).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, optimize=True, pnginfo=marked)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
