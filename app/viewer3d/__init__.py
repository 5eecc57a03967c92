"""The structure viewer: spheres, bonds and cell, by OpenGL where there is some and by software elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from app.viewer3d.view import StructureView


def create_structure_view(parent: QWidget | None = None) -> StructureView:
    """Return a new viewer that listens to the mouse; what it needs is imported now, not before."""
    from app.viewer3d.mouse import Mouse
    from app.viewer3d.view import StructureView

    view = StructureView(parent)
    Mouse(view)
    return view
