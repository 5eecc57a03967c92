"""The plot panels without data, with NaN, with constants: nothing breaks and a text says what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import dataset, message_of, show_panel, wait_for

from app.documents.run import RunDocument, RunState
from app.panels import distance_panel, eos_panel, training_panel
from app.panels.connectivity_panel import ConnectivityPanel
from app.panels.data_panel import DataPanel
from app.panels.distance_panel import DistancePanel
from app.panels.eos_panel import EosPanel
from app.panels.parity_panel import ParityPanel
from app.panels.pca_panel import PcaPanel
from app.panels.training_panel import TrainingPanel, duration, status_text
from app.session.session import Session
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.graph import Missing
from nnpcore.analyses.inputs import POTENTIAL
from nnpcore.structures import Role, example_path, read_dataset
from nnpcore.training import EpochRecord, TrainSettings
from nnpcore.training.history import Message, Rmse


@pytest.fixture
def shown(qtbot, session):
    """Make a shown panel, as wide as the right column on a small screen."""

    return lambda kind, width=360, height=230: show_panel(qtbot, kind(session), width, height)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (TrainingPanel, training_panel.EMPTY),
        (EosPanel, EosPanel.no_run),
        (PcaPanel, PcaPanel.no_run),
        (ConnectivityPanel, ConnectivityPanel.no_run),
        (DistancePanel, distance_panel.EMPTY),
        (ParityPanel, ParityPanel.no_run),
    ],
)
def test_an_empty_panel_says_what_to_do(shown, session, kind, expected):
    panel = shown(kind)
    text = message_of(panel)
    assert text == expected
    assert text.startswith("Start a training to ")
    assert panel.title
    assert panel.export_formats() == ("png", "svg", "pdf", "csv")
    assert panel.table() is None
    assert panel.figure_task() is None
    dialog = panel.ask_export()
    wait_for(lambda: bool(dialog.preview.text))
    assert dialog.preview.text == "There is nothing to export yet."
    assert not dialog.start_button.isEnabled() and not dialog.copy_table.isEnabled()
    dialog.reject()


def test_a_missing_crystal_is_asked_for(shown, session):
    session.data.add(read_dataset(f"{example_path('nvt')}@0:2"), Role.TRAINING)
    panel = shown(EosPanel)
    panel.refresh()
    assert message_of(panel) == eos_panel.NO_CRYSTAL
    run = add_run(session)
    panel.refresh()
    assert message_of(panel) == eos_panel.NO_CRYSTAL
    session.data.set_role(dataset(session, "nvt"), Role.EOS)
    run.evaluation.set(POTENTIAL, Missing("These atoms are not equivalent"))
    run.evaluation.value(EOS)
    panel.refresh()
    assert message_of(panel) == "These atoms are not equivalent."


def add_run(session: Session, history=(), state=RunState.RUNNING, **changes) -> RunDocument:
    run = RunDocument("run-9", "test", TrainSettings(), state, **changes)
    run.history.extend(history)
    session.runs.documents[run.id] = run
    session.runs.current_id = run.id
    session.runs.current_changed.emit()
    return run


def record(epoch: int, train: float, valid: float | None, messages=()) -> EpochRecord:
    def rmse(mean: float) -> Rmse:
        return Rmse(members=mean * np.array([0.9, 1.2, np.nan]), mean=mean)

    rmses = {"energy": rmse(train), "force": rmse(train / 10)}
    valid_rmses = {} if valid is None else {"energy": rmse(valid), "force": rmse(valid / 10)}
    return EpochRecord(epoch, 2.0 * epoch, "adam", rmses, valid_rmses, np.ones(3, dtype=bool), messages)


def test_nan_and_missing_values_leave_gaps(shown, session):
    values = [(1, 4.0, 5.0), (2, np.nan, np.nan), (3, 2.0, 3.0), (4, 1.0, np.inf)]
    warning = (Message("Member 2 diverged and was stopped."),)
    history = [record(e, t, v, warning if e == 2 else ()) for e, t, v in values]
    add_run(session, history, n_epochs=10)
    panel = shown(TrainingPanel)
    _, y = panel.plots["energy"].lines["valid"].getOriginalDataset()
    assert np.isfinite(y).tolist() == [True, False, True, False]
    assert panel.plots["energy"].ring.points()[0].pos().x() == 3
    assert panel.warning.isVisible()
    assert panel.warning.text() == "⚠ Epoch 2: Member 2 diverged and was stopped."
    assert panel.status.text() == "epoch 4 / 10   kept 3.00 meV/atom (epoch 3)   ETA 0:12   2.0 s each"
    assert panel.plots["force"].isVisible()


def test_constant_curves_and_no_validation_data(shown, session):
    add_run(session, [record(e, 1.0, None) for e in (1, 2, 3)])
    panel = shown(TrainingPanel, width=270)
    plot = panel.plots["energy"]
    assert plot.lines["train"].getOriginalDataset()[1].tolist() == [1.0, 1.0, 1.0]
    assert [entry.label for entry in plot.legend.entries] == ["train", "each", "last best: 3"]
    low, high = plot.canvas.view.viewRange()[1]
    assert low < 0.0 < high
    session.runs.current.history.append(record(4, 0.5, None))
    session.runs.epoch_finished.emit("run-9")
    wait_for(lambda: len(plot.lines["train"].getOriginalDataset()[1]) == 4)


def test_the_curves_show_what_is_kept_and_where_it_ended_early(shown, session):
    """The number in the text and the ring are one thing, though another epoch has a lower value."""
    history = [replace(record(e, 3.0, v), best=e == 2) for e, v in ((1, 5.0), (2, 3.0), (3, 2.5), (4, 4.0))]
    run = add_run(session, history, RunState.FINISHED, n_epochs=10)
    run.settings = TrainSettings(patience=2)
    panel = shown(TrainingPanel, width=1000)
    plot = panel.plots["energy"]
    ring = plot.ring.points()[0].pos()
    assert (ring.x(), 10 ** ring.y()) == (2, pytest.approx(3.0))
    assert [(r.isVisible(), r.value()) for r in (plot.marks.kept, plot.marks.ended)] == [(True, 2), (True, 4)]
    text = panel.status.text()
    assert text.startswith("ended early   epoch 4 / 10   kept 3.00 meV/atom (epoch 2)")
    assert text.endswith("nothing became better in 2 epochs")
    labels = [entry.label for entry in panel.shared_legend.entries]
    assert labels == ["train", "valid", "each", "last best: 2", "ended: 4"]
    assert "after epoch 4 of 10" in panel.shared_legend.entries[-1].tip
    run.state = RunState.RUNNING
    panel.refresh()
    assert not plot.marks.ended.isVisible()
    assert plot.marks.kept.isVisible()


def test_a_run_under_way_says_so(shown, session):
    run = add_run(session, state=RunState.PREPARING)
    run.progress_text = "Symmetry functions 3 of 9"
    panel = shown(TrainingPanel)
    assert message_of(panel) == "Symmetry functions 3 of 9…"
    run.state = RunState.RUNNING
    panel.refresh()
    assert message_of(panel) == "The first epoch is running…"
    run.state, run.message = RunState.FAILED, "The disk is full."
    panel.refresh()
    assert message_of(panel) == "The disk is full."


def test_words_for_times_and_speed():
    assert [duration(s) for s in (0.4, 75, 3725)] == ["0:00", "1:15", "1:02:05"]
    run = RunDocument("a", "a", TrainSettings(), RunState.PAUSED, n_epochs=0)
    run.history.append(replace(record(1, 1.0, 2.0), seconds=0.1))
    assert status_text(run) == "paused   epoch 1   kept 2.00 meV/atom (epoch 1)   10.0 epochs/s"


def test_rows_of_runs_are_as_high_with_and_without_buttons(qtbot, session):
    run = add_run(session)
    panel = DataPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    heights = {}
    for state in RunState:
        run.state = state
        session.runs.changed.emit(run.id)
        row = panel.runs.row(run.id)
        row.layout().activate()
        heights[state] = row.sizeHint().height()
    assert set(heights.values()) == {heights[RunState.RUNNING]}
