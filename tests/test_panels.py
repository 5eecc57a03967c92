"""The plot panels on a real training: what the user sees, picks and exports."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import (
    color_by_kind,
    dataset,
    message_of,
    position_of,
    replace_result,
    show_panel,
    wait_for,
)
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication

from app.documents.frame_refs import FrameRefs
from app.look import theme
from app.look.colormaps import map_colors
from app.look.ink import rgb_of
from app.panels.base import in_turns
from app.panels.connectivity_panel import ConnectivityPanel
from app.panels.distance_panel import DistancePanel
from app.panels.eos_panel import EosPanel
from app.panels.parity_panel import ParityPanel
from app.panels.pca_panel import PcaPanel
from app.panels.radial_panel import RadialPanel
from app.panels.training_panel import TrainingPanel
from app.session.session import Session
from app.settings import Settings
from app.widgets.redraw import SPACING_MS
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.distance import DISTANCE, REACH
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.inputs import CHOSEN_GROUPS
from nnpcore.analyses.parity import PARITY
from nnpcore.analyses.pca import MAP_DISTANCES, MAP_ENERGIES, PCA
from nnpcore.figures.eos import energy_zero
from nnpcore.figures.tables import write_csv
from nnpcore.structures import Role, example_path, read_dataset
from nnpcore.training import TrainSettings
from nnpcore.training.history import best_record

PANELS = (TrainingPanel, EosPanel, PcaPanel, ConnectivityPanel, DistancePanel, ParityPanel)
KINDS = (EOS, PCA, MAP_ENERGIES, DISTANCE, CONNECTIVITY)
LEFT, NO_KEYS = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def trained(qapp, tmp_path_factory) -> Iterator[Session]:
    """A session with two data sets, an EOS and a finished training on one of them, analyses included."""
    session = Session(Settings(folder=str(tmp_path_factory.mktemp("runs"))))
    for name, part, role in (
        ("nvt", "@0:10", Role.TRAINING),
        ("npt", "@0:4", Role.INSPECT),
        ("eos", "", Role.EOS),
    ):
        session.data.add(read_dataset(f"{example_path(name)}{part}"), role)
    settings = TrainSettings(hidden=(8,), n_members=3, epochs=4, stress_weight=1.0, n_threads=1)
    run_id = session.trainings.start(settings)
    assert run_id is not None
    run = session.runs.documents[run_id]
    wait_for(lambda: not run.state.active)
    session.runs.set_current(run_id)
    wait_for(lambda: all(run.result(kind) is not None for kind in KINDS) and not session.tasks.tasks)
    yield session
    session.shutdown()


@pytest.fixture
def shown(qtbot, trained):
    """Make a shown panel on the trained session, as wide as the right column on a small screen."""

    yield lambda kind, width=360, height=230, session=trained: show_panel(qtbot, kind(session), width, height)
    trained.selection.select([])
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def lit(panel):
    """The positions of the points lit up, (n, 2)."""
    found = [group.xy for group in panel.plot.chosen.groups]
    return np.vstack(found) if found else np.empty((0, 2))


@pytest.mark.parametrize("kind", [TrainingPanel, ParityPanel])
def test_a_panel_that_is_half_built_can_be_drawn(kind, qtbot, trained):
    """A slow machine draws between two parts."""
    with in_turns():
        panel = kind(trained)
    qtbot.addWidget(panel)
    panel.resize(900, 300)
    panel.show()
    while not panel.whole:
        panel.build_more()
        qtbot.wait(2 * SPACING_MS)


# training -----------------------------------------------------------------------------------------------
def test_training_curves_are_the_history(shown, trained):
    panel = shown(TrainingPanel, 1000)
    run = trained.runs.current
    epochs = [r.epoch for r in run.history]
    for quantity in ("energy", "force", "stress"):
        plot = panel.plots[quantity]
        assert plot.isVisible()
        for part in ("train", "valid"):
            x, y = plot.lines[part].getOriginalDataset()
            assert x.tolist() == epochs
            assert y.tolist() == [getattr(r, part)[quantity]["mean"] for r in run.history]
            assert plot.raw[part].getOriginalDataset()[0] is None or not len(plot.raw[part].xData)
        _, low, high = plot.band.curves
        members = np.array([r.valid[quantity]["members"] for r in run.history])
        assert low == pytest.approx(members.min(axis=1))
        assert high == pytest.approx(members.max(axis=1))
        kept = best_record(run.history)
        assert kept is not None
        ring = plot.ring.points()[0].pos()
        assert (ring.x(), 10 ** ring.y()) == (kept.epoch, pytest.approx(kept.valid[quantity]["mean"]))
    panel.log_axes.click()
    panel.refresh()
    for quantity in ("energy", "force", "stress"):
        plot = panel.plots[quantity]
        y = plot.ring.points()[0].pos().y()
        assert y == pytest.approx(kept.valid[quantity]["mean"]) and not plot.axis("left").logMode
        _, low, high = plot.band.curves
        assert plot.band.boundingRect().bottom() == pytest.approx(high.max())
    kept = f"finished   epoch {run.epoch} / 4   kept {run.best():.2f} meV/atom (epoch {kept.epoch})"
    assert panel.status.text().startswith(kept)
    assert panel.shared_legend.entries[-2].text == "each at its best"
    assert panel.shared_legend.entries[-1].label == f"last best: {best_record(run.history).epoch}"


def test_smoothing_keeps_the_raw_curve(shown, trained):
    panel = shown(TrainingPanel)
    panel.smoothing.setValue(60)
    panel.refresh()
    plot = panel.plots["energy"]
    raw = [r.valid["energy"]["mean"] for r in trained.runs.current.history]
    assert plot.raw["valid"].getOriginalDataset()[1].tolist() == raw
    smooth = plot.lines["valid"].getOriginalDataset()[1]
    assert smooth[0] == pytest.approx(raw[0])
    assert np.ptp(smooth) < np.ptp(raw)


def test_narrow_panels_show_one_quantity_and_wide_ones_all(qtbot, shown):
    panel = shown(TrainingPanel, width=520)
    assert [q for q, plot in panel.plots.items() if plot.isVisible()] == ["energy"]
    qtbot.mouseClick(panel.buttons["force"], LEFT)
    assert [q for q, plot in panel.plots.items() if plot.isVisible()] == ["force"]
    panel.resize(1000, 230)
    assert [q for q, plot in panel.plots.items() if plot.isVisible()] == ["energy", "force", "stress"]
    qtbot.mouseClick(panel.buttons["stress"], LEFT)
    assert not panel.plots["stress"].isVisible()
    assert not panel.buttons["stress"].isChecked()


def test_mapping_errors_are_those_monitored(shown, trained):
    panel = shown(TrainingPanel, 1000)
    run = trained.runs.current
    assert panel.mapping_plot.isVisible()
    curves = {curve.name: curve for curve in panel.mapping_curves(run)}
    errors = [r.mapping["E_at(V0)"] for r in run.history]
    assert curves["crystal at V₀"].errors.tolist() == errors
    assert panel.table()["mapping error, crystal at V₀ (meV/atom)"] == errors
    line = panel.mapping_plot._lines[0, "EOS rmse in range"]
    in_reach = [r.mapping["EOS rmse in range"] for r in run.history]
    assert line.getOriginalDataset()[1].tolist() == in_reach
    assert (0, "E_at(V0)") not in panel.mapping_plot._lines  # the error at V₀ hides what is wrong elsewhere


def test_without_a_monitor_the_eos_seen_while_training_is_kept(shown, trained):
    panel = shown(TrainingPanel, 1000)
    run = trained.runs.current
    history, analysis = list(run.history), run.result(EOS)
    run.history[:] = [replace(record, mapping={}) for record in history]
    try:
        trained.analyses.changed.emit(run.id, EOS)
        panel.refresh()
        epochs, errors, stds = panel.mapping_arrays(run.id)
        assert epochs.tolist() == [run.epochs[EOS]]
        assert errors.tolist() == [analysis.report.rmse_in_bracket_mev]
        assert stds.tolist() == [analysis.report.std_in_bracket_mev]
        column = panel.table()["mapping error, crystal, in reach (meV/atom)"]
        assert column[run.epochs[EOS] - 1] == analysis.report.rmse_in_bracket_mev
        assert np.isnan(column[0])
    finally:
        run.history[:] = history


# EOS ----------------------------------------------------------------------------------------------------
def test_eos_shows_reference_mean_and_spread(shown, trained):
    panel = shown(EosPanel)
    analysis, plot = trained.runs.current.result(EOS), panel.plot
    curve, e0 = analysis.curve, analysis.report.reference_fit.e0
    assert plot.zero == energy_zero(panel.series)
    assert plot.legend.title == "Eₐₜ − E₀ (meV/atom)"
    x, y = plot.reference.getData()
    assert x == pytest.approx(curve.volumes)
    assert y == pytest.approx(1000 * (curve.reference - e0))
    x, y = plot.dots[0].getData()
    assert y == pytest.approx(1000 * (curve.mean - e0))
    x, low, high = plot.bands[0].curves
    at = np.searchsorted(x, curve.volumes)
    assert (high - low)[at] == pytest.approx(2000 * curve.std, abs=1e-6)
    line_x, line_y = plot.lines[0].getOriginalDataset()
    assert line_y[np.searchsorted(line_x, curve.volumes)] == pytest.approx(y)
    bracket = analysis.bracket
    expected = None if bracket.low is None else (bracket.low, bracket.high)
    assert plot.brackets[0].range == expected


def test_eos_numbers_are_the_report(shown, trained):
    panel = shown(EosPanel)
    report = trained.runs.current.result(EOS).report
    cells = {cell.head: cell for cell in panel.readout.cells}
    assert cells["V₀ Å³"].below == f"{report.reference_fit.v0:.2f}"
    slope = report.slope_error_gpa
    assert cells["slope GPa"].value == ("–" if slope is None else f"{slope:+.2f}".replace("-", "−"))
    for head, spread in (("slope GPa", report.slope_std_gpa), ("RMSE meV", report.std_in_bracket_mev)):
        assert bool(cells[head].spread) == (spread is not None) and not cells[head].below
    assert tuple(cell for cell, _ in panel.readout._boxes()) == panel.readout.cells, "a number is clipped"
    assert panel.plot.canvas.view.height() > 50


def test_eos_members_can_be_seen(shown, trained):
    panel = shown(EosPanel)
    assert panel.plot.members[0].xData is None or not len(panel.plot.members[0].xData)
    panel.members.setChecked(True)
    curve = trained.runs.current.result(EOS).curve
    x, y = panel.plot.members[0].getOriginalDataset()
    rows = y.reshape(len(curve.energies), -1)[:, :-1]
    at = np.searchsorted(x[: rows.shape[1]], curve.volumes)
    assert rows[:, at] == pytest.approx(1000 * (curve.energies - panel.plot.zero.energy))


def click(qtbot, canvas, position: QPointF, keys=NO_KEYS):
    qtbot.mouseClick(canvas.viewport(), LEFT, keys, position.toPoint())
    canvas.held.release()  # no second click will come


def test_a_click_on_an_eos_point_shows_its_structure(qtbot, shown, trained):
    panel = shown(EosPanel)
    trained.data.show(dataset(trained, "nvt"), 0)
    analysis = trained.runs.current.result(EOS)
    inside = np.flatnonzero(analysis.report.in_bracket)
    index = int(inside[0]) if len(inside) else 7
    click(qtbot, panel.plot.canvas, position_of(panel.plot, "reference", index))
    assert trained.data.current_id == analysis.key
    assert trained.data.frame_index == analysis.curve.frame_indices[index]
    ringed = panel.plot.ring.points()[0].pos()
    assert ringed.x() == pytest.approx(analysis.curve.volumes[index])
    tip = panel.plot._pickable["reference"][1](index)
    assert f"V = {analysis.curve.volumes[index]:.2f} Å³/atom" in tip


def test_two_runs_share_one_eos_plot(shown, trained):
    run = trained.runs.current
    train = FrameRefs(((dataset(trained, "npt"), np.arange(3)),))
    other = replace(run, id="run-2", name="second", train=train, evaluation=run.evaluation.copy())
    trained.runs.documents["run-2"] = other
    try:
        trained.runs.set_compared("run-2", True)
        panel = shown(EosPanel)
        assert [item.name for item in panel.series] == [run.name, "second"]
        colors = [item.color for item in panel.series]
        files = {f"series:{known.color_index}" for known in trained.data.datasets.values()}
        assert len({*colors, *files}) == 2 + len(files), "each another colour, and none a file's"
        trained.undo_stack.undo()
        panel.refresh()
        assert [item.name for item in panel.series] == [run.name]
        assert len(panel.plot.lines) == 1
    finally:
        del trained.runs.documents["run-2"]


def test_an_eos_without_reference_or_fit(shown, trained):
    from nnpcore.mapping import EosCurve, analyse_eos

    run = trained.runs.current
    known = run.result(EOS)
    volumes = known.curve.volumes
    unknown = np.full(len(volumes), np.nan)
    flat = EosCurve("Si", volumes, np.zeros((2, len(volumes))), unknown, known.curve.frame_indices)
    replace_result(run, EOS, replace(known, curve=flat, report=analyse_eos(flat), bracket=None))
    try:
        panel = shown(EosPanel)
        assert not len(panel.plot.reference.getData()[0])
        assert {cell.value for cell in panel.readout.cells} == {"–"}
        assert panel.note.isVisible()
        assert "no energies" in panel.note.text()
        assert [entry.label for entry in panel.plot.legend.entries] == [run.name]
    finally:
        replace_result(run, EOS, known)


# PCA ----------------------------------------------------------------------------------------------------
def test_pca_shows_all_groups_with_their_colors(shown, trained):
    panel = shown(PcaPanel, 500, 400)
    groups = panel.whole_groups()
    assert panel.plot.cloud.n_points == sum(
        len(g.frame) for g in groups if not g.path and g.role != "validation"
    )
    for cloud, group in zip(panel.plot.groups, groups, strict=True):
        assert cloud.xy == pytest.approx(group.scores[:, :2])
        assert cloud.color == f"series:{group.color_index}"
    path = next(group for group in groups if group.path)
    assert np.column_stack(panel.plot.path_dots.getData()) == pytest.approx(path.scores[:, :2])
    assert panel.plot.legend.title.startswith("PC 2 (")
    panel.x_axis.setCurrentIndex(2)
    panel.refresh()
    assert panel.plot.groups[0].xy[:, 0] == pytest.approx(groups[0].scores[:, 2])
    assert panel.plot.axis("bottom").labelText.startswith("PC 3")


def test_pca_colored_by_atomic_energy(shown, trained):
    panel = shown(PcaPanel, 500, 400)
    color_by_kind(panel, "atomic_energy")
    group = panel.whole_groups()[0]
    expected = 1000 * (group.values["atomic_energy"] - trained.coloring.crystal_energy())
    assert panel.plot.groups[0].values == pytest.approx(expected)
    assert panel.plot.legend.entries[0].kind == "ramp"
    assert panel.plot.legend.entries[0].label.endswith(" meV")
    assert len(np.unique(panel.plot.cloud.groups[0].rgb, axis=0)) > 20


def test_pca_colored_by_what_the_files_hold(shown, trained):
    panel = shown(PcaPanel, 500, 400)
    labels = [panel.color_by.itemText(i) for i in range(panel.color_by.count())]
    assert labels[:6] == ["Data set", "Eₐₜ", "Std of Eₐₜ", "Distance", "Force", "Volume"]
    assert "md_frame" in labels
    group = panel.whole_groups()[0]
    frames = trained.data.datasets[group.dataset_id].frames
    where = list(zip(group.frame, group.atom, strict=True))
    color_by_kind(panel, "force")
    shown_values = panel.plot.groups[0].values
    assert shown_values == pytest.approx([np.linalg.norm(frames[f].forces[a]) for f, a in where])
    color_by_kind(panel, "info:md_frame")
    assert panel.plot.groups[0].values.tolist() == [frames[f].info["md_frame"] for f, _ in where]
    color_by_kind(panel, "")
    assert panel.plot.groups[0].values is None
    assert "ramp" not in [entry.kind for entry in panel.plot.legend.entries]


def choose(box, kind: str) -> None:
    """Choose a kind of number as a user does, by its key."""
    kinds = [box.itemData(i).kind for i in range(box.count())]
    box.setCurrentIndex(kinds.index(kind))
    box.activated.emit(box.currentIndex())


def test_any_two_numbers_are_axes_and_sizes(qtbot, shown, trained, tmp_path):
    panel = shown(PcaPanel, 500, 400)
    choose(panel.x_axis, "volume")
    choose(panel.y_axis, "atomic_energy")
    panel.choose_size(next(a.data() for a in panel.sizes.actions() if a.text() == "Force"))
    group, cloud = panel.whole_groups()[0], panel.plot.groups[0]
    frames = trained.data.datasets[group.dataset_id].frames
    energies = 1000 * (group.values["atomic_energy"] - trained.coloring.crystal_energy())
    assert cloud.xy[:, 0] == pytest.approx([frames[f].volume / frames[f].n_atoms for f in group.frame])
    assert cloud.xy[:, 1] == pytest.approx(energies)
    forces = [np.linalg.norm(frames[f].forces[a]) for f, a in zip(group.frame, group.atom, strict=True)]
    assert cloud.sizes == pytest.approx(forces)
    assert panel.plot.axis("bottom").labelText == "Volume (Å³/atom)"
    assert panel.plot.legend.titles == ("Eₐₜ (meV)",)
    assert len({g.scale for g in panel.plot.cloud.groups}) == 5
    assert panel.plot.legend.entries[0].kind == "sizes"
    path = next(g for g in panel.plot.groups if g.path)
    assert np.isfinite(path.xy).all(), "the invariant points have volumes and energies, too"
    tip = cloud.tip(3)
    assert "frame" in tip and "atom" in tip
    assert f"Volume {cloud.xy[3, 0]:.4g} Å³/atom" in tip
    assert f"Force {forces[3]:.4g} eV/Å" in tip
    panel.equal.setChecked(True)
    panel.grab()
    (x0, x1), (y0, y1) = panel.plot.canvas.view.viewRange()
    view = panel.plot.canvas.view
    assert (x1 - x0) / view.width() == pytest.approx((y1 - y0) / view.height(), rel=1e-3)
    axes = panel.figure()().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Volume (Å³/atom)", "Eₐₜ (meV)")
    assert axes.get_aspect() == 1.0
    assert len(set(axes.collections[0].get_sizes())) > 3
    table = panel.table()
    assert table["force (eV/Å)"][:5] == pytest.approx(forces[:5])
    assert table["volume (Å³/atom)"][:5] == pytest.approx(cloud.xy[:5, 0])


def test_distances_of_the_map_are_computed_where_they_are_shown(shown, trained):
    run = trained.runs.current
    panel = shown(PcaPanel, 500, 400)
    assert run.result(MAP_DISTANCES) is None
    choose(panel.y_axis, "distance")
    wait_for(lambda: run.result(MAP_DISTANCES) is not None)
    panel.refresh()
    values = run.values
    rows = values.is_training
    metric = run.potential.metric
    train, frames = metric.transform(values.values[rows], values.species[rows]), values.frame[rows]
    far = np.linalg.norm(train[:40, None] - train[None], axis=2)
    far[frames[:40, None] == frames[None]] = np.inf
    assert panel.plot.groups[0].xy[:40, 1] == pytest.approx(far.min(axis=1), rel=1e-5)
    valid = next(k for k, g in enumerate(panel.groups) if g.role == "validation")
    wide = next(g for g in run.result(PCA).groups if g.role == "validation")
    other = metric.transform(wide.values, wide.species)
    near = np.linalg.norm(other[:20, None] - train[None], axis=2).min(axis=1)
    assert panel.plot.groups[valid].xy[:20, 1] == pytest.approx(near, rel=1e-5)
    path = next(k for k, g in enumerate(panel.groups) if g.role == "eos")
    assert panel.plot.groups[path].xy[:, 1] == pytest.approx(run.result(DISTANCE).bracket.distances, rel=1e-5)


def test_an_arrow_leads_to_invariant_points_outside_the_view(qtbot, shown, trained):
    panel = shown(PcaPanel, 500, 400)
    beyond, view = panel.plot.beyond, panel.plot.canvas.view
    path = np.vstack([g.xy for g in panel.plot.groups if g.path])
    view.setRange(xRange=(path[:, 0].max() + 5, path[:, 0].max() + 9), yRange=(-1, 1), padding=0)
    button = beyond.buttons["left"]
    assert button.isVisible()
    assert sum(len(found) for found in beyond.beyond.values()) == len(path)
    assert button.text() == f"◂ {len(beyond.beyond['left'])}"
    there = beyond.beyond["left"]
    panel.grab()
    qtbot.mouseClick(button, LEFT)
    (x0, x1), (y0, y1) = view.viewRange()
    inside = (there >= [x0, y0]) & (there <= [x1, y1])
    assert inside.all(), "the view goes there"
    panel.plot.set_series_visible(next(g.key for g in panel.plot.groups if g.path), False)
    assert not any(button.isVisible() for button in beyond.buttons.values())


def isolated(panel: PcaPanel, key: str) -> int:
    """Index of the point of a group that is farthest from all others on the screen, but inside the view."""
    xy = np.vstack([group.xy for group in panel.plot.visible_groups()])
    mine = next(group.xy for group in panel.plot.groups if group.key == key)
    (x0, x1), (y0, y1) = panel.plot.canvas.view.viewRange()
    size = np.array([x1 - x0, y1 - y0])
    gaps = np.sort(np.linalg.norm((mine[:, None] - xy[None]) / size, axis=2), axis=1)[:, 1]
    inside = ((mine > [x0, y0]) & (mine < [x1, y1])).all(axis=1)
    return int(np.where(inside, gaps, -1).argmax())


def test_a_click_selects_the_atom_and_the_reverse(qtbot, shown, trained):
    panel = shown(PcaPanel, 500, 400)
    group = panel.whole_groups()[0]
    key = panel.plot.groups[0].key
    index = isolated(panel, key)
    atom = (group.dataset_id, int(group.frame[index]), int(group.atom[index]))
    click(qtbot, panel.plot.canvas, position_of(panel.plot, key, index))
    assert trained.selection.current.atoms == {atom}
    assert (trained.data.current_id, trained.data.frame_index) == atom[:2]
    assert lit(panel) == pytest.approx(group.scores[[index], :2])
    other = (index + 1) % len(group.frame)
    trained.selection.select([(group.dataset_id, int(group.frame[other]), int(group.atom[other]))], "add")
    assert len(lit(panel)) == 2
    click(qtbot, panel.plot.canvas, position_of(panel.plot, key, index), Qt.KeyboardModifier.AltModifier)
    assert atom not in trained.selection.current
    trained.selection.set_hovered(atom)
    assert panel.plot.ring.points()[0].pos().x() == pytest.approx(group.scores[index, 0])
    trained.selection.set_hovered(None)
    assert not len(panel.plot.ring.points())


def test_a_lasso_selects_and_adds(shown, trained):
    panel = shown(PcaPanel, 500, 400)
    training = next(g for g in panel.whole_groups() if g.role == "training")
    middle = np.median(training.scores[:, 0])
    low, high = training.scores.min() - 99, training.scores.max() + 99
    left = np.array([[low, low], [middle, low], [middle, high], [low, high]])
    panel.plot.lassoed.emit(left, NO_KEYS)
    visible = [g for g in panel.whole_groups() if g.role != "validation"]
    expected = {
        (g.dataset_id, int(f), int(a))
        for g in visible
        for f, a, x in zip(g.frame, g.atom, g.scores[:, 0], strict=True)
        if x < middle
    }
    assert trained.selection.current.atoms == expected
    assert len(lit(panel)) == len(expected)
    panel.plot.lassoed.emit(np.array([[middle, low], [high, low], [high, high], [middle, high]]), CONTROL)
    assert len(trained.selection.current) == sum(len(g.frame) for g in visible)
    assert panel.plot.cloud.alpha < 0.2 < panel.plot.chosen.alpha
    clouds = [g for g in panel.plot.visible_groups() if not g.path]
    drawn = [tuple(np.atleast_2d(g.rgb)[0]) for g in panel.plot.chosen.groups]
    assert drawn[: len(clouds)] == [tuple(rgb_of(g.color)) for g in clouds], "many keep their colours"
    trained.selection.select([])
    assert panel.plot.cloud.alpha > 0.5


def test_a_group_switched_off_is_neither_drawn_nor_picked(shown, trained):
    panel = shown(PcaPanel, 500, 400)
    before = panel.plot.cloud.n_points
    key = panel.plot.groups[0].key
    panel.plot.set_series_visible(key, False)
    assert panel.plot.cloud.n_points == before - len(panel.plot.groups[0].xy)
    assert key not in panel.plot._pickable
    panel.refresh()
    assert panel.plot.cloud.n_points < before


def test_pca_of_constant_and_nan_points(shown, trained):
    run = trained.runs.current
    known = run.result(PCA)
    scores = [np.zeros_like(values) for values in known.scores]
    scores[0][::2] = np.nan
    replace_result(run, PCA, replace(known, scores=tuple(scores)))
    try:
        panel = shown(PcaPanel)
        (x0, x1), (y0, y1) = panel.plot.canvas.view.viewRange()
        assert x0 < 0 < x1
        assert y0 < 0 < y1
        panel.grab()
        assert 0 < panel.plot.cloud.n_drawn < panel.plot.cloud.n_points
    finally:
        replace_result(run, PCA, known)


# connectivity, distance, parity -------------------------------------------------------------------------
def test_connectivity_names_the_weakest_link(qtbot, shown, trained):
    panel = shown(ConnectivityPanel)
    result = trained.runs.current.result(CONNECTIVITY).result
    assert panel.matrix.names == result.names
    assert np.array_equal(panel.matrix.values, result.matrix)
    row, column = panel.matrix.marked
    off_diagonal = result.matrix[~np.eye(len(result.names), dtype=bool)]
    assert result.matrix[row, column] == off_diagonal.min()
    pair = f"{result.names[row]} – {result.names[column]}"
    assert panel.text.text() == f"Weakest link: {pair}, {off_diagonal.min():.2f}"
    assert " ".join(panel.text.shown_lines()) == panel.text.text(), "the text is clipped"
    qtbot.mouseClick(panel.matrix, LEFT, pos=panel.matrix.cell_rect(row, column).center().toPoint())
    assert 1 <= len(trained.selection.current) <= 2


def test_groups_are_chosen_in_the_menu(shown, trained):
    panel = shown(ConnectivityPanel)
    names = [action.text() for action in panel.menu.actions()]
    assert set(names) >= set(trained.runs.current.result(CONNECTIVITY).result.names)
    chosen = [action for action in panel.menu.actions() if action.isChecked()]
    chosen[0].setChecked(False)
    wait_for(lambda: len(trained.runs.current.result(CONNECTIVITY).result.names) == len(chosen) - 1)
    for action in panel.menu.actions()[1:]:
        action.setChecked(False)
    assert panel.text.text() == "Choose at least two groups."
    trained.analyses.choose(CHOSEN_GROUPS, None)
    wait_for(lambda: len(trained.runs.current.result(CONNECTIVITY).result.names) == len(chosen))
    wait_for(lambda: not trained.tasks.tasks)


def test_distance_marks_what_is_in_reach(qtbot, shown, trained):
    panel = shown(DistancePanel)
    analysis = trained.runs.current.result(DISTANCE)
    histogram, bracket = panel.histogram, analysis.bracket
    reach = trained.runs.current.result(REACH).found["Si"]
    assert histogram.bars.getOriginalDataset()[1].sum() == len(reach.distances)
    assert histogram.threshold.value() == bracket.threshold
    inside = np.sort(histogram.inside.getData()[0])
    assert inside == pytest.approx(np.sort(bracket.distances[bracket.in_reach]))
    assert len(histogram.outside.getData()[0]) == (~bracket.in_reach).sum()
    nearest = int(bracket.distances.argmin())
    click(qtbot, histogram.canvas, position_of(histogram, "points", nearest))
    assert trained.data.frame_index == analysis.points.frame_indices[nearest]
    assert not panel.curve.isVisible()
    panel.by_volume.setChecked(True)
    assert panel.curve.isVisible()
    assert panel.curve.line.getOriginalDataset()[1] == pytest.approx(bracket.distances)
    panel.resize(700, 230)
    assert panel.histogram.isVisible()


def test_parity_compares_all_frames(qtbot, shown, trained):
    panel = shown(ParityPanel)
    run = trained.runs.current
    wait_for(lambda: run.result(PARITY) is not None)
    panel.refresh()
    panel.grab()
    groups = {group.role: group for group in run.result(PARITY).groups}
    frames = trained.data.datasets[dataset(trained, "nvt")].frames
    valid = groups["validation"]
    assert valid.frames.tolist() == run.valid.parts[0][1].tolist()
    predicted = run.potential.predict([frames[i] for i in valid.frames])
    reference = np.array([frames[i].energy for i in valid.frames])
    errors = 64 * (valid.energies[:, 1] - valid.energies[:, 0])
    assert errors == pytest.approx(predicted.energy - reference, abs=1e-6)
    assert valid.forces[:, :, 0] == pytest.approx(np.concatenate([frames[i].forces for i in valid.frames]))
    assert valid.forces[:, :, 1] == pytest.approx(predicted.forces, abs=1e-6)
    assert [entry.text for entry in panel.plots["energy"].legend.entries] == [
        f"{group.name} {group.energy_rmse_mev:.3g}" for group in groups.values()
    ]
    plot = panel.plots["energy"]
    key = f"validation:{valid.key}"
    click(qtbot, plot.canvas, position_of(plot, key, 0))
    picked = trained.data.frame_index
    assert picked in (*valid.frames, *groups["training"].frames)
    assert trained.data.current_id == valid.key


def test_radial_distributions_of_the_frames_shown(shown, trained, tmp_path):
    trained.data.show(dataset(trained, "eos"), 0)
    panel = shown(RadialPanel)
    wait_for(lambda: panel.analysis is not None)
    panel.refresh()
    known = panel.analysis
    frames = trained.data.datasets[dataset(trained, "eos")].frames
    assert (known.key, known.n_frames) == (dataset(trained, "eos"), len(frames))
    assert [entry.label for entry in panel.plot.legend.entries] == ["Si-Si", "own images"]
    nearest = min(np.linalg.norm(frame.cell, axis=1).min() for frame in frames)
    assert panel.own.isVisible() and panel.own.value() == pytest.approx(nearest)
    x, y = panel.plot._series["line:0"][0].getOriginalDataset()
    assert x.tolist() == known.r.tolist() and y.tolist() == known.curves[0].g.tolist()
    panel.counts.setChecked(True)
    at = int(np.searchsorted(known.edges, 3.0)) - 1  # between the first shell and the second
    assert panel.plot._series["line:0"][0].getOriginalDataset()[1][at] == 4.0
    assert list(panel.table()) == ["r (Å)", "g, Si-Si", "neighbors within r, Si-Si"]
    panel.figure_task()(tmp_path / "radial.svg")
    assert "Neighbors within r" in (tmp_path / "radial.svg").read_text()
    panel.hide()
    trained.data.show(dataset(trained, "nvt"), 0)
    wait_for(lambda: trained.analyses.up_to_date())
    panel.refresh()
    assert panel.analysis is None, "nobody looks"


# exports ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", PANELS)
def test_exported_files_hold_what_is_shown(shown, trained, tmp_path, kind):
    panel = shown(kind)
    if kind is ParityPanel:
        wait_for(lambda: trained.runs.current.result(PARITY) is not None)
    starts = {"csv": "", "png": "\x89PNG", "svg": "<?xml", "pdf": "%PDF"}
    for suffix in panel.export_formats():
        path = tmp_path / f"{panel.name}.{suffix}"
        write_csv(path, panel.table()) if suffix == "csv" else panel.figure_task()(path)
    for suffix in panel.export_formats():
        head = (tmp_path / f"{panel.name}.{suffix}").read_bytes()[:8].decode("latin-1")
        assert head.startswith(starts[suffix])
    with (tmp_path / f"{panel.name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, values in panel.table().items():
        for row, value in zip(rows, values, strict=True):
            if isinstance(value, float):
                assert row[name] == "" if np.isnan(value) else float(row[name]) == value
            else:
                assert row[name] == str(value)


def test_panels_follow_the_theme_and_empty_when_the_run_goes(shown, trained):
    panels = [shown(kind) for kind in PANELS]
    run_id = trained.runs.current_id
    try:
        for mode in ("dark", "light", "system"):
            theme.set_mode(mode)
            for panel in panels:
                panel.grab()
        trained.runs.current_id = None
        trained.runs.current_changed.emit()
        for panel in panels:
            panel.refresh()
            assert message_of(panel).startswith("Start a training")
            assert panel.table() is None
    finally:
        trained.runs.current_id = run_id


def test_the_eye_of_a_file_takes_its_atoms_off_the_map(shown, trained):
    panel = shown(PcaPanel)
    hidden = panel.whole_groups()[0].dataset_id
    assert hidden
    trained.visibility.show(hidden, False)
    panel.refresh()
    assert hidden not in {group.dataset_id for group in panel.groups}
    trained.undo_stack.undo()
    panel.refresh()
    assert hidden in {group.dataset_id for group in panel.groups}


def test_density_lines_are_made_in_the_background_and_drawn_in_figures(shown, trained):
    panel = shown(PcaPanel, 500, 400)
    panel.density.setChecked(True)
    wait_for(lambda: panel.plot.density)
    clouds = [group.key for group in panel.plot.visible_groups() if not group.path]
    assert [key for key, _, _ in panel.plot.density] == clouds
    color_by_kind(panel, "atomic_energy")
    wait_for(lambda: panel.plot.density)
    draw = panel.figure_of(panel.analysis)
    assert draw is not None
    figure = draw()
    axes = figure.axes[0]
    assert any("% of the points" in text.get_text() for text in figure.legends[0].get_texts())
    shown_map = (255 * axes.collections[0].get_cmap()(np.linspace(0, 1, 256))[:, :3]).round().astype(int)
    assert (shown_map == map_colors(panel.value_kind().diverging)).all()
    panel.density.setChecked(False)
    assert panel.plot.density == ()


def test_a_map_without_any_atoms_is_an_empty_table(shown, trained):
    panel = shown(PcaPanel)
    heads = list(panel.table())
    panel.groups = ()
    table = panel.table()
    assert list(table)[: len(heads[:3])] == heads[:3]
    assert not any(len(column) for column in table.values())
