"""What the window shows before anything is open: open, recent, examples with pictures, the three steps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPixmap, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.look import icons, theme
from app.look.style_sheet import styled
from app.settings import Settings
from app.shell.commands import Commands
from app.widgets.controls import filled
from app.widgets.labels import ElidedLabel, NoteLabel
from app.workers.example_sessions import EXAMPLES
from nnpcore.installation import RESOURCES

if TYPE_CHECKING:
    from app.session.session import Session

STEPS = (
    ("Open", "a trajectory with energies and forces, and a crystal along its volume as reference"),
    ("Train", "an ensemble of networks; curves and mapping error are drawn while it runs"),
    ("Read the map", "a low RMSE does not mean that atomic energies are right: the verdict says it"),
)
COLUMNS = 3
CARD = QSize(220, 92)
N_RECENT = 6
WIDTH = 1240


class Welcome(QScrollArea):
    """Stands in the middle of the window until something is open."""

    def __init__(self, session: Session, commands: Commands, settings: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._commands, self._settings = session, commands, settings
        self._built = False
        self.setObjectName("welcome")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.cards: dict[str, Card] = {}

    def showEvent(self, event: QShowEvent) -> None:
        """Fill the page when it is first seen, and list what is recent now."""
        super().showEvent(event)
        if not self._built:
            self._built = True
            self._build()
        self._fill_recent()

    def _build(self) -> None:
        page = QWidget(self)
        page.setProperty("panel", True)
        middle = QWidget(page)
        middle.setMaximumWidth(WIDTH)
        column = filled(QVBoxLayout(middle), margins=(24, 20, 24, 12), spacing=16)
        column.addLayout(self._head(middle))
        column.addLayout(self._steps(middle))
        row = filled(QHBoxLayout(), (self._left(middle), 0), (self._examples(middle), 1), spacing=32)
        column.addLayout(row)
        column.addStretch(1)
        filled(QHBoxLayout(page), (QWidget(page), 1), (middle, 100), (QWidget(page), 1))
        self.setWidget(page)

    def _head(self, parent: QWidget) -> QHBoxLayout:
        logo = QLabel(parent)
        logo.setPixmap(icons.application_icon().pixmap(44, 44))
        title = styled(QLabel("Eatlas", parent), "title")
        about = styled(
            QLabel("Train neural network potentials, and see what single atoms cost.", parent), "muted"
        )
        texts = filled(QVBoxLayout(), title, about, spacing=0)
        return filled(QHBoxLayout(), logo, (texts, 1), spacing=14)

    def _steps(self, parent: QWidget) -> QHBoxLayout:
        row = filled(QHBoxLayout(), spacing=16)
        for number, (title, text) in enumerate(STEPS, 1):
            digit = styled(QLabel(str(number), parent), "digit")
            digit.setAlignment(Qt.AlignmentFlag.AlignTop)
            words = QLabel(f"<b>{title}</b> {text}", parent)
            words.setTextFormat(Qt.TextFormat.RichText)
            words.setWordWrap(True)
            row.addLayout(filled(QHBoxLayout(), digit, (words, 1), spacing=10), 1)
        return row

    def _left(self, parent: QWidget) -> QVBoxLayout:
        """Open and what is recent."""
        column = filled(QVBoxLayout(), spacing=8)
        column.addWidget(styled(QLabel("Start", parent), "heading"))
        for command_id, text in (
            ("file.open", "Open Trajectories…"),
            ("file.run", "Open Run…"),
            ("file.restore", "Reopen Last Session"),
        ):
            button = QPushButton(text, parent)
            button.setProperty("primary", command_id == "file.open")
            button.setToolTip(self._commands.by_id[command_id].tip)
            button.clicked.connect(partial(self._commands.run, command_id))
            column.addWidget(button)
            if command_id == "file.restore":
                self.restore = button
        drop = styled(QLabel("… or drop files anywhere in this window", parent), "muted", "small")
        column.addWidget(drop)
        column.addSpacing(8)
        self.recent_head = styled(QLabel("Recent", parent), "heading")
        column.addWidget(self.recent_head)
        self.recent = filled(QVBoxLayout(), spacing=2)
        column.addLayout(self.recent)
        column.addStretch(1)
        return column

    def _examples(self, parent: QWidget) -> QVBoxLayout:
        grid = QGridLayout()
        grid.setSpacing(12)
        silicon = (
            "file.example",
            "Silicon (DFT)",
            "64 atoms by density-functional theory, bundled: opens at once, trains in a minute.",
            "silicon",
        )
        entries = [silicon, *((f"file.example.{e.name}", e.title, e.about, e.name) for e in EXAMPLES)]
        for number, (command_id, title, about, picture) in enumerate(entries):
            run = partial(self._commands.run, command_id)
            card = self.cards[picture] = Card(title, about, picture, run, parent)
            grid.addWidget(card, number // COLUMNS, number % COLUMNS, Qt.AlignmentFlag.AlignTop)
        column = filled(QVBoxLayout(), styled(QLabel("Examples", parent), "heading"), grid, spacing=8)
        column.addStretch(1)
        return column

    def _fill_recent(self) -> None:
        while (item := self.recent.takeAt(0)) is not None:
            link = item.widget()
            if link is not None:
                link.deleteLater()
        self._commands.refresh()
        self.restore.setVisible(self._commands.actions["file.restore"].isEnabled())
        files = [(path, self._session.data.open_paths) for path in self._settings.recent_files]
        for path, _ in files[:N_RECENT]:
            self._add_recent(Path(path).name, path, partial(self._session.data.open_paths, [path]))
        for path in self._settings.recent_runs[: N_RECENT // 2]:
            self._add_recent(f"Run {Path(path).name}", path, partial(self._session.runs.open, path))
        self.recent_head.setVisible(self.recent.count() > 0)

    def _add_recent(self, text: str, path: str, run: partial[None]) -> None:
        button = QPushButton(text, self)
        button.setObjectName("link")
        button.setToolTip(path)
        button.clicked.connect(lambda _checked=False: run())
        self.recent.addWidget(button)


class Card(QFrame):
    """An example: its picture, its title, and one line about it."""

    def __init__(self, title: str, about: str, picture: str, run: partial[None], parent: QWidget) -> None:
        super().__init__(parent)
        self._run, self._name = run, picture
        self.setObjectName("card")
        self.setToolTip(about)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.picture = _Picture(picture, self)
        label = styled(ElidedLabel(self), "heading")
        label.set_text(title)
        line = NoteLabel(self, "muted", lines=2)
        line.set_text(about)
        texts = filled(QVBoxLayout(), label, line, margins=(10, 6, 10, 8), spacing=0)
        filled(QVBoxLayout(self), self.picture, texts, margins=(1, 1, 1, 1))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open it."""
        if self.rect().contains(event.position().toPoint()):
            self._run()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open it from the keyboard."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._run()
        else:
            super().keyPressEvent(event)


class _Picture(QWidget):
    """A picture as large as its place allows, whole."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._name = name
        self._kept: QPixmap | None = None
        theme.signals().changed.connect(self._forget)
        self.setFixedHeight(CARD.height())
        self.setMinimumWidth(160)

    def _forget(self) -> None:
        self._kept = None
        self.update()

    def paintEvent(self, _event: object) -> None:
        """Draw the picture as it fits, with round upper corners."""
        if self._kept is None:
            mode = "dark" if theme.current().dark else "light"
            path = RESOURCES / "examples" / f"{self._name}-{mode}.png"
            self._kept = QPixmap.fromImage(QImage(str(path)))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shape = QPainterPath()
        shape.addRoundedRect(QRectF(0, 0, self.width(), self.height() + 8), 7, 7)
        painter.setClipPath(shape)
        size = self._kept.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        painter.drawPixmap(
            QRectF(left, top, size.width(), size.height()), self._kept, QRectF(self._kept.rect())
        )
        painter.end()
