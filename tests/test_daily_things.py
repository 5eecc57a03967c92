"""Undo says what it undoes, the log is filtered and copied, recent files are the user's, drops are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication

from app.dialogs.calculator_fields import ANY
from app.dialogs.fields import set_value
from app.session.messages import Notification
from app.shell.toasts import OFFERING_SECONDS
from nnpcore.structures import Role, example_path


@pytest.fixture
def opened(window, qtbot, silicon_file):
    with qtbot.waitSignal(window.session.data.added):
        window.files.open_paths([str(silicon_file("a.extxyz"))])
    return window


def test_undo_says_what_it_undoes(opened):
    undo, redo = (opened.commands.actions[f"edit.{name}"] for name in ("undo", "redo"))
    assert (undo.text(), redo.text()) == ("Undo", "Redo")
    opened.session.data.set_role("a", Role.INSPECT)
    assert undo.text() == "Undo: role of a.extxyz" and "role of a.extxyz (Ctrl+Z)" in undo.toolTip()
    undo.trigger()
    assert (undo.text(), redo.text()) == ("Undo", "Redo: role of a.extxyz")
    assert opened.session.data.datasets["a"].role is Role.TRAINING
    opened.session.coloring.set(kind="atomic_energy")
    assert undo.text() == "Undo: colour by atomic energy"
    opened.session.visibility.show("a", False)
    assert undo.text() == "Undo: hiding a.extxyz"


def test_the_log_is_shown_by_level_and_words_and_copied(window):
    log = window.docks["log"].panel
    notify = window.session.messages.notify
    notify(Notification("info", "Opened", "a file"))
    notify(Notification("warning", "Strange <b>file</b>", "look at it"))
    notify(Notification("error", "Broken", "it was not read", "Traceback …"))
    assert [entry.level for entry in log.shown()][-3:] == ["info", "warning", "error"]
    log.level.setCurrentIndex(1)
    log.level.activated.emit(1)
    assert [entry.level for entry in log.shown()] == ["warning", "error"]
    log.search.setText("strange")
    assert "Strange <b>file</b>" in log.text.toPlainText() and "Broken" not in log.text.toPlainText()
    log.copy_button.click()
    copied = QGuiApplication.clipboard().text()
    assert copied.endswith("warning: Strange <b>file</b>: look at it") and "\n" not in copied
    log.search.setText("nothing like this")
    assert log.text.toPlainText() == "" and log.text.placeholderText() == "Nothing that was said fits."
    log.search.clear()
    log.level.setCurrentIndex(0)
    log.level.activated.emit(0)
    assert "Traceback" in log.text.toPlainText() and "Opened" in log.text.toPlainText()


def test_recent_files_are_those_of_the_user(opened, qtbot):
    mine = opened.settings.recent_files
    assert [Path(path).name for path in mine] == ["a.extxyz"]
    with qtbot.waitSignal(opened.session.data.added, timeout=60_000):
        opened.session.data.open_paths([str(example_path("eos"))])
    assert [Path(path).name for path in opened.settings.recent_files] == ["a.extxyz"]


def test_files_dragged_over_the_window_are_announced(window, qtbot, silicon_file):
    paths = [silicon_file("one.extxyz"), silicon_file("two.extxyz")]
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(200, 200), copy, mime, left, none)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted() and window.drop_shade.isVisible()
    assert window.drop_shade.text == "Drop to open 2 files"
    before = window.grab().toImage()
    QApplication.sendEvent(window, QDragLeaveEvent())
    assert not window.drop_shade.isVisible() and window.grab().toImage() != before
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(200, 200), copy, mime, left, none))
    with qtbot.waitSignals([window.session.data.added] * 2):
        drop = QDropEvent(QPoint(200, 200).toPointF(), copy, mime, left, none)
        QApplication.sendEvent(window, drop)
    assert not window.drop_shade.isVisible()


def test_calculators_and_lattices_follow_the_elements(window, qtbot, tmp_path):
    write(tmp_path / "cu.extxyz", [bulk("Cu", cubic=True)], format="extxyz")
    with qtbot.waitSignal(window.session.data.added):
        window.files.open_paths([str(tmp_path / "cu.extxyz")])
    dialog = window.dialogs.open("training_set")
    values = dialog.values()
    assert (values["start"], values["element"]) == ("frame", "Cu")
    assert (values["calculator"], values["import_path"]) == (ANY, "ase.calculators.emt:EMT")
    box = dialog.widgets["calculator"]
    usable = {box.itemData(row): box.model().item(row).isEnabled() for row in range(box.count())}
    assert usable == {"stillinger-weber": False, "cleri-rosato": False, ANY: True}
    set_value(dialog.widgets["start"], "crystal")
    set_value(dialog.widgets["element"], "Fe")
    assert dialog.values()["lattice"] == "bcc"
    assert dialog.values()["import_path"] == "mace.calculators:mace_mp"
    for typed, calculator in (("S", ANY), ("Si", "stillinger-weber")):  # on the way, a letter is sulfur
        set_value(dialog.widgets["element"], typed)
        assert dialog.values()["calculator"] == calculator
    set_value(dialog.widgets["start"], "slab")
    assert dialog.values()["calculator"] == "stillinger-weber"
    dialog.reject()
    points = window.dialogs.open("invariant_points")
    assert points.values()["element"] == "Cu" and points.values()["lattice"] == "fcc"
    set_value(points.widgets["span"], "constant")
    assert points.values()["low"] < 3.61 < points.values()["high"]
    set_value(points.widgets["span"], "volume")
    assert points.values()["low"] < 3.61**3 / 4 < points.values()["high"]
    set_value(points.widgets["element"], "Si")
    assert points.values()["lattice"] == "diamond"
    assert points.values()["low"] < 20.0 < points.values()["high"]
    points.reject()


def test_what_only_offers_something_goes_soon(window):
    opened = ("Open", lambda: None)
    for number in range(4):
        window.session.messages.notify(
            Notification("info", "Report written", f"{number}.html", actions=(opened,))
        )
    (toast,) = window.toasts.shown
    assert toast.notification.text == "3.html" and toast._timer.interval() == 1000 * OFFERING_SECONDS
