"""The viewer's tools: buttons that steer one view, for a panel's toolbar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QSignalBlocker, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QToolButton,
    QWidget,
    QWidgetAction,
)

from app.viewer3d.camera import AXES
from app.viewer3d.scene import MAX_SPHERES, SlicePlane, ViewOptions, wants_bonds
from app.viewer3d.view import StructureView
from app.widgets.controls import tool_button
from app.widgets.quiet import Choice, Number, Slider, Whole

MAX_REPEAT = 9


class ViewTools(QObject):
    """Makes the buttons (``buttons``) and keeps them in step with the view."""

    def __init__(self, view: StructureView, parent: QWidget) -> None:
        super().__init__(parent)
        self._view, self._parent = view, parent
        self.fit = self._button("fit", "Show everything (F)", lambda: view.fit(animated=True))
        self.along = self._opener("axes", "Look along an axis", self._fill_along)
        self.perspective = self._toggle("perspective", "Perspective (P)", view.set_perspective)
        self.bonds = self._toggle("bonds", "Bonds", lambda on: view.set_options(bonds=on))
        self.cell = self._toggle("cell", "Cell", lambda on: view.set_options(cell=on))
        self.repeat = self._opener("repeat", "Repeat the cell, size of the atoms", self._shape_form())
        self.slice = self._opener("slice", "Hide what lies beyond a plane", self._slice_form())
        self.lasso = self._toggle(
            "lasso",
            "Lasso (or hold Shift): select atoms; Ctrl adds, Alt removes",
            lambda on: setattr(view.lasso, "enabled", on),
        )
        self.measure = self._toggle(
            "measure",
            "Measure (M): click 2 to 4 atoms; Ctrl+C copies, Backspace takes back, Escape removes all",
            self._on_measure,
        )
        view.measure_wanted.connect(self.measure.click)
        shown = (self.fit, self.along, self.perspective, self.bonds, self.cell)
        self.buttons = (*shown, self.repeat, self.slice, self.lasso, self.measure)
        view.camera_changed.connect(self.refresh)
        self.refresh()

    # buttons ------------------------------------------------------------------------------------------
    def _button(
        self, icon: str, tip: str, run: Callable[[], None] | None = None, menu: QMenu | None = None
    ) -> QToolButton:
        return tool_button(self._parent, tip, run, icon=icon, menu=menu)

    def _toggle(self, icon: str, tip: str, run: Callable[[bool], None]) -> QToolButton:
        button = self._button(icon, tip)
        button.setCheckable(True)
        button.clicked.connect(run)
        return button

    def _opener(self, icon: str, tip: str, content: Callable[[QMenu], None] | QWidget) -> QToolButton:
        """A button with a menu: filled by a function, or made of a form."""
        menu = QMenu(self._parent)
        if isinstance(content, QWidget):
            action = QWidgetAction(menu)
            action.setDefaultWidget(content)
            menu.addAction(action)
        else:
            content(menu)
        return self._button(icon, tip, menu=menu)

    def _fill_along(self, menu: QMenu) -> None:
        view = self._view
        for axis in AXES:
            if axis == "a":
                menu.addSeparator()
            menu.addAction(f"Along {axis}\t{axis}", lambda axis=axis: view.view_along(axis))
        menu.addSeparator()
        menu.addAction("As at first\tr", view.reset_view)
        cell_axes = menu.addAction("Show a, b, c in the corner")
        cell_axes.setCheckable(True)
        cell_axes.toggled.connect(lambda on: view.set_options(axes_of_cell=on))
        axes = menu.addAction("Show the axes")
        axes.setCheckable(True)
        axes.setChecked(True)
        axes.toggled.connect(lambda on: view.set_options(axes=on))

    def _on_measure(self, on: bool) -> None:
        """Begin to measure, or end: what was measured stays until it is taken back."""
        self._view.measuring.enabled = on
        self._view.measuring.finish()
        self._view.setFocus()
        self._view.update()

    # forms --------------------------------------------------------------------------------------------
    def _shape_form(self) -> QWidget:
        form = QWidget()
        rows = QFormLayout(form)
        counts = QHBoxLayout()
        self.repeats = tuple(Whole(form) for _ in range(3))
        for box, name in zip(self.repeats, "abc", strict=True):
            box.setRange(1, MAX_REPEAT)
            box.setToolTip(f"How often the cell is shown along {name}")
            box.valueChanged.connect(self._on_repeat)
            counts.addWidget(box)
        rows.addRow("Repeat", counts)
        self.style_box = Choice(form)
        self.style_box.addItem("Balls and sticks", "balls")
        self.style_box.addItem("Spheres", "spheres")
        self.style_box.activated.connect(lambda _: self._view.set_options(style=self.style_box.currentData()))
        rows.addRow("Atoms", self.style_box)
        self.radius = Slider(form)
        self.radius.setRange(30, 200)
        self.radius.setValue(100)
        self.radius.valueChanged.connect(lambda v: self._view.set_options(radius_scale=v / 100))
        rows.addRow("Size", self.radius)
        self.wrap = QCheckBox("Move atoms into the cell", form)
        self.wrap.toggled.connect(lambda on: self._view.set_options(wrap=on))
        rows.addRow(self.wrap)
        return form

    def _on_repeat(self) -> None:
        a, b, c = (box.value() for box in self.repeats)
        self._view.set_options(repeat=(a, b, c))

    def _slice_form(self) -> QWidget:
        form = QWidget()
        rows = QFormLayout(form)
        self.slicing = QCheckBox("Hide atoms beyond a plane", form)
        self.slice_axis = Choice(form)
        for axis in AXES:
            name = f"{axis}" if axis in "xyz" else f"{axis} (parallel to a face)"
            self.slice_axis.addItem(name, axis)
        self.slice_axis.addItem("any direction", "")
        self.slice_direction = tuple(Number(form) for _ in range(3))
        directions = QHBoxLayout()
        for box, value in zip(self.slice_direction, (1.0, 1.0, 1.0), strict=True):
            box.setRange(-1000, 1000)
            box.setDecimals(3)
            box.setValue(value)
            box.valueChanged.connect(self._on_slice)
            directions.addWidget(box)
        self.slice_sight = QPushButton("As seen", form)
        self.slice_sight.setToolTip("Cut across the line of sight")
        self.slice_sight.clicked.connect(self._slice_along_sight)
        directions.addWidget(self.slice_sight)
        self.slice_axis.setCurrentIndex(2)
        self.slice_at = Slider(form)
        self.slice_at.setRange(0, 1000)
        self.slice_at.setValue(500)
        self.slice_at.setMinimumWidth(160)
        self.slice_number = Number(form)
        self.slice_number.setDecimals(2)
        self.slice_number.setSuffix(" Å")
        self.slice_number.setRange(0, 1e6)
        self.slice_number.setToolTip("Distance of the plane from the first atom along its normal")
        self.slice_number.valueChanged.connect(self._on_slice_number)
        place = QHBoxLayout()
        place.addWidget(self.slice_at, 1)
        place.addWidget(self.slice_number)
        self.slice_above = QCheckBox("Keep the other side", form)
        rows.addRow(self.slicing)
        rows.addRow("Across", self.slice_axis)
        rows.addRow("Normal", directions)
        rows.addRow("At", place)
        rows.addRow(self.slice_above)
        self._on_slice()
        boxes = self.slicing.toggled, self.slice_above.toggled
        for signal in (*boxes, self.slice_axis.activated, self.slice_at.valueChanged):
            signal.connect(self._on_slice)
        return form

    def _on_slice(self) -> None:
        plane = self._plane()
        for box in (*self.slice_direction, self.slice_sight):
            box.setEnabled(not plane.axis)
        self._view.set_options(slice_plane=plane if self.slicing.isChecked() else None)
        thickness = self._thickness(plane)
        with QSignalBlocker(self.slice_number):
            self.slice_number.setMaximum(max(thickness, 0.01))
            self.slice_number.setValue(plane.fraction * thickness)

    def _plane(self) -> SlicePlane:
        x, y, z = (box.value() for box in self.slice_direction)
        fraction = self.slice_at.value() / 1000
        return SlicePlane(self.slice_axis.currentData(), fraction, self.slice_above.isChecked(), (x, y, z))

    def _thickness(self, plane: SlicePlane) -> float:
        """From the first to the last atom along the normal, Å."""
        scene = self._view.scene
        if scene is None or scene.frame.n_atoms == 0:
            return 0.0
        centers = (scene.shifts[:, None] + scene.frame.positions[None]).reshape(-1, 3)
        return float(np.ptp(centers @ plane.normal(scene.frame.cell)))

    def _on_slice_number(self, value: float) -> None:
        thickness = self._thickness(self._plane())
        if thickness > 0:
            self.slicing.setChecked(True)
            self.slice_at.setValue(round(1000 * value / thickness))

    def _slice_along_sight(self) -> None:
        for box, value in zip(self.slice_direction, self._view.camera.rotation[2], strict=True):
            with QSignalBlocker(box):
                box.setValue(float(value))
        self._on_slice()

    # state --------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Check the buttons of what is on."""
        options: ViewOptions = self._view.options
        self.perspective.setChecked(self._view.camera.perspective)
        frame = self._view.frame
        self.bonds.setChecked(bool(options.bonds) if frame is None else wants_bonds(options, frame))
        self.cell.setChecked(options.cell)

    def follow_frame(self, n_atoms: int) -> None:
        """Offer no more repeats than can be drawn, and show what is drawn of the new frame."""
        QTimer.singleShot(0, self, self.refresh)
        most = max(1, min(MAX_REPEAT, int((MAX_SPHERES / max(n_atoms, 1)) ** (1 / 3))))
        for box in self.repeats:
            box.setMaximum(max(most, 1))
