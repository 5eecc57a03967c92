"""What the dialogs that make data have in common: a calculator, and the file the frames are kept in."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from app.dialogs.fields import Section
from app.dialogs.form import FormDialog
from app.settings import data_folder
from app.workers.new_data import checked_target


class MakingDialog(FormDialog):
    """Makes frames by a calculator and keeps them."""

    verb = "Make"
    forgotten = frozenset({"path"})
    _confirmed = ""

    def add_path(self, section: Section, caption: str, tip: str = "") -> None:
        """Add the field "path", empty for a name of their own; ``caption`` is the file dialog's."""

        def ask() -> str:
            path, _ = QFileDialog.getSaveFileName(self, caption, str(data_folder()), "*.extxyz")
            if path:
                path = self._confirmed = path if path.endswith((".extxyz", ".xyz")) else f"{path}.extxyz"
            return path

        self.add_place(section, "path", "Keep in", ask, tip, "automatic")

    def target(self) -> Path | None:
        """Return where the frames go; SettingsError where a file is there that nobody has confirmed."""
        return checked_target(self.values()["path"], self._confirmed)
