"""What does this say? The section of the documentation on one panel, in a small window at its head."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from app.look.style_sheet import styled
from app.widgets.controls import filled
from nnpcore.installation import DOCS

PAGE = "panels.md"
WIDTH, MARGIN = 400, 8


@cache
def sections() -> dict[str, tuple[str, str]]:
    """Return (sentences, formula) by the title of the panel, as the documentation has them."""
    found: dict[str, tuple[str, str]] = {}
    for part in (DOCS / PAGE).read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        lines = [line.strip() for line in body.splitlines() if line.strip()]
        sentences = " ".join(line for line in lines if not line.startswith(">"))
        formula = "\n".join(line[1:].strip() for line in lines if line.startswith(">"))
        found[title.strip()] = sentences.replace("*", ""), formula
    return found


def anchor_of(title: str) -> str:
    """Return the name by which a heading is linked to."""
    return title.lower().replace(" ", "-")


class PanelHelp(QFrame):
    """Three sentences and the formula on a panel; a click elsewhere or Escape closes it."""

    def __init__(self, title: str, read_more: Callable[[], object], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._read_more = read_more
        self.setObjectName("palette")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, True)
        self.setFixedWidth(WIDTH)
        sentences, formula = sections().get(title, ("", ""))
        self.text = QLabel(sentences, self, wordWrap=True)
        self.formula = styled(QLabel(formula, self, wordWrap=True), "muted")
        for label in (self.text, self.formula):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        more = QPushButton("Documentation", self)
        more.clicked.connect(self._on_more)
        items = (styled(QLabel(title, self), "heading"), self.text, self.formula, more)
        self._column = column = filled(QVBoxLayout(self), *items, margins=(14, 12, 14, 12), spacing=8)
        column.setAlignment(more, Qt.AlignmentFlag.AlignLeft)

    def open_below(self, anchor: QWidget) -> None:
        """Show it below a button, within the screen."""
        self.setFixedHeight(self._column.totalHeightForWidth(WIDTH))
        screen = anchor.screen().availableGeometry()
        corner = anchor.mapToGlobal(QPoint(anchor.width() - WIDTH, anchor.height() + 2))
        x = min(max(corner.x(), screen.left() + MARGIN), screen.right() - WIDTH - MARGIN)
        y = min(corner.y(), screen.bottom() - self.height() - MARGIN)
        self.move(x, max(y, screen.top() + MARGIN))
        self.show()

    def _on_more(self) -> None:
        self.close()
        self._read_more()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close on Escape."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)
