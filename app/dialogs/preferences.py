"""The preferences dialog."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.look.style_sheet import styled
from app.settings import Settings, default_folder
from app.widgets.controls import filled
from app.widgets.quiet import Choice, Whole

THEME_TEXTS = (("Follow the system", "system"), ("Light", "light"), ("Dark", "dark"))


class Preferences(QDialog):
    """Edits theme, threads, folder of the runs and what happens at the start."""

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Preferences")
        self.setMinimumWidth(460)
        form = QFormLayout()
        form.setVerticalSpacing(8)
        self.theme = Choice(self)
        for text, value in THEME_TEXTS:
            self.theme.addItem(text, value)
        self.theme.setCurrentIndex(self.theme.findData(settings.theme))
        form.addRow("Appearance", self.theme)
        self.threads = Whole(self)
        self.threads.setRange(0, 1024)
        self.threads.setSpecialValueText("All but one")
        self.threads.setValue(settings.n_threads)
        self.threads.setToolTip("Processor threads for training; one core is best left to the window")
        form.addRow("Threads", self.threads)
        form.addRow("Folder for runs", self._folder_row(settings))
        self.restore = QCheckBox("Open what was open last time", self)
        self.restore.setChecked(settings.restore_session)
        form.addRow("At the start", self.restore)
        note = QLabel("Threads and folder count for trainings started from now on.", self)
        box = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        items = (form, styled(note, "muted"), box)
        filled(QVBoxLayout(self), *items, margins=(16, 16, 16, 16), spacing=16)

    def _folder_row(self, settings: Settings) -> QHBoxLayout:
        self.folder = QLineEdit(settings.folder, self, placeholderText=str(default_folder()))
        choose = QPushButton("Choose…", self)
        choose.clicked.connect(self._choose)
        return filled(QHBoxLayout(), (self.folder, 1), choose, spacing=-1)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for runs", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def apply(self, settings: Settings) -> None:
        """Write the choices into the settings."""
        settings.theme = self.theme.currentData()
        settings.n_threads = self.threads.value()
        settings.folder = self.folder.text().strip()
        settings.restore_session = self.restore.isChecked()
