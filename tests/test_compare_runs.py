"""Runs side by side with their notes and stars: the table, the commands, and the dialog of the window."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from panel_helpers import wait_for
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QInputDialog, QLineEdit, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import isValid
from training_data import TINY, silicon_frames

from app.dialogs.compare_runs import CompareRunsDialog, show_comparison
from app.documents.run import RunState
from app.panels.run_rows import RunRow, run_menu
from app.session.session import Session
from nnpcore.cli import main
from nnpcore.errors import AnalysisError, RunFolderError
from nnpcore.potential import Potential
from nnpcore.report.compared_runs import ComparedRun, ComparedRuns, Head, compare_runs
from nnpcore.structures import Frame, read_dataset, write_frames
from nnpcore.training import RunFolder, Trainer
from nnpcore.training.notes import FILE, NO_NOTE, RunNote, read_note, write_note
from nnpcore.training.run_folder import FILES_OF_A_RUN

SETTINGS = TINY.replace(epochs=3, hidden=(5,), **{"descriptors.preset": "26"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two runs on the same training frames; the second has a test and another seed."""
    folder = tmp_path_factory.mktemp("compared")
    frames = [replace(f, info={"config_type": "ab"[k % 2]}) for k, f in enumerate(silicon_frames(12))]
    write_frames(folder / "data.extxyz", frames)
    frames = list(read_dataset(folder / "data.extxyz").frames)
    Trainer(SETTINGS, frames[:8], frames[8:10], run_folder=folder / "one").run()
    other = SETTINGS.replace(seed=3, l2=1e-6)
    Trainer(other, frames[:8], frames[8:11], test=frames[11:], run_folder=folder / "two").run()
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """Return a folder of one's own with these runs."""
    return shutil.copytree(made, tmp_path / "runs")


def value(run: ComparedRun, title: str) -> object:
    (cell,) = (cell for head, cell in run.cells.items() if head.title == title)
    return cell.value


def rms(values: list[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([np.ravel(v) for v in values]) ** 2)))


# the table --------------------------------------------------------------------------------------------
def test_settings_that_differ_data_and_errors_stand_in_the_table(runs: Path) -> None:
    found = compare_runs([runs / "one", runs / "two"], n_threads=1)
    one, two = found.runs
    assert [run.trouble for run in found.runs] == ["", ""]
    settings = [head.title for head in found.heads if head.part == "setting"]
    assert settings == ["Loss weights: L2", "Training: Seed"]
    assert (value(one, "Training: Seed"), value(two, "Training: Seed")) == (0, 3)
    assert value(one, "Training data, SHA-256") == value(two, "Training data, SHA-256")
    assert value(one, "Validation data, SHA-256") != value(two, "Validation data, SHA-256")
    assert (value(one, "Validation frames"), value(two, "Validation frames")) == (2, 3)
    history = RunFolder.open(runs / "one").read_history()
    best = [record for record in history if record.best][-1]
    assert value(one, "Energy RMSE, validation") == pytest.approx(best.valid["energy"]["mean"])
    assert value(one, "Best epoch") == best.epoch and value(one, "Epochs") == 3


def test_errors_by_group_and_on_the_test_are_those_of_the_frames(runs: Path) -> None:
    frames: list[Frame] = list(read_dataset(runs / "data.extxyz").frames)
    potential = Potential.load(runs / "two")
    (two,) = compare_runs([runs / "two"], n_threads=1).runs
    for title, chosen in {
        "Force RMSE, training": frames[:8],
        "Force RMSE, training, a": frames[0:8:2],
        "Force RMSE, training, b": frames[1:8:2],
        "Force RMSE, validation, a": [frames[8], frames[10]],
        "Force RMSE, test": frames[11:],
        "Force RMSE, test, b": frames[11:],
    }.items():
        predicted = potential.predict(chosen, n_threads=1)
        known = np.concatenate([np.asarray(frame.forces) for frame in chosen])
        assert predicted.forces is not None
        assert value(two, title) == pytest.approx(rms([predicted.forces - known]), rel=1e-6)


def test_without_judging_nothing_is_computed_and_nothing_is_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Potential, "predict", None)
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    found = compare_runs([runs / "one", runs / "two"], judge=False)
    assert not any(run.trouble for run in found.runs)
    titles = [head.title for head in found.heads]
    assert not any("Verdict" in title or title == "Force RMSE, training" for title in titles)
    assert "Force RMSE, training as met in the best epoch" in titles
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before


@pytest.mark.parametrize("name", ["data.json", "history.csv", "potential/potential.safetensors", FILE])
def test_a_damaged_run_costs_its_row_only(runs: Path, name: str) -> None:
    write_note(runs / "two", RunNote("good", True))
    whole = compare_runs([runs / "one"], judge=False).runs[0]
    (runs / "two" / name).write_bytes((runs / "two" / name).read_bytes()[:-40] + b"x")
    one, two = compare_runs([runs / "one", runs / "two"], judge=False).runs
    assert one.cells == whole.cells and not one.trouble
    assert name.rpartition("/")[2] in two.trouble and "Traceback" not in two.trouble
    assert bool(two.cells) is (name != "data.json")
    gone = compare_runs([runs / "one", runs / "nothing"], judge=False).runs[1]
    assert "no such folder" in gone.trouble


def test_runs_are_sorted_with_those_that_lack_a_value_last() -> None:
    head = Head("cost", "Epochs")

    def row(name: str, n: float | None) -> ComparedRun:
        from nnpcore.report.compared_runs import Cell

        return ComparedRun(Path(name), name, {} if n is None else {head: Cell(n)})

    found = ComparedRuns((row("a", 3), row("b", None), row("c", 1), row("d", float("nan")), row("e", 3)))
    assert [run.name for run in found.sorted_by(head).runs] == list("caebd")
    assert [run.name for run in found.sorted_by(head, descending=True).runs] == list("aecbd")
    assert found.head("epoch") is head
    with pytest.raises(AnalysisError, match="Epochs"):
        found.head("RMSE")


def test_mapping_errors_are_sorted_by_their_size() -> None:
    from nnpcore.report.compared_runs import Cell

    head = Head("mapping", "Largest monitored mapping error", "meV/atom")
    errors = {"a": -40.0, "b": 3.0, "c": -1.0}
    found = ComparedRuns(tuple(ComparedRun(Path(n), n, {head: Cell(e)}) for n, e in errors.items()))
    assert [run.name for run in found.sorted_by(head).runs] == list("cba")


# notes ------------------------------------------------------------------------------------------------
def test_a_note_stays_when_a_training_goes_on_and_goes_when_another_begins(runs: Path) -> None:
    run, note = runs / "one", RunNote("the <first> one\nof two", True)
    checked = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    write_note(run, note)
    assert read_note(RunFolder.open(run)) == note
    assert {path: path.read_bytes() for path in run.rglob("*") if path in checked} == checked
    assert RunFolder.open(run).has_only_its_own() and FILE in FILES_OF_A_RUN
    frames = list(read_dataset(runs / "data.extxyz").frames)
    Trainer.resume(run, SETTINGS.replace(epochs=4)).run()
    assert read_note(RunFolder.open(run)) == note
    write_note(run, NO_NOTE)
    assert not (run / FILE).exists() and read_note(RunFolder.open(run)) == NO_NOTE
    write_note(run, note)
    Trainer(SETTINGS, frames[:8], frames[8:10], run_folder=run).run()
    assert read_note(RunFolder.open(run)) == NO_NOTE


def test_what_cannot_be_noted_is_said_and_nothing_changes(runs: Path) -> None:
    run = runs / "one"
    write_note(run, RunNote("kept"))
    held = RunFolder.open(run)
    held.lock()
    try:
        with pytest.raises(RunFolderError, match="train"):
            write_note(run, RunNote("lost"))
        write_note(run, RunNote("mine"), trained_here=True)
    finally:
        held.release()
    with pytest.raises(RunFolderError, match="too long"):
        write_note(run, RunNote("x" * 10_001))
    with pytest.raises(RunFolderError, match="no such folder"):
        write_note(runs / "nothing", RunNote("x"))
    assert read_note(RunFolder.open(run)) == RunNote("mine")
    shutil.copy(run / FILE, runs / "two" / FILE)
    with pytest.raises(RunFolderError, match="another training"):
        read_note(RunFolder.open(runs / "two"))


# the command line -------------------------------------------------------------------------------------
def test_the_commands(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = str(runs / "one"), str(runs / "two")
    assert main(["note", two, "=danger", "--star", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["star"] is True
    assert main(["note", two, "--no-star"]) == 0
    assert "=danger" in capsys.readouterr().out
    table = runs / "table.csv"
    options = ["--sort", "seed", "--descending", "--csv", str(table), "--threads", "1"]
    assert main(["compare", one, two, str(runs / "none"), *options]) == 0
    shown = capsys.readouterr()
    assert "L2" in shown.out and "=danger" in shown.out and "no such folder" in shown.err
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["run"] for row in rows] == ["two", "one", "none"]
    assert rows[0]["note"] == "'=danger" and "no such folder" in rows[2]["trouble"]
    (known,) = (run for run in compare_runs([two], judge=False).runs)
    assert float(rows[0]["Energy RMSE, validation (meV/atom)"]) == value(known, "Energy RMSE, validation")
    assert main(["compare", one, "--csv", str(table), "--quick"]) == 1
    assert main(["compare", one, "--sort", "colour", "--quick"]) == 1
    assert "Epochs" in capsys.readouterr().err
    assert main(["compare", str(runs / "none"), "--json", "--quick"]) == 1
    assert "no such folder" in json.loads(capsys.readouterr().out)["runs"][0]["trouble"]
    assert main(["compare", one, two, "--json", "--quick"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["values"]["Training: Seed"] for run in told["runs"]] == [0, 3]


# the window -------------------------------------------------------------------------------------------
def opened(session: Session, *folders: Path) -> None:
    for folder in folders:
        session.runs.open(folder)
        wait_for(lambda folder=folder: any(r.folder == folder for r in session.runs.documents.values()))


@pytest.fixture
def above(qtbot: QtBot) -> QWidget:
    """Return a window to which dialogs belong."""
    found = QWidget()
    qtbot.addWidget(found)
    found.resize(1000, 500)
    found.show()
    return found


def comparison(session: Session, above: QWidget) -> CompareRunsDialog:
    dialog = show_comparison(session, above)
    assert show_comparison(session, above) is dialog and not dialog.isModal()
    wait_for(lambda: not dialog.busy and not dialog._queue)
    return dialog


def cells_of(dialog: CompareRunsDialog, name: str) -> list[str]:
    """Return what stands in a column, row by row."""
    table = dialog.table
    heads = [
        item.text() if (item := table.horizontalHeaderItem(k)) else "" for k in range(table.columnCount())
    ]
    column = heads.index(name)
    return [item.text() if (item := table.item(r, column)) else "" for r in range(table.rowCount())]


def names_of(dialog: CompareRunsDialog) -> list[str]:
    items = (dialog.table.verticalHeaderItem(row) for row in range(dialog.table.rowCount()))
    return [item.text() if item else "" for item in items]


def click_head(qtbot: QtBot, dialog: CompareRunsDialog, column: int) -> None:
    head = dialog.table.horizontalHeader()
    dialog.table.scrollTo(dialog.table.model().index(0, column))
    place = head.sectionViewportPosition(column) + 6
    at = head.viewport().rect().center()
    at.setX(place)
    qtbot.mouseClick(head.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_the_table_in_the_window_is_that_of_the_command_line(
    qtbot: QtBot, session: Session, above: QWidget, runs: Path
) -> None:
    opened(session, runs / "one", runs / "two")
    dialog = comparison(session, above)
    told = compare_runs([runs / "one", runs / "two"], n_threads=1)
    assert names_of(dialog) == ["two", "one"]
    for head in told.heads:
        assert cells_of(dialog, head.name) == [run.text(head) for run in reversed(told.runs)], head.name
    column = 2 + [head.name for head in told.heads].index("Training: Seed")
    for wanted in (["one", "two"], ["two", "one"], ["two", "one"]):
        click_head(qtbot, dialog, column)
        assert names_of(dialog) == wanted
    dialog.copy.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith("run\tstar\tnote\t")
    assert [line.split("\t")[0] for line in lines[1:]] == ["two", "one"]
    dialog.save_table(runs / "table.csv")
    wait_for((runs / "table.csv").is_file)
    assert (runs / "table.csv").read_text().startswith("run,star,note,")
    dialog.close()


def test_stars_and_notes_are_made_by_mouse_and_keyboard_and_undone(
    qtbot: QtBot, session: Session, above: QWidget, runs: Path
) -> None:
    opened(session, runs / "one", runs / "two")
    dialog = comparison(session, above)
    table = dialog.table

    def press(row: int, column: int, click: Callable[..., None]) -> None:
        rect = table.visualRect(table.model().index(row, column))
        click(table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())

    press(1, 0, qtbot.mouseClick)
    wait_for(lambda: (runs / "one" / FILE).is_file())
    wait_for(lambda: cells_of(dialog, "★") == ["☆", "★"])
    press(1, 1, qtbot.mouseClick)
    press(1, 1, qtbot.mouseDClick)
    editor = table.findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "the better one")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    noted = RunNote("the better one", True)
    wait_for(lambda: read_note(RunFolder.open(runs / "one")) == noted)
    wait_for(lambda: cells_of(dialog, "Note") == ["", "the better one"])
    click_head(qtbot, dialog, 0)
    assert names_of(dialog) == ["one", "two"]
    run = session.runs.documents[dialog._order[0]]
    row = RunRow(session, run.id, dialog)
    assert row.name.text() == "★ one" and "the better one" in row.name.toolTip()
    session.undo_stack.undo()
    session.undo_stack.undo()
    wait_for(lambda: not (runs / "one" / FILE).exists())
    session.undo_stack.redo()
    wait_for(lambda: read_note(RunFolder.open(runs / "one")) == RunNote(star=True))
    dialog.close()


def test_the_menu_of_a_run_notes_and_opening_it_again_shows_it(
    qtbot: QtBot, session: Session, above: QWidget, runs: Path
) -> None:
    opened(session, runs / "one")
    (run,) = session.runs.documents.values()
    actions = {action.text(): action for action in run_menu(session, run.id, above).actions()}
    actions["Note…"].trigger()
    (box,) = (w for w in QApplication.topLevelWidgets() if w.windowTitle() == "Note" and w.isVisible())
    editor = box.findChild(QPlainTextEdit)
    assert editor is not None and isinstance(box, QInputDialog)
    qtbot.keyClicks(editor, "seen")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.keyClicks(editor, "twice")
    box.accept()
    wait_for(lambda: read_note(RunFolder.open(runs / "one")) == RunNote("seen\ntwice"))
    session.runs.remove(run.id)
    opened(session, runs / "one")
    (again,) = session.runs.documents.values()
    assert again.note == RunNote("seen\ntwice")


def test_followed_and_damaged_runs_are_not_written(session: Session, above: QWidget, runs: Path) -> None:
    write_note(runs / "two", RunNote("kept"))
    (runs / "two" / FILE).write_text("{")
    opened(session, runs / "one", runs / "two")
    one, two = session.runs.documents.values()
    one.state = RunState.ELSEWHERE
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    told: list[str] = []
    session.messages.notified.connect(lambda note: told.append(note.text))
    for run in (one, two):
        actions = {action.text(): action for action in run_menu(session, run.id, above).actions()}
        assert not actions["Star"].isEnabled() and not actions["Note…"].isEnabled()
        session.notes.set(run.id, RunNote("other", True))
        assert run.note == NO_NOTE
    assert "only read" in told[0] and FILE in told[1]
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before


def test_a_note_that_cannot_be_written_is_shown_no_more(
    session: Session, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(session, runs / "one")
    (run,) = session.runs.documents.values()
    session.notes.set(run.id, RunNote("first"))
    wait_for(lambda: (runs / "one" / FILE).is_file() and not session.tasks.tasks)

    def full(*_: object, **__: object) -> None:
        raise RunFolderError("the disk is full", where=str(runs / "one"))

    monkeypatch.setattr("app.session.notes.write_note", full)
    session.notes.set(run.id, RunNote("second"))
    wait_for(lambda: run.note == RunNote("first"))
    assert read_note(RunFolder.open(runs / "one")) == RunNote("first")


def test_a_table_that_was_closed_hears_of_no_more_runs(
    qtbot: QtBot, session: Session, above: QWidget, runs: Path
) -> None:
    opened(session, runs / "one")
    dialog = comparison(session, above)
    dialog.close()
    wait_for(lambda: not isValid(dialog))
    with qtbot.captureExceptions() as errors:
        opened(session, runs / "two")
        session.runs.add("three", SETTINGS)
    assert not errors


def test_the_lines_of_a_note_are_not_lost_in_the_table(session: Session, above: QWidget, runs: Path) -> None:
    opened(session, runs / "one", runs / "two")
    (first, *_) = session.runs.documents
    session.notes.set(first, replace(session.runs.documents[first].note, text="first line\nsecond line"))
    dialog = comparison(session, above)
    (row,) = (k for k in range(2) if dialog.table.item(k, 1).text() == "first line second line")
    item = dialog.table.item(row, 1)
    assert not item.flags() & Qt.ItemFlag.ItemIsEditable
    assert "first line\nsecond line" in item.toolTip() and "menu of its run" in item.toolTip()
    assert dialog.table.item(1 - row, 1).flags() & Qt.ItemFlag.ItemIsEditable
    assert session.runs.documents[first].note.text == "first line\nsecond line"
