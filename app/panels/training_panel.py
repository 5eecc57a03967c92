"""How the training goes: live RMSE curves, the mapping error beside them, time left, warnings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.documents.counting import from_one
from app.documents.run import ENDED_EARLY, RunDocument, RunState
from app.look.numbers import duration
from app.look.style_sheet import styled
from app.panels.base import Drawing, Lack, Panel, Table, lacks_run
from app.plots.epoch_marks import ending_entries
from app.plots.legend import Legend
from app.plots.mapping_plot import MappingPlot
from app.plots.plot import Plot
from app.plots.rmse_plot import RmsePlot, rmse_entries
from app.widgets.controls import filled
from app.widgets.labels import NoteLabel
from app.widgets.quiet import Slider
from app.widgets.redraw import Throttle
from nnpcore import figures
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.graph import Analysis
from nnpcore.figures import RunCurves
from nnpcore.figures.series import (
    Ending,
    MappingCurve,
    crystal_curve,
    ending_of,
    history_table,
    kept_rmse,
    known_quantities,
    mapping_curves,
    rmse_series,
    without_doubles,
)
from nnpcore.training.quantities import rmse_text

if TYPE_CHECKING:
    from app.session.session import Session

EMPTY = "Start a training to see the curves here."
MIN_PLOT_WIDTH = 140
MAPPING = "mapping"
QUANTITIES = ("energy", "force", "stress", MAPPING)
BUTTONS = {"energy": "E", "force": "F", "stress": "S", MAPPING: "Map"}
TIPS = {
    "energy": "RMSE of the total energy, meV/atom",
    "force": "RMSE of the force components, eV/Å",
    "stress": "RMSE of the stress components, GPa",
    MAPPING: "Errors of the crystal's and the regions' atomic energies, meV/atom: they settle long after "
    "the RMSE",
}

KEPT_TIP = (
    "Each network keeps its own best epoch. The error is what the kept networks reach together on the "
    "validation frames; the epoch is the last one in which one became better. Runs of earlier versions, the "
    "examples' too, have the error of all networks after that epoch."
)


class TrainingPanel(Panel):
    """Curves of the current run. Narrow panels show one quantity at a time, wide ones all side by side."""

    title = "Training"
    name = "training"

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that a run is lacking, or that the chosen one has no history."""
        run = session.runs.current
        if run is None:
            return lacks_run(session, EMPTY)
        silent = run.state is RunState.IMPORTED and not run.history
        return Lack("this model was not trained here", silent=True) if silent else None

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether an epoch of the current run has ended."""
        run = session.runs.current
        return run is not None and bool(run.history)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.mapping: dict[str, dict[int, tuple[float, float]]] = {}
        self.wanted = list(QUANTITIES)
        self.front = "energy"
        self._throttle = Throttle(self._refresh_in_turn, self)
        self._body = QWidget(self)
        self.set_body(self._body)
        self.plots: dict[str, RmsePlot] = {}
        for quantity in QUANTITIES:
            self.later(partial(self._add_plot, quantity))
        self.later(self._build)
        self.later(self._connect)

    def _add_plot(self, quantity: str) -> None:
        if quantity == MAPPING:
            self.mapping_plot = MappingPlot(self._body)
        else:
            self.plots[quantity] = RmsePlot(quantity, self._body)

    def _connect(self) -> None:
        session = self.session
        session.runs.epoch_finished.connect(self._throttle.request)
        session.runs.changed.connect(self._throttle.request)
        session.runs.removed.connect(self._on_run_removed)
        session.runs.current_changed.connect(self._throttle.request)
        session.analyses.changed.connect(self._on_analysis)
        self.refresh()

    def _build(self) -> None:
        self._turns = {q: Throttle(partial(self._draw_in_turn, q), p) for q, p in self._all_plots().items()}
        body = self._body
        row = filled(QHBoxLayout(), *dict.fromkeys(self._all_plots().values(), 1).items())
        self.status = NoteLabel(body, "muted", lines=1)
        self.warning = NoteLabel(body, "warning")
        self.shared_legend = Legend(body)
        self.shared_legend.toggled.connect(self._on_shared_toggled)
        status = filled(
            QHBoxLayout(), (self.status, 1), (self.shared_legend, 1), margins=(8, 0, 0, 0), spacing=-1
        )
        warning = filled(QHBoxLayout(), (self.warning, 1), margins=(8, 0, 0, 0))
        filled(QVBoxLayout(body), (row, 1), status, warning, margins=(0, 0, 0, 4))
        self.buttons = {
            q: self.add_button(TIPS[q], partial(self._on_button, q), text=BUTTONS[q]) for q in QUANTITIES
        }
        for button in self.buttons.values():
            button.setCheckable(True)
        tip = "Logarithmic axes, on which late epochs can be told apart; linear ones otherwise"
        self.log_axes = self.add_button(tip, text="Log", toggled=self._on_log_axes)
        self.log_axes.setChecked(True)
        self.smoothing = Slider(self)
        self.smoothing.setRange(0, 95)
        self.smoothing.setFixedWidth(64)
        self.smoothing.setToolTip("Smoothing of the curves; the raw ones stay visible, thinly")
        self.smoothing.valueChanged.connect(self._throttle.request)
        self.smoothing_box = QWidget(self)
        caption = styled(QLabel("Smooth", self.smoothing_box), "muted", "small")
        filled(QHBoxLayout(self.smoothing_box), caption, self.smoothing, margins=(4, 0, 0, 0), spacing=-1)
        self.add_tool(self.smoothing_box)
        tip = "Errors by group of frames, and the frames and atoms that are off by more than foretold"
        self.errors = self.add_button(tip, lambda: self.session.panel_wanted.emit("errors"), text="By group")

    def _all_plots(self) -> dict[str, Plot]:
        return {**self.plots, MAPPING: self.mapping_plot}

    def _on_log_axes(self, log: bool) -> None:
        for plot in self._all_plots().values():
            plot.set_log_y(log)
        self._throttle.request()

    # what is shown ------------------------------------------------------------------------------------
    @property
    def run(self) -> RunDocument | None:
        """The run shown."""
        return self.session.runs.current

    def known_quantities(self) -> list[str]:
        """Return the quantities the current run has curves of."""
        run = self.run
        if run is None:
            return []
        quantities = known_quantities(run.history)
        expected = bool(quantities) and run.state.active and self.session.data.has_eos()
        drawn = any(len(curve.epochs) > 1 for curve in self.mapping_curves(run))
        if expected or drawn:  # before it comes: later it would move all
            quantities = [*quantities, MAPPING]
        return quantities

    def shown_quantities(self) -> list[str]:
        """Return the quantities whose plots are visible: as many as there is room for."""
        known = self.known_quantities() or ["energy"]
        wanted = [q for q in known if q in self.wanted] or known[:1]
        if len(wanted) * MIN_PLOT_WIDTH <= self.width():
            return wanted
        return [self.front if self.front in known else known[0]]

    def _is_narrow(self) -> bool:
        return len([q for q in self.known_quantities() if q in self.wanted]) * MIN_PLOT_WIDTH > self.width()

    def _on_button(self, quantity: str) -> None:
        self.front = quantity
        if not self._is_narrow() or quantity not in self.wanted:
            keep = [q for q in QUANTITIES if (q in self.wanted) != (q == quantity)]
            if any(q in keep for q in self.known_quantities()):
                self.wanted = keep
        self.refresh()

    def _on_run_removed(self, run_id: str) -> None:
        self.mapping.pop(run_id, None)
        self._throttle.request()

    def _on_analysis(self, run_id: str, analysis: Analysis[object]) -> None:
        run = self.session.runs.documents.get(run_id)
        eos = run.result(EOS) if run is not None and analysis is EOS else None
        if run is None or eos is None or eos.report.rmse_in_bracket_mev is None:
            return
        values = (eos.report.rmse_in_bracket_mev, eos.report.std_in_bracket_mev or 0.0)
        self.mapping.setdefault(run_id, {})[run.epochs.get(EOS, 0)] = values
        self._throttle.request()

    def refresh(self) -> None:
        """Bring curves, status and warnings up to date."""
        shown = self._refresh_words()
        for quantity in shown:
            self._draw(quantity)
        if shown:
            self._show_legends(shown)

    def _refresh_in_turn(self) -> None:
        """Do the same, but every plot in a turn of its own: all at once would hold up the window."""
        for quantity in self._refresh_words():
            self._turns[quantity].request()

    def _draw_in_turn(self, quantity: str) -> None:
        self._draw(quantity)
        self._show_legends(self.shown_quantities())

    def _refresh_words(self) -> list[str]:
        """Bring all but the curves up to date and return the quantities to draw."""
        run = self.run
        known, shown = self.known_quantities(), self.shown_quantities()
        self.smoothing_box.setVisible(bool(known))
        self.log_axes.setVisible(bool(known))
        self.errors.setVisible(run is not None and bool(run.history) and not run.state.active)
        for quantity, plot in self._all_plots().items():
            plot.setVisible(quantity in shown)
            self.buttons[quantity].setVisible(quantity in known)
            self.buttons[quantity].setChecked(quantity in shown)
        if run is None or not run.history:
            self._show_empty(run)
            return []
        self.status.set_text(status_text(run), tip=f"{status_text(run)}\n\n{KEPT_TIP}")
        self._show_warnings(run)
        return shown

    def _draw(self, quantity: str) -> None:
        run = self.run
        if run is None or quantity not in self.shown_quantities():  # another run since: its turn comes
            return
        if quantity == MAPPING:
            self.mapping_plot.set_message("")
            curves = without_doubles(self.mapping_curves(run))
            self.mapping_plot.show_runs([RunCurves(run.name, tuple(curves))], ending(run))
            return
        plot, amount = self.plots[quantity], self.smoothing.value() / 100.0
        plot.set_message("")
        train, valid = (rmse_series(run.history, part, quantity) for part in ("train", "valid"))
        plot.show_series(train, valid, amount, ending(run), kept_rmse(run.history, quantity))

    def _show_legends(self, shown: list[str]) -> None:
        """Give a single plot its own legend, several ones a common one."""
        alone = len(shown) == 1
        for quantity, plot in self.plots.items():
            if quantity in shown:
                plot.set_legend_shown(alone)
        self.mapping_plot.leave_out_marks(not alone)
        parts = {part for q, plot in self.plots.items() if q in shown for part in plot.known_parts()}
        marks = [] if self.run is None else ending_entries(ending(self.run), "text")
        entries = [] if alone else [*rmse_entries("text", parts), *marks]
        self.shared_legend.set_entries(entries)
        self.shared_legend.setMaximumWidth(min(self.shared_legend.full_width(), self.width() // 2))

    def _on_shared_toggled(self, key: str, visible: bool) -> None:
        for plot in self._all_plots().values():
            plot.set_series_visible(key, visible)

    def mapping_curves(self, run: RunDocument) -> list[MappingCurve]:
        """Return the mapping errors that were monitored; else those of the EOS seen while it trained."""
        found = mapping_curves(run.history, [known.set for known in self.session.regions.sets.values()])
        if found or not self.mapping.get(run.id):
            return found
        epochs, errors, _ = self.mapping_arrays(run.id)
        return [crystal_curve(epochs, errors)]

    def mapping_arrays(self, run_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return epochs, mapping error and ensemble std in the bracket, meV/atom, each (n,)."""
        rows = sorted((epoch, *values) for epoch, values in self.mapping.get(run_id, {}).items())
        epochs, errors, stds = np.array(rows, dtype=np.float64).reshape(-1, 3).T
        return epochs, errors, stds

    def _show_empty(self, run: RunDocument | None) -> None:
        text = EMPTY
        if run is not None:
            texts = {
                RunState.PREPARING: _sentence(run.progress_text or "preparing the training"),
                RunState.WAITING: "Starts when the training before it has ended.",
                RunState.FAILED: run.message or "The training failed; the log tells why.",
            }
            text = texts.get(run.state, "The first epoch is running…" if run.state.active else EMPTY)
        for plot in self._all_plots().values():
            plot.set_message(text)
        self.status.set_text("")
        self.warning.hide()

    def _show_warnings(self, run: RunDocument) -> None:
        messages = [
            f"Epoch {record.epoch}: {from_one(message.text)}"
            for record in run.history
            for message in record.messages
            if not message.is_note
        ]
        if run.state is RunState.FAILED and run.message:
            messages.append(run.message)
        self.warning.setVisible(bool(messages))
        if messages:
            more = f"({len(messages)}) " if len(messages) > 1 else ""
            self.warning.set_text(f"⚠ {more}{messages[-1]}", tip="\n".join(messages))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many plots as there is room for."""
        super().resizeEvent(event)
        if self.whole and event.oldSize().width() != event.size().width():
            self._refresh_in_turn()

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return the curves as columns, the mapping error included."""
        run = self.run
        if run is None or not run.history:
            return None
        table = history_table(run.history)
        epochs = [record.epoch for record in run.history]
        for curve in self.mapping_curves(run):
            known = dict(zip(curve.epochs.tolist(), curve.errors.tolist(), strict=True))
            table[f"mapping error, {curve.name} (meV/atom)"] = [known.get(e, float("nan")) for e in epochs]
        return table

    def figure(self) -> Drawing | None:
        """Draw the curves of the current run with matplotlib."""
        run = self.run
        if run is None or not run.history:
            return None
        return partial(
            figures.training_figure,
            tuple(run.history),
            title=run.name,
            mapping=without_doubles(self.mapping_curves(run)),
            smoothing=self.smoothing.value() / 100.0,
            ending=ending(run),
        )


def _sentence(doing: str) -> str:
    return f"{doing[:1].upper()}{doing[1:]}…"


def ending(run: RunDocument) -> Ending:
    """Return which epoch of a run is kept, and where it ended early."""
    goes_on = run.state.active or run.state in (RunState.IMPORTED, RunState.ELSEWHERE)
    asked = 0 if goes_on else run.n_epochs
    why = run.message.removeprefix(ENDED_EARLY).strip(" .") if run.message.startswith(ENDED_EARLY) else ""
    return ending_of(run.history, asked, patience=run.settings.patience, why=why)


def status_text(run: RunDocument) -> str:
    """Return one line: epoch, the validation energy of what is kept, speed, time left, why it ended early."""
    total = f" / {run.n_epochs}" if run.n_epochs else ""
    parts = [run.message if run.state is RunState.IMPORTED else f"epoch {run.epoch}{total}"]
    kept, end = run.best(), ending(run)
    if kept is not None:
        parts.append(f"kept {kept:.2f} meV/atom (epoch {end.kept})")
    if not run.state.active and (test := run.test_errors()):
        parts.append(f"test {rmse_text(test)}")
    if run.state.active and run.n_epochs and run.eta_seconds is not None:
        parts.append(f"ETA {duration(run.eta_seconds)}")
    each = run.seconds_per_epoch
    if each:
        parts.append(f"{1 / each:.1f} epochs/s" if each < 0.5 else f"{each:.1f} s each")
    stands = (RunState.PAUSED, RunState.STOPPING, RunState.STOPPED, RunState.ELSEWHERE)
    if run.state in stands:
        parts.insert(0, run.state.value)
    elif run.state is RunState.FINISHED:
        parts.insert(0, "finished" if end.ended is None else "ended early")
    if end.ended is not None and run.state in (RunState.FINISHED, RunState.STOPPED):
        parts.append(end.why)
    return "   ".join(parts)
