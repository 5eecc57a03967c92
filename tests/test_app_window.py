"""The window on a virtual display: what a user does in it and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QLineEdit, QTableWidgetItem

from app import settings as settings_module
from app.dialogs.preferences import Preferences
from app.documents import session_file
from app.documents.session_file import SavedDataset, SavedSession
from app.look import theme
from app.panels.model_panel import DECLARED, shown_text
from app.session.messages import Notification
from app.shell.command_palette import match
from app.shell.commands import Command, Commands
from app.widgets.function_table import FunctionTable
from app.widgets.labels import ElidedLabel
from nnpcore.structures import Role, example_path


def drop(window, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    window.dropEvent(QDropEvent(QPointF(200, 200), Qt.DropAction.CopyAction, data, buttons, keys))


def panel(window, name):
    return window.docks[name].panel


def edit(window, name, text) -> QLineEdit:
    box = panel(window, "model").findChild(QLineEdit, f"model_{name}")
    box.setText(text)
    box.editingFinished.emit()
    return box


# files ----------------------------------------------------------------------------------------------------
def test_dropped_files_are_opened_and_listed(window, qtbot, silicon_file):
    with qtbot.waitSignals([window.session.data.added] * 2):
        drop(window, silicon_file("a.extxyz"), silicon_file("b.extxyz", n_frames=1))
    data = panel(window, "data")
    assert data.rows.list.count() == 2
    assert data.rows.currentWidget() is data.rows.list
    assert data.rows.list.currentRow() == 0
    assert window.settings.recent_files[0].endswith("b.extxyz")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.extxyz", b"", "empty"),
        ("noise.xyz", bytes(range(256)) * 20, "noise.xyz"),
        ("letter.txt", b"Dear colleague,\nplease find attached\n", "letter.txt"),
    ],
)
def test_bad_files_give_a_message_that_stays(window, qtbot, tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with qtbot.waitSignal(window.session.messages.notified):
        drop(window, path)
    (toast,) = window.toasts.shown
    assert toast.notification.title == f"{name} was not opened"
    assert words in toast.notification.text
    toast.copy()
    assert words in QGuiApplication.clipboard().text()
    assert f"{name} was not opened" in panel(window, "log").text.toPlainText()
    toast.close_toast()
    assert window.toasts.shown == []


def test_bad_frames_can_be_skipped_from_the_message(window, qtbot, silicon_file):
    path = silicon_file(n_frames=3)
    path.write_text(path.read_text().replace("energy=-39.0", "energy=inf"))
    with qtbot.waitSignal(window.session.messages.notified):
        drop(window, path)
    (toast,) = window.toasts.shown
    assert toast.notification.text.startswith("Frame 2: ")
    with qtbot.waitSignal(window.session.data.added):
        toast.buttons[0].click()
    (told,) = window.toasts.shown
    assert told.notification.text == "It is trained on: it has energies."
    (document,) = window.session.data.datasets.values()
    labels = panel(window, "data").rows.row(document.id).findChildren(ElidedLabel)
    assert any("1 skipped" in label.text() for label in labels)


def test_the_role_box_sets_the_role_and_follows_undo(window, qtbot, silicon_file):
    with qtbot.waitSignal(window.session.data.added):
        drop(window, silicon_file())
    (document,) = window.session.data.datasets.values()
    row = panel(window, "data").rows.row(document.id)
    row.role.setCurrentIndex(row.role.findData(Role.EOS))
    row.role.activated.emit(row.role.currentIndex())
    assert document.role is Role.EOS
    window.commands.actions["edit.undo"].trigger()
    assert document.role is Role.TRAINING
    assert row.role.currentData() == Role.TRAINING
    row.close_button.click()
    assert panel(window, "data").rows.currentIndex() == 0


def test_the_example_has_sensible_roles(window, qtbot):
    with qtbot.waitSignals([window.session.data.added] * 3, timeout=60_000):
        window.commands.run("file.example")
    roles = {Path(d.path).stem: d.role for d in window.session.data.datasets.values()}
    assert roles == {"nvt": Role.TRAINING, "npt": Role.INSPECT, "eos": Role.EOS}
    window.commands.run("file.example")
    assert not window.session.tasks.reading()


def test_an_example_and_the_last_session_take_the_place_of_what_is_open(
    window, qtbot, app_home, silicon_file
):
    data, (mine, scan) = window.session.data, (silicon_file("mine.extxyz"), silicon_file("eos_mine.extxyz"))
    saved = [SavedDataset(str(path), role, 0) for path, role in ((mine, "training"), (scan, "eos"))]
    session_file.write(session_file.last_path(app_home), SavedSession(saved))
    nvt = str(example_path("nvt"))
    with qtbot.waitSignals([data.added] * 2, timeout=60_000):
        data.open_paths([str(scan), nvt], {str(scan): Role.EOS, nvt: Role.INSPECT})
    qtbot.waitUntil(lambda: not data.reading, timeout=60_000)
    window.commands.run("file.example")
    qtbot.waitUntil(lambda: set(data.datasets) == {"nvt", "npt", "eos"}, timeout=60_000)
    qtbot.waitUntil(lambda: not data.reading, timeout=60_000)
    assert data.current is not None and (data.current.id, data.current.role) == ("nvt", Role.TRAINING)
    (toast,) = window.toasts.shown
    assert toast.notification.text.startswith("eos_mine.extxyz. Undo opens")
    window.commands.run("file.restore")
    qtbot.waitUntil(
        lambda: {d.path for d in data.datasets.values()} == {str(mine), str(scan)}, timeout=60_000
    )
    assert [d.path for d in data.of_role(Role.EOS)] == [str(scan)]
    assert toast not in window.toasts.shown, "it was about another session"


# settings of the training ---------------------------------------------------------------------------------
def test_model_fields_set_the_training_settings(window):
    edit(window, "hidden", "20 10")
    edit(window, "stress_weight", "0.5")
    edit(window, "valid_fraction", "25")
    edit(window, "epochs", "12")
    settings = window.session.trainings.settings
    assert (settings.hidden, settings.stress_weight, settings.valid_fraction) == ((20, 10), 0.5, 0.25)
    assert settings.epochs == 12
    window.commands.run("edit.undo")
    assert window.session.trainings.settings.epochs is None
    assert panel(window, "model").findChild(QLineEdit, "model_epochs").text() == ""


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("n_members", "1000", "1000 is not sensible for the number of networks in the ensemble"),
        ("epochs", "1e9", "1e+09 is not sensible for the number of passes"),
        ("cutoff", "0.1", "0.1 is not sensible for the cutoff radius"),
        ("seed", "one", "“one” is not a whole number"),
        ("hidden", "", "hidden layers"),
    ],
)
def test_senseless_settings_are_refused_with_words(window, name, text, words):
    before = window.session.trainings.settings
    box = edit(window, name, text)
    model = panel(window, "model")
    assert words in model.error.text()
    assert not model.error.isHidden()
    assert box.property("wrong")
    assert window.session.trainings.settings == before
    edit(window, name, shown_text(DECLARED[name], before))
    assert model.error.isHidden()


def test_function_table_gives_preset_or_table(window, qtbot):
    settings = window.session.trainings.settings.descriptors
    table = FunctionTable(settings, ("Si",))
    qtbot.addWidget(table)
    assert table.table.rowCount() == 26
    assert table.descriptors().functions is None
    table.table.setCurrentCell(0, 0)
    table.remove_rows()
    chosen = table.descriptors()
    assert chosen.functions is not None and len(chosen.functions["Si"]) == 25
    panel(window, "model").set_functions(chosen)
    assert panel(window, "model").functions.currentText() == "Table of 25"
    table.table.setItem(3, 3, QTableWidgetItem("much"))
    assert table.message.text().startswith("row 4: a number is missing")
    assert not table.box.button(QDialogButtonBox.StandardButton.Ok).isEnabled()


def test_functions_made_from_the_data_are_shown_and_stay_automatic(window, qtbot):
    model, trainings = panel(window, "model"), window.session.trainings
    model.functions.setCurrentIndex(model.functions.findData("auto"))
    model.functions.activated.emit(model.functions.currentIndex())
    assert trainings.settings.descriptors.preset == "auto"
    made = trainings.settings.descriptors.replace(functions=None)
    functions = {"Si": [{"type": "G2", "element": "Si", "eta": 0.5, "r_s": 2.3, "cutoff": 5.0}]}
    table = FunctionTable(made, ("Si",), None, functions)
    qtbot.addWidget(table)
    assert table.table.rowCount() == 1
    assert table.descriptors() == made
    table.add_row()
    table.table.setItem(1, 3, QTableWidgetItem("0.7"))
    assert table.descriptors().preset == "table"
    model.set_functions(made.replace(functions=functions))
    assert model.functions.currentText() == "Automatic: 1"


def test_training_settings_as_a_file(window, tmp_path):
    edit(window, "seed", "7")
    path = tmp_path / "run.toml"
    window.session.trainings.settings.to_toml(path)
    edit(window, "seed", "8")
    panel(window, "model").load_settings(str(path))
    assert window.session.trainings.settings.seed == 7
    path.write_text("speed = 3")
    panel(window, "model").load_settings(str(path))
    assert window.toasts.shown[-1].notification.title == "The settings were not loaded"


# commands -------------------------------------------------------------------------------------------------
def test_palette_finds_and_runs_commands(window, qtbot):
    window.commands.run("help.palette")
    box = window.palette_box
    qtbot.keyClicks(box.search, "dark")
    assert box.list.item(0).text() == "Appearance: Dark"
    qtbot.keyClick(box.search, Qt.Key.Key_Return)
    assert theme.current().dark
    assert not box.isVisible()
    assert settings_module.load().theme == "dark"


def test_palette_leaves_out_what_cannot_be_done(window, qtbot):
    window.palette_box.open()
    shown = [window.palette_box.list.item(i).text() for i in range(window.palette_box.list.count())]
    assert not any(text.startswith(("Pause", "Undo", "Export Potential")) for text in shown)
    window.palette_box.hide()


def test_matching_prefers_titles():
    command = Command("file.open", "Open…", print, tip="Open trajectories", menu="File")
    assert [match(text, command) for text in ("op", "en", "traj", "oe", "xyz")] == [0, 1, 2, 3, None]


def test_commands_have_unique_ids_and_shortcuts(window):
    commands = list(window.commands.by_id.values())
    with pytest.raises(ValueError, match="exists already"):
        Commands([*commands, Command("x", "X", print, shortcut="Ctrl+O")], window)
    assert all(command.menu or command.id.startswith("viewer.") for command in commands)


# look and layout ------------------------------------------------------------------------------------------
def test_theme_changes_recolour_icons_and_palette(window):
    def ink() -> int:
        image = window.commands.actions["file.open"].icon().pixmap(24, 24).toImage()
        solid = [image.pixelColor(x, y) for x in range(24) for y in range(24)]
        return max(color.lightness() for color in solid if color.alpha() > 200)

    window.set_theme("light")
    light = ink()
    window.set_theme("dark")
    assert ink() > light + 100
    window.set_theme("light")


def test_panels_can_be_closed_and_reset(window, qtbot):
    dock = window.docks["model"]
    dock.close()
    assert not dock.isVisible()
    window.docks["data"].setFloating(True)
    window.commands.run("view.reset")
    qtbot.waitUntil(dock.isVisible)
    assert not window.docks["data"].isFloating()


def test_preferences(window, qtbot, tmp_path):
    dialog = Preferences(window.settings, window)
    dialog.theme.setCurrentIndex(dialog.theme.findData("dark"))
    dialog.threads.setValue(3)
    dialog.folder.setText(str(tmp_path / "runs"))
    dialog.restore.setChecked(False)
    dialog.apply(window.settings)
    window.settings.save()
    again = settings_module.load()
    assert (again.theme, again.n_threads, again.restore_session) == ("dark", 3, False)
    assert again.runs_folder == tmp_path / "runs"


# settings and sessions on disk ----------------------------------------------------------------------------
def test_damaged_and_newer_settings_are_set_aside(app_home):
    path = settings_module.settings_path()
    path.parent.mkdir(parents=True)
    for content in ("{", "[]", json.dumps({"schema": 99})):
        path.write_text(content)
        assert settings_module.load() == settings_module.Settings()
        assert path.with_name("settings.json.old").read_text() == content
    path.write_text(json.dumps({"schema": 1, "theme": "pink", "n_threads": "two", "new": 1}))
    assert settings_module.load() == settings_module.Settings()


def test_settings_migrate_step_by_step(monkeypatch):
    monkeypatch.setattr(settings_module, "SCHEMA", 3)
    steps = {1: lambda old: old | {"theme": old.pop("colors")}, 2: lambda old: old | {"n_threads": 4}}
    monkeypatch.setattr(settings_module, "MIGRATIONS", steps)
    assert settings_module.migrated({"schema": 1, "colors": "dark"}) == {
        "schema": 3,
        "theme": "dark",
        "n_threads": 4,
    }


def test_layout_and_session_come_back(window, qtbot, silicon_file):
    from app.main import make_application, make_window

    with qtbot.waitSignals([window.session.data.added] * 2):
        drop(window, silicon_file("a.extxyz"), silicon_file("b.extxyz"))
    first, second = window.session.data.datasets.values()
    window.session.data.set_role(first.id, Role.EOS)
    window.session.data.set_role(second.id, Role.TRAINING)
    window.session.data.show(second.id, 2)
    window.session.coloring.set(kind="mobility", reverse=True)
    window.docks["log"].close()
    edit(window, "baseline_ridge", "0.001")
    window.close()
    between = make_window(make_application(), settings_module.load())
    qtbot.addWidget(between)
    between.session.coloring.set(kind="element")
    between.close()  # nothing was open in it: it does not take the place of the one before
    again = make_window(make_application(), settings_module.load())
    qtbot.addWidget(again)
    again.show()
    assert not again.docks["log"].isVisible()
    assert again.settings.train_settings == {"baseline_ridge": 0.001}
    assert again.session.trainings.settings.baseline_ridge == 0.001
    assert again.keeper.can_restore()
    with qtbot.waitSignals([again.session.data.added] * 2):
        again.keeper.restore_last()
    found = list(again.session.data.datasets.values())
    assert [(d.id, d.role, d.frame_index) for d in found] == [
        (first.id, Role.EOS, 0),
        (second.id, Role.TRAINING, 2),
    ]
    assert (again.session.coloring.current.kind, again.session.coloring.current.reverse) == ("mobility", True)
    assert again.session.data.current_id == second.id
    again.close()


def test_a_crash_is_noticed_and_the_session_offered(window, qtbot, app_home, silicon_file):
    edit(window, "n_members", "3")
    window.keeper._save_in_background()
    qtbot.waitUntil(lambda: settings_module.load().train_settings == {"n_members": 3})
    gone = session_file.path_of(app_home, 2**22 + 12345)
    session_file.write(gone, SavedSession([SavedDataset(str(silicon_file()), "validation", 4, 1)]))
    alive = session_file.path_of(app_home, os.getppid())
    session_file.write(alive, SavedSession([SavedDataset("other.extxyz", "training", 0)]))
    assert window.keeper.offer_crashed()
    (toast,) = window.toasts.shown
    assert toast.notification.title == "Eatlas did not end properly last time"
    assert window.keeper.can_restore()  # after the toast has gone, too
    with qtbot.waitSignal(window.session.data.added):
        toast.buttons[0].click()
    (document,) = window.session.data.datasets.values()
    assert (document.role, document.color_index, document.frame_index) == (Role.VALIDATION, 4, 1)
    assert not gone.exists() and alive.exists()


def test_a_session_of_a_newer_eatlas_is_told_of_and_kept(window, app_home, silicon_file):
    path = session_file.last_path(app_home)
    session_file.write(path, SavedSession([SavedDataset(str(silicon_file()), "validation", 4, 1)]))
    newer = path.read_text().replace('"schema": 1', '"schema": 99')
    path.write_text(newer)
    assert window.keeper.can_restore()
    window.keeper.restore_last()
    (toast,) = window.toasts.shown
    assert toast.notification.title == "A session was not opened"
    assert "made by a newer Eatlas" in toast.notification.text
    assert "session.json.old" in toast.notification.text
    assert path.with_name("session.json.old").read_text() == newer
    assert not window.keeper.can_restore() and not window.session.data.datasets


def test_unexpected_errors_are_messages_with_details(window, monkeypatch):
    from app.main import install_excepthook

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "__excepthook__", lambda *_: None)
    install_excepthook(window.session)
    try:
        raise RuntimeError("spilled coffee")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    (toast,) = window.toasts.shown
    assert "spilled coffee" in toast.notification.text
    assert "test_app_window.py" in toast.notification.details


def test_harmless_messages_make_room_for_errors(window):
    window.toasts.show(Notification("error", "one"))
    for number in range(8):
        window.toasts.show(Notification("info", f"info {number}"))
    titles = [toast.notification.title for toast in window.toasts.shown]
    assert titles == ["one", "info 7"]


# the program ----------------------------------------------------------------------------------------------
def run_program(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"EATLAS_HOME": str(home)}
    command = [sys.executable, "-c", "import sys, app.main as m; sys.exit(m.main(sys.argv[1:]))", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_program_starts_without_heavy_imports_and_ends(app_home, qtbot):
    code = (
        "import sys, app.main as m; m.main(['--exit-when-ready']);"
        "late = ('torch', 'numba', 'scipy', 'sklearn', 'matplotlib', 'pyqtgraph', 'pydantic', 'moderngl');"
        "print([n for n in late if n in sys.modules])"
    )
    environment = os.environ | {"EATLAS_HOME": str(app_home)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    milliseconds, heavy = done.stdout.split("\n")[:2]
    assert float(milliseconds) > 0
    assert heavy == "[]"


def test_info_and_reset(app_home, qtbot):
    settings_module.Settings(theme="dark").save()
    done = run_program("--info", home=app_home)
    assert done.stdout.startswith("Eatlas ")
    assert "OpenGL" in done.stdout and "torch" in done.stdout
    assert settings_module.load().theme == "dark"
    run_program("--reset", "--exit-when-ready", home=app_home)
    assert settings_module.load().theme == "system"


def test_messages_have_room_for_their_words(window):
    for level, title in (("info", "a file is open"), ("warning", "colours changed"), ("error", "failed")):
        window.toasts.show(Notification(level, title, "There is no crystal of one element. " * 2, "a trace"))
        for label in window.toasts.shown[-1].findChildren(QLabel):
            assert label.height() >= max(label.heightForWidth(label.width()), 14)
    for toast in window.toasts.shown:
        (button,) = [b for b in toast.buttons if b.text() == "Details"]
        height = toast.height()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        assert toast.height() > height and toast.details.height() == 140
    first, second = (toast.geometry() for toast in window.toasts.shown)
    assert not first.intersects(second)
