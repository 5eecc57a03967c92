"""Energy against volume of one or more ensembles and the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from app.look.numbers import number_text
from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.eos import (
    BY_THE_DATA,
    FORETOLD,
    OPEN,
    EnergyZero,
    EosSeries,
    dense,
    energy_zero,
    eos_window,
    open_at,
    relative_mev,
    shade_of,
    spline,
)
from nnpcore.figures.names import VOLUME
from nnpcore.units import MEV_PER_EV

MAX_RUNS = 6
NARROW, WORDY, ROOMY = 440, 520, 640
"""Pixels: below them the axis has a short name, the strip few words, the reference a short name beside it."""

FORETOLD_TIP = "How far the training data leave the first curve open: ± one foretold spread about it"
OPEN_TIP = (
    "Volumes at which the training data leave the first curve open by more than 10 meV/atom: what members "
    "say there, and how they differ, is chance"
)
BRACKET_TIP = "Volumes whose surroundings lie in reach of the training set"


class EosPlot(Plot):
    """Means as lines through their computed points, spreads as shades, the reference as dots, brackets.

    Points can be clicked; the key is "reference" or "run:0" and the index that of the curve.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._looks: list[tuple[str, int]] = []
        self.reference = self.add_points("reference", "reference", "o", 6)
        self.ring = self.add_points("current", "accent", "o", 13, hollow=False)
        self.ring.setZValue(19)
        self.open = [self.add_line(f"foretold:{k}", "muted", 1.2, 2, z=4) for k in range(2)]
        self.strip = self.add_strip("open")
        self.zero = EnergyZero(0.0, "0")
        self.series: list[EosSeries] = []
        self.set_labels(VOLUME, "")
        self.set_crosshair(self._describe)

    def show_series(self, series: Sequence[EosSeries], members: bool = False) -> None:
        """Show curves, the first one in front; items are reused while colours stay the same."""
        self.series = list(series)[:MAX_RUNS]
        self._make_items()
        if not self.series:
            return
        self.zero = energy_zero(self.series)
        for number, item in enumerate(self.series):
            self._show_run(number, item, members)
        self._show_foretold()
        self._show_reference()
        self._write_legend()
        self.set_window(*eos_window(self.series, self.zero))

    def _make_items(self) -> None:
        looks = [(item.color, item.dash) for item in self.series]
        if looks == self._looks:
            return
        for number in range(len(self._looks)):
            for key in (f"run:{number}", f"members:{number}"):
                self.remove_series(key)
        self._looks = looks
        self.lines, self.bands, self.dots, self.members, self.brackets = [], [], [], [], []
        for number, (color, dash) in enumerate(looks):
            key = f"run:{number}"
            self.bands.append(self.add_band(key, color))
            self.bands[-1].set_outlined(len(looks) > 1, dash)
            self.members.append(self.add_line(f"members:{number}", color, 0.8, alpha=0.55))
            self.lines.append(self.add_line(key, color, 2.2, dash, z=12 - number))
            self.dots.append(self.add_points(key, color, "o", 4.5))
            self.brackets.append(self.add_bracket(key, color if len(looks) > 1 else "text"))

    def _show_run(self, number: int, item: EosSeries, members: bool) -> None:
        curve = item.curve
        at = dense(curve.volumes)
        energies = relative_mev(curve.mean, self.zero)
        mean = spline(curve.volumes, energies, at)
        std = shade_of(item, at)
        self.lines[number].setData(at, mean)
        self.bands[number].set_data(at, mean - std, mean + std)
        self.dots[number].setData(curve.volumes, energies)
        if members:
            rows = spline(curve.volumes, relative_mev(curve.energies, self.zero), at)
            gap = np.full((len(rows), 1), np.nan)
            x = np.hstack([np.tile(at, (len(rows), 1)), gap])
            self.members[number].setData(x.ravel(), np.hstack([rows, gap]).ravel())
        else:
            self.members[number].setData([], [])
        bracket = self.brackets[number]
        bracket.at = 0.04 + 0.07 * number
        found = item.bracket
        bracket.set_range(*(None, None) if found is None else (found.low, found.high))
        if number == 0:
            self.set_pickable("run:0", np.column_stack([curve.volumes, energies]), self._tip)

    def _show_foretold(self) -> None:
        """Show what the data leave open of the first curve: lines that may leave the picture, and a strip."""
        first = self.series[0]
        volumes = dense(first.curve.volumes)
        self.strip.set_mask(volumes, open_at(first, volumes))
        for line, sign in zip(self.open, (-1.0, 1.0), strict=True):
            if first.foretold is None:
                line.setData([], [])
                continue
            at = dense(first.curve.volumes)
            energies = relative_mev(first.curve.mean, self.zero) + sign * first.foretold
            line.setData(at, spline(first.curve.volumes, energies, at))

    def _show_reference(self) -> None:
        curve = self.series[0].curve
        energies = relative_mev(curve.reference, self.zero)
        known = np.isfinite(energies)
        self.reference.setData(curve.volumes[known], energies[known])
        points = np.column_stack([curve.volumes, energies])
        self.set_pickable("reference", points, self._tip)

    def _is_narrow(self) -> bool:
        return self.width() < NARROW

    def _write_legend(self) -> None:
        title = f"Eₐₜ − {self.zero.text} (meV/atom)"
        self.set_labels(VOLUME, title, "Eₐₜ − E₀ (meV/atom)", narrow=NARROW)
        self.legend.setToolTip(f"Atomic energy relative to the {self.zero.text}, {self.zero.energy:.4f} eV")
        self.legend.set_entries(self._entries())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use short words where the plot is narrow."""
        super().resizeEvent(event)
        if self.series and event.oldSize().width() != event.size().width():
            self._write_legend()

    def _entries(self) -> list[Entry]:
        shortened = self._is_narrow() or (self.strip.ranges and self.width() < ROOMY)
        name = "ref" if shortened else "reference"
        entries = [Entry("reference", name, "reference", "points", tip="Total energy / number of atoms")]
        if not np.isfinite(self.series[0].curve.reference).any():
            entries = []
        tip = "Ensemble mean; the shade (or outline) is one standard deviation over the members"
        for number, item in enumerate(self.series):
            kind = "band" if len(self.series) == 1 else "outline"
            entries.append(Entry(f"run:{number}", item.name, item.color, kind, item.dash, tip=tip))
        if self.strip.ranges:
            tail = BY_THE_DATA if self.width() >= WORDY else ""
            entries.append(Entry("open", OPEN, "muted", "hatch", tip=OPEN_TIP, tail=tail))
        if self.series[0].foretold is not None:
            entries.append(Entry("foretold", FORETOLD, "muted", dash=2, tip=FORETOLD_TIP))
        brackets = any(item.bracket is not None and item.bracket.low is not None for item in self.series)
        if brackets and not (self._is_narrow() and len(self.series) > 1):
            color = "text" if len(self.series) == 1 else "muted"
            entries.append(Entry("bracket", "in reach", color, "bracket", tip=BRACKET_TIP))
        return entries

    def set_series_visible(self, key: str, visible: bool) -> None:
        """Hide or show a run with its members and bracket, or all brackets."""
        super().set_series_visible(key, visible)
        if key == "foretold":
            for number in range(len(self.open)):
                super().set_series_visible(f"foretold:{number}", visible)
        if key == "bracket":
            for bracket in self.brackets:
                bracket.setVisible(visible)
        for number in range(len(self.series)):
            if key == f"run:{number}":
                super().set_series_visible(f"members:{number}", visible)

    def mark(self, index: int | None) -> None:
        """Ring the point of the frame that is shown, None: none."""
        if index is None or not self.series or index >= len(self.series[0].curve.volumes):
            self.ring.clear()
            return
        curve = self.series[0].curve
        reference, mean = relative_mev(curve.reference, self.zero), relative_mev(curve.mean, self.zero)
        y = reference[index] if np.isfinite(reference[index]) else mean[index]
        self.ring.setData([curve.volumes[index]], [y])

    def _tip(self, index: int) -> str:
        curve = self.series[0].curve
        lines = [f"V = {curve.volumes[index]:.2f} Å³/atom"]
        reference = relative_mev(curve.reference, self.zero)[index]
        if np.isfinite(reference):
            lines.append(f"reference {number_text(reference, 1)} meV/atom")
        for item in self.series:
            if index < len(item.curve.volumes):
                mean = relative_mev(item.curve.mean, self.zero)[index]
                std = MEV_PER_EV * item.curve.std[index]
                lines.append(f"{item.name} {number_text(mean, 1)} ± {std:.1f} meV/atom")
        if (left := self.series[0].foretold) is not None:
            lines.append(f"left open by the data: ± {left[index]:.3g} meV/atom")
        return "\n".join([*lines, "Click to see this structure"])

    def _describe(self, x: float, _y: float) -> str:
        if not self.series:
            return ""
        curve = self.series[0].curve
        if not curve.volumes[0] <= x <= curve.volumes[-1]:
            return ""
        at = np.array([x])
        parts = [f"V {x:.2f} Å³"]
        for item in self.series[:2]:
            value = spline(item.curve.volumes, relative_mev(item.curve.mean, self.zero), at)[0]
            parts.append(f"{item.name} {number_text(value, 1)}")
        reference = spline(curve.volumes, relative_mev(curve.reference, self.zero), at)[0]
        if np.isfinite(reference):
            parts.append(f"ref {number_text(reference, 1)}")
        return "  ".join(parts)
