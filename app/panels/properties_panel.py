"""What potentials say of a crystal: a table of properties, several side by side and beside the reference."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from app.look.style_sheet import styled
from app.panels.base import Drawing, Lack, Panel, Table, lacks_run
from app.widgets.labels import NoteLabel
from app.widgets.tables import PropertyRow, PropertyTable
from nnpcore.figures.properties import property_figures
from nnpcore.properties.comparing import Row, left_out, rows_of, table_of, unique_names
from nnpcore.properties.settings import PARTS

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.properties import Properties

NO_RUN = "Start a training, or open a run, to see what its potential says of the crystal."
EMPTY = (
    "Press Study to compute what the potential says of the crystal: lattice and elastic constants, surfaces, "
    "vacancy, phonons, dynamics. The crystal is that of the EOS reference, or of the training data."
)
BUSY = "Studying the crystal…"


class PropertiesPanel(Panel):
    """A row a property, a column a run; the reference stands behind them."""

    title = "Properties"
    name = "properties"

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that there is no run."""
        return lacks_run(session, NO_RUN) if session.runs.current is None else None

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether a run that is shown has been studied."""
        return any(run.id in session.properties.found for run in session.runs.shown())

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.table_view = PropertyTable(self)
        self.text = NoteLabel(self)
        self.set_plots({self.table_view: 1}, self.text)
        self._build_tools()
        runs = session.runs
        self.follow(
            session.properties.changed,
            runs.current_changed,
            runs.changed,
            runs.removed,
            runs.comparison_changed,
        )

    def _build_tools(self) -> None:
        self.parts_menu, self.against_menu = QMenu(self), QMenu(self)
        self.parts_menu.aboutToShow.connect(self._fill_parts)
        self.against_menu.aboutToShow.connect(self._fill_against)
        self.parts_button = self.add_button("What to study", text="Study what ▾", menu=self.parts_menu)
        tip = "What to compare with: a reference potential, or numbers of a file"
        self.against_button = self.add_button(tip, text="Against ▾", menu=self.against_menu)
        self.study_button = styled(QPushButton("Study", self), "primary")
        self.study_button.setToolTip("Compute the properties of all runs shown, one after the other")
        self.study_button.clicked.connect(lambda _checked=False: self._on_study())
        self.add_tool(self.study_button)

    # choosing -----------------------------------------------------------------------------------------
    def _fill_parts(self) -> None:
        self.parts_menu.clear()
        for name, title in PARTS.items():
            action = self.parts_menu.addAction(title)
            action.setCheckable(True)
            action.setChecked(name in self.session.properties.parts or name == "lattice")
            action.setEnabled(name != "lattice")
            action.toggled.connect(partial(self._on_part, name))

    def _on_part(self, name: str, on: bool) -> None:
        known = set(self.session.properties.parts) - {name} | ({name} if on else set())
        self.session.properties.choose(parts=tuple(part for part in PARTS if part in known))

    def _fill_against(self) -> None:
        studies, menu = self.session.properties, self.against_menu
        menu.clear()
        menu.addAction("Nothing", studies.forget_reference)
        from nnpcore.reference.calculators import REFERENCES

        for name, info in REFERENCES.items():
            action = menu.addAction(info.title, partial(studies.choose, against=name))
            action.setCheckable(True)
            action.setChecked(studies.against == name)
        menu.addAction("Numbers of a file…", self._ask_reference)

    def _ask_reference(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Numbers to compare with", str(Path.home()), "*.json")
        if path:
            self.session.properties.read_reference(Path(path))

    def _on_study(self) -> None:
        studies = self.session.properties
        studies.stop() if studies.busy else studies.start()

    # what is shown ------------------------------------------------------------------------------------
    def models(self) -> list[Properties]:
        """Return what is known of the runs shown, under the names they have now."""
        found = self.session.properties.found
        return unique_names([found[r.id].named(r.name) for r in self.session.runs.shown() if r.id in found])

    def refresh(self) -> None:
        """Bring table and sentence up to date."""
        studies, models = self.session.properties, self.models()
        self.study_button.setText("Stop" if studies.busy else "Study")
        self.against_button.setText(f"Against: {self._against_text()} ▾")
        if not models:
            self.body.set_message(BUSY if studies.busy else EMPTY)
            return
        self.body.set_message("")
        reference = studies.reference
        rows = rows_of(models, reference)
        heads = ["Property", *(model.name for model in models), *([reference.name] if reference else [])]
        self.table_view.show_rows(heads, [_row(row, len(models), reference is not None) for row in rows])
        missing, notes = left_out(models), [note for model in models for note in model.notes]
        lost = sum(row.why(k) != "" for row in rows for k in range(len(models)))
        said = f" {lost} without a number: see the tips of their cells." if lost else ""
        self.text.set_text(f"{models[0].crystal}.{said}", tip="\n".join([*missing, *notes]))

    def _against_text(self) -> str:
        studies = self.session.properties
        if studies.against:
            from nnpcore.reference.calculators import REFERENCES

            return REFERENCES[studies.against].title
        return "nothing" if studies.reference is None else studies.reference.name

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return a row a property."""
        models = self.models()
        return table_of(models, self.session.properties.reference) if models else None

    def figure(self) -> Drawing | None:
        """Draw deviations from the reference, or the first of what else there is to draw."""
        models, reference = self.models(), self.session.properties.reference
        if not models or not (reference or models[0].bands or models[0].line("eos")):
            return None
        return lambda: next(iter(property_figures(models, reference).values()))


def _row(row: Row, n_models: int, with_reference: bool) -> PropertyRow:
    cells = tuple((row.text(k), _tip(row, k)) for k in range(n_models))
    return PropertyRow(row.name, (*cells, *(((row.reference_text, ""),) if with_reference else ())))


def _tip(row: Row, k: int) -> str:
    if why := row.why(k):
        return why
    error = row.error(k)
    if error is None or not row.reference:
        return ""
    return f"{100.0 * error / abs(row.reference):+.1f} % off the reference"
