"""The wheel changes nothing by accident: not in the data list, and in no field before a click into it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

import app
from app.panels.data_panel import DataPanel
from app.widgets.quiet import Choice, Number, Slider, Whole
from nnpcore.structures import Role

LEFT = Qt.MouseButton.LeftButton


def turn(widget: QWidget, notches: int = 1) -> None:
    """Turn the wheel over the middle of a widget, as the mouse does: what ignores it passes it on."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle, widget.mapToGlobal(middle), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


@pytest.fixture
def page(qtbot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    QVBoxLayout(made)
    return made


@pytest.mark.parametrize("kind", [Whole, Number, Slider])
def test_a_field_takes_the_wheel_after_a_click_only(qtbot, page, kind):
    field, other = kind(page), Whole(page)
    for widget in (field, other):
        page.layout().addWidget(widget)
    field.setRange(0, 100)
    field.setValue(50)
    page.show()
    qtbot.waitExposed(page)
    page.activateWindow()
    turn(field)
    assert field.value() == 50 and not field.hasFocus()
    field.setFocus(Qt.FocusReason.TabFocusReason)
    turn(field)
    assert field.value() == 50
    QTest.mouseClick(field.lineEdit() if hasattr(field, "lineEdit") else field, LEFT)
    clicked = field.value()
    turn(field)
    assert field.value() > clicked
    other.setFocus()
    clicked = field.value()
    turn(field)
    assert field.value() == clicked


def test_a_choice_never_takes_the_wheel(qtbot, page):
    box = Choice(page)
    box.addItems(["a", "b", "c"])
    box.setCurrentIndex(1)
    page.layout().addWidget(box)
    page.show()
    qtbot.waitExposed(page)
    box.setFocus(Qt.FocusReason.MouseFocusReason)
    turn(box)
    assert box.currentIndex() == 1


def test_the_wheel_over_the_data_list_changes_no_role(qtbot, session, silicon_file):
    panel = DataPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    with qtbot.waitSignal(session.data.added):
        session.data.open_paths([str(silicon_file())])
    (document,) = session.data.datasets.values()
    box = panel.findChild(Choice)
    assert box is not None and document.role is Role.TRAINING
    QTest.mouseClick(box, LEFT)
    box.hidePopup()
    for notches in (1, -1, -1, -1):
        turn(box, notches)
    assert document.role is Role.TRAINING and box.currentData() == Role.TRAINING


def test_every_field_of_the_window_is_a_quiet_one():
    loud = {"QComboBox", "QSpinBox", "QDoubleSpinBox", "QSlider", "QDial"}
    found = []
    for path in Path(app.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in loud:
                found.append(f"{path.name}:{node.lineno}: take app.widgets.quiet for {node.func.id}")
    assert not found, "\n".join(found)
