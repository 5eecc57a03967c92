"""Whether spreads are right in size: errors on frames that were not trained on against their spreads."""

from __future__ import annotations

import math
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.panels.base import AnalysisPanel, Drawing, Table
from app.plots.calibration_plot import CalibrationPlot
from app.widgets.labels import NoteLabel
from nnpcore.analyses.calibration import CALIBRATION, Calibration, short_sentences
from nnpcore.figures.calibration import calibration_figure, calibration_table

if TYPE_CHECKING:
    from app.session.session import Session

WIDE = 520
TRAINING = "Compared when the training ends. Press Compute to see it now."
KEEP_TIP = "Keep the factors with the run: eatlas predict --calibrated, calculators and Explore can use them"


class CalibrationPanel(AnalysisPanel[Calibration]):
    """A plot for energies and one for forces; a sentence on each spread; the factors can be kept."""

    title = "Calibration"
    name = "calibration"
    shows = CALIBRATION
    watches = MappingProxyType({})
    no_run = "Start a training to compare spreads with errors on frames that are not trained on."
    waiting = "Comparing spreads with errors…"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.front = "force"
        self.plots = {quantity: CalibrationPlot(quantity, self) for quantity in ("energy", "force")}
        self.text = NoteLabel(self, lines=6)
        self.set_plots(dict.fromkeys(self.plots.values(), 1), self.text, gap=0)
        self._build_tools()
        runs, tasks = session.runs, session.tasks
        changes = (runs.current_changed, runs.changed, runs.removed, session.data.added)
        self.follow(*changes, tasks.started, tasks.finished, analyses=(CALIBRATION,))

    def _build_tools(self) -> None:
        ask = partial(self.session.analyses.ask, CALIBRATION)
        self.compute = self.add_button("Compare spreads with errors now", ask, text="Compute")
        tips = {"energy": ("E", "Energies per atom"), "force": ("F", "Forces of atoms")}
        self.buttons = {
            quantity: self.add_button(tip, partial(self.look_at, quantity), text=text)
            for quantity, (text, tip) in tips.items()
        }
        for button in self.buttons.values():
            button.setCheckable(True)
        self.keep = self.add_button(KEEP_TIP, self._keep, text="Keep factors")

    def look_at(self, what: str) -> None:
        """Show "energy" or "force" where there is room for one of them."""
        self.front = what
        self.refresh()

    def _keep(self) -> None:
        run, analysis = self.session.runs.current, self.analysis
        if run is not None and analysis is not None:
            self.session.calibrations.keep(run, analysis)

    def _arrange(self) -> None:
        analysis = self.analysis
        known = [q for q in self.plots if analysis is not None and _spreads(analysis, q)]
        wide = self.width() >= WIDE and len(known) > 1
        front = self.front if self.front in known or not known else known[0]
        for quantity, plot in self.plots.items():
            plot.setVisible(quantity == front or (wide and quantity in known))
            self.buttons[quantity].setVisible(quantity in known and len(known) > 1 and not wide)
            self.buttons[quantity].setChecked(quantity == front)

    def _shows(self, quantity: str) -> bool:
        return not self.plots[quantity].isHidden()

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring plots and sentences up to date."""
        analysis, run = self.analysis, self.session.runs.current
        pending = self.session.analyses.is_pending(CALIBRATION)
        old = run is not None and not run.evaluation.is_current(CALIBRATION)
        self.compute.setVisible(run is not None and old and not pending)
        self.keep.setVisible(
            analysis is not None and run is not None and run.folder is not None and not run.state.active
        )
        self.arrange()
        if analysis is None or run is None:
            training = run is not None and run.state.active and not pending
            self.body.set_message(TRAINING if training else self.empty_text())
            self._seen.forget()
            return
        self.body.set_message("")
        shown = [
            one for one in analysis.spreads if one.quantity not in self.plots or self._shows(one.quantity)
        ]
        self.text.set_text(short_sentences(shown), tip=_details(analysis))
        if self._seen.again(analysis):
            return
        for quantity, plot in self.plots.items():
            own = _spreads(analysis, quantity)
            if own:
                plot.show_spreads(own)

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: Calibration) -> Table | None:
        """Return a row a spread."""
        return calibration_table(analysis)

    def figure_of(self, analysis: Calibration) -> Drawing | None:
        """Draw all quantities with matplotlib."""
        return partial(calibration_figure, analysis)


def _spreads(analysis: Calibration, quantity: str) -> list:
    return [one for one in analysis.spreads if one.quantity == quantity]


def _rank(rank: float) -> str:
    return "–" if math.isnan(rank) else f"{rank:.2f}"


def _details(analysis: Calibration) -> str:
    """Return the sentences, and coverage before and after, a line each."""
    lines = [f"{analysis.n_frames} frames of {', '.join(analysis.names)}.", analysis.text]
    for one in analysis.spreads:
        before, after = (
            " and ".join(f"{100 * share:.0f}" for share in part.coverage) for part in (one.before, one.after)
        )
        lines.append(
            f"{one.quantity}, {one.whose}: {before} % of the errors within 1 and 2 spreads, {after} % with "
            f"the factor; rank correlation {_rank(one.rank)}."
        )
    return "\n".join(lines)
