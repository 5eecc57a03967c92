"""Asks for the size and the looks of an exported picture."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QFormLayout, QWidget

from app.widgets.quiet import Choice, Whole

PRESETS = ((1920, 1080), (3840, 2160), (1200, 1200), (2400, 2400))
LARGEST = 6000


@dataclass(frozen=True)
class ImageWish:
    """What the user wants: pixels, a transparent background, axes and colour bar."""

    width: int
    height: int
    transparent: bool
    axes: bool
    bar: bool


class ImageDialog(QDialog):
    """Width, height, background; :meth:`wish` tells what was chosen."""

    def __init__(self, size: tuple[int, int], has_bar: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export image")
        rows = QFormLayout(self)
        self.preset = Choice(self)
        for width, height in ((2 * size[0], 2 * size[1]), size, *PRESETS):
            self.preset.addItem(f"{width} × {height}", (width, height))
        self.preset.setItemText(0, f"{self.preset.itemText(0)} (twice the view)")
        self.preset.activated.connect(self._on_preset)
        self.width_box, self.height_box = Whole(self), Whole(self)
        for box in (self.width_box, self.height_box):
            box.setRange(16, LARGEST)
            box.setSuffix(" px")
        self.transparent = QCheckBox("Transparent background", self)
        self.transparent.setChecked(True)
        self.axes = QCheckBox("Axes", self)
        self.bar = QCheckBox("Colour bar", self)
        self.bar.setEnabled(has_bar)
        self.bar.setChecked(has_bar)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        rows.addRow("Size", self.preset)
        rows.addRow("Width", self.width_box)
        rows.addRow("Height", self.height_box)
        for widget in (self.transparent, self.axes, self.bar, buttons):
            rows.addRow(widget)
        self._on_preset(0)

    def _on_preset(self, index: int) -> None:
        width, height = self.preset.itemData(index)
        self.width_box.setValue(width)
        self.height_box.setValue(height)

    def wish(self) -> ImageWish:
        """Return what is set."""
        return ImageWish(
            self.width_box.value(),
            self.height_box.value(),
            self.transparent.isChecked(),
            self.axes.isChecked(),
            self.bar.isChecked() and self.bar.isEnabled(),
        )
