"""How firmly the training data hold atomic energies, and whether that foretells how wrong they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QToolButton, QWidget

from app.look.numbers import number_text
from app.panels.base import Panel, Table, by_width
from app.plots.rigidity_plot import ErrorScatter, RigidityCurves
from app.widgets.controls import tool_button
from app.widgets.labels import NoteLabel
from nnpcore import figures
from nnpcore.analyses.rigidity import RIGIDITY, Rigidity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from app.session.session import Session

EMPTY = "Start a training to see how firmly its data hold the atomic energies."
BUSY = "Going over the training data…"
TRAINING = "Computed when the training ends. Press Compute to see it now."
NO_POINTS = "Open a crystal's volume scan as EOS reference to see the rigidity along it."
WIDE = 560


class RigidityPanel(Panel):
    """Rigidity along the volume scan under three losses; the error against it; one sentence."""

    title = "Rigidity"
    name = "rigidity"

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
        self.compute = self._tool("Compute", "Go over the training data now")
        self.compute.clicked.connect(lambda: self.session.analyses.ask(RIGIDITY))
        self.against = self._tool("Against error", "Show the mapping error against the rigidity")
        self.against.setCheckable(True)
        self.against.toggled.connect(self._arrange)
        self.color = self._tool("Colour atoms", "Colour the structure by rigidity")
        self.color.clicked.connect(lambda: self.session.coloring.set(kind="rigidity"))

    def _tool(self, text: str, tip: str) -> QToolButton:
        button = tool_button(self, tip, text=text)
        self.add_tool(button)
        return button

    def showEvent(self, event: QShowEvent) -> None:
        """Keep the rigidity up to date while it can be seen."""
        super().showEvent(event)
        self.session.analyses.watch(RIGIDITY, self, True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing is computed."""
        super().hideEvent(event)
        self.session.analyses.watch(RIGIDITY, self, False)

    # what is shown ------------------------------------------------------------------------------------
    @property
    def analysis(self) -> Rigidity | None:
        """The current run's rigidity."""
        run = self.session.runs.current
        return run.result(RIGIDITY) if run is not None else None

    def refresh(self) -> None:
        """Bring plots and sentence up to date."""
        analysis, run = self.analysis, self.session.runs.current
        pending = self.session.analyses.is_pending(RIGIDITY)
        old = run is not None and not run.evaluation.is_current(RIGIDITY)
        self.compute.setVisible(run is not None and run.potential is not None and old and not pending)
        self.color.setVisible(analysis is not None)
        self._arrange()
        if analysis is None or run is None:
            self.body.set_message(self._empty_text(pending))
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

    def _empty_text(self, pending: bool) -> str:
        run = self.session.runs.current
        if run is None:
            return EMPTY
        if run.potential is None or (run.state.active and not pending):
            return TRAINING if run.potential is not None else EMPTY
        return run.why(RIGIDITY) or BUSY

    @by_width
    def _arrange(self) -> None:
        wide = self.width() >= WIDE
        self.against.setVisible(not wide and self.analysis is not None)
        self.curves.setVisible(wide or not self.against.isChecked())
        self.scatter.setVisible(wide or self.against.isChecked())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show both plots where there is room."""
        super().resizeEvent(event)
        self._arrange()

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
    def table(self) -> Table | None:
        """Return the targets with rigidity and expected std by loss, and their errors."""
        analysis = self.analysis
        if analysis is None:
            return None
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

    def figure(self) -> Callable[[], Figure] | None:
        """Draw both plots with matplotlib."""
        analysis = self.analysis
        if analysis is None:
            return None
        colors = [f"series:{index}" for index in self._region_colors(analysis)]
        return partial(figures.rigidity_figure, analysis.study, analysis.volumes, colors)
