"""E_at along the crystal's volume, the ensemble against the reference: the paper's first result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.documents.counting import from_one
from app.documents.run import RunDocument, run_inks
from app.look.numbers import number_text
from app.panels.base import AnalysisPanel, Drawing, Table
from app.plots.eos_plot import EosPlot
from app.widgets.controls import filled
from app.widgets.labels import NoteLabel
from app.widgets.readout import Cell, Readout
from app.widgets.tables import PointsTable
from nnpcore import figures
from nnpcore.analyses.distance import DISTANCE
from nnpcore.analyses.eos import EOS, EosResult
from nnpcore.analyses.foretold import FORETOLD
from nnpcore.figures.drawing import paper_color
from nnpcore.figures.eos import EosSeries
from nnpcore.figures.tables import eos_table
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from app.session.session import Session
    from nnpcore.mapping import EosFit, EosReport, InvariantCheck

POINTS_TIP = "List the crystals: volume, difference between their atoms, distance to the training set"
NO_CRYSTAL = "Open a crystal along its volume and give it the role “EOS reference” to see its energy here."
FITTED = (
    (
        "V₀ Å³",
        "v0",
        2,
        "Equilibrium volume, Å³/atom, by Birch-Murnaghan; the ensemble's above the reference's",
    ),
    ("B₀ GPa", "b0_gpa", 1, "Bulk modulus, GPa"),
    ("B₀′", "b0_prime", 1, "Pressure derivative of the bulk modulus"),
)
"""Heads, attributes of a fit, decimals and tips."""


class EosPanel(AnalysisPanel[EosResult]):
    """Ensemble mean and spread against the reference, the bracket, and the fitted numbers below."""

    title = "EOS"
    name = "eos"
    shows = EOS
    no_run = "Start a training to see the crystal's atomic energy against its volume here."
    waiting = "Evaluating the crystal at every volume…"
    first_epoch = "The curve appears after the first epoch."

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.series: list[EosSeries] = []
        self._build()
        session.data.current_changed.connect(self._mark_current)
        changes = (session.runs.current_changed, session.runs.changed, session.runs.comparison_changed)
        points = (session.data.changed, session.data.added, session.data.removed, session.invariance.changed)
        self.follow(*changes, *points, analyses=(EOS, DISTANCE, FORETOLD), compared=True)

    def _build(self) -> None:
        body = QWidget(self)
        self.plot = EosPlot(body)
        self.readout = Readout(body)
        self.note = NoteLabel(body, "warning")
        self.points = PointsTable(body)
        self.points.hide()
        words = filled(QHBoxLayout(), self.note, margins=(8, 0, 8, 0))
        parts = (self.plot, 1), (self.points, 1), self.readout, words
        filled(QVBoxLayout(body), *parts, margins=(0, 0, 0, 4))
        self.set_body(body)
        tip, toggled = "Show every member of the ensemble", lambda _: self.refresh()
        self.members = self.add_button(tip, text="Members", toggled=toggled)
        self.list_points = self.add_button(POINTS_TIP, text="Points", toggled=toggled)
        self.points.frame_chosen.connect(self._show_listed)
        self.plot.point_clicked.connect(lambda _key, index, _modifiers: self._show_frame(index))

    # what is shown ------------------------------------------------------------------------------------
    def _analyses(self) -> list[tuple[str, EosResult]]:
        """Return (run id, analysis) of the current run and those compared with it, the current one first."""
        shown = self.session.runs.shown()
        return [(run.id, eos) for run in shown if (eos := run.result(EOS)) is not None]

    def refresh(self) -> None:
        """Bring curves and numbers up to date."""
        self.members.setVisible(self.analysis is not None)
        found = self._analyses() if self.analysis is not None else []
        self.series = self._series_of(found)
        self.plot.set_message(self.empty_text() if not found else "")
        left = [None if item.foretold is None else float(item.foretold.sum()) for item in self.series]
        looks = tuple(
            (item.name, item.color, item.dash, sum_) for item, sum_ in zip(self.series, left, strict=True)
        )
        if not self._seen.again(*(analysis for _, analysis in found), looks, self.members.isChecked()):
            self.plot.show_series(self.series, self.members.isChecked())
            self._show_numbers()
        self._mark_current()
        self._show_points()

    def crystal(self) -> DatasetDocument | None:
        """The EOS reference whose points are listed: the one analysed, else the first."""
        analysis = self.analysis
        known = self.session.data.datasets.get(analysis.key) if analysis is not None else None
        return known or next(iter(self.session.data.of_role(Role.EOS)), None)

    def _show_points(self) -> None:
        """List the invariant points on demand, and by itself where one of them is none."""
        crystal = self.crystal()
        checks = self.session.invariance.of(crystal.id) if crystal is not None else ()
        refused = [check for check in checks if not check.ok]
        self.list_points.setVisible(bool(checks))
        listed = bool(checks) and (self.list_points.isChecked() or bool(refused))
        self.points.setVisible(listed)
        self.plot.setVisible(not listed)
        self.readout.setVisible(not listed and bool(self.readout.cells))
        if listed and crystal is not None:
            self.points.show_points(point_rows(checks, self._distances(crystal.id)))
        if refused:
            why = from_one(refused[0].message)
            text = f"{len(refused)} of {len(checks)} frames are no invariant points: {why}"
            self.note.show()
            self.note.set_text(text, tip="\n".join(from_one(f"{c.frame}: {c.message}") for c in refused[:12]))

    def _distances(self, dataset_id: str) -> dict[int, float]:
        """Return the distance to the training set by frame, as far as it is known."""
        run = self.session.runs.current
        found = run.result(DISTANCE) if run is not None else None
        if found is None or found.key != dataset_id:
            return {}
        frames, distances = found.points.frame_indices.tolist(), found.bracket.distances.tolist()
        return dict(zip(frames, distances, strict=True))

    def _show_listed(self, frame: int) -> None:
        crystal = self.crystal()
        if crystal is not None:
            self.session.data.show(crystal.id, frame)

    def _series_of(self, found: list[tuple[str, EosResult]]) -> list[EosSeries]:
        runs = [self.session.runs.documents[run_id] for run_id, _ in found]
        inks = run_inks(runs, self.session.data.datasets)
        return [
            EosSeries(
                run.name,
                analysis.curve,
                analysis.report,
                analysis.bracket,
                color,
                dash,
                _left_open(run, analysis),
            )
            for dash, (run, (_, analysis), color) in enumerate(zip(runs, found, inks, strict=True))
        ]

    def empty_text(self) -> str:
        """Return what to do, or what is waited for, to see a curve."""
        run, data = self.session.runs.current, self.session.data
        lacks_crystal = not data.of_role(Role.EOS) and (run is not None or data.datasets)
        opening = self.session.tasks.opening()
        return NO_CRYSTAL if lacks_crystal and not opening else super().empty_text()

    def _show_numbers(self) -> None:
        analysis = self.analysis
        self.readout.set_cells(eos_cells(analysis.report) if analysis else [], ("NN", "ref"))
        bracket = analysis.bracket if analysis else None
        parts = [analysis.report.message if analysis else "", bracket.message if bracket else ""]
        text = "; ".join(part for part in parts if part)
        self.note.setVisible(bool(text))
        self.note.set_text(f"{text[:1].upper()}{text[1:]}" if text else "")

    # linking ------------------------------------------------------------------------------------------
    def _show_frame(self, index: int) -> None:
        analysis = self.analysis
        if analysis is not None and analysis.key in self.session.data.datasets:
            self.session.data.show(analysis.key, int(analysis.curve.frame_indices[index]))

    def _mark_current(self) -> None:
        analysis, index = self.analysis, None
        if analysis is not None and self.session.data.current_id == analysis.key:
            at = np.flatnonzero(analysis.curve.frame_indices == self.session.data.frame_index)
            index = int(at[0]) if len(at) else None
        self.plot.mark(index)

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: EosResult) -> Table | None:
        """Return the current run's curve as columns."""
        return eos_table(analysis.curve, analysis.report, analysis.bracket)

    def figure_of(self, analysis: EosResult) -> Drawing | None:
        """Draw what is shown with matplotlib."""
        if not self.series:
            return None
        series = [replace(item, color=paper_color(item.color)) for item in self.series]
        return partial(figures.eos_figure, series, members=self.members.isChecked(), table=True)


def _left_open(run: RunDocument, analysis: EosResult) -> np.ndarray | None:
    """Return the foretold spread (n,), meV/atom, at the points of the curve, as far as it was computed."""
    found = run.result(FORETOLD)
    if found is None or found.key != analysis.key:
        return None
    same = np.array_equal(found.volumes, analysis.curve.volumes)
    return found.spread_mev[: found.n_points] if same else None


def point_rows(
    checks: Sequence[InvariantCheck], distances: Mapping[int, float]
) -> list[tuple[tuple[str, ...], bool, str]]:
    """Return the rows of the list of points: cells, whether the frame is invariant, and why not."""
    rows = []
    for number, check in enumerate(checks):
        percent = None if check.inequivalence is None else 100.0 * check.inequivalence
        text = "–" if percent is None else ("< 0.001" if percent < 1e-3 else f"{percent:.3f}")
        distance = distances.get(number)
        cells = (
            str(number + 1),
            number_text(check.volume, 3),
            text,
            "–" if distance is None else f"{distance:.2f}",
            "ok" if check.ok else "refused",
        )
        rows.append((cells, check.ok, from_one(check.message) or "All atoms are equivalent"))
    return rows


def eos_cells(report: EosReport) -> list[Cell]:
    """Return the numbers of an equation of state: the ensemble's with its spread, the reference's below."""
    mean, ref = report.mean_fit, report.reference_fit
    fitted = [
        Cell(
            head,
            _fitted_text(mean, name, places),
            _fitted_text(ref, name, places),
            "\n".join([tip, *(f.doubt[:1].upper() + f.doubt[1:] for f in (mean, ref) if f and f.doubt)]),
        )
        for head, name, places, tip in FITTED
    ]
    return [
        *fitted,
        Cell(
            "slope GPa",
            number_text(report.slope_error_gpa, 2, sign=True),
            spread=_spread_text(report.slope_std_gpa, 2),
            tip="Error of dE/dV at the reference's V₀, GPa, and its spread over the members",
        ),
        Cell(
            "RMSE meV",
            number_text(report.rmse_in_bracket_mev, 1),
            spread=_spread_text(report.std_in_bracket_mev, 1),
            tip="RMSE of E_at against the reference in the bracket, meV/atom, and the members' spread there",
        ),
    ]


def _fitted_text(fit: EosFit | None, name: str, places: int) -> str:
    """Return a fitted number; one of a fit that misses its points has a ≈ before it."""
    about = "≈ " if fit is not None and fit.doubt else ""
    return about + number_text(getattr(fit, name, None), places)


def _spread_text(std: float | None, places: int) -> str:
    return "" if std is None else f"± {number_text(std, places)}"
