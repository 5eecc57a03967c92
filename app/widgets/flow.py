"""Controls side by side that go on in a further line where there is no room: the tools of every panel."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget


class FlowRow(QWidget):
    """Lines of controls, each as wide as it wants to be; those ``at_end`` stand at the right of theirs.

    Nothing is ever cut: a control that has no room starts a line. The size hint is as high as the width of
    now needs, and is announced anew when that changes.
    """

    def __init__(self, parent: QWidget, *, left: int = 0, spacing: int = 4) -> None:
        super().__init__(parent)
        self._left, self._spacing = left, spacing
        self._before: list[QWidget] = []
        self._at_end: list[QWidget] = []
        self._height = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.installEventFilter(self)

    def add(self, widget: QWidget, *, at_end: bool = False) -> None:
        """Add a control behind the others at the left, or behind those ``at_end``.

        One that was hidden on purpose stays hidden.
        """
        chosen = widget.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide)
        hidden = chosen and widget.isHidden()
        widget.setParent(self)
        (self._at_end if at_end else self._before).append(widget)
        chain = [*self._before, *self._at_end]
        if len(chain) > 1 and at_end:
            self.setTabOrder(chain[-2], chain[-1])
        widget.setVisible(not hidden)
        if self.isVisible():  # else all are placed when they are first seen
            self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Place what has been added meanwhile."""
        super().showEvent(event)
        self._refresh()

    # sizes --------------------------------------------------------------------------------------------
    def height_for(self, width: int) -> int:
        """Return the height of all lines at a width."""
        lines = self._lines(width)
        return sum(map(_height, lines)) + self._gap * max(len(lines) - 1, 0)

    @property
    def _gap(self) -> int:
        return self._spacing // 2

    def sizeHint(self) -> QSize:
        """Return the width of one line of everything, and the height that the width of now needs."""
        shown = self._shown()
        wide = self._left + sum(wanted(w).width() for w in shown) + self._spacing * max(len(shown) - 1, 0)
        return QSize(wide, self.height_for(self.width()))

    def minimumSizeHint(self) -> QSize:
        """Return the widest control's width, and the same height."""
        widest = max((wanted(widget).width() for widget in self._shown()), default=0)
        return QSize(self._left + widest, self.height_for(self.width()))

    # placing ------------------------------------------------------------------------------------------
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Place the controls when one has another size, comes or goes. ``event`` would see its deletion."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self:
            self._refresh()
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the new width."""
        super().resizeEvent(event)
        self._refresh()

    def _refresh(self) -> None:
        y = 0
        for line in self._lines(self.width()):
            self._place(line, y, _height(line))
            y += _height(line) + self._gap
        if y != self._height:
            self._height = y
            self.updateGeometry()

    def _shown(self) -> list[QWidget]:
        return [widget for widget in (*self._before, *self._at_end) if not widget.isHidden()]

    def _lines(self, width: int) -> list[list[QWidget]]:
        lines: list[list[QWidget]] = []
        room, used = width - self._left, 0
        for widget in self._shown():
            needed = wanted(widget).width()
            if lines and used + self._spacing + needed <= room:
                lines[-1].append(widget)
                used += self._spacing + needed
            else:
                lines.append([widget])
                used = needed
        return lines

    def _place(self, line: list[QWidget], y: int, height: int) -> None:
        x, room = self._left, max(self.width() - self._left, 1)
        ending = [widget for widget in line if widget in self._at_end]
        end = sum(wanted(w).width() for w in ending) + self._spacing * max(len(ending) - 1, 0)
        for widget in line:
            if ending and widget is ending[0]:
                x = max(x, self.width() - end)
            size = wanted(widget).boundedTo(QSize(room, height))
            widget.setGeometry(QRect(x, y + (height - size.height()) // 2, size.width(), size.height()))
            x += size.width() + self._spacing


def wanted(widget: QWidget) -> QSize:
    """Return the size a control wants, within its own bounds."""
    size = widget.sizeHint().expandedTo(widget.minimumSizeHint())
    return size.expandedTo(widget.minimumSize()).boundedTo(widget.maximumSize())


def _height(line: list[QWidget]) -> int:
    return max((wanted(widget).height() for widget in line), default=0)
