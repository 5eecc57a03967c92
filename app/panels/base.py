"""What every panel shares: the session, a slim toolbar, and exporting its figure and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import QSize, Qt, SignalInstance
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.look import icons
from app.session.messages import Notification
from app.widgets.controls import tool_button
from app.widgets.placeholder import Placeholder
from app.widgets.redraw import Seen, Throttle
from nnpcore import figures
from nnpcore.figures.tables import write_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from app.session.session import Session
    from nnpcore.analyses import Analysis

ARRANGED = 3
Table = Mapping[str, Sequence]


def by_width(arrange: Callable[[Any], None]) -> Callable[[Any], None]:
    """Let a panel's method arrange again where it changed the panel's width by what it showed."""

    def run(panel: Any) -> None:
        for _ in range(ARRANGED):
            width = panel.width()
            arrange(panel)
            if panel.width() == width:
                break

    return run


class Panel(QWidget):
    """Base class of the docks' contents. A panel speaks to its session only, never to another panel.

    Subclasses set ``title`` and ``name`` (unique, for layouts and settings), add controls to the toolbar with
    ``add_tool`` and content with ``set_body``. A panel with a figure overrides :meth:`figure`; one with
    numbers overrides :meth:`table`; the export button appears by itself. An ``eager`` panel is built with the
    window even behind a tab, since it listens from the start.
    """

    title: ClassVar[str] = ""
    name: ClassVar[str] = ""
    eager: ClassVar[bool] = False

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName(self.name)
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.toolbar = QWidget(self)
        self._tools = QHBoxLayout(self.toolbar)
        self._tools.setContentsMargins(8, 0, 0, 0)
        self._tools.setSpacing(4)
        self._tools.addStretch(1)
        self._column.addWidget(self.toolbar)
        if self.can_export():
            self._tools.addWidget(self._export_button())

    # building -----------------------------------------------------------------------------------------
    def set_body(self, widget: QWidget) -> None:
        """Put the panel's content under the toolbar."""
        widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._column.addWidget(widget, 1)

    def add_tool(self, widget: QWidget, label: str = "", *, at_end: bool = False) -> None:
        """Add a control with a muted label before it to the toolbar; ``at_end``: beside the export button."""
        position = self._tools.count() - (1 if self.can_export() else 0) - (0 if at_end else 1)
        if label:
            caption = QLabel(label, self.toolbar)
            caption.setProperty("muted", True)
            caption.setProperty("small", True)
            self._tools.insertWidget(position, caption)
            position += 1
        self._tools.insertWidget(position, widget)

    def set_plots(
        self, plots: Mapping[QWidget, int], note: QWidget | None = None, *, gap: int = -1, indent: int = 8
    ) -> None:
        """Put plots side by side (widget -> share of the width) with a note under them.

        ``self.body`` shows a message instead of them. The ``gap`` between the plots (-1: the style's) and the
        note's ``indent`` are in pixels.
        """
        content = QWidget(self)
        column, row, line = QVBoxLayout(content), QHBoxLayout(), QHBoxLayout()
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(2 if indent else 0)
        row.setSpacing(gap)
        for plot, share in plots.items():
            row.addWidget(plot, share)
        column.addLayout(row, 1)
        if note is not None:
            line.setContentsMargins(indent, 0, indent, 0)
            line.addWidget(note)
            column.addLayout(line)
        self.body = Placeholder(content, self)
        self.set_body(self.body)

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring what is shown up to date."""

    def follow(
        self,
        *signals: SignalInstance,
        analyses: Collection[Analysis[object]] = (),
        compared: bool = False,
    ) -> None:
        """Refresh from now on, at a bounded rate and while the panel can be seen.

        After any of the signals, and when one of the analyses of the current run has another result
        (``compared``: of the runs shown beside it, too).
        """
        self._analyses_followed, self._follows_compared = analyses, compared
        self._throttle = Throttle(self.refresh, self)
        self._seen = Seen()
        for signal in signals:
            signal.connect(self._throttle.request)
        self.session.analyses.changed.connect(self._on_analysis_followed)
        self.refresh()

    def _on_analysis_followed(self, run_id: str, analysis: Analysis[object]) -> None:
        runs = self.session.runs
        shown = [run.id for run in runs.shown()] if self._follows_compared else [runs.current_id]
        if analysis in self._analyses_followed and run_id in shown:
            self._throttle.request()

    def sizeHint(self) -> QSize:
        """Return a modest default size."""
        return QSize(320, 240)

    # exporting ----------------------------------------------------------------------------------------
    def figure(self) -> Callable[[], Figure] | None:
        """Return a function that draws the figure, or None if it is empty.

        Called on the main thread: take a snapshot of what is needed here. The function runs on a background
        thread and draws with matplotlib (:mod:`nnpcore.figures`), never with widgets.
        """
        return None

    def figure_task(self) -> Callable[[Path], None] | None:
        """Return a function that writes the figure to a path (its suffix is the format), or None if empty."""
        draw = self.figure()
        return None if draw is None else partial(_write_figure, draw)

    def table(self) -> Table | None:
        """Return what the panel shows as columns (name with unit -> values), or None if there is nothing."""
        return None

    def can_export(self) -> bool:
        """Whether the panel has a figure or numbers to export."""
        return self._has_figure() or self._has_table()

    def _has_figure(self) -> bool:
        return type(self).figure is not Panel.figure

    def _has_table(self) -> bool:
        return type(self).table is not Panel.table

    def export_formats(self) -> tuple[str, ...]:
        """Return the file formats this panel can write."""
        return (figures.SUFFIXES if self._has_figure() else ()) + (("csv",) if self._has_table() else ())

    def _export_button(self) -> QToolButton:
        menu = self.export_menu(self.toolbar)
        return tool_button(self.toolbar, f"Export {self.title.lower()}", icon="export", menu=menu)

    def export_menu(self, parent: QWidget) -> QMenu:
        """Return a menu with one entry per format."""
        menu = QMenu(self.title, parent)
        for suffix in self.export_formats():
            text = "Numbers as CSV…" if suffix == "csv" else f"Figure as {suffix.upper()}…"
            menu.addAction(text, lambda suffix=suffix: self.ask_export(suffix))
        return menu

    def ask_export(self, suffix: str) -> None:
        """Ask for a file name and export there."""
        start = str(Path.home() / f"{self.name}.{suffix}")
        path, _ = QFileDialog.getSaveFileName(self, f"Export {self.title}", start, f"*.{suffix}")
        if path:
            self.export_to(Path(path) if Path(path).suffix else Path(f"{path}.{suffix}"))

    def export_to(self, path: Path) -> None:
        """Write the figure or the numbers (by the suffix) in the background and tell when it is done."""
        if path.suffix.lower() == ".csv":
            columns = self.table()
            write = None if columns is None else partial(_write_table, columns)
        else:
            write = self.figure_task()
        if write is None:
            text = "There is nothing to export yet."
            self.session.messages.notify(Notification("info", f"{self.title} is empty", text))
            return
        self.session.tasks.run(
            f"Exporting {path.name}",
            lambda progress, write=write: write(path),
            lambda _: self.session.messages.notify(Notification("info", f"{self.title} exported", str(path))),
            lambda error: self.session.messages.notify_error(f"{path.name} was not written", error),
        )

    def icon(self, name: str) -> QIcon:
        """Return an icon in the theme's colours."""
        return icons.icon(name)


def _write_figure(draw: Callable[[], Figure], path: Path) -> None:
    figures.save_figure(draw(), path)


def _write_table(columns: Table, path: Path) -> None:
    write_csv(path, columns)
