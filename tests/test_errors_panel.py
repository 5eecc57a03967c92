"""The panel of errors by group and outliers: looking, leaving out, weights, and that they can be undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from panel_helpers import show_panel, wait_for
from training_data import TINY, silicon_frames

from app.dialogs.group_weights import GroupWeightsDialog
from app.panels.errors_panel import ErrorsPanel, _outlier_row
from app.session.session import Session
from app.workers.training import TrainingJob, TrainingOrder
from nnpcore.analyses.errors import OUTLIERS, Outlier, RunErrors
from nnpcore.structures import Role, read_dataset, write_frames
from nnpcore.training import RunFolder, Trainer
from nnpcore.training.leaving_out import left_out


def test_errors_outliers_and_weights_in_the_window(qtbot, session: Session, tmp_path: Path) -> None:
    made = [replace(f, info={"config_type": "ab"[k % 2]}) for k, f in enumerate(silicon_frames(12))]
    made[4] = replace(made[4], energy=(made[4].energy or 0.0) + 3.0)
    path = tmp_path / "data.extxyz"
    write_frames(path, made)
    frames = list(read_dataset(path).frames)
    settings = TINY.replace(hidden=(5,), epochs=6, **{"descriptors.preset": "26"})
    Trainer(settings, frames[:9], frames[9:], run_folder=tmp_path / "run").run()
    session.data.open_paths([str(path)], {str(path): Role.TRAINING})
    wait_for(lambda: "data" in session.data.datasets)
    session.runs.open(tmp_path / "run")
    wait_for(lambda: session.runs.current is not None)
    panel = show_panel(qtbot, ErrorsPanel(session), 600, 400)
    assert isinstance(panel, ErrorsPanel)
    wait_for(lambda: panel.analysis is not None)
    panel.refresh()
    rows = panel.table_view.rows
    assert [(row.name, row.cells[0][0], row.cells[1][0]) for row in rows] == [
        ("a", "training", "5"), ("b", "training", "4"), ("b", "validation", "2"), ("a", "validation", "1")
    ]  # fmt: skip
    table = panel.table()
    assert table is not None and list(table["frames"]) == [5, 4, 2, 1]
    panel.look_at("outliers")
    wait_for(lambda: panel.found is not None)
    panel.refresh()
    place = next(k for k, one in enumerate(panel.listed) if one.index == 4 and one.atom is None)
    assert place == 0 and "frame 5" in panel.table_view.rows[0].name
    panel.table_view.cellClicked.emit(place, 0)
    assert session.data.frame_index == 4
    atom = next(k for k, one in enumerate(panel.listed) if one.atom is not None)
    panel.table_view.cellClicked.emit(atom, 0)
    one = panel.listed[atom]
    assert session.data.frame_index == one.index
    panel.table_view.setCurrentCell(place, 0)
    panel.leave.click()
    (left,) = session.trainings.settings.left_out
    assert (left.file, left.frame) == ("data.extxyz", 4) and "times what is foretold" in left.why
    panel.refresh()
    assert panel.table_view.rows[0].name.startswith("left out: ")
    panel.leave.click()
    assert len(session.trainings.settings.left_out) == 1
    session.undo_stack.undo()
    assert session.trainings.settings.left_out == ()
    known = session.runs.current
    assert known is not None and known.result(OUTLIERS) is not None
    _check_weights(qtbot, session)


def _check_weights(qtbot, session: Session) -> None:
    dialog = GroupWeightsDialog(session)
    qtbot.addWidget(dialog)
    assert [dialog._text(k, 0) for k in range(dialog.table.rowCount())] == ["a", "b"]
    cell = dialog.table.item(1, 2)
    assert cell is not None
    for wrong in ("-1", "much"):
        cell.setText(wrong)
        dialog.accept()
        assert dialog.error.text() and not session.trainings.settings.group_weights
    cell.setText("2,5")
    dialog.accept()
    assert session.trainings.settings.group_weights["b"].numbers == (2.5, 1.0, 1.0)
    session.undo_stack.undo()
    assert not session.trainings.settings.group_weights


def test_frames_left_out_of_other_data_are_told_and_not_counted(tmp_path: Path) -> None:
    frames = [replace(f, source="data.xyz", index=k) for k, f in enumerate(silicon_frames(6))]
    other = left_out(replace(frames[0], energy=1.0), "")
    job = TrainingJob(
        TrainingOrder(TINY.replace(left_out=(other,)), frames[:4], frames[4:], (), tmp_path / "run")
    )
    job._work()
    news = job.take_news()
    assert news.error is None and news.notes == [
        "no frame is left out: of those chosen (1) none is among these data"
    ]
    assert RunFolder.open(tmp_path / "run").settings.left_out == ()
    wanted = TINY.replace(left_out=(other, left_out(frames[2], "")))
    job = TrainingJob(TrainingOrder(wanted, frames[:4], frames[4:], (), tmp_path / "second"))
    job._work()
    assert [one.frame for one in RunFolder.open(tmp_path / "second").settings.left_out] == [2]
    bare = [replace(silicon_frames(1, 90)[0], energy=None, forces=None, stress=None)]
    job = TrainingJob(TrainingOrder(TINY, frames[:4], frames[4:], bare, tmp_path / "third"))
    job._work()
    assert "nothing to compare with" in str(job.take_news().error) and not (tmp_path / "third").exists()


def test_outliers_of_several_files_name_theirs() -> None:
    frame = replace(silicon_frames(1)[0], source="/data/hot.xyz", index=3)
    analysis = cast(RunErrors, SimpleNamespace(frames=(frame,)))
    one = Outlier(0, "hot", "hot", 3, "training", "liquid", 4, "force", 0.5, 0.1)
    assert _outlier_row(one, analysis, set(), several=True).name == "frame 4, atom 5, hot"
    assert _outlier_row(one, analysis, set(), several=False).name == "frame 4, atom 5"
    by_file = replace(one, group="hot.xyz", atom=None)
    assert _outlier_row(by_file, analysis, {("hot.xyz", 3)}, several=True).name == "left out: frame 4"
