"""Mapping errors of regions: what the parts of a structure cost by the potential, against the reference."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QBoxLayout, QMenu, QWidget

from app.documents.region_rows import (
    ErrorRow,
    ErrorValue,
    error_rows,
    region_problems,
    short_source,
)
from app.look import theme
from app.look.ink import ink
from app.look.numbers import number_text
from app.panels.base import Drawing, Lack, Panel, Table, lacks_run
from app.plots.mapping_plot import MappingPlot
from app.widgets.labels import NoteLabel
from app.widgets.tables import RegionTable, TableRow
from nnpcore import figures
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.regions import REFERENCES, REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.figures import RunCurves

if TYPE_CHECKING:
    from app.documents.regions import RegionDocument
    from app.documents.run import RunDocument
    from app.session.session import Session

EMPTY = (
    "Start a training to see how far atomic energies are off, and divide a slab or cluster into regions "
    "with Regions ▾, or open a crystal's volume scan as EOS reference."
)
NO_RUN = "Train or open a run to see the errors of these regions."
NO_CURVE = "The curve comes with a training that is started while regions or an EOS reference are there."
WIDE, TALL = 600, 210
"""Pixels from which the curve stands beside the table, and below it with what is around them."""

BESIDE, DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
QWIDGETSIZE_MAX = 16_777_215
WORDS = {
    "doubtful": "Doubtful: on a border of right, open and wrong",
    "open": "Open: the data do not tell it, so that a small error is luck and a large one no surprise",
}
LEVELS = {"right": "good", "doubtful": "warning", "open": "warning", "wrong": "error"}


class MappingPanel(Panel):
    """Table of regions and curve over the epochs: beside each other, one below the other, or one."""

    title = "Mapping"
    name = "mapping"

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that a run is lacking where there are no regions either."""
        if session.runs.current is None and not session.regions.sets:
            return lacks_run(session, EMPTY)
        return None

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether there is a row, of a region or of the crystal."""
        return bool(error_rows(session.regions.sets, session.runs.shown()))

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.rows: list[ErrorRow] = []
        self._build()
        self.table_view.row_chosen.connect(self._select_region)
        self.table_view.renamed.connect(self._rename)
        self.table_view.menu_wanted.connect(lambda *where: self._open_menu(*where))
        runs = session.runs
        self.follow(
            session.regions.changed, session.data.removed, runs.current_changed, runs.comparison_changed,
            runs.removed, runs.epoch_finished,
            analyses=(REGION_ERRORS, REFERENCES, EOS, VERDICT), compared=True,
        )  # fmt: skip

    def _build(self) -> None:
        self.table_view, self.plot = RegionTable(self), MappingPlot(self)
        self.text = NoteLabel(self)
        self.set_plots({self.table_view: 1, self.plot: 1}, self.text, gap=4)
        self.menu = QMenu(self)
        tip = "Divide the structure shown into regions"
        self.regions_button = self.add_button(tip, text="Regions ▾", menu=self.menu)
        self._fill_menu()
        tip = "Show the errors against the epoch, beside the energy RMSE"
        self.curve_button = self.add_button(tip, text="Curve", toggled=lambda _: self.arrange())

    def _fill_menu(self) -> None:
        session = self.session
        by_depth = self.menu.addAction("Bulk and surface by depth", lambda: session.regions.by_depth())
        by_depth.setToolTip("A slab's atoms within 6 Å of its faces are surface, the others bulk")
        by_distance = self.menu.addAction(
            "Bulk and surface by distance to the crystal",
            lambda: session.regions.by_distance(session.runs.current),
        )
        by_distance.setToolTip("By the distance of each atom's symmetry functions to the EOS reference's")
        chosen = self.menu.addAction("Region from selection", lambda: session.regions.from_selection())
        chosen.setToolTip("The atoms chosen with the lasso or by clicks become a region")
        self.menu.addSeparator()
        self.delete_action = self.menu.addAction("Delete these regions", self._delete_current)
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(
            lambda: self.delete_action.setEnabled(self.session.regions.current() is not None)
        )

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring table, curves and sentence up to date."""
        runs = self.session.runs.shown()
        self.rows = error_rows(self.session.regions.sets, runs)
        curves = [self._curves_of(run) for run in runs]
        has_curves = any(run.curves for run in curves)
        self.body.set_message("" if self.rows or has_curves else EMPTY)
        self.table_view.show_rows([_table_row(row, runs) for row in self.rows], [run.name for run in runs])
        self._show_text(runs)
        seen = [(run.id, run.epoch, run.name) for run in runs]
        if not self._seen.again(*seen, *self.session.regions.sets.values()):
            self.plot.set_message("" if has_curves else (NO_CURVE if runs else NO_RUN))
            self.plot.show_runs(curves)
        self.arrange()

    def _curves_of(self, run: RunDocument) -> RunCurves:
        sets = [known.set for known in self.session.regions.sets.values()]
        return RunCurves.of(run.name, run.history, sets)

    def _show_text(self, runs: list[RunDocument]) -> None:
        run = runs[0] if runs else None
        if run is None:
            self.text.set_text(NO_RUN if self.rows else "", "muted")
            return
        verdict, message = run.verdict(), run.why(REGION_ERRORS)
        if verdict is None:
            self.text.set_text(message or NO_RUN if self.rows else "", "muted")
            return
        text = verdict.text
        problems = region_problems(run)
        if verdict.level == "unknown" and problems:
            text = problems[0]
        self.text.set_text(text, LEVELS.get(verdict.level, "muted"), tip="\n".join([text, *problems]))

    def _arrange(self) -> None:
        wide, least = self.width() >= WIDE, self.table_view.full_height
        high = not wide and not self.plot.message and self.height() >= least + TALL
        both = wide or high
        self.plots_row.setDirection(DOWN if high else BESIDE)
        self.table_view.setMaximumHeight(least if high else QWIDGETSIZE_MAX)
        self.curve_button.setVisible(not both and not self.body.message)
        self.table_view.setVisible(both or not self.curve_button.isChecked())
        self.plot.setVisible(both or self.curve_button.isChecked())

    # regions ------------------------------------------------------------------------------------------
    def _document(self, set_id: str) -> RegionDocument | None:
        return self.session.regions.sets.get(set_id)

    def _select_region(self, set_id: str, number: int) -> None:
        """Select the atoms of a region in the viewer; the crystal's row shows nothing."""
        document = self._document(set_id)
        if document is None:
            return
        session = self.session
        dataset = next((d for d in session.data.datasets.values() if document.is_of(d)), None)
        if dataset is None:
            return
        frame = session.data.frame
        if session.data.current is not dataset or frame is None or not document.fits(frame):
            index = next((k for k, f in enumerate(dataset.frames) if document.fits(f)), 0)
            session.data.show(dataset.id, index)
        index = session.data.frame_index
        session.selection.select((dataset.id, index, int(atom)) for atom in document.regions[number].atoms)

    def _rename(self, set_id: str, number: int, text: str) -> None:
        document = self._document(set_id)
        if document is not None:
            self.session.regions.rename(set_id, number, text.removeprefix(f"{document.name} "))

    def _delete_current(self) -> None:
        known = self.session.regions.current()
        if known is not None:
            self.session.regions.delete_all(known.id)

    def _open_menu(self, set_id: str, number: int, at: QPoint) -> None:
        menu = self.menu_of(set_id, number)
        if menu is not None:
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(at)

    def menu_of(self, set_id: str, number: int) -> QMenu | None:
        """Return the context menu of a region, None for the crystal."""
        if self._document(set_id) is None:
            return None
        session, menu = self.session, QMenu(self)
        menu.addAction("Select its atoms", lambda: self._select_region(set_id, number))
        menu.addAction("Rename", lambda: self.edit_name(set_id, number))
        colors = menu.addMenu("Colour")
        for index in range(len(theme.current().okabe_ito)):
            action = colors.addAction(f"Colour {index + 1}")
            action.setIcon(_swatch(f"series:{index}"))
            action.triggered.connect(
                lambda _=False, index=index: session.regions.recolor(set_id, number, index)
            )
        menu.addSeparator()
        menu.addAction("Delete", lambda: session.regions.delete(set_id, number))
        return menu

    def edit_name(self, set_id: str, number: int) -> None:
        """Let the user type a region's new name into the table."""
        for row, content in enumerate(self.table_view.rows):
            item = self.table_view.item(row, 0)
            if content.key == (set_id, number) and item is not None:
                self.table_view.editItem(item)

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return the regions with reference values, and error and spread by every run shown."""
        runs = self.session.runs.shown()
        rows = error_rows(self.session.regions.sets, runs)  # the table that is seen may be a moment old
        if not rows:
            return None
        columns: dict[str, list] = {
            "region": [row.name for row in rows],
            "atoms": [row.n_atoms or None for row in rows],
            "reference (eV/atom)": [row.reference for row in rows],
            "source": [row.source for row in rows],
        }
        for k, run in enumerate(runs):
            columns[f"{run.name}: error (meV/atom)"] = [row.errors[k].error_mev for row in rows]
            columns[f"{run.name}: std (meV/atom)"] = [row.errors[k].std_mev for row in rows]
        return columns

    def figure(self) -> Drawing | None:
        """Draw the errors as bars and the curves beside them with matplotlib."""
        runs = self.session.runs.shown()
        rows = tuple(error_rows(self.session.regions.sets, runs))
        if not rows or not runs:
            return None
        bars = [
            figures.RegionBar(row.name, _color(row), tuple(error.mean_and_std for error in row.errors))
            for row in rows
        ]
        curves = [self._curves_of(run) for run in runs]
        return partial(figures.mapping_figure, bars, [run.name for run in runs], curves)


def _table_row(row: ErrorRow, runs: list[RunDocument]) -> TableRow:
    reference = number_text(row.reference, 4)
    if row.source:
        reference = f"{reference} {short_source(row.source)}"
    errors = tuple(_error_cell(value, run) for value, run in zip(row.errors, runs, strict=True))
    return TableRow(
        key=row.key,
        name=row.name,
        color=_color(row),
        atoms=str(row.n_atoms or "–"),
        reference=reference,
        reference_tip=row.source or "No reference value is known for this region",
        errors=errors or (("–", "muted", NO_RUN),),
    )


def _color(row: ErrorRow) -> str:
    return "reference" if row.color_index is None else f"series:{row.color_index}"


def _error_cell(value: ErrorValue, run: RunDocument) -> tuple[str, str, str]:
    if value.error_mev is None:
        return "–", "muted", "Unknown without a reference value and a potential"
    places = 1 if abs(value.error_mev) < 100 else 0
    text = number_text(value.error_mev, places, sign=True)
    if value.std_mev is not None:
        text += f" ± {number_text(value.std_mev, places)}"
    tip = f"{run.name}: ensemble mean minus reference ± spread of the members, meV/atom"
    if value.level in WORDS:
        text, tip = f"{text}, {value.level}", f"{tip}\n{WORDS[value.level]}"
    return text, LEVELS.get(value.level, "muted"), tip


def _swatch(color: str) -> QIcon:
    image = QPixmap(12, 12)
    image.fill(ink(color))
    return QIcon(image)
