"""The keyboard reaches every control in reading order and shows where it is; tools are never cut."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QSpinBox, QWidget

from app.shell.workspaces import WORKSPACES, panel_names
from app.widgets.flow import FlowRow, wanted

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


def place(window, widget) -> QRect:
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size()).adjusted(-3, -3, 3, 3)


@pytest.mark.parametrize("workspace", WORKSPACES, ids=lambda workspace: workspace.name)
def test_tab_reaches_every_control_and_shows_where_it_is(opened, qtbot, workspace):
    opened.spaces.choose(workspace.name)
    for name in panel_names(workspace):
        opened.spaces.show_panel(name)
    QTest.qWait(100)
    stops = opened.tab_order.stops()
    stops[-1].setFocus()
    reached, silent = [], []
    for _ in stops:
        QTest.keyClick(opened.focusWidget(), Qt.Key.Key_Tab)
        widget = opened.focusWidget()
        reached.append(widget)
        area = place(opened, widget) & opened.rect()
        shown = opened.grab(area).toImage()
        opened.tab_order.ring.hide()
        if widget.visibleRegion().isEmpty() or shown == opened.grab(area).toImage():
            silent.append(widget)
    assert silent == []
    assert reached == stops
    buttons = [b for b in opened.findChildren(QAbstractButton) if b.isVisibleTo(opened) and b.isEnabled()]
    unreached = [b for b in buttons if b.toolTip() and not b.visibleRegion().isEmpty() and b not in stops]
    assert [b.toolTip() for b in unreached if b.parentWidget().objectName() != "qt_toolbar"] == []
    QTest.keyClick(opened.focusWidget(), Qt.Key.Key_Backtab)
    assert opened.focusWidget() is reached[-2]


def test_nothing_is_ringed_where_the_focus_is_hidden(opened, qtbot):
    frame = opened.docks["structure"].panel.findChild(QSpinBox)
    opened.activateWindow()
    frame.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is frame)
    opened.docks["structure"].hide()
    assert not opened.tab_order.ring.isVisible()
    assert not isinstance(opened.focusWidget(), QAbstractButton), "Space would press it"


def test_the_ring_goes_when_the_mouse_takes_over(opened):
    QTest.keyClick(opened, Qt.Key.Key_Tab)
    widget = opened.focusWidget()
    assert opened.tab_order.ring.isVisible() and opened.tab_order.ring.around is widget
    QTest.mouseClick(widget, LEFT)
    assert not opened.tab_order.ring.isVisible()


def test_the_keyboard_goes_through_a_panel_that_is_torn_off(opened, qtbot):
    dock = opened.docks["structure"]
    dock.setFloating(True)
    qtbot.waitUntil(lambda: dock.isVisible() and len(dock._tab_order.stops()) > 6)  # panels are built in turn
    reached = set()
    for _ in range(6):
        QTest.keyClick(dock.focusWidget() or dock, Qt.Key.Key_Tab)
        widget = dock.focusWidget()
        reached.add(widget)
        assert dock.isAncestorOf(widget) and dock._tab_order.ring.around is widget
    assert len(reached) == 6
    dock.setFloating(False)


def test_tools_go_on_in_a_further_line_and_are_never_cut(opened, qtbot):
    opened.spaces.choose("cure")
    opened.spaces.show_panel("explore")
    opened.spaces.show_panel("cure")
    for name in ("cure", "explore"):
        dock = opened.docks[name]
        dock.raise_()
        qtbot.waitUntil(lambda dock=dock: not dock.panel.toolbar.visibleRegion().isEmpty())
        qtbot.waitUntil(lambda dock=dock: _uncut(dock.panel.toolbar))
        assert dock.panel.toolbar.height() > 40  # two lines here
        assert dock.panel.toolbar.geometry().bottom() <= dock.row.height()


def _uncut(row: FlowRow) -> bool:
    shown = [w for w in row.children() if isinstance(w, QWidget) and w.isVisible()]
    return all(w.width() >= wanted(w).width() and row.rect().contains(w.geometry()) for w in shown)


def test_a_flow_of_controls_takes_lines_as_its_width_needs(qtbot):
    row = FlowRow(None, spacing=4)
    qtbot.addWidget(row)
    boxes = [QLabel("x" * 10) for _ in range(4)]
    last = QComboBox()
    for box in boxes:
        row.add(box)
    row.add(last, at_end=True)
    row.resize(row.sizeHint().width() + 100, 30)
    row.show()
    assert len({box.y() for box in boxes}) == 1 and last.geometry().right() == row.width() - 1
    one = row.sizeHint().height()
    row.resize(boxes[0].sizeHint().width() + 10, 30)
    assert [box.y() for box in boxes] == sorted({box.y() for box in boxes}) and last.y() > boxes[-1].y()
    assert row.sizeHint().height() > 4 * one * 0.6
    boxes[0].hide()
    qtbot.waitUntil(lambda: boxes[1].y() < boxes[2].y() and boxes[1].y() < one)
