"""One quantity of a training against the epoch, on a logarithmic scale unless another is chosen."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QWidget

from app.plots.epoch_marks import RING, EpochMarks, ending_entries
from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.names import EPOCH, RMSES, SHORT_RMSES
from nnpcore.figures.series import Ending, RmseSeries, smoothed
from nnpcore.training.quantities import QUANTITIES

COLORS = {"energy": "series:0", "force": "series:1", "stress": "series:2"}
NOT_ENDED = Ending()


def rmse_entries(color: str, parts: set[str]) -> list[Entry]:
    """Return the legend of the parts ("train", "valid") there are."""
    train = Entry("train", "train", color, dash=1, tip="Training frames, as they were met in the epoch")
    tip = "Validation frames: the ensemble's mean; the shade spans the members"
    valid = Entry("valid", "valid", color, "band", tip=tip)
    return [entry for entry in (train, valid) if entry.key in parts]


class RmsePlot(Plot):
    """Train dashed, validation solid, a shade over the members, a ring at what the members kept reach."""

    def __init__(self, quantity: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.quantity = quantity
        color = COLORS[quantity]
        self.band = self.add_band("valid", color)
        self.raw = {
            "train": self.add_line("train", color, 1.0, 1, alpha=0.3),
            "valid": self.add_line("valid", color, 1.0, alpha=0.3),
        }
        self.lines = {
            "train": self.add_line("train", color, 1.6, 1),
            "valid": self.add_line("valid", color, 2.2),
        }
        self.ring = self.add_points(RING, color, "o", 8, hollow=True)
        self.marks = EpochMarks(self)
        self.set_labels(EPOCH, RMSES[quantity], SHORT_RMSES[quantity])
        self.axis("bottom").integers = True
        self.zoom_along_x(first=0)
        self._data: dict[str, RmseSeries] = {}
        self.set_crosshair(self._describe)

    def known_parts(self) -> set[str]:
        """Return which of "train" and "valid" have values."""
        return {part for part, series in self._data.items() if series.known}

    def set_legend_shown(self, shown: bool) -> None:
        """Show or hide the legend (several plots side by side share one)."""
        color = COLORS[self.quantity]
        marks = ending_entries(self.marks.ending, color)
        self.legend.set_entries([*rmse_entries(color, self.known_parts()), *marks] if shown else [])

    def show_series(
        self,
        train: RmseSeries,
        valid: RmseSeries,
        smoothing: float = 0.0,
        ending: Ending = NOT_ENDED,
        kept: float = np.nan,
    ) -> None:
        """Show the curves of an RMSE; ``smoothing`` in [0, 1).

        ``kept``: what the members reach together as they are kept, each from its own epoch: the ring's place.
        """
        self._data = {"train": train, "valid": valid}
        for part, series in self._data.items():
            positive = np.where(series.mean > 0, series.mean, np.nan)
            self.lines[part].setData(series.epochs, smoothed(positive, smoothing))
            self.raw[part].setData(*((series.epochs, positive) if smoothing else ([], [])))
        front = valid if valid.known else train
        self.band.set_data(front.epochs, smoothed(front.low, smoothing), smoothed(front.high, smoothing))
        self.marks.show(ending)
        if ending.kept is not None and kept > 0:
            self.ring.setData([ending.kept], [np.log10(kept) if self.log_y else kept])
        else:
            self.ring.clear()

    def _describe(self, x: float, _y: float) -> str:
        series = next((s for s in (self._data.get("valid"), self._data.get("train")) if s and s.known), None)
        if series is None:
            return ""
        at = int(np.abs(series.epochs - x).argmin())
        unit = QUANTITIES[self.quantity].unit
        parts = [
            f"{part} {s.mean[at]:.3g}"
            for part, s in self._data.items()
            if s.known and at < len(s.mean) and np.isfinite(s.mean[at])
        ]
        return f"epoch {int(series.epochs[at])}: {', '.join(parts)} {unit}" if parts else ""
