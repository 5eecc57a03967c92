"""What the application tells its user: a level, a title, a text, and details to copy."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, Signal

from app.documents.counting import from_one
from nnpcore.errors import EatlasError
from nnpcore.files import writing_failed
from nnpcore.foreign_text import printable

Level = Literal["info", "warning", "error"]
_OPTIONS = re.compile(r" \([^()]*--[a-z][^()]*\)")


@dataclass(frozen=True)
class Notification:
    """One message; ``silent``: only logged. ``actions`` are (button text, callable) offered with it."""

    level: Level
    title: str
    text: str = ""
    details: str = ""
    silent: bool = False
    actions: tuple[tuple[str, Callable[[], object]], ...] = ()


def from_error(title: str, error: BaseException) -> Notification:
    """Turn an exception into a message: the user's words for ours, a bug report for all others."""
    if isinstance(error, EatlasError):
        text, first = from_one(str(error)), str(error).partition(" ")[0]
        if not error.where and first.isalpha() and first.islower():  # no file's name, no unit
            text = text[:1].upper() + text[1:]
        return Notification("error", title, text, details="")
    details = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {error}"
    text = f"Something unexpected happened ({what}). Your data and runs are untouched."
    if isinstance(error, OSError) and error.filename:
        return Notification("error", title, str(writing_failed(error, Path(str(error.filename)))), details)
    return Notification("error", title, text, details)


class Messages(QObject):
    """Where every part of the session leaves what the user should know; the window shows it."""

    notified = Signal(object)
    outdated = Signal(str)
    """Messages of this title are true no more; with "" all that were given so far."""

    def notify(self, notification: Notification) -> None:
        """Show a message to the user.

        Control characters of whatever file it speaks of are left out, and options of commands in brackets.
        """
        title, text = printable(notification.title), _OPTIONS.sub("", printable(notification.text))
        self.notified.emit(replace(notification, title=title, text=text))

    def notify_error(self, title: str, error: BaseException) -> None:
        """Show an exception to the user, with details to copy."""
        self.notify(from_error(title, error))
