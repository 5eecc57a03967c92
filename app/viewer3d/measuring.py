"""The tool that measures: atoms clicked one after another make distances, angles and dihedrals that stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPen

from app.look.numbers import number_text
from app.viewer3d.camera import Camera
from app.viewer3d.picking import Measurement, measure, nearest_steps
from nnpcore.structures.frame import Frame

MOST_ATOMS = 4


@dataclass(frozen=True)
class Ink:
    """Colour of the lines, what lies around letters, and the font."""

    color: QColor
    halo: QColor
    font: QFont


class Measuring:
    """Groups of 2 to 4 atoms, measured in whatever frame is shown; ``enabled``: clicks add to them."""

    def __init__(self) -> None:
        self.enabled = False
        self.groups: list[list[int]] = []

    def add(self, atom: int) -> None:
        """Take another atom: a fifth one, or the last one once more, begins anew."""
        last = self.groups[-1] if self.groups else []
        if not last or len(last) == MOST_ATOMS or last[-1] == atom:
            self.groups.append([atom])
        else:
            last.append(atom)

    def finish(self) -> None:
        """End the group that is being made."""
        self.groups = [group for group in self.groups if len(group) > 1]
        if self.groups and self.enabled:
            self.groups.append([])

    def take_back(self) -> None:
        """Take the last atom away."""
        while self.groups and not self.groups[-1]:
            self.groups.pop()
        if self.groups:
            self.groups[-1].pop()
            self.groups = [group for group in self.groups if group]

    def clear(self) -> None:
        """Forget everything."""
        self.groups = []

    def fit(self, n_atoms: int) -> None:
        """Forget groups of atoms that there are not any more."""
        self.groups = [group for group in self.groups if all(atom < n_atoms for atom in group)]

    def measured(self, frame: Frame) -> list[tuple[list[int], Measurement]]:
        """Return what the groups measure in a frame."""
        found = ((g, measure(frame.positions[g], frame.cell, frame.pbc)) for g in self.groups if len(g) > 1)
        return [(group, value) for group, value in found if value is not None]

    def text(self, frame: Frame) -> str:
        """Return all measurements as lines with tabs between, to be pasted into a table."""
        lines = []
        for group, value in self.measured(frame):
            names = " – ".join(f"{chemical_symbols[int(frame.numbers[a])]}{a + 1}" for a in group)
            lines.append(f"{names}\t{value.name.lower()}\t{value.value:.4f}\t{value.unit}")
        return "\n".join(lines)

    def paint(
        self, painter: QPainter, frame: Frame, camera: Camera, size: tuple[int, int], look: Ink
    ) -> None:
        """Draw lines between the atoms and the values beside them."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        values = {tuple(group): value for group, value in self.measured(frame)}
        for group in self.groups:
            if not group:
                continue
            steps = nearest_steps(frame.positions[group], frame.cell, frame.pbc)
            places = frame.positions[group[0]] + np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])
            pixels = camera.project(places, size)
            if not np.isfinite(pixels).all():
                continue
            points = [QPointF(x, y) for x, y, _ in pixels]
            painter.setPen(QPen(look.color, 2.0, Qt.PenStyle.DashLine))
            painter.drawPolyline(points)
            painter.setBrush(look.color)
            for point in points:
                painter.drawEllipse(point, 3.5, 3.5)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            value = values.get(tuple(group))
            if value is not None:
                _write(painter, points, value, look)
        painter.restore()


def value_text(value: Measurement) -> str:
    """Return a value with its unit, such as "2.352 Å" or "109.5°"."""
    if value.unit == "Å":
        return f"{number_text(value.value, 3)} Å"
    return f"{number_text(value.value, 1)}{value.unit}"


def _write(painter: QPainter, points: list[QPointF], value: Measurement, look: Ink) -> None:
    middle = points[1] if len(points) == 3 else (points[len(points) // 2 - 1] + points[len(points) // 2]) / 2
    path = QPainterPath()
    path.addText(middle + QPointF(8, -6), look.font, value_text(value))
    pen = QPen(look.halo, 4.0)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.strokePath(path, pen)
    painter.fillPath(path, look.color)
