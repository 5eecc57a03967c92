"""The row under the viewer: steps through the frames of a trajectory and plays it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from app.look.ink import follow_font
from app.look.style_sheet import styled
from app.widgets.controls import filled, tool_button
from app.widgets.quiet import Slider, Whole

DEFAULT_FPS = 10
PATIENCE_TICKS = 12
"""A playing trajectory waits at most this many ticks for a frame to be drawn."""

RATE_SECONDS = 1.0
"""Over which the rate that is really reached is counted."""

ROOMY = 350
"""Pixels from which there is room for the rate beside the slider."""

HELD = 0.85
"""Share of the chosen rate from which on it counts as held."""


class FrameBar(QWidget):
    """Slider, number, previous, play, next. ``frame_chosen(int)`` counts from 0; what is shown counts from 1.

    ``ready`` tells whether the last frame has been drawn; while it has not, playing waits for it.
    """

    frame_chosen = Signal(int)
    playing_changed = Signal()

    def __init__(self, ready: Callable[[], bool], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ready = ready
        self._waited = 0
        self._is_due = False
        self._times: list[float] = []
        self._told = 0.0
        self.index, self.n_frames, self._ranged = 0, 0, -1
        self.shown: np.ndarray | None = None
        self.previous = self._button("previous", "Previous frame (←)", lambda: self.step(-1))
        self.play = self._button("train", "Play (space)", self.toggle)
        self.pause = self._button("pause", "Pause (space)", self.toggle)
        self.pause.hide()
        self.next = self._button("next", "Next frame (→)", lambda: self.step(1))
        self.slider = Slider(self)
        self.slider.setMinimumWidth(40)
        self.slider.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.slider.valueChanged.connect(self._on_chosen)
        self.number = Whole(self)
        self.number.setKeyboardTracking(False)
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.number.setToolTip("Frame, counted from 1")
        self.number.valueChanged.connect(lambda value: self._on_chosen(value - 1))
        self.total = styled(QLabel(self), "muted")
        self.fps = Whole(self)
        self.fps.setRange(1, 60)
        self.fps.setValue(DEFAULT_FPS)
        self.fps.setSuffix(" fps")
        self.fps.setToolTip("Frames per second while playing")
        self.fps.valueChanged.connect(self._on_rate)
        self.reached = styled(QLabel(self), "muted", "small")
        self.reached.setToolTip("Frames per second that are really shown: more cannot be drawn here")
        self.reached.hide()
        for widget in (self.number, self.total, self.fps):
            follow_font(widget)
        self.fps.setFixedWidth(76)
        parts = self.previous, self.play, self.pause, self.next, (self.slider, 1), self.number, self.total
        parts = *parts, self.reached
        filled(QHBoxLayout(self), *parts, self.fps, margins=(8, 2, 8, 4), spacing=4)
        self._timer = QTimer(self, interval=1000 // DEFAULT_FPS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)
        self.set_state(0, 0)

    def _button(self, icon: str, tip: str, run: Callable[[], None]) -> QToolButton:
        return tool_button(self, tip, run, icon=icon, size=16)

    def set_state(self, index: int, n_frames: int, shown: np.ndarray | None = None) -> None:
        """Show frame ``index`` (from 0) of ``n_frames``, without telling anybody.

        Only frames ``shown`` (n,), rising, are stepped through and chosen; all where that is None.
        """
        self.index, self.n_frames, self.shown = index, n_frames, shown
        with QSignalBlocker(self.slider), QSignalBlocker(self.number):
            if n_frames != self._ranged:  # a range has the window laid out anew
                self._ranged = n_frames
                self.slider.setRange(0, max(n_frames - 1, 0))
                self.number.setRange(min(1, n_frames), n_frames)
            digits = self.number.fontMetrics().horizontalAdvance("0" * max(len(str(n_frames)), 2))
            self.number.setFixedWidth(digits + 40)
            self.slider.setValue(index)
            self.number.setValue(index + 1 if n_frames else 0)
        n_shown = n_frames if shown is None else len(shown)
        self.total.setText(f"/ {n_frames}" if shown is None else f"/ {n_frames}, {n_shown} shown")
        for widget in (self.slider, self.number, self.previous, self.next, self.play, self.fps):
            widget.setEnabled(n_shown > 1)
        if n_shown < 2:
            self.stop()

    @property
    def text(self) -> str:
        """What the bar says, such as "37 / 350"."""
        return f"{self.number.value()} {self.total.text()}"

    def _on_chosen(self, index: int) -> None:
        if index != self.index and 0 <= index < self.n_frames:
            self.go(index)

    def go(self, index: int) -> None:
        """Choose a frame, or the next one that is shown in the direction of it."""
        if self.shown is not None and len(self.shown):
            if index >= self.index:
                place = min(int(np.searchsorted(self.shown, index)), len(self.shown) - 1)
            else:
                place = max(int(np.searchsorted(self.shown, index, side="right")) - 1, 0)
            index = int(self.shown[place])
        if index == self.index:
            self.set_state(self.index, self.n_frames, self.shown)  # the slider goes back
        else:
            self.frame_chosen.emit(index)

    def step(self, frames: int) -> None:
        """Go forward or back, from the last frame to the first and the reverse."""
        if self.shown is not None:
            if len(self.shown):
                here = int(np.searchsorted(self.shown, self.index))
                between = frames > 0 and self.index not in self.shown  # then the next one stands there
                place = here + frames - int(between)
                self.frame_chosen.emit(int(self.shown[place % len(self.shown)]))
        elif self.n_frames > 1:
            self.frame_chosen.emit((self.index + frames) % self.n_frames)

    @property
    def playing(self) -> bool:
        """Whether frames follow one another by themselves."""
        return self._timer.isActive()

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing:
            self.stop()
        elif self.play.isEnabled():
            self._timer.start()
            self._show_playing()

    def stop(self) -> None:
        """Stop playing."""
        self._timer.stop()
        self._show_playing()

    def _on_rate(self, fps: int) -> None:
        self._timer.setInterval(1000 // fps)
        self._times.clear()
        self.playing_changed.emit()

    def on_drawn(self) -> None:
        """A frame has been drawn: show the next one at once if its time has come."""
        if self._is_due and self.playing:
            self._advance()

    def _advance(self) -> None:
        """Show the next frame and count how many really come."""
        self._waited, self._is_due = 0, False
        now = time.monotonic()
        self._times = [t for t in self._times if now - t < RATE_SECONDS] + [now]
        held = len(self._times) >= HELD * min(self.fps.value(), 1000 // self._timer.interval())
        full = now - self._times[0] > 0.8 * RATE_SECONDS
        if now - self._told >= RATE_SECONDS:  # another text has the window laid out anew
            self._told = now
            self.reached.setVisible(full and not held)
            self.reached.setText(f"{len(self._times)} reached")
        self.step(1)

    def _show_playing(self) -> None:
        self._times.clear()
        self.reached.hide()
        self.playing_changed.emit()
        self.play.setVisible(not self.playing)
        self.pause.setVisible(self.playing)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the rate out where the slider would have no room."""
        super().resizeEvent(event)
        self.fps.setVisible(self.width() >= ROOMY)

    def hideEvent(self, event: QHideEvent) -> None:
        """Do not play where nobody looks."""
        super().hideEvent(event)
        self.stop()

    def _on_tick(self) -> None:
        self._waited += 1
        self._is_due = True
        if self._ready() or self._waited > PATIENCE_TICKS:
            self._advance()
