"""Radial distribution functions of the frames shown, by pair of elements and region."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.panels.base import OPEN, AnalysisPanel, Drawing, Lack, Table
from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore import figures
from nnpcore.analyses.radial import RADIAL, RadialCurve, RadialDistributions
from nnpcore.figures.names import PAIR_DISTANCE

if TYPE_CHECKING:
    from app.session.session import Session

EMPTY = "Open a trajectory to see how often its atoms stand at which distance."
BUSY = "Counting neighbors…"
OWN = "own"
OWN_TIP = (
    "From here on atoms meet their own periodic images: such peaks are the cell's, not the material's. A "
    "larger cell tells more"
)
LABELS = {False: "g(r)", True: "Neighbors within r"}


class RadialPanel(AnalysisPanel[RadialDistributions]):
    """A line per pair of elements, and per region; or the number of neighbors within a distance."""

    title = "Radial distribution"
    name = "radial"
    shows = RADIAL
    watches = MappingProxyType({"while_training": True})

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return why the frames shown have no distribution."""
        if session.data.current is None:
            return Lack(EMPTY, OPEN)
        why = session.analyses.data.why(RADIAL)
        return Lack(why, silent=True) if why else None

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether the distributions of the frames shown are known."""
        known = session.analyses.data.result(RADIAL)
        return known is not None and known.key == session.data.current_id

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._n_lines = 0
        self.plot = Plot(self)
        self.plot.set_crosshair(lambda r, y: f"r {r:.2f} Å  {y:.2f}")
        self.own = self.plot.add_rule(OWN, "muted", dash=2)
        self.own.setVisible(False)
        self.set_body(self.plot)
        tip = "Show how many neighbors an atom has within a distance"
        self.counts = self.add_button(tip, text="Coordination", toggled=lambda _: self.refresh())
        self.follow(session.data.current_changed, session.data.removed, analyses=(RADIAL,))

    @property
    def analysis(self) -> RadialDistributions | None:
        """The distributions of the frames shown, None while they are those of others."""
        known = self.session.analyses.data.result(RADIAL)
        return known if known is not None and known.key == self.session.data.current_id else None

    def refresh(self) -> None:
        """Bring the lines up to date."""
        analysis, counts = self.analysis, self.counts.isChecked()
        self.counts.setVisible(analysis is not None)
        self.plot.set_message(self.empty_text() if analysis is None else "")
        if self._seen.again(analysis, counts, self.session.data.current_id):
            return
        for k in range(self._n_lines):
            self.plot.remove_series(f"line:{k}")
        curves = () if analysis is None else analysis.curves
        self._n_lines = len(curves)
        self.plot.set_labels(PAIR_DISTANCE, LABELS[counts])
        entries = []
        for k, curve in enumerate(curves):
            line = self.plot.add_line(f"line:{k}", f"series:{k}", 1.4, 0 if not curve.region else 1)
            line.setData(analysis.r if analysis is not None else [], self._values(curve))
            entries.append(Entry(f"line:{k}", curve.name, f"series:{k}", dash=0 if not curve.region else 1))
        own = float("inf") if analysis is None else analysis.own_image
        self.own.setVisible(own < float("inf"))
        if own < float("inf"):
            self.own.setValue(own)
            entries.append(Entry(OWN, "own images", "muted", dash=2, tip=OWN_TIP, tail=f" {own:.2f} Å"))
        self.plot.legend.set_entries(entries)

    def _values(self, curve: RadialCurve):
        return curve.n_within if self.counts.isChecked() else curve.g

    def empty_text(self) -> str:
        """Return what to do, or what is waited for, to see something here."""
        if self.session.data.current is None:
            return EMPTY
        return self.session.analyses.data.why(RADIAL) or BUSY

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: RadialDistributions) -> Table | None:
        """Return the distance, and g and the coordination number of every pair and region."""
        return {name: v.tolist() for name, v in analysis.table().items()}

    def figure_of(self, analysis: RadialDistributions) -> Drawing | None:
        """Draw what is shown with matplotlib."""
        lines = {curve.name: self._values(curve) for curve in analysis.curves}
        y_label = LABELS[self.counts.isChecked()]
        return partial(figures.lines_figure, analysis.r, lines, PAIR_DISTANCE, y_label)
