"""Workspaces: what stands where, what is remembered, and what is not shown as there is nothing to see."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QRegion
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QLabel,
    QLineEdit,
    QMainWindow,
    QPushButton,
    QTabBar,
    QTabWidget,
    QToolButton,
    QWidget,
)

from app import settings as settings_module
from app.panels import REGISTRY
from app.panels.base import Panel
from app.session.messages import Notification
from app.shell.dock import Dock
from app.shell.docks import show_tabs
from app.shell.workspaces import BY_NAME, WORKSPACES, leaves, panel_names, pruned, swapped, tabs
from app.workers.example_sessions import EXAMPLES
from nnpcore.structures import Role

DIRECT = Qt.FindChildOption.FindDirectChildrenOnly
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def opened(window, qtbot, silicon_file):
    """A window with one file, on a small screen."""
    window.setWindowState(Qt.WindowState.WindowNoState)
    window.resize(1280, 800)
    with qtbot.waitSignal(window.session.data.added):
        window.files.open_paths([str(silicon_file())])
    qtbot.waitUntil(lambda: window.docks["structure"].isVisible())
    return window


def shown(window) -> set[str]:
    return {name for name, dock in window.docks.items() if not dock.isHidden()}


def box(window, name):
    dock = window.docks[name]
    return dock.geometry()


def test_trees_can_be_pruned_and_swapped():
    tree = BY_NAME["map"].tree
    places = list(leaves(swapped(tree, "structure", "pca")))
    assert [place.names[0] for place in places] == ["data", "pca", "structure"]
    assert pruned(tree, {"pca"}) == tabs("pca")
    assert pruned(tree, set()) is None
    for workspace in WORKSPACES:
        names = panel_names(workspace)
        assert len(set(names)) == len(names) and "data" in names


def test_what_is_known_of_a_panel_before_it_is_loaded_is_what_its_class_says():
    for entry in REGISTRY:
        found = entry.panel_class
        known = (entry.name, entry.title, entry.foldable, entry.eager, entry.exports)
        assert known == (found.name, found.title, found.foldable, found.eager, found.can_export())


def test_an_empty_window_welcomes_and_builds_no_panel(window, qtbot):
    assert window.welcome.isVisible() and shown(window) == set()
    assert [name for name, dock in window.docks.items() if dock.built] == ["log"]
    ids = []
    for card in window.welcome.cards.values():
        assert card.isVisible() and card.focusPolicy() == Qt.FocusPolicy.StrongFocus
        ids.append(card.toolTip())
    assert len(set(ids)) == 1 + len(EXAMPLES)
    with qtbot.waitSignals([window.session.data.added] * 3, timeout=60_000):
        QTest.keyClick(window.welcome.cards["silicon"], Qt.Key.Key_Return)
    assert not window.welcome.isVisible() and window.docks["data"].isVisible()
    for dataset_id in list(window.session.data.datasets):
        window.session.data.remove(dataset_id)
    assert window.welcome.isVisible() and shown(window) == set()


def test_panels_without_data_are_one_line_with_its_button(opened, qtbot):
    assert shown(opened) == {"data", "model", "structure"}
    text = "Training, Parity, Errors, Calibration and Learning curve come with a training"
    assert opened.spaces.lines == [(text, "training.start")]
    button = opened.needs.buttons["training.start"]
    QTest.mouseClick(button, LEFT)
    (run,) = opened.session.runs.documents.values()
    qtbot.waitUntil(lambda: {"training", "parity"} <= shown(opened))
    assert opened.docks["model"].folded and opened.spaces.lines == []
    opened.session.trainings.stop(run.id)
    qtbot.waitUntil(lambda: not opened.session.trainings.active, timeout=60_000)
    opened.session.runs.remove(run.id)
    qtbot.waitUntil(lambda: not opened.docks["model"].folded)
    dataset_id = opened.session.data.current_id
    opened.session.data.set_role(dataset_id, Role.INSPECT)
    qtbot.waitUntil(lambda: "file.open" in opened.needs.buttons)


def test_the_strip_and_the_keys_change_the_workspace(opened, qtbot):
    buttons = opened.toolbar.strip.buttons
    QTest.mouseClick(buttons["map"], LEFT)
    assert opened.spaces.name == "map" and buttons["map"].isChecked() and not buttons["train"].isChecked()
    assert "radial" in shown(opened) and "model" not in shown(opened)
    assert opened.commands.actions["space.train"].shortcut().toString() == "Ctrl+1"
    opened.commands.actions["space.train"].trigger()
    assert "model" in shown(opened)


def test_another_workspace_is_painted_though_something_was_about_to_be(opened, qtbot):
    spaces, painted = opened.spaces, QRegion()

    class Painted(QObject):
        def eventFilter(self, _watched, event):
            nonlocal painted
            if event.type() == QEvent.Type.Paint:
                painted += event.region()
            return False

    seen = Painted(opened)
    for name in ("map", "crystal", "map"):
        qtbot.wait(100)
        opened.docks["data"].update()  # an event of Qt is on its way when updates are stopped
        opened.toolbar.update()
        opened.installEventFilter(seen)
        painted = QRegion()
        spaces.choose(name)
        qtbot.waitUntil(opened.updatesEnabled)
        qtbot.wait(100)
        opened.removeEventFilter(seen)
        assert painted.boundingRect() == opened.rect(), name


def test_one_key_swaps_structure_and_map(opened, qtbot):
    opened.spaces.choose("map")
    qtbot.waitUntil(lambda: box(opened, "structure").right() < box(opened, "radial").left())
    opened.commands.actions["space.swap"].trigger()
    qtbot.waitUntil(lambda: box(opened, "radial").right() < box(opened, "structure").left())
    assert opened.settings.workspaces["map"]["swapped"]
    opened.spaces.choose("train")
    opened.spaces.choose("map")
    qtbot.waitUntil(lambda: box(opened, "radial").right() < box(opened, "structure").left())


@pytest.mark.parametrize("size", [(1280, 800), (2560, 1440)])
def test_every_workspace_fits_and_fills_the_window(opened, qtbot, size):
    opened.resize(*size)
    for workspace in WORKSPACES:
        opened.spaces.choose(workspace.name)
        qtbot.waitUntil(lambda: 262 <= box(opened, "data").width() <= 520)
        assert (opened.width(), opened.height()) == size, f"{workspace.name} needs a larger window"
        docks = [opened.docks[name] for name in shown(opened)]
        corners = [dock.mapTo(opened, QPoint(dock.width(), dock.height())) for dock in docks]
        assert max(corner.x() for corner in corners) == pytest.approx(size[0], abs=4)


def test_a_closed_panel_and_a_moved_one_are_remembered(opened, qtbot):
    from app.main import make_application, make_window

    opened.spaces.choose("regions")
    opened.spaces.show_panel("radial")
    opened.docks["structure"].close_by_user()
    opened.spaces.choose("train")
    opened.spaces.choose("regions")
    assert "structure" not in shown(opened)
    dataset = str(opened.session.data.current.path)
    opened.close()
    again = make_window(make_application(), settings_module.load())
    qtbot.addWidget(again)
    again.show()
    with qtbot.waitSignal(again.session.data.added):
        again.files.open_paths([dataset])
    assert again.spaces.name == "regions" and "structure" not in shown(again)
    again.commands.run("view.reset")
    assert "structure" in shown(again)
    again.close()


def test_layouts_of_an_older_version_do_not_hinder_the_start(app_home, qtbot, silicon_file):
    from app.main import make_application, make_window

    old = {"schema": 1, "layout": "AAAA/wAAAAD9", "geometry": "AdnQywADAAAAAAAA", "theme": "light"}
    path = settings_module.settings_path()
    path.parent.mkdir(parents=True)
    wrong = {"map": {"state": "AAAA", "wanted": ["pca"]}, "train": 3}
    for content in (old, old | {"workspace": "none", "workspaces": wrong}):
        path.write_text(json.dumps(content))
        window = make_window(make_application(), settings_module.load())
        qtbot.addWidget(window)
        window.show()
        with qtbot.waitSignal(window.session.data.added):
            window.files.open_paths([str(silicon_file())])
        window.spaces.choose("map")
        assert {"data", "structure"} <= shown(window)
        window.close()


def test_the_first_window_fits_its_screen(window):
    available = window.screen().availableGeometry()
    assert available.contains(window.geometry())
    assert window.minimumSizeHint().width() <= 1280 and window.minimumSizeHint().height() <= 760


def test_the_model_folds_and_unfolds_by_a_click(opened, qtbot):
    dock = opened.docks["model"]
    assert not dock.folded
    QTest.mouseClick(dock.row.chevron, LEFT)
    assert dock.folded and dock.row.summary.text() == "automatic functions · 5 × 30-30"
    qtbot.waitUntil(lambda: dock.height() <= dock.folded_height + 1)
    assert dock.width() == opened.docks["data"].width()
    QTest.mouseClick(dock.row, LEFT)
    qtbot.waitUntil(lambda: dock.height() > 300)


def test_the_eye_of_a_file_hides_it_and_undo_shows_it(opened):
    session = opened.session
    dataset_id = session.data.current_id
    eye = opened.docks["data"].panel.rows.row(dataset_id).eye
    QTest.mouseClick(eye, LEFT)
    assert session.visibility.hidden == {dataset_id} and not eye.isChecked()
    session.undo_stack.undo()
    assert session.visibility.hidden == frozenset() and eye.isChecked()


def test_what_is_opened_is_shown_and_its_name_and_colour_stay(opened, qtbot, silicon_file):
    session = opened.session
    with qtbot.waitSignal(session.data.added):
        opened.files.open_paths([str(silicon_file("second.extxyz"))])
    document = session.data.current
    assert document is not None and document.name == "second.extxyz"
    panel = opened.docks["data"].panel
    area, row = panel.scroll_area, panel.rows.row(document.id)

    def in_sight() -> bool:
        top = row.mapTo(area.viewport(), QPoint(0, 0)).y()
        return row.isVisible() and 0 <= top <= area.viewport().height() - row.height()

    qtbot.waitUntil(in_sight)
    QApplication.processEvents()
    area.setFixedHeight(row.height() * 3 // 2)  # what stands below needs the height
    QApplication.processEvents()
    qtbot.waitUntil(in_sight)
    assert panel.rows.list.currentRow() == 1
    color = document.color_index
    session.data.remove(document.id)
    with qtbot.waitSignal(session.data.added):
        session.undo_stack.undo()
    assert session.data.datasets[document.id].color_index == color


def test_the_menu_of_a_panel_exports_tears_off_and_closes(opened):
    dock = opened.docks["structure"]
    menu = dock.row.more.menu()
    menu.aboutToShow.emit()
    texts = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert texts[:2] == ["What Does This Say?", "Export…"] and "Tear Off" in texts
    next(action for action in menu.actions() if action.text().startswith("Close")).trigger()
    assert not dock.isVisible()
    opened.panels_menu.aboutToShow.emit()
    next(action for action in opened.panels_menu.actions() if action.text() == "Structure").trigger()
    assert dock.isVisible()


def test_recent_files_are_offered(window, qtbot, silicon_file, app_home):
    path = str(silicon_file("long ago.extxyz"))
    window.settings.remember_file(path)
    window.welcome.hide()
    window.welcome.show()
    link = next(b for b in window.welcome.findChildren(QPushButton) if b.text() == "long ago.extxyz")
    with qtbot.waitSignal(window.session.data.added):
        QTest.mouseClick(link, LEFT)
    assert window.docks["structure"].isVisible()


def test_the_tabs_of_a_place_are_seen_though_their_bar_was_hidden(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setTabPosition(Qt.DockWidgetArea.LeftDockWidgetArea, QTabWidget.TabPosition.North)
    docks = [QDockWidget(name, window) for name in ("Cure", "Explore")]
    for dock in docks:
        dock.setWidget(QLabel(dock.windowTitle()))
        window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    window.tabifyDockWidget(*docks)
    window.resize(400, 300)
    window.show()
    qtbot.waitExposed(window)
    (bar,) = [one for one in window.findChildren(QTabBar) if one.count() == 2]
    bar.hide()
    show_tabs(window, {dock.windowTitle(): dock for dock in docks})
    assert bar.isVisible()


def test_no_tabs_of_another_workspace_stay_over_the_panels(opened, qtbot):
    for workspace in (*WORKSPACES, WORKSPACES[0]):
        opened.spaces.choose(workspace.name)
        opened.reset_layout()
        qtbot.wait(400)
        bars = [b for b in opened.findChildren(QTabBar, options=DIRECT) if b.isVisible() and b.count()]
        titles = {dock.windowTitle() for dock in opened.docks.values() if not dock.isHidden()}
        strange = [b.tabText(k) for b in bars for k in range(b.count()) if b.tabText(k) not in titles]
        assert not strange, (workspace.name, strange)
        assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, QTabBar) and w.isVisible()]


def test_a_small_window_keeps_export_and_the_search(opened, qtbot):
    toolbar = opened.toolbar
    search = toolbar.findChild(QWidget, "search_field")
    export = next(b for b in toolbar.findChildren(QToolButton) if b.menu() is toolbar.export_menu)
    for width in (1024, 1280):
        opened.resize(width, 660)
        qtbot.waitUntil(lambda width=width: toolbar.width() == width)
        qtbot.waitUntil(lambda: export.isVisible() and search.isVisible())
        assert export.geometry().right() < search.x() and search.geometry().right() < width


def test_messages_never_cover_the_fields_of_the_model_nor_leave_the_list(opened, qtbot):
    spaces, toasts = opened.spaces, opened.toasts
    spaces.choose("train")
    spaces.fold("model", False)
    toasts.show(Notification("error", "Training cannot start", "Members: 312 is not sensible. " * 3))
    toast = toasts.shown[-1]
    model = opened.docks["model"]
    qtbot.waitUntil(lambda: model.height() > 200 and toast.x() > model.geometry().right())
    QTest.mouseClick(model.row.chevron, LEFT)
    qtbot.waitUntil(lambda: toast.geometry().right() <= opened.docks["data"].geometry().right())
    assert toast.geometry().bottom() < opened.statusBar().geometry().top()
    width, height = toast.width(), toast.height()
    spaces.choose("map")
    qtbot.waitUntil(lambda: toast.width() < width and toast.height() >= height)
    assert toast.geometry().right() < opened.docks["structure"].geometry().left()
    spaces.choose("train")
    spaces.fold("model", False)
    toast.close_toast()
    for title in ("One", "Another"):
        text = "It asks what to do. " * 6
        toasts.show(Notification("warning", title, text, actions=(("Do It", print),)))
    for toast in toasts.shown:  # those with a button lie over no field and no row, however many there are
        qtbot.waitUntil(lambda toast=toast: toast.x() > model.geometry().right())
    first, second = (toast.geometry() for toast in toasts.shown)
    assert first.bottom() < second.top()


def test_a_panel_is_built_in_turns_and_whole_for_whoever_takes_it(window):
    """No turn of the event loop builds all of a large panel; nothing half-built is given away."""
    before = window.session.trainings.settings
    for name in ("model", "training", "parity", "structure"):
        dock = window.docks[name]
        dock.build_more()
        assert not dock.built, name
        panel = dock.panel
        assert panel.whole
        assert dock.panel is panel
    model = window.docks["model"].panel
    window.session.trainings.asked_for_settings.emit()
    assert window.session.trainings.settings == before, "fields are filled before they are read"
    assert {box.objectName() for box in model.findChildren(QLineEdit)} >= {"model_cutoff", "model_hidden"}


def test_a_dock_that_is_seen_completes_its_panel_by_itself(window, qtbot):
    dock = window.docks["parity"]
    dock.show()
    dock.build()
    assert not dock.built
    qtbot.waitUntil(lambda: dock.built)


def test_a_panel_is_seen_when_it_is_whole(session, qtbot):
    entry = next(entry for entry in REGISTRY if entry.name == "training")
    window = QMainWindow()
    qtbot.addWidget(window)
    docks = [Dock(entry, session, window) for _ in range(2)]
    for dock in docks:
        window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    window.show()
    dock, late = docks
    late.build_more()
    dock.build()
    qtbot.waitUntil(lambda: dock.widget().findChild(Panel) is not None)
    panel = dock.widget().findChild(Panel)
    while not dock.built:
        assert not panel.isVisible() and not panel.toolbar.isVisible() and not panel.whole
        qtbot.wait(1)
    assert panel.isVisible() and panel.toolbar.isVisible()
    session.shutdown()
    late.build()
    qtbot.wait(50)
    assert not late.built  # nobody is left to end what it would begin
