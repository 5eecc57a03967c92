"""What the mouse and the keys do in the viewer.

Left drag turns (with Ctrl: rolls), right or middle drag moves, the wheel zooms to the cursor, a click picks
(Ctrl adds, Alt removes), a double click centres; Shift drag, or a drag with the lasso tool, draws a loop.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QMouseEvent, QWheelEvent

from app.viewer3d.view import StructureView

CLICK_SLACK = 4
HOVER_MS = 30
ZOOM_PER_NOTCH = 1.18

Button, Modifier = Qt.MouseButton, Qt.KeyboardModifier


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
        shift, ctrl = modifiers & Modifier.ShiftModifier, modifiers & Modifier.ControlModifier
        if event.button() in (Button.MiddleButton, Button.RightButton) or (shift and ctrl):
            self._mode = "pan"
        elif event.button() == Button.LeftButton and (shift or self._lasso.enabled):
            self._mode = "lasso"
            self._lasso.start(event.position())
        else:
            self._mode = "turn" if event.button() == Button.LeftButton else ""
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
        if self._mode == "turn" and event.modifiers() & Modifier.ControlModifier:
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
        """Single letters: x y z a b c look along (with Shift from behind), f fits, r resets, p projection.

        m measures; of what is measured Ctrl+C copies all, Backspace takes the last atom back, Escape all.
        """
        letter, view = event.text().lower(), self._view
        if event.matches(QKeySequence.StandardKey.Copy) and view.frame is not None and view.measuring.groups:
            QGuiApplication.clipboard().setText(view.measuring.text(view.frame))
            return True
        if event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete) and view.measuring.groups:
            view.measuring.take_back()
            view.update()
            return True
        if event.key() == Qt.Key.Key_Escape and view.measuring.groups:
            view.measuring.clear()
            view.update()
            return True
        if event.modifiers() & ~(Modifier.ShiftModifier | Modifier.KeypadModifier) or not letter:
            return False
        if letter in "xyzabc":
            view.view_along(letter, reverse=bool(event.modifiers() & Modifier.ShiftModifier))
        elif letter == "f":
            view.fit(animated=True)
        elif letter == "r":
            view.reset_view()
        elif letter == "p":
            view.set_perspective(not view.camera.perspective)
        elif letter == "m":
            view.measure_wanted.emit()
        else:
            return False
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
