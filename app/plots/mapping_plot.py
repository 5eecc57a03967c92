"""Mapping errors against the epoch, beside the energy RMSE: on a logarithmic scale, meV/atom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QWidget

from app.look.numbers import number_text
from app.plots.epoch_marks import EpochMarks, ending_entries
from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.names import ABSOLUTE_MAPPING_ERROR, ATOMIC_ENERGY_ERRORS, EPOCH
from nnpcore.figures.series import IN_REACH, SMALLEST_ERROR, Ending, RunCurves

RMSE = "rmse"
NOT_ENDED = Ending()


class MappingPlot(Plot):
    """A line per region and run: colours tell regions apart, dashes runs; the RMSE is thin."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.runs: list[RunCurves] = []
        self._legend_shown = self._marks_shown = True
        self._looks: list[tuple[str, str, str, int, float]] = []
        self._lines: dict[tuple[int, str], object] = {}
        self.set_labels(EPOCH, ABSOLUTE_MAPPING_ERROR, *ATOMIC_ENERGY_ERRORS)
        self.axis("bottom").integers = True
        self.zoom_along_x(first=0)
        self.set_crosshair(self._describe)
        self.marks = EpochMarks(self)

    def show_runs(self, runs: Sequence[RunCurves], ending: Ending = NOT_ENDED) -> None:
        """Show the curves of the current run (solid) and of those compared with it (dashed).

        ``ending`` is that of the current run.
        """
        self.marks.show(ending)
        self.runs = list(runs)
        self._make_items()
        for number, run in enumerate(self.runs):
            for curve in run.curves:
                self._set(number, curve.key, curve.epochs, np.abs(curve.errors))
            if run.rmse is not None:
                self._set(number, RMSE, *run.rmse)
        self.legend.set_entries(self._entries() if self._legend_shown else [])

    def set_legend_shown(self, shown: bool) -> None:
        """Show or hide the legend (where there is little room the crosshair names the lines)."""
        if shown != self._legend_shown:
            self._legend_shown = shown
            self.legend.set_entries(self._entries() if shown else [])

    def leave_out_marks(self, out: bool) -> None:
        """Leave the marks of epochs out of the legend: plots beside each other share one for them."""
        if out == self._marks_shown:
            self._marks_shown = not out
            self.legend.set_entries(self._entries() if self._legend_shown else [])

    def _make_items(self) -> None:
        looks = []
        for number, run in enumerate(self.runs):
            looks += [(f"{number}", c.key, c.color, number, 2.0) for c in run.curves]
            if run.rmse is not None:
                looks.append((f"{number}", RMSE, "muted", number, 1.0))
        if looks == self._looks:
            return
        for key in {key for _, key, *_ in self._looks}:
            self.remove_series(key)
        self._looks = looks
        self._lines = {}
        for number, key, color, dash, width in looks:
            self._lines[int(number), key] = self.add_line(key, color, width, dash % 6, z=12 - dash)

    def _set(self, number: int, key: str, epochs: np.ndarray, values: np.ndarray) -> None:
        shown = np.where(np.isfinite(values), np.maximum(values, SMALLEST_ERROR), np.nan)
        self._lines[number, key].setData(epochs, shown)  # type: ignore[attr-defined]

    def _entries(self) -> list[Entry]:
        entries: dict[str, Entry] = {}
        for run in self.runs:
            for curve in run.curves:
                tip = f"{curve.name}: absolute error of the ensemble's mean; click to hide or show"
                name = curve.name.removesuffix(IN_REACH)
                entries.setdefault(curve.key, Entry(curve.key, name, curve.color, tip=tip))
        if any(run.rmse is not None for run in self.runs):
            entries[RMSE] = Entry(RMSE, "RMSE", "muted", tip="Energy RMSE of the validation frames")
        found = list(entries.values())
        if len(self.runs) > 1:
            found += [
                Entry(f"run:{k}", run.name, "text", dash=k % 6, tip=f"Lines of {run.name}")
                for k, run in enumerate(self.runs)
            ]
        return found + (ending_entries(self.marks.ending) if self._marks_shown else [])

    def set_series_visible(self, key: str, visible: bool) -> None:
        """Hide or show a quantity of all runs, or all lines of a run."""
        super().set_series_visible(key, visible)
        for (number, name), line in self._lines.items():
            if key == f"run:{number}" and name not in self.legend.hidden:
                line.setVisible(visible)  # type: ignore[attr-defined]
            elif key == name and visible and f"run:{number}" in self.legend.hidden:
                line.setVisible(False)  # type: ignore[attr-defined]

    def _describe(self, x: float, _y: float) -> str:
        if not self.runs or not self.runs[0].curves:
            return ""
        run = self.runs[0]
        epochs = run.curves[0].epochs
        at = int(np.abs(epochs - x).argmin())
        parts = [f"{c.name} {number_text(float(c.errors[at]), 1, sign=True)}" for c in run.curves[:3]]
        return f"epoch {int(epochs[at])}: {', '.join(parts)}"
