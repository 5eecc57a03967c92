"""How far the training data determine atomic energies, foretold, and the errors that came out beside it."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.look.numbers import number_text
from app.panels.base import AnalysisPanel, Drawing, Lack, Table
from app.plots.foretold_plot import ErrorScatter, ForetoldCurves
from app.widgets.labels import NoteLabel
from nnpcore import figures
from nnpcore.analyses.foretold import FORETOLD, Foretold
from nnpcore.analyses.graph import Missing
from nnpcore.analyses.inputs import TRAINING_FRAMES

if TYPE_CHECKING:
    from app.session.session import Session

TRAINING = "Computed when the training ends. Press Compute to see it now."
NO_POINTS = "Open a crystal's volume scan as EOS reference to see the spread along it."
WIDE = 560


class ForetoldPanel(AnalysisPanel[Foretold]):
    """Foretold spread along the volume scan with the errors; the errors against it; one sentence."""

    title = "Foretold"
    name = "foretold"
    shows = FORETOLD
    watches = MappingProxyType({})
    no_run = "Start a training to see how far its data determine the atomic energies."
    waiting = "Going over the training data…"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.curves, self.scatter = ForetoldCurves(self), ErrorScatter(self)
        self.text = NoteLabel(self)
        self.set_plots({self.curves: 1, self.scatter: 1}, self.text)
        self._build_tools()
        for plot in (self.curves, self.scatter):
            plot.point_clicked.connect(lambda _key, index, _modifiers: self._show_frame(index))
        runs, tasks = session.runs, session.tasks
        changes = (runs.current_changed, runs.changed, runs.removed, session.data.removed)
        self.follow(*changes, tasks.started, tasks.finished, analyses=(FORETOLD,))

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return what keeps the spread from being told; None where it may come: the files are open by now."""
        run = session.runs.current
        if run is None or run.evaluation.is_current(cls.shows):
            return super().lacks(session)
        is_open = not isinstance(run.evaluation.known(TRAINING_FRAMES), Missing)
        return None if is_open else super().lacks(session)

    def empty_text(self) -> str:
        """Return what to do, or that one waits: what was said before the files were open holds no more."""
        run = self.session.runs.current
        open_now = run is not None and not isinstance(run.evaluation.known(TRAINING_FRAMES), Missing)
        stale = run is not None and open_now and not run.evaluation.is_current(self.shows)
        return self.waiting if stale and not self.session.tasks.opening() else super().empty_text()

    def _build_tools(self) -> None:
        ask = partial(self.session.analyses.ask, FORETOLD)
        self.compute = self.add_button("Go over the training data now", ask, text="Compute")
        tip = "Show the errors against the foretold spreads"
        self.against = self.add_button(tip, text="Against error", toggled=lambda _: self.arrange())
        color = partial(self.session.coloring.set, kind="foretold")
        self.color = self.add_button(
            "Colour the structure by the foretold spread of its atoms", color, text="Colour atoms"
        )

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring plots and sentence up to date."""
        analysis, run = self.analysis, self.session.runs.current
        pending = self.session.analyses.is_pending(FORETOLD)
        old = run is not None and not run.evaluation.is_current(FORETOLD)
        self.compute.setVisible(run is not None and old and not pending)
        self.color.setVisible(analysis is not None)
        self.arrange()
        if analysis is None or run is None:
            self.body.set_message(self._text_without(pending))
            self._seen.forget()
            return
        self.body.set_message("")
        behind = f" (epoch {run.epochs.get(FORETOLD, 0)})" if old else ""
        self.text.set_text(f"{analysis.text}{behind}", "text", tip=self._details(analysis))
        if not self._seen.again(analysis):
            self._show(analysis)

    def _show(self, analysis: Foretold) -> None:
        n, spread, error = analysis.n_points, analysis.spread_mev, analysis.error_mev
        self.curves.set_message("" if n else NO_POINTS)
        if n:
            self.curves.show_curve(analysis.volumes, spread[:n], error[:n], self._tip)
        colors = [f"series:{index}" for index in self._region_colors(analysis)]
        self.scatter.show_points(spread, error, n, analysis.names, colors, self._tip)

    def _details(self, analysis: Foretold) -> str:
        """Return what the data say of the equation of state, and how the posterior was made."""
        data, hyper = analysis.data, analysis.data.posterior.hyper
        lines = [analysis.text]
        if analysis.eos is not None:
            lines.append(f"By the data alone: {analysis.eos.text}.")
        if analysis.slope_gpa is not None:
            lines.append(f"dE/dV at the reference's V0 is determined to ± {analysis.slope_gpa:.2g} GPa.")
        if data.n_frames < data.n_total:
            lines.append(f"{data.n_frames} of {data.n_total} training frames were used.")
        noise = ", ".join(f"{kind} {value:.2g}" for kind, value in hyper.noise.items())
        lines.append(f"Length {hyper.length:g}, signal {hyper.signal:.2g} eV, noise: {noise} (eV, Å).")
        return "\n".join(lines)

    def _region_colors(self, analysis: Foretold) -> list[int]:
        sets = self.session.regions.sets
        return [
            sets[key].regions[k].color_index if key in sets and k < len(sets[key].regions) else k
            for key, k in analysis.regions
        ]

    def _text_without(self, pending: bool) -> str:
        run = self.session.runs.current
        if run is None:
            return self.empty_text()
        return TRAINING if run.state.active and not pending else self.empty_text()

    def _arrange(self) -> None:
        wide = self.width() >= WIDE
        self.against.setVisible(not wide and self.analysis is not None)
        self.curves.setVisible(wide or not self.against.isChecked())
        self.scatter.setVisible(wide or self.against.isChecked())

    def _tip(self, index: int) -> str:
        analysis = self.analysis
        if analysis is None or index >= len(analysis.names):
            return ""
        error = number_text(float(analysis.error_mev[index]), 1, sign=True)
        return (
            f"{analysis.names[index]}\nforetold ± {analysis.spread_mev[index]:.3g} meV/atom\n"
            f"error {error} meV/atom"
        )

    def _show_frame(self, index: int) -> None:
        analysis = self.analysis
        if analysis is None or index >= analysis.n_points:
            return
        if analysis.key in self.session.data.datasets:
            self.session.data.show(analysis.key, int(analysis.frame_indices[index]))

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: Foretold) -> Table | None:
        """Return the targets with what the data say, the foretold spread and the error."""
        n_regions = len(analysis.names) - analysis.n_points
        return {
            "target": list(analysis.names),
            "volume (Å³/atom)": [*analysis.volumes.tolist(), *[None] * n_regions],
            "energy by the data (eV/atom)": analysis.mean.tolist(),
            "foretold spread (meV/atom)": analysis.spread_mev.tolist(),
            "error (meV/atom)": analysis.error_mev.tolist(),
        }

    def figure_of(self, analysis: Foretold) -> Drawing | None:
        """Draw the plots with matplotlib."""
        colors = [f"series:{index}" for index in self._region_colors(analysis)]
        parts = analysis.names, analysis.volumes, analysis.spread_mev, analysis.error_mev
        return partial(figures.foretold_figure, *parts, colors)
