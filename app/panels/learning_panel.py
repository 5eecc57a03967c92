"""A learning curve: error against the number of training frames, and what more of the same would bring."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLineEdit, QPushButton, QWidget

from app.look.style_sheet import styled
from app.panels.base import Drawing, Lack, Panel, Table, lacks_run
from app.plots.learning_plot import LearningPlot
from app.widgets.labels import NoteLabel
from app.widgets.quiet import Whole
from nnpcore.errors import SettingsError
from nnpcore.figures.learning_curve import learning_curve_figure, learning_curve_table
from nnpcore.figures.names import ERROR, RMSES, SHORT_RMSES
from nnpcore.training.learning_curve import UNITS, means_of, sentence

if TYPE_CHECKING:
    from app.session.session import Session

NO_DATA = "Open a trajectory with energies to see what more frames of it would bring."
EMPTY = (
    "Press Start to train on ever more of the training data and to see what more of the same would bring. "
    "Errors are measured on the files of the role Test; without any a fifth of the frames, in blocks of "
    "time, is kept from all trainings for that, unless the settings say otherwise."
)
WAITING = "The first training runs…"
WIDE = 420
SIZES_TIP = "Numbers of training frames, such as 10, 20, 40; empty: all, half of them, a quarter and so on"
SEEDS_TIP = "Trainings of each size, each on other frames: how much of a difference is chance"


class LearningPanel(Panel):
    """Energy and mapping error share a plot and a unit; the force error stands beside it."""

    title = "Learning curve"
    name = "learning"

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that nothing was trained yet; the menu shows the panel all the same."""
        learning = session.learning
        if learning.points or learning.busy or session.runs.current is not None:
            return None
        return lacks_run(session, NO_DATA)

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether a training of the curve has ended."""
        return bool(session.learning.points)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.plot = LearningPlot(("energy", "mapping"), ERROR, UNITS["energy"], parent=self)
        self.force = LearningPlot(("force",), RMSES["force"], SHORT_RMSES["force"], parent=self)
        for plot in (self.plot, self.force):
            plot.point_clicked.connect(lambda _key, index, _m: session.learning.show_run(index))
        self.text = NoteLabel(self)
        self.set_plots({self.plot: 5, self.force: 3}, self.text, gap=4)
        self._build_tools()
        self.follow(session.learning.changed, session.data.added, session.data.removed)

    def _build_tools(self) -> None:
        self.sizes = QLineEdit(self)
        self.sizes.setPlaceholderText("usual sizes")
        self.sizes.setToolTip(SIZES_TIP)
        self.sizes.setFixedWidth(110)
        self.add_tool(self.sizes)
        self.seeds = Whole(self)
        self.seeds.setRange(1, 10)
        self.seeds.setPrefix("seeds ")
        self.seeds.setValue(self.session.learning.n_seeds)
        self.seeds.setToolTip(SEEDS_TIP)
        self.add_tool(self.seeds)
        self.go_on = QPushButton("Go On", self)
        self.go_on.setToolTip("Train what is missing")
        self.go_on.clicked.connect(lambda _checked=False: self.session.learning.go_on())
        self.add_tool(self.go_on)
        self.start = styled(QPushButton("Start", self), "primary")
        self.start.clicked.connect(lambda _checked=False: self._on_start())
        self.add_tool(self.start)

    def _on_start(self) -> None:
        learning = self.session.learning
        if learning.busy:
            learning.stop()
            return
        words = self.sizes.text().replace(",", " ").split()
        if not all(word.isdecimal() for word in words):
            fix = "Write numbers of training frames, such as 10, 20, 40"
            error = SettingsError(f"“{self.sizes.text()}” are no numbers of frames", fix=fix)
            self.session.messages.notify_error("No learning curve", error)
            self.sizes.setFocus()
            return
        learning.sizes, learning.n_seeds = tuple(int(word) for word in words), self.seeds.value()
        learning.start()

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring plots, sentence and buttons up to date."""
        learning = self.session.learning
        self.start.setText("Stop" if learning.busy else "Start")
        self.start.setEnabled(not learning.stopping)
        self.go_on.setVisible(learning.can_go_on)
        for field in (self.sizes, self.seeds):
            field.setEnabled(not learning.busy)
        if not learning.points:
            self.body.set_message(WAITING if learning.busy else EMPTY)
            return
        self.body.set_message("")
        self._arrange()
        self.text.set_text(sentence(learning.points, learning.n_planned))
        if self._seen.again(*map(repr, learning.points)):
            return
        for plot in (self.plot, self.force):
            plot.show_points(learning.points)

    def _arrange(self) -> None:
        known = bool(means_of(self.session.learning.points, "force"))
        self.force.setVisible(known and self.width() >= WIDE)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the force error where there is room."""
        super().resizeEvent(event)
        self._throttle.request()

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return a row a training."""
        points = self.session.learning.points
        return learning_curve_table(points) if points else None

    def figure(self) -> Drawing | None:
        """Draw the plots with matplotlib."""
        points = tuple(self.session.learning.points)
        return partial(learning_curve_figure, points) if points else None
