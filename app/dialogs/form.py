"""What every working dialog shares: fields, a message beside them, the work in the background, a memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.dialogs.fields import Section, line, mark, set_value, value_of
from app.look.style_sheet import styled
from app.session.messages import from_error
from app.widgets.controls import filled
from app.widgets.labels import ElidedLabel
from app.widgets.slim_bar import SlimBar
from app.workers.tasks import Task, TaskState
from nnpcore.errors import EatlasError
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from app.session.session import Session

Job = Callable[[Progress], Any]
WIDTH = 640
KEYS = (("Ctrl+Enter", "Start, from any field"), ("Esc", "Close without it"))
"""What keys do in a dialog."""


class FormDialog(QDialog):
    """A dialog that stays until its work is done: what was typed is never lost to a mistake.

    Subclasses set ``title``, ``name`` (for what is remembered), ``verb`` (the button's text), build fields in
    :meth:`build`, return the work in :meth:`job` and take its value in :meth:`apply`. An
    :class:`EatlasError` of either becomes a message in the dialog, at the field it names by ``where``.
    """

    title: str = ""
    name: str = ""
    doing: str = ""
    """What the work is called in the status line, the title where empty."""
    verb: str = "OK"
    forgotten: ClassVar[frozenset[str]] = frozenset()
    """Fields that start anew each time."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.task: Task | None = None
        self.ended = False
        self.sections: list[Section] = []
        self.setObjectName(f"{self.name}_dialog")
        self.setWindowTitle(self.title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        self.form = QWidget(self)
        self.body = filled(QVBoxLayout(self.form), spacing=16)
        self._column = filled(QVBoxLayout(self), self.form, margins=(20, 16, 20, 16), spacing=16)
        self.build()
        self._add_messages()
        self._add_buttons()
        self.restore(self.kept)
        for section in self.sections:
            section.changed.connect(self._on_changed)
        self.refresh()
        self.setMinimumWidth(WIDTH)
        session.tasks.progressed.connect(self._on_progress)
        session.tasks.finished.connect(self._on_task_finished)

    # for subclasses -----------------------------------------------------------------------------------
    def build(self) -> None:
        """Make the fields."""

    def refresh(self) -> None:
        """Show and hide what depends on other fields."""

    def job(self) -> Job:
        """Return the work for what the fields hold; EatlasError where they make no sense."""
        raise RuntimeError("a dialog without work")

    def task_title(self) -> str:
        """Return what the work is called in the status line."""
        return self.doing or self.title

    def apply(self, value: Any) -> None:
        """Use the value of the work; on the main thread."""

    # fields -------------------------------------------------------------------------------------------
    def section(self, title: str = "") -> Section:
        """Add a section."""
        made = Section(title, self.form)
        self.sections.append(made)
        self.body.addWidget(made)
        return made

    @property
    def widgets(self) -> dict[str, QWidget]:
        """All fields by name."""
        return {name: widget for section in self.sections for name, widget in section.widgets.items()}

    @property
    def kept(self) -> dict[str, Any]:
        """What was remembered, of the fields and else."""
        return self.session.settings.dialogs.get(self.name, {})

    def values(self) -> dict[str, Any]:
        """Return what the fields hold, by name."""
        return {name: value_of(widget) for name, widget in self.widgets.items()}

    def label_of(self, name: str) -> str:
        """Return the label of a field."""
        return next(section.labels[name].text() for section in self.sections if name in section.labels)

    def add_place(
        self,
        section: Section,
        name: str,
        label: str,
        ask: Callable[[], str],
        tip: str = "",
        placeholder: str = "",
    ) -> None:
        """Add a field for a path with a button that asks for it: "" leaves it as it is."""
        field = line(self, "", placeholder)

        def choose() -> None:
            chosen = ask()
            if chosen:
                field.setText(chosen)

        section.add(name, label, field, tip, wide=True, beside=push_button(self, choose, "Choose…"))

    def ask_where(self, name: str, suffix: str) -> Path | None:
        """Ask for a file to write, in the folder of the last one at first; None where nobody chose."""
        kept = self.session.settings.dialogs.setdefault(self.name, {})
        folder = Path(kept.get("folder") or Path.home())
        place = str((folder if folder.is_dir() else Path.home()) / f"{name}.{suffix}")
        chosen, _ = QFileDialog.getSaveFileName(self, self.title, place, f"*.{suffix}")
        if not chosen:
            return None
        path = Path(chosen) if chosen.lower().endswith(f".{suffix}") else Path(f"{chosen}.{suffix}")
        kept["folder"] = str(path.parent)
        return path

    def restore(self, values: dict[str, Any]) -> None:
        """Fill in what was remembered."""
        widgets = self.widgets
        for name, value in values.items():
            if name in widgets and name not in self.forgotten:
                set_value(widgets[name], value)

    def remember(self) -> None:
        """Keep the values for the next time."""
        kept = {name: value for name, value in self.values().items() if name not in self.forgotten}
        place = {"folder": self.kept["folder"]} if "folder" in self.kept else {}  # of :meth:`ask_where`
        self.session.settings.dialogs[self.name] = place | kept

    def _on_changed(self) -> None:
        self.clear_error()
        self.refresh()
        self.fit()

    def fit(self) -> None:
        """Be as high as the fields shown need, now and when their layouts have settled."""
        self._settle()
        QTimer.singleShot(0, self, self._settle)

    def _settle(self) -> None:
        self._column.activate()
        self.resize(self.width(), self.sizeHint().height())

    def sizeHint(self) -> QSize:
        """Return the width of the fields and the height that goes with it."""
        width = max(WIDTH, super().sizeHint().width())
        height = self._column.totalHeightForWidth(width)
        return QSize(width, height if height > 0 else super().sizeHint().height())

    # messages -----------------------------------------------------------------------------------------
    def _add_messages(self) -> None:
        self.error_box = QFrame(self)
        self.error_box.setObjectName("dialog_error")
        selectable = Qt.TextInteractionFlag.TextSelectableByMouse
        self.error = QLabel("", self.error_box, wordWrap=True, textInteractionFlags=selectable)
        styled(self.error, "error").setObjectName("dialog_error_text")
        filled(QHBoxLayout(self.error_box), self.error, margins=(12, 8, 12, 8))
        self.error_box.hide()
        self._column.addWidget(self.error_box)
        self.working = QWidget(self)
        self.progress_text = styled(ElidedLabel(self.working), "muted")
        self.bar = SlimBar(self.working, 6)
        filled(QVBoxLayout(self.working), self.progress_text, self.bar, spacing=6)
        self.working.hide()
        self._column.addWidget(self.working)

    def _add_buttons(self) -> None:
        row = filled(QHBoxLayout(), spacing=8)
        row.addStretch(1)
        self.background_button = push_button(self, self.hide, "In Background")
        self.background_button.setToolTip("Go on with the window; the status line shows the progress")
        self.stop_button = push_button(self, self.stop, "Stop")
        self.cancel_button = push_button(self, self.reject, "Cancel")
        self.start_button = push_button(self, self.start, self.verb)
        for button in (self.background_button, self.stop_button, self.cancel_button, self.start_button):
            row.addWidget(button)
        styled(self.start_button, "primary").setDefault(True)
        self.background_button.hide()
        self.stop_button.hide()
        self._column.addLayout(row)

    def show_error(self, error: BaseException) -> None:
        """Say what is wrong, beside the fields; what was typed stays."""
        self.clear_error()
        text = str(error)
        if isinstance(error, EatlasError):
            field = self.widgets.get(error.where)
            if field is not None:
                mark(field, True)
                field.setFocus()
                fix = f" {error.fix}." if error.fix else ""
                text = f"{self.label_of(error.where) or error.where}: {error.what}.{fix}"
        else:
            text = from_error(self.title, error).text
        self.error.setText(text)
        self.error_box.show()
        self.fit()

    def clear_error(self) -> None:
        """Take the message away."""
        for widget in self.widgets.values():
            mark(widget, False)
        self.error.clear()
        self.error_box.hide()

    # work ---------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Check the fields and start the work."""
        if self.task is not None:
            return
        try:
            job = self.job()
        except EatlasError as error:
            self.show_error(error)
            return
        self.remember()
        self.clear_error()
        self.task = self.session.tasks.run(self.task_title(), job, self._on_done, self._on_failed)
        self._show_working(True)

    def stop(self) -> None:
        """Cancel the work; the fields stay."""
        if self.task is not None:
            self.progress_text.set_text("Stopping…")
            self.task.cancel()

    def _show_working(self, working: bool) -> None:
        if working:
            self.bar.show_share(None)
            self.progress_text.set_text("Starting…")
        self.form.setEnabled(not working)
        self.working.setVisible(working)
        self.background_button.setVisible(working)
        self.stop_button.setVisible(working)
        self.cancel_button.setVisible(not working)
        self.start_button.setVisible(not working)
        (self.stop_button if working else self.start_button).setFocus()
        self.fit()

    def _on_progress(self, task: Task) -> None:
        if task is self.task and not task.progress.cancelled:
            self.bar.show_share(task.fraction)
            self.progress_text.set_text(task.text or "Working…")

    def _on_task_finished(self, task: Task) -> None:
        if task is self.task and task.state is TaskState.CANCELLED:
            self.task = None
            self._show_working(False)
            if not self.isVisible():
                self.end()

    def _on_done(self, value: Any) -> None:
        self.task = None
        self._show_working(False)
        self.apply(value)
        self.end()

    def _on_failed(self, error: BaseException) -> None:
        self.task = None
        self._show_working(False)
        self.show()
        self.raise_()
        self.show_error(error)

    # end ----------------------------------------------------------------------------------------------
    def reject(self) -> None:
        """Close; work that goes on goes on in the background."""
        if self.task is not None:
            self.hide()
        else:
            self.end()

    def end(self) -> None:
        """Close for good."""
        if self.ended:
            return
        self.ended = True
        self.session.tasks.progressed.disconnect(self._on_progress)
        self.session.tasks.finished.disconnect(self._on_task_finished)
        self.done(0)
        self.deleteLater()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Start with Ctrl+Return from any field."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.key() in keys and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.start()
            return
        super().keyPressEvent(event)


def push_button(parent: QWidget, run: Callable[[], Any], text: str) -> QPushButton:
    """Return a button of a dialog; Return in a field does not press it."""
    button = QPushButton(text, parent, autoDefault=False)
    button.clicked.connect(lambda _=False: run())
    return button
