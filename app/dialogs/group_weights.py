"""The weights of groups in the next training, as a table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.look.style_sheet import styled
from app.widgets.controls import filled
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.structures import Role, groups_of
from nnpcore.training.group_weights import read_weights
from nnpcore.training.settings import GroupWeights

if TYPE_CHECKING:
    from app.session.session import Session

HEADS = ("Group", "Frames", "Energy", "Forces", "Stress")
QUANTITIES = ("energy", "forces", "stress")
ABOUT = (
    "How many times the energies, forces and stresses of each group count in the loss of the next training. "
    "Only how groups compare matters; 0 leaves them out."
)


class GroupWeightsDialog(QDialog):
    """One row a group of the frames that are trained on and validated with; OK can be undone."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Weights of groups")
        about = styled(QLabel(ABOUT, self), "muted")
        about.setWordWrap(True)
        self.table = QTableWidget(0, len(HEADS), self)
        self.table.setHorizontalHeaderLabels(HEADS)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.error = styled(QLabel(self), "error")
        self.error.setWordWrap(True)
        buttons = QDialogButtonBox(self)
        for kind in (QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel):
            buttons.addButton(kind)
        load = buttons.addButton("Load…", QDialogButtonBox.ButtonRole.ActionRole)
        load.clicked.connect(lambda _checked=False: self._ask_load())
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        filled(QVBoxLayout(self), about, (self.table, 1), self.error, buttons, margins=(12, 12, 12, 12))
        self.resize(520, 360)
        self._fill(dict(session.trainings.settings.group_weights))

    def _fill(self, given: dict[str, GroupWeights]) -> None:
        roles = (Role.TRAINING, Role.VALIDATION)
        documents = [d for d in self._session.data.datasets.values() if d.role in roles]
        key = self._session.trainings.settings.group_key
        counts = Counter(name for d in documents for name in groups_of(d.frames, key))
        rows = list(dict.fromkeys([*counts, *given]))
        self.table.setRowCount(len(rows))
        for number, name in enumerate(rows):
            weights = given.get(name, GroupWeights()).numbers
            for column, text in enumerate((name, str(counts[name]), *(f"{w:g}" for w in weights))):
                item = QTableWidgetItem(text)
                if column < 2:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.table.setItem(number, column, item)

    def weights(self) -> dict[str, GroupWeights]:
        """Return what the table says; SettingsError naming a cell that is no weight."""
        found = {}
        for row in range(self.table.rowCount()):
            texts = [self._text(row, column) for column in range(len(HEADS))]
            try:
                numbers = [float(text.replace(",", ".")) for text in texts[2:]]
            except ValueError:
                fix = "Give numbers from 0 on"
                raise SettingsError("a weight is no number", where=texts[0], fix=fix) from None
            found[texts[0]] = GroupWeights(**dict(zip(QUANTITIES, numbers, strict=True)))
        return found

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return "" if item is None else item.text().strip()

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load weights of groups", "", "TOML (*.toml)")
        if path:
            try:
                self._fill(read_weights(path))
            except EatlasError as error:
                self.error.setText(str(error))

    def accept(self) -> None:
        """Use the weights for the next training, where they are weights."""
        trainings = self._session.trainings
        try:
            trainings.set_settings(
                trainings.settings.replace(group_weights=self.weights()), "weights of groups"
            )
        except EatlasError as error:
            self.error.setText(str(error))
            return
        super().accept()
