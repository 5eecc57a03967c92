"""How firmly the training data hold atomic energies, and whether that foretells how wrong they are."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QWidget

from app.look.numbers import number_text
from app.panels.base import AnalysisPanel, Drawing, Table
from app.plots.rigidity_plot import ErrorScatter, RigidityCurves
from app.widgets.labels import NoteLabel
from nnpcore import figures
from nnpcore.analyses.rigidity import RIGIDITY, Rigidity

if TYPE_CHECKING:
    from app.session.session import Session

TRAINING = "Computed when the training ends. Press Compute to see it now."
NO_POINTS = "Open a crystal's volume scan as EOS reference to see the rigidity along it."
WIDE = 560


class RigidityPanel(AnalysisPanel[Rigidity]):
    """Rigidity along the volume scan under three losses; the error against it; one sentence."""

    title = "Rigidity"
    name = "rigidity"
    shows = RIGIDITY
    watches = MappingProxyType({})
    no_run = "Start a training to see how firmly its data hold the atomic energies."
    waiting = "Going over the training data…"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.curves, self.scatter = RigidityCurves(self), ErrorScatter(self)
        self.text = NoteLabel(self, lines=2)
        self.set_plots({self.curves: 1, self.scatter: 1}, self.text)
        self._build_tools()
        for plot in (self.curves, self.scatter):
            plot.point_clicked.connect(lambda _key, index, _modifiers: self._show_frame(index))
        runs, tasks = session.runs, session.tasks
        changes = (runs.current_changed, runs.changed, runs.removed, session.data.removed)
        self.follow(*changes, tasks.started, tasks.finished, analyses=(RIGIDITY,))

    def _build_tools(self) -> None:
        ask = partial(self.session.analyses.ask, RIGIDITY)
        self.compute = self.add_button("Go over the training data now", ask, text="Compute")
        tip = "Show the mapping error against the rigidity"
        self.against = self.add_button(tip, text="Against error", toggled=lambda _: self.arrange())
        color = partial(self.session.coloring.set, kind="rigidity")
        self.color = self.add_button("Colour the structure by rigidity", color, text="Colour atoms")

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring plots and sentence up to date."""
        analysis, run = self.analysis, self.session.runs.current
        pending = self.session.analyses.is_pending(RIGIDITY)
        old = run is not None and not run.evaluation.is_current(RIGIDITY)
        self.compute.setVisible(run is not None and run.potential is not None and old and not pending)
        self.color.setVisible(analysis is not None)
        self.arrange()
        if analysis is None or run is None:
            self.body.set_message(self._text_without(pending))
            self._seen.forget()
            return
        self.body.set_message("")
        behind = f" (epoch {run.epochs.get(RIGIDITY, 0)})" if old else ""
        part = f"\n{analysis.n_frames} of {analysis.n_total} training frames were used."
        more = part if analysis.n_frames < analysis.n_total else ""
        self.text.set_text(f"{analysis.study.text}{behind}", "text", tip=f"{analysis.study.text}{more}")
        if not self._seen.again(analysis):
            self._show(analysis)

    def _show(self, analysis: Rigidity) -> None:
        study, n = analysis.study, analysis.study.n_points
        self.curves.set_message("" if n else NO_POINTS)
        if n:
            curves = {loss: values[:n] for loss, values in study.rigidity.items()}
            self.curves.show_curves(analysis.volumes, curves, study.trained_on, self._tip)
        colors = [f"series:{index}" for index in self._region_colors(analysis)]
        expected = study.std_mev[study.trained_on]
        self.scatter.show_points(expected, study.error_mev, n, study.names, colors, self._tip)

    def _region_colors(self, analysis: Rigidity) -> list[int]:
        sets = self.session.regions.sets
        return [
            sets[key].regions[k].color_index if key in sets and k < len(sets[key].regions) else k
            for key, k in analysis.regions
        ]

    def _text_without(self, pending: bool) -> str:
        run = self.session.runs.current
        if run is None or run.potential is None:
            return self.no_run
        return TRAINING if run.state.active and not pending else self.empty_text()

    def _arrange(self) -> None:
        wide = self.width() >= WIDE
        self.against.setVisible(not wide and self.analysis is not None)
        self.curves.setVisible(wide or not self.against.isChecked())
        self.scatter.setVisible(wide or self.against.isChecked())

    def _tip(self, index: int) -> str:
        analysis = self.analysis
        if analysis is None or index >= len(analysis.study.names):
            return ""
        study = analysis.study
        lines = [study.names[index]]
        for loss, values in study.rigidity.items():
            std = study.std_mev[loss][index]
            more = f", expects ± {std:.3g} meV/atom" if np.isfinite(std) else ""
            lines.append(f"{loss}: {values[index]:.3g}{more}")
        lines.append(f"error {number_text(float(study.error_mev[index]), 1, sign=True)} meV/atom")
        return "\n".join(lines)

    def _show_frame(self, index: int) -> None:
        analysis = self.analysis
        if analysis is None or index >= analysis.study.n_points:
            return
        if analysis.key in self.session.data.datasets:
            self.session.data.show(analysis.key, int(analysis.frame_indices[index]))

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: Rigidity) -> Table | None:
        """Return the targets with rigidity and expected std by loss, and their errors."""
        study = analysis.study
        n_regions = len(study.names) - study.n_points
        columns: dict[str, list] = {
            "target": list(study.names),
            "volume (Å³/atom)": [*analysis.volumes.tolist(), *[None] * n_regions],
            "error (meV/atom)": study.error_mev.tolist(),
        }
        for loss, values in study.rigidity.items():
            columns[f"rigidity, {loss}"] = values.tolist()
            columns[f"expected std, {loss} (meV/atom)"] = study.std_mev[loss].tolist()
        return columns

    def figure_of(self, analysis: Rigidity) -> Drawing | None:
        """Draw both plots with matplotlib."""
        colors = [f"series:{index}" for index in self._region_colors(analysis)]
        return partial(figures.rigidity_figure, analysis.study, analysis.volumes, colors)
