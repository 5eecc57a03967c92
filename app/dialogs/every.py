"""The working dialogs by name, loaded when they are first wanted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from app.dialogs.form import FormDialog
    from app.session.session import Session

DIALOGS = {
    "training_set": ("app.dialogs.training_set", "TrainingSetDialog"),
    "invariant_points": ("app.dialogs.invariant_points", "InvariantPointsDialog"),
    "export_potential": ("app.dialogs.export_potential", "ExportDialog"),
    "import_potential": ("app.dialogs.potentials", "ImportDialog"),
    "sweep": ("app.dialogs.sweep", "SweepDialog"),
    "external_calculator": ("app.dialogs.potentials", "ExternalDialog"),
}


def make_dialog(kind: str, session: Session, parent: QWidget) -> FormDialog:
    """Return a new dialog; KeyError for an unknown one."""
    module, name = DIALOGS[kind]
    return getattr(import_module(module), name)(session, parent)
