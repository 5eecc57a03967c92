"""The bottom line: what the current run's potential is worth, what is being done, and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.look import icons, theme
from app.look.style_sheet import styled
from app.panels.base import OPENING
from app.widgets.controls import filled, tool_button
from app.widgets.labels import ElidedLabel
from app.widgets.slim_bar import SlimBar
from app.workers.tasks import Task
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import FORETOLD
from nnpcore.analyses.graph import Analysis
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT

if TYPE_CHECKING:
    from app.session.session import Session

WELCOME = (
    "Open a trajectory or the silicon example, then train: the verdict on the atomic energies appears here."
)
TRAIN = "Train, and the verdict on the atomic energies appears here."
ICONS = {"right": "good", "doubtful": "warning", "open": "warning", "wrong": "error"}

MEANINGS = {
    "ad hoc mapping": "the total energies are right, but how they are shared among the atoms is made up: the "
    "data would tell it otherwise, or another training would share them in another way.",
    "leave it open": "the training data do not tell this energy; other networks that fit them as well say "
    "something else. Further structures settle it (Cure).",
    "foretold": "the spread that the training data leave, worked out from the data without any network.",
    "cancel": "the errors of the regions are of both signs and make up for each other in the total energy.",
}
"""What the words of a verdict mean, for its tip."""


TASKS_MS = 60
"""Tasks begin and end by the dozen while files are opened; they are shown this much later at most."""


class VerdictBar(QWidget):
    """Verdict at the left; running task with cancel, device and memory at the right."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._task: Task | None = None
        self._shown: tuple[str, str, bool] | None = None
        self._curable = False
        self._open_cure: Callable[[], object] | None = None
        self.icon = QLabel(self)
        self.verdict = ElidedLabel(self)
        self.verdict.setObjectName("verdict")
        self.verdict.lines = 2
        self.verdict.setMinimumHeight(2 * self.verdict.fontMetrics().height())
        tip = "Find the structures that would settle what the data leave open"
        self.cure_button = tool_button(self, tip, self._on_cure, text="Cure…")
        self.cure_button.hide()
        self._add_task()
        self.device, self.memory = QLabel("CPU", self), QLabel(self)
        self.device.setToolTip("Device of the current run")
        self.memory.setToolTip("Memory of this program")
        right = (self.task_box, styled(self.device, "muted"), styled(self.memory, "muted"))
        parts = (self.icon, (self.verdict, 1), self.cure_button, *right)
        filled(QHBoxLayout(self), *parts, margins=(10, 2, 10, 2), spacing=8)
        self._process = None
        self._timer = QTimer(self, interval=1500)
        self._timer.timeout.connect(self._show_memory)
        self._tasks_timer = QTimer(self, singleShot=True, interval=TASKS_MS)
        self._tasks_timer.timeout.connect(self._show_tasks)
        session.tasks.started.connect(self._on_tasks_changed)
        session.tasks.finished.connect(self._on_tasks_changed)
        session.tasks.progressed.connect(self._on_progress)
        session.analyses.changed.connect(self._on_analysis_changed)
        session.analyses.watch(FORETOLD, self, True)
        for signal in (session.runs.current_changed, session.data.added, session.data.removed):
            signal.connect(self.refresh)
        session.runs.changed.connect(self._show_device)
        theme.signals().changed.connect(self.refresh)
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Watch the memory while it can be seen."""
        super().showEvent(event)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Watch no more."""
        super().hideEvent(event)
        self._timer.stop()

    def _add_task(self) -> None:
        self.task_box = QWidget(self)
        self.task_text = QLabel(self.task_box)
        self.task_bar = SlimBar(self.task_box, 6)
        self.task_bar.setFixedWidth(96)
        self.cancel_button = tool_button(self.task_box, "Cancel", self._cancel, icon="close", size=10)
        filled(QHBoxLayout(self.task_box), self.task_text, self.task_bar, self.cancel_button, spacing=6)
        self.task_box.hide()

    # verdict ------------------------------------------------------------------------------------------
    def refresh(self, *_changed: object) -> None:
        """Show the current run's verdict."""
        run = self._session.runs.current
        verdict = run.verdict() if run else None
        self._curable = verdict is not None and verdict.curable
        self._show_cure()
        opening = self._session.tasks.opening()
        if verdict is not None and not (verdict.level == "unknown" and (opening or self._awaits_eos())):
            self._show(verdict.text, str(verdict.level))
        elif opening:
            self._show(OPENING, "info")
        elif run is not None:
            fix = " Open a crystal's volume scan as EOS reference for a verdict."
            self._show(f"{run.name}: no verdict yet.{'' if self._session.data.has_eos() else fix}", "info")
        else:
            self._show(TRAIN if self._session.data.datasets else WELCOME, "info")
        self._show_device()

    def _awaits_eos(self) -> bool:
        """Whether the current run's equation of state is still to come."""
        run = self._session.runs.current
        if run is None or not self._session.data.has_eos():
            return False
        return run.result(EOS) is None and not run.why(EOS)

    def _show(self, text: str, level: str) -> None:
        current = theme.current()
        if (text, level, current.dark) == self._shown:
            return
        self._shown = (text, level, current.dark)
        colors = {"good": current.good, "warning": current.warning, "error": current.error}
        name = ICONS.get(level, "info")
        self.icon.setPixmap(icons.icon(name, colors.get(name, current.muted)).pixmap(16, 16))
        means = [f"{word.capitalize()}: {meaning}" for word, meaning in MEANINGS.items() if word in text]
        self.verdict.set_text(text, tip="\n\n".join([text, *means]))

    def offer_cure(self, open_cure: Callable[[], object]) -> None:
        """Offer what finds further structures beside a verdict that asks for some."""
        self._open_cure = open_cure
        self._show_cure()

    def _show_cure(self) -> None:
        self.cure_button.setVisible(self._curable and self._open_cure is not None)

    def _on_cure(self) -> None:
        if self._open_cure is not None:
            self._open_cure()

    def _on_analysis_changed(self, run_id: str, analysis: Analysis[object]) -> None:
        if run_id == self._session.runs.current_id and analysis in (VERDICT, EOS, REGION_ERRORS):
            self.refresh()

    # tasks --------------------------------------------------------------------------------------------
    def _on_tasks_changed(self, _task: Task) -> None:
        if (self._shown is not None and self._shown[0] == OPENING) != self._session.tasks.opening():
            self.refresh()
        if not self._tasks_timer.isActive():
            self._tasks_timer.start()

    def _show_tasks(self) -> None:
        shown = [task for task in self._session.tasks.tasks if not task.quiet]
        self._task = shown[0] if shown else None
        self.task_box.setVisible(self._task is not None)
        if self._task is not None:
            more = f" (+{len(shown) - 1})" if len(shown) > 1 else ""
            self.task_text.setText(self._task.title + more)
            self._on_progress(self._task)

    def _on_progress(self, task: Task) -> None:
        if task is self._task:
            self.task_bar.show_share(task.fraction)
            self.task_text.setToolTip(task.text)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # machine ------------------------------------------------------------------------------------------
    def _show_device(self, _run_id: str = "") -> None:
        run = self._session.runs.current
        device = run.device if run else ""
        self.device.setText("CPU" if device in ("", "auto") else device.upper())

    def _show_memory(self) -> None:
        if self._process is None:
            import psutil

            self._process = psutil.Process()
        self.memory.setText(f"{self._process.memory_info().rss / 1e9:.2f} GB")
