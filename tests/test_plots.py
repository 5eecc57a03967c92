"""Plot widgets: ticks, clouds, picking, lasso, legend, readout, matrix, redraw rate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from panel_helpers import position_of
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QFontMetrics, QFontMetricsF, QMouseEvent, QTransform
from PySide6.QtWidgets import QApplication, QWidget

from app.look import theme
from app.look.colormaps import limits_of, ramp, to_rgb
from app.look.ink import DASHES, font, ink
from app.look.names import in_lines, shortened, told_apart
from app.look.numbers import linear_ticks, log_text, log_ticks, tick_text
from app.look.palette import DARK, LIGHT
from app.plots.axis import within
from app.plots.connectivity_plot import MatrixView, heat_color
from app.plots.curve import telling
from app.plots.distance_plot import bins_of
from app.plots.held_click import LONGEST_MS
from app.plots.legend import Entry, LegendList
from app.plots.pca_plot import CloudGroup, PcaPlot
from app.plots.plot import Plot
from app.plots.point_group import PointGroup
from app.plots.points import PointCloud, Raster, stamp
from app.widgets.controls import choice_box, refill
from app.widgets.labels import NoteLabel
from app.widgets.lasso import inside_polygon
from app.widgets.readout import Cell, Readout
from app.widgets.redraw import Throttle

SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton
RED = np.array([200, 0, 0], dtype=np.uint8)


@pytest.fixture
def plot(qtbot):
    """A shown plot of the size a panel has on a small screen."""

    def make(kind=Plot, width=360, height=200, **options):
        made = kind(**options)
        qtbot.addWidget(made)
        made.resize(width, height)
        made.show()
        qtbot.waitExposed(made)
        return made

    return make


def settle(qtbot, widget):
    widget.grab()
    qtbot.wait(1)


def move(widget, position, button=Qt.MouseButton.NoButton, keys=Qt.KeyboardModifier.NoModifier):
    """Move the mouse without the window system, which knows only one pointer."""
    kind, at = QEvent.Type.MouseMove, QPointF(position)
    there, none = QPointF(widget.mapToGlobal(position)), Qt.MouseButton.NoButton
    QApplication.sendEvent(widget, QMouseEvent(kind, at, there, none, button, keys))


def double_click(qtbot, widget, position):
    """Press, release, double click, release: what the window system sends."""
    qtbot.mouseClick(widget, LEFT, pos=position)
    qtbot.mouseDClick(widget, LEFT, pos=position)
    qtbot.mouseRelease(widget, LEFT, pos=position)


# ticks --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-5.43, -5.40), (1e-7, 3e-7), (-300, 1e6), (0.99, 1.01)])
def test_linear_ticks_are_round_and_inside(low, high):
    ticks = linear_ticks(low, high, 5)
    assert 2 <= len(ticks) <= 6
    assert all(low <= t <= high for t in ticks)
    step = ticks[1] - ticks[0]
    assert float(f"{step:.1e}") == pytest.approx(step)
    texts = [tick_text(t, step) for t in ticks]
    assert len(set(texts)) == len(texts)
    assert not any("-" in text.replace("e-", "") for text in texts)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.05, 20), (1e-3, 1e5), (0.90, 0.93), (1e-12, 1e9)])
def test_log_ticks_tell_the_scale(low, high):
    ticks = log_ticks(np.log10(low), np.log10(high), 4)
    values = [10**t for t in ticks]
    assert 2 <= len(ticks) <= 6
    assert all(low * 0.999 <= v <= high * 1.001 for v in values)
    assert [float(f"{v:.2e}") for v in values] == pytest.approx(values)
    assert log_text(-1.0) == "0.1"
    assert log_text(7.0) == "10⁷"
    assert [log_text(np.log10(v)) for v in (5000, 2e4, 0.002)] == ["5000", "20000", "0.002"]


def test_log_ticks_of_a_low_plot_are_far_apart():
    low, high = np.log10(0.04), np.log10(22.0)
    ticks = log_ticks(low, high, 1)
    assert len(ticks) == 2
    assert ticks[1] - ticks[0] > 0.5 * (high - low)


def test_log_labels_of_one_axis_are_written_alike(plot):
    axis = plot(log_y=True).axis("left")
    assert axis.tickStrings([-6.0, -3.0, 0.0], 1.0, 1.0) == ["10⁻⁶", "10⁻³", "1"]
    assert axis.tickStrings([-3.0, 0.0], 1.0, 1.0) == ["0.001", "1"]


@pytest.mark.parametrize(
    "x_range", [(0, 7), (18.8, 22.9), (-0.003, 0.004), (0, 99_999), (-5.43012, -5.43001)]
)
def test_tick_labels_do_not_overlap(plot, x_range):
    axis = plot().axis("bottom")
    length = 310.0
    ((step, ticks),) = axis.tickValues(*x_range, length)
    assert len(ticks) >= 2
    metrics = QFontMetricsF(font())
    widths = [metrics.horizontalAdvance(text) for text in axis.tickStrings(ticks, 1.0, step)]
    places = [(t - x_range[0]) / (x_range[1] - x_range[0]) * length for t in ticks]
    for i in range(len(ticks) - 1):
        assert places[i] + widths[i] / 2 + 2 < places[i + 1] - widths[i + 1] / 2


def test_epochs_are_whole_numbers(plot):
    axis = plot().axis("bottom")
    axis.integers = True
    assert axis.tickValues(0.8, 3.2, 300)[0][1] == [1.0, 2.0, 3.0]


# clouds -------------------------------------------------------------------------------------------------
def opacity(raster: Raster) -> np.ndarray:
    return (raster.argb() >> 24).astype(int)


def test_density_shows_as_opacity():
    disc = stamp("o", 5.0)
    assert disc.cover.sum() == pytest.approx(np.pi * 2.5**2, rel=0.1)
    single, double = Raster((20, 20), 5), Raster((20, 20), 5)
    for raster, n in ((single, 1), (double, 2)):
        home = raster.index(np.full(n, 10.0), np.full(n, 10.0))
        raster.add_density(home, disc, 0.5)
        raster.add_color([home], [np.full(n, 0xC80000, dtype=np.uint32)], [disc])
    one, two = opacity(single), opacity(double)
    assert one[15, 15] == pytest.approx(255 * 0.5, abs=2)
    assert two[15, 15] == pytest.approx(255 * 0.75, abs=2)
    assert (one > 0).sum() == len(disc.dx)


def color_at(widget: QWidget, point: QPointF) -> tuple[int, int, int]:
    color = widget.grab().toImage().pixelColor(point.toPoint())
    return color.red(), color.green(), color.blue()


def test_a_point_is_drawn_where_it_belongs_inside_another_widget(qtbot, plot):
    outer = QWidget()
    qtbot.addWidget(outer)
    outer.resize(600, 400)
    inner = Plot(outer)
    inner.setGeometry(150, 120, 400, 250)
    cloud = inner.add_cloud("cloud", 9.0, 1.0)
    cloud.set_groups([PointGroup(np.array([[0.0, 0.0], [3.0, 1.0], [7.0, 5.0], [np.nan, 1.0]]), RED)])
    inner.set_pickable("cloud", np.array([[3.0, 1.0]]), str)
    inner.set_window(-1.0, 8.0, -1.0, 6.0)
    outer.show()
    qtbot.waitExposed(outer)
    settle(qtbot, outer)
    where = inner.canvas.mapTo(outer, position_of(inner, "cloud", 0).toPoint())
    red, green, blue = color_at(outer, QPointF(where))
    assert red > 180
    assert max(green, blue) < 40
    assert cloud.n_drawn == 3


def test_far_away_is_a_density_of_all_points_and_near_each_has_a_marker(qtbot, plot):
    shown = plot(width=500, height=400)
    cloud: PointCloud = shown.add_cloud("cloud")
    random = np.random.default_rng(0)
    cloud.set_groups([PointGroup(random.normal(size=(22_400, 2)), RED)])
    shown.set_window(-5, 5, -5, 5)
    shown.grab()
    assert (cloud.n_drawn, cloud.as_density) == (22_400, False)
    xy = random.normal(size=(600_000, 2))
    cloud.set_groups([PointGroup(xy, RED), PointGroup(np.array([[4.5, 4.5]]), RED[::-1])])
    shown.grab()
    qtbot.waitUntil(lambda: cloud._density is not None, timeout=60_000)
    shown.grab()
    assert (cloud.n_drawn, cloud.as_density) == (600_001, True)
    px, py = shown.canvas.to_pixels(np.array([4.5, 4.4]), np.array([4.5, 4.5]))
    places = [shown.canvas.mapTo(shown, QPoint(round(x), round(y))) for x, y in zip(px, py, strict=True)]
    around = [QPoint(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    beside = color_at(shown, QPointF(places[1]))
    seen = [color_at(shown, QPointF(places[0] + offset)) for offset in around]
    differences = [abs(color[2] - beside[2]) + abs(color[0] - beside[0]) for color in seen]
    assert max(differences) > 60, "a lone point is seen, in its colour"
    shown.set_window(0.0, 0.1, 0.0, 0.1)
    shown.grab()
    inside = ((xy > 0) & (xy < 0.1)).all(axis=1).sum()
    assert not cloud.as_density
    assert inside <= cloud.n_drawn < 1.2 * inside + 100


def test_a_million_points_are_counted_in_short_steps_while_the_image_moves(qtbot, plot):
    shown = plot(width=500, height=400)
    cloud: PointCloud = shown.add_cloud("cloud")
    xy = np.random.default_rng(0).normal(size=(500_000, 2))
    shown.set_window(-5, 5, -5, 5)
    shown.grab()  # the axes have their widths now
    shown.grab()
    cloud.set_groups([PointGroup(xy, RED)])
    shown.grab()
    assert cloud.as_density
    assert cloud._density is None, "nothing is counted within one drawing"
    qtbot.waitUntil(lambda: cloud._density is not None, timeout=60_000)
    known = cloud._density
    counts = known._counts.reshape(known.shape)
    transform = known.transform
    column = np.floor(xy[:, 0] * transform.m11() + transform.dx() - known.area.left() + 0.5) + 1
    wanted = np.bincount(column.astype(int), minlength=known.shape[1])
    assert counts.sum(axis=0)[: known.shape[1]].tolist() == wanted[: known.shape[1]].tolist()
    shown.set_window(-4.5, 5.5, -5, 5)
    shown.grab()
    assert cloud._density is known, "the last image moves along"
    qtbot.waitUntil(lambda: cloud._counting is None, timeout=60_000)
    known = cloud._density
    shown.set_window(-8, 2, -5, 5)
    shown.grab()
    assert cloud._density is known, "the last image moves along"
    qtbot.waitUntil(lambda: cloud._density is not known, timeout=60_000)


def test_groups_take_turns():
    """Neither of two data sets on the same spot hides the other."""
    cloud = PointCloud()
    random = np.random.default_rng(1)
    groups = [PointGroup(random.uniform(0, 1, (4000, 2)), color) for color in (RED, RED[::-1])]
    cloud.set_groups(groups)
    raster, _ = cloud._raster(QTransform.fromScale(100, 100), QRect(0, 0, 100, 100), 1.0)
    pixels = raster.argb()
    red, blue = ((pixels >> 16) & 255) > 60, (pixels & 255) > 60
    assert 0.35 < red.sum() / (red.sum() + blue.sum()) < 0.65


# mouse --------------------------------------------------------------------------------------------------
def two_series(shown: Plot) -> None:
    shown.add_points("a", "series:0").setData([1, 2, 3], [10, 20, 30])
    shown.add_points("b", "series:1").setData([1, 2, 3], [30, 10, 25])
    shown.set_pickable("a", np.array([[1, 10], [2, 20], [3, 30]]), lambda i: f"a{i}")
    shown.set_pickable("b", np.array([[1, 30], [2, 10], [3, 25]]), lambda i: f"b{i}")
    shown.set_window(0, 4, 0, 40)


@pytest.mark.parametrize("log_y", [False, True])
def test_a_click_finds_the_nearest_point(qtbot, plot, log_y):
    shown = plot(log_y=log_y)
    two_series(shown)
    if log_y:
        shown.set_window(0, 4, 0, 2)
    settle(qtbot, shown)
    position = position_of(shown, "b", 1).toPoint() + QPoint(3, -2)
    with qtbot.waitSignal(shown.point_clicked) as got:
        qtbot.mouseClick(shown.canvas.viewport(), LEFT, CONTROL, position)
    assert got.args[:2] == ["b", 1]
    assert got.args[2] & CONTROL
    with qtbot.waitSignal(shown.background_clicked):
        qtbot.mouseClick(shown.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, QPoint(200, 20))
    shown.set_series_visible("b", False)
    assert shown.point_at(QPointF(position))[0] != "b"


def test_a_drag_is_no_click(qtbot, plot):
    shown = plot()
    two_series(shown)
    settle(qtbot, shown)
    heard = []
    shown.point_clicked.connect(lambda *args: heard.append(args))
    start, end = position_of(shown, "a", 1).toPoint(), position_of(shown, "a", 2).toPoint()
    viewport = shown.canvas.viewport()
    qtbot.mousePress(viewport, LEFT, pos=start)
    move(viewport, end, LEFT)
    qtbot.mouseRelease(viewport, LEFT, pos=end)
    assert heard == []


def cloud_groups(random, n=500):
    xy = random.uniform(-1, 1, (n, 2))
    path = np.column_stack([np.linspace(-1, 1, 5), np.zeros(5)])
    return [
        CloudGroup("one", "one", xy, "series:0", "o", False, None, str),
        CloudGroup("path", "path", path, "series:1", "o", True, None, str),
    ]


def test_lasso_takes_what_is_inside(qtbot, plot):
    shown = plot(PcaPlot, 500, 400)
    groups = cloud_groups(np.random.default_rng(2))
    shown.show_groups(groups)
    settle(qtbot, shown)
    corners = np.array([[-0.5, -0.6], [0.6, -0.4], [0.1, 0.8]])
    pixels = [QPointF(x, y).toPoint() for x, y in zip(*shown.canvas.to_pixels(*corners.T), strict=True)]
    heard = []
    shown.lassoed.connect(lambda polygon, modifiers: heard.append((polygon, modifiers)))
    viewport = shown.canvas.viewport()
    qtbot.mousePress(viewport, LEFT, SHIFT, pixels[0])
    for pixel in pixels[1:]:
        move(viewport, pixel, LEFT, SHIFT)
    qtbot.mouseRelease(viewport, LEFT, SHIFT, pixels[-1])
    ((polygon, modifiers),) = heard
    assert modifiers & SHIFT
    assert polygon == pytest.approx(corners, abs=0.01)
    inside = shown.inside(polygon)
    edge, to_point = np.roll(corners, -1, 0) - corners, groups[0].xy[:, None] - corners
    margin = (edge[:, 0] * to_point[..., 1] - edge[:, 1] * to_point[..., 0]).min(axis=1)
    assert set(np.flatnonzero(margin > 0.02)) <= set(inside["one"].tolist())
    assert set(inside["one"].tolist()) <= set(np.flatnonzero(margin > -0.02))
    assert inside["path"].tolist() == [2]
    shown.legend.set_hidden("one", True)
    assert "one" not in shown.inside(polygon)


def test_polygons_of_any_shape():
    from matplotlib.path import Path

    random = np.random.default_rng(3)
    points = random.uniform(-1, 1, (4000, 2))
    angle = np.sort(random.uniform(0, 2 * np.pi, 40))
    star = np.column_stack([np.cos(angle), np.sin(angle)]) * random.uniform(0.2, 1, 40)[:, None]
    assert (inside_polygon(*points.T, star) == Path(star).contains_points(points)).mean() == 1.0


def test_zoom_is_kept_and_a_double_click_shows_all(qtbot, plot):
    shown = plot()
    two_series(shown)
    shown.canvas.view.scaleBy((0.5, 0.5))
    shown.canvas.view.sigRangeChangedManually.emit([True, True])
    zoomed = shown.canvas.view.viewRange()
    shown.set_window(0, 4, 0, 50)
    assert shown.canvas.view.viewRange() == zoomed
    double_click(qtbot, shown.canvas.viewport(), QPoint(150, 80))
    assert shown.canvas.view.viewRange()[1] == pytest.approx([0, 50])


def test_a_double_click_on_a_point_resets_and_does_not_pick(qtbot, plot):
    shown, heard = plot(), []
    two_series(shown)
    settle(qtbot, shown)
    shown.point_clicked.connect(lambda *args: heard.append(args[:2]))
    shown.background_clicked.connect(lambda: heard.append("background"))
    viewport, at = shown.canvas.viewport(), position_of(shown, "b", 1).toPoint()
    shown.canvas.view.setRange(xRange=(1.5, 2.5), yRange=(8, 12), padding=0)
    at = position_of(shown, "b", 1).toPoint()
    double_click(qtbot, viewport, at)
    assert shown.canvas.view.viewRange()[0] == pytest.approx([0, 4])
    qtbot.wait(LONGEST_MS + 50)
    assert heard == [], "the first half of a double click picks nothing"
    at, other = position_of(shown, "b", 1).toPoint(), position_of(shown, "a", 2).toPoint()
    qtbot.mouseClick(viewport, LEFT, pos=at)
    qtbot.mouseClick(viewport, LEFT, pos=other)
    assert heard == [("b", 1)], "a click elsewhere makes the one before it sure"
    qtbot.waitUntil(lambda: heard == [("b", 1), ("a", 2)])
    qtbot.mouseClick(viewport, LEFT, pos=at)
    shown.clear_pickable()
    qtbot.wait(LONGEST_MS + 50)
    assert len(heard) == 2, "what has gone meanwhile is not picked"


def test_a_crosshair_reads_values_back(qtbot, plot):
    shown = plot(log_y=True)
    shown.add_line("a", "series:0").setData([1, 2], [1.0, 100.0])
    shown.set_crosshair(lambda x, y: f"{x:.1f} at {y:.0f}")
    shown.set_window(0, 4, 0, 2)
    settle(qtbot, shown)
    x, y = shown.canvas.to_pixels(np.array([2.0]), np.array([1.0]))
    move(shown.canvas.viewport(), QPointF(float(x[0]), float(y[0])).toPoint())
    assert shown._label.isVisible()
    assert shown._label.text() == "2.0 at 10"
    shown.set_message("Nothing here.")
    assert shown.message == "Nothing here."
    assert not shown._label.isVisible()


# legend, readout, matrix --------------------------------------------------------------------------------
def test_a_click_in_the_legend_hides_the_series(qtbot, plot):
    shown = plot()
    line = shown.add_line("a", "series:0")
    shown.legend.set_entries([Entry("a", "first", "series:0"), Entry("b", "second", "series:1", dash=1)])
    box = shown.legend.line.placed[0].box
    qtbot.mouseClick(shown.legend, LEFT, pos=box.center().toPoint())
    assert not line.isVisible()
    qtbot.mouseClick(shown.legend, LEFT, pos=box.center().toPoint())
    assert line.isVisible()


LONG = "silicon_nvt_2000K_from_a_very_long_name_{}.extxyz"


@pytest.mark.parametrize("width", [140, 220, 262, 360, 700, 1500])
@pytest.mark.parametrize("n", [1, 2, 6, 30])
def test_a_legend_takes_one_line_and_cuts_names_in_the_middle(plot, width, n):
    shown = plot(width=width)
    shown.set_labels("Volume (Å³/atom)", "Energy relative to the reference (meV/atom)", "E (meV/atom)")
    entries = [Entry(str(i), LONG.format(i), "series:0", "points", tail=f" {i}.5") for i in range(n)]
    shown.legend.set_entries([*entries, Entry("ramp", "−1.25 … 3.5 meV", "text", "ramp", ramp=("#000000",))])
    legend, line, metrics = shown.legend, shown.legend.line, QFontMetricsF(font())
    assert legend.height() <= 1.5 * metrics.height()
    boxes = [placed.box for placed in line.placed] + ([line.more_box] if line.more else [])
    left = metrics.horizontalAdvance(line.title)
    for box in boxes:
        assert left < box.left()
        left = box.right()
    assert left <= width
    assert len(line.placed) + len(line.folded) == n + 1
    for placed in line.placed:
        text = placed.text + placed.entry.tail
        assert metrics.horizontalAdvance(text) <= placed.box.width()
        if placed.entry.kind == "ramp":
            assert placed.text == placed.entry.label, "numbers are never cut"
        else:
            assert placed.text.endswith(".extxyz")
            assert placed.text == placed.entry.label or "…" in placed.text
            assert LONG.format(placed.entry.key) in legend.tip_at(placed.box.center())
    if width == 1500:
        assert line.title.startswith("Energy") == (n < 3)


def test_short_names_are_not_cut_in_a_legend(plot):
    shown = plot(width=330)
    names = ["reference", "npt-networks", "nvt-networks", "left open", "in reach"]
    shown.legend.set_entries([Entry(name, name, "series:0") for name in names])
    line = shown.legend.line
    assert line.folded and [placed.text for placed in line.placed] == names[: len(line.placed)]


def test_names_that_begin_alike_are_told_apart():
    metrics = QFontMetricsF(font())
    names = ["si100-2x2-100K.extxyz", "si100-2x2.extxyz", "si100-2x2-1000K.extxyz"]
    room = metrics.horizontalAdvance("si100-2x2-10.extxyz")
    cut = told_apart(names, metrics, room)
    assert cut == ["…2x2-100K.extxyz", "…2x2.extxyz", "…2x2-1000K.extxyz"]
    assert told_apart(names, metrics, 1000.0) == names
    assert told_apart(["same", "same"], metrics, 1.0)[0] == told_apart(["same"], metrics, 1.0)[0]


def test_what_a_legend_folds_is_listed_by_a_click(qtbot, plot):
    shown = plot(width=262)
    lines = [shown.add_line(str(i), f"series:{i}") for i in range(9)]
    shown.legend.set_entries([Entry(str(i), LONG.format(i), f"series:{i}") for i in range(9)])
    more = shown.legend.line
    assert more.more == f"+{len(more.folded)} more"
    assert LONG.format(8) in shown.legend.tip_at(more.more_box.center())
    qtbot.mouseClick(shown.legend, LEFT, pos=more.more_box.center().toPoint())
    (listed,) = shown.findChildren(LegendList)
    assert listed.isVisible()
    listed.grab()
    qtbot.mouseClick(listed, LEFT, pos=listed.box_of(8).center().toPoint())
    assert (lines[7].isVisible(), lines[8].isVisible()) == (True, False)
    qtbot.mouseClick(listed, LEFT, pos=listed.box_of(8).center().toPoint())
    assert lines[8].isVisible()
    listed.close()


def test_long_names_take_further_lines_and_are_cut_only_in_the_last(qapp):
    metrics, name = QFontMetrics(font()), "Surface_111_relaxed_with_adatoms"
    assert in_lines(name, metrics, 1000.0, 3) == [name]
    width = metrics.horizontalAdvance("Surface_111_rela")
    lines = in_lines(name, metrics, width, 3)
    assert "".join(lines) == name and lines[0] == "Surface_111_"
    assert all(metrics.horizontalAdvance(line) <= width for line in lines)
    cut = in_lines(name, metrics, width, 2)
    assert len(cut) == 2 and cut[0] == "Surface_111_" and "…" in cut[1] and cut[1].endswith("s")


def test_names_keep_their_extension():
    metrics = QFontMetricsF(font())
    for name, end in (
        ("a" * 60 + ".xyz", ".xyz"),
        ("run 1.extxyz.gz" * 3, ".gz"),
        ("b" * 50 + " 300.5", "5"),
    ):
        for width in (60, 120, 200):
            cut = shortened(name, metrics, width)
            assert cut.endswith(end)
            assert "…" in cut
            assert metrics.horizontalAdvance(cut) <= width
    assert shortened("short.xyz", metrics, 500) == "short.xyz"
    sliced = "silicon_from_far_away.extxyz@0:10 (valid)"
    assert shortened(sliced, metrics, 170).endswith(".extxyz@0:10 (valid)")
    assert shortened(sliced, metrics, 110).endswith(".extxyz…")


def test_readout_drops_cells_rather_than_clip(qtbot):
    readout = Readout()
    qtbot.addWidget(readout)
    readout.set_cells([Cell(f"head {i}", "−123.45", "ref") for i in range(8)], ("NN", "ref"))
    for width in (150, 344, 900):
        readout.resize(width, readout.height())
        boxes = [box for _, box in readout._boxes()]
        assert boxes[-1].right() <= width
        assert all(a.right() + 5 < b.left() for a, b in pairwise(boxes))
    assert len(readout._boxes()) == 8


def test_matrix_numbers_and_clicks(qtbot):
    view = MatrixView()
    qtbot.addWidget(view)
    view.resize(344, 180)
    values = np.array([[1.0, 0.254, np.nan], [0.254, 1.0, 0.9], [np.nan, 0.9, 1.0]])
    view.set_matrix(["bulk", "surface", "a rather long name"], values, ["series:0"] * 3, marked=(0, 1))
    view.show()
    assert view.number(0, 1) == "0.25"
    assert view.number(0, 2) == "–"
    with qtbot.waitSignal(view.cell_clicked) as got:
        qtbot.mouseClick(view, LEFT, pos=view.cell_rect(2, 1).center().toPoint())
    assert got.args == [2, 1]
    assert view.cell_rect(2, 2).right() <= 344
    assert heat_color(0.0).lightnessF() > heat_color(0.5).lightnessF() > heat_color(1.0).lightnessF()


# values -------------------------------------------------------------------------------------------------
def test_colors_of_values():
    values = np.array([-2.0, 0.0, 2.0, np.nan])
    rgb = to_rgb(values, (-2.0, 2.0), True)
    low, high = ramp(True)[0], ramp(True)[-1]
    assert "#{:02x}{:02x}{:02x}".format(*rgb[0]) == low
    assert "#{:02x}{:02x}{:02x}".format(*rgb[2]) == high
    assert rgb[1].min() > 200
    assert rgb[3].tolist() == [128, 128, 128]
    assert limits_of(np.array([-1.0, 3.0]), True) == pytest.approx((-2.92, 2.92))
    assert limits_of(np.array([np.nan]), False) == (0.0, 1.0)
    assert limits_of(np.full(5, 7.0), False) == (6.5, 7.5)


@pytest.mark.parametrize("values", [np.empty(0), np.full(9, np.nan), np.full(9, 2.0), np.arange(900.0)])
def test_histograms_count_every_finite_value(values):
    counts, edges = bins_of(values)
    assert counts.sum() == np.isfinite(values).sum()
    assert len(edges) == (len(counts) + 1 if len(counts) else 0)


# theme and redraw rate ----------------------------------------------------------------------------------
def test_plots_follow_the_theme(plot, qapp):
    shown = plot()
    line = shown.add_line("a", "series:0", dash=1)
    points = shown.add_points("r", "reference")
    try:
        for mode, expected in (("light", LIGHT), ("dark", DARK)):
            theme.set_mode(mode)
            assert line.opts["pen"].color().name() == expected.okabe_ito[0].lower()
            assert line.opts["pen"].dashPattern() == list(DASHES[1])
            assert points.opts["brush"].color().name() == expected.reference
            assert shown.canvas.backgroundBrush().color() == ink("panel")
    finally:
        theme.set_mode("system")


def test_many_requests_are_one_redraw_and_none_while_hidden(qtbot):
    widget, calls = QWidget(), []
    qtbot.addWidget(widget)
    throttle = Throttle(lambda: calls.append(1), widget, interval_ms=20)
    for _ in range(50):
        throttle.request()
    qtbot.wait(60)
    assert calls == []
    widget.show()
    qtbot.waitUntil(lambda: calls == [1])
    for _ in range(50):
        throttle.request()
    qtbot.waitUntil(lambda: not throttle._timer.isActive() and not throttle._missed)
    assert calls == [1, 1]
    throttle.request()
    widget.hide()
    qtbot.wait(50)
    assert calls == [1, 1]


@pytest.mark.parametrize("length", [80, 380, 800, 1600])
@pytest.mark.parametrize(("low", "high"), [(17.1, 23.3), (0.0, 1.83), (-20.0, 26.0), (0.0, 1e-3)])
def test_numbers_of_a_horizontal_axis_do_not_touch(qapp, length, low, high):
    from PySide6.QtGui import QFontMetricsF

    from app.look.ink import font
    from app.plots.axis import ValueAxis

    ((step, values), *_) = ValueAxis("bottom").tickValues(low, high, length)
    texts = ValueAxis("bottom").tickStrings(values, 1.0, step)
    widest = max(QFontMetricsF(font()).horizontalAdvance(text) for text in texts)
    assert len(values) < 2 or widest < (values[1] - values[0]) / (high - low) * length


def test_a_refilled_box_keeps_what_was_chosen(qtbot):
    chosen: list[object] = []
    parent = QWidget()
    qtbot.addWidget(parent)
    box = choice_box(parent, "tip", lambda: chosen.append(box.currentData()))
    refill(box, [("one", 1), ("two", 2), ("three", 3)], default=2)
    assert box.currentData() == 2
    refill(box, [("none", None), ("two", 2)], default=None)
    assert (box.count(), box.currentText()) == (2, "two")
    refill(box, [("none", None), ("four", 4)])
    assert box.currentText() == "none"
    assert chosen == [], "only a user's choice is told"
    box.activated.emit(1)
    assert len(chosen) == 1


def test_a_label_breaks_at_spaces_and_elides_its_last_line(qtbot):
    label = NoteLabel(lines=2)
    qtbot.addWidget(label)
    text = "several words that need some room " * 4
    label.set_text(text, "warning", tip="all of it")
    label.resize(220, 60)
    assert len(label.shown_lines()) == 2
    assert label.shown_lines()[-1].endswith("…")
    assert (label.text(), label.toolTip(), label.color) == (text, "all of it", "warning")
    label.resize(4000, 60)
    assert " ".join(label.shown_lines()) == text
    assert label.minimumSizeHint().height() < label.fontMetrics().height() * 2
    label.lines = 40
    for width in range(120, 620):
        label.resize(width, 60)
        assert " ".join(label.shown_lines()) == text, width


def test_labels_of_ticks_at_the_edges_are_moved_into_the_canvas():
    def at(left, width=30.0):
        return QRectF(left, 0.0, width, 12.0), 0, f"{left:g}"

    assert within([at(10.0), at(60.0), at(95.0)], 0.0, 130.0) == [at(60.0), at(10.0), at(95.0)]
    moved = {text: rect.left() for rect, _, text in within([at(-8.0), at(60.0), at(115.0)], 0.0, 130.0)}
    assert moved == {"-8": 0.0, "60": 60.0, "115": 100.0}
    assert [text for _, _, text in within([at(60.0), at(98.0), at(125.0)], 0.0, 130.0)] == ["60", "98"]


# curves of very many points ---------------------------------------------------------------------------
def shown_of(line):
    """Return what a line hands to the painter."""
    return line.curve.getData()


@pytest.mark.parametrize("log_y", [False, True])
def test_very_many_points_are_thinned_and_nothing_seen_is_lost(plot, qtbot, log_y):
    made, random = plot(width=700, log_y=log_y), np.random.default_rng(0)
    line, n = made.add_line("a", "series:0"), 100_000
    x, y = np.arange(n, dtype=float), 1.0 + np.abs(random.normal(size=n))
    peaks = np.append(np.arange(707, 30_000, 1500), n - 1)  # the last point is one
    y[peaks] = 50.0 + np.arange(len(peaks))
    y[30_000:40_000:2] = np.nan  # peaks beside values that are missing
    y[35_001] = 90.0
    line.setData(x, y)
    settle(qtbot, made)
    drawn_x, drawn_y = shown_of(line)
    wanted_x, wanted_y = np.append(peaks, 35_001), y[np.append(peaks, 35_001)]
    at = np.searchsorted(drawn_x, wanted_x)
    np.testing.assert_array_equal(drawn_x[at], wanted_x)
    np.testing.assert_allclose(drawn_y[at], np.log10(wanted_y) if log_y else wanted_y)
    assert len(drawn_x) < 10_000 and drawn_x[0] == 0.0
    made.canvas.view.setXRange(50_000, 50_200, padding=0)
    settle(qtbot, made)
    near = shown_of(line)[0]
    assert np.isin(np.arange(50_000, 50_201), near).all() and len(near) < 3_000
    made.show_all()
    settle(qtbot, made)
    (left, right), (_, top) = made.canvas.view.viewRange()
    assert left <= 0.0 and right >= n - 1 and top >= (np.log10(90.0) if log_y else 90.0)


def test_thinned_points_tell_each_bin_apart():
    random = np.random.default_rng(1)
    x, y = np.arange(20_000.0), random.normal(size=20_000)
    y[random.integers(0, len(y), 500)] = np.nan
    kept = telling(x, y, 5_000.0, 14_999.0, 101)
    assert (np.diff(kept) > 0).all() and {0, len(x) - 1} <= set(kept.tolist())
    for first, last in pairwise(np.linspace(5_000, 15_000, 101).astype(int)):
        inside = kept[(kept >= first) & (kept < last)]
        assert np.nanmax(y[inside]) == np.nanmax(y[first:last]) and {first, last - 1} <= set(inside.tolist())
        assert np.nanmin(y[inside]) == np.nanmin(y[first:last])
        assert np.isnan(y[inside]).any() == np.isnan(y[first:last]).any()
    assert len(telling(x, np.ones(len(x)), 0.0, 20_000.0, 100)) <= 2 * 100 + 10
