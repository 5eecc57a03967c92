"""Lines around the densest parts of clouds of points: shares, shapes, in the window and in figures."""

from __future__ import annotations

import numpy as np
import pytest

from app.plots.pca_plot import CloudGroup, PcaPlot
from app.widgets.lasso import inside_polygon
from nnpcore import figures
from nnpcore.figures import PointSeries
from nnpcore.mapping.density import FEWEST, SHARES, DensityLine, density_lines


def held(xy: np.ndarray, line: DensityLine) -> float:
    """Return the share of points inside; a line within another is the rim of a hole."""
    inside = np.zeros(len(xy), dtype=bool)
    for part in line.lines:
        assert part[0] == pytest.approx(part[-1]), "it is closed"
        inside ^= inside_polygon(xy[:, 0], xy[:, 1], part)
    return float(inside.mean())


def clouds() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    angle = random.uniform(0, 2 * np.pi, 5000)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * random.normal(1, 0.08, (5000, 1))
    two = np.concatenate([random.normal(size=(3000, 2)), 0.1 * random.normal(size=(1000, 2)) + (8, 3)])
    far = np.concatenate([1e-3 * random.normal(size=(3000, 2)), 10 * random.normal(size=(20, 2))])
    return {"stretched": random.normal(size=(4000, 2)) * (30, 0.1), "two": two, "ring": ring, "far": far}


@pytest.mark.parametrize("name", ["stretched", "two", "ring", "far"])
def test_lines_hold_the_share_they_state(name):
    xy = clouds()[name]
    found = density_lines(xy)
    assert [line.share for line in found] == sorted(SHARES, reverse=True)
    for line in found:
        assert held(xy, line) == pytest.approx(line.share, abs=0.01)
    assert len(found[0].lines) == {"two": 2, "ring": 2}.get(name, 1)


def test_lines_of_a_gaussian_are_the_circles_known_for_it():
    xy = np.random.default_rng(6).normal(size=(100_000, 2))
    for line in density_lines(xy):
        (circle,) = line.lines
        radii = np.hypot(*circle.T)
        assert radii.mean() == pytest.approx(np.sqrt(-2 * np.log(1 - line.share)), rel=0.02)
        assert radii.std() < 0.05 * radii.mean()


def test_no_lines_where_there_is_no_density():
    random = np.random.default_rng(7)
    assert density_lines(random.normal(size=(FEWEST - 1, 2))) == ()
    assert density_lines(np.ones((500, 2))) == ()
    assert density_lines(np.column_stack([random.normal(size=500), np.zeros(500)])) == ()
    known = random.normal(size=(500, 2))
    with_gaps = np.concatenate([known, np.full((100, 2), np.nan)])
    for line, same in zip(density_lines(with_gaps), density_lines(known), strict=True):
        assert np.concatenate(line.lines) == pytest.approx(np.concatenate(same.lines))


def test_the_map_draws_lines_for_the_groups_shown(qtbot):
    plot, two = PcaPlot(), clouds()["two"]
    qtbot.addWidget(plot)
    groups = [
        CloudGroup("a", "a", two[:3000], "series:0", "o", False, None, str),
        CloudGroup("b", "b", two[3000:], "series:1", "s", False, None, str),
        CloudGroup("path", "path", two[:5], "series:2", "o", True, None, str),
    ]
    plot.show_groups(groups)
    assert plot.density == ()
    before = plot.canvas.view.viewRange()
    plot.set_density(True)
    assert [(key, color, len(lines)) for key, color, lines in plot.density] == [
        ("a", "series:0", 3), ("b", "series:1", 3)
    ]  # fmt: skip
    assert plot.density_lines.boundingRect().right() == pytest.approx(8.4, abs=0.3)
    assert plot.canvas.view.viewRange() == before
    plot.legend.toggle(next(entry for entry in plot.legend.entries if entry.key == "b"))
    assert [key for key, _, _ in plot.density] == ["a"]
    plot.set_density(False)
    assert plot.density == () and plot.density_lines.boundingRect().isEmpty()


def test_figures_have_the_lines_of_each_group_and_say_what_they_hold():
    xy = clouds()["stretched"]
    group = PointSeries("nvt", xy, "#0072B2", density=density_lines(xy))
    (axes,) = figures.pca_figure([group], "x", "y").axes
    drawn = [line for line in axes.lines if np.size(line.get_xdata())]
    assert [line.get_color() for line in drawn] == ["#0072B2"] * 3
    assert np.asarray(drawn[0].get_xydata()) == pytest.approx(group.density[0].lines[0])
    (legend,) = axes.figure.legends
    assert "hold 50, 80, 95 % of the points" in [text.get_text() for text in legend.get_texts()]
