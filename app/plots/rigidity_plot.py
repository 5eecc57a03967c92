"""Rigidity along the crystal's volume under three losses, and the error it is to foretell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PySide6.QtWidgets import QWidget

from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.rigidity import LOSS_COLORS

SHORT_NAMES = {"energy": "E", "energy + forces": "E + F", "energy + forces + stress": "E + F + S"}
SMALLEST = 1e-12


class RigidityCurves(Plot):
    """A line per loss against the volume, on a logarithmic scale; the loss trained with is the thickest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.lines = {
            loss: self.add_line(loss, color, 2.0, dash)
            for dash, (loss, color) in enumerate(LOSS_COLORS.items())
        }
        self.dots = {loss: self.add_points(loss, color, "o", 5.0) for loss, color in LOSS_COLORS.items()}
        self.set_labels("Volume (Å³/atom)", "Rigidity (LPR)")
        self.volumes = np.empty(0)
        self.values: dict[str, np.ndarray] = {}
        self.set_crosshair(self._describe)

    def show_curves(
        self,
        volumes: np.ndarray,
        values: Mapping[str, np.ndarray],
        trained_on: str,
        tip: Callable[[int], str],
    ) -> None:
        """Show rigidities (n,) by loss at volumes (n,), Å³/atom."""
        self.volumes, self.values = volumes, dict(values)
        for loss, line in self.lines.items():
            y = np.maximum(values[loss], SMALLEST)
            line.setData(volumes, y)
            shown = slice(None) if loss == trained_on else slice(0, 0)
            self.dots[loss].setData(volumes[shown], np.log10(y)[shown])
        self.set_pickable(trained_on, np.column_stack([volumes, values[trained_on]]), tip)
        self.legend.set_entries(
            [
                Entry(loss, SHORT_NAMES[loss], LOSS_COLORS[loss], dash=dash, tip=_loss_tip(loss, trained_on))
                for dash, loss in enumerate(LOSS_COLORS)
            ]
        )

    def _describe(self, x: float, _y: float) -> str:
        if not len(self.volumes):
            return ""
        at = int(np.abs(self.volumes - x).argmin())
        parts = [f"{SHORT_NAMES[loss]} {values[at]:.3g}" for loss, values in self.values.items()]
        return f"V {self.volumes[at]:.2f}: {', '.join(parts)}"


def _loss_tip(loss: str, trained_on: str) -> str:
    return f"Data used: {loss}" + (" (this training)" if loss == trained_on else "")


class ErrorScatter(Plot):
    """Absolute mapping error against what the rigidity expects, both logarithmic, with their diagonal."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.diagonal = self.add_line("diagonal", "muted", 1.0, 1, z=3)
        self.points = self.add_points("points", "reference", "o", 6.0, hollow=True)
        self.regions: list = []
        self._looks: list[str] = []
        self.set_labels("log₁₀ expected std (meV/atom)", "|Error| (meV/atom)")

    def show_points(
        self,
        expected: np.ndarray,
        errors: np.ndarray,
        n_points: int,
        names: Sequence[str],
        colors: Sequence[str],
        tip: Callable[[int], str],
    ) -> None:
        """Show expected stds and errors (n,), meV/atom: invariant points first, then a region per colour."""
        x = np.log10(np.maximum(expected, SMALLEST))
        y = np.maximum(np.abs(errors), 1e-3)
        known = np.isfinite(x) & np.isfinite(errors)
        first = known & (np.arange(len(x)) < n_points)
        self.points.setData(x[first], np.log10(y[first]))
        self._make_regions(colors)
        for k, item in enumerate(self.regions):
            at = n_points + k
            item.setData([x[at]], [np.log10(y[at])]) if known[at] else item.clear()
        if known.any():
            low, high = float(x[known].min()) - 0.2, float(x[known].max()) + 0.2
            self.diagonal.setData([low, high], [10.0**low, 10.0**high])
        self.set_pickable("points", np.column_stack([np.where(known, x, np.nan), y]), tip)
        entries = [Entry("points", "crystal", "reference", "points", hollow=True)] if first.any() else []
        for name, color in zip(names[n_points:], colors, strict=False):
            entries.append(Entry(f"region:{name}", name, color, "points", marker="s"))
        tip_text = "Where the error is just what the rigidity expects"
        self.legend.set_entries([*entries, Entry("diagonal", "as expected", "muted", dash=1, tip=tip_text)])

    def _make_regions(self, colors: Sequence[str]) -> None:
        if list(colors) == self._looks:
            return
        self.remove_series("region")
        self._looks = list(colors)
        self.regions = [self.add_points("region", color, "s", 9.0) for color in colors]
