"""Where a training ended before its last epoch, and which epoch its potential is of, in a plot by epoch."""

from __future__ import annotations

from app.plots.plot import Plot
from app.plots.swatch import Entry
from nnpcore.figures.series import Ending

KEPT, ENDED, RING = "kept", "ended", "ring"
KEPT_TIP = (
    "Every member keeps its own best epoch; the line is at the last one in which one became better. The ring "
    "is what the members kept reach together, which need not lie on the curve"
)


RING_TIP = (
    "What the members reach together, each with the weights of its own best epoch. They are of several "
    "epochs, the curve is of one at a time: the ring need not lie on it"
)


class EpochMarks:
    """Two upright lines in a plot by epoch: dotted at what is kept, dashed where it ended early."""

    def __init__(self, plot: Plot) -> None:
        self.kept = plot.add_rule(KEPT, "muted", dash=2)
        self.ended = plot.add_rule(ENDED, "warning", dash=1)
        self.ending = Ending()

    def show(self, ending: Ending) -> None:
        """Put the lines where they belong; those of None go."""
        self.ending = ending
        for rule, epoch in ((self.kept, ending.kept), (self.ended, ending.ended)):
            rule.setVisible(epoch is not None)
            if epoch is not None:
                rule.setValue(epoch)


def ending_entries(ending: Ending, ring: str = "") -> list[Entry]:
    """Return the legend of the marks there are, with the ring where it has a color."""
    found = []
    if ending.kept is not None and ring:
        tip = RING_TIP
        found.append(Entry(RING, "each", ring, "points", hollow=True, tip=tip, tail=" at its best"))
    if ending.kept is not None:
        found.append(Entry(KEPT, f"last best: {ending.kept}", "muted", dash=2, tip=KEPT_TIP))
    if ending.ended is not None:
        tip = f"It ended after epoch {ending.ended} of {ending.asked}: {ending.why}"
        found.append(Entry(ENDED, f"ended: {ending.ended}", "warning", dash=1, tip=tip))
    return found
