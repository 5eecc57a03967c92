"""Figures set for a paper: exact sizes, letters in proportion, legends, style sheets that run nothing."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from nnpcore import figures
from nnpcore.errors import SettingsError
from nnpcore.figures import EosSeries, FigureStyle, apply_style, figure_bytes, read_style
from nnpcore.figures.drawing import FONT, tables_of
from nnpcore.figures.style import check_room
from nnpcore.mapping import EosCurve, analyse_eos, bracket_from_distances
from nnpcore.structures import example_path, read_dataset


@pytest.fixture(scope="module")
def series() -> list[EosSeries]:
    frames = read_dataset(str(example_path("eos"))).frames
    volumes = np.array([f.volume / f.n_atoms for f in frames])
    energies = np.array([f.energy / f.n_atoms for f in frames])
    found = []
    for name, slope, color in (
        ("a run with a very long name indeed", 0.03, "#0072B2"),
        ("b", 0.0, "#D55E00"),
    ):
        offsets = slope * np.array([0.5, 1.0, 1.5])[:, None] * (volumes - 20.6)
        curve = EosCurve("Si", volumes, energies + offsets, energies, np.arange(len(volumes)))
        bracket = bracket_from_distances(volumes, 1.0 + abs(volumes - 20.6), 20.6, 2.2)
        found.append(EosSeries(name, curve, analyse_eos(curve, bracket), bracket, color))
    return found


def texts_of(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def test_the_size_is_exact_and_letters_follow(series):
    plain = figures.eos_figure(series)
    label = plain.axes[0].xaxis.label
    assert label.get_fontsize() == FONT
    figure = apply_style(figures.eos_figure(series), FigureStyle(120.0, 80.0, dpi=200, font_size=2 * FONT))
    image = Image.open(io.BytesIO(figure_bytes(figure, "png", dpi=200)))
    assert image.size == (round(120 / 25.4 * 200), round(80 / 25.4 * 200))
    axes = figure.axes[0]
    assert axes.xaxis.label.get_fontsize() == 2 * FONT
    before = {tick.get_fontsize() for tick in plain.axes[0].get_xticklabels()}
    assert {tick.get_fontsize() for tick in axes.get_xticklabels()} == {2 * size for size in before}


def test_the_table_and_the_bracket_explain_an_eos(series):
    figure = figures.eos_figure(series, table=True)
    texts = texts_of(figure)
    reference = series[0].report.reference_fit
    for text in ("in reach", "reference", "V₀", f"{reference.v0:.2f}", f"{reference.b0_gpa:.1f}"):
        assert text in texts
    check_room(figure)
    (table,) = tables_of(figure)
    figure.draw_without_rendering()
    assert table.get_window_extent().y1 <= figure.axes[0].get_tightbbox().y0 + 1, "nothing lies over it"
    bare = texts_of(apply_style(figures.eos_figure(series, table=True), FigureStyle(legend=False)))
    assert "in reach" not in bare and "V₀" not in bare and "Volume (Å³/atom)" in bare


def test_letters_without_room_are_said(series):
    with pytest.raises(SettingsError, match="too small for its letters"):
        check_room(apply_style(figures.eos_figure(series), FigureStyle(30.0, 25.0)))
    with pytest.raises(SettingsError, match="pixels"):
        FigureStyle(2000.0, 2000.0, dpi=1200).check()


def test_transparent_means_transparent(series):
    for transparent, alpha in ((False, 255), (True, 0)):
        figure = apply_style(figures.eos_figure(series), FigureStyle(transparent=transparent))
        image = Image.open(io.BytesIO(figure_bytes(figure, "png", dpi=50))).convert("RGBA")
        assert image.getpixel((1, 1))[3] == alpha


SHEET = """\
# a journal's
font.family: serif
font.serif: No Such Font, DejaVu Serif
axes.grid: True      # lines
axes.spines.top: True
axes.facecolor: "#eeeeee"
lines.linewidth: 2.8
xtick.direction: in
axes.prop_cycle: cycler('color', ['ff0000', 'k']) + cycler('ls', ['-', '--'])
text.usetex: True
text.latex.preamble: \\input{|touch ran}
animation.convert_path: /bin/sh
backend: pdf
a.key.of.the.future: 1
"""


def test_a_style_sheet_changes_what_it_says_and_runs_nothing(series, tmp_path):
    path = tmp_path / "journal.mplstyle"
    path.write_text(SHEET, encoding="utf-8")
    before = dict(matplotlib.rcParams)
    sheet = read_style(path)
    assert set(sheet.left_out) == {
        "text.usetex", "text.latex.preamble", "animation.convert_path", "backend", "a.key.of.the.future"
    }  # fmt: skip
    usual = {line.get_label(): line.get_linewidth() for line in figures.eos_figure(series).axes[0].lines}
    figure = apply_style(figures.eos_figure(series), FigureStyle(sheet=sheet))
    axes = figure.axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert matplotlib.colors.to_hex(lines["b"].get_color()) == "#000000"
    assert lines["b"].get_linewidth() == pytest.approx(2 * usual["b"])
    assert axes.spines["top"].get_visible() and axes.xaxis.get_gridlines()[0].get_visible()
    assert matplotlib.colors.to_hex(axes.get_facecolor()) == "#eeeeee"
    assert axes.xaxis.label.get_fontfamily() == ["DejaVu Serif"]
    assert figure_bytes(figure, "svg")
    assert dict(matplotlib.rcParams) == before, "nothing global changes"


@pytest.mark.parametrize(
    "text", ["", "nothing here\n", "axes.prop_cycle: cycler('color', [__import__('os').getcwd()])\n"]
)
def test_a_file_that_is_no_style_sheet_is_refused(tmp_path, text):
    path = tmp_path / "x.mplstyle"
    path.write_text(text)
    with pytest.raises(SettingsError, match="nothing in this file"):
        read_style(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not a text file"):
        read_style(path)
