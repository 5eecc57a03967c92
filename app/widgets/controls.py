"""Buttons, combo boxes and boxes of widgets, made alike everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QBoxLayout, QComboBox, QLayout, QMenu, QToolButton, QWidget

from app.look import icons
from app.look.ink import follow_font
from app.widgets.quiet import Choice

Box = TypeVar("Box", bound=QBoxLayout)


def filled(
    box: Box,
    *items: QWidget | QLayout | tuple[QWidget | QLayout, int],
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
    spacing: int = 0,
) -> Box:
    """Return a box with margins, spacing (-1: the style's) and items in it, some as (item, stretch)."""
    box.setContentsMargins(*margins)
    box.setSpacing(spacing)
    for entry in items:
        item, stretch = entry if isinstance(entry, tuple) else (entry, 0)
        box.addLayout(item, stretch) if isinstance(item, QLayout) else box.addWidget(item, stretch)
    return box


def tool_button(
    parent: QWidget,
    tip: str,
    run: Callable[[], object] | None = None,
    *,
    icon: str = "",
    text: str = "",
    size: int = 14,
    muted: bool = False,
    toggled: Callable[[bool], object] | None = None,
    menu: QMenu | None = None,
) -> QToolButton:
    """Return a button with an icon of ``size`` pixels (``muted``: drawn faintly) or a text.

    ``run`` is called when it is clicked; with ``toggled`` it stays down until the next click, which that is
    told; ``menu`` opens at once.
    """
    button = QToolButton(parent)
    button.setToolTip(tip)
    if icon:
        icons.follow(button, icon, muted=muted)
        button.setIconSize(QSize(size, size))
    if text:
        button.setText(text)
        follow_font(button)
    if run is not None:
        button.clicked.connect(lambda _checked=False: run())
    if toggled is not None:
        button.setCheckable(True)
        button.toggled.connect(toggled)
    if menu is not None:
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button


def choice_box(
    parent: QWidget, tip: str, chosen: Callable[[], object] | None = None, *, width: int = 0
) -> QComboBox:
    """Return an empty combo box, ``width`` pixels wide (0: as its entries need); ``chosen``: by the user."""
    box = Choice(parent)
    follow_font(box)
    box.setToolTip(tip)
    if width:
        box.setFixedWidth(width)
    if chosen is not None:
        box.activated.connect(lambda _index: chosen())
    return box


def plain_action(text: str) -> str:
    """Return a text from outside as an entry of a menu: "&" marks no letter in it, and it has one line."""
    return " ".join(text.replace("&", "&&").split())


def refill(box: QComboBox, entries: Iterable[tuple[str, object]], default: object = None) -> None:
    """Offer (text, data) and nothing else; what was chosen stays so, or else ``default`` or the first one."""
    wanted = list(entries)
    if [(box.itemText(k), box.itemData(k)) for k in range(box.count())] != wanted:
        known, before = [data for _, data in wanted], box.currentData()
        kept = before if box.count() and before in known else default
        box.clear()
        for text, data in wanted:
            box.addItem(text, data)
        box.setCurrentIndex(known.index(kept) if kept in known else 0)
