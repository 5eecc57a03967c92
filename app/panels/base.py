"""What every panel shares: the session, a slim toolbar, and exporting its figure and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from PySide6.QtCore import QSize, Qt, SignalInstance
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.widgets.controls import choice_box, filled, tool_button
from app.widgets.flow import FlowRow
from app.widgets.placeholder import Placeholder
from app.widgets.redraw import Seen, Throttle
from app.workers.drawing_figures import Drawing, write_figure
from nnpcore import figures
from nnpcore.analyses import graph
from nnpcore.analyses.inputs import CRYSTAL
from nnpcore.figures import FigureStyle
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.dialogs.figure import FigureDialog
    from app.session.session import Session
    from app.workers.tasks import Task
    from nnpcore.analyses import Analysis

ARRANGED = 3
Table = Mapping[str, Sequence]
Result = TypeVar("Result")


OPEN, TRAIN, OPEN_SCAN = "file.open", "training.start", "file.scan"
"""Commands that give panels what they lack."""


OPENING = "Opening files…"
"""What is said while files are read that may bring what is missing."""


_in_turns = False


@contextmanager
def in_turns() -> Iterator[None]:
    """Let panels that are made here leave the later parts of themselves to :meth:`Panel.build_more`."""
    global _in_turns
    before, _in_turns = _in_turns, True
    try:
        yield
    finally:
        _in_turns = before


@dataclass(frozen=True)
class Lack:
    """Why a panel has nothing to show, and the id of the ``command`` that changes it ("" where none does).

    ``silent``: an extra that nobody misses; nothing is said of it.
    """

    text: str
    command: str = ""
    silent: bool = False


def lacks_run(session: Session, text: str) -> Lack:
    """Return that a run is lacking: something to train on, or the training."""
    return Lack(text, TRAIN if session.data.of_role(Role.TRAINING) else OPEN)


class Panel(QWidget):
    """Base class of the docks' contents. A panel speaks to its session only, never to another panel.

    Subclasses set ``title`` and ``name`` (unique, for layouts and settings), add controls to the toolbar with
    ``add_tool`` and content with ``set_body``. A panel with a figure overrides :meth:`figure`; one with
    numbers overrides :meth:`table`; one dialog exports them. An ``eager`` panel is built with
    the window, since it listens from the start; the others when they are first seen. A ``foldable`` one can
    be its title row alone. Where :meth:`lacks` has something to say the panel is not shown at all. One that
    takes more than a frame to build hands its parts to :meth:`later`: the window gets a turn between any two,
    and nobody sees the panel before the last.
    """

    title: ClassVar[str] = ""
    name: ClassVar[str] = ""
    eager: ClassVar[bool] = False
    foldable: ClassVar[bool] = False
    legend_text: ClassVar[str] = "Legend"
    """What the dialog for figures calls that which explains them."""
    tool_spacing: ClassVar[int] = 4
    """Pixels between the controls of its toolbar."""
    has_axes: ClassVar[bool] = False
    """Whether its figure has axes that can be left out."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._unbuilt: list[Callable[[], object]] = []
        self._exporting: FigureDialog | None = None
        self.setObjectName(self.name)
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.toolbar = FlowRow(self, left=8, spacing=self.tool_spacing)
        self._column = filled(QVBoxLayout(self), self.toolbar)

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return why there is nothing to show and nothing will come by itself, else None."""
        return None

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether the panel has something to export as things stand."""
        return cls.lacks(session) is None

    @classmethod
    def folds(cls, session: Session) -> bool:
        """Return whether a foldable panel is in the way as things stand."""
        return False

    @classmethod
    def summary(cls, session: Session) -> str:
        """Return what the panel holds in some words, for its title row while it is folded."""
        return ""

    # building -----------------------------------------------------------------------------------------
    def later(self, build: Callable[[], object]) -> None:
        """Build a part at once, or, where a dock builds the panel, in a turn of its own, in this order."""
        if _in_turns:
            self._unbuilt.append(build)
        else:
            build()

    @property
    def whole(self) -> bool:
        """Whether no part is left to build."""
        return not self._unbuilt

    def build_more(self) -> None:
        """Build the next part, if there is one."""
        if self._unbuilt:
            self._unbuilt.pop(0)()

    def complete(self) -> None:
        """Build all parts that are left."""
        while self._unbuilt:
            self.build_more()

    def set_body(self, widget: QWidget) -> None:
        """Put the panel's content under the toolbar."""
        widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._column.addWidget(widget, 1)

    def add_tool(self, widget: QWidget, *, at_end: bool = False) -> None:
        """Add a control to the toolbar, at the left or ``at_end``."""
        self.toolbar.add(widget, at_end=at_end)

    def add_button(self, tip: str, run: Callable[[], object] | None = None, **options: Any) -> QToolButton:
        """Add a button to the toolbar, made with the options of :func:`tool_button`, and return it."""
        button = tool_button(self, tip, run, **options)
        self.add_tool(button)
        return button

    def add_choice(self, tip: str, chosen: Callable[[], object], *, width: int = 0) -> QComboBox:
        """Add an empty :func:`choice_box` to the toolbar and return it."""
        box = choice_box(self, tip, chosen, width=width)
        self.add_tool(box)
        return box

    def set_plots(self, plots: Mapping[QWidget, int], note: QWidget | None = None, *, gap: int = -1) -> None:
        """Put plots side by side (widget -> share of the width) with a note under them.

        ``self.body`` shows a message instead of them. The ``gap`` between the plots is in pixels (-1: the
        style's).
        """
        content = QWidget(self)
        self.plots_row = filled(QHBoxLayout(), *plots.items(), spacing=gap)
        column = filled(QVBoxLayout(content), (self.plots_row, 1), margins=(0, 0, 0, 4), spacing=2)
        if note is not None:
            column.addLayout(filled(QHBoxLayout(), note, margins=(8, 0, 8, 0)))
        self.body = Placeholder(content, self)
        self.set_body(self.body)

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring what is shown up to date."""

    def look_at(self, what: str) -> None:
        """Show one of the things a panel can show, by its name; one that shows one thing only ignores it."""

    def arrange(self) -> None:
        """Show what the width has room for, and again where that changed the width."""
        for _ in range(ARRANGED):
            width = self.width()
            self._arrange()
            if self.width() == width:
                break

    def _arrange(self) -> None:
        """Show what ``self.width()`` has room for."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show what there is room for now."""
        super().resizeEvent(event)
        if self.whole:
            self.arrange()

    def follow(
        self,
        *signals: SignalInstance,
        analyses: Collection[Analysis[object]] = (),
        compared: bool = False,
    ) -> None:
        """Refresh from now on, at a bounded rate and while the panel can be seen.

        After any of the signals, and when one of the analyses of the current run, or of the data alone, has
        another result (``compared``: of the runs shown beside it, too).
        """
        self._analyses_followed, self._follows_compared = analyses, compared
        self._throttle = Throttle(self.refresh, self)
        self._seen = Seen()
        for signal in signals:
            signal.connect(self._throttle.request)
        self.session.tasks.finished.connect(self._on_task_finished)
        self.session.analyses.changed.connect(self._on_analysis_followed)
        self.refresh()

    def _on_task_finished(self, task: Task) -> None:
        if task.opens:
            self._throttle.request()

    def _on_analysis_followed(self, run_id: str, analysis: Analysis[object]) -> None:
        runs = self.session.runs
        shown = [run.id for run in runs.shown()] if self._follows_compared else [runs.current_id]
        if analysis in self._analyses_followed and run_id in (*shown, ""):
            self._throttle.request()

    def sizeHint(self) -> QSize:
        """Return a modest default size."""
        return QSize(320, 240)

    # exporting ----------------------------------------------------------------------------------------
    def figure(self) -> Drawing | None:
        """Return a function that draws the figure, or None if it is empty.

        Called on the main thread: take a snapshot of what is needed here. The function runs on a background
        thread and draws with matplotlib (:mod:`nnpcore.figures`), never with widgets.
        """
        return None

    def figure_for(self, style: FigureStyle) -> Drawing | None:
        """Return what :meth:`figure` does; a panel whose figure is a picture draws it for a size."""
        return self.figure()

    def figure_task(self, style: FigureStyle | None = None) -> Callable[[Path], None] | None:
        """Return a function that writes the figure to a path (its suffix is the format), or None if empty."""
        wanted = style or FigureStyle()
        draw = self.figure_for(wanted)
        return None if draw is None else partial(write_figure, draw, wanted)

    def take_keys(self) -> None:
        """Take the keyboard, where the panel is there to type into; called when the user asks for it."""

    def table(self) -> Table | None:
        """Return what the panel shows as columns (name with unit -> values), or None if there is nothing."""
        return None

    @classmethod
    def can_export(cls) -> bool:
        """Whether the panel has a figure or numbers to export."""
        return cls._has_figure() or cls._has_table()

    @classmethod
    def _has_figure(cls) -> bool:
        return cls.figure is not Panel.figure

    @classmethod
    def _has_table(cls) -> bool:
        return cls.table is not Panel.table

    @classmethod
    def export_formats(cls) -> tuple[str, ...]:
        """Return the file formats this panel can write."""
        return (figures.SUFFIXES if cls._has_figure() else ()) + (("csv",) if cls._has_table() else ())

    def ask_export(self) -> FigureDialog:
        """Open the dialog that exports what the panel shows, and return it."""
        from app.dialogs.figure import FigureDialog

        self.refresh()
        if self._exporting is None or self._exporting.ended:
            self._exporting = FigureDialog(self.session, self, self.window())
        self._exporting.show()
        self._exporting.raise_()
        self._exporting.activateWindow()
        return self._exporting


class AnalysisPanel(Panel, Generic[Result]):
    """Base of the panels that show one analysis of the current run.

    Subclasses set ``shows`` and the texts of an empty panel: ``no_run`` without any run, ``waiting`` while
    nothing is known yet, perhaps ``first_epoch`` while a training has not ended its first one. ``watches``
    are the options of ``session.analyses.watch`` for an analysis that is to be computed while the panel can
    be seen (None: it is computed anyway).
    """

    shows: Analysis[Result]
    no_run: ClassVar[str]
    waiting: ClassVar[str]
    first_epoch: ClassVar[str] = ""
    watches: ClassVar[Mapping[str, Any] | None] = None

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return what has to be opened or trained to have this result, None where it is there or may come."""
        run = session.runs.current
        if run is None:
            return lacks_run(session, cls.no_run)
        if run.result(cls.shows) is not None:
            return None
        if _needs_crystal(cls.shows) and not session.data.of_role(Role.EOS):
            return Lack(run.why(cls.shows) or cls.no_run, OPEN_SCAN)
        why = run.why(cls.shows)
        return Lack(why) if why else None

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether the current run has this result."""
        run = session.runs.current
        return run is not None and run.result(cls.shows) is not None

    @property
    def analysis(self) -> Result | None:
        """The current run's result."""
        run = self.session.runs.current
        return run.result(self.shows) if run is not None else None

    def empty_text(self) -> str:
        """Return what to do, or what is waited for, to see something here."""
        run = self.session.runs.current
        if self.session.tasks.opening():
            return OPENING
        if run is None:
            return self.no_run
        begins = run.state.active and not run.history
        return run.why(self.shows) or (begins and self.first_epoch) or self.waiting

    def table(self) -> Table | None:
        """Return what the panel shows of the result as columns, or None where there is none."""
        return None if self.analysis is None else self.table_of(self.analysis)

    def figure(self) -> Drawing | None:
        """Return a function that draws what the panel shows of the result, or None where there is none."""
        return None if self.analysis is None else self.figure_of(self.analysis)

    def table_of(self, analysis: Result) -> Table | None:
        """Return what :meth:`table` does for a result."""
        raise NotImplementedError

    def figure_of(self, analysis: Result) -> Drawing | None:
        """Return what :meth:`figure` does for a result."""
        raise NotImplementedError

    def showEvent(self, event: QShowEvent) -> None:
        """Compute while somebody looks."""
        super().showEvent(event)
        self._watch(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing is computed."""
        super().hideEvent(event)
        self._watch(False)

    def _watch(self, seen: bool) -> None:
        if self.watches is not None:
            self.session.analyses.watch(self.shows, self, seen, **self.watches)


def _needs_crystal(analysis: Analysis[object]) -> bool:
    inner = (node for node in analysis.needs if isinstance(node, graph.Analysis))
    return CRYSTAL in analysis.needs or any(map(_needs_crystal, inner))
