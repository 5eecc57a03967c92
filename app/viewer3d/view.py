"""The viewer as a widget: shows pictures of a structure, and asks for those it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QEasingCurve,
    QMargins,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    QVariantAnimation,
    Signal,
)
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from app.look import theme
from app.look.ink import font
from app.look.palette import Theme
from app.viewer3d.camera import Camera, interpolated
from app.viewer3d.color_bar import ColorBarSpec
from app.viewer3d.color_range import UNKNOWN
from app.viewer3d.drawing import Drawer, Picture
from app.viewer3d.measuring import Ink, Measuring
from app.viewer3d.picking import Picker
from app.viewer3d.picture import Trimmings, as_image
from app.viewer3d.scene import (
    HOVERED,
    MAX_BONDED_SPHERES,
    SELECTED,
    DrawRequest,
    Look,
    Scene,
    ViewOptions,
    build_scene,
)
from app.viewer3d.tripod import draw_tripod
from app.widgets.lasso import Lasso
from nnpcore.structures.frame import Frame

SETTLE_MS = 180
"""After this pause a picture of full quality replaces a quick one."""

SLOW_SECONDS, FAST_SECONDS = 0.070, 0.020
"""While the view moves, pictures that take longer get less quality, and more again when they take less."""

QUALITIES = ((2, True, 1), (1, True, 1), (1, False, 1), (1, False, 2), (1, False, 2))
"""From good to quick: samples along each axis, soft shadows, pixels of the screen for one of the picture."""

QUICK = len(QUALITIES) - 1
"""The last one is drawn by the quick renderer, and only of more spheres than have bonds."""

LEAST_ROOM = 90
"""Pixels that must be left between texts, else they may cover atoms."""

SHARE_OF_A_FRAME = 0.7
"""Of the time between two frames of a playing trajectory, what drawing may take; the rest is the window's."""

ANIMATION_MS = 160
TURN_STEPS, TURN_ROOM = 12, 1.04
EXPORT_SAMPLES = 3


class StructureView(QWidget):
    """Shows one frame. Indices in all signals and methods are those of the frame's atoms.

    ``atom_picked(int, modifiers)``: a click on an atom. ``atom_hovered(int)``: the mouse is over an atom, or
    none (-1). ``background_clicked()``. ``lassoed(indices, modifiers)``: a loop was drawn. ``drawn()``: a new
    picture is shown. ``backend_changed()``: ``backend`` is another one now.
    """

    atom_picked = Signal(int, object)
    atom_hovered = Signal(int)
    background_clicked = Signal()
    lassoed = Signal(object, object)
    measure_wanted = Signal()
    camera_changed = Signal()
    drawn = Signal()
    backend_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(120, 90)
        self.camera = Camera()
        self.lasso = Lasso()
        self.measuring = Measuring()
        self.options = ViewOptions()
        self.insets = QMargins()
        """Pixels at the edges that are taken by texts: what is brought into view stays clear of them."""
        self.scene: Scene | None = None
        self.picture: Picture | None = None
        self._colors = np.empty((0, 3), np.uint8)
        self._marks = np.empty(0, np.uint8)
        self._hovered = -1
        self.seconds_a_frame = float("inf")
        """Between two frames while a trajectory plays; pictures get simpler to keep up with it."""
        self._needs_fit = True
        self._fit_size = 0.0
        self._fit_target = np.zeros(3)
        self._needs_picture = False
        self._picker: Picker | None = None
        self._quality = 0
        self._drawer = drawer = Drawer()
        drawer.drawn.connect(self._on_drawn)
        drawer.backend_changed.connect(self.backend_changed)
        drawer.backend_changed.connect(self.update)
        self.destroyed.connect(lambda: drawer.stop())
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(lambda: self._request(moving=False))
        self._animation = QVariantAnimation(self, startValue=0.0, endValue=1.0, duration=ANIMATION_MS)
        self._animation.setEasingCurve(QEasingCurve.Type.InOutCubic)
        self._animation.valueChanged.connect(self._on_animated)
        self._route = (self.camera, self.camera)
        theme.signals().changed.connect(self._on_theme)

    # what is shown ------------------------------------------------------------------------------------
    @property
    def frame(self) -> Frame | None:
        """The frame shown, or None."""
        return self.scene.frame if self.scene else None

    def set_frame(
        self, frame: Frame | None, colors: np.ndarray | None = None, *, keep_view: bool = True
    ) -> None:
        """Show a frame (None: nothing) in its colours, (n_atoms, 3) uint8; without any its atoms are grey.

        The selection stays if the number of atoms does. ``keep_view`` keeps the camera, except for the first
        frame; otherwise everything is brought into view.
        """
        had = self.frame
        if frame is None:
            self.scene, self.picture = None, None
            self._needs_fit = True
            self.update()
            return
        if keep_view:
            self.measuring.fit(frame.n_atoms)
        else:  # another file
            self.measuring.clear()
        if had is None or had.n_atoms != frame.n_atoms:
            self._marks = np.zeros(frame.n_atoms, np.uint8)
            self._hovered = -1
        if (
            frame is not had or colors is not None
        ):  # never those of another frame: a picture may be drawn at once
            self._colors = (
                np.full((frame.n_atoms, 3), UNKNOWN, np.uint8) if colors is None else _bytes(colors)
            )
        self.scene = build_scene(frame, self.options)
        if had is None or had.n_atoms != frame.n_atoms:
            self._quality = self._least_quality if self._least_quality == QUICK else self._quality
        if self._needs_fit or not keep_view:
            self.fit()
        self._request(moving=True)

    def set_colors(self, rgb: np.ndarray) -> None:
        """Colour the atoms: (n_atoms, 3), uint8 or floats in [0, 1]."""
        colors = _bytes(rgb)
        if self.frame is not None and colors.shape != (self.frame.n_atoms, 3):
            raise ValueError(f"colours of shape {colors.shape} for {self.frame.n_atoms} atoms")
        if not np.array_equal(colors, self._colors):
            self._colors = colors
            self._request(moving=True)

    def set_selection(self, indices: np.ndarray) -> None:
        """Draw rings around these atoms."""
        marks = self._marks & ~np.uint8(SELECTED)
        indices = np.asarray(indices, dtype=np.int64)
        marks[indices[(indices >= 0) & (indices < len(marks))]] |= SELECTED
        self._set_marks(marks)

    def set_hovered(self, atom: int) -> None:
        """Mark one atom (-1: none) as the one the mouse is over, here or in another panel."""
        self._hovered = atom
        marks = self._marks & ~np.uint8(HOVERED)
        if 0 <= atom < len(marks):
            marks[atom] |= HOVERED
        self._set_marks(marks)

    def _set_marks(self, marks: np.ndarray) -> None:
        if not np.array_equal(marks, self._marks):
            self._marks = marks
            self._request(moving=True)

    @property
    def selected(self) -> np.ndarray:
        """Sorted indices of the atoms with a ring."""
        return np.flatnonzero(self._marks & SELECTED)

    def set_options(self, **changes: Any) -> None:
        """Change some of the :class:`~app.viewer3d.scene.ViewOptions`."""
        options = replace(self.options, **changes)
        if options != self.options:
            refit = options.repeat != self.options.repeat
            self.options = options
            if self.frame is not None:
                self.scene = build_scene(self.frame, options)
                if refit:
                    self.fit()
            self._request(moving=True)

    # camera -------------------------------------------------------------------------------------------
    def set_camera(self, camera: Camera, *, animated: bool = False) -> None:
        """Look from elsewhere; ``animated`` goes there in a short move."""
        self._animation.stop()
        if animated and self.isVisible():
            self._route = (self.camera, camera)
            self._animation.start()
            return
        self.camera = camera
        self.camera_changed.emit()
        self._request(moving=True)

    def _on_animated(self, fraction: float) -> None:
        self.camera = interpolated(*self._route, float(fraction))
        self.camera_changed.emit()
        self._request(moving=True)

    def fit(self, *, animated: bool = False) -> None:
        """Bring everything into view without turning."""
        if self.scene is not None:
            self._needs_fit = not self.isVisible()
            goal = self._fitted(self._goal())
            self._fit_size, self._fit_target = goal.extent, goal.target
            self.set_camera(goal, animated=animated)

    def set_insets(self, insets: QMargins) -> None:
        """Keep the edges free that texts take; where nobody has zoomed, fit into the width that is left."""
        wider = insets.right() != self.insets.right()
        self.insets = insets
        if wider and self._is_fitted():
            self.fit()

    def _is_fitted(self) -> bool:
        """Whether nobody has zoomed or moved since everything was brought into view."""
        camera = self.camera
        return camera.extent == self._fit_size and np.array_equal(camera.target, self._fit_target)

    def _goal(self) -> Camera:
        running = self._animation.state() == QVariantAnimation.State.Running
        return self._route[1] if running else self.camera

    def _fitted(self, camera: Camera) -> Camera:
        if self.scene is None:
            return camera
        room = QRect(0, 0, self.width(), max(self.height(), 1)).marginsRemoved(self.insets)
        if room.width() < LEAST_ROOM or room.height() < LEAST_ROOM:
            room = QRect(0, 0, self.width(), max(self.height(), 1))
        fitted = camera.fitted(self.scene.extent_points, self.scene.margin, room.width() / room.height())
        whole = replace(fitted, extent=fitted.extent * self.height() / room.height())
        away = QRectF(room).center() - QRectF(self.rect()).center()
        return whole.panned(away.x(), away.y(), self.height())

    def view_along(self, axis: str, *, reverse: bool = False, animated: bool = True) -> None:
        """Look along "x", "y", "z" or the cell's "a", "b", "c" and bring everything into view."""
        cell = self.frame.cell if self.frame is not None else np.zeros((3, 3))
        turned = self._goal().looking_along(axis, cell, reverse=reverse)
        self.set_camera(self._fitted(turned), animated=animated)

    def reset_view(self) -> None:
        """Go back to the view a structure opens with."""
        self.set_camera(self._fitted(Camera(perspective=self.camera.perspective)), animated=True)

    def set_perspective(self, on: bool) -> None:
        """Choose perspective or parallel projection."""
        self.set_camera(replace(self._goal(), perspective=on))

    # picking ------------------------------------------------------------------------------------------
    def picker(self) -> Picker | None:
        """What is where on the widget now, in logical pixels."""
        if self.scene is None:
            return None
        known, size = self._picker, (self.width(), self.height())
        if known is None or (known.scene, known.camera, known.size) != (self.scene, self.camera, size):
            known = self._picker = Picker(self.scene, self.camera, size)
        return known

    # drawing ------------------------------------------------------------------------------------------
    @property
    def backend(self) -> str:
        """What draws: "OpenGL", "software", or "" before the first picture."""
        return self._drawer.backend

    @property
    def is_drawing(self) -> bool:
        """Whether the last requested picture has not been begun: a player should wait."""
        return self._drawer.busy

    def look(self, now: Theme | None = None) -> Look:
        """The colours of the drawing in a theme (the current one)."""
        now = now or theme.current()
        background, line = _rgb(now.panel), _rgb(now.muted)
        if now.dark:
            return Look(background, line, _rgb(now.accent), (0.85, 0.88, 0.92), fog=0.4, outline=0.5)
        return Look(background, line, _rgb(now.accent), (0.45, 0.5, 0.58))

    def make_request(self, size: tuple[int, int], samples: int, camera: Camera | None = None) -> DrawRequest:
        """A frozen snapshot of what is shown, for a picture of ``size`` device pixels."""
        assert self.scene is not None
        return DrawRequest(
            self.scene, camera or self.camera, self.look(), self._colors, self._marks, size, samples
        )

    def _request(self, *, moving: bool) -> None:
        """Ask for a picture: the best one, or while the view moves one that can be drawn in time."""
        self._needs_picture = True
        if self.scene is None or not self.isVisible() or self.width() < 2 or self.height() < 2:
            return
        self._needs_picture = False
        self._quality = min(self._quality, self._least_quality)
        samples, occlusion, coarse = QUALITIES[self._quality if moving else 0]
        ratio = self.devicePixelRatioF() / coarse
        size = max(round(self.width() * ratio), 1), max(round(self.height() * ratio), 1)
        if moving and self._quality > 0:
            self._settle.start()
        else:
            self._settle.stop()
        request = self.make_request(size, samples)
        self._drawer.request(
            replace(
                request,
                occlusion=occlusion,
                pixel_ratio=ratio,
                moving=moving,
                quick=moving and self._quality == QUICK,
            )
        )

    @property
    def _least_quality(self) -> int:
        """The last of the qualities that may be used for what is shown."""
        many = self.scene is not None and len(self.scene.centers) > MAX_BONDED_SPHERES
        return QUICK if many else QUICK - 1

    def _on_drawn(self, picture: Picture) -> None:
        if self.scene is None:
            return
        if picture.request.moving:
            slow = min(SLOW_SECONDS, self.seconds_a_frame * SHARE_OF_A_FRAME)
            step = int(picture.seconds > slow) - int(picture.seconds < slow * FAST_SECONDS / SLOW_SECONDS)
            self._quality = min(max(self._quality + step, 0), self._least_quality)
        self.picture = picture
        self.update()
        self.drawn.emit()

    def trimmings(self, transparent: bool, *, axes: bool, bar: ColorBarSpec | None) -> Trimmings:
        """What goes onto an exported picture in the current theme."""
        now = theme.current()
        background = None if transparent else now.panel
        return Trimmings(background, axes, bar, font(), now, self.options.axes_of_cell)

    def export_request(
        self, size: tuple[int, int], transparent: bool, look: Look | None = None
    ) -> DrawRequest:
        """The snapshot for a picture of ``size`` pixels, showing at least what the widget shows.

        Without rings; no fading if transparent; where the user has not moved or magnified it, everything
        fills the picture. RuntimeError when nothing is shown.
        """
        if self.scene is None:
            raise RuntimeError("there is no structure to draw")
        camera = self.export_camera(size)
        look = look or self.look()
        scale = min(size[1] / max(self.height(), 1), size[0] / max(self.width(), 1))
        return replace(
            self.make_request(size, EXPORT_SAMPLES, camera),
            look=replace(look, fog=0.0) if transparent else look,
            marks=np.zeros_like(self._marks),
            pixel_ratio=max(scale, 1.0),
        )

    def export_camera(self, size: tuple[int, int]) -> Camera:
        """The camera for a picture of ``size`` pixels that shows what the widget shows."""
        camera, aspect = self.camera, size[0] / size[1]
        if self._is_fitted() and self.scene is not None:
            return camera.fitted(self.scene.extent_points, self.scene.margin, aspect)
        own = self.width() / max(self.height(), 1)
        return replace(camera, extent=camera.extent * max(1.0, own / aspect))

    def camera_around(self, size: tuple[int, int]) -> Camera:
        """A camera for ``size`` pixels that shows everything while it goes around."""
        assert self.scene is not None
        camera, aspect = self.export_camera(size), size[0] / size[1]
        middle, _ = self.scene.bounds
        around = [
            turned.fitted(self.scene.extent_points, self.scene.margin, aspect)
            for turned in (camera.turned(2 * np.pi * k / TURN_STEPS) for k in range(TURN_STEPS))
        ]
        return replace(camera, target=middle, extent=TURN_ROOM * max(c.extent for c in around))

    def draw_now(self, request: DrawRequest) -> Picture:
        """Draw a request and wait for it; on any thread. RuntimeError when drawing fails."""
        return self._drawer.draw_now(request)

    def close_drawing(self) -> None:
        """End the drawing thread; the last picture stays."""
        self._settle.stop()
        self._animation.stop()
        self._drawer.stop()

    # painting -----------------------------------------------------------------------------------------
    def paintEvent(self, _event: QPaintEvent) -> None:
        """Show the last picture, the axes, the lasso and, where software draws, a note."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.current().panel))
        if self.picture is not None and self.scene is not None:
            image = as_image(self.picture)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self._picture_place(), image)
            if self.options.axes:
                self._draw_axes(painter, self.height())
            self._draw_measured(painter)
        self.lasso.paint(painter)
        if self.backend == "software":
            self._draw_note(painter)
        painter.end()

    def _draw_measured(self, painter: QPainter) -> None:
        assert self.frame is not None
        ink = Ink(QColor(theme.current().accent), QColor(theme.current().panel), font(bold=True))
        self.measuring.paint(painter, self.frame, self.camera, (self.width(), self.height()), ink)

    def _picture_place(self) -> QRectF:
        """Where the picture goes: all of the widget, or its middle while a resized one is being drawn."""
        assert self.picture is not None
        width, height = self.picture.request.size
        if abs(width / height - self.width() / max(self.height(), 1)) < 0.02:
            return QRectF(self.rect())
        scale = self.height() / height
        return QRectF((self.width() - width * scale) / 2, 0, width * scale, self.height())

    def _draw_axes(self, painter: QPainter, height: float) -> None:
        cell = self.frame.cell if self.options.axes_of_cell and self.frame is not None else None
        draw_tripod(
            painter,
            QPointF(46, height - 46),
            self.camera.rotation,
            cell,
            dark=theme.current().dark,
            font=font(),
        )

    def _draw_note(self, painter: QPainter) -> None:
        painter.setFont(font(8))
        painter.setPen(QColor(theme.current().muted))
        place = self.rect().adjusted(8, 8, -8, -6)
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
        painter.drawText(place, flags, "drawn by software: no OpenGL here")

    def sizeHint(self) -> QSize:
        """Return a comfortable size."""
        return QSize(640, 480)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new size."""
        super().resizeEvent(event)
        if self._needs_fit or self.camera.extent == self._fit_size:  # not zoomed since
            self.fit()
        self._request(moving=True)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what was missed while hidden."""
        super().showEvent(event)
        if self._needs_fit and self.scene is not None:
            self.fit()
            self._needs_fit = False
        if self._needs_picture:
            self._request(moving=False)

    def hideEvent(self, event: QHideEvent) -> None:
        """Leave nothing running that nobody sees."""
        super().hideEvent(event)
        self._needs_picture |= self._settle.isActive()
        self._settle.stop()
        self._animation.stop()

    def _on_theme(self) -> None:
        self._request(moving=False)
        self.update()


def _bytes(rgb: np.ndarray) -> np.ndarray:
    """Return colours as uint8, from uint8 or floats in [0, 1]."""
    colors = np.asarray(rgb)
    if colors.dtype.kind == "f":
        colors = np.clip(colors * 255 + 0.5, 0, 255)
    return np.ascontiguousarray(colors, dtype=np.uint8)


def _rgb(color: str) -> tuple[float, float, float]:
    value = QColor(color)
    return value.redF(), value.greenF(), value.blueF()
