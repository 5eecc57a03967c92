"""What is trained: symmetry functions, network, loss and the course of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.look.style_sheet import repolish, styled
from app.panels.base import Panel
from app.widgets.controls import filled, tool_button
from app.widgets.quiet import Choice
from nnpcore.errors import SettingsError
from nnpcore.training import TrainSettings
from nnpcore.training.declared import Declaration, Shown, declarations
from nnpcore.training.settings import DescriptorSettings

if TYPE_CHECKING:
    from app.session.session import Session


DECLARED = {declaration.name: declaration for declaration in declarations(TrainSettings)}
COLUMNS = {"Network": 3, "Loss weights": 3, "Training": 2}
"""Headings below the symmetry functions, and how many settings stand beside each other."""


def shown_text(declaration: Declaration, settings: TrainSettings) -> str:
    """Return what a setting's field shows."""
    value = declaration.read(settings)
    return declaration.text(100 * value if _shown(declaration).percent else value)


def typed_value(declaration: Declaration, text: str) -> Any:
    """Return what was typed into a setting's field; ValueError where it has no value."""
    value = declaration.parse(text)
    return value / 100 if _shown(declaration).percent else value


def _shown(declaration: Declaration) -> Shown:
    assert declaration.setting.shown is not None
    return declaration.setting.shown


class ModelPanel(Panel):
    """The settings of the next training; every change can be undone."""

    title = "Model"
    name = "model"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._inputs: dict[str, QLineEdit | QComboBox] = {}
        content = QWidget(self)
        column = filled(QVBoxLayout(content), margins=(10, 4, 10, 10), spacing=4)
        self._add_descriptors(column)
        for title in COLUMNS:
            self._add_section(column, title)
        column.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidget(content)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content.setProperty("panel", True)
        self.set_body(scroll)
        self._add_error_line()
        load = tool_button(self, "Load training settings (TOML)", self._ask_load, icon="folder")
        save = tool_button(self, "Save training settings (TOML)", self._ask_save, icon="export")
        for button in (load, save):
            self.add_tool(button, at_end=True)
        session.trainings.settings_changed.connect(self.refresh)
        self.refresh()

    # building -----------------------------------------------------------------------------------------
    def _add_descriptors(self, column: QVBoxLayout) -> None:
        self._heading(column, "Symmetry functions")
        self.functions = Choice(self)
        self.functions.addItem("Preset 26", "preset")
        self.functions.addItem("Table…", "table")
        self.functions.setToolTip("Preset 26: 8 radial and 18 angular functions, or a table of your own")
        self.functions.activated.connect(self._on_functions_chosen)
        edit = QPushButton("Edit…", self)
        edit.setToolTip("Look at the functions and change them")
        edit.clicked.connect(self.edit_functions)
        functions, editing = self._cell("Functions", self.functions), self._cell("", edit)
        cells = (functions, 5), (editing, 3), (self._field(DECLARED["cutoff"]), 4)
        column.addLayout(filled(QHBoxLayout(), *cells, spacing=6))

    def _add_section(self, column: QVBoxLayout, title: str) -> None:
        self._heading(column, title)
        shown = [d for d in DECLARED.values() if d.setting.shown and d.setting.shown.group == title]
        for start in range(0, len(shown), COLUMNS[title]):
            cells = [(self._field(declaration), 1) for declaration in shown[start : start + COLUMNS[title]]]
            column.addLayout(filled(QHBoxLayout(), *cells, spacing=6))

    def _field(self, declaration: Declaration) -> QVBoxLayout:
        """Return a setting's field under its label."""
        made = self._choice_input if declaration.setting.choices else self._text_input
        box, shown = made(declaration), _shown(declaration)
        box.setObjectName(f"model_{declaration.name}")
        box.setToolTip(shown.tip)
        box.setMinimumWidth(36)
        self._inputs[declaration.name] = box
        return self._cell(shown.label, box)

    def _cell(self, caption: str, box: QWidget) -> QVBoxLayout:
        return filled(QVBoxLayout(), styled(QLabel(caption, self), "muted", "small"), box, spacing=1)

    def _heading(self, column: QVBoxLayout, title: str) -> None:
        if column.count():
            column.addSpacing(6)
        column.addWidget(styled(QLabel(title, self), "heading"))

    def _text_input(self, declaration: Declaration) -> QLineEdit:
        box = QLineEdit(self)
        box.setPlaceholderText(_shown(declaration).empty)
        box.editingFinished.connect(lambda: self._on_text(declaration, box))
        return box

    def _choice_input(self, declaration: Declaration) -> QComboBox:
        box = Choice(self)
        for value, text in declaration.setting.choices.items():
            box.addItem(text, value)
        box.activated.connect(lambda _: self._change_setting(declaration, box.currentData(), box))
        return box

    def _add_error_line(self) -> None:
        self.error = styled(QLabel(self), "error")
        self.error.setObjectName("model_error")
        self.error.setWordWrap(True)
        self.error.setContentsMargins(10, 4, 10, 6)
        self.error.hide()
        self._column.addWidget(self.error)

    # showing and changing -----------------------------------------------------------------------------
    def refresh(self) -> None:
        """Show the session's settings."""
        settings = self.session.trainings.settings
        for name, box in self._inputs.items():
            if isinstance(box, QLineEdit):
                box.setText(shown_text(DECLARED[name], settings))
            else:
                value = str(DECLARED[name].read(settings))
                if box.findData(value) < 0:
                    box.addItem(value, value)
                box.setCurrentIndex(box.findData(value))
            repolish(box, "wrong", False)
        table = settings.descriptors.functions
        self.functions.setCurrentIndex(0 if table is None else 1)
        count = sum(len(entries) for entries in table.values()) if table else 0
        self.functions.setItemText(1, f"Table of {count}" if table else "Table…")
        self._inputs["cutoff"].setEnabled(table is None)
        self.error.hide()

    def _on_text(self, declaration: Declaration, box: QLineEdit) -> None:
        text = box.text().strip()
        if text == shown_text(declaration, self.session.trainings.settings):
            repolish(box, "wrong", False)
            self.error.hide()
            return
        try:
            value = typed_value(declaration, text)
        except ValueError:
            label = _shown(declaration).label
            self._refuse(box, f"{label}: “{text}” is not a number this field can take.")
        else:
            self._change_setting(declaration, value, box)

    def _change_setting(self, declaration: Declaration, value: Any, box: QWidget) -> None:
        self._change(_shown(declaration).label, {declaration.path: value}, box)

    def _change(self, label: str, changes: dict[str, Any], box: QWidget) -> None:
        try:
            wanted = self.session.trainings.settings.replace(**changes)
        except SettingsError as error:
            self._refuse(box, str(error))
            return
        self.session.trainings.set_settings(wanted, f"Set {label.lower()}")

    def _refuse(self, box: QWidget, message: str) -> None:
        repolish(box, "wrong", True)
        self.error.setText(message)
        self.error.show()

    # symmetry functions -------------------------------------------------------------------------------
    def _on_functions_chosen(self, index: int) -> None:
        if self.functions.itemData(index) == "table":
            if self.session.trainings.settings.descriptors.functions is None:
                self.edit_functions()
        else:
            descriptors = self.session.trainings.settings.descriptors.replace(functions=None)
            self._change("symmetry functions", {"descriptors": descriptors}, self.functions)
        self.refresh()

    def edit_functions(self) -> None:
        """Open the table of symmetry functions."""
        from app.widgets.function_table import FunctionTable

        table = FunctionTable(self.session.trainings.settings.descriptors, self.session.data.elements(), self)
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
            self.session.trainings.set_settings(TrainSettings.from_toml(path), "Load training settings")
        except SettingsError as error:
            self.session.messages.notify_error("The settings were not loaded", error)

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save training settings", "eatlas.toml", "TOML (*.toml)")
        if path:
            settings = self.session.trainings.settings
            self.session.tasks.run("Saving settings", lambda progress: settings.to_toml(path), lambda _: None)
