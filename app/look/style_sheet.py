"""The few places where Fusion alone does not look right: dock titles, tabs, toolbars, tables, scroll bars."""

from __future__ import annotations

import re
from dataclasses import asdict
from string import Template
from typing import TypeVar

from PySide6.QtWidgets import QWidget

from app.look.palette import Theme
from nnpcore.installation import RESOURCES

Styled = TypeVar("Styled", bound=QWidget)


def style_sheet(theme: Theme, text_scale: float = 1.0) -> str:
    """Return the application's style sheet in the theme's colours, texts ``text_scale`` times as large."""
    sheet = Template(_scaled((RESOURCES / "style.qss").read_text("utf-8"), text_scale))
    folder = (RESOURCES / "icons").as_posix()
    return sheet.substitute(asdict(theme), icons=folder, mode="dark" if theme.dark else "light")


def _scaled(sheet: str, scale: float) -> str:
    return re.sub(r"font-size: (\d+)px", lambda m: f"font-size: {round(scale * int(m[1]))}px", sheet)


def styled(widget: Styled, *names: str) -> Styled:
    """Return a widget with properties the style sheet looks at: "muted", "small", "heading", "error"..."""
    for name in names:
        widget.setProperty(name, True)
    return widget


def repolish(widget: QWidget, name: str, value: bool) -> None:
    """Set a property the style sheet looks at, such as "wrong" or "error", and show the change."""
    if bool(widget.property(name)) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
