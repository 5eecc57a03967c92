"""What the mouse and the keys do in the viewer.

Left drag turns (with Ctrl: rolls), right or middle drag moves, the wheel zooms to the cursor, a click picks
(Ctrl adds, Alt removes), a double click centres; Shift drag, or a drag with the lasso tool, draws a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QMouseEvent, QWheelEvent

if TYPE_CHECKING:
    from app.viewer3d.view import StructureView

CLICK_SLACK = 4
HOVER_MS = 30
ZOOM_PER_NOTCH = 1.18

Button, Modifier = Qt.MouseButton, Qt.KeyboardModifier


@dataclass(frozen=True)
class ViewKey:
    """Keys of the viewer, what they do in words, and what is run with (view, whether Shift is held)."""

    keys: tuple[str, ...]
    text: str
    run: Callable[[StructureView, bool], object]


def _along(axis: str) -> ViewKey:
    return ViewKey(
        (axis.upper(),), f"Look along {axis} (with Shift from behind)",
        lambda view, shift: view.view_along(axis, reverse=shift),
    )  # fmt: skip


KEYS = (
    *(_along(axis) for axis in "xyzabc"),
    ViewKey(("F",), "Show everything", lambda view, _: view.fit(animated=True)),
    ViewKey(("R",), "Look as at the beginning", lambda view, _: view.reset_view()),
    ViewKey(
        ("P",), "Perspective on or off", lambda view, _: view.set_perspective(not view.camera.perspective)
    ),
    ViewKey(("M",), "Measure distances and angles, on or off", lambda view, _: view.measure_wanted.emit()),
)
BY_LETTER = {known.keys[0].lower(): known for known in KEYS}


def _copy_measured(view: StructureView, _shift: bool) -> None:
    if view.frame is not None:
        QGuiApplication.clipboard().setText(view.measuring.text(view.frame))


def _take_back(view: StructureView, _shift: bool) -> None:
    view.measuring.take_back()
    view.update()


def _clear_measured(view: StructureView, _shift: bool) -> None:
    view.measuring.clear()
    view.update()


MEASURE_KEYS = (
    ViewKey(("Ctrl+C",), "Copy all that is measured", _copy_measured),
    ViewKey(("Backspace", "Del"), "Take the last atom of a measurement back", _take_back),
    ViewKey(("Esc",), "Remove all that is measured", _clear_measured),
)


def _is_pressed(event: QKeyEvent, key: str) -> bool:
    return QKeySequence(event.keyCombination()) == QKeySequence(key)


@dataclass(frozen=True)
class Drag:
    """What dragging does, with these buttons and at least these modifiers held."""

    buttons: tuple[Qt.MouseButton, ...]
    held: Qt.KeyboardModifier
    mode: str
    name: str
    text: str


DRAGS = (
    Drag((Button.MiddleButton, Button.RightButton), Modifier.NoModifier, "pan", "Right or middle drag",
         "Move"),
    Drag((Button.LeftButton,), Modifier.ShiftModifier | Modifier.ControlModifier, "pan",
         "Ctrl+Shift+drag", "Move"),
    Drag((Button.LeftButton,), Modifier.ShiftModifier, "lasso", "Shift+drag",
         "Select the atoms inside a loop (Ctrl adds, Alt removes)"),
    Drag((Button.LeftButton,), Modifier.ControlModifier, "roll", "Ctrl+drag",
         "Roll in the plane of the screen"),
    Drag((Button.LeftButton,), Modifier.NoModifier, "turn", "Drag", "Turn"),
)  # fmt: skip
"""The first that fits counts."""

CLICKS = (
    ("Click", "Pick an atom (Ctrl adds, Alt removes); beside all atoms: pick none"),
    ("Double click", "Put an atom into the middle; beside all atoms: show everything"),
    ("Wheel", "Zoom to the cursor"),
)


class Mouse(QObject):
    """Listens to a view's mouse, wheel and keys."""

    def __init__(self, view: StructureView) -> None:
        super().__init__(view)
        self._view = view
        self._pressed: QPointF | None = None
        self._last = QPointF()
        self._mode = ""
        self._lasso = view.lasso
        self._hovered = -1
        self._hover = QTimer(self, singleShot=True, interval=HOVER_MS)
        self._hover.timeout.connect(self._look_under)
        self._handlers = {
            QEvent.Type.MouseButtonPress: self._on_press,
            QEvent.Type.MouseMove: self._on_move,
            QEvent.Type.MouseButtonRelease: self._on_release,
            QEvent.Type.MouseButtonDblClick: self._on_double_click,
        }
        view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the view's events that mean something here."""
        kind = event.type()
        if isinstance(event, QMouseEvent) and kind in self._handlers:
            self._handlers[kind](event)
            return True
        if isinstance(event, QWheelEvent):
            self._on_wheel(event)
            return True
        if isinstance(event, QKeyEvent) and kind == QEvent.Type.KeyPress:
            return self._on_key(event)
        if kind == QEvent.Type.Leave:
            self._hover.stop()
            self._tell_hovered(-1)
        elif kind == QEvent.Type.Hide:
            self._forget()
        return super().eventFilter(watched, event)

    def _forget(self) -> None:
        """Drop what was begun: the view is hidden."""
        self._hover.stop()
        self._pressed, self._mode = None, ""
        self._lasso.finish()

    # buttons ------------------------------------------------------------------------------------------
    def _on_press(self, event: QMouseEvent) -> None:
        self._pressed = self._last = event.position()
        modifiers = event.modifiers()
        held = modifiers & (Modifier.ShiftModifier | Modifier.ControlModifier)
        fits = (drag for drag in DRAGS if event.button() in drag.buttons and held & drag.held == drag.held)
        self._mode = next((drag.mode for drag in fits), "")
        if self._mode in ("turn", "roll") and self._lasso.enabled:
            self._mode = "lasso"
        if self._mode == "lasso":
            self._lasso.start(event.position())
        self._view.setFocus(Qt.FocusReason.MouseFocusReason)

    def _on_move(self, event: QMouseEvent) -> None:
        position = event.position()
        if self._pressed is None:
            self._last = position
            if not self._hover.isActive():
                self._hover.start()
            return
        step = position - self._last
        view, camera = self._view, self._view.camera
        if self._mode == "lasso":
            if self._lasso.extend(position):
                view.update()
            return
        if (position - self._pressed).manhattanLength() < CLICK_SLACK and self._last == self._pressed:
            return
        self._last = position
        if self._mode == "roll":
            view.set_camera(camera.rolled(-step.x() * np.pi / max(view.width(), 1)))
        elif self._mode == "turn":
            view.set_camera(camera.rotated(step.x(), step.y(), view.height()))
        elif self._mode == "pan":
            view.set_camera(camera.panned(step.x(), step.y(), view.height()))

    def _on_release(self, event: QMouseEvent) -> None:
        pressed, self._pressed, self._mode = self._pressed, None, ""
        loop = self._lasso.finish()
        if len(loop) > 3:
            self._select_inside(loop, event.modifiers())
            return
        moved = pressed is None or (event.position() - pressed).manhattanLength() >= CLICK_SLACK
        if not moved and event.button() == Button.LeftButton:
            self._click(event)
        self._view.update()

    def _click(self, event: QMouseEvent) -> None:
        picker = self._view.picker()
        atom = picker.atom_at(event.position().x(), event.position().y()) if picker else None
        if self._view.measuring.enabled:
            self._measure(atom)
        elif atom is None:
            self._view.background_clicked.emit()
        else:
            self._view.atom_picked.emit(atom, event.modifiers())

    def _measure(self, atom: int | None) -> None:
        """Take an atom into the measurement; a click beside all atoms ends it."""
        measuring = self._view.measuring
        if atom is None:
            measuring.finish()
        else:
            measuring.add(atom)
        self._view.update()

    def _select_inside(self, loop: list[QPointF], modifiers: Qt.KeyboardModifier) -> None:
        picker = self._view.picker()
        if picker is not None:
            polygon = np.array([corner.toTuple() for corner in loop])
            self._view.lassoed.emit(picker.atoms_inside(polygon), modifiers)
        self._view.update()

    def _on_double_click(self, event: QMouseEvent) -> None:
        picker = self._view.picker()
        if picker is None or event.button() != Button.LeftButton:
            return
        sphere = picker.sphere_at(event.position().x(), event.position().y())
        if sphere is None:
            self._view.fit(animated=True)
        else:
            self._view.set_camera(self._view.camera.centered(picker.scene.centers[sphere]), animated=True)

    def _on_wheel(self, event: QWheelEvent) -> None:
        notches = event.angleDelta().y() / 120
        view, at = self._view, event.position()
        if notches:
            size = (view.width(), view.height())
            view.set_camera(view.camera.zoomed(ZOOM_PER_NOTCH**notches, at.x(), at.y(), size))
        event.accept()

    def _on_key(self, event: QKeyEvent) -> bool:
        """Do what :data:`KEYS` says; of what is measured, what :data:`MEASURE_KEYS` says."""
        view = self._view
        if view.measuring.groups and view.frame is not None:
            for known in MEASURE_KEYS:
                if any(_is_pressed(event, key) for key in known.keys):
                    known.run(view, False)
                    return True
        if event.modifiers() & ~(Modifier.ShiftModifier | Modifier.KeypadModifier):
            return False
        known = BY_LETTER.get(event.text().lower())
        if known is None:
            return False
        known.run(view, bool(event.modifiers() & Modifier.ShiftModifier))
        return True

    # hovering -----------------------------------------------------------------------------------------
    def _look_under(self) -> None:
        picker = self._view.picker()
        atom = picker.atom_at(self._last.x(), self._last.y()) if picker else None
        self._tell_hovered(-1 if atom is None else atom)

    def _tell_hovered(self, atom: int) -> None:
        if atom != self._hovered:
            self._hovered = atom
            self._view.setCursor(
                Qt.CursorShape.PointingHandCursor if atom >= 0 else Qt.CursorShape.ArrowCursor
            )
            self._view.atom_hovered.emit(atom)
