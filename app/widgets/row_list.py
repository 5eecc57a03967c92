"""A list of row widgets known by ids, with a text in its place while it is empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QMenu, QSizePolicy, QStackedWidget, QWidget

Row = TypeVar("Row", bound=QWidget)
ID = Qt.ItemDataRole.UserRole


class RowList(QStackedWidget, Generic[Row]):
    """Rows that can be chosen, each with a context menu; ``empty`` is shown while there are none.

    It is as high as its rows: whatever holds it scrolls.
    """

    def __init__(
        self,
        name: str,
        empty: QWidget,
        chosen: Callable[[str], object],
        menu_of: Callable[[str], QMenu],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._chosen, self._menu_of = chosen, menu_of
        self._rows: dict[str, Row] = {}
        self.list = QListWidget(self)
        self.list.setObjectName(name)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._on_menu_wanted)
        self.list.currentItemChanged.connect(self._on_item_chosen)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._empty = empty
        self.addWidget(empty)
        self.addWidget(self.list)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def add(self, row_id: str, row: Row, *, at: int | None = None) -> None:
        """Add a row at the end, or with ``at`` rows above it."""
        item = QListWidgetItem()
        item.setData(ID, row_id)
        item.setSizeHint(QSize(10, row.sizeHint().height()))
        self._rows[row_id] = row
        self.list.insertItem(self.list.count() if at is None else at, item)
        self.list.setItemWidget(item, row)
        self.setCurrentIndex(1)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Return the height of all rows, or of the text in their place."""
        if not self.list.count():
            return self._empty.sizeHint()
        heights = (self.list.item(k).sizeHint().height() for k in range(self.list.count()))
        return QSize(10, sum(heights))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the rows the new width: by itself the list only ever widens them."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.list.doItemsLayout()

    def minimumSizeHint(self) -> QSize:
        """Return the same height; any width will do."""
        return QSize(10, self.sizeHint().height())

    def remove(self, row_id: str) -> None:
        """Take a row away."""
        item = self._item(row_id)
        self._rows.pop(row_id, None)
        if item is not None:
            self.list.takeItem(self.list.row(item))
        self.setCurrentIndex(1 if self.list.count() else 0)
        self.updateGeometry()

    def row(self, row_id: str) -> Row | None:
        """Return the row of an id, or None."""
        return self._rows.get(row_id)

    def choose(self, row_id: str | None) -> None:
        """Mark a row as the current one."""
        item = self._item(row_id or "")
        if item is not None and item is not self.list.currentItem():
            self.list.setCurrentItem(item)

    def _item(self, row_id: str) -> QListWidgetItem | None:
        items = (self.list.item(index) for index in range(self.list.count()))
        return next((item for item in items if item.data(ID) == row_id), None)

    def _on_item_chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._chosen(item.data(ID))

    def _on_menu_wanted(self, position: QPoint) -> None:
        item = self.list.itemAt(position)
        if item is not None:
            menu = self._menu_of(item.data(ID))
            menu.exec(self.list.mapToGlobal(position))
            menu.deleteLater()
