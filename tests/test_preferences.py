"""Preferences: each works at once or says when, all are kept, and all can be put back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QApplication, QLabel

from app import settings as settings_module
from app.dialogs.preferences import Preferences
from app.look import colormaps, theme
from app.look.ink import font
from app.look.numbers import number_text
from app.look.preferred import use_look
from app.plots.legend import Legend
from app.plots.swatch import Entry
from app.widgets.readout import Cell, Readout
from app.widgets.tables import PointsTable
from nnpcore.structures import Role


@pytest.fixture(autouse=True)
def usual_look():
    yield
    use_look(settings_module.Settings())


def answer(window, fill) -> None:
    """Open the preferences, let ``fill`` set the fields, and press OK."""

    def press() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, Preferences)
        fill(dialog)
        dialog.accept()

    QTimer.singleShot(50, press)
    window.commands.run("edit.preferences")


def choose(box, value) -> None:
    box.setCurrentIndex(box.findData(value))
    assert box.currentData() == value


def test_the_look_changes_at_once(window):
    before, size = colormaps.map_colors(True).copy(), font().pointSizeF()

    def fill(dialog: Preferences) -> None:
        choose(dialog.theme, "dark")
        choose(dialog.text, 130)
        choose(dialog.digits, 2)
        choose(dialog.diverging, "crameri:cork")
        choose(dialog.sequential, "cividis:cividis")

    answer(window, fill)
    assert theme.current().dark
    assert font().pointSizeF() == pytest.approx(1.3 * size)
    assert number_text(1.0, 1) == "1.000"
    assert not np.array_equal(colormaps.map_colors(True), before)
    assert np.array_equal(colormaps.map_colors(False), colormaps.table("cividis:cividis"))


def test_trainings_take_threads_memory_and_folder_from_now_on(window, qtbot, silicon_file, tmp_path):
    def fill(dialog: Preferences) -> None:
        texts = [label.text() for label in dialog.findChildren(QLabel)]
        assert "for those started from now on" in texts and "at once" in texts
        dialog.threads.setValue(1)
        dialog.memory.setValue(0.5)
        dialog.folder.setText(str(tmp_path / "mine"))

    answer(window, fill)
    with qtbot.waitSignal(window.session.data.added):
        window.files.open_paths([str(silicon_file())])
    run = window.session.runs.documents[window.session.trainings.start()]
    assert (run.settings.n_threads, run.settings.memory_gb) == (1, 0.5)
    assert run.folder is not None and run.folder.parent == tmp_path / "mine"
    window.session.trainings.stop_all()
    qtbot.waitUntil(lambda: not window.session.trainings.active, timeout=120_000)


def test_the_start_and_what_is_kept_of_a_session(window, qtbot, silicon_file):
    def fill(dialog: Preferences) -> None:
        dialog.autosave.setValue(0)
        choose(dialog.workspace, "map")
        dialog.restore.setChecked(False)

    answer(window, fill)
    with qtbot.waitSignal(window.session.data.added):
        window.files.open_paths([str(silicon_file())])
    assert not window.keeper._timer.isActive()
    again = settings_module.load()
    assert (again.autosave_seconds, again.first_workspace, again.restore_session) == (0, "map", False)
    answer(window, lambda dialog: dialog.autosave.setValue(1))
    window.session.data.set_role(next(iter(window.session.data.datasets)), Role.INSPECT)
    qtbot.waitUntil(lambda: window.keeper._path.is_file())


def test_defaults_come_back(window):
    answer(window, lambda dialog: (choose(dialog.text, 90), dialog.threads.setValue(3)))
    assert settings_module.load().text_percent == 90
    answer(window, lambda dialog: dialog.reset_button.click())
    again, usual = settings_module.load(), settings_module.Settings()
    assert (again.text_percent, again.n_threads, again.folder) == (100, usual.n_threads, usual.folder)


def test_senseless_preferences_fall_back(app_home):
    path = settings_module.settings_path()
    path.parent.mkdir(parents=True)
    wrong = {"text_percent": 9999, "autosave_seconds": -1, "diverging_map": "pink", "memory_gb": -2.0}
    path.write_text(json.dumps({"schema": 1, **wrong}))
    found, usual = settings_module.load(), settings_module.Settings()
    assert (found.text_percent, found.autosave_seconds) == (100, usual.autosave_seconds)
    assert found.memory_gb == 0.0
    use_look(found)
    assert colormaps.usual(True) == colormaps.DIVERGING


def test_a_place_to_work_is_checked_while_it_is_typed(window):
    def fill(dialog: Preferences) -> None:
        dialog.scheduler.setText("local:many")
        assert not dialog.ok_button.isEnabled() and "local:N" in dialog.scheduler_note.text()
        dialog.scheduler.setText(" local:2 ")
        assert dialog.ok_button.isEnabled() and not dialog.scheduler_note.text()

    answer(window, fill)
    assert window.settings.scheduler == "local:2"


def test_texts_of_another_size_have_their_room_at_once(window, qtbot):
    readout, legend, table = Readout(), Legend(), PointsTable()
    for widget in (readout, legend, table):
        qtbot.addWidget(widget)
        widget.resize(260, 80)
    readout.set_cells([Cell("V₀ Å³", "20.57", "20.58")], ("NN", "ref"))
    legend.set_entries([Entry(name, name, "text") for name in ("reference", "in reach", "left open")])
    heights = readout.height(), legend.height(), table.line_height
    answer(window, lambda dialog: choose(dialog.text, 130))
    line = QFontMetricsF(font()).height()
    assert all(
        now > before
        for now, before in zip((readout.height(), legend.height(), table.line_height), heights, strict=True)
    )
    assert readout.height() >= 3 * line
    boxes = [(placed.box, placed.text) for placed in legend.line.placed]
    assert boxes and all(b.width() > QFontMetricsF(font()).horizontalAdvance(text) for b, text in boxes)
