"""Two runs side by side: ticking, analysing, showing, keeping."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from panel_helpers import dataset, show_panel, wait_for
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtWidgets import QApplication

from app.documents import session_file
from app.panels.connectivity_panel import ConnectivityPanel, common_pairs
from app.panels.data_panel import DataPanel
from app.panels.eos_panel import EosPanel
from app.panels.mapping_panel import MappingPanel
from app.session.scheduler import COMPARED, AnalysisScheduler
from app.session.session import Session
from app.settings import Settings
from app.shell.restoring import SessionKeeper
from nnpcore.analyses.atoms import ATOMS
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.graph import Analysis
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.figures.tables import write_csv
from nnpcore.structures import Role, example_path, read_dataset
from nnpcore.training import TrainSettings

LEFT = Qt.MouseButton.LeftButton
SETTINGS = TrainSettings(hidden=(6,), n_members=2, epochs=2, n_threads=1)


def settled(session: Session) -> None:
    busy = (lambda: session.trainings.active, lambda: session.tasks.tasks)
    wait_for(lambda: session.analyses.up_to_date() and not any(one() for one in busy))


@pytest.fixture(scope="module")
def two_runs(qapp, tmp_path_factory) -> Iterator[Session]:
    """A session with a run on fixed volumes and one, the current one, on changing volumes."""
    session = Session(Settings(folder=str(tmp_path_factory.mktemp("runs"))))
    roles = {"nvt": Role.TRAINING, "npt": Role.INSPECT, "eos": Role.EOS}
    for name, role in roles.items():
        part = "" if name == "eos" else "@0:8"
        session.data.add(read_dataset(f"{example_path(name)}{part}"), role)
    session.trainings.start(SETTINGS)
    settled(session)
    session.data.set_role(dataset(session, "nvt"), Role.INSPECT)
    session.data.set_role(dataset(session, "npt"), Role.TRAINING)
    session.trainings.start(SETTINGS)
    settled(session)
    yield session
    session.shutdown()


@pytest.fixture
def compared(two_runs) -> Iterator[Session]:
    first = next(iter(two_runs.runs.documents))
    two_runs.runs.set_compared(first, True)
    settled(two_runs)
    yield two_runs
    two_runs.runs.set_compared(first, False)
    settled(two_runs)


@pytest.fixture
def shown(qtbot, two_runs):
    yield lambda kind, width=425, height=190: show_panel(qtbot, kind(two_runs), width, height)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_a_tick_compares_a_run_and_undo_takes_it_back(qtbot, two_runs):
    panel = DataPanel(two_runs)
    qtbot.addWidget(panel)
    panel.resize(240, 160)
    panel.show()
    qtbot.waitExposed(panel)
    first, second = two_runs.runs.documents
    box = panel.runs.row(first).compare
    qtbot.mouseClick(box, LEFT, pos=QPoint(7, box.height() // 2))
    assert two_runs.runs.compared == {first}
    assert [run.id for run in two_runs.runs.shown()] == [second, first]
    two_runs.undo_stack.undo()
    assert two_runs.runs.compared == frozenset()
    assert not box.isChecked()
    two_runs.undo_stack.redo()
    assert box.isChecked()
    two_runs.undo_stack.undo()
    settled(two_runs)


def test_curves_of_both_runs_differ_in_colour_and_dash(shown, compared):
    panel = shown(EosPanel)
    assert [item.name for item in panel.series] == [run.name for run in compared.runs.shown()]
    assert len({item.color for item in panel.series}) == len({item.dash for item in panel.series}) == 2
    for number, run in enumerate(compared.runs.shown()):
        curve = run.result(EOS).curve
        y = panel.plot.dots[number].getData()[1]
        assert y == pytest.approx(1000 * (curve.mean - panel.plot.zero.energy))
        band = panel.plot.bands[number].curves
        at = np.searchsorted(band[0], curve.volumes)
        assert (band[2] - band[1])[at] == pytest.approx(2000 * curve.std, abs=1e-6)
    compared.runs.set_compared(next(iter(compared.runs.documents)), False)
    panel.refresh()
    assert len(panel.series) == 1
    compared.undo_stack.undo()


def test_same_pairs_stand_side_by_side(shown, compared, tmp_path):
    panel = shown(ConnectivityPanel)
    assert panel.bars.isVisible()
    assert not panel.matrix.isVisible()
    pairs = common_pairs(panel.compared(), compared.data.datasets)
    names = {pair.names for pair in pairs}
    assert names == {
        ("eos.extxyz", "npt.extxyz@0:8"),
        ("eos.extxyz", "nvt.extxyz@0:8"),
        ("npt.extxyz@0:8", "nvt.extxyz@0:8"),
    }
    for k, run in enumerate(compared.runs.shown()):
        result = run.result(CONNECTIVITY).result
        for pair in pairs:
            i, j = (result.names.index(name) for name in pair.names)
            assert pair.values[k] == result.matrix[i, j]
    lowest = [min(pair.values) for pair in pairs]
    assert lowest == sorted(lowest)
    assert panel.bars.rows.pairs == tuple(pairs)
    assert panel.text.text().startswith(f"Weakest: {pairs[0].text}, {compared.runs.current.name} ")
    table = panel.table()
    assert table[compared.runs.current.name] == [pair.values[0] for pair in pairs]
    panel.figure_task()(tmp_path / "pairs.svg")
    assert compared.runs.current.name in (tmp_path / "pairs.svg").read_text()


def test_mapping_panel_has_a_column_for_every_run(shown, compared, tmp_path):
    panel = shown(MappingPanel)
    runs = compared.runs.shown()
    (row,) = panel.rows
    for value, run in zip(row.errors, runs, strict=True):
        analysis = run.result(EOS)
        v0 = analysis.report.reference_fit.v0
        wanted = np.interp(v0, analysis.curve.volumes, analysis.report.error_mev)
        assert value.error_mev == pytest.approx(wanted)
    header = panel.table_view.horizontalHeaderItem
    assert [header(3).text(), header(4).text()] == [run.name for run in runs]
    write_csv(tmp_path / "mapping.csv", panel.table())
    with (tmp_path / "mapping.csv").open(encoding="utf-8") as file:
        (found,) = csv.DictReader(file)
    assert float(found[f"{runs[1].name}: error (meV/atom)"]) == row.errors[1].error_mev
    panel.figure_task()(tmp_path / "mapping.pdf")
    assert (tmp_path / "mapping.pdf").stat().st_size > 3000


def test_curves_over_the_epochs_are_told_apart_by_run(shown, compared):
    panel = shown(MappingPanel, 760)
    assert panel.table_view.isVisible()
    assert panel.plot.isVisible()
    for k, run in enumerate(compared.runs.shown()):
        line = panel.plot._lines[k, "E_at(V0)"]
        x, y = line.getOriginalDataset()
        assert x.tolist() == [record.epoch for record in run.history]
        assert y == pytest.approx([abs(record.mapping["E_at(V0)"]) for record in run.history])
    dashes = [panel.plot._lines[k, "E_at(V0)"].opts["pen"].dashPattern() for k in (0, 1)]
    assert dashes[0] != dashes[1]
    panel.plot.set_series_visible("run:1", False)
    assert panel.plot._lines[0, "E_at(V0)"].isVisible()
    assert not panel.plot._lines[1, "E_at(V0)"].isVisible()


def forget_all(session: Session) -> None:
    """Let everything that comparing needs be computed again."""
    for run in session.runs.documents.values():
        for analysis in COMPARED:
            run.evaluation.forget(analysis)
    session.runs.comparison_changed.emit()


def test_the_current_run_is_analysed_first_and_others_only_when_compared(two_runs, monkeypatch):
    made: list[tuple[str, Analysis[object]]] = []
    start = AnalysisScheduler._start
    monkeypatch.setattr(
        AnalysisScheduler,
        "_start",
        lambda self, run, job: made.extend((run.id, step) for step in job.steps) or start(self, run, job),
    )
    first, second = two_runs.runs.documents
    forget_all(two_runs)
    settled(two_runs)
    assert {run_id for run_id, _ in made} == {second}
    made.clear()
    forget_all(two_runs)
    two_runs.runs.set_compared(first, True)
    settled(two_runs)
    others = [k for k, (run_id, _) in enumerate(made) if run_id == first]
    mine = [k for k, (run_id, _) in enumerate(made) if run_id == second]
    assert {made[k][1] for k in others} >= set(COMPARED) - {REGION_ERRORS}, "there are no regions"
    assert max(mine) < min(others), "another run was analysed before the current one was done"
    two_runs.runs.set_compared(first, False)


def test_only_what_a_run_trained_on_is_its_training_set(two_runs):
    first, second = two_runs.runs.documents.values()
    for run, name in ((first, "nvt"), (second, "npt")):
        two_runs.runs.set_current(run.id)
        settled(two_runs)
        groups = run.result(ATOMS)
        assert {g.key for g in groups.of_role("training")} == {dataset(two_runs, name)}
    assert two_runs.runs.current is second


def test_regions_and_comparison_come_back(two_runs, tmp_path, monkeypatch, qtbot):
    monkeypatch.setenv("EATLAS_HOME", str(tmp_path))
    first = next(iter(two_runs.runs.documents))
    two_runs.data.show(dataset(two_runs, "nvt"), 2)
    two_runs.selection.select([(two_runs.data.current_id, 2, atom) for atom in (1, 5)])
    two_runs.regions.from_selection("pair")
    two_runs.runs.set_compared(first, True)
    settled(two_runs)
    keeper = SessionKeeper(two_runs, two_runs.settings, two_runs)
    session_file.write(tmp_path / "session.json", keeper.snapshot())
    two_runs.undo_stack.undo()
    two_runs.undo_stack.undo()
    settled(two_runs)
    saved = session_file.read(tmp_path / "session.json")
    assert [Path(folder).name for folder in saved.compared] == [two_runs.runs.documents[first].name]
    again = Session(Settings(folder=str(tmp_path / "runs")))
    SessionKeeper(again, again.settings, again).restore(saved)
    wait_for(lambda: len(again.runs.documents) == 2 and not again.tasks.tasks)
    assert {again.runs.documents[key].name for key in again.runs.compared} == {
        two_runs.runs.documents[first].name
    }
    (known,) = again.regions.sets.values()
    assert [(r.name, r.atoms.tolist()) for r in known.regions] == [("pair", [1, 5])]
    assert known.is_of(again.data.datasets[dataset(again, "nvt")])
    again.shutdown()


def test_a_removed_run_is_compared_no_longer(two_runs):
    third = two_runs.runs.add("third", SETTINGS)
    two_runs.runs.set_compared(third.id, True)
    two_runs.runs.remove(third.id)
    assert third.id not in two_runs.runs.compared
    two_runs.undo_stack.undo()
    two_runs.undo_stack.redo()
    assert third.id not in two_runs.runs.compared
    two_runs.undo_stack.undo()
