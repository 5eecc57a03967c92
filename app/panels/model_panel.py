"""What is trained: symmetry functions, network, loss and the course of the training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.documents.run import RunDocument, RunState
from app.look.style_sheet import repolish, styled
from app.panels.base import Panel
from app.widgets.controls import filled, tool_button
from app.widgets.labels import NoteLabel
from app.widgets.quiet import Choice
from nnpcore.errors import SettingsError
from nnpcore.structures import Role
from nnpcore.training import TrainSettings
from nnpcore.training.declared import Declaration, Shown, declarations
from nnpcore.training.settings import DescriptorSettings

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame


DECLARED = {declaration.name: declaration for declaration in declarations(TrainSettings)}
COLUMNS = {"Network": 3, "Loss weights": 3, "Training": 2}
"""Headings below the symmetry functions, and how many settings stand beside each other at most."""

WANTED = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of whole numbers, such as 15, 15",
}
SCROLL_BAR = 12
CHROME, LEAST_FIELD = 34, 62
"""Pixels a field needs besides its longest text (frame, margins, arrow), and at least."""


def shown_text(declaration: Declaration, settings: TrainSettings) -> str:
    """Return what a setting's field shows."""
    value = declaration.read(settings)
    return declaration.text(100 * value if _shown(declaration).percent else value)


def typed_value(declaration: Declaration, text: str) -> Any:
    """Return what was typed into a setting's field; ValueError where it has no value."""
    value = declaration.parse(text)
    return value / 100 if _shown(declaration).percent else value


def counted(descriptors: DescriptorSettings) -> int:
    """Return the number of symmetry functions; 0 where it is not known yet."""
    if descriptors.functions is None:
        return 26 if descriptors.preset == "26" else 0
    return sum(len(entries) for entries in descriptors.functions.values())


def about(run: RunDocument) -> str:
    """Return what a run was trained on and how it stands, in a line."""
    parts = [f"{run.name}: {run.state.value}"]
    names = dict.fromkeys(dataset_id for dataset_id, _ in run.train.parts if dataset_id)
    if not names:
        names = dict.fromkeys(Path(source.path).name for source in run.sources if source.path)
    n_train, n_valid = len(run.train), len(run.valid)
    if n_train:
        on = f" of {', '.join(names)}" if names else ""
        valid = f" and {n_valid} to validate" if n_valid else ""
        parts.append(f"{n_train} frames{on}{valid}")
    if run.epoch:
        parts.append(f"epoch {run.epoch}" + (f" of {run.n_epochs}" if run.n_epochs else ""))
    return " · ".join(parts)


def _shown(declaration: Declaration) -> Shown:
    assert declaration.setting.shown is not None
    return declaration.setting.shown


class _Grid(QWidget):
    """Fields beside each other, as many as the width shows without cutting their texts."""

    def __init__(self, cells: Sequence[QWidget], most: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._cells, self._most, self.n_columns = cells, most, 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(4)
        self.fit(most * 1000)

    def fit(self, width: int) -> None:
        """Use as many columns as the width has room for."""
        needed = max(cell.minimumWidth() for cell in self._cells) + 6
        columns = min(max((width + 6) // needed, 1), self._most)
        if columns == self.n_columns:
            return
        self.n_columns = columns
        for place, cell in enumerate(self._cells):
            self._grid.addWidget(cell, *divmod(place, columns))
        for column in range(self._most):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)


class ModelPanel(Panel):
    """The settings of the next training (changes can be undone), or those of the run looked at."""

    title = "Model"
    name = "model"
    foldable = True

    @classmethod
    def folds(cls, session: Session) -> bool:
        """Return whether a run is trained or looked at, and no field is to be put right."""
        return session.runs.current is not None and not session.trainings.refused

    @classmethod
    def summary(cls, session: Session) -> str:
        """Return functions and networks of the run looked at, else of the next training."""
        run = session.runs.current
        settings = session.trainings.settings if run is None else run.settings
        count = counted(settings.descriptors) or "automatic"
        layers = "-".join(map(str, settings.hidden))
        return f"{count} functions · {settings.n_members} × {layers}"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._inputs: dict[str, QLineEdit | QComboBox] = {}
        self._grids: list[_Grid] = []
        self.run_shown: RunDocument | None = None
        self._changing = False
        self._add_owner()
        content = QWidget(self)
        column = filled(QVBoxLayout(content), margins=(10, 4, 10, 10), spacing=4)
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
        self.later(partial(self._add_descriptors, column))
        for title in COLUMNS:
            self.later(partial(self._add_section, column, title))
        self.later(partial(column.addStretch, 1))
        self.later(self._connect)

    def _connect(self) -> None:
        session = self.session
        session.trainings.settings_changed.connect(self.refresh)
        session.trainings.asked_for_settings.connect(self._take_typed)
        session.runs.current_changed.connect(self._on_current_run)
        session.runs.changed.connect(self._on_run_changed)
        self._on_current_run()
        self.arrange()

    # building -----------------------------------------------------------------------------------------
    def _add_owner(self) -> None:
        """Two buttons that say whose settings these are, and what is known of the run."""
        self.owner = QWidget(self)
        self.of_next, self.of_run = QToolButton(self), QToolButton(self)
        self.of_next.setText("Next training")
        self.of_next.setToolTip("What the next training will use")
        group = QButtonGroup(self)
        for button, run in ((self.of_next, False), (self.of_run, True)):
            button.setCheckable(True)
            button.setObjectName("model_owner")
            group.addButton(button)
            button.clicked.connect(lambda _=False, run=run: self.show_run(run))
        self.use = QPushButton("Use for the next training", self)
        self.use.setToolTip("Copy these settings; they can be changed then")
        self.use.clicked.connect(self._use_for_next)
        self.about_run = styled(NoteLabel(self, "muted", lines=2), "small")
        buttons = filled(QHBoxLayout(), self.of_next, self.of_run, spacing=4)
        buttons.addStretch(1)
        self.run_row = QWidget(self)
        filled(QVBoxLayout(self.run_row), self.about_run, self.use, spacing=4)
        filled(QVBoxLayout(self.owner), buttons, self.run_row, margins=(10, 2, 10, 6), spacing=4)
        self._column.addWidget(self.owner)

    def _add_descriptors(self, column: QVBoxLayout) -> None:
        self._heading(column, "Symmetry functions")
        self.functions = Choice(self)
        for preset, text in DECLARED["preset"].setting.choices.items():
            self.functions.addItem(text, preset)
        self.functions.setToolTip(
            "Automatic: chosen for the data, with its distances. Preset 26: 8 radial and 18 angular functions"
        )
        self.functions.activated.connect(self._on_functions_chosen)
        self.edit_button = QPushButton("Edit…", self)
        self.edit_button.setToolTip("Look at the functions and change them")
        self.edit_button.clicked.connect(self.edit_functions)
        functions, editing = self._cell("Functions", self.functions), self._cell("", self.edit_button)
        cells = (functions, 5), (editing, 0), (self._field(DECLARED["cutoff"]), 4)
        column.addLayout(filled(QHBoxLayout(), *cells, spacing=6))

    def _add_section(self, column: QVBoxLayout, title: str) -> None:
        self._heading(column, title)
        shown = [d for d in DECLARED.values() if d.setting.shown and d.setting.shown.group == title]
        grid = _Grid([self._field(declaration) for declaration in shown], COLUMNS[title], self)
        self._grids.append(grid)
        column.addWidget(grid)

    def _arrange(self) -> None:
        """Show as many fields beside each other as there is room for."""
        for grid in self._grids:
            grid.fit(self.width() - 2 * 10 - SCROLL_BAR)

    def _field(self, declaration: Declaration) -> QWidget:
        """Return a setting's field under its label."""
        made = self._choice_input if declaration.setting.choices else self._text_input
        box, shown = made(declaration), _shown(declaration)
        box.setObjectName(f"model_{declaration.name}")
        box.setToolTip(shown.tip)
        self._inputs[declaration.name] = box
        texts = [shown.empty, *declaration.setting.choices.values()]
        widest = max(box.fontMetrics().horizontalAdvance(text) for text in texts)
        label = box.fontMetrics().horizontalAdvance(shown.label)
        cell = self._cell(shown.label, box)
        cell.setMinimumWidth(max(widest + CHROME, label, LEAST_FIELD))
        return cell

    def _cell(self, caption: str, box: QWidget) -> QWidget:
        cell = QWidget(self)
        if not isinstance(box, QPushButton):
            box.setMinimumWidth(36)
        filled(QVBoxLayout(cell), styled(QLabel(caption, cell), "muted", "small"), box, spacing=1)
        return cell

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
        self.error.setTextFormat(Qt.TextFormat.PlainText)
        self.error.setWordWrap(True)
        self.error.setContentsMargins(10, 4, 10, 6)
        self.error.hide()
        self._column.addWidget(self.error)

    # showing and changing -----------------------------------------------------------------------------
    def show_run(self, of_run: bool) -> None:
        """Show the settings of the run looked at (read only), or those of the next training."""
        self.run_shown = self.session.runs.current if of_run else None
        self.refresh()

    def _on_current_run(self) -> None:
        self.show_run(self.session.runs.current is not None)

    def _on_run_changed(self, run_id: str) -> None:
        if run_id == self.session.runs.current_id:
            self._refresh_owner()

    def _use_for_next(self) -> None:
        run = self.run_shown
        if run is not None:
            self.show_run(False)
            self.session.trainings.set_settings(run.settings, f"settings of {run.name}")

    @property
    def settings(self) -> TrainSettings:
        """The settings shown."""
        return self.session.trainings.settings if self.run_shown is None else self.run_shown.settings

    def _refresh_owner(self) -> None:
        """Say whose settings these are."""
        run, shown = self.session.runs.current, self.run_shown
        self.owner.setVisible(run is not None)
        self.run_row.setVisible(shown is not None)
        (self.of_next if shown is None else self.of_run).setChecked(True)
        if run is not None:
            width = max(self.width() // 2, 80)
            metrics = self.of_run.fontMetrics()
            self.of_run.setText(metrics.elidedText(f"Run {run.name}", Qt.TextElideMode.ElideMiddle, width))
            self.of_run.setToolTip(f"What {run.name} was trained with; read only")
        if shown is not None:
            self.about_run.set_text(about(shown))
        self.use.setVisible(shown is not None and shown.state is not RunState.IMPORTED)

    def refresh(self) -> None:
        """Show the settings; after a change of another field what was refused stays as it was typed."""
        settings, trainings = self.settings, self.session.trainings
        self._refresh_owner()
        if not self._changing or self.run_shown is not None:
            trainings.refused.clear()
        for name, box in self._inputs.items():
            self._lock(box, self.run_shown is not None)
            if _shown(DECLARED[name]).label in trainings.refused:
                continue
            if isinstance(box, QLineEdit):
                box.setText(shown_text(DECLARED[name], settings))
            else:
                value = str(DECLARED[name].read(settings))
                if box.findData(value) < 0:
                    box.addItem(value, value)
                box.setCurrentIndex(box.findData(value))
            repolish(box, "wrong", False)
        descriptors = settings.descriptors
        table, count = descriptors.functions, counted(descriptors)
        known = table is not None
        shown = "table" if known and descriptors.preset != "auto" else descriptors.preset
        for preset, text in DECLARED["preset"].setting.choices.items():
            own = known and preset == shown
            full = f"Table of {count}" if preset == "table" else f"{text}: {count}"
            self.functions.setItemText(self.functions.findData(preset), full if own else text)
        self.functions.setCurrentIndex(self.functions.findData(shown))
        self._lock(self.functions, self.run_shown is not None)
        self.edit_button.setEnabled(self.run_shown is None)
        self._lock(self._inputs["cutoff"], self.run_shown is not None or table is not None)
        self._show_refused()

    def _lock(self, box: QLineEdit | QComboBox, locked: bool) -> None:
        if isinstance(box, QLineEdit):
            box.setReadOnly(locked)
            repolish(box, "locked", locked)
        else:
            box.setEnabled(not locked)

    def _take_typed(self) -> None:
        """Take over what has been typed and not been confirmed by leaving the field."""
        for name, box in self._inputs.items():
            if isinstance(box, QLineEdit):
                self._on_text(DECLARED[name], box)

    def _on_text(self, declaration: Declaration, box: QLineEdit) -> None:
        if self.run_shown is not None:
            return
        text, label = box.text().strip(), _shown(declaration).label
        if text == shown_text(declaration, self.session.trainings.settings):
            self.session.trainings.refused.pop(label, None)
            repolish(box, "wrong", False)
            self._show_refused()
            return
        try:
            value = typed_value(declaration, text)
        except (ValueError, OverflowError):
            self._refuse(box, label, f"“{text}” is not {WANTED[declaration.type]}")
        else:
            self._change_setting(declaration, value, box)

    def _change_setting(self, declaration: Declaration, value: Any, box: QWidget) -> None:
        self._change(_shown(declaration).label, {declaration.path: value}, box)

    def _change(self, label: str, changes: dict[str, Any], box: QWidget) -> None:
        try:
            wanted = self.session.trainings.settings.replace(**changes)
        except SettingsError as error:
            self._refuse(box, label, f"{error.what}. {error.fix}" if error.fix else error.what)
            return
        self.session.trainings.refused.pop(label, None)
        self._changing = True
        self.session.trainings.set_settings(wanted, label[:1].lower() + label[1:])
        self._changing = False
        repolish(box, "wrong", False)
        self._show_refused()

    def _refuse(self, box: QWidget, label: str, reason: str) -> None:
        """Outline a field, say why under the fields, and let no training start with it."""
        repolish(box, "wrong", True)
        self.session.trainings.refused[label] = reason
        self._show_refused()

    def _show_refused(self) -> None:
        refused = self.session.trainings.refused
        self.error.setText("\n".join(f"{label}: {reason}." for label, reason in refused.items()))
        self.error.setVisible(bool(refused))

    # symmetry functions -------------------------------------------------------------------------------
    def _on_functions_chosen(self, index: int) -> None:
        preset, given = self.functions.itemData(index), self.session.trainings.settings.descriptors
        if preset == "table":
            if given.preset == "auto" or given.functions is None:
                self.edit_functions()
        else:
            descriptors = given.replace(preset=preset, functions=None)
            self._change("symmetry functions", {"descriptors": descriptors}, self.functions)
        self.refresh()

    def edit_functions(self) -> None:
        """Open the table of symmetry functions; those that the data suggest are made first."""
        settings, frames = self.settings, self._frames()
        given = settings.descriptors
        if given.preset != "auto" or given.functions is not None or not frames:
            self._open_table(None)
            return

        def make(progress: Progress) -> dict[str, Any]:
            from nnpcore.training.choosing import choice_for

            return choice_for(frames, settings, progress).functions.to_dict()

        self.session.tasks.run("Choosing symmetry functions", make, self._open_table, key="functions")

    def _frames(self) -> list[Frame]:
        """Return the frames that the next training would take."""
        roles = (Role.TRAINING, Role.VALIDATION)
        documents = self.session.data.datasets.values()
        return [frame for document in documents if document.role in roles for frame in document.frames]

    def _open_table(self, made: dict[str, Any] | None) -> None:
        from app.widgets.function_table import FunctionTable

        table = FunctionTable(self.settings.descriptors, self.session.data.elements(), self, made)
        if table.exec() == QDialog.DialogCode.Accepted:
            self.set_functions(table.descriptors())
        table.deleteLater()
        self.refresh()

    def set_functions(self, descriptors: DescriptorSettings) -> None:
        """Use other symmetry functions (can be undone)."""
        self._change("symmetry functions", {"descriptors": descriptors}, self.functions)

    # files --------------------------------------------------------------------------------------------
    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "loading settings", "", "TOML (*.toml)")
        if path:
            self.load_settings(path)

    def load_settings(self, path: str) -> None:
        """Take over the settings of a TOML file."""
        try:
            self.session.trainings.set_settings(TrainSettings.from_toml(path), "loading settings")
        except SettingsError as error:
            self.session.messages.notify_error("The settings were not loaded", error)

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save training settings", "eatlas.toml", "TOML (*.toml)")
        if path:
            settings = self.session.trainings.settings
            self.session.tasks.run("Saving settings", lambda progress: settings.to_toml(path), lambda _: None)
