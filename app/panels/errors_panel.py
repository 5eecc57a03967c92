"""Errors of the current run by group of frames; frames and atoms that are off by more than foretold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.documents.counting import from_one
from app.look.numbers import number_text
from app.panels.base import AnalysisPanel, Drawing, Table
from app.widgets.labels import NoteLabel
from app.widgets.tables import PropertyRow, PropertyTable
from nnpcore.analyses.errors import OUTLIERS, RUN_ERRORS, GroupError, Outlier, Outliers, RunErrors
from nnpcore.figures.tables import group_errors_table, outliers_table
from nnpcore.training.leaving_out import left_out
from nnpcore.training.quantities import QUANTITIES
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.training.history import Rmse

DIGITS = {"energy": 2, "force": 3, "stress": 2}
GROUP_HEADS = ("Group", "Role", "Frames")
SHORT = {"energy": "E", "force": "F", "stress": "σ"}
OUTLIER_HEADS = ("Frame, atom", "Group", "Error", "Foretold", "Times")
NO_OUTLIERS = "Going over what the data leave open…"


class ErrorsPanel(AnalysisPanel[RunErrors]):
    """A table by group, or a list of outliers, with a sentence below."""

    title = "Errors"
    name = "errors"
    shows = RUN_ERRORS
    watches = MappingProxyType({})
    no_run = "Start a training to see its errors by group here."
    waiting = "Comparing with the reference…"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.listed: list[Outlier] = []
        self.table_view = PropertyTable(self)
        self.table_view.cellClicked.connect(lambda row, _column: self._show(row))
        self.text = NoteLabel(self)
        self.set_plots({self.table_view: 1}, self.text)
        tip = "List frames and atoms by their error against what is foretold for it, the largest first"
        self.outliers = self.add_button(tip, text="Outliers", toggled=self._on_outliers)
        tip = "Keep the chosen frame out of the next training, with the reason; can be undone"
        self.leave = self.add_button(tip, self.leave_out, text="Leave out")
        tip = "How many times energies, forces and stresses of each group count in the next training"
        self.weights = self.add_button(tip, self.ask_weights, text="Weights…")
        runs, trainings = session.runs, session.trainings
        changes = (runs.current_changed, runs.changed, runs.removed, session.data.removed)
        self.follow(*changes, trainings.settings_changed, analyses=(RUN_ERRORS, OUTLIERS))

    @property
    def found(self) -> Outliers | None:
        """The current run's outliers."""
        run = self.session.runs.current
        return None if run is None else run.result(OUTLIERS)

    def look_at(self, what: str) -> None:
        """Show the "outliers", or the "groups"."""
        self.outliers.setChecked(what == "outliers")

    def _on_outliers(self, _shown: bool) -> None:
        self._watch(self.isVisible())
        self._seen.forget()
        self.refresh()

    def _watch(self, seen: bool) -> None:
        super()._watch(seen)
        if hasattr(self, "outliers"):
            self.session.analyses.watch(OUTLIERS, self, seen and self.outliers.isChecked())

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring table and sentence up to date."""
        analysis, listing = self.analysis, self.outliers.isChecked()
        self.leave.setVisible(listing)
        if analysis is None:
            self.body.set_message(self.empty_text())
            return
        found = self.found
        if listing and found is None:
            run = self.session.runs.current
            self.body.set_message((run.why(OUTLIERS) if run else "") or NO_OUTLIERS)
            return
        self.body.set_message("")
        left = self.session.trainings.settings.left_out
        known = f" {len(left)} left out of the next training." if left else ""
        self.text.set_text(from_one(found.sentence if listing and found else _sentence(analysis)) + known)
        if self._seen.again(analysis, found, listing, left):
            return
        if listing and found is not None:
            names = {(one.file, one.frame) for one in left}
            worst = sorted([*found.frames, *found.atoms], key=lambda one: -one.ratio)
            self.listed = worst[:200]
            several = len({one.key for one in self.listed}) > 1
            rows = [_outlier_row(one, analysis, names, several) for one in self.listed]
            self.table_view.show_rows(OUTLIER_HEADS, rows, gives_way=1)
        else:
            self.listed = []
            self._show_groups(analysis)

    def _show_groups(self, analysis: RunErrors) -> None:
        groups = analysis.by_group
        known = [name for name in QUANTITIES if any(name in one.rmses for one in groups)]
        heads = [f"{SHORT[name]} ({QUANTITIES[name].unit})" for name in known]
        self.table_view.show_rows((*GROUP_HEADS, *heads), [_group_row(one, known) for one in groups])

    def _show(self, row: int) -> None:
        """Show the frame of a row, and select its atom."""
        one = self.listed[row] if 0 <= row < len(self.listed) else None
        if one is None or one.key not in self.session.data.datasets:
            return
        if one.atom is None:
            self.session.data.show(one.key, one.index)
        else:
            self.session.selection.show_atom((one.key, one.index, one.atom))

    # what is done about it ----------------------------------------------------------------------------
    def leave_out(self) -> None:
        """Leave the chosen frame out of the next training (can be undone)."""
        row, analysis, trainings = self.table_view.currentRow(), self.analysis, self.session.trainings
        if analysis is None or not 0 <= row < len(self.listed):
            return
        one = self.listed[row]
        atom = "" if one.atom is None else f"atom {one.atom}: "
        named = left_out(analysis.frames[one.place], atom + one.why)
        known = trainings.settings.left_out
        if (named.file, named.frame) not in {(other.file, other.frame) for other in known}:
            wanted = trainings.settings.replace(left_out=(*known, named))
            trainings.set_settings(wanted, f"leaving out frame {one.index + 1}")

    def ask_weights(self) -> None:
        """Open the table of weights."""
        from app.dialogs.group_weights import GroupWeightsDialog

        dialog = GroupWeightsDialog(self.session, self.window())
        dialog.show()

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: RunErrors) -> Table | None:
        """Return what the table shows as columns."""
        found = self.found
        if self.outliers.isChecked() and found is not None:
            return outliers_table(found)
        return group_errors_table(analysis)

    def figure_of(self, analysis: RunErrors) -> Drawing | None:
        """There is no figure of a table."""
        return None

    @classmethod
    def _has_figure(cls) -> bool:
        return False


def _group_row(one: GroupError, known: Sequence[str]) -> PropertyRow:
    cells = (_cell(one.rmses, quantity) for quantity in known)
    return PropertyRow(one.group, ((one.role, ""), (str(one.n_frames), ""), *cells))


def _cell(rmses: Mapping[str, Rmse], quantity: str) -> tuple[str, str]:
    if quantity not in rmses:
        return "–", "No frame of the group has a reference value"
    return number_text(rmses[quantity]["mean"], DIGITS[quantity]), ""


def _outlier_row(one: Outlier, analysis: RunErrors, left: set[tuple[str, int]], several: bool) -> PropertyRow:
    """Return what is said of an outlier, with its file where ``several`` have some and no group is it."""
    factor, unit, digits = (MEV_PER_EV, "meV/atom", 1) if one.atom is None else (1.0, "eV/Å", 3)
    frame = analysis.frames[one.place]
    out = "left out: " if (PurePath(frame.source).name, frame.index) in left else ""
    atom = "" if one.atom is None else f", atom {one.atom + 1}"
    file = f", {one.name}" if several and one.group != PurePath(frame.source).name else ""
    return PropertyRow(
        f"{out}frame {one.index + 1}{atom}{file}",
        (
            (one.group, f"{one.group}, {one.role}"),
            (f"{number_text(factor * one.error, digits)} {unit}", one.quantity),
            (f"{number_text(factor * one.foretold, digits)} {unit}", ""),
            (f"{one.ratio:.1f}", ""),
        ),
        one.name,
    )


def _sentence(analysis: RunErrors) -> str:
    groups = len(set(analysis.groups))
    if groups == 1:
        return "All frames are of one group: none has a config_type, group or tag, and there is one file."
    return f"{len(analysis.frames)} frames of {groups} groups; RMSE of the ensemble's mean."
