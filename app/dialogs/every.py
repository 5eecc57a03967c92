"""The working dialogs by name, loaded when they are first wanted."""

from __future__ import annotations

from collections.abc import Callable
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


class Dialogs:
    """Makes the working dialogs of a window and keeps those that are open, perhaps at work."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        self._session, self._parent = session, parent
        self.known: dict[str, FormDialog] = {}

    def open(self, kind: str) -> FormDialog:
        """Show a dialog by its name and return it; KeyError for an unknown one."""
        module, name = DIALOGS[kind]
        return self.show(kind, getattr(import_module(module), name))

    def compare_runs(self) -> None:
        """Show all runs in a table."""
        from app.dialogs.compare_runs import show_comparison

        show_comparison(self._session, self._parent)

    def show(self, key: str, make: Callable[[Session, QWidget], FormDialog]) -> FormDialog:
        """Show a dialog, the one that is open already where there is one; return it."""
        made = self.known.get(key)
        if made is None or made.ended:
            made = self.known[key] = make(self._session, self._parent)
        made.show()
        made.raise_()
        made.activateWindow()
        return made
