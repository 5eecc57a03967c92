"""What is trained: symmetry functions, network, loss and the course of the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.look import icons
from app.look.style_sheet import repolish
from app.panels.base import Panel
from nnpcore.errors import SettingsError
from nnpcore.training import TrainSettings
from nnpcore.training.settings import DescriptorSettings

if TYPE_CHECKING:
    from app.session.session import Session


class QuietComboBox(QComboBox):
    """A combo box that leaves the wheel to the scroll area around it."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Do not change the choice while the user scrolls the panel."""
        event.ignore()


@dataclass(frozen=True)
class TextField:
    """One setting typed as text: how it is shown, and how the text becomes changes of the settings."""

    name: str
    label: str
    tip: str
    show: Callable[[TrainSettings], str]
    parse: Callable[[str, TrainSettings], dict[str, Any]]
    placeholder: str = ""


@dataclass(frozen=True)
class ChoiceField:
    """One setting chosen from a list of (text, value)."""

    name: str
    label: str
    tip: str
    choices: tuple[tuple[str, str], ...]


Rows = tuple[tuple[TextField | ChoiceField, ...], ...]


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _integer(text: str) -> int:
    value = _number(text)
    if value != int(value):
        raise ValueError(text)
    return int(value)


def _plain(name: str, parse: Callable[[str], Any], optional: bool = False) -> dict[str, Any]:
    def show(settings: TrainSettings) -> str:
        value = getattr(settings, name)
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    def changes(text: str, _settings: TrainSettings) -> dict[str, Any]:
        return {name: None if optional and not text else parse(text)}

    return {"name": name, "show": show, "parse": changes}


def _show_percent(settings: TrainSettings) -> str:
    return f"{100 * settings.valid_fraction:g}"


def _show_hidden(settings: TrainSettings) -> str:
    return ", ".join(str(width) for width in settings.hidden)


def _parse_hidden(text: str, _settings: TrainSettings) -> dict[str, Any]:
    return {"hidden": tuple(int(part) for part in text.replace("-", " ").replace(",", " ").split())}


def _parse_cutoff(text: str, settings: TrainSettings) -> dict[str, Any]:
    return {"descriptors": settings.descriptors.replace(cutoff=_number(text))}


CUTOFF = TextField(
    "cutoff",
    "Cutoff (Å)",
    "Radius within which neighbors count",
    lambda settings: f"{settings.descriptors.cutoff:g}",
    _parse_cutoff,
)
NETWORK = (
    TextField(
        "hidden", "Hidden layers", "Widths of the hidden layers, e.g. 30, 30", _show_hidden, _parse_hidden
    ),
    ChoiceField(
        "activation",
        "Activation",
        "Function of the hidden layers",
        (("tanh", "tanh"), ("softplus", "softplus"), ("sigmoid", "sigmoid"), ("Gaussian", "gaussian")),
    ),
    TextField(
        label="Members",
        tip="Networks in the ensemble: their mean predicts, their spread tells how sure they are",
        **_plain("n_members", _integer),
    ),
)
LOSS = (
    TextField(label="Energy", tip="Weight of (ΔE/N)², eV²", **_plain("energy_weight", _number)),
    TextField(
        label="Force", tip="Weight of |ΔF|², (eV/Å)²; 0 leaves forces out", **_plain("force_weight", _number)
    ),
    TextField(
        label="Stress",
        tip="Weight of |Δσ|², (eV/Å³)²; 0 leaves stress out",
        **_plain("stress_weight", _number),
    ),
)
BASELINE = (
    TextField(label="L2", tip="Weight of the squared network weights", **_plain("l2", _number)),
    ChoiceField(
        "baseline",
        "Baseline",
        "A function in closed form under the networks, for atomic energies that the data leave open",
        (("None", "none"), ("Linear", "linear"), ("Quadratic", "quadratic"), ("Kernel", "kernel")),
    ),
    TextField(
        label="Its ridge",
        tip="Ridge of the baseline (eV²); empty: chosen by the evidence",
        placeholder="automatic",
        **_plain("baseline_ridge", _number, optional=True),
    ),
)
COURSE = (
    ChoiceField(
        "optimizer",
        "Optimizer",
        "Automatic takes the Kalman filter where its matrices fit into memory, else Adam",
        (("Automatic", "auto"), ("Kalman filter", "kalman"), ("Adam", "adam"), ("L-BFGS", "lbfgs")),
    ),
    ChoiceField(
        "device",
        "Device",
        "Where the training runs; automatic takes a graphics card where there is one",
        (("Automatic", "auto"), ("CPU", "cpu"), ("CUDA", "cuda")),
    ),
    TextField(
        label="Epochs",
        tip="Passes over the training frames; empty: the optimizer's usual number",
        placeholder="automatic",
        **_plain("epochs", _integer, optional=True),
    ),
    TextField(
        label="Patience",
        tip="Epochs without a better validation score before training ends; empty: never",
        placeholder="never stop early",
        **_plain("patience", _integer, optional=True),
    ),
    TextField(
        "valid_fraction",
        "Validation (%)",
        "Part of the training frames put aside where no file has the role Validation",
        _show_percent,
        lambda text, _settings: {"valid_fraction": _number(text) / 100},
    ),
    TextField(label="Seed", tip="Seed of the random numbers", **_plain("seed", _integer)),
    TextField(
        label="Frames a step",
        tip="Frames in one step of the optimizer; empty: its usual number",
        placeholder="automatic",
        **_plain("batch_frames", _integer, optional=True),
    ),
    TextField(
        label="Learning rate",
        tip="Length of Adam's first steps; empty: its usual one",
        placeholder="automatic",
        **_plain("learning_rate", _number, optional=True),
    ),
)


class ModelPanel(Panel):
    """The settings of the next training; every change can be undone."""

    title = "Model"
    name = "model"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._inputs: dict[str, QLineEdit | QComboBox] = {}
        self._text_fields: dict[str, TextField] = {}
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(10, 4, 10, 10)
        column.setSpacing(4)
        self._add_descriptors(column)
        self._add_section(column, "Network", (NETWORK,))
        self._add_section(column, "Loss weights", (LOSS, BASELINE))
        self._add_section(column, "Training", tuple(COURSE[i : i + 2] for i in range(0, len(COURSE), 2)))
        column.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidget(content)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content.setProperty("panel", True)
        self.set_body(scroll)
        self._add_error_line()
        self._add_file_buttons()
        session.settings_changed.connect(self.refresh)
        self.refresh()

    # building -----------------------------------------------------------------------------------------
    def _add_descriptors(self, column: QVBoxLayout) -> None:
        self._heading(column, "Symmetry functions")
        self.functions = QuietComboBox(self)
        self.functions.addItem("Preset 26", "preset")
        self.functions.addItem("Table…", "table")
        self.functions.setToolTip("Preset 26: 8 radial and 18 angular functions, or a table of your own")
        self.functions.activated.connect(self._on_functions_chosen)
        edit = QPushButton("Edit…", self)
        edit.setToolTip("Look at the functions and change them")
        edit.clicked.connect(self.edit_functions)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addLayout(_cell(_caption("Functions", self), self.functions), 5)
        row.addLayout(_cell(_caption("", self), edit), 3)
        row.addLayout(_cell(_caption(CUTOFF.label, self), self._text_input(CUTOFF)), 4)
        column.addLayout(row)

    def _add_section(self, column: QVBoxLayout, title: str, rows: Rows) -> None:
        self._heading(column, title)
        for entries in rows:
            row = QHBoxLayout()
            row.setSpacing(6)
            for entry in entries:
                is_choice = isinstance(entry, ChoiceField)
                box = self._choice_input(entry) if is_choice else self._text_input(entry)
                row.addLayout(_cell(_caption(entry.label, self), box), 1)
            column.addLayout(row)

    def _heading(self, column: QVBoxLayout, title: str) -> None:
        if column.count():
            column.addSpacing(6)
        label = QLabel(title, self)
        label.setProperty("heading", True)
        column.addWidget(label)

    def _text_input(self, entry: TextField) -> QLineEdit:
        box = QLineEdit(self)
        box.setObjectName(f"model_{entry.name}")
        box.setToolTip(entry.tip)
        box.setPlaceholderText(entry.placeholder)
        box.setMinimumWidth(36)
        box.editingFinished.connect(lambda: self._on_text(entry, box))
        self._inputs[entry.name], self._text_fields[entry.name] = box, entry
        return box

    def _choice_input(self, entry: ChoiceField) -> QComboBox:
        box = QuietComboBox(self)
        box.setObjectName(f"model_{entry.name}")
        box.setToolTip(entry.tip)
        for text, value in entry.choices:
            box.addItem(text, value)
        box.setMinimumWidth(36)
        box.activated.connect(lambda _: self._change(entry.label, {entry.name: box.currentData()}, box))
        self._inputs[entry.name] = box
        return box

    def _add_error_line(self) -> None:
        self.error = QLabel(self)
        self.error.setObjectName("model_error")
        self.error.setWordWrap(True)
        self.error.setContentsMargins(10, 4, 10, 6)
        self.error.setProperty("error", True)
        self.error.hide()
        self._column.addWidget(self.error)

    def _add_file_buttons(self) -> None:
        for icon, tip, run in (
            ("folder", "Load training settings (TOML)", self._ask_load),
            ("export", "Save training settings (TOML)", self._ask_save),
        ):
            button = QToolButton(self)
            icons.follow(button, icon)
            button.setIconSize(QSize(14, 14))
            button.setToolTip(tip)
            button.clicked.connect(run)
            self.add_tool(button, at_end=True)

    # showing and changing -----------------------------------------------------------------------------
    def refresh(self) -> None:
        """Show the session's settings."""
        settings = self.session.train_settings
        for name, box in self._inputs.items():
            if isinstance(box, QLineEdit):
                box.setText(self._text_fields[name].show(settings))
            else:
                self._show_choice(box, str(getattr(settings, name)))
            repolish(box, "wrong", False)
        table = settings.descriptors.functions
        self.functions.setCurrentIndex(0 if table is None else 1)
        count = sum(len(entries) for entries in table.values()) if table else 0
        self.functions.setItemText(1, f"Table of {count}" if table else "Table…")
        self._inputs["cutoff"].setEnabled(table is None)
        self.error.hide()

    def _show_choice(self, box: QComboBox, value: str) -> None:
        if box.findData(value) < 0:
            box.addItem(value, value)
        box.setCurrentIndex(box.findData(value))

    def _on_text(self, entry: TextField, box: QLineEdit) -> None:
        text = box.text().strip()
        settings = self.session.train_settings
        if text == entry.show(settings):
            repolish(box, "wrong", False)
            self.error.hide()
            return
        try:
            changes = entry.parse(text, settings)
        except SettingsError as error:
            self._refuse(box, str(error))
        except ValueError:
            self._refuse(box, f"{entry.label}: “{text}” is not a number this field can take.")
        else:
            self._change(entry.label, changes, box)

    def _change(self, label: str, changes: dict[str, Any], box: QWidget) -> None:
        try:
            wanted = self.session.train_settings.replace(**changes)
        except SettingsError as error:
            self._refuse(box, str(error))
            return
        self.session.set_train_settings(wanted, f"Set {label.lower()}")

    def _refuse(self, box: QWidget, message: str) -> None:
        repolish(box, "wrong", True)
        self.error.setText(message)
        self.error.show()

    # symmetry functions -------------------------------------------------------------------------------
    def _on_functions_chosen(self, index: int) -> None:
        if self.functions.itemData(index) == "table":
            if self.session.train_settings.descriptors.functions is None:
                self.edit_functions()
        else:
            descriptors = self.session.train_settings.descriptors.replace(functions=None)
            self._change("symmetry functions", {"descriptors": descriptors}, self.functions)
        self.refresh()

    def edit_functions(self) -> None:
        """Open the table of symmetry functions."""
        from app.widgets.function_table import FunctionTable

        table = FunctionTable(self.session.train_settings.descriptors, self.session.elements(), self)
        if table.exec() == QDialog.DialogCode.Accepted:
            self.set_functions(table.descriptors())
        self.refresh()

    def set_functions(self, descriptors: DescriptorSettings) -> None:
        """Use other symmetry functions (can be undone)."""
        self._change("symmetry functions", {"descriptors": descriptors}, self.functions)

    # files --------------------------------------------------------------------------------------------
    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load training settings", "", "TOML (*.toml)")
        if path:
            self.load_settings(path)

    def load_settings(self, path: str) -> None:
        """Take over the settings of a TOML file."""
        try:
            self.session.set_train_settings(TrainSettings.from_toml(path), "Load training settings")
        except SettingsError as error:
            self.session.notify_error("The settings were not loaded", error)

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save training settings", "eatlas.toml", "TOML (*.toml)")
        if path:
            settings = self.session.train_settings
            self.session.run_task("Saving settings", lambda progress: settings.to_toml(path), lambda _: None)


def _cell(caption: QLabel, box: QWidget) -> QVBoxLayout:
    cell = QVBoxLayout()
    cell.setSpacing(1)
    cell.addWidget(caption)
    cell.addWidget(box)
    return cell


def _caption(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    label.setProperty("muted", True)
    label.setProperty("small", True)
    return label
