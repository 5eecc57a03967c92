"""How a figure is set for where it will stand: size, letters, legend, and a style sheet of matplotlib.

Figures set every size and color on their artists; what a style says is put onto the finished one. No
global state is touched, and nothing in a style sheet is run.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnpcore.errors import SettingsError
from nnpcore.figures.drawing import DPI, FONT, OKABE_ITO, make_room, tables_of
from nnpcore.files import read_regular

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.text import Text

MM_PER_INCH = 25.4
MOST_PIXELS = 100_000_000
"""In a picture at most: 400 MB."""

LONGEST_SHEET = 1_000_000
NOT_RUN = ("text.usetex", "text.latex.preamble", "pgf.", "backend", "animation.", "webagg.", "interactive")
"""What begins like this in a style sheet would start programs or windows, and is left out."""


@dataclass(frozen=True)
class StyleSheet:
    """A style sheet of matplotlib: checked values by name, and the names of what was left out."""

    values: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureStyle:
    """How a figure is set.

    Attributes
    ----------
    width, height : mm; 0 keeps the figure's own.
    dpi : dots per inch of pictures. font_size : of axis titles in points, all other letters in proportion.
    legend : show legends, tables, and the colour bar of a structure. axes : the axes of a structure.
    transparent : no background. sheet : a style sheet, see :func:`read_style`.
    """

    width: float = 0.0
    height: float = 0.0
    dpi: int = DPI
    font_size: float = FONT
    legend: bool = True
    transparent: bool = False
    axes: bool = True
    sheet: StyleSheet = field(default_factory=StyleSheet)

    def inches(self, own: tuple[float, float]) -> tuple[float, float]:
        """Return width and height of a figure whose own size is ``own``, inches, in whole pixels."""
        return self._whole(self.width / MM_PER_INCH or own[0]), self._whole(
            self.height / MM_PER_INCH or own[1]
        )

    def _whole(self, inches: float) -> float:
        return (max(round(inches * self.dpi), 1) + 1e-3) / self.dpi  # matplotlib cuts what is left of a pixel

    def check(self, own: tuple[float, float] = (4.0, 3.0)) -> None:
        """Raise SettingsError where the picture would have too many pixels."""
        width, height = self.inches(own)
        if width * self.dpi * height * self.dpi > MOST_PIXELS:
            what = f"the picture would have {width * self.dpi:.0f} × {height * self.dpi:.0f} pixels"
            raise SettingsError(what, where="dpi", fix="Choose fewer dpi or a smaller size")


def apply_style(figure: Figure, style: FigureStyle) -> Figure:
    """Set a finished figure as a style says, and return it."""
    own = figure.get_size_inches()
    figure.set_size_inches(*style.inches((float(own[0]), float(own[1]))))
    _apply_sheet(figure, style.sheet.values)
    _scale_letters(figure, style.font_size / FONT)
    if not style.legend:
        _remove_legends(figure)
    make_room(figure)
    if style.transparent:
        figure.patch.set_alpha(0.0)
        for axes in figure.axes:
            axes.patch.set_alpha(0.0)
    return figure


def check_room(figure: Figure) -> None:
    """Raise SettingsError where the letters leave no room for what is drawn, or reach beyond the figure."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure.draw_without_rendering()
    width = figure.get_figwidth() * figure.dpi
    wide = any(item.get_window_extent().width > width for item in (*figure.legends, *tables_of(figure)))
    if wide or any("layout not applied" in str(warning.message) for warning in told):
        what = "this is too small for its letters"
        raise SettingsError(what, where="width", fix="Make the figure larger or its letters smaller")


def _remove_legends(figure: Figure) -> None:
    """Take away legends and tables beside what is drawn."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    for item in (*legends, *tables_of(figure)):
        if item is not None:
            item.remove()


def _texts(figure: Figure) -> list[Text]:
    """Return all letters."""
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if isinstance(text, Text)]


def _scale_letters(figure: Figure, scale: float) -> None:
    """Make all letters larger or smaller, those of ticks yet to come, too."""
    sizes = [(text, float(text.get_fontsize())) for text in _texts(figure)]
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels()
            if labels and axis.get_visible():
                axis.set_tick_params(labelsize=float(labels[0].get_fontsize()) * scale)
    for text, size in sizes:
        text.set_fontsize(size * scale)


# style sheets -----------------------------------------------------------------------------------------
def read_style(path: str | Path) -> StyleSheet:
    """Read a style sheet of matplotlib (``.mplstyle``): lines ``name: value``, ``#`` begins a remark.

    What would run a program (LaTeX, a backend) is left out, and so is what this matplotlib does not know.

    Raises
    ------
    SettingsError : no such file, not text, or nothing in it is a setting.
    """
    from matplotlib import RcParams

    checked: MutableMapping[str, Any] = cast("MutableMapping[str, Any]", RcParams())
    left_out = []
    for name, text in _lines(Path(path)):
        if name.startswith(NOT_RUN):
            left_out.append(name)
            continue
        try:
            checked[name] = _cycle(text) if name == "axes.prop_cycle" else text
        except (KeyError, ValueError, SyntaxError, TypeError):
            left_out.append(name)
    if not checked:
        fix = "Choose a style sheet of matplotlib (.mplstyle) with lines such as “font.size: 8”"
        raise SettingsError("nothing in this file is a setting of matplotlib", where="sheet", fix=fix)
    return StyleSheet(dict(checked), tuple(dict.fromkeys(left_out)))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        content = read_regular(path)
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read ({error.strerror})", where="sheet") from error
    if len(content) > LONGEST_SHEET:
        raise SettingsError(f"{path.name} is too long for a style sheet", where="sheet")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path.name} is not a text file", where="sheet") from error
    for line in text.splitlines():
        name, colon, value = _without_remark(line).partition(":")
        if colon and name.strip():
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            yield name.strip(), value[1:-1] if quoted else value


def _without_remark(line: str) -> str:
    """Return a line up to a ``#`` outside of quotes."""
    quote = ""
    for at, letter in enumerate(line):
        if letter in "\"'":
            quote = "" if letter == quote else quote or letter
        elif letter == "#" and not quote:
            return line[:at]
    return line


def _cycle(text: str) -> Any:
    """Return the colors of a cycle such as ``cycler('color', ['k', 'r'])``, read without running it."""
    from cycler import cycler
    from matplotlib.colors import to_hex

    for call in ast.walk(ast.parse(text, mode="eval")):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "cycler"):
            continue
        named = {word.arg: word.value for word in call.keywords}
        if len(call.args) == 2 and ast.literal_eval(call.args[0]) == "color":
            named["color"] = call.args[1]
        if "color" in named:
            colors = ast.literal_eval(named["color"])
            found = list(colors) if isinstance(colors, str) else colors
            return cycler(color=[to_hex(_hex(color)) for color in found])
    raise ValueError("no colors")


def _hex(color: Any) -> Any:
    """Return a color; style sheets write hexadecimal ones without the ``#``, which begins a remark."""
    digits = isinstance(color, str) and len(color) == 6 and set(color.lower()) <= set("0123456789abcdef")
    return f"#{color}" if digits else color


def _apply_sheet(figure: Figure, values: dict[str, Any]) -> None:
    if not values:
        return
    if "figure.facecolor" in values:
        figure.set_facecolor(values["figure.facecolor"])
    _set_letters(figure, values)
    recolored = _recoloring(values)
    for axes in figure.axes:
        _set_axes(axes, values)
        _set_lines(axes, values)
        recolored(axes)
    for legend in figure.legends:
        legend.set_frame_on(values.get("legend.frameon", False))
        recolored(legend)


def _set_letters(figure: Figure, values: dict[str, Any]) -> None:
    family = _known_fonts(values)
    if "font.size" in values:
        _scale_letters(figure, values["font.size"] / FONT)
    for text in _texts(figure):
        if family:
            text.set_fontfamily(family)
        if "text.color" in values and text.get_color() in ("black", "#000000"):
            text.set_color(values["text.color"])


def _known_fonts(values: dict[str, Any]) -> list[str]:
    """Return the fonts that are asked for and installed here; where there are none ours stay."""
    from matplotlib.font_manager import fontManager

    named = [font for name in values.get("font.family", []) for font in values.get(f"font.{name}", [name])]
    here = set(fontManager.get_font_names())
    return [font for font in named if font in here]


def _set_axes(axes: Axes, values: dict[str, Any]) -> None:
    set_spines: dict[str, Callable[[Any, Any], object]] = {
        "axes.linewidth": lambda spine, value: spine.set_linewidth(value),
        "axes.edgecolor": lambda spine, value: spine.set_edgecolor(value),
    }
    for name, change in set_spines.items():
        if name in values:
            for spine in axes.spines.values():
                change(spine, values[name])
    if axes.axison:
        for side in ("left", "right", "top", "bottom"):
            if f"axes.spines.{side}" in values and side in axes.spines:
                axes.spines[side].set_visible(values[f"axes.spines.{side}"])
    if "axes.facecolor" in values:
        axes.set_facecolor(values["axes.facecolor"])
    if "axes.labelcolor" in values:
        axes.xaxis.label.set_color(values["axes.labelcolor"])
        axes.yaxis.label.set_color(values["axes.labelcolor"])
    if values.get("axes.grid"):
        names = ("color", "linestyle", "linewidth", "alpha")
        axes.grid(True, **{n: values[f"grid.{n}"] for n in names if f"grid.{n}" in values})
        axes.set_axisbelow(True)
    _set_ticks(axes, values)


TICKS = {"direction": "direction", "color": "color", "labelcolor": "labelcolor", "major.size": "length",
         "major.width": "width", "major.pad": "pad"}  # fmt: skip


def _set_ticks(axes: Axes, values: dict[str, Any]) -> None:
    for which, ends in (("x", ("top", "bottom")), ("y", ("left", "right"))):
        known = {own: values[f"{which}tick.{name}"] for name, own in TICKS.items()
                 if f"{which}tick.{name}" in values}  # fmt: skip
        known |= {end: values[f"{which}tick.{end}"] for end in ends if f"{which}tick.{end}" in values}
        if known.get("labelcolor") == "inherit":
            del known["labelcolor"]
        if known:
            axes.tick_params(axis=which, **known)  # type: ignore[arg-type]


THIN = 1.4
"""Points: the usual width of a line in our figures, to which a style sheet's is related."""


def _set_lines(axes: Axes, values: dict[str, Any]) -> None:
    for line in axes.lines:
        if "lines.linewidth" in values:
            line.set_linewidth(line.get_linewidth() * values["lines.linewidth"] / THIN)
        if "lines.markersize" in values:
            line.set_markersize(line.get_markersize() * values["lines.markersize"] / 6.0)
    legend = axes.get_legend()
    if legend is not None and "legend.frameon" in values:
        legend.set_frame_on(values["legend.frameon"])


def _recoloring(values: dict[str, Any]) -> Callable[[Axes | Legend], None]:
    """Return what gives series the colors of the style sheet's cycle in place of ours."""
    cycle = values.get("axes.prop_cycle")
    if cycle is None:
        return lambda _: None
    from matplotlib.collections import Collection
    from matplotlib.colors import to_rgb, to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    wanted = [to_rgb(color) for color in cycle.by_key()["color"]]
    swap = {to_rgb(ours): wanted[k % len(wanted)] for k, ours in enumerate(OKABE_ITO)}

    def swapped(color: Any) -> Any:
        red, green, blue, alpha = to_rgba(color)
        return (*swap.get((red, green, blue), (red, green, blue)), alpha)

    def recolor(drawn: Axes | Legend) -> None:
        for item in drawn.findobj():
            if isinstance(item, Line2D):
                item.set_color(swapped(item.get_color()))
                item.set_markerfacecolor(swapped(item.get_markerfacecolor()))
                item.set_markeredgecolor(swapped(item.get_markeredgecolor()))
            elif isinstance(item, Collection) and item.get_array() is None:
                item.set_facecolor([swapped(color) for color in item.get_facecolor()])
                item.set_edgecolor([swapped(color) for color in item.get_edgecolor()])
            elif isinstance(item, Patch) and item is not getattr(drawn, "patch", None):
                item.set_facecolor(swapped(item.get_facecolor()))

    return recolor
