"""The guided pages of an example: a bar under the toolbar that tells, and sets what is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolBar, QVBoxLayout, QWidget

from app.documents.tour import Step, tours
from app.look.numbers import true_minus
from app.look.style_sheet import styled
from app.shell.spaces import Spaces
from app.widgets.controls import filled, tool_button
from app.widgets.labels import NoteLabel
from app.workers.example_sessions import ToldClaim
from nnpcore.analyses.inputs import CHOSEN_GROUPS, GROUPING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.session.session import Session

WAIT_MS = 120
VARIED = ("temperatures", "cutoff", "surfaces", "epochs")
"""How the lines begin that say at which settings the numbers were measured."""


class Guide(QObject):
    """Leads through an example; a step takes effect as soon as the files and runs it needs are open."""

    changed = Signal()

    def __init__(self, session: Session, spaces: Spaces) -> None:
        super().__init__(spaces)
        self._session, self._spaces = session, spaces
        self.title = ""
        self.steps: tuple[Step, ...] = ()
        self.claims: tuple[ToldClaim, ...] = ()
        self.number = 0
        self.again: Callable[[], None] | None = None
        self._pending = False
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._timer.timeout.connect(self._apply)
        for signal in (session.data.added, session.runs.added, session.runs.current_changed):
            signal.connect(self._on_opened)

    @property
    def step(self) -> Step | None:
        """The page shown, or None."""
        return self.steps[self.number] if self.steps else None

    def begin(
        self,
        name: str,
        title: str,
        claims: Sequence[ToldClaim],
        again: Callable[[], None] | None = None,
    ) -> None:
        """Show the first page of an example; ``again`` runs its study once more."""
        self.again = again
        for choice in (GROUPING, CHOSEN_GROUPS):
            self._session.analyses.choose(choice, None)  # of what stood here before
        self.title, self.steps, self.claims = title, tours().get(name, ()), tuple(claims)
        self.go(0)

    def end(self) -> None:
        """Show no page any more."""
        self.steps, self._pending = (), False
        self._session.told.show(None)
        self.changed.emit()

    def go(self, number: int) -> None:
        """Show a page."""
        self.number = min(max(number, 0), max(len(self.steps) - 1, 0))
        self._pending = bool(self.steps)
        self.changed.emit()
        self._apply()

    def claim(self) -> ToldClaim | None:
        """Return the claim that belongs to the page."""
        step = self.step
        if step is None or not step.claim:
            return None
        return next((claim for claim in self.claims if step.claim in claim.claim), None)

    def text(self) -> str:
        """Return the sentence of the page; it is another one where its claim does not hold."""
        step, claim = self.step, self.claim()
        if step is None:
            return ""
        return step.otherwise if step.otherwise and claim is not None and not claim.holds else step.text

    def _on_opened(self, *_: object) -> None:
        if self._pending:
            self._timer.start()

    def _apply(self) -> None:
        step, session = self.step, self._session
        if step is None or not self._pending:
            return
        names = {Path(run.folder).name: key for key, run in session.runs.documents.items() if run.folder}
        files = {document.name: key for key, document in session.data.datasets.items()}
        self._pending = (step.run not in ("", *names)) or (step.data not in ("", *files))
        session.undo_stack.beginMacro(f"{self.title}, page {self.number + 1}")
        self._spaces.choose(step.workspace)
        if step.data in files:
            session.data.show(files[step.data], step.frame - 1)
        for name, key in files.items():
            session.visibility.show(key, name not in step.hidden)
        if step.color:
            session.coloring.set(kind=step.color)
        if step.run in names:
            for name, key in names.items():
                session.runs.set_compared(key, name in step.compared)
            session.runs.set_current(names[step.run])
        session.undo_stack.endMacro()
        claim = self.claim()
        chart = None
        if step.chart is not None and claim is not None:
            said = claim.claim if claim.holds else f"Does not hold here: {claim.claim}"
            chart = step.chart.draw(claim.numbers, said)
        session.told.show(chart)
        for name, what in step.panels:
            self._spaces.bring(name, what)


class GuideBar(QToolBar):
    """The page: title, sentence, the paper's claim beside ours, and Next."""

    def __init__(self, guide: Guide, parent: QWidget) -> None:
        super().__init__("Guide", parent)
        self._guide = guide
        self.setObjectName("guide_bar")
        self.setMovable(False)
        self.toggleViewAction().setEnabled(False)
        page = QWidget(self)
        page.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.title, self.place = styled(QLabel(page), "heading"), styled(QLabel(page), "muted", "small")
        self.text = NoteLabel(page, "text", lines=2)
        self.text.setFixedHeight(2 * self.text.fontMetrics().height() + 4)  # no page moves the panels
        self.claim = NoteLabel(page, "muted", lines=1)
        self.back, self.next = self._button("Back", -1, page), self._button("Next", 1, page)
        self.next.setProperty("primary", True)
        self.again = tool_button(page, "Run this study again…", self._run_again, icon="refresh", size=14)
        self.close_button = tool_button(page, "End the guide", guide.end, icon="close", size=12, muted=True)
        head = filled(QVBoxLayout(), self.title, self.place, spacing=2)
        texts = filled(QVBoxLayout(), self.text, self.claim, spacing=2)
        row = filled(QHBoxLayout(page), head, (texts, 1), margins=(12, 4, 6, 4), spacing=12)
        for button in (self.back, self.next, self.again, self.close_button):
            row.addWidget(button)
        self.addWidget(page)
        guide.changed.connect(self.refresh)
        self.hide()

    def _run_again(self) -> None:
        if self._guide.again is not None:
            self._guide.again()

    def _button(self, text: str, by: int, parent: QWidget) -> QPushButton:
        button = QPushButton(text, parent)
        button.clicked.connect(lambda _checked=False: self._go(by))
        return button

    def _go(self, by: int) -> None:
        last = self._guide.number + 1 == len(self._guide.steps)
        run: Callable[[], None] = self._guide.end if by > 0 and last else self._step_by(by)
        run()

    def _step_by(self, by: int) -> Callable[[], None]:
        return lambda: self._guide.go(self._guide.number + by)

    def refresh(self) -> None:
        """Show the page of now."""
        guide, step = self._guide, self._guide.step
        self.setVisible(step is not None)
        if step is None:
            return
        self.title.setText(guide.title)
        self.place.setText(f"page {guide.number + 1} of {len(guide.steps)}")
        self.text.set_text(guide.text())
        claim = guide.claim()
        self.claim.set_text("")
        self.again.setVisible(guide.again is not None)
        if claim is not None:
            sign, color = ("✓", "good") if claim.holds else ("✗", "warning")
            paper, ours = (
                f"Paper: {claim.paper}" if claim.paper else "",
                true_minus(step.measured(claim.numbers)),
            )
            tip = "\n\n".join(text for text in (claim.claim, paper, f"Here:\n{claim.ours}") if text)
            told = f"{sign} Paper: {step.paper or claim.paper}. Here:" if paper else sign
            self.claim.set_text(f"{told} {ours or first_number(claim.ours)}", color, tip=tip)
        self.back.setEnabled(guide.number > 0)
        self.next.setText("End" if guide.number + 1 == len(guide.steps) else "Next")


def first_number(ours: str) -> str:
    """Return the first line of measured values that is no list of what was varied."""
    lines = [line for line in ours.splitlines() if not line.startswith(VARIED)]
    return lines[0] if lines else "no numbers"
