"""Publication figures: the right series in them, and files that other programs can open."""

from __future__ import annotations

import ast
import re
import threading
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.text import Text

from app.plots.eos_plot import EosPlot
from nnpcore import figures
from nnpcore.errors import AnalysisError, RunFolderError
from nnpcore.figures import EosSeries, ParitySeries, PointSeries, names
from nnpcore.figures.drawing import tables_of
from nnpcore.figures.eos import _fit_cells, dense, energy_zero, eos_window, spline
from nnpcore.figures.series import (
    Ending,
    crystal_curve,
    ending_of,
    history_table,
    kept_rmse,
    known_quantities,
    rmse_series,
    smoothed,
)
from nnpcore.mapping import EosCurve, analyse_eos, bracket_from_distances, connectivity
from nnpcore.mapping.eos_fit import EosFit
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import EpochRecord
from nnpcore.training.history import Rmse, energy_rmse


@pytest.fixture(scope="module")
def scan() -> tuple[np.ndarray, np.ndarray]:
    """Volumes (Å³/atom) and energies (eV/atom) of the silicon crystal."""
    frames = read_dataset(str(example_path("eos"))).frames
    return np.array([f.volume / f.n_atoms for f in frames]), np.array([f.energy / f.n_atoms for f in frames])


def eos_series(scan, name: str, slope: float, color: str, dash: int = 0) -> EosSeries:
    volumes, energies = scan
    offsets = slope * np.array([0.5, 1.0, 1.5])[:, None] * (volumes - 20.6)
    curve = EosCurve("Si", volumes, energies + offsets, energies, np.arange(len(volumes)))
    bracket = bracket_from_distances(volumes, 1.0 + abs(volumes - 20.6), 20.6, 2.2)
    return EosSeries(name, curve, analyse_eos(curve, bracket), bracket, color, dash)


def history(n_epochs: int = 8) -> list[EpochRecord]:
    def rmse(value: float) -> Rmse:
        return Rmse(members=value * np.array([0.8, 1.3]), mean=value)

    return [
        EpochRecord(
            epoch=e,
            seconds=0.5 * e,
            optimizer="adam",
            train={"energy": rmse(10.0 / e), "force": rmse(1.0 / e)},
            valid={"energy": rmse(12.0 / e) if e != 4 else rmse(np.nan), "force": rmse(1.2 / e)},
            alive=np.ones(2, dtype=bool),
        )
        for e in range(1, n_epochs + 1)
    ]


def lines_by_label(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): np.column_stack(line.get_data()) for line in axes.lines}


# series -------------------------------------------------------------------------------------------------
def test_the_paper_figure_holds_both_runs_and_the_reference(scan):
    volumes, energies = scan
    runs = [eos_series(scan, "NVT", 0.03, "#0072B2"), eos_series(scan, "NPT", 0.002, "#D55E00", 1)]
    (axes,) = figures.eos_figure(runs).axes
    lines = lines_by_label(axes)
    e0 = runs[0].report.reference_fit.e0
    assert lines["reference"] == pytest.approx(np.column_stack([volumes, 1000 * (energies - e0)]))
    for run in runs:
        drawn = lines[run.name]
        at = np.searchsorted(drawn[:, 0], volumes)
        assert drawn[at, 1] == pytest.approx(1000 * (run.curve.mean - e0))
    named = [line for line in axes.lines if line.get_label() in ("NVT", "NPT")]
    looks = [(line.get_color(), line.get_linestyle()) for line in named]
    assert looks == [("#0072B2", "-"), ("#D55E00", "--")]
    shades = axes.collections
    assert len(shades) == 2
    top = shades[0].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1000 * (runs[0].curve.mean + runs[0].curve.std - e0).max(), rel=1e-6)
    brackets = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert [line.get_xdata()[0] for line in brackets] == [run.bracket.low for run in runs]
    assert axes.get_xlabel() == "Volume (Å³/atom)"
    assert "reference minimum (meV/atom)" in axes.get_ylabel()
    members = figures.eos_figure(runs[:1], members=True).axes[0]
    assert len(members.lines) == len(axes.lines) - 2 + 3


def test_training_figure_holds_the_history():
    records = history()
    mapping = crystal_curve(np.arange(1.0, 9.0), np.linspace(30, -4, 8))
    axes = figures.training_figure(records, mapping=[mapping]).axes
    assert [a.get_ylabel() for a in axes] == [
        "Energy RMSE (meV/atom)",
        "Force RMSE (eV/Å)",
        "|Mapping error| (meV/atom)",
    ]
    lines = lines_by_label(axes[0])
    assert lines["training"][:, 1] == pytest.approx([r.train["energy"]["mean"] for r in records])
    assert np.isnan(lines["validation"][3, 1])
    assert lines["validation"][4, 1] == pytest.approx(12.0 / 5)
    assert {line.get_label(): line.get_linestyle() for line in axes[0].lines} == {
        "training": "--",
        "validation": "-",
        "each network at its best (last: 8)": "None",
    }
    assert axes[0].get_yscale() == "log"
    assert axes[2].lines[0].get_ydata() == pytest.approx(abs(mapping.errors))


UNITS = "meV|meV/atom|eV|eV/atom|eV/Å|GPa|THz|Å|Å³/atom|s|K|%|J/m²"
FORM = re.compile(rf"(\S[^()]*?)( \(({UNITS})\))?")
ROOT = Path(__file__).parents[1]


def test_axes_and_columns_are_named_in_one_form():
    """Quantity, then the unit in brackets, in the window, in figures and in tables."""
    constants = [v for k, v in vars(names).items() if k.isupper() and k != "QUANTITIES"]
    known = [n for v in constants for n in (v.values() if isinstance(v, dict) else [v])]
    known = [n for v in known for n in ([v] if isinstance(v, str) else v)]
    assert "Volume (Å³/atom)" in known and "Energy RMSE (meV/atom)" in known
    for path in [*(ROOT / "app" / "plots").glob("*.py"), *(ROOT / "nnpcore" / "figures").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
                "set_labels", "style_axes",
            ):  # fmt: skip
                texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
                known += [text for text in texts if isinstance(text, str) and text]
    known += [*history_table(history())]
    assert [name for name in known if not FORM.fullmatch(name)] == []
    assert names.column_name("Volume (Å³/atom)") == "volume (Å³/atom)"
    assert names.column_name("RMSE") == "RMSE"
    assert names.column_name("Eₐₜ (meV)") == "Eₐₜ (meV)"


def test_what_is_kept_and_where_it_ended_early():
    """The ring is where the potential's numbers come from, not where the curve is lowest."""
    records = [replace(r, best=r.epoch == 5, valid={"energy": r.valid["energy"]}) for r in history()]
    assert ending_of(records) == Ending(5)
    assert ending_of(records, 8) == Ending(5), "all epochs were run"
    assert ending_of(records, 20) == Ending(5, 8, 20, "it was stopped")
    assert ending_of(records, 20, why="it has converged").why == "it has converged"
    assert ending_of(records, 20, patience=3).why == "nothing became better in 3 epochs"
    assert ending_of(records, 20, patience=4).why == "it was stopped"
    assert ending_of([], 20) == Ending()
    axes = figures.training_figure(records, ending=ending_of(records, 20)).axes[0]
    lines = lines_by_label(axes)
    assert lines["each network at its best (last: 5)"] == pytest.approx(
        np.array([[5.0, energy_rmse(records)]])
    )
    assert lines["ended at 8 of 20"][:, 0].tolist() == [8, 8]
    kept = {"energy": {"mean": 0.5, "members": np.array([1.0, 2.0])}}
    records[4] = replace(records[4], kept=kept)
    lines = lines_by_label(figures.training_figure(records, ending=ending_of(records, 20)).axes[0])
    assert lines["each network at its best (last: 5)"].tolist() == [[5.0, 0.5]], (
        "of the members as they are kept"
    )


def test_points_paths_and_values():
    random = np.random.default_rng(0)
    xy, path = random.normal(size=(4000, 2)), np.column_stack([np.arange(5.0), np.zeros(5)])
    groups = [PointSeries("nvt", xy, "#0072B2"), PointSeries("EOS", path, "#000000", path=True)]
    figure = figures.pca_figure(groups, "PC 1 (80 %)", "PC 2 (9 %)")
    (axes,) = figure.axes
    assert np.asarray(axes.collections[0].get_offsets()) == pytest.approx(xy)
    assert axes.collections[0].get_rasterized()
    assert lines_by_label(axes)["EOS"] == pytest.approx(path)
    assert [t.get_text() for t in axes.figure.legends[0].get_texts()] == ["nvt", "EOS"]
    both = [PointSeries("nvt", xy[:1500], "#0072B2"), PointSeries("npt", xy[1500:], "#D55E00", "s")]
    (axes,) = figures.pca_figure(both, "x", "y", window=(-1, 1, -2, 2)).axes
    drawn = np.concatenate([np.asarray(points.get_offsets()) for points in axes.collections])
    assert drawn[np.lexsort(drawn.T)] == pytest.approx(xy[np.lexsort(xy.T)])
    assert [t.get_text() for t in axes.figure.legends[0].get_texts()] == ["nvt", "npt"]
    assert all(points.get_rasterized() for points in axes.collections)
    assert axes.get_xlim() == (-1, 1)
    values = PointSeries("nvt", xy[:50], "#0072B2", values=xy[:50, 0])
    axes, bar = figures.pca_figure([values], "x", "y", value_label="Eₐₜ (meV)").axes
    assert np.asarray(axes.collections[0].get_array()) == pytest.approx(xy[:50, 0])
    assert bar.get_ylabel() == "Eₐₜ (meV)"


def test_connectivity_distance_and_parity(scan):
    random = np.random.default_rng(1)
    result = connectivity({"bulk": random.normal(size=(80, 3)), "surface": random.normal(size=(80, 3)) + 3})
    axes = figures.connectivity_figure(result, colors={"bulk": "#0072B2"}).axes[0]
    assert sorted(t.get_text() for t in axes.texts) == sorted(f"{v:.2f}" for v in result.matrix.ravel())
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(result.matrix)

    series = eos_series(scan, "NVT", 0.03, "#0072B2")
    usual = abs(random.normal(1, 0.3, 500))
    left, right = figures.distance_figure(series.curve.volumes, series.bracket, usual).axes
    assert sum(bar.get_height() for bar in left.patches) == 500
    assert lines_by_label(right)["invariant points"][:, 1] == pytest.approx(series.bracket.distances)

    reference = random.normal(size=60)
    energies = [ParitySeries("nvt", reference, reference + 0.5, "#0072B2")]
    assert energies[0].rmse == pytest.approx(0.5)
    many = np.repeat(reference, 100)
    figure = figures.parity_figure(energies, [ParitySeries("nvt", many, many + 0.25, "#0072B2")])
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["nvt (0.5 meV/atom, 0.25 eV/Å)"]
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert legend.get_window_extent().y0 >= axes.get_window_extent().y1, "above the points"
        assert axes.get_window_extent().width > 150
    axes, _ = figure.axes
    assert np.asarray(axes.collections[0].get_offsets())[:, 1] == pytest.approx(reference + 0.5)
    assert axes.get_xlim() == axes.get_ylim()


def test_nothing_to_draw_is_said():
    for draw in (
        lambda: figures.eos_figure([]),
        lambda: figures.training_figure([]),
        lambda: figures.pca_figure([], "x", "y"),
        lambda: figures.parity_figure([], []),
    ):
        with pytest.raises(AnalysisError, match=r"there (is|are) no"):
            draw()


# files --------------------------------------------------------------------------------------------------
def test_files_can_be_opened(tmp_path):
    from PIL import Image

    figure = figures.training_figure(history(), title="a run")
    for suffix in figures.SUFFIXES:
        figures.save_figure(figure, tmp_path / f"new folder/training.{suffix}")
    folder = tmp_path / "new folder"
    image = Image.open(folder / "training.png")
    assert image.size[0] > 1200
    assert image.info["dpi"] == pytest.approx((300, 300), abs=1)
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    root = ElementTree.parse(folder / "training.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "Energy RMSE (meV/atom)" in (folder / "training.svg").read_text(encoding="utf-8")
    content = (folder / "training.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"%%EOF" in content[-16:]
    assert sorted(p.name for p in folder.iterdir()) == ["training.pdf", "training.png", "training.svg"]


def test_bad_paths_are_refused(tmp_path):
    figure = figures.training_figure(history(2))
    with pytest.raises(AnalysisError, match=r"'\.gif'"):
        figures.save_figure(figure, tmp_path / "a.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError):
        figures.save_figure(figure, tmp_path / "file" / "a.png")


def test_figures_from_several_threads(tmp_path, scan):
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            figure = figures.eos_figure([eos_series(scan, f"run {number}", 0.01 * number, "#0072B2")])
            figures.save_figure(figure, tmp_path / f"{number}.svg")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for number in range(4):
        assert f"run {number}" in (tmp_path / f"{number}.svg").read_text(encoding="utf-8")


# numbers behind them ------------------------------------------------------------------------------------
def test_splines_go_through_their_points_and_know_cubics():
    x = np.array([1.0, 1.3, 2.0, 2.2, 3.1, 4.0])
    cubic = np.polynomial.Polynomial([1.0, -2.0, 0.5, 0.3])
    at = dense(x)
    assert set(x) <= set(at)
    assert spline(x, cubic(x), at) == pytest.approx(cubic(at))
    y = np.random.default_rng(2).normal(size=(3, 6))
    assert spline(x, y, x) == pytest.approx(y)
    assert spline(x[:3], np.array([1.0, 2.0, 4.0]), np.array([1.15])) == pytest.approx([1.5])
    assert np.isnan(spline(x, np.full(6, np.nan), at)).all()
    gappy = cubic(x)
    gappy[2] = np.nan
    assert spline(x, gappy, at) == pytest.approx(cubic(at))


def test_the_window_holds_brackets_and_curves(scan):
    runs = [eos_series(scan, "NVT", 0.03, "#0072B2")]
    zero = energy_zero(runs)
    low, high, bottom, top = eos_window(runs, zero)
    volumes = scan[0]
    assert low < runs[0].bracket.low < runs[0].bracket.high < high
    assert np.abs(volumes[:, None] - [low, high]).min() > 0.02 * (high - low), "no point is cut by an edge"
    seen = (volumes >= low) & (volumes <= high)
    mean = 1000 * (runs[0].curve.mean - zero.energy)[seen]
    assert bottom < mean.min() <= mean.max() < top


def test_a_wide_shade_does_not_flatten_the_curves(scan):
    wide = eos_series(scan, "NVT", 0.03, "#0072B2")
    spread = np.array([-6.0, 0.0, 6.0])[:, None]
    wide = replace(wide, curve=replace(wide.curve, energies=wide.curve.energies + spread))
    zero = energy_zero([wide])
    low, high, bottom, top = eos_window([wide], zero)
    seen = (scan[0] >= low) & (scan[0] <= high)
    lines = 1000 * (np.stack([wide.curve.mean, wide.curve.reference]) - zero.energy)[:, seen]
    assert top - bottom < 3.0 * (lines.max() - min(lines.min(), 0.0))


OPENED = "left open by the data"


def test_what_is_left_open_is_named_and_the_shade_stays(scan, qtbot):
    """Where the data leave the curve open, and how the members differ, are two things."""
    item = eos_series(scan, "NVT", -0.003, "#0072B2")
    left = np.where(scan[0] > 20.4, 40.0, 1.0)
    item = replace(item, foretold=left)
    figure = figures.eos_figure([item], table=True)
    shade = figure.axes[0].collections[0].get_paths()[0].vertices
    assert shade[:, 0].max() == pytest.approx(scan[0][-1])
    (legend,) = figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert OPENED in said and "± foretold" in said
    report = item.report
    assert report is not None and report.slope_error_gpa is not None
    cells = [area.get_text() for area in tables_of(figure)[0].findobj(Text)]
    for value, std, form in (
        (report.slope_error_gpa, report.slope_std_gpa, ".2f"),
        (report.rmse_in_bracket_mev, report.std_in_bracket_mev, ".1f"),
    ):
        sign = "−" if value < 0 else "+" if form == ".2f" else ""
        assert f"{sign}{abs(value):{form}} ± {std:{form}}" in cells
    shown = EosPlot()
    qtbot.addWidget(shown)
    shown.resize(600, 400)
    shown.show()
    shown.show_series([item])
    assert OPENED in [placed.text + placed.entry.tail for placed in shown.legend.line.placed], "not folded"
    assert (shown.bands[0].curves[2] > shown.bands[0].curves[1])[-1]
    named = {entry.key: entry.text for entry in shown.legend.entries}
    assert named["open"] == OPENED and len(shown.strip.ranges) == 1
    shown.show_series([replace(item, foretold=np.ones(len(left)))])
    assert "open" not in {entry.key for entry in shown.legend.entries}


def test_histories_as_curves_and_columns():
    records = history()
    assert known_quantities(records) == ["energy", "force"] and known_quantities([]) == []
    assert rmse_series(records, "valid", "energy").epochs.tolist() == list(range(1, 9))
    assert kept_rmse(records, "energy") == 1.5 and np.isnan(kept_rmse(records, "stress"))
    low = rmse_series(records, "valid", "force").low
    assert low == pytest.approx([0.8 * 1.2 / e for e in range(1, 9)])
    assert not rmse_series(records, "train", "stress").known
    assert rmse_series([], "train", "energy").members.shape == (0, 0)
    table = history_table(records)
    assert table["train energy RMSE, member 2 (meV/atom)"] == pytest.approx([13.0 / e for e in range(1, 9)])
    assert len({len(values) for values in table.values()}) == 1


def test_smoothing():
    values = np.array([8.0, np.nan, 2.0, 0.0, 4.0])
    assert np.array_equal(smoothed(values, 0.0), values, equal_nan=True)
    assert smoothed(np.full(20, 3.0), 0.9) == pytest.approx(3.0)
    soft = smoothed(values, 0.5)
    assert np.isnan(soft[1])
    assert soft[0] == pytest.approx(8.0)
    assert soft[2] == pytest.approx(np.exp((0.25 * np.log(8) + 0.5 * np.log(2)) / 0.75))
    assert soft[3] == 0.0


def test_numbers_of_a_fit_have_a_minus_and_no_hyphen():
    fit = EosFit(20.0, -5.0, -8.3, -1.2, 0.0, 7, 18.0, 22.0, 0.1, 1.0)
    assert [text.lstrip("≈") for text in _fit_cells(fit)] == ["20.00", "−8.3", "−1.2"]
