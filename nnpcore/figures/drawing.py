"""What all figures share: colours, letters, axes, legends and files.

Only ``matplotlib.figure.Figure`` is used, never pyplot, and every size and colour is set on the artists, so
that no global state is touched while drawing: figures are drawn on any thread.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.offsetbox import AnchoredOffsetbox

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00")
"""Colours of series, told apart by colour-blind people."""

LONGEST_LABEL = 26
"""Letters beside a bar of 50 mm."""

PAPER = {"reference": "#000000", "text": "#1c2026", "muted": "#667080"}
"""Other colours on white paper."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)))
MARKERS = ("o", "s", "^", "D", "v", "p", "*")
SUFFIXES = ("png", "svg", "pdf")
FONT = 9.0
SMALL = 8.0
DPI = 300

SAVING = threading.Lock()
"""Held while matplotlib's settings are changed."""

LETTERS = "DejaVu Sans"
"""The font of all figures; it comes with matplotlib."""

OTHER_SCRIPTS = (
    "NanumGothic",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "Microsoft YaHei",
)
"""Fonts with letters the usual one lacks, such as Korean."""

LONGEST_NAME = 28
"""Letters of a name in a figure; the tables have it in full."""


# files ------------------------------------------------------------------------------------------------
def save_figure(figure: Figure, path: str | Path, *, dpi: int | None = None) -> None:
    """Write a figure as PNG (300 dpi by default), SVG or PDF by the path's suffix, all or nothing.

    Raises
    ------
    AnalysisError : for another suffix. RunFolderError : when the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in SUFFIXES:
        raise AnalysisError(f"a figure cannot be written as '{path.suffix}'", fix="Use .png, .svg or .pdf")
    write_atomically(path, figure_bytes(figure, suffix, dpi=dpi))


def save_figures(folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Write figures by name as PNG, SVG and PDF into a folder; return the files. Errors as for one."""
    files = [(figure, folder / f"{name}.{suffix}") for name, figure in figures.items() for suffix in SUFFIXES]
    for figure, path in files:
        save_figure(figure, path)
    return [path for _, path in files]


def figure_bytes(figure: Figure, suffix: str, *, outlines: bool = False, dpi: int | None = None) -> bytes:
    """Return a figure as "png", "svg" or "pdf"; ``outlines`` draws the letters of an SVG as curves."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if isinstance(text, Text) and not text.get_text().isascii():
            own = [family for family in text.get_fontfamily() if family != "sans-serif"]
            text.set_fontfamily(list(dict.fromkeys([*own, LETTERS, *other_scripts(text.get_text())])))
    content = io.BytesIO()
    metadata = {"png": {"Software": "Eatlas"}, "svg": {"Creator": "Eatlas", "Date": None}}
    letters = "path" if outlines else "none"
    settings = {"svg.fonttype": letters, "svg.hashsalt": "eatlas", "pdf.fonttype": 42}
    with SAVING, matplotlib.rc_context(settings):  # type: ignore[arg-type]
        FigureCanvasAgg(figure)
        about = metadata.get(suffix, {"Creator": "Eatlas"})
        figure.savefig(content, format=suffix, dpi=dpi or DPI, metadata=about, facecolor="auto")
    return content.getvalue()


def other_scripts(text: str) -> dict[str, str]:
    """Return name and file of the fonts here that have what the usual one lacks; none where it has all."""
    from matplotlib.font_manager import findfont, fontManager, get_font

    known = get_font(findfont(LETTERS)).get_charmap()
    if all(ord(letter) in known for letter in text):
        return {}
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)  # tells what it leaves out of these fonts
    here = set(fontManager.get_font_names())
    return {name: findfont(name) for name in OTHER_SCRIPTS if name in here}


# looks ------------------------------------------------------------------------------------------------
def paper_color(name: str) -> str:
    """Return the ``#rrggbb`` on white paper of "series:2", "reference", "muted" and so on, or of itself."""
    if name.startswith("series:"):
        return series_color(int(name.partition(":")[2]))
    return name if name.startswith("#") else PAPER[name]


def series_color(k: int) -> str:
    """Return the colour of the k-th series."""
    return OKABE_ITO[k % len(OKABE_ITO)]


def plain(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name as matplotlib writes it: shortened, and a dollar sign is no formula."""
    half = longest // 2
    short = name if len(name) <= longest else f"{name[:half]}…{name[1 - half :]}"
    return short.replace("$", r"\$")


# figures and axes -------------------------------------------------------------------------------------
def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, inches; its text is laid out when it is saved."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def style_axes(axes: Axes, x: str, y: str) -> None:
    """Name the axes and give them thin lines without a box."""
    axes.set_xlabel(x, fontsize=FONT)
    axes.set_ylabel(y, fontsize=FONT)
    axes.tick_params(labelsize=SMALL, width=0.6, length=3, direction="out")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.6)


def log_axis(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Make an axis logarithmic, where a line has anything positive, and write numbers that tell its scale."""
    from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator, MaxNLocator, NullFormatter

    data = [np.asarray(getattr(line, f"get_{which}data")(), dtype=float) for line in axes.lines]
    known = np.concatenate([*data, np.empty(0)])
    if not (known[np.isfinite(known)] > 0).any():
        return
    axis: Axis = getattr(axes, f"{which}axis")
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    digits = (1.0, 2.0, 5.0) if high / low < 100 else (1.0,)
    axis.set_major_locator(MaxNLocator(4) if high / low < 5 else LogLocator(subs=digits, numticks=12))
    readable = low >= 1e-4 and high < 1e5
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}") if readable else LogFormatterMathtext())
    axis.set_minor_formatter(NullFormatter())


def add_legend(axes: Axes, **options: Any) -> None:
    """Add a legend without a frame where anything has a name."""
    if axes.get_legend_handles_labels()[0]:
        _make_opaque(axes.legend(frameon=False, fontsize=SMALL, handlelength=1.8, **options))


def add_legend_above(axes: Axes, **options: Any) -> None:
    """Add a legend above the axes, where it covers nothing, if anything has a name."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        options = {"frameon": False, "fontsize": SMALL, "handlelength": 1.8, "ncols": 2} | options
        _make_opaque(axes.figure.legend(handles, names, loc="outside upper center", **options))


def _make_opaque(legend: Legend) -> None:
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def in_lines(label: str) -> str:
    """Return the label of a bar, broken where it is longer than a small figure is high."""
    return "\n".join(wrap(label, LONGEST_LABEL, break_long_words=False)) or label


def add_color_bar(axes: Axes, colored: ScalarMappable, label: str, *, shrink: float = 0.9) -> None:
    """Put a bar beside the axes that tells what the colours mean, drawn as vectors."""
    bar = axes.figure.colorbar(colored, ax=axes, shrink=shrink)
    bar.set_label(in_lines(label), fontsize=FONT)
    bar.ax.tick_params(labelsize=SMALL, width=0.6)
    if bar.solids is not None:
        bar.solids.set_rasterized(False)
        bar.solids.set_edgecolor("face")  # no white gaps between its steps


def draw_band(
    axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, *, alone: bool, dash: Any = "-"
) -> None:
    """Fill the area between two curves; only its edges where it would lie on the area of another series."""
    if alone:
        axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    else:
        edges: dict[str, Any] = {"facecolor": "none", "edgecolor": color, "linewidth": 0.6}
        axes.fill_between(x, low, high, linestyle=dash, alpha=0.8, **edges)


def add_diagonal(axes: Axes) -> None:
    """Make both axes alike and draw the line on which prediction is reference."""
    low = min(axes.get_xlim()[0], axes.get_ylim()[0])
    high = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([low, high], [low, high], color="black", linewidth=0.6, zorder=0)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")


# tables -----------------------------------------------------------------------------------------------
TABLE = 7.0


def add_table(figure: Figure, rows: Sequence[Sequence[str]], colors: Sequence[str]) -> None:
    """Put rows of text below everything else, the first cell of each in its color."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker

    columns: list[Artist] = []
    for number, column in enumerate(zip(*rows, strict=True)):
        cells: list[Artist] = [
            TextArea(text or " ", textprops={"size": TABLE, "color": "black" if number else color})
            for text, color in zip(column, colors, strict=True)
        ]
        columns.append(VPacker(children=cells, pad=0, sep=2, align="right" if number else "left"))
    packed = HPacker(children=columns, pad=0, sep=8, align="bottom")
    table = AnchoredOffsetbox("lower center", child=packed, frameon=False, pad=0.3, borderpad=0.0,
                              bbox_to_anchor=(0.5, 0.0), bbox_transform=figure.transFigure)  # fmt: skip
    table.set_in_layout(False)
    figure.add_artist(table)
    make_room(figure)


def tables_of(figure: Figure) -> list[AnchoredOffsetbox]:
    """Return what :func:`add_table` has added."""
    from matplotlib.offsetbox import AnchoredOffsetbox

    return [artist for artist in figure.artists if isinstance(artist, AnchoredOffsetbox)]


def make_room(figure: Figure) -> None:
    """Lay everything else out above the tables, which have their size by now."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = figure.get_layout_engine()
    heights = [table.get_window_extent().height for table in tables_of(figure)]
    share = sum(heights) / (figure.get_figheight() * figure.dpi)
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0.0, share, 1.0, 1.0 - share))
