"""The trainings of this session and those opened from their folders."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from app.documents.run import RunDocument, RunState
from app.look import theme
from app.look.numbers import duration
from app.look.style_sheet import styled
from app.panels.base import Panel
from app.widgets.controls import filled, tool_button
from app.widgets.labels import ElidedLabel
from app.widgets.row_list import RowList

if TYPE_CHECKING:
    from app.session.session import Session

STATES = {
    RunState.WAITING: ("waiting", "muted"),
    RunState.PREPARING: ("preparing", "accent"),
    RunState.RUNNING: ("training", "accent"),
    RunState.PAUSED: ("paused", "warning"),
    RunState.STOPPING: ("stopping", "muted"),
    RunState.STOPPED: ("stopped", "muted"),
    RunState.FINISHED: ("finished", "good"),
    RunState.FAILED: ("failed", "error"),
    RunState.IMPORTED: ("imported", "good"),
}
"""Words and colours of the states."""

STOP_TIP = "Stop (resume it later)"
COMPARE_TIP = "Show this run beside the chosen one in EOS, Mapping and Connectivity"


class RunsPanel(Panel):
    """One row per run: state, progress, time left, best error."""

    title = "Runs"
    name = "runs"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        empty = styled(QLabel("No training yet.\nSet it up above and press Train.", self), "muted")
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        empty.setWordWrap(True)
        self.rows = RowList[RunRow]("runs_list", empty, session.runs.set_current, self.menu_of, self)
        self.set_body(self.rows)
        button = tool_button(self, "Open the folder of a training", self.ask_open, icon="folder")
        self.add_tool(button, at_end=True)
        session.runs.added.connect(self._add)
        session.runs.removed.connect(self.rows.remove)
        session.runs.changed.connect(self._on_changed)
        session.runs.current_changed.connect(self._on_current_changed)
        compared = session.runs.comparison_changed, session.runs.added, session.runs.removed
        for signal in (*compared, theme.signals().changed):
            signal.connect(self._refresh_all)
        for run_id in session.runs.documents:
            self._add(run_id)

    def _refresh_all(self, *_: object) -> None:
        for run_id in self.session.runs.documents:
            self._on_changed(run_id)

    def ask_open(self) -> None:
        """Ask for a run folder and open it."""
        folder = QFileDialog.getExistingDirectory(
            self, "Open the folder of a training", str(self.session.settings.runs_folder)
        )
        if folder:
            self.session.runs.open(folder)

    def _add(self, run_id: str) -> None:
        self.rows.add(run_id, RunRow(self.session, run_id, self), first=True)

    def _on_changed(self, run_id: str) -> None:
        row = self.rows.row(run_id)
        if row is not None:
            row.refresh()

    def _on_current_changed(self) -> None:
        self.rows.choose(self.session.runs.current_id)

    def menu_of(self, run_id: str) -> QMenu:
        """Return the context menu of a run."""
        run, session = self.session.runs.documents[run_id], self.session
        menu = QMenu(self)
        if run.state is RunState.RUNNING:
            menu.addAction("Pause", lambda: session.trainings.pause(run_id))
        elif run.state is RunState.WAITING:
            menu.addAction("Drop", lambda: session.trainings.stop(run_id))
            menu.addAction("Drop all that wait", session.trainings.drop_waiting)
        elif not run.state.active or run.state is RunState.PAUSED:
            menu.addAction("Resume", lambda: session.trainings.resume(run_id))
        if run.state.active:
            menu.addAction("Stop", lambda: session.trainings.stop(run_id))
        menu.addSeparator()
        use = menu.addAction(
            "Use its settings", lambda: session.trainings.set_settings(run.settings, "Use settings")
        )
        use.setToolTip("Copy this run's settings into Model")
        export = menu.addAction("Export potential…", lambda: self._ask_export(run_id))
        export.setEnabled(run.potential is not None)
        if run.folder is not None and run.state is not RunState.WAITING:
            url = QUrl.fromLocalFile(str(run.folder))
            menu.addAction("Show folder", lambda: QDesktopServices.openUrl(url))
        if not run.state.active and run.state is not RunState.WAITING:
            menu.addSeparator()
            menu.addAction("Take off the list", lambda: session.runs.remove(run_id))
        return menu

    def _ask_export(self, run_id: str) -> None:
        self.session.runs.set_current(run_id)
        self.session.export_wanted.emit()


class RunRow(QWidget):
    """One run, with the buttons that make sense in its state."""

    def __init__(self, session: Session, run_id: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._run_id = session, run_id
        self.setObjectName("run_row")
        self.compare = QCheckBox(self)
        self.compare.setToolTip(COMPARE_TIP)
        self.compare.toggled.connect(lambda on: session.runs.set_compared(run_id, on))
        self.name, self.state = styled(QLabel(self), "heading"), styled(QLabel(self), "small")
        self.pause_button, self.resume_button, self.stop_button = buttons = [
            tool_button(self, tip, partial(run, run_id), icon=icon, size=12)
            for icon, tip, run in (
                ("pause", "Pause", session.trainings.pause),
                ("resume", "Go on", session.trainings.resume),
                ("stop", STOP_TIP, session.trainings.stop),
            )
        ]
        top = filled(QHBoxLayout(), self.compare, self.name, (self.state, 1), *buttons, spacing=2)
        top.addStrut(self.stop_button.sizeHint().height())  # as high without buttons
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(4)
        self.line = styled(ElidedLabel(self), "muted", "small")
        filled(QVBoxLayout(self), top, self.bar, self.line, margins=(10, 6, 6, 6), spacing=3)
        self.refresh()

    def refresh(self) -> None:
        """Show how the run stands."""
        run = self._session.runs.documents[self._run_id]
        self.name.setText(run.name)
        with QSignalBlocker(self.compare):
            self.compare.setChecked(self._run_id in self._session.runs.compared)
        self.compare.setVisible(len(self._session.runs.documents) > 1)  # else: nothing to compare with
        self.setToolTip(run.message or str(run.folder or ""))
        text, color = STATES[run.state]
        self.state.setText(f" {text}")
        sheet = f"color: {getattr(theme.current(), color)}"
        if self.state.styleSheet() != sheet:  # setting it is slow
            self.state.setStyleSheet(sheet)
        self.pause_button.setVisible(run.state is RunState.RUNNING)
        can_resume = (
            run.state in (RunState.PAUSED, RunState.STOPPED, RunState.FAILED) and run.folder is not None
        )
        self.resume_button.setVisible(can_resume)
        waits = run.state is RunState.WAITING
        self.stop_button.setToolTip("Drop it: it has not started" if waits else STOP_TIP)
        self.stop_button.setVisible(waits or (run.state.active and run.state is not RunState.STOPPING))
        busy = run.state is RunState.PREPARING or not run.n_epochs
        self.bar.setRange(0, 0 if busy and run.state.active else max(run.n_epochs, 1))
        self.bar.setValue(run.epoch)
        self.line.set_text(describe(run))


def describe(run: RunDocument) -> str:
    """Return one line on how far a run is."""
    if run.state is RunState.WAITING:
        return "Starts when the training before it has ended"
    if run.state is RunState.PREPARING:
        return run.progress_text or "Getting ready"
    epochs = f"epoch {run.epoch}" + (f"/{run.n_epochs}" if run.n_epochs else "")
    parts = [run.message if run.state is RunState.IMPORTED else epochs]
    best = run.best()
    if best is not None:
        parts.append(f"{best:.3g} meV/atom")
    eta = run.eta_seconds
    if run.state is RunState.RUNNING and eta is not None and run.n_epochs:
        parts.append(f"{duration(eta)} left")
    return " · ".join(parts)
