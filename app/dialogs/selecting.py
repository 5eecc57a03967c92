"""What can be done with selected atoms: count, step, invert, grow, keep, write; choosing by expression."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from app.documents.atom_numbers import OF_FILES, PREDICTED, file_numbers, predicted_numbers
from app.documents.expression import evaluate, names_in, parse
from app.look.style_sheet import repolish, styled
from app.session.messages import Notification
from app.widgets.controls import filled, tool_button
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.figures.tables import write_csv

if TYPE_CHECKING:
    from app.session.session import Session

EXAMPLE = 'element == "Si" and e_at > 0.1'
MOST_ATOMS = 2_000_000
"""Atoms an expression is evaluated on at most."""


class SelectionTools(QObject):
    """The menu of the selection."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._parent = session, parent
        self.menu = QMenu(parent)
        self.menu.aboutToShow.connect(self.fill)
        tip = "Selected atoms: step through them, invert, grow, keep, write, choose by expression"
        self.button = tool_button(parent, tip, icon="select", menu=self.menu)

    def fill(self) -> None:
        """Offer what makes sense now."""
        selection, menu = self._session.selection, self.menu
        menu.clear()
        menu.addAction(selection.count_text() if selection.current else "Nothing selected").setEnabled(False)
        menu.addSeparator()
        menu.addAction("Select by Expression…", self.ask)
        entries = (
            ("Next Frame with Selected Atoms", lambda: selection.step(1)),
            ("Frame before with Selected Atoms", lambda: selection.step(-1)),
            ("Grow by Bonded Neighbors", self._grow),
            ("Save as Region", self._session.regions.from_selection),
            ("Write as Table…", self.ask_export),
            ("Select Nothing", lambda: selection.select([])),
        )
        for text, run in entries:
            menu.addAction(text, run).setEnabled(len(selection.current) > 0)
        menu.addAction("Invert", selection.invert).setEnabled(self._session.data.frame is not None)

    def _grow(self) -> None:
        try:
            self._session.selection.grow()
        except EatlasError as error:
            self._session.messages.notify_error("The selection cannot grow", error)

    def ask_export(self) -> None:
        """Ask for a file and write the selected atoms."""
        start = str(Path.home() / "selected.csv")
        path, _ = QFileDialog.getSaveFileName(self._parent, "Write selected atoms", start, "CSV (*.csv)")
        if path:
            self.export_to(Path(path).with_suffix(".csv"))

    def export_to(self, path: Path) -> None:
        """Write the selected atoms in the background."""
        columns, messages = self._session.selection.table(), self._session.messages
        self._session.tasks.run(
            f"Writing {path.name}",
            lambda _progress: write_csv(path, columns),
            lambda _: messages.notify(Notification("info", "Selected atoms written", str(path))),
            lambda error: messages.notify_error(f"{path.name} was not written", error),
        )

    def ask(self) -> None:
        """Ask for an expression and select by it."""
        dialog = ExpressionDialog(self._session, self._parent)
        dialog.open()


class ExpressionDialog(QDialog):
    """Asks for an expression; stays open where it cannot be used, and says why."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setObjectName("expression_dialog")
        self.setWindowTitle("Select by expression")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(460)
        self.field = QLineEdit(str(session.settings.dialogs.get("expression", {}).get("text", "")), self)
        self.field.setPlaceholderText(EXAMPLE)
        self.field.textChanged.connect(lambda _: self._say(""))
        self.everywhere = QCheckBox("In all frames of this file", self)
        names = "\n".join(f"{name}: {what}" for name, what in (OF_FILES | PREDICTED).items())
        known = styled(QLabel(f"{names}\nand the file's own numbers", self), "muted", "small")
        self.message = styled(QLabel(self), "error")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.hide()
        standard = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(standard.Ok | standard.Cancel, self)
        buttons.button(standard.Ok).setText("Select")
        buttons.accepted.connect(self.select)
        buttons.rejected.connect(self.reject)
        parts = self.field, self.everywhere, known, self.message, buttons
        filled(QVBoxLayout(self), *parts, margins=(16, 14, 16, 14), spacing=8)

    def _say(self, text: str) -> None:
        repolish(self.field, "wrong", bool(text))
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def select(self) -> None:
        """Select the atoms it is true of."""
        text = self.field.text()
        try:
            atoms = atoms_by(self._session, text, self.everywhere.isChecked())
        except EatlasError as error:
            what = error.what[:1].upper() + error.what[1:]
            self._say(f"{what}. {error.fix}." if error.fix else f"{what}.")
            return
        self._session.settings.dialogs["expression"] = {"text": text}
        self._session.selection.select(atoms)
        self.accept()


def atoms_by(session: Session, text: str, everywhere: bool) -> list[tuple[str, int, int]]:
    """Return the atoms an expression is true of, in the frame shown or all of its file's.

    Raises
    ------
    SettingsError : the expression is none, or asks for what is not known.
    """
    document, tree = session.data.current, parse(text)
    if document is None:
        raise SettingsError("there is no structure to choose from", fix="Open a file first")
    names = names_in(tree)
    predicted = sorted(names & PREDICTED.keys())
    if everywhere and predicted:
        raise SettingsError(f"{predicted[0]} is known of the frame shown only", fix="Choose in this frame")
    frames = range(document.n_frames) if everywhere else [document.frame_index]
    if sum(document.frame(k).n_atoms for k in frames) > MOST_ATOMS:
        raise SettingsError(f"there are more than {MOST_ATOMS:,} atoms", fix="Open fewer frames")
    found: list[tuple[str, int, int]] = []
    for index in frames:
        frame = document.frame(index)
        values = file_numbers(frame, index, names)
        if predicted:
            values |= _predictions(session)
        chosen = evaluate(tree, values, frame.n_atoms).nonzero()[0].tolist()
        found += [(document.id, index, atom) for atom in chosen]
    return found


def _predictions(session: Session) -> dict:
    frame, shown = session.data.frame, session.runs.prediction
    if frame is None or shown is None:
        raise SettingsError("atomic energies need a run", fix="Train or open one, or wait for its prediction")
    return predicted_numbers(frame, shown.prediction, session.coloring.crystal_energy())
