"""The rows of runs in the list of data and runs: state, progress, time left, best error."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QInputDialog, QLabel, QMenu, QVBoxLayout, QWidget

from app.documents.run import RunDocument, RunState
from app.look import theme
from app.look.numbers import duration
from app.look.style_sheet import styled
from app.session.notes import why_not
from app.widgets.controls import filled, tool_button
from app.widgets.eye import EyeButton
from app.widgets.labels import ElidedLabel
from app.widgets.slim_bar import SlimBar

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
    RunState.ELSEWHERE: ("training elsewhere", "accent"),
}
"""Words and colours of the states."""

STOP_TIP = "Stop (resume it later)"
COMPARE_TIP = "Show this run beside the chosen one in EOS, Mapping and Connectivity"
SHOWN_TIP = "The chosen run is always shown; others join it by their eyes"


def run_menu(session: Session, run_id: str, parent: QWidget) -> QMenu:
    """Return the context menu of a run."""
    run = session.runs.documents[run_id]
    menu = QMenu(parent)
    if run.state is RunState.RUNNING:
        menu.addAction("Pause", lambda: session.trainings.pause(run_id))
    elif run.state is RunState.WAITING:
        menu.addAction("Drop", lambda: session.trainings.stop(run_id))
        menu.addAction("Drop all that wait", session.trainings.drop_waiting)
    elif run.state is not RunState.ELSEWHERE and (not run.state.active or run.state is RunState.PAUSED):
        menu.addAction("Resume", lambda: session.trainings.resume(run_id))
    if run.state.active:
        menu.addAction("Stop", lambda: session.trainings.stop(run_id))
    menu.addSeparator()
    if run.unsaved:
        menu.addAction("Save elsewhere…", lambda: session.trainings.unsaved.save_elsewhere(run.id))
    use = menu.addAction(
        "Use its settings", lambda: session.trainings.set_settings(run.settings, f"settings of {run.name}")
    )
    use.setToolTip("Copy this run's settings into Model")
    star = menu.addAction(
        "Star", partial(session.notes.set, run_id, replace(run.note, star=not run.note.star))
    )
    star.setCheckable(True)
    star.setChecked(run.note.star)
    note = menu.addAction("Note…", partial(_note, session, run_id, parent))
    for action in (star, note):
        action.setEnabled(not why_not(run))
        action.setToolTip(why_not(run))
    export = menu.addAction("Export potential…", lambda: _ask_export(session, run_id))
    export.setEnabled(run.potential is not None)
    if run.folder is not None and run.state is not RunState.WAITING:
        url = QUrl.fromLocalFile(str(run.folder))
        menu.addAction("Show folder", lambda: QDesktopServices.openUrl(url))
    if not run.state.active and run.state is not RunState.WAITING:
        menu.addSeparator()
        menu.addAction("Take off the list", lambda: session.runs.remove(run_id))
    return menu


def _note(session: Session, run_id: str, parent: QWidget) -> None:
    """Open a text to be changed beside the window; nothing waits for it."""
    run = session.runs.documents[run_id]
    dialog = QInputDialog(parent.window())
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle("Note")
    dialog.setLabelText(f"What to say of {run.name}:")
    dialog.setOption(QInputDialog.InputDialogOption.UsePlainTextEditForTextInput)
    dialog.setTextValue(run.note.text)

    def keep(text: str) -> None:
        if run_id in session.runs.documents:
            session.notes.set(run_id, replace(run.note, text=text.strip()))

    dialog.textValueSelected.connect(keep)
    dialog.show()


def _ask_export(session: Session, run_id: str) -> None:
    session.runs.set_current(run_id)
    session.export_wanted.emit()


class RunRow(QWidget):
    """One run, with the buttons that make sense in its state."""

    def __init__(self, session: Session, run_id: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._run_id = session, run_id
        self.setObjectName("run_row")
        self.compare = EyeButton(self, COMPARE_TIP, partial(session.runs.set_compared, run_id))
        self.name, self.state = styled(ElidedLabel(self), "heading"), styled(QLabel(self), "small")
        self.name.elide = Qt.TextElideMode.ElideMiddle
        self.pause_button, self.resume_button, self.stop_button = buttons = [
            tool_button(self, tip, partial(run, run_id), icon=icon, size=12)
            for icon, tip, run in (
                ("pause", "Pause", session.trainings.pause),
                ("resume", "Go on", session.trainings.resume),
                ("stop", STOP_TIP, session.trainings.stop),
            )
        ]
        top = filled(QHBoxLayout(), (self.name, 1), *buttons, self.compare, spacing=2)
        top.addStrut(self.stop_button.sizeHint().height())  # as high without buttons
        self.bar = SlimBar(self, 4)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # rows are as high in any state
        self.bar.setSizePolicy(policy)
        self.line = styled(ElidedLabel(self), "muted", "small")
        below = filled(QHBoxLayout(), self.state, (self.line, 1), spacing=4)
        filled(QVBoxLayout(self), top, self.bar, below, margins=(10, 3, 6, 3), spacing=0)
        self.refresh()

    def refresh(self) -> None:
        """Show how the run stands."""
        run = self._session.runs.documents[self._run_id]
        about = run.message or str(run.folder or run.name)
        tip = f"{run.note.text}\n{about}" if run.note.text else about
        self.name.set_text(("★ " if run.note.star else "") + run.name, tip=tip)
        chosen = self._run_id == self._session.runs.current_id
        self.compare.show_state(chosen or self._run_id in self._session.runs.compared)
        self.compare.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, chosen)
        self.compare.setFocusPolicy(Qt.FocusPolicy.NoFocus if chosen else Qt.FocusPolicy.TabFocus)
        self.compare.setToolTip(SHOWN_TIP if chosen else COMPARE_TIP)
        self.setToolTip(run.message or str(run.folder or ""))
        text, color = STATES[run.state]
        self.state.setText(text)
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
        self.bar.show_steps(run.epoch, 0 if busy and run.state.active else max(run.n_epochs, 1))
        self.bar.setVisible(run.state.active or run.state is RunState.WAITING)
        self.line.set_text(describe(run))


def describe(run: RunDocument) -> str:
    """Return one line on how far a run is."""
    if run.state is RunState.WAITING:
        return "Starts when the training before it has ended"
    if run.state is RunState.PREPARING:
        return run.progress_text or "Getting ready"
    epochs = f"epoch {run.epoch}" + (f"/{run.n_epochs}" if run.n_epochs else "")
    parts = [run.message if run.state is RunState.IMPORTED else epochs]
    if run.unsaved:
        parts.append("not saved")
    best = run.best()
    if best is not None:
        parts.append(f"{best:.3g} meV/atom")
    eta = run.eta_seconds
    if run.state in (RunState.RUNNING, RunState.ELSEWHERE) and eta is not None and run.n_epochs:
        parts.append(f"{duration(eta)} left")
    if run.state is RunState.ELSEWHERE:
        parts.append(run.message)
    return " · ".join(parts)
