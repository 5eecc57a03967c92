"""Drawing figures in the background: a picture to look at first, and what goes to a file or the clipboard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.figures import FigureStyle, apply_style, figure_bytes, save_figure
from nnpcore.figures.style import check_room

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing = Callable[[], "Figure"]
_drawing = threading.Lock()
"""Styles are matplotlib's, for all threads at once, and a figure takes some ten MB while it is drawn."""


@dataclass(frozen=True)
class Preview:
    """A picture of a figure as PNG, as large as the place for it, and the figure's own size in inches."""

    png: bytes
    inches: tuple[float, float]


def styled(draw: Drawing, style: FigureStyle) -> Figure:
    """Draw a figure and set it; SettingsError where its letters leave no room."""
    figure = apply_style(draw(), style)
    check_room(figure)
    return figure


def preview(draw: Drawing, style: FigureStyle, room: tuple[int, int]) -> Preview:
    """Draw a figure that fits into ``room`` pixels."""
    with _drawing:
        figure = styled(draw, style)
        width, height = (float(inches) for inches in figure.get_size_inches())
        dpi = max(min(room[0] / width, room[1] / height), 10.0)
        return Preview(figure_bytes(figure, "png", dpi=int(dpi)), (width, height))


def picture(draw: Drawing, style: FigureStyle) -> bytes:
    """Draw a figure as PNG."""
    with _drawing:
        figure = styled(draw, style)
        style.check(tuple(figure.get_size_inches()))
        return figure_bytes(figure, "png", dpi=style.dpi)


def write_figure(draw: Drawing, style: FigureStyle, path: Path) -> None:
    """Draw a figure into a file, of the format its suffix says."""
    with _drawing:
        figure = styled(draw, style)
        style.check(tuple(figure.get_size_inches()))
        save_figure(figure, path, dpi=style.dpi)
