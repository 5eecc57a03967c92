"""Help inside the window: what each panel says, what keys and the mouse do, and finding commands."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from app.panels.structure_panel import FRAME_KEYS
from app.plots import canvas, legend
from app.plots.plot import Plot
from app.plots.swatch import Entry
from app.shell.gestures import everything
from app.shell.panel_help import PanelHelp, sections
from app.viewer3d.mouse import DRAGS, KEYS

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def opened(window, qtbot, silicon_file):
    with qtbot.waitSignal(window.session.data.added):
        window.files.open_paths([str(silicon_file())])
    qtbot.waitUntil(lambda: window.docks["structure"].isVisible())
    qtbot.waitUntil(lambda: window.docks["structure"].panel.view.frame is not None)
    return window


def test_every_panel_has_three_sentences_and_a_formula(window):
    known = sections()
    assert set(known) == {dock.panel_class.title for dock in window.docks.values()}
    for title, (text, formula) in known.items():
        assert len(re.findall(r"[.?](?: |$)", text)) == 3, title
        assert formula, title


def test_the_question_mark_of_a_panel_says_what_it_says_and_leads_on(opened, qtbot):
    dock = opened.docks["structure"]
    QTest.mouseClick(dock.row.help, LEFT)
    (popup,) = opened.findChildren(PanelHelp)
    qtbot.waitUntil(popup.isVisible)
    assert popup.text.text().startswith("The frame that is looked at")
    assert "E(crystal)" in popup.formula.text()
    assert popup.height() >= popup.layout().totalHeightForWidth(popup.width())
    popup._on_more()
    assert opened.documentation.pages.source().fileName() == "panels.md"
    assert not popup.isVisible()


def test_the_page_of_keys_and_mouse_has_all_that_is_bound(opened):
    said = everything(opened.commands)
    bound = {command.shortcut for command in opened.commands.by_id.values() if command.shortcut}
    assert bound <= {keys for keys, _ in said["Everywhere"]}
    structure = {keys for keys, _ in said["Structure, keys"]}
    assert {known.keys[0] for known in KEYS} | {name for name, _, _ in FRAME_KEYS.values()} <= structure
    assert {drag.name for drag in DRAGS} <= {keys for keys, _ in said["Structure, mouse"]}


def test_the_keys_and_drags_of_the_list_do_what_it_says(opened, qtbot):
    view = opened.docks["structure"].panel.view
    for letter in "XYZABCFRP":
        view.set_camera(view.camera.rotated(31.0, 17.0, 400).panned(30, 10, 400))
        before = view.camera
        QTest.keyClick(view, letter.lower())
        qtbot.waitUntil(lambda before=before: view.camera != before)
    QTest.qWait(400)  # until nothing turns by itself any more
    middle = view.rect().center()
    for drag in DRAGS:
        selected: list[object] = []
        view.lassoed.connect(lambda *found, into=selected: into.append(found))
        before = view.camera
        QTest.mousePress(view, drag.buttons[0], drag.held, middle)
        for step in (QPoint(40, 0), QPoint(40, 40), QPoint(0, 40), QPoint(-20, 10)):
            QTest.mouseMove(view, middle + step)
            QTest.qWait(5)
        QTest.mouseRelease(view, drag.buttons[0], drag.held, middle + QPoint(-20, 10))
        assert bool(selected) == (drag.mode == "lasso"), drag
        moved = not np.allclose(before.target, view.camera.target)
        assert moved == (drag.mode == "pan"), drag
        assert (view.camera != before) == (drag.mode != "lasso"), drag
        view.lassoed.disconnect()


def test_the_mouse_does_in_plots_what_the_list_says(qtbot):
    plot = Plot()
    qtbot.addWidget(plot)
    plot.resize(400, 300)
    line = plot.add_line("line", "text")
    line.setData([0.0, 1.0, 2.0], [0.0, 1.0, 0.0])
    plot.set_pickable("line", np.array([[1.0, 0.5]]), str)
    plot.legend.set_entries([Entry("line", "line", "text")])
    plot.canvas.takes_lassos = True
    plot.show()
    qtbot.waitExposed(plot)
    plot.canvas.view.setRange(xRange=(0, 2), yRange=(0, 1))
    port, view = plot.canvas.viewport(), plot.canvas.view
    middle = view.sceneBoundingRect().center().toPoint()
    shift, none = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier

    def drag(held):
        QTest.mousePress(port, LEFT, held, middle)
        for step in (QPoint(20, 0), QPoint(40, 40), QPoint(0, 40), QPoint(-20, 10)):
            QTest.mouseMove(port, middle + step)
            QTest.qWait(5)
        QTest.mouseRelease(port, LEFT, held, middle + QPoint(-20, 10))

    def wheel():
        at = QPointF(middle)
        event = QWheelEvent(
            at, port.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, none,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(port, event)

    def double_click():
        QTest.mouseClick(port, LEFT, none, middle)
        QTest.mouseDClick(port, LEFT, none, middle)

    told: list[str] = []
    view.sigRangeChangedManually.connect(lambda *_: told.append("moved"))
    plot.canvas.reset_wanted.connect(lambda: told.append("reset"))
    plot.point_clicked.connect(lambda *_: told.append("point"))
    plot.lassoed.connect(lambda *_: told.append("loop"))
    box = plot.legend.line.placed[0].box.center().toPoint()
    deeds = {
        "Click": (lambda: QTest.mouseClick(port, LEFT, none, middle), "point"),
        "Shift+drag": (lambda: drag(shift), "loop"),
        "Drag": (lambda: drag(none), "moved"),
        "Wheel": (wheel, "moved"),
        "Double click": (double_click, "reset"),
        "Click in the legend": (lambda: QTest.mouseClick(plot.legend, LEFT, none, box), ""),
    }
    assert set(deeds) == {name for name, _ in (*canvas.GESTURES, *legend.GESTURES)}
    for deed, effect in deeds.values():
        told.clear()
        deed()
        if effect:
            qtbot.waitUntil(lambda effect=effect: effect in told)
    assert not line.isVisible()


def test_the_palette_finds_commands_of_the_viewer_and_says_when_nothing_fits(opened, qtbot):
    box = opened.palette_box
    opened.commands.run("help.palette")
    view = opened.docks["structure"].panel.view
    QTest.keyClicks(box.search, "perspective")
    assert "Perspective" in box.list.item(0).text()
    before = view.camera.perspective
    QTest.keyClick(box.search, Qt.Key.Key_Return)
    assert view.camera.perspective != before
    opened.commands.run("help.palette")
    QTest.keyClicks(box.search, "bonds")
    before = view.options.bonds
    QTest.keyClick(box.search, Qt.Key.Key_Return)
    assert view.options.bonds != before
    opened.commands.run("help.palette")
    QTest.keyClicks(box.search, "qqqq")
    assert box.list.count() == 1 and "Nothing is called “qqqq”" in box.list.item(0).text()
    QTest.keyClick(box.search, Qt.Key.Key_Return)
    assert box.isVisible()  # nothing was run
    box.search.clear()
    QTest.keyClicks(box.search, "selec")
    assert "Select by Expression" in [box.list.item(row).text() for row in range(box.list.count())]
    for words, text in (("region", "Save Selection as Region"), ("table", "Write Selection as Table")):
        box.search.setText(f"{words} selec")
        assert box.list.item(0).text() in (text, f"{text} cannot be used now")
    box.search.clear()
    QTest.keyClicks(box.search, "export report")
    assert box.list.item(0).text() == "Export Report cannot be used now"
    box.hide()


def test_the_list_of_keys_opens(opened, monkeypatch):
    from PySide6.QtWidgets import QDialog

    texts: list[str] = []
    monkeypatch.setattr(
        QDialog, "exec", lambda self: texts.extend(x.text() for x in self.findChildren(QLabel))
    )
    opened.commands.run("help.shortcuts")
    assert "Structure, mouse" in texts and "Ctrl+Shift+drag" in texts and "Ctrl+K" in texts
