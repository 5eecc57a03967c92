"""The preferences dialog."""

from __future__ import annotations

from collections.abc import Sequence

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

from app.look.colormaps import DIVERGING_MAPS, SEQUENTIAL_MAPS
from app.look.style_sheet import styled
from app.settings import Settings, default_folder
from app.widgets.controls import filled
from app.widgets.quiet import Choice, Number, Whole
from nnpcore.cluster.scheduler import Scheduler
from nnpcore.errors import SettingsError

THEMES = (("Follow the system", "system"), ("Light", "light"), ("Dark", "dark"))
SIZES = (("Smaller (90 %)", 90), ("Usual", 100), ("Larger (115 %)", 115), ("Large (130 %)", 130))
DIGITS = (("Usual", 0), ("One more", 1), ("Two more", 2), ("Three more", 3))
Items = Sequence[tuple[str, object]]


class Preferences(QDialog):
    """Edits what holds for all sessions; every heading says when it works.

    ``workspaces`` are (title, name) of those that can be shown first.
    """

    def __init__(self, settings: Settings, parent: QWidget | None = None, workspaces: Items = ()) -> None:
        super().__init__(parent)
        self.setWindowTitle("Preferences")
        self.setMinimumWidth(480)
        self._form = QFormLayout()
        self._form.setVerticalSpacing(8)
        self._add_look()
        self._add_work()
        self._add_cluster()
        self._add_start((("As it was left", ""), *workspaces))
        kinds = QDialogButtonBox.StandardButton
        box = QDialogButtonBox(kinds.Ok | kinds.Cancel | kinds.RestoreDefaults, self)
        self.ok_button = box.button(kinds.Ok)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self.reset_button = box.button(kinds.RestoreDefaults)
        self.reset_button.setToolTip("Fill in what a new installation has; OK takes it over")
        self.reset_button.clicked.connect(lambda _checked=False: self.show_settings(Settings()))
        filled(QVBoxLayout(self), self._form, box, margins=(16, 16, 16, 16), spacing=16)
        self.show_settings(settings)

    def _heading(self, text: str, when: str) -> None:
        row = filled(QHBoxLayout(), styled(QLabel(text, self), "heading"), spacing=8)
        row.addWidget(styled(QLabel(when, self), "muted", "small"), 1)
        self._form.addRow(row)

    def _choice(self, label: str, items: Items, tip: str = "") -> Choice:
        box = Choice(self)
        for text, value in items:
            box.addItem(text, value)
        box.setToolTip(tip)
        self._form.addRow(label, box)
        return box

    def _add_look(self) -> None:
        self._heading("Look", "at once")
        self.theme = self._choice("Appearance", THEMES)
        self.text = self._choice("Text size", SIZES)
        self.digits = self._choice("Digits", DIGITS, "How many digits numbers beside the structure have")
        usual = ("Program's own", "")
        tip = "Used where no other map is chosen at the color bar"
        self.sequential = self._choice("Colours of magnitudes", (usual, *SEQUENTIAL_MAPS.items()), tip)
        self.diverging = self._choice("Colours around zero", (usual, *DIVERGING_MAPS.items()), tip)

    def _add_work(self) -> None:
        self._heading("Trainings", "for those started from now on")
        self.threads = Whole(self)
        self.threads.setRange(0, 1024)
        self.threads.setSpecialValueText("All but one")
        self.threads.setToolTip("Processor threads for training and analyses; one is best left to the window")
        self._form.addRow("Threads", self.threads)
        self.memory = Number(self)
        self.memory.setRange(0.0, 10_000.0)
        self.memory.setDecimals(1)
        self.memory.setSuffix(" GB")
        self.memory.setSpecialValueText("As the Model panel says")
        self.memory.setToolTip("What the optimizer may take; what does not fit is made smaller")
        self._form.addRow("Memory", self.memory)
        self.folder = QLineEdit(self, placeholderText=str(default_folder()))
        choose = QPushButton("Choose…", self)
        choose.clicked.connect(self._choose)
        self._form.addRow("Folder for runs", filled(QHBoxLayout(), (self.folder, 1), choose, spacing=-1))

    def _add_cluster(self) -> None:
        self._heading("Cluster", "for cures and learning curves from now on")
        self.scheduler = QLineEdit(self, placeholderText="This computer, in this process")
        tip = "local:4 for 4 processes here, slurm:FILE, or the address of a dask scheduler: tcp://host:8786"
        self.scheduler.setToolTip(f"{tip}. Help › Documentation › On a cluster says more")
        self._form.addRow("Scheduler", self.scheduler)
        self.scheduler_note = styled(QLabel(self), "muted", "small")
        self.scheduler_note.setWordWrap(True)
        self.scheduler_note.hide()
        self._form.addRow("", self.scheduler_note)
        self.scheduler.textChanged.connect(self._check_scheduler)

    def _check_scheduler(self, text: str) -> None:
        """Say what cannot be used, and refuse to take it over."""
        problem = ""
        if text.strip():
            try:
                Scheduler.from_text(text)
            except SettingsError:
                problem = "⚠ Write local:N, slurm:FILE or an address: tcp://host:8786"
        self.scheduler_note.setText(problem)
        self.scheduler_note.setVisible(bool(problem))
        self.ok_button.setEnabled(not problem)

    def _add_start(self, workspaces: Items) -> None:
        self._heading("Session", "autosave at once, the rest at the next start")
        self.autosave = Whole(self)
        self.autosave.setRange(0, 3600)
        self.autosave.setSuffix(" s after a change")
        self.autosave.setSpecialValueText("Never")
        self.autosave.setToolTip("What is open is kept, and offered again should the program end in a crash")
        self._form.addRow("Autosave", self.autosave)
        self.workspace = self._choice("First workspace", workspaces)
        self.restore = QCheckBox("Open what was open last time", self)
        self._form.addRow("At the start", self.restore)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for runs", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _choices(self) -> dict[str, Choice]:
        return {
            "theme": self.theme, "text_percent": self.text, "further_digits": self.digits,
            "sequential_map": self.sequential, "diverging_map": self.diverging,
            "first_workspace": self.workspace,
        }  # fmt: skip

    def show_settings(self, settings: Settings) -> None:
        """Fill in the fields."""
        for name, box in self._choices().items():
            box.setCurrentIndex(max(box.findData(getattr(settings, name)), 0))
        self.threads.setValue(settings.n_threads)
        self.memory.setValue(settings.memory_gb)
        self.folder.setText(settings.folder)
        self.scheduler.setText(settings.scheduler)
        self.autosave.setValue(settings.autosave_seconds)
        self.restore.setChecked(settings.restore_session)

    def apply(self, settings: Settings) -> None:
        """Write the choices into the settings."""
        for name, box in self._choices().items():
            setattr(settings, name, box.currentData())
        settings.n_threads = self.threads.value()
        settings.memory_gb = self.memory.value()
        settings.folder = self.folder.text().strip()
        settings.scheduler = self.scheduler.text().strip()
        settings.autosave_seconds = self.autosave.value()
        settings.restore_session = self.restore.isChecked()
