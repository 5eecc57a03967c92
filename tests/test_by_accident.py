"""Nothing scientific happens by accident: roles, settings and what is steered, through the real window."""

from __future__ import annotations

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton
from test_app_window import drop, panel

from app.documents.run import RunState
from nnpcore.structures import Role, example_path
from nnpcore.training import TrainSettings


@pytest.fixture
def alloy_file(tmp_path):
    """Two frames of CuNi, with energies and forces of EMT."""
    frames = []
    for seed in range(2):
        atoms = bulk("Cu", cubic=True)
        atoms.symbols[0] = "Ni"
        atoms.rattle(0.05, seed=seed)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    write(tmp_path / "cuni.extxyz", frames, format="extxyz")
    return tmp_path / "cuni.extxyz"


def opened(window, qtbot, *paths):
    with qtbot.waitSignals([window.session.data.added] * len(paths)):
        drop(window, *paths)
    return list(window.session.data.datasets.values())


def titles(window):
    return [toast.notification.title for toast in window.toasts.shown]


def trained_on(window) -> str:
    return window.toolbar.findChild(QLabel, "trained_on").text().replace("\n", " ")


def test_a_dropped_file_that_does_not_fit_is_only_looked_at(window, qtbot, silicon_file, alloy_file):
    (silicon,) = opened(window, qtbot, silicon_file())
    assert silicon.role is Role.TRAINING and titles(window) == ["si.extxyz is open"]
    assert trained_on(window) == "4 frames of Si in 1 file"
    _, alloy = opened(window, qtbot, alloy_file)
    assert alloy.role is Role.INSPECT and titles(window)[-1] == "cuni.extxyz is only looked at"
    toast = window.toasts.shown[-1]
    assert "it has Ni and Cu, which si.extxyz does not have" in toast.notification.text
    assert trained_on(window) == "4 frames of Si in 1 file"
    QTest.mouseClick(toast.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert alloy.role is Role.TRAINING
    qtbot.waitUntil(lambda: trained_on(window) == "⚠ 6 frames of Si-Ni-Cu in 2 files")


def test_a_volume_scan_of_another_element_is_no_reference(window, qtbot, alloy_file):
    opened(window, qtbot, alloy_file)
    _, scan = opened(window, qtbot, example_path("eos"))
    assert scan.role is Role.INSPECT and "it has Si, which" in window.toasts.shown[-1].notification.text
    button = window.toasts.shown[-1].findChild(QPushButton)
    assert button.text() == "Use as EOS Reference"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert scan.role is Role.EOS


def test_the_button_of_a_message_does_nothing_about_a_file_that_was_closed(
    window, qtbot, silicon_file, alloy_file
):
    opened(window, qtbot, silicon_file())
    _, alloy = opened(window, qtbot, alloy_file)
    button = window.toasts.shown[-1].findChild(QPushButton)
    window.session.data.remove(alloy.id)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert trained_on(window) == "4 frames of Si in 1 file"


def test_a_file_that_fits_joins_the_training_and_this_is_said(window, qtbot, silicon_file, tmp_path):
    opened(window, qtbot, silicon_file())
    lines = silicon_file("other.extxyz").read_text().replace("energy=-", "energy=-1")
    (tmp_path / "far.extxyz").write_text(lines)
    _, same = opened(window, qtbot, tmp_path / "other.extxyz")
    assert same.role is Role.INSPECT
    assert "all its 4 frames are in si.extxyz as well" in window.toasts.shown[-1].notification.text
    *_, far = opened(window, qtbot, tmp_path / "far.extxyz")
    assert far.role is Role.INSPECT
    assert "eV/atom below those of si.extxyz at the same volume" in window.toasts.shown[-1].notification.text


def test_training_on_what_does_not_fit_is_asked_about_first(window, qtbot, silicon_file, alloy_file):
    opened(window, qtbot, silicon_file())
    _, alloy = opened(window, qtbot, alloy_file)
    window.session.data.set_role(alloy.id, Role.TRAINING)
    asked = []

    def refuse(warnings):
        asked.append(warnings)
        return False

    window.session.trainings.confirm = refuse
    window.commands.run("training.start")
    assert not window.session.runs.documents
    assert asked == [("cuni.extxyz: it has Ni and Cu, which si.extxyz does not have",)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("epochs", "many", "Epochs: “many” is not a whole number"),
        ("epochs", "inf", "Epochs: “inf” is not a whole number"),
        ("hidden", "15 -x", "“15 -x” is not a list of whole numbers, such as 15, 15"),
        ("cutoff", "0.1", "0.1 is not sensible"),
    ],
)
def test_an_invalid_field_stops_the_training_and_is_named(window, qtbot, silicon_file, name, text, words):
    opened(window, qtbot, silicon_file())
    box = panel(window, "model").findChild(QLineEdit, f"model_{name}")
    box.selectAll()
    QTest.keyClicks(box, text)  # Train is pressed before the field is left
    QTest.mouseClick(window.toolbar.findChild(object, "train_button"), Qt.MouseButton.LeftButton)
    assert not window.session.runs.documents
    assert titles(window)[-1] == "Training cannot start"
    assert words in window.toasts.shown[-1].notification.text
    assert box.property("wrong") and box.text() == text
    other = panel(window, "model").findChild(QLineEdit, "model_seed")
    other.setText("5")
    other.editingFinished.emit()
    assert window.session.trainings.settings.seed == 5
    assert box.property("wrong") and box.text() == text, "another field's change hides no mistake"


def test_what_is_being_typed_counts(window, qtbot, silicon_file, monkeypatch):
    opened(window, qtbot, silicon_file())
    launched = []
    monkeypatch.setattr(window.session.trainings, "launch", lambda s, *_: launched.append(s) or "")
    box = panel(window, "model").findChild(QLineEdit, "model_epochs")
    box.setFocus()
    QTest.keyClicks(box, "x")
    window.commands.run("training.start")
    assert "Training cannot start" in titles(window)
    box.clear()
    QTest.keyClicks(box, "17")
    window.commands.run("training.start")
    assert launched[0].epochs == 17
    assert "Training cannot start" not in titles(window)


def test_the_model_panel_shows_the_settings_of_the_run_looked_at(window, qtbot):
    session, model = window.session, panel(window, "model")
    epochs = model.findChild(QLineEdit, "model_epochs")
    assert model.owner.isHidden()
    run = session.runs.add("first", TrainSettings(epochs=12), RunState.STOPPED)
    session.runs.set_current(run.id)
    assert epochs.text() == "12" and epochs.isReadOnly() and not model.owner.isHidden()
    assert model.about_run.text().startswith("first: stopped")
    assert session.trainings.settings.epochs is None
    QTest.keyClicks(epochs, "3")
    assert epochs.text() == "12"
    QTest.mouseClick(model.of_next, Qt.MouseButton.LeftButton)
    assert epochs.text() == "" and not epochs.isReadOnly()
    QTest.mouseClick(model.of_run, Qt.MouseButton.LeftButton)
    QTest.mouseClick(model.use, Qt.MouseButton.LeftButton)
    assert session.trainings.settings.epochs == 12
    assert not epochs.isReadOnly() and epochs.text() == "12"
    session.undo_stack.undo()
    assert epochs.text() == ""


def test_pause_and_stop_act_on_what_trains(window, qtbot, silicon_file):
    opened(window, qtbot, silicon_file())
    session = window.session
    session.trainings.set_settings(TrainSettings(epochs=2000, hidden=(4,), n_members=1))
    window.commands.run("training.start")
    (run,) = session.runs.documents.values()
    qtbot.waitUntil(lambda: run.state is RunState.RUNNING, timeout=60_000)
    other = session.runs.add("other", TrainSettings(), RunState.FINISHED)
    session.runs.set_current(other.id)
    for command in ("training.pause", "training.stop"):
        assert window.commands.actions[command].isEnabled()
    window.commands.run("training.pause")
    assert run.state is RunState.PAUSED and other.state is RunState.FINISHED
    window.refresh_commands()
    window.commands.run("training.resume")
    assert run.state is RunState.RUNNING
    window.commands.run("training.stop")
    qtbot.waitUntil(lambda: run.state is RunState.STOPPED, timeout=60_000)
    assert other.state is RunState.FINISHED
