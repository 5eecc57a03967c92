"""A Python console in a process of its own, with copies of what the window shows."""

from __future__ import annotations

import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer
from PySide6.QtGui import QFontDatabase, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.look import theme
from app.panels.base import Panel
from app.widgets.controls import filled, tool_button
from app.widgets.placeholder import Placeholder
from app.workers.console import Kernel, start_kernel
from nnpcore.console.kernel import BANNER, Shown, write_shown

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

STARTING = "Python is starting…"
PAUSE_MS = 200
"""After a change what the window shows is left for the console."""

LEAST_WIDTH = 340
MOST_SELECTED = 100_000
LINES = 500
"""Lines kept: as many are written at a time where a cell prints without end."""

LONGEST = 5000
"""Letters of a line that are shown: a text of millions in one line would hold the window up."""

WATCH_MS = 500
"""Pause between two looks whether Python still runs."""

ENDED = "Python has ended. Start it anew with the button above."
DARK_ANSI = {0: "grey", 1: "salmon", 2: "lightgreen", 4: "deepskyblue", 5: "violet", 6: "skyblue", 7: "white"}
STYLE = """
QPlainTextEdit, QTextEdit {{
    background-color: {0.panel}; color: {0.text};
    selection-background-color: {0.accent}; selection-color: {0.on_accent};
}}
.inverted {{ background-color: {0.text}; color: {0.panel}; }}
.error {{ color: {0.error}; }}
.in-prompt, .in-prompt-number {{ color: {0.accent}; font-weight: bold; }}
.out-prompt, .out-prompt-number {{ color: {0.warning}; font-weight: bold; }}
"""


class ConsolePanel(Panel):
    """Starts Python when it is first seen, and leaves for it what the window shows."""

    title = "Console"
    name = "console"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.kernel: Kernel | None = None
        self.console: Any = None
        self._client: Any = None
        self._begun = self._closed = self._leaving = self._wants_keys = False
        self._folder = Path()
        self._written: Frame | None = None
        self._version = 0
        content = QWidget(self)
        self._place = filled(QVBoxLayout(content))
        self.body = Placeholder(content, self)
        self.body.set_message(STARTING)
        self.set_body(self.body)
        self.interrupt_button = tool_button(self, "Interrupt the cell (Ctrl+C)", self.interrupt, icon="stop")
        self.restart_button = tool_button(self, "Start Python anew", self.restart, icon="refresh")
        for button in (self.interrupt_button, self.restart_button):
            self.add_tool(button, at_end=True)
            button.setEnabled(False)
        self._timer = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._timer.timeout.connect(self._leave)
        self._watch_timer = QTimer(self, interval=WATCH_MS)
        self._watch_timer.timeout.connect(self._look_after)
        session.closing.connect(self._on_closing)
        theme.signals().changed.connect(self._restyle)

    # starting -----------------------------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        """Start Python when somebody looks for the first time."""
        super().showEvent(event)
        if not self._begun:
            self._begun = True
            self._folder = Path(tempfile.mkdtemp(prefix="eatlas-console-"))
            self._follow()
            self._start()

    def _start(self) -> None:
        self.body.set_message(STARTING)
        folder, shown, frame = self._folder, self.shown(), self.session.data.frame
        self._written = frame

        def work(_: Progress) -> Kernel:
            write_shown(folder, shown, frame)
            return start_kernel(folder)

        self.session.tasks.run("Starting the console", work, self._begin, self._on_failed, key="console")

    def _on_failed(self, error: BaseException) -> None:
        self.body.set_message(str(error))

    def _begin(self, kernel: Kernel) -> None:
        """Show the console of a process that runs."""
        if self._closed:
            kernel.end()
            return
        from qtconsole.client import QtKernelClient
        from qtconsole.rich_jupyter_widget import RichJupyterWidget

        self.kernel = kernel
        self._client = QtKernelClient(connection_file=kernel.connection_file)
        self._client.load_connection_file()
        self._client.start_channels()
        self.console = RichJupyterWidget(self, buffer_size=LINES, gui_completion="droplist")
        self.console.banner = BANNER
        self.console.append_stream = partial(_write, self.console)
        self.console.custom_interrupt = self.console.custom_restart = True
        self.console.custom_interrupt_requested.connect(self.interrupt)
        self.console.custom_restart_requested.connect(self.restart)
        self.console.confirm_restart = False
        self._restyle()
        self.console.kernel_client = self._client
        self._place.addWidget(self.console)
        self.body.set_message("")
        self.console.setMinimumWidth(LEAST_WIDTH)
        if self._wants_keys:
            self.take_keys()
        self._watch_timer.start()
        for button in (self.interrupt_button, self.restart_button):
            button.setEnabled(True)

    def _restyle(self) -> None:
        if self.console is not None:
            self.console.font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
            self.console.style_sheet = STYLE.format(theme.current())
            self.console.syntax_style = "monokai" if theme.current().dark else "default"
            if theme.current().dark:  # its own red and green are hardly seen on dark
                self.console._ansi_processor.color_map.update(DARK_ANSI)

    def take_keys(self) -> None:
        """Let the next keys go to the cell, at once or as soon as Python runs."""
        self._wants_keys = self.console is None
        if self.console is not None:
            self.console._control.setFocus()

    # the process --------------------------------------------------------------------------------------
    def interrupt(self, *_: object) -> None:
        """Stop the cell that runs."""
        if self.kernel is not None:
            self.kernel.interrupt()

    def restart(self, *_: object) -> None:
        """End Python and start it anew; what its cells have made is gone."""
        self.restart_button.setEnabled(False)
        if self.kernel is None:
            self._start()
        else:
            kernel = self._drop()
            self.session.tasks.run("Ending Python", lambda _: kernel.end(), lambda _: self._start())

    def _look_after(self) -> None:
        """Say so where Python has ended by itself."""
        if self.kernel is not None and not self.kernel.alive:
            self._drop()
            self.body.set_message(ENDED)
            self.restart_button.setEnabled(True)

    def _drop(self) -> Kernel:
        """Take the console away and return its process."""
        kernel = self.kernel
        assert kernel is not None
        self._watch_timer.stop()
        self._client.stop_channels()
        self.console.deleteLater()
        self.kernel = self.console = self._client = None
        for button in (self.interrupt_button, self.restart_button):
            button.setEnabled(False)
        return kernel

    def _on_closing(self) -> None:
        """Leave no process and no folder behind."""
        self._closed = True
        self._timer.stop()
        if self.kernel is not None:
            self._drop().end()
        if self._begun:
            shutil.rmtree(self._folder, ignore_errors=True)

    # what is shown ------------------------------------------------------------------------------------
    def _follow(self) -> None:
        session = self.session
        for signal in (
            session.data.current_changed, session.data.added, session.data.removed, session.data.changed,
            session.runs.current_changed, session.runs.changed, session.selection.changed,
        ):  # fmt: skip
            signal.connect(self._soon)

    def _soon(self, *_: object) -> None:
        if not self._closed:
            self._timer.start()

    def _leave(self) -> None:
        """Leave what the window shows for the console, in the background, one after the other."""
        if self._leaving:
            self._soon()
            return
        self._leaving = True
        folder, shown, frame = self._folder, self.shown(), self.session.data.frame
        new = frame if frame is not self._written else None
        self._written = frame
        self.session.tasks.run(
            "Telling the console", lambda _: write_shown(folder, shown, new), self._on_left,
            self._on_not_left, quiet=True,
        )  # fmt: skip

    def _on_left(self, _: object) -> None:
        self._leaving = False

    def _on_not_left(self, error: BaseException) -> None:
        self._leaving, self._written = False, None
        self.session.messages.notify_error("The console does not follow the window", error)

    def shown(self) -> Shown:
        """Return what the window shows now."""
        session = self.session
        documents, current, run = session.data.datasets, session.data.current, session.runs.current
        frame = session.data.frame
        self._version += frame is not self._written
        chosen = [atom for atom in sorted(session.selection.current.atoms) if atom.dataset_id in documents]
        return Shown(
            files=[
                {"name": d.name, "path": d.path, "role": d.role.value, "n_frames": d.n_frames}
                for d in documents.values()
            ],
            file="" if current is None else current.name,
            frame=session.data.frame_index,
            runs=[{"name": r.name, "folder": str(r.folder or "")} for r in session.runs.documents.values()],
            run="" if run is None or run.folder is None else str(run.folder),
            selection=[[documents[a.dataset_id].name, a.frame, a.atom] for a in chosen[:MOST_SELECTED]],
            version=self._version,
        )


def _write(console: Any, text: str) -> None:
    """Write what a cell prints, with the ends of very long lines cut off."""
    type(console).append_stream(console, cut_lines(text))


def cut_lines(text: str) -> str:
    """Return a text without what its lines have beyond :data:`LONGEST` letters, saying how much that is."""

    def cut(line: re.Match[str]) -> str:
        return f"{line[0][:LONGEST]}… ({len(line[0]) - LONGEST} letters more)"

    return re.sub(rf"[^\n]{{{LONGEST + 1},}}", cut, text)
